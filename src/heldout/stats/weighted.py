"""Means over settings that share their examples: mean corruption error and its relatives.

The same n images stand under all settings, so the errors of two settings are not independent. Where
every example's errors are known, each example has one number (its weighted error), examples are
independent, and the limits come from how these numbers vary. Where only counts are known, the
limits allow for the worst dependence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, Interval, as_float, check_level, two_sided_z
from heldout.stats.proportion import beta_limits


def weighted_mean(
    values: ArrayLike, level: float = 0.95, most: float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The mean of numbers in [0, most], one an independent example: (value, low, high).

    values (n,) or (..., n), n >= 2. The variance of the mean makes an effective size
    p(1 - p)/variance, p = mean/most, times (z/t)²; the limits are Clopper-Pearson's for it. t has
    Satterthwaite's degrees of freedom, 2n/(kurtosis - 1) and at most n - 1: few examples with all
    the errors tell little about the variance. Where the numbers do not vary, each counts as one
    answer. Coverage (docs/coverage.md) with 100 images is 94 to 96 % at errors of 5 % and more; at
    1 %, all on the same few images, 87 % (plain t: 70 %).
    Raises BadInput for numbers outside [0, most] or fewer than 2. Korn and Graubard (1998).

    >>> value, low, high = weighted_mean([0, 0.2, 0.4, 0.6, 0.3, 0.1, 0.9, 0.5])
    >>> f"{value:.3f} {low:.3f} {high:.3f}"
    '0.375 0.147 0.653'
    """
    y = _examples("weighted_mean", values)
    level = check_level(level, "weighted_mean")
    if not (most > 0 and np.all((y >= 0) & (y <= most * (1 + 1e-12)))):
        raise BadInput(f"weighted_mean: values must lie in [0, most = {most:g}].")
    p = np.clip(y.mean(axis=-1) / most, 0.0, 1.0)
    variance, t = _spread(y / most, level)
    spread = p * (1.0 - p)
    varies = (variance > 1e-14 * spread / y.shape[-1]) & (spread > 0.0)
    shrink = (two_sided_z(level) / t) ** 2
    size = np.where(varies, spread / np.where(varies, variance, 1.0) * shrink, y.shape[-1])
    low, high = beta_limits(size * p, size, level)
    # p lies between its limits, but for rounding at 0 and 1
    return p * most, np.minimum(low, p) * most, np.maximum(high, p) * most


def signed_mean(
    values: ArrayLike, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The mean of numbers of either sign, one an independent example: (value, low, high).

    values (n,) or (..., n), n >= 2; mean ± t times its standard error, t as in `weighted_mean`.
    Raises BadInput for fewer than 2 examples.

    >>> value, low, high = signed_mean([1.0, -1.0, 2.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    >>> f"{value:.3f} {low:.3f} {high:.3f}"
    '0.500 -0.274 1.274'
    """
    y = _examples("signed_mean", values)
    variance, t = _spread(y, check_level(level, "signed_mean"))
    value = y.mean(axis=-1)
    half = t * np.sqrt(variance)
    return value, value - half, value + half


def mean_of_ratios(
    top: ArrayLike, bottom: ArrayLike, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The mean over c of mean(top_c)/mean(bottom_c) with its interval: (value, low, high).

    top (c, n) or (..., c, n), bottom (c, n): two numbers for each example and kind, on the same n
    examples. The ratio's first-order expansion gives each example one number, Σ_c (top - ratio
    bottom)/mean(bottom)/c; their spread is the standard error. Where the value is positive the
    limits are value·exp(± t se/value), which never pass 0, else value ± t se; t as in
    `weighted_mean`. top equal to bottom gives exactly 1 with no width. NaN where a mean of
    `bottom` is not positive. Raises BadInput for fewer than 2 examples.

    >>> value, low, high = mean_of_ratios([[0, 1, 0, 1, 1, 0]], [[1, 1, 0, 1, 1, 0]])
    >>> f"{value:.3f} {low:.3f} {high:.3f}"
    '0.750 0.329 1.708'
    """
    first = _examples("mean_of_ratios", top)
    second = _examples("mean_of_ratios", bottom)
    level = check_level(level, "mean_of_ratios")
    if second.ndim != 2 or first.shape[-2:] != second.shape:
        raise BadInput(
            f"mean_of_ratios: top has shape {first.shape} and bottom {second.shape}; the last two"
            " axes must be kinds and examples, the same in both."
        )
    below = second.mean(axis=-1)
    usable = bool(np.all(below > 0))
    below = np.where(below > 0, below, np.nan)
    ratio = first.mean(axis=-1) / below
    value = ratio.mean(axis=-1)
    if not usable:
        nan = np.full(value.shape, np.nan)
        return nan, nan.copy(), nan.copy()
    each = ((first - ratio[..., None] * second) / below[:, None]).mean(axis=-2)
    variance, t = _spread(each, level)
    half = t * np.sqrt(variance)
    positive = value > 0
    safe = np.where(positive, value, 1.0)
    # a width beyond this says nothing; without a limit exp would overflow
    reach = np.minimum(half / safe, 700.0)
    low = np.where(positive, value * np.exp(-reach), value - half)
    high = np.where(positive, value * np.exp(reach), value + half)
    return value, low, high


def summed_limits(value: ArrayLike, low: ArrayLike, high: ArrayLike, weight: ArrayLike) -> Interval:
    """Limits of Σ weight·value when nothing is known of how the values depend on each other.

    Arrays (..., j), weights of either sign. Σ |weight| times the distance from each value to its
    own limit: the standard deviation of a sum is at most the sum of the standard deviations, and
    is that where all rise and fall together. For independent values it is far too wide.

    >>> low, high = summed_limits([0.5, 0.2], [0.4, 0.1], [0.7, 0.3], [1.0, -1.0])
    >>> f"{low:.1f} {high:.1f}"
    '0.1 0.6'
    """
    v, a, b, w = (
        as_float("summed_limits", name, x)
        for name, x in (("value", value), ("low", low), ("high", high), ("weight", weight))
    )
    total = (v * w).sum(axis=-1)
    down = np.where(w >= 0, w * (v - a), -w * (b - v)).sum(axis=-1)
    up = np.where(w >= 0, w * (b - v), -w * (v - a)).sum(axis=-1)
    return total - down, total + up


def ratio_box(top: Interval, bottom: Interval) -> Interval:
    """Limits of a mean of ratios from limits of both sides, whatever the dependence.

    top, bottom: (low, high), each (..., c), the kinds on the last axis. Each ratio's limits are the
    extreme ones of its box; NaN where bottom's low limit is not positive.

    >>> low, high = ratio_box(([0.4], [0.6]), ([0.8], [1.0]))
    >>> f"{low:.3f} {high:.3f}"
    '0.400 0.750'
    """
    a, b = (as_float("ratio_box", "top", x) for x in top)
    c, d = (as_float("ratio_box", "bottom", x) for x in bottom)
    c, d = np.where(c > 0, c, np.nan), np.where(c > 0, d, np.nan)
    low = np.where(a >= 0, a / d, a / c).mean(axis=-1)
    high = np.where(b >= 0, b / c, b / d).mean(axis=-1)
    return low, high


def _examples(function: str, values: ArrayLike) -> FloatArray:
    y = as_float(function, "values", values)
    if y.ndim < 1 or y.shape[-1] < 2:
        raise BadInput(f"{function}: 2 examples or more are needed; the shape is {y.shape}.")
    return y


def _spread(y: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """The variance of the mean over the last axis, and the quantile of t that goes with it."""
    n = y.shape[-1]
    deviation = y - y.mean(axis=-1, keepdims=True)
    second = (deviation**2).mean(axis=-1)
    fourth = (deviation**4).mean(axis=-1)
    safe = np.where(second > 0.0, second, 1.0)
    kurtosis = np.where(second > 0.0, fourth / safe**2, 3.0)
    freedom = np.clip(2.0 * n / np.maximum(kurtosis - 1.0, 1e-9), 1.0, n - 1.0)
    return second / (n - 1.0), np.asarray(stdtrit(freedom, 0.5 + 0.5 * level))
