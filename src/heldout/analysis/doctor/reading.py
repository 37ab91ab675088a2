"""Another reading of class indices, and whether to believe it.

A known order is tested as it is: b rows are right only when read in that order, c only as stored;
in healthy predictions a row that only one reading gets right is at least as likely to be right as
stored, so b is at most binomial(b + c, 1/2) (McNemar). An unknown order is estimated on a random
half of the rows and tested on the other half, so its test is as exact.

That does not hold for a set that was filtered to be wrong for a model (ImageNet-A): there, every
other reading is better. So a reading also has to bring the model closer to the other models' vote,
which filtering does not touch; with no others it has to be right on many more rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor.case import IntArray, Ints, accuracy, chance, translated
from heldout.analysis.doctor.confusion import Confusion, added, assignment, confusion, halves
from heldout.analysis.doctor.finding import CERTAIN, sign_p
from heldout.analysis.doctor.orders import DEVKIT_START, INVERSE

_KNOWN, _KNOWN_ALONE, _UNKNOWN_ALONE = 0.05, 0.1, 0.5
"""A known order must know this much of the labels (accuracy above chance; with others, alone), for
neighbouring classes look alike: reading off by one is right on 1.3 % of ImageNet. An unknown one
without other models to agree must know half of what there is."""
_TIMES = 3
_LEAST_ROWS = 10
_OTHERS_SHARE = 0.3
_NAMED_SHARE = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Another reading: b rows right only so, c only as stored; accuracies now and so read."""

    name: str
    means: IntArray
    b: int
    c: int
    p: float
    now: float
    mended: float

    @property
    def clear(self) -> bool:
        """Nine rows gained for each one lost."""
        return self.b >= 9 * self.c


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a reading is judged against.

    orders: the known ones. classes: class ids, for the devkit's. n_classes: of the label set.
    common: (n,) the models' vote, None where it cannot be relied on. pooled, own: the confusions of
    all models and of this one: what the others confuse as well is no sign of another order.
    """

    orders: Mapping[str, IntArray]
    n_classes: int
    classes: Sequence[str] = ()
    common: Ints | None = None
    pooled: Confusion | None = None
    own: Confusion | None = None


def other_reading(predicted: Ints, label: Ints, context: Context) -> Reading | None:
    """The reading of (n,) predictions that is far better than the plain one, if there is one."""
    known = best_known(predicted, label, context)
    unknown = unknown_order(predicted, label, context)
    if known is not None and (unknown is None or known.mended >= _NAMED_SHARE * unknown.mended):
        return known
    if unknown is not None and exchanges(unknown.means):
        return replace(unknown, name="swapped")
    if unknown is not None and (side := devkit_side(predicted, label, context.classes)):
        return replace(unknown, name=side)
    return unknown


def best_known(predicted: Ints, label: Ints, context: Context) -> Reading | None:
    """The known order in which most rows are right, if it can be believed."""
    reads = {name: translated(predicted, means) for name, means in context.orders.items()}
    right = {name: int(((r == label) & (label >= 0)).sum()) for name, r in reads.items()}
    best: Reading | None = None
    for name, read in reads.items():
        b, c = _gained(predicted, read, label)
        p = sign_p(b, c, tried=len(reads))
        if b < max(_TIMES * c, _LEAST_ROWS) or p >= CERTAIN:
            continue
        back = INVERSE.get(name, name)
        alike = back != name and right[name] < _TIMES * right.get(back, 0)
        mended = accuracy(read, label)
        if alike or not believable(predicted, read, label, context):
            continue
        if best is None or mended > best.mended:
            now = accuracy(predicted, label)
            best = Reading(name, context.orders[name], b, c, p, now, mended)
    return best


def believable(predicted: Ints, read: Ints, label: Ints, context: Context) -> bool:
    """Whether a known reading knows enough of the labels, and the other models speak for it."""
    level = chance(read, label)
    skill = (accuracy(read, label) - level) / max(1 - level, 1e-9)
    if context.common is None:
        return skill >= _KNOWN_ALONE
    b, c = _gained(predicted, read, context.common)
    return skill >= _KNOWN and b >= _TIMES * c


def _gained(predicted: Ints, read: Ints, target: Ints) -> tuple[int, int]:
    """Rows that hit a target only when read so, and only as they stand."""
    so, plain = (read == target) & (target >= 0), (predicted == target) & (target >= 0)
    return int((so & ~plain).sum()), int((plain & ~so).sum())


def unknown_order(predicted: Ints, label: Ints, context: Context) -> Reading | None:
    """A reading estimated on half of the rows and far better on the other half.

    Loosely (any index whose most frequent label has two rows and three times its own), for orders
    that move everything; strictly (that label also has 40 % of the index's rows and is not a usual
    confusion of the other models), for orders that move a few. Only indices whose own class has
    examples count, for the others cannot be right as stored. Both halves in turn; p is corrected
    for the four tries.
    """
    rows = np.flatnonzero((predicted >= 0) & (label >= 0))
    if len(rows) < 2 * _LEAST_ROWS:
        return None
    guess, target = predicted[rows], label[rows]
    size = 1 + max(int(guess.max()), int(target.max()))
    fair = np.bincount(target, minlength=size) > 0
    fair[context.n_classes :] = True
    first = halves(len(rows))
    sides = (first, ~first)
    parts = [confusion(guess[h], target[h], size) for h in sides]
    tries = [
        (_tested(held, means), means, side)
        for fit, held, side in ((parts[0], parts[1], sides[1]), (parts[1], parts[0], sides[0]))
        for means in (_moved(fit, fair), _moved(fit, fair, context))
    ]
    (b, c, p), means, side = max(tries, key=lambda t: t[0][0] - t[0][1])
    if b < max(_TIMES * c, _LEAST_ROWS) or p >= CERTAIN:
        return None
    plain, held = guess[side], means[guess[side]]
    # Judged on rows that did not make it: what the mapping from all rows reaches is a little more.
    whole = sum(
        int(there.at(np.arange(size), _meaning(fit, fair, context)).sum())
        for fit, there in (parts, parts[::-1])
    )
    now = accuracy(guess, target)
    mended = max(whole / len(rows), accuracy(held, target[side]))
    if context.common is None:
        level = chance(held, target[side])
        known = (mended - level) / max(1 - level, 1e-9) >= _UNKNOWN_ALONE
    else:
        closer, farther = _gained(plain, held, context.common[rows][side])
        known = closer >= max(_TIMES * farther, _LEAST_ROWS)
    if not known or mended <= now:
        return None
    return Reading("unknown", _meaning(added(parts), fair, context), b, c, p, now, mended)


def _tested(held: Confusion, means: IntArray) -> tuple[int, int, float]:
    """Rows right only so, only as stored, and p, on rows that did not make the mapping."""
    moved = np.flatnonzero(means != np.arange(len(means)))
    b, c = (int(held.at(moved, x).sum()) for x in (means[moved], moved))
    return b, c, sign_p(b, c, tried=4)


def _meaning(counts: Confusion, fair: NDArray[np.bool_], context: Context) -> IntArray:
    """The class of every index: one-to-one if most indices move, else only what surely moves."""
    size = len(fair)
    moves = _moved(counts, fair) != np.arange(size)
    seen = (counts.row_sums(size) > 0) & fair
    if 2 * moves[seen].sum() > seen.sum():
        return assignment(counts, size)
    return _moved(counts, fair, context)


def _moved(
    fit: Confusion, fair: NDArray[np.bool_], strictly: Context | None = None
) -> NDArray[Any]:
    """What every index seems to mean; itself where the rows do not say otherwise."""
    size = len(fair)
    plain = np.arange(size)
    mode, count = fit.modes(size)
    own = fit.at(plain, plain)
    move = fair & (count >= 2) & (count >= _TIMES * own) & (mode != plain)
    if strictly is not None:
        move &= count >= 0.4 * fit.row_sums(size)
        pooled, mine = strictly.pooled, strictly.own
        if pooled is not None and mine is not None:
            target = np.maximum(mode, 0)
            theirs = pooled.at(plain, target) - mine.at(plain, target)
            total = pooled.row_sums(size)[:size] - mine.row_sums(size)[:size]
            move &= theirs <= _OTHERS_SHARE * total
    return np.where(move, mode, plain)


def exchanges(means: IntArray) -> bool:
    """Whether an order only exchanges a few pairs of classes.

    >>> exchanges(np.array([1, 0, 2, 3, 4, 5])), exchanges(np.array([1, 2, 0, 3, 4, 5, 6, 7, 8]))
    (True, False)
    """
    plain = np.arange(len(means))
    moved = int((means != plain).sum())
    pairs = bool(np.array_equal(means[np.maximum(means, 0)], plain))
    return pairs and 0 < moved <= max(2, len(means) // 3)


def devkit_side(predicted: Ints, label: Ints, classes: Sequence[str]) -> str:
    """'ilsvrc-devkit' if predictions 0 to 9 (or 1 to 10) mean the devkit's first ten synsets,
    'ilsvrc-devkit-inverse' if the labels are numbered so, else ''."""
    at = {c: i for i, c in enumerate(classes)}
    start = np.array([at.get(w, -1) for w in DEVKIT_START])
    if np.any(start < 0):
        return ""
    for name, a, b in (("", predicted, label), ("-inverse", label, predicted)):
        for offset in (0, 1):
            rows = (a >= offset) & (a < offset + 10) & (b >= 0)
            hits = int((start[a[rows] - offset] == b[rows]).sum())
            if sign_p(hits, int((a[rows] == b[rows]).sum()), tried=4) < CERTAIN:
                return "ilsvrc-devkit" + name
    return ""
