"""Counts of (predicted, label) pairs, kept sparse: 1,000 classes make a million cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from heldout.analysis.doctor.case import IntArray, Ints

DENSE = 4000
_SIDE_GAIN = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Pairs that occur, sorted by predicted, then label, with their counts."""

    predicted: IntArray
    label: IntArray
    count: IntArray
    width: int

    def at(self, predicted: Any, label: Any) -> IntArray:
        """Counts of given pairs; 0 where a pair does not occur."""
        key = np.asarray(predicted, np.int64) * self.width + np.asarray(label, np.int64)
        known = self.predicted * self.width + self.label
        if not len(known):
            return np.zeros(key.shape, np.int64)
        where = np.minimum(np.searchsorted(known, key), len(known) - 1)
        return np.where(known[where] == key, self.count[where], 0)

    def row_sums(self, size: int) -> IntArray:
        """How often each index is predicted."""
        return np.bincount(self.predicted, self.count, minlength=size).astype(np.int64)

    def modes(self, size: int) -> tuple[IntArray, IntArray]:
        """(size,) the most frequent label of every predicted index (-1: never predicted); count."""
        order = np.lexsort((-self.label, self.count, self.predicted))
        best = np.full(size, -1, np.int64)
        count = np.zeros(size, np.int64)
        best[self.predicted[order]] = self.label[order]  # the last one of an index wins
        count[self.predicted[order]] = self.count[order]
        return best, count


def confusion(predicted: Ints, label: Ints, width: int) -> Confusion:
    """The counts of the rows where both are known. width: more than the largest index."""
    keep = (predicted >= 0) & (label >= 0)
    keys, count = np.unique(
        predicted[keep].astype(np.int64) * width + label[keep], return_counts=True
    )
    return Confusion(keys // width, keys % width, count.astype(np.int64), width)


def added(parts: list[Confusion]) -> Confusion:
    """The sum of several."""
    width = parts[0].width
    keys = np.concatenate([p.predicted * width + p.label for p in parts])
    count = np.concatenate([p.count for p in parts])
    unique, where = np.unique(keys, return_inverse=True)
    total = np.bincount(where, count, minlength=len(unique)).astype(np.int64)
    return Confusion(unique // width, unique % width, total, width)


def assignment(counts: Confusion, size: int) -> IntArray:
    """(size,) the one-to-one meaning of every index that makes most rows right.

    Ties keep an index as it is; an index without evidence stays itself where that is free, else
    takes a class that is left over. Above 4,000 indices the most frequent label is taken instead.
    """
    if size > DENSE:
        mode, _ = counts.modes(size)
        return np.where(mode >= 0, mode, np.arange(size))
    gain = np.zeros((size, size))
    gain[counts.predicted, counts.label] = counts.count
    gain[np.arange(size), np.arange(size)] += _SIDE_GAIN
    rows, means = linear_sum_assignment(gain, maximize=True)
    out = np.empty(size, np.int64)
    out[rows] = means
    return out


def halves(n: int, seed: int = 0) -> NDArray[np.bool_]:
    """A random half of n rows, always the same one."""
    return np.asarray(np.random.default_rng([seed, n]).permutation(n) % 2 == 0)
