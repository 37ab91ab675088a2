"""The order within the top k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor.case import Case, Ints, chance, reversed_top, vote
from heldout.analysis.doctor.finding import CERTAIN, Finding, lower_tail, percent, sign_p


def check(case: Case) -> list[Finding]:
    """Worst-first rows, rows in the order of classes, classes that occur twice in a row."""
    found = []
    for i, top in _tops(case):
        wrong = (_repeated(case, i, top), _by_index(case, i, top) or _worst_first(case, i, top))
        found += [f for f in wrong if f]
    return found


def unsorted(case: Case) -> list[Finding]:
    """Rows in no order at all, for when classes and rows are known to be in theirs."""
    return [f for i, top in _tops(case) for f in [_no_order(case, i, top)] if f]


def _tops(case: Case) -> Iterator[tuple[int, Ints]]:
    """Each model with its (n, k) top, where there is more than the predicted class."""
    if case.runners_up is not None and case.runners_up.shape[2]:
        for i, first in enumerate(case.predicted):
            rest = case.runners_up[i].astype(first.dtype)
            yield i, np.concatenate([first[:, None], rest], axis=1)


def right_by_place(top: Ints, label: Ints) -> NDArray[np.int64]:
    """(k,) how often the label stands in each place of the (n, k) top."""
    return np.asarray(((top == label[:, None]) & (label[:, None] >= 0)).sum(axis=0), np.int64)


def _worst_first(case: Case, i: int, top: Ints) -> Finding | None:
    """The last place beats the first, and the one before it."""
    if not case.labelled:
        return None
    by_place = right_by_place(reversed_top(top), case.label)
    last, before, first = int(by_place[0]), int(by_place[1]), int(by_place[-1])
    p = max(sign_p(last, first), sign_p(last, before))
    if p >= CERTAIN:
        return None
    n = int((case.label >= 0).sum())
    return Finding(
        "topk:worst-first",
        "error",
        "certain" if last >= 2 * first else "likely",
        f"The top {top.shape[1]} of {case.model(i)} is stored worst first: the last place is right"
        f" on {percent(last / n)} of {n} examples, the first on {percent(first / n)}. Top-1 is"
        f" wrong by that much, top-{top.shape[1]} is not.",
        p,
        (i,),
        first / n,
        last / n,
        "worst-first",
    )


def _no_order(case: Case, i: int, top: Ints) -> Finding | None:
    """The first place is no better than the others, for the labels and for the other models.

    Of the rows with the label among the top 5, healthy models have 54 % or more in the first
    place; of those with the other models' vote, 58 %. The labels alone do not suffice: on a set
    that was filtered against a model its first place is always wrong.
    """
    k = top.shape[1]
    if not case.labelled or len(case.models) < 4 or k < 3:
        return None
    least = (1 / k + 0.5) / 2
    by_label = right_by_place(top, case.label)
    if by_label.sum() < 2 * k * chance(top[:, 0], case.label) * len(top):
        return None
    p = lower_tail(int(by_label[0]), int(by_label.sum()), least)
    if p >= CERTAIN:
        return None
    others = [j for j in range(len(case.models)) if j != i]
    by_vote = right_by_place(top, vote(case.predicted[others]))
    p = max(p, lower_tail(int(by_vote[0]), int(by_vote.sum()), least))
    if p >= CERTAIN:
        return None
    n = int((case.label >= 0).sum())
    return Finding(
        "topk:unsorted",
        "error",
        "certain",
        f"The top {k} of {case.model(i)} is not in order: of the {int(by_label.sum())} rows that"
        f" have the label among them, {percent(by_label[0] / by_label.sum())} have it in the first"
        f" place (no order: {percent(1 / k)}). Sort by score before storing.",
        p,
        (i,),
        float(by_label[0] / n),
    )


def _repeated(case: Case, i: int, top: Ints) -> Finding | None:
    """A class twice among the top k of one example."""
    ordered = np.sort(top, axis=1)
    rows = int(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1).sum())
    if not rows:
        return None
    return Finding(
        "topk:repeated-class",
        "error",
        "certain",
        f"In {rows} of {len(top)} rows of {case.model(i)} a class occurs twice among the top"
        f" {top.shape[1]}; a ranking names each class once.",
        0.0,
        (i,),
    )


def _by_index(case: Case, i: int, top: Ints) -> Finding | None:
    """Rows sorted by class index (up or down) instead of by score."""
    full = top[(top >= 0).all(axis=1)]
    k = top.shape[1]
    if len(full) < 20 or k < 3:
        return None
    steps: NDArray[Any] = np.diff(full, axis=1)
    rows = int(max((steps > 0).all(axis=1).sum(), (steps < 0).all(axis=1).sum()))
    if rows < 0.95 * len(full):
        return None
    return Finding(
        "topk:sorted-by-class",
        "error",
        "certain",
        f"In {rows} of {len(full)} rows of {case.model(i)} the top {k} is in the order of the"
        " class indices, not of the scores: the predicted class is not the best one.",
        0.0,
        (i,),
    )
