"""Rows that stand against the wrong examples.

Models err on the same examples: within a class, the errors of two healthy models of CIFAR-10 or
ImageNet correlate at .10 to .90 (Fisher vectors against a NASNet at the low end), those of rows
that were mixed up not at all. So a mix-up shows even where it leaves the accuracy as it was,
because it happened within the classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtr

from heldout.analysis.doctor.case import Case, Ints, accuracy, chance, vote
from heldout.analysis.doctor.finding import CERTAIN, Finding, grade, percent
from heldout.analysis.doctor.row_search import Move, by_difficulty, by_labels

_EDGE = 5.0  # standard errors above nought: two models err together
_NEAREST = 5  # models nearest in accuracy say how much a model should err with the others,
_ODDS = 8.0  # if their odds of being right are within this factor
_SHARE = 1 / 3  # of that is the least a healthy model has; the lowest seen is .4
_PAIR = 0.08  # the least correlation of two models alone; the lowest seen is .097
_LOOK = 0.01  # p from which on moved rows are searched; mixed-up rows need 1e-6
_LEAST_SKILL = 0.05
LEAST_ROWS = 300
_LEAST_WRONG = 50
_SHARED = 0.75  # of the models have to gain where the labels are to blame
_ALONE = 0.3  # skill that a model without others must reach by a move

Floats = NDArray[np.float32]


def of_labels(case: Case) -> list[Finding]:
    """Labels whose rows are moved against all models."""
    if not case.labelled or len(case.models) < 2:
        return []
    common = vote(case.predicted)
    move = by_labels(common, case.label, case.examples)
    if move is None or _helps(case, move) < _SHARED:
        return []
    # Labels that are put right agree with the models about as much as these with each other.
    together = float(np.mean(case.predicted == common))
    fits = accuracy(common[move.rows], case.label) >= 0.5 * together
    return [_of_all(case, move)] if fits else []


def of_models(case: Case) -> list[Finding]:
    """Rows of single models that are moved or mixed up."""
    if not case.labelled:
        return []
    m = len(case.models)
    left = residuals(case.predicted, case.label)
    skills = np.array([_skill(p, case.label) for p in case.predicted])
    unrelated = _unrelated(case, left, skills)
    weak = {i for i in range(m) if m == 1 or skills[i] < 0.5 * float(np.median(skills))}
    found = [_search(case, i, left, unrelated) for i in sorted(unrelated.keys() | weak)]
    return [f for f in found if f is not None]


def residuals(predicted: Ints, label: Ints) -> Floats:
    """(m, n) wrong (1) or right (0) less the mean over the label's class, rows of length 1.

    Rows without a prediction or label are 0, and so is a model that a class decides entirely.
    """
    known = label >= 0
    group = np.where(known, label, 0)
    out = np.zeros(predicted.shape, np.float32)
    for i, guess in enumerate(predicted):
        use = known & (guess >= 0)
        wrong = ((guess != label) & use).astype(np.float64)
        total = np.bincount(group[use], minlength=int(group.max()) + 1)
        mean = np.bincount(group, wrong, minlength=len(total)) / np.maximum(total, 1)
        row = np.where(use, wrong - mean[group], 0.0)
        norm = math.sqrt(float(row @ row))
        out[i] = row / norm if norm > 1e-9 else 0.0
    return out


def _freedom(label: Ints) -> int:
    """Rows that can move within their classes."""
    known = label[label >= 0]
    return int(len(known) - len(np.unique(known)))


def _main_group(left: Floats, free: int) -> list[int]:
    """The largest group of models that err together, directly or through others."""
    relation = left @ left.T
    off = relation[~np.eye(len(left), dtype=bool)]
    edge = max(_EDGE / math.sqrt(free), _SHARE * float(np.median(off)))
    _, group = connected_components(csr_array(relation > edge), directed=False)
    return np.flatnonzero(group == np.bincount(group).argmax()).tolist()


def _unrelated(case: Case, left: Floats, skills: NDArray[np.float64]) -> dict[int, float]:
    """Models whose errors may fall on other examples than everybody's: index -> p if healthy."""
    free = _freedom(case.label)
    live = [i for i in range(len(left)) if np.any(left[i])]
    if free < LEAST_ROWS or len(live) < 2:
        return {}
    main = [live[j] for j in _main_group(left[live], free)]
    wrong = [int(((p != case.label) & (p >= 0) & (case.label >= 0)).sum()) for p in case.predicted]
    if len(main) < 2:
        if len(live) > 2 or min(wrong) < _LEAST_WRONG:
            return {}
        p = _below(float(left[live[0]] @ left[live[1]]), _PAIR, free)
        return {live[1]: p} if p < _LOOK else {}
    total = left[main].sum(axis=0)
    fit = {i: _cosine(left[i], total - left[i] if i in main else total) for i in live}
    found = {}
    for i in live:
        others = [j for j in main if j != i and _comparable(skills[i], skills[j])]
        others = [j for j in others if wrong[j] >= _LEAST_WRONG]
        near = sorted(others, key=lambda j: abs(skills[j] - skills[i]))[:_NEAREST]
        if not near or wrong[i] < _LEAST_WRONG:
            continue
        expected = min(fit[j] * _fainter(skills[i], skills[j]) for j in near)
        p = _below(fit[i], _SHARE * expected, free)
        if p < _LOOK and skills[i] > _LEAST_SKILL:
            found[i] = p
    return found


def _odds(skill: float) -> float:
    inside = min(max(skill, 1e-4), 1 - 1e-4)
    return inside / (1 - inside)


def _comparable(a: float, b: float) -> bool:
    """Whether two models are near enough in accuracy to say how their errors should correlate."""
    return 1 / _ODDS <= _odds(a) / _odds(b) <= _ODDS


def _fainter(skill: float, than: float) -> float:
    """How much weaker the relation of a weaker model is: the root of the ratio of odds."""
    return math.sqrt(min(1.0, _odds(skill) / _odds(than)))


def _below(r: float, least: float, free: int) -> float:
    """P(a correlation this low or lower) if the true one is `least` (Fisher's z)."""
    z = (math.atanh(min(r, 0.999)) - math.atanh(min(least, 0.999))) * math.sqrt(max(free - 3, 1))
    return float(ndtr(z))


def _cosine(a: Any, b: Any) -> float:
    size = math.sqrt(float(b @ b))
    return float(a @ b) / size if size > 1e-9 else 0.0


def _skill(predicted: Ints, label: Ints) -> float:
    """Accuracy above chance as a share of what there is above chance."""
    level = chance(predicted, label)
    return (accuracy(predicted, label) - level) / max(1 - level, 1e-9)


def _helps(case: Case, move: Move) -> float:
    """The share of models that a move makes right far more often."""
    plain = np.array([accuracy(p, case.label) for p in case.predicted])
    moved = np.array([accuracy(p[move.rows], case.label) for p in case.predicted])
    return float(np.mean(moved > plain))


def _search(case: Case, i: int, left: Floats, unrelated: dict[int, float]) -> Finding | None:
    """Where the rows of a suspect went; that they were mixed up, if they went nowhere known."""
    guess = case.predicted[i]
    move = by_labels(guess, case.label, case.examples)
    if move is not None and _believable(case, i, move):
        return _moved(case, i, move)
    if i not in unrelated:
        return None
    others = [j for j in range(len(left)) if j != i and j not in unrelated]
    if others:
        difficulty = left[others].sum(axis=0)
        found = by_difficulty(guess, case.label, case.examples, difficulty)
        if found is not None:
            name, places, rows = found
            again = residuals(guess[None, rows], case.label)[0]
            r, free = _cosine(again, difficulty), _freedom(case.label)
            p = min(1.0, (len(guess) + 20) * float(ndtr(-r * math.sqrt(free))))
            if p < CERTAIN and r > 3 * abs(_cosine(left[i], difficulty)):
                return _moved(case, i, Move(name, places, rows, r, p))
    return _mixed(case, i, unrelated[i], others) if unrelated[i] < CERTAIN else None


def _believable(case: Case, i: int, move: Move) -> bool:
    """Whether a move brings a model as much closer to the others' vote as to the labels; alone, it
    has to know a good deal of the labels then (a filtered set can always be moved a little)."""
    guess = case.predicted[i]
    if len(case.models) == 1:
        return _skill(guess[move.rows], case.label) >= _ALONE
    common = vote(np.delete(case.predicted, i, axis=0))
    moved, plain = guess[move.rows] == common, guess == common
    return int((moved & ~plain).sum()) >= 3 * int((plain & ~moved).sum())


def _moved(case: Case, i: int, move: Move) -> Finding:
    now = accuracy(case.predicted[i], case.label)
    mended = accuracy(case.predicted[i][move.rows], case.label)
    why = "" if move.b else ", and its errors fall on the examples that other models err on"
    return Finding(
        "rows:shifted" if move.name == "shift" else f"rows:{move.name}",
        "error",
        grade(move.p, clear=move.b >= 9 * move.c),
        f"The rows of {case.model(i)} {_where(move)}. Moved there, it is right on {percent(mended)}"
        f" of the examples instead of {percent(now)}{why}.",
        move.p,
        (i,),
        now,
        mended,
        _mend(move),
        rows=move.rows,
    )


def _of_all(case: Case, move: Move) -> Finding:
    now = float(np.mean([accuracy(p, case.label) for p in case.predicted]))
    mended = float(np.mean([accuracy(p[move.rows], case.label) for p in case.predicted]))
    return Finding(
        "labels:rows-shifted" if move.name == "shift" else f"labels:rows-{move.name}",
        "error",
        grade(move.p, clear=move.b >= 9 * move.c),
        f"Against the labels, the rows of all {len(case.models)} models {_where(move)}. Moved"
        f" there, they are right on {percent(mended)} of the examples on average instead of"
        f" {percent(now)}. The models agree with each other, so the labels should move instead;"
        " import them by example id.",
        move.p,
        (),
        now,
        mended,
        f"shift-labels={move.places}" if move.name == "shift" else "",
        rows=move.rows,
    )


def _where(move: Move) -> str:
    if move.name == "shift":
        way = "down" if move.places > 0 else "up"
        count = abs(move.places)
        return f"stand {count} place{'s' if count > 1 else ''} too far {way}"
    made, _, joined = move.name.partition("-for-")
    return f"are in the order '{made}' but were joined as if '{joined or 'as-stored'}'"


def _mend(move: Move) -> str:
    if move.name == "shift":
        return f"shift-rows={-move.places}"
    return f"row-order={move.name}"


def _mixed(case: Case, i: int, p: float, others: Sequence[int]) -> Finding:
    """The accuracy may be right; nothing that joins examples is."""
    now = accuracy(case.predicted[i], case.label)
    where = f"those of the other {len(others)} models" if len(others) > 1 else "the other model's"
    which = "" if len(others) > 1 else ", or the other model's do,"
    return Finding(
        "rows:shuffled-within-class",
        "warning",
        "certain" if len(others) > 1 else "likely",
        f"The errors of {case.model(i)} have nothing to do with {where}: its rows{which} seem to"
        " stand against other examples of the same class. The accuracy stays right, but nothing"
        " that joins examples does (paired tests, agreement, other labels). Import it again by"
        " example id.",
        p,
        (i,),
        now,
        now,
    )
