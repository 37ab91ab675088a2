"""Ranks with uncertainty, groups of models not told apart, and rank correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import BoolArray, FloatArray, IntArray, as_float, check_pair

_ROWS_AT_ONCE = 1 << 21


def competition_rank(value: ArrayLike) -> IntArray:
    """1 + the number of strictly better values: "1224" ranks, higher is better.

    value of shape (m,); NaN gets rank 0 and counts for nobody. Ties are exact equality: pass
    counts, or fractions of one n. Raises BadInput where value is not a vector.

    >>> competition_rank([0.9, 0.7, float("nan"), 0.7, 0.5]).tolist()
    [1, 2, 0, 2, 4]
    """
    values = as_float("competition_rank", "value", value)
    if values.ndim != 1:
        raise BadInput(f"competition_rank: value must be a vector, not of shape {values.shape}.")
    known = ~np.isnan(values)
    ascending = np.sort(values[known])
    better = ascending.size - np.searchsorted(ascending, values, side="right")
    return np.where(known, 1 + better, 0).astype(np.int64)


def rank_intervals(better: ArrayLike) -> tuple[IntArray, IntArray]:
    """The ranks that a family of significant comparisons leaves to each model: (best, worst).

    better of shape (m, m): better[i, j] says that i is significantly better than j. best is 1 +
    the number significantly better than j, worst is m - the number significantly worse. When the
    m(m-1)/2 comparisons hold together at a level (Holm), so do all the intervals; without control
    of the family they hold for no level. Raises BadInput where better is not square, or has i
    better than j and j better than i. Mogstad, Romano, Shaikh and Wilhelm (2024), Review of
    Economic Studies 91.

    >>> best, worst = rank_intervals([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
    >>> best.tolist(), worst.tolist()
    ([1, 1, 3], [2, 2, 3])
    """
    matrix = _square("rank_intervals", "better", better)
    both = matrix & matrix.T
    if both.any():
        i, j = (int(v) for v in np.argwhere(both)[0])
        raise BadInput(
            f"rank_intervals: better says both that {i} is better than {j} and the reverse; "
            "better[i, j] must hold for one direction at most, and never for i = j."
        )
    best = 1 + matrix.sum(axis=0, dtype=np.int64)
    worst = matrix.shape[0] - matrix.sum(axis=1, dtype=np.int64)
    return best, worst


def significance_groups(order: ArrayLike, different: ArrayLike) -> list[list[int]]:
    """The maximal groups of models of which no two differ: a compact letter display.

    order: the models' indices, best first (a permutation of 0 … m-1, or some of them); different
    of shape (m, m), symmetric. Two models share a group if and only if they do not differ. Each
    group lists indices in the given order, and groups come by their first, then next, members.
    Insert and absorb, one model at a time: Piepho (2004), Journal of Computational and Graphical
    Statistics 13. The number of groups is about m when differences follow the order, and can
    grow fast when they contradict it. Raises BadInput where different is not square and
    symmetric, or order repeats or leaves it.

    >>> d = [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    >>> significance_groups([0, 1, 2], d)
    [[0, 1], [1, 2]]
    """
    name = "significance_groups"
    matrix = _square(name, "different", different)
    if not np.array_equal(matrix, matrix.T):
        i, j = (int(v) for v in np.argwhere(matrix != matrix.T)[0])
        raise BadInput(f"{name}: different must be symmetric, but is not at [{i}, {j}].")
    if matrix.diagonal().any():
        raise BadInput(
            f"{name}: different says that model {int(matrix.diagonal().argmax())} "
            "differs from itself; clear the diagonal."
        )
    indices = np.asarray(order)
    if indices.size == 0:
        return []
    if (
        indices.ndim != 1
        or indices.dtype.kind not in "iu"
        or indices.min() < 0
        or indices.max() >= matrix.shape[0]
        or np.unique(indices).size != indices.size
    ):
        raise BadInput(
            f"{name}: order must list distinct indices from 0 to {matrix.shape[0] - 1}, best first."
        )
    same = ~matrix[np.ix_(indices, indices)]
    masks = [
        int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in same
    ]
    groups: list[int] = []
    for position, mask in enumerate(masks):
        groups = _insert(groups, 1 << position, mask)
    members = sorted([p for p in range(indices.size) if group >> p & 1] for group in groups)
    return [[int(indices[p]) for p in group] for group in members]


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where x or y is constant.

    Raises BadInput where x and y are not finite vectors of one length of 2 or more.

    >>> spearman([1, 2, 3, 4], [1, 3, 2, 4])
    0.8
    """
    a, b = check_pair("spearman", x, y, 2)
    u, v = _mean_rank(a), _mean_rank(b)
    u, v = u - u.mean(), v - v.mean()
    scale = float((u @ u) * (v @ v))
    return float(u @ v) / scale**0.5 if scale > 0.0 else float("nan")


def kendall_tau_b(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b (corrected for ties); NaN where x or y is constant.

    Time grows with the square of the length (1,500 models: some 30 ms). Errors as `spearman`.
    Kendall (1945), Biometrika 33.

    >>> f"{kendall_tau_b([1, 2, 2, 4], [1, 3, 2, 4]):.6f}"
    '0.912871'
    """
    a, b = check_pair("kendall_tau_b", x, y, 2)
    step = max(1, _ROWS_AT_ONCE // a.size)
    concordance, apart_a, apart_b = 0.0, 0.0, 0.0
    for start in range(0, a.size, step):
        u = np.sign(a[start : start + step, None] - a)
        v = np.sign(b[start : start + step, None] - b)
        concordance += float((u * v).sum())
        apart_a += float(np.count_nonzero(u))
        apart_b += float(np.count_nonzero(v))
    scale = (apart_a * apart_b) ** 0.5
    return concordance / scale if scale > 0.0 else float("nan")


def _square(function: str, name: str, value: ArrayLike) -> BoolArray:
    matrix = np.asarray(value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BadInput(
            f"{function}: {name} must be a square matrix, models by models, but its shape is "
            f"{matrix.shape}."
        )
    return matrix.astype(np.bool_)


def _insert(groups: list[int], model: int, same: int) -> list[int]:
    """The maximal groups after one more model, given the bit set of models it does not differ from.

    A group within `same` takes the model in; any other stays, and its part within `same` may make
    a new group with the model, kept where no other such part absorbs it.
    """
    parts = sorted({group & same for group in groups}, key=int.bit_count, reverse=True)
    kept: list[int] = []
    for part in parts:
        if all(part & other != part for other in kept):
            kept.append(part)
    stay = [group for group in groups if group & same != group]
    return stay + [part | model for part in kept] if groups else [model]


def _mean_rank(value: FloatArray) -> FloatArray:
    _, inverse, count = np.unique(value, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean: FloatArray = (last - (count - 1) / 2.0)[inverse]
    return mean
