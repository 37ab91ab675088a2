"""Two models that are one.

Two good models agree on most examples because both are right, so only the examples count that at
least one of them gets wrong. There, the nearest two of 67 ImageNet models (the same network from
two sources) give the same answer on 60 to 76 %, the nearest of 30 CIFAR-10 models on 59 %.
"""

from __future__ import annotations

import numpy as np

from heldout.analysis.doctor.case import Case
from heldout.analysis.doctor.finding import CERTAIN, Finding, upper_tail

NEARLY = 0.97
_TWINS = 0.8


def check(case: Case) -> list[Finding]:
    """Models with the same predictions, exactly or but for a few flips, each named once.

    p: the chance that two networks that agree on 80 % of such examples agree on as many, times the
    number of pairs.
    """
    m = len(case.models)
    if m < 2:
        return []
    found = []
    gone: set[int] = set()
    alike = _may_agree(case)
    for i in range(m):
        for j in range(i + 1, m):
            if j in gone or not alike[i, j]:
                continue
            equal, wrong, differ = agreement(case, i, j)
            p = min(1.0, m * (m - 1) / 2 * upper_tail(equal, wrong, _TWINS))
            # Without labels good models agree nearly everywhere; only equal ones are one.
            nearly = equal >= NEARLY * wrong and case.labelled
            if p < CERTAIN and (nearly or differ == 0):
                found.append(_finding(case, i, j, wrong, differ, p))
                gone.add(j)
    return found


def agreement(case: Case, i: int, j: int) -> tuple[int, int, int]:
    """Two models' equal answers where at least one is wrong, those rows, all differing rows.

    Without labels, all rows but those of the most frequent answer count.
    """
    a, b = case.predicted[i], case.predicted[j]
    both = (a >= 0) & (b >= 0)
    if case.labelled:
        rows = both & (case.label >= 0) & ((a != case.label) | (b != case.label))
    else:
        common = np.bincount(a[both]).argmax() if both.any() else -1
        rows = both & ((a != common) | (b != common))
    return int((a[rows] == b[rows]).sum()), int(rows.sum()), int((both & (a != b)).sum())


def _may_agree(case: Case) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Pairs that agree on most of some rows: a cheap look before the exact one."""
    n = case.predicted.shape[1]
    rows = np.random.default_rng([n, 3]).permutation(n)[:2000]
    part = case.predicted[:, rows]
    share = np.array([(part == p).mean(axis=1) for p in part])
    return np.asarray(share > 0.9)


def _finding(case: Case, i: int, j: int, wrong: int, differ: int, p: float) -> Finding:
    n = case.predicted.shape[1]
    rows = f"{wrong} examples that they get wrong" if case.labelled else f"{wrong} examples"
    if differ == 0:
        says = (
            f"{case.model(i)} and {case.model(j)} predict the same on all {n} examples, {rows}"
            " included: they are one model under two names. Import one of them."
        )
        return Finding("twins:identical", "warning", "certain", says, p, (i, j))
    says = (
        f"{case.model(i)} and {case.model(j)} differ on only {differ} of {n} examples ({rows}):"
        " probably the same weights, run twice."
    )
    return Finding("twins:nearly-identical", "warning", "likely", says, p, (i, j))
