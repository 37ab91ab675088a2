"""Lines over resampled models, and over resampled examples of the same models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import BoolArray, FloatArray, check_pair
from heldout.stats.line.units import Units, units_of
from heldout.stats.scale import check_scale, transform

_ELEMENTS_AT_ONCE = 1 << 21


def bootstrap_lines(
    x: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    draws: int = 10_000,
    families: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Least squares lines over resampled models: (slopes, intercepts), one for each draw.

    Each draw takes n of the n points with replacement; its indices are the rows of
    rng.integers(0, n, (draws, n)), generated in blocks that give the same numbers. Draws with
    constant x are NaN: count them; `band` and `draw_limits` leave them out (give these the number
    of models when it is small). With families (a label for each model) whole families are drawn
    instead, as many as there are: models of a family are not independent draws, and an i.i.d.
    bootstrap understates what that costs. Raises BadInput as `ols`, and for draws < 1 or fewer
    than 2 families.

    >>> slopes, _ = bootstrap_lines([0, 1, 2], [0, 1, 2], np.random.default_rng(0), 100)
    >>> int(np.isnan(slopes).sum()), np.unique(slopes[~np.isnan(slopes)].round(9)).tolist()
    (14, [1.0])
    """
    a, b = check_pair("bootstrap_lines", x, y, 2)
    if a.min() == a.max():
        raise BadInput("bootstrap_lines: x is constant; a line needs models that differ on x.")
    draws = _check_draws("bootstrap_lines", draws)
    u, v = a - a.mean(), b - b.mean()
    slopes, intercepts = np.empty(draws), np.empty(draws)
    weights = _families(families, a.size) if families is not None else None
    groups = a.size if weights is None else weights.shape[0]
    step = max(1, _ELEMENTS_AT_ONCE // a.size)
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        index = rng.integers(0, groups, (stop - start, groups))
        if weights is None:
            slopes[start:stop], intercepts[start:stop] = _lines(u[index], v[index], None)
        else:
            count = np.stack([np.bincount(row, minlength=groups) for row in index]) @ weights
            x_, y_ = (np.broadcast_to(w, count.shape) for w in (u, v))
            slopes[start:stop], intercepts[start:stop] = _lines(x_, y_, count)
    return slopes, intercepts + b.mean() - slopes * a.mean()


def resample_examples(
    correct_x: ArrayLike,
    correct_y: ArrayLike,
    rng: np.random.Generator,
    draws: int = 2000,
    clusters_x: ArrayLike | None = None,
    clusters_y: ArrayLike | None = None,
    shared: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Accuracies of the same models over resampled examples: two arrays (draws, m).

    correct_x (m, nx) and correct_y (m, ny) are 0/1; each draw resamples the examples of both
    sets with replacement, the same ones for all models, so that what models share stays shared.

    The resampling is the bootstrap itself, no approximation: weights are counts of
    integers(0, n, n), and all models' right answers one matrix product of 0/1 by small counts,
    exact in float32 below 2^24. Draw d uses the generator for x, then for y, whatever the block.

    shared = (ix, iy): example ix[j] of x is example iy[j] of y. The distinct examples are then
    resampled as one pool, an example counting in the sets it belongs to; set sizes vary
    slightly, as they would if overlap is a property of examples. clusters_x, clusters_y: labels
    of examples that are drawn together (video, writer, class); a label found in both sets is the
    same cluster, and then all clusters are one pool.

    Raises BadInput for other shapes or values, an index in `shared` that repeats or does not
    exist, clusters for one set only together with shared, or shared examples in different
    clusters.
    """
    name = "resample_examples"
    draws = _check_draws(name, draws)
    matrix_x, matrix_y = (
        _matrix(name, "correct_x", correct_x),
        _matrix(name, "correct_y", correct_y),
    )
    if matrix_x.shape[0] != matrix_y.shape[0] or matrix_x.shape[0] < 2:
        raise BadInput(
            f"{name}: correct_x and correct_y need the same two or more models, but have "
            f"{matrix_x.shape[0]} and {matrix_y.shape[0]} rows."
        )
    x, y = units_of(matrix_x, matrix_y, clusters_x, clusters_y, shared)
    return _resampled(x, y, rng, draws)


def lines_of_draws(
    acc_x: FloatArray, acc_y: FloatArray, scale: str
) -> tuple[FloatArray, FloatArray]:
    """Least squares lines of every draw of `resample_examples`: (slopes, intercepts).

    Models whose resampled accuracy is 0 or 1 where the scale is infinite are left out of that
    draw; a draw without two models that differ on x is NaN. Raises BadInput for another scale.
    """
    check_scale(scale, "lines_of_draws")
    good = np.isfinite(acc_x) & np.isfinite(acc_y)
    if scale != "linear":
        good &= (acc_x > 0.0) & (acc_x < 1.0) & (acc_y > 0.0) & (acc_y < 1.0)
    half = np.where(good, acc_x, 0.5), np.where(good, acc_y, 0.5)
    u, v = transform(scale, half[0]), transform(scale, half[1])
    return _lines(u, v, good.astype(np.float64))


def resample_examples_lines(
    correct_x: ArrayLike,
    correct_y: ArrayLike,
    scale: str,
    rng: np.random.Generator,
    draws: int = 2000,
    clusters_x: ArrayLike | None = None,
    clusters_y: ArrayLike | None = None,
    shared: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """The uncertainty of the line of these models from their examples: (slopes, intercepts).

    `lines_of_draws` of `resample_examples`; see both for shapes and errors.
    """
    check_scale(scale, "resample_examples_lines")
    drawn = resample_examples(correct_x, correct_y, rng, draws, clusters_x, clusters_y, shared)
    return lines_of_draws(*drawn, scale)


def _lines(
    x: FloatArray, y: FloatArray, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Weighted least squares in each row; NaN where x is constant among the points of weight."""
    if weight is None:
        usable = x.min(axis=1) < x.max(axis=1)
        x_bar, y_bar = x.mean(axis=1), y.mean(axis=1)
        u = x - x_bar[:, None]
        sxx, sxy = (u * u).sum(axis=1), (u * y).sum(axis=1)
    else:
        least = np.where(weight > 0.0, x, np.inf).min(axis=1)
        usable = least < np.where(weight > 0.0, x, -np.inf).max(axis=1)
        total = np.maximum(weight.sum(axis=1), 1.0)
        x_bar, y_bar = (weight * x).sum(axis=1) / total, (weight * y).sum(axis=1) / total
        u = x - x_bar[:, None]
        sxx, sxy = (weight * u * u).sum(axis=1), (weight * u * y).sum(axis=1)
    usable = usable & (sxx > 0.0)
    slope = np.where(usable, sxy / np.where(usable, sxx, 1.0), np.nan)
    return slope, y_bar - slope * x_bar


def _resampled(
    x: Units, y: Units, rng: np.random.Generator, draws: int
) -> tuple[FloatArray, FloatArray]:
    """Accuracies of all models in each draw: two arrays (draws, models)."""
    pools = [x] if x.pool == y.pool else [x, y]
    step = max(1, _ELEMENTS_AT_ONCE // max(pool.size.size for pool in pools))
    weights = [np.empty((step, pool.size.size), dtype=pool.right.dtype) for pool in pools]
    out = tuple(np.empty((draws, unit.right.shape[0])) for unit in (x, y))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        for row in range(count):
            for pool, weight in zip(pools, weights, strict=True):
                n = pool.size.size
                weight[row] = np.bincount(rng.integers(0, n, n), minlength=n)
        for unit, weight, acc in zip((x, y), (weights[0], weights[-1]), out, strict=True):
            drawn = weight[:count]
            total = (drawn @ unit.size).astype(np.float64)[:, None]
            right = (drawn @ unit.right.T).astype(np.float64)
            acc[start : start + count] = np.where(
                total > 0.0, right / np.where(total > 0.0, total, 1.0), np.nan
            )
    return out[0], out[1]


def _families(families: ArrayLike, n: int) -> FloatArray:
    """Membership, families by models, as 0/1."""
    labels = np.asarray(families)
    if labels.shape != (n,):
        raise BadInput(
            f"bootstrap_lines: families must name one family for each of the {n} models, but its "
            f"shape is {labels.shape}."
        )
    _, code = np.unique(labels, return_inverse=True)
    if code.max() == 0:
        raise BadInput("bootstrap_lines: there is one family only; resample models instead.")
    return np.asarray(np.arange(code.max() + 1)[:, None] == code, dtype=np.float64)


def _matrix(function: str, name: str, value: ArrayLike) -> BoolArray:
    matrix = np.asarray(value)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise BadInput(f"{function}: {name} must be models by examples; it is {matrix.shape}.")
    if matrix.dtype != np.bool_ and not np.isin(matrix, (0, 1)).all():
        raise BadInput(f"{function}: {name} must hold only 0 and 1 (wrong and right).")
    return matrix.astype(np.bool_, copy=False)


def _check_draws(function: str, draws: int) -> int:
    if draws < 1:
        raise BadInput(f"{function}: draws must be 1 or more, but it is {draws}.")
    return int(draws)
