"""Examples of only some of the classes: 200-way against 1000-way accuracy.

ImageNet-A, -R and ObjectNet have examples of some of ImageNet's classes. Whether scores are
restricted to those before the argmax moves the accuracy by tens of points, so both are good
numbers and must not stand in one column.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor.case import Case, IntArray, Ints, scored
from heldout.analysis.doctor.finding import CERTAIN, Finding, percent

_FEWEST_OUTSIDE = 0.02
_ROWS_PER_CLASS = 5


def check(case: Case) -> list[Finding]:
    """Indices that are no class at all, then predictions of classes that no example has."""
    found = _out_of_range(case)
    if not case.labelled or found:
        return found
    present = np.unique(case.label[case.label >= 0]).astype(np.int64)
    if not restricted(case.label, case.n_classes):
        return []
    allowed = np.zeros(case.n_classes, bool)
    allowed[present] = True
    rows = [scored(p, case.label) & (p >= 0) for p in case.predicted]
    n = np.array([int(r.sum()) for r in rows])
    out = np.array([int((~allowed[p[r]]).sum()) for p, r in zip(case.predicted, rows, strict=True)])
    share = out / np.maximum(n, 1)
    open_list = np.flatnonzero(share >= _FEWEST_OUTSIDE)
    if not len(open_list):
        return []
    # With the smallest share among the open ones halved, a closed model would still have some.
    least = float(share[open_list].min()) / 2
    closed = [
        int(i) for i in np.flatnonzero(out == 0) if n[i] * math.log1p(-least) < math.log(CERTAIN)
    ]
    if closed:
        return [_mixed(case, closed, open_list.tolist(), share, present)]
    if "@" in case.setting:
        return [_unmasked(case, open_list.tolist(), share, present, "error")]
    return [_unmasked(case, open_list.tolist(), share, present, "warning")]


def restricted(label: Ints, n_classes: int) -> bool:
    """Whether the classes without examples are too many to be missing by chance.

    However uneven the classes are, about f1^2 / (2 f2) are unseen in a sample in which f1 classes
    are seen once and f2 twice (Chao 1984, Scandinavian Journal of Statistics 11); with f2 = 0,
    f1 (f1 - 1) / 2. Ten times that, and a tenth of all classes, have to be missing, and there have
    to be five rows a class.

    >>> restricted(np.repeat(np.arange(200), 10), 1000), restricted(np.arange(200), 1000)
    (True, False)
    """
    rows = np.bincount(label[label >= 0], minlength=n_classes)[:n_classes]
    present = int((rows > 0).sum())
    if present < 2 or rows.sum() < _ROWS_PER_CLASS * present:
        return False
    missing, once, twice = (int((rows == r).sum()) for r in (0, 1, 2))
    unseen = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    return missing > 10 * unseen + 0.1 * n_classes


def closed_bounds(top: Ints, label: Ints, allowed: NDArray[np.bool_]) -> tuple[float, float]:
    """At least and at most the accuracy with scores restricted to some classes, from the top k.

    The first allowed class among the k is the restricted prediction; where there is none, it is
    one of the other allowed classes, right or wrong.
    """
    use = label >= 0
    inside = (top >= 0) & allowed[np.clip(top, 0, len(allowed) - 1)] & (top < len(allowed))
    first = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
    guess = np.where(first >= 0, top[np.arange(len(top)), np.maximum(first, 0)], -1)
    n = max(int(use.sum()), 1)
    sure = int(((guess == label) & use).sum())
    open_rows = int(((first < 0) & use).sum())
    return sure / n, (sure + open_rows) / n


def _restricted_words(case: Case, i: int, present: IntArray) -> str:
    """What the restricted accuracy would be, exactly from scores or between bounds."""
    allowed = np.zeros(max(case.n_classes, 1), bool)
    allowed[present] = True
    if case.scores is not None and case.scores.shape[2] == case.n_classes:
        closed = np.where(allowed, np.asarray(case.scores[i], np.float64), -np.inf).argmax(axis=1)
        use = scored(case.predicted[i], case.label)
        exact = float((closed == case.label)[use].mean())
        return f"restricted to these classes it would be {percent(exact)}"
    top = case.predicted[i][:, None]
    if case.runners_up is not None:
        top = np.concatenate([top, case.runners_up[i].astype(top.dtype)], axis=1)
    low, high = closed_bounds(top, case.label, allowed)
    return f"restricted to these classes it would be between {percent(low)} and {percent(high)}"


def _unmasked(
    case: Case, models: list[int], share: NDArray[np.float64], present: IntArray, severity: str
) -> Finding:
    worst = max(models, key=lambda i: share[i])
    now = float(np.mean(case.predicted[worst] == case.label))
    why = (
        " although the setting's name says that scores are restricted"
        if severity == "error"
        else ""
    )
    return Finding(
        "subset:unmasked-classes",
        severity,
        "certain",
        f"Only {len(present)} of {case.n_classes} classes have examples, but {len(models)} of"
        f" {len(case.models)} models predict others{why}: {case.model(worst)} on"
        f" {percent(float(share[worst]))} of the rows. This is {case.n_classes}-way accuracy, for"
        f" it {percent(now)}; {_restricted_words(case, worst, present)}."
        " Say which in the setting's name.",
        0.0,
        () if len(models) == len(case.models) else tuple(models),
    )


def _mixed(
    case: Case,
    closed: list[int],
    open_list: list[int],
    share: NDArray[np.float64],
    present: IntArray,
) -> Finding:
    shown = ", ".join(case.model(i) for i in closed[:3]) + (" …" if len(closed) > 3 else "")
    low, high = (float(f([share[i] for i in open_list])) for f in (min, max))
    return Finding(
        "subset:mixed",
        "error",
        "certain",
        f"{len(closed)} of {len(case.models)} models ({shown}) predict only the {len(present)}"
        f" classes that have examples, {len(open_list)} predict others on {percent(low)} to"
        f" {percent(high)} of the rows: {len(present)}-way and {case.n_classes}-way accuracies"
        " cannot be compared.",
        0.0,
        tuple(open_list),
        mend="class-subset",
    )


def _out_of_range(case: Case) -> list[Finding]:
    """Predicted indices that the label set does not have."""
    if not case.classes:
        return []
    found = []
    for i, guess in enumerate(case.predicted):
        out = int((guess >= case.n_classes).sum())
        if out:
            found.append(
                Finding(
                    "subset:no-such-class",
                    "error",
                    "certain",
                    f"{out} of {len(guess)} predictions of {case.model(i)} are"
                    f" {case.n_classes} or more (up to {int(guess.max())}), but the label set has"
                    f" only {case.n_classes} classes: the predictions are of another class list."
                    " FILE lists the class of every index, one a line.",
                    0.0,
                    (i,),
                    mend="class-order=FILE",
                )
            )
    return found
