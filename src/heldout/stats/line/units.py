"""What is drawn together when examples are resampled: examples, shared examples, clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heldout.errors import BadInput
from heldout.stats.arguments import BoolArray, IntArray

_EXACT = 1 << 24


@dataclass(frozen=True, slots=True)
class Units:
    """Right answers of m models (m, u) and examples (u,) in each unit of a pool."""

    right: NDArray[Any]
    size: NDArray[Any]
    pool: int


def units_of(
    correct_x: BoolArray,
    correct_y: BoolArray,
    clusters_x: ArrayLike | None,
    clusters_y: ArrayLike | None,
    shared: tuple[ArrayLike, ArrayLike] | None,
) -> tuple[Units, Units]:
    """The units of both sets, in one pool where the sets share a unit, else in two."""
    nx, ny = correct_x.shape[1], correct_y.shape[1]
    index = _shared(shared, nx, ny)
    clustered = clusters_x is not None, clusters_y is not None
    if index is not None and any(clustered):
        if not all(clustered):
            raise _wrong("shared examples with clusters for one set only; give clusters for both.")
        label_x, label_y = _labels("x", clusters_x, nx), _labels("y", clusters_y, ny)
        if not np.array_equal(label_x[index[0]], label_y[index[1]]):
            raise _wrong("some shared example has one cluster in x and another in y.")
    if all(clustered):
        labels = np.concatenate([_labels("x", clusters_x, nx), _labels("y", clusters_y, ny)])
        _, code = np.unique(labels, return_inverse=True)
        unit_x, unit_y = code[:nx], code[nx:]
    else:
        unit_x = _codes("x", clusters_x, nx)
        unit_y = unit_x.max() + 1 + _codes("y", clusters_y, ny)
        if index is not None:
            unit_y[index[1]] = unit_x[index[0]]
    if np.intersect1d(unit_x, unit_y).size:
        _, code = np.unique(np.concatenate([unit_x, unit_y]), return_inverse=True)
        count = int(code.max()) + 1
        return _unit(correct_x, code[:nx], count, 0), _unit(correct_y, code[nx:], count, 0)
    code_x = np.unique(unit_x, return_inverse=True)[1]
    code_y = np.unique(unit_y, return_inverse=True)[1]
    return (
        _unit(correct_x, code_x, int(code_x.max()) + 1, 0),
        _unit(correct_y, code_y, int(code_y.max()) + 1, 1),
    )


def _unit(correct: BoolArray, code: IntArray, units: int, pool: int) -> Units:
    size = np.bincount(code, minlength=units)
    dtype = np.float32 if units * int(size.max()) < _EXACT else np.float64
    right = np.zeros((correct.shape[0], units), dtype=dtype)
    if size.max() == 1:
        right[:, code] = correct
    else:
        order = np.argsort(code, kind="stable")
        starts = np.flatnonzero(np.diff(code[order], prepend=-1))
        sums = np.add.reduceat(correct[:, order], starts, axis=1, dtype=np.int64)
        right[:, code[order][starts]] = sums
    return Units(right, size.astype(dtype), pool)


def _shared(
    shared: tuple[ArrayLike, ArrayLike] | None, nx: int, ny: int
) -> tuple[IntArray, IntArray] | None:
    if shared is None:
        return None
    ix, iy = (np.asarray(part) for part in shared)
    if ix.ndim != 1 or ix.shape != iy.shape:
        raise _wrong(f"shared must be two vectors of one length, not {ix.shape} and {iy.shape}.")
    if ix.size == 0:
        return None
    for name, index, n in (("x", ix, nx), ("y", iy, ny)):
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= n:
            raise _wrong(f"shared names an example of {name} outside 0 … {n - 1}.")
        if np.unique(index).size != index.size:
            raise _wrong(f"shared names an example of {name} twice; each can be shared once.")
    return ix.astype(np.int64), iy.astype(np.int64)


def _labels(name: str, clusters: ArrayLike | None, n: int) -> NDArray[Any]:
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise _wrong(f"clusters_{name} must label each of {n} examples, not {labels.shape}.")
    return labels


def _codes(name: str, clusters: ArrayLike | None, n: int) -> IntArray:
    if clusters is None:
        return np.arange(n)
    return np.unique(_labels(name, clusters, n), return_inverse=True)[1].astype(np.int64)


def _wrong(words: str) -> BadInput:
    return BadInput(f"resample_examples_lines: {words}")
