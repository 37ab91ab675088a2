"""Predictions that know nothing of the labels, or say the same thing all the time."""

from __future__ import annotations

import math

import numpy as np

from heldout.analysis.doctor.case import Case, Ints, accuracy, chance, scored
from heldout.analysis.doctor.finding import CERTAIN, Finding, grade, lower_tail, percent, upper_tail

LEAST_RUN = 32
_LEAST_ROWS = 50


def check(case: Case) -> list[Finding]:
    """Constant predictions, filled rows, no relation to the labels, worse than chance."""
    found = []
    levels = [_level(p, case.label) for p in case.predicted] if case.labelled else []
    for i, guess in enumerate(case.predicted):
        constant = _constant(case, i, guess)
        if constant is not None:
            found.append(constant)
            continue
        filled = _filled(case, i, guess)
        if filled is not None:
            found.append(filled)
        elif case.labelled:
            found += _blind(case, i, guess, [x for j, x in enumerate(levels) if j != i])
    return found


def _level(guess: Ints, label: Ints) -> float:
    """Accuracy above chance."""
    return accuracy(guess, label) - chance(guess, label)


def one_label(case: Case) -> Finding | None:
    """Every example has the same label: nothing else can be checked then."""
    known = case.label[case.label >= 0]
    if len(known) < 20 or case.n_classes < 2 or len(np.unique(known)) > 1:
        return None
    return Finding(
        "labels:one-class",
        "error",
        "certain",
        f"All {len(known)} examples have the label {case.said(int(known[0]))}: the labels were"
        " filled in, or read from the wrong column.",
        0.0,
    )


def _constant(case: Case, i: int, guess: Ints) -> Finding | None:
    """One class for everything."""
    said = guess[guess >= 0]
    if len(said) < 20 or case.n_classes < 2 or said.min() != said.max():
        return None
    return Finding(
        "chance:constant",
        "error",
        "certain",
        f"{case.model(i)} predicts {case.said(int(said[0]))} for all {len(said)} examples.",
        0.0,
        (i,),
        accuracy(guess, case.label),
    )


def wrong_run(guess: Ints, label: Ints) -> tuple[int, int, int]:
    """(start, length, wrong rows) of the run of one prediction with the most wrong rows.

    On examples that are sorted by class a healthy model has long runs too, but right ones.

    >>> wrong_run(np.array([1, 1, 0, 0, 0, 2]), np.array([1, 1, 0, 1, 2, 2]))
    (2, 3, 2)
    """
    starts = np.flatnonzero(np.append(True, guess[1:] != guess[:-1]))
    lengths = np.diff(np.append(starts, len(guess)))
    wrong = np.add.reduceat(((guess != label) & (guess >= 0)).astype(np.int64), starts)
    at = int(wrong.argmax())
    return int(starts[at]), int(lengths[at]), int(wrong[at])


def _filled(case: Case, i: int, guess: Ints) -> Finding | None:
    """A long stretch of one class, mostly wrong: a buffer that was never filled."""
    if not case.labelled or len(guess) < 2 * LEAST_RUN:
        return None
    start, length, wrong = wrong_run(guess, case.label)
    if wrong < LEAST_RUN or length == len(guess):
        return None
    rest = np.ones(len(guess), bool)
    rest[start : start + length] = False
    value = int(guess[start])
    size = 1 + int(case.label.max())
    seen = np.bincount(case.label[rest & (case.label >= 0)], minlength=size)
    same = rest & (guess == value) & (case.label >= 0)
    usual = (np.bincount(case.label[same], minlength=size) + 1) / (seen + 2)
    inside = case.label[start : start + length]
    inside = inside[(inside != value) & (inside >= 0)]
    p = min(1.0, len(guess) * math.exp(float(np.log(usual[inside]).sum())))
    if grade(p) != "certain":
        return None
    now = accuracy(guess, case.label)
    mended = accuracy(guess[rest], case.label[rest])
    return Finding(
        "chance:filled-rows",
        "error",
        "certain",
        f"{case.model(i)} predicts {case.said(value)} for {length} examples in a row, from number"
        f" {start} on, {wrong} of them wrong: these rows were never computed. Without them it is"
        f" right on {percent(mended)} instead of {percent(now)}.",
        p,
        (i,),
        now,
        mended,
    )


def _blind(case: Case, i: int, guess: Ints, others: list[float]) -> list[Finding]:
    """Not better than chance where others are, or worse than chance."""
    keep = scored(guess, case.label)
    n, k = int(keep.sum()), int(((guess == case.label) & keep).sum())
    level = chance(guess, case.label)
    if n < _LEAST_ROWS or level <= 0:
        return []
    typical = float(np.median(others)) if others else 0.0
    sure = bool(others) and min(others) > 0.05
    told = f"{case.model(i)} is right on {percent(k / n)} of {n} examples"
    worse = lower_tail(k, n, level)
    if worse < CERTAIN:
        return [Finding(
            "chance:below", "warning", "likely" if sure else "possible",
            f"{told}, less than the {percent(level)} that its class frequencies get by chance: the"
            " classes or rows are mixed up in a way that was not recognised, or the set was"
            " selected to be wrong for such models.",
            worse, (i,), k / n,
        )]  # fmt: skip
    # If it knew a fifth of what the others know, so few right answers would be a rare accident.
    rare = lower_tail(k, n, min(1.0, level + (typical / 5 if sure else 0.05)))
    if rare >= CERTAIN or upper_tail(k, n, level) < 1e-3:
        return []
    against = f", the other models are {percent(typical)} above that" if sure else ""
    return [Finding(
        "chance:no-relation", "error" if sure else "warning", "certain" if sure else "possible",
        f"{told}; chance is {percent(level)}{against}. It is untrained, or its predictions belong"
        " to other examples or classes, in an order that was not recognised.",
        rare, (i,), k / n,
    )]  # fmt: skip
