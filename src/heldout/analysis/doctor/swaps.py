"""Two classes that have changed places, or one that has swallowed another of the same name.

For classes p and q, b rows are predicted as one and labelled as the other, c rows are right. Where
a healthy model cannot tell two classes apart at all, b is binomial(b + c, 1/2). The other models
say how hard they are (for the labels: how often the models contradict each other): the test uses
twice their rate of mistakes, but never less than 1/4 nor more than 1/2. Each class has about one
near twin, so p is corrected for C pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from heldout.analysis.doctor.case import Case, IntArray, Ints, accuracy, translated, vote
from heldout.analysis.doctor.confusion import Confusion, confusion
from heldout.analysis.doctor.finding import Finding, grade, percent, upper_tail

_LEAST = 0.25
_MOST = 0.5
_LEAST_MODELS = 3
_SHOWN = 0.75
_KNOWS = 0.6
"""Below this accuracy a set may have been filtered to be wrong, and its near twins look swapped."""

Hardness = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """Classes p and q: b rows crosswise, c rows straight, corrected p-value."""

    p: int
    q: int
    b: int
    c: int
    value: float


def of_labels(case: Case) -> list[Finding]:
    """Swapped pairs of the labels: all models show them."""
    if not case.labelled or case.n_classes < 3 or len(case.models) < 2:
        return []
    common = vote(case.predicted)
    if accuracy(common, case.label) < _KNOWS:
        return []
    hard: Hardness = _as_hard_as_can_be
    if len(case.models) > _LEAST_MODELS:
        hard = partial(_hardness_by_vote, case.predicted, common)
    counts = confusion(common, case.label, _width(case))
    pairs = swapped_pairs(counts, case.n_classes, hard)
    pairs = [x for x in pairs if _shown_by(case, x) >= _SHOWN]
    return [_finding(case, None, pairs)] if pairs else []


def of_models(case: Case) -> list[Finding]:
    """Swapped and merged classes of single models."""
    if not case.labelled or case.n_classes < 3:
        return []
    found: list[Finding] = []
    several = len(case.models) > _LEAST_MODELS
    common = vote(case.predicted)
    tables = [confusion(p, case.label, _width(case)) for p in case.predicted]
    for i, table in enumerate(tables):
        against = table
        hard: Hardness = _as_hard_as_can_be
        if several:
            against = confusion(case.predicted[i], common, _width(case))
            hard = partial(_hardness, [t for j, t in enumerate(tables) if j != i])
        elif accuracy(case.predicted[i], case.label) < _KNOWS:
            continue
        pairs = swapped_pairs(table, case.n_classes, hard)
        pairs = [x for x in pairs if _crosswise(against, x.p, x.q)]
        if pairs:
            found.append(_finding(case, i, pairs))
        found += _merged(case, i, table, hard)
    return found


def _width(case: Case) -> int:
    return 1 + max(int(case.predicted.max(initial=0)), int(case.label.max()))


def _crosswise(counts: Confusion, p: int, q: int) -> bool:
    """Whether a pair is crosswise here too.

    On a set that was filtered to be wrong for a model all its pairs are crosswise against the
    labels, but not against the other models' vote.
    """
    n = counts.at([p, q, p, q], [q, p, p, q])
    return bool(n[0] > n[2] and n[1] > n[3])


def swapped_pairs(counts: Confusion, n_classes: int, hardness: Hardness) -> list[Pair]:
    """Disjoint pairs of classes with too many crosswise rows, surest first.

    hardness: the share of crosswise rows that a healthy model could have for a pair.
    """
    a, b, n = counts.predicted, counts.label, counts.count
    cross = (a < b) & (b < n_classes)
    p, q = a[cross], b[cross]
    there, back = n[cross], counts.at(q, p)
    own_p, own_q = counts.at(p, p), counts.at(q, q)
    keep = (there > own_p) & (back > own_q) & (there + back >= 3 * (own_p + own_q))
    found = []
    for i in np.flatnonzero(keep):
        crosswise, straight = int(there[i] + back[i]), int(own_p[i] + own_q[i])
        rate = hardness(int(p[i]), int(q[i]))
        value = min(1.0, n_classes * upper_tail(crosswise, crosswise + straight, rate))
        if grade(value):
            found.append(Pair(int(p[i]), int(q[i]), crosswise, straight, value))
    taken: set[int] = set()
    kept = []
    for x in sorted(found, key=lambda x: (x.value, -x.b)):
        if not {x.p, x.q} & taken:
            taken |= {x.p, x.q}
            kept.append(x)
    return kept


def _as_hard_as_can_be(p: int, q: int) -> float:
    """With nothing to compare, two classes may be impossible to tell apart."""
    return _MOST


def _hardness(others: Sequence[Confusion], p: int, q: int) -> float:
    """From the median of the other models' rates of crosswise rows."""
    rates = []
    for counts in others:
        n = counts.at([p, q, p, q], [q, p, p, q])
        rates.append((int(n[:2].sum()) + 1) / (int(n.sum()) + 2))
    return float(np.clip(2 * np.median(rates), _LEAST, _MOST))


def _hardness_by_vote(predicted: Ints, common: Ints, p: int, q: int) -> float:
    """From how often the models contradict each other's vote on a pair, whatever the labels."""
    rows = np.flatnonzero((common == p) | (common == q))
    guess, most = predicted[:, rows], common[rows]
    against = int((guess == np.where(most == p, q, p)).sum())
    rate = (against + 1) / (against + int((guess == most).sum()) + 2)
    return float(np.clip(2 * rate, _LEAST, _MOST))


def _shown_by(case: Case, pair: Pair) -> float:
    """The share of models with more crosswise than straight rows for a pair."""
    rows = np.flatnonzero((case.label == pair.p) | (case.label == pair.q))
    guess, label = case.predicted[:, rows], case.label[rows]
    other = np.where(label == pair.p, pair.q, pair.p)
    return float(np.mean((guess == other).sum(axis=1) > (guess == label).sum(axis=1)))


def _exchange(n_classes: int, pairs: Sequence[Pair]) -> IntArray:
    means = np.arange(n_classes)
    for x in pairs:
        means[x.p], means[x.q] = x.q, x.p
    return means


def _finding(case: Case, i: int | None, pairs: Sequence[Pair]) -> Finding:
    means = _exchange(case.n_classes, pairs)
    rows: Ints = case.predicted if i is None else case.predicted[[i]]
    now = float(np.mean([accuracy(r, case.label) for r in rows]))
    if i is None:
        mended = float(np.mean([accuracy(r, translated(case.label, means)) for r in rows]))
    else:
        mended = accuracy(translated(rows[0], means), case.label)
    shown = "; ".join(
        f"{case.said(x.p)} and {case.said(x.q)} ({x.b} rows crosswise, {x.c} straight)"
        for x in pairs[:3]
    ) + ("; …" if len(pairs) > 3 else "")
    who = "the labels" if i is None else case.model(i)
    value = min(x.value for x in pairs)
    certainty = grade(value)
    return Finding(
        "labels:swapped" if i is None else "class-order:swapped",
        "error" if certainty == "certain" else "warning",
        certainty,
        f"In {who}, {len(pairs)} pair{'s' if len(pairs) > 1 else ''} of classes changed places:"
        f" {shown}. Exchanged, the accuracy is {percent(mended)} instead of {percent(now)}.",
        value,
        () if i is None else (i,),
        now,
        mended,
        ("label-order" if i is None else "class-order") + "=FILE",
        means=None if i is None else means,
        label_means=means if i is None else None,
    )


def _merged(case: Case, i: int, counts: Confusion, hardness: Hardness) -> list[Finding]:
    """Classes of one name of which only one is ever predicted: predictions were keyed by name."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(case.class_names):
        groups.setdefault(name, []).append(index)
    twins = [g for g in groups.values() if len(g) == 2]
    said = counts.row_sums(counts.width)
    value, swallowed, rows = 1.0, [], 0
    for p, q in twins:
        for gone, kept in ((p, q), (q, p)):
            if max(gone, kept) >= counts.width:  # classes that the rows know nothing of
                continue
            moved = int(counts.at(kept, gone))
            if said[gone] == 0 and moved:
                value *= hardness(gone, kept) ** moved
                swallowed.append(gone)
                rows += moved
    value = min(1.0, max(1, len(twins)) * value)
    if not grade(value):
        return []
    now = accuracy(case.predicted[i], case.label)
    n = int((case.label >= 0).sum())
    return [
        Finding(
            "class-order:merged-names",
            "error" if grade(value) == "certain" else "warning",
            grade(value),
            f"{case.model(i)} never predicts {' nor '.join(case.said(s) for s in swallowed)};"
            f" {rows} of their rows went to the other class of the same name. Predictions that are"
            " keyed by class name lose such classes; key them by class id.",
            value,
            (i,),
            now,
            min(1.0, now + rows / n),
        )
    ]
