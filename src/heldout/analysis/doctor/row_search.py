"""Where the rows of a model went: shifts by some places, and other orders of the examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor.case import IntArray, Ints, chance
from heldout.analysis.doctor.finding import CERTAIN, sign_p

NEAR = 200
_FAR = 1000
_CODES = 8
_PEAKS = 5
_LEAST_SKILL = 0.05

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Another order of rows: the prediction of example i is the one stored at rows[i].

    name: 'shift' with the number of places, or the order that the rows are in. strength: of the
    evidence (rows gained, or correlation). p: corrected for everything that was tried.
    """

    name: str
    places: int
    rows: IntArray
    strength: float
    p: float
    b: int = 0
    c: int = 0


def example_orders(examples: Sequence[str], label: Ints) -> dict[str, IntArray]:
    """Orders in which files of predictions come: as stored, by id, by label and then id."""
    n = len(examples)
    by_id = np.array(sorted(range(n), key=examples.__getitem__), np.int64)
    orders = {"as-stored": np.arange(n), "id-sorted": by_id, "id-numeric": _by_number(examples)}
    orders["label-then-id"] = by_id[np.argsort(label[by_id], kind="stable")]
    orders["label-then-stored"] = np.argsort(label, kind="stable")
    return orders


def shifted(n: int, places: int) -> IntArray:
    """Rows such that the prediction of example i is stored `places` further down (circular).

    >>> shifted(4, 1).tolist()
    [1, 2, 3, 0]
    """
    start = places % n
    return np.concatenate([np.arange(start, n), np.arange(start)])


def candidates(examples: Sequence[str], predicted: Ints, label: Ints
               ) -> Iterator[tuple[str, int, IntArray]]:  # fmt: skip
    """Every move worth a look: near shifts, far ones that a correlation points at, known orders."""
    n = len(label)
    reach = min(n // 2, max(NEAR, min(_longest_run(label), _FAR)))
    far = [k for k in _peaks(predicted, label) if reach < min(k, n - k)]
    for k in [*range(1, reach + 1), *range(-reach, 0), *far]:
        yield "shift", k if k <= n // 2 else k - n, shifted(n, k)
    orders: dict[str, IntArray] = {}
    for name, order in example_orders(examples, label).items():
        if not any(np.array_equal(order, known) for known in orders.values()):
            orders[name] = order
    for a, made in orders.items():
        for b, joined in orders.items():
            if a != b:
                rows = np.empty(n, np.int64)
                rows[made] = joined
                yield a if b == "as-stored" else f"{a}-for-{b}", 0, rows


def by_labels(predicted: Ints, label: Ints, examples: Sequence[str]) -> Move | None:
    """The move that makes far more rows right than are right as stored, if there is one."""
    plain = (predicted == label) & (label >= 0)
    best: tuple[int, str, int, IntArray] | None = None
    for name, places, rows in candidates(examples, predicted, label):
        right = int(((predicted[rows] == label) & (label >= 0)).sum())
        if best is None or right > best[0]:
            best = (right, name, places, rows)
    if best is None or best[0] <= plain.sum():
        return None
    _, name, places, rows = best
    moved = (predicted[rows] == label) & (label >= 0)
    b, c = int((moved & ~plain).sum()), int((plain & ~moved).sum())
    p = sign_p(b, c, tried=len(label) + 20)
    level = chance(predicted, label)
    skill = (moved.mean() - level) / max(1 - level, 1e-9)
    if p >= CERTAIN or b < 3 * c or skill < _LEAST_SKILL:
        return None
    return Move(name, places, rows, float(b - c), p, b, c)


def by_difficulty(
    predicted: Ints, label: Ints, examples: Sequence[str], difficulty: Floats
) -> tuple[str, int, IntArray] | None:
    """The move after which a model is wrong where others are wrong, to be tested by the caller.

    difficulty: (n,) how often the others are wrong, less its mean over the label's class; the sum
    of it over wrong rows is then the covariance, whatever the accuracy in each class.
    """
    best: tuple[float, str, int, IntArray] | None = None
    for name, places, rows in candidates(examples, predicted, label):
        together = float(difficulty[predicted[rows] != label].sum())
        if best is None or together > best[0]:
            best = (together, name, places, rows)
    return None if best is None else best[1:]


def _peaks(predicted: Ints, label: Ints) -> list[int]:
    """Shifts at which predictions and labels agree most, by random ±1 codes and an FFT."""
    n = len(label)
    size = 1 + max(int(predicted.max(initial=0)), int(label.max(initial=0)))
    codes = np.random.default_rng([n, size]).choice([-1.0, 1.0], (_CODES, size))
    total = np.zeros(n)
    for code in codes:
        a = np.where(predicted >= 0, code[np.maximum(predicted, 0)], 0.0)
        b = np.where(label >= 0, code[np.maximum(label, 0)], 0.0)
        total += np.fft.irfft(np.fft.rfft(a) * np.conj(np.fft.rfft(b)), n)
    total[0] = -np.inf
    count = min(_PEAKS, n - 1)
    return [int(k) for k in np.argpartition(-total, count)[:count]] if n > 1 else []


def _longest_run(label: Ints) -> int:
    """The length of the longest run of one label."""
    ends = np.flatnonzero(np.append(label[1:] != label[:-1], True))
    return int(np.diff(ends, prepend=-1).max(initial=0))


def _by_number(examples: Sequence[str]) -> IntArray:
    """The order of the numbers in the ids, where ids differ in one number only; else as stored."""
    head = _same_start(examples).rstrip("0123456789")
    tail = _same_start([e[len(head) :][::-1] for e in examples]).rstrip("0123456789")
    middle = [e[len(head) : len(e) - len(tail)] for e in examples]
    if not all(x.isdecimal() for x in middle):
        return np.arange(len(examples))
    return np.array(sorted(range(len(middle)), key=[int(x) for x in middle].__getitem__), np.int64)


def _same_start(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    low, high = min(texts, default=""), max(texts, default="")
    length = next((i for i, (x, y) in enumerate(zip(low, high, strict=False)) if x != y), len(low))
    return low[:length]
