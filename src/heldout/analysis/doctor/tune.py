"""Models that agree with each other far more than with the labels.

On a set that was filtered to be wrong for a model (ImageNet-A for ResNet-50) nothing is in
disorder, though its accuracy is nil and every other order of classes, rows or places looks better.
It still gives the answers that other models give; a model whose classes or rows are mixed up does
not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from heldout.analysis.doctor.case import Case, Ints, accuracy, chance, scored
from heldout.analysis.doctor.finding import Finding, lower_tail, percent, upper_tail

_BEST = 5
_LEAST = 0.02
_AT_CHANCE = 1e-3
_SHARED = 0.75
_SEVERAL = 4
_LEAST_ROWS = 50
_ENOUGH_ROWS = 300


def in_tune(case: Case) -> dict[int, float]:
    """Models that agree with others far more than with the labels: index -> share of equal answers.

    Twice as much with the median of the five most accurate others, or five times as much with one
    that agrees with the labels itself (a copy that is mixed up in the same way does not).
    """
    m = len(case.models)
    if not case.labelled or m < 2:
        return {}
    right = np.array([accuracy(p, case.label) for p in case.predicted])
    found = {}
    for i, guess in enumerate(case.predicted):
        if right[i] >= 0.5:
            continue
        ranked = [j for j in np.argsort(-right, kind="stable") if j != i]
        share = {j: _above(guess, case.predicted[j]) for j in ranked}
        many = float(np.median([share[j] for j in ranked[:_BEST]]))
        one = max((share[j] for j in ranked if right[j] >= 0.5 * share[j]), default=0.0)
        if (many >= _LEAST and right[i] < 0.5 * many) or (one >= _LEAST and right[i] < 0.2 * one):
            found[i] = max(many, one)
    return found


def _above(guess: Ints, other: Ints) -> float:
    """The share of equal answers, less what is equal by chance."""
    return float(np.mean((guess == other) & (guess >= 0))) - chance(guess, other)


def check(case: Case, tuned: dict[int, float]) -> list[Finding]:
    """Those among them that are right no more often than by chance; the labels, if most are."""
    blind = {i: share for i, share in tuned.items() if _at_chance(case, i)}
    m = len(case.models)
    right = {i: accuracy(case.predicted[i], case.label) for i in blind}
    if len(blind) >= max(_SEVERAL, _SHARED * m) and not _below_chance(case, blind):
        typical = float(np.median(list(blind.values())))
        return [
            Finding(
                "labels:no-relation",
                "error",
                "likely",
                f"{len(blind)} of {m} models agree with each other on {percent(typical)} of the"
                " examples (above chance), and with the labels no more than by chance: the labels"
                " belong to other examples or classes, in an order that was not recognised.",
            )
        ]
    return [
        Finding(
            "chance:filtered",
            "warning",
            "likely",
            f"{case.model(i)} is right on {percent(right[i])} of the examples, but agrees with"
            f" other models on {percent(share)} (above chance): the set seems to have been selected"
            " to be wrong for this model, so its accuracy says nothing.",
            models=(i,),
            now=right[i],
        )
        for i, share in blind.items()
    ]


def _at_chance(case: Case, i: int) -> bool:
    """Right no more often than predictions with these class frequencies are by chance."""
    k, n, level = _counts(case, i)
    return n >= _LEAST_ROWS and upper_tail(k, n, level) > _AT_CHANCE


def _below_chance(case: Case, models: Iterable[int]) -> bool:
    """Whether some are right less often than by chance: mixed-up labels do not do that, selecting
    examples does. Few examples do not tell."""
    counts = [_counts(case, i) for i in models]
    return any(n < _ENOUGH_ROWS or lower_tail(k, n, level) < _AT_CHANCE for k, n, level in counts)


def _counts(case: Case, i: int) -> tuple[int, int, float]:
    """Right rows, rows, and the accuracy that would be chance."""
    keep = scored(case.predicted[i], case.label)
    k = int(((case.predicted[i] == case.label) & keep).sum())
    return k, int(keep.sum()), chance(case.predicted[i], case.label)
