"""Intervals of one proportion, and of a mean over classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import (
    BoolArray,
    FloatArray,
    IntArray,
    Interval,
    as_float,
    broadcast,
    check_at_most,
    check_counts,
    check_level,
    two_sided_z,
)
from heldout.stats.beta import lower_quantile, upper_quantile


def clopper_pearson(k: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """The exact interval of a proportion: each tail has at most (1 - level)/2.

    k right of n, whole numbers of any broadcastable shapes; n = 0 gives NaN. The low limit is
    exactly 0 at k = 0, the high one exactly 1 at k = n. Raises BadInput where k or n is negative
    or not whole, k > n, or level is outside (0, 1). Clopper and Pearson (1934), Biometrika 26.

    >>> low, high = clopper_pearson([0, 38065], [10, 50000])
    >>> [f"{l:.6f} {h:.6f}" for l, h in zip(low, high)]
    ['0.000000 0.308497', '0.757538 0.765031']
    """
    right, total = _right_of(k, n, "clopper_pearson")
    return beta_limits(right, total, check_level(level, "clopper_pearson"))


def wilson(k: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """The score interval of a proportion: near its level on average, not at each p.

    Shapes, exact ends and errors as in `clopper_pearson`. Wilson (1927), JASA 22.

    >>> low, high = wilson(0, 10)
    >>> f"{low:.6f} {high:.6f}"
    '0.000000 0.277533'
    """
    right, total = _right_of(k, n, "wilson")
    return wilson_limits(right, total, check_level(level, "wilson"))


def beta_limits(k: FloatArray, n: FloatArray, level: float) -> Interval:
    """Clopper-Pearson limits for counts that need not be whole (effective sizes); unchecked."""
    tail = (1.0 - level) / 2.0
    wrong = np.maximum(n - k, 0.0)
    low = np.where(k > 0.0, lower_quantile(np.where(k > 0.0, k, 1.0), wrong + 1.0, tail), 0.0)
    high = np.where(
        wrong > 0.0, upper_quantile(k + 1.0, np.where(wrong > 0.0, wrong, 1.0), tail), 1.0
    )
    empty = n <= 0.0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def wilson_limits(k: FloatArray, n: FloatArray, level: float) -> Interval:
    """Wilson limits for counts that need not be whole; unchecked."""
    z2 = two_sided_z(level) ** 2
    size = np.where(n > 0.0, n, 1.0)
    p, q = k / size, (size - k) / size
    half = np.sqrt(z2 * (p * q / size + z2 / (4.0 * size * size)))
    # roots by their conjugates, which do not cancel: exactly 0 at k = 0 and 1 at k = n
    low = p * p / (p + z2 / (2.0 * size) + half)
    high = np.where(
        q <= 0.5,
        1.0 - q * q / (q + z2 / (2.0 * size) + half),
        (p + z2 / (2.0 * size) + half) / (1.0 + z2 / size),
    )
    empty = n <= 0.0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def mean_per_class(
    k: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Macro-averaged accuracy with an interval: (value, low, high).

    k_c right of n_c with the class on the last axis; classes without examples are left out, and
    the value is NaN where no class has any. With w = 1/(number of classes that have examples) the
    variance is Σ w² p_c(1-p_c)/(n_c-1), where classes of one example are pooled; it sets the
    effective size n* = p(1-p)/variance, never above 1/Σ(w²/n_c), and the interval is
    Clopper-Pearson's for n* p right of n*. With classes of equal size n* is the number of
    examples and the interval the accuracy's own, whose coverage is at least nominal whatever the
    classes' accuracies (Hoeffding 1956: a sum of unlike Bernoullis spreads less than a binomial).
    MOVER over Wilson limits per class is not offered: with 10 examples a class or fewer it covers
    81 to 93 % (docs/coverage.md). Raises BadInput as `clopper_pearson`, and where k has no axis.
    Korn and Graubard (1998), Survey Methodology 24.

    >>> value, low, high = mean_per_class([9, 1], [10, 2])
    >>> f"{value:.3f} {low:.3f} {high:.3f}"
    '0.700 0.122 0.993'
    """
    right, total = _right_of(k, n, "mean_per_class")
    if right.ndim == 0:
        raise BadInput("mean_per_class: k and n must have the classes on their last axis.")
    level = check_level(level, "mean_per_class")
    seen = total > 0.0
    size = np.where(seen, total, 1.0)
    classes = seen.sum(axis=-1)
    weight = np.where(seen, 1.0, 0.0) / np.maximum(classes, 1)[..., None]
    p_class = right / size
    value = np.minimum((weight * p_class).sum(axis=-1), 1.0)
    single = total == 1.0
    within = np.where(single, 0.0, p_class * (1.0 - p_class) / np.maximum(size - 1.0, 1.0))
    variance = (weight**2 * within).sum(axis=-1) + _singles(p_class, weight, single, value)
    plain = 1.0 / np.maximum((weight**2 / size).sum(axis=-1), 1e-300)
    spread = value * (1.0 - value)
    most, least = total.max(axis=-1), np.where(seen, total, np.inf).min(axis=-1)
    effective = np.where(
        (variance > 0.0) & (spread > 0.0) & (least < most),
        np.minimum(spread / np.where(variance > 0.0, variance, 1.0), plain),
        plain,
    )
    none = classes == 0
    low, high = beta_limits(effective * value, np.where(none, 0.0, effective), level)
    return np.where(none, np.nan, value), low, high


def recover_count(value: ArrayLike, n: ArrayLike, tolerance: float) -> IntArray:
    """The count k behind a published fraction of n, or -1 where no whole number is near enough.

    value in [0, 1] (NaN gives -1) and n broadcast; tolerance is in counts: half of the last
    printed digit times n is what rounding can do (percent with two decimals of n = 10,000: .5).
    A tolerance t lets 2t of all wrong values pass. Raises BadInput where n is not a whole count
    or tolerance is outside [0, .5).

    >>> recover_count([0.6333, 0.63335, 0.5], 10000, 0.01).tolist()
    [6333, -1, 5000]
    """
    if not 0.0 <= tolerance < 0.5:
        raise BadInput(
            f"recover_count: tolerance must lie in [0, .5) counts, but it is {tolerance}; from .5 "
            "on every value is near some count."
        )
    (total,) = check_counts("recover_count", n=n)
    fraction = as_float("recover_count", "value", value)
    fraction, total = broadcast("recover_count", ("value", "n"), [fraction, total])
    product = np.where(np.isfinite(fraction), fraction, -1.0) * total
    nearest = np.rint(product)
    slack = 8.0 * np.finfo(np.float64).eps * np.maximum(total, 1.0)
    good = (
        np.isfinite(fraction)
        & (np.abs(product - nearest) <= tolerance + slack)
        & (nearest >= 0.0)
        & (nearest <= total)
        & (total > 0.0)
    )
    return np.where(good, nearest, -1.0).astype(np.int64)


def _right_of(k: ArrayLike, n: ArrayLike, function: str) -> tuple[FloatArray, FloatArray]:
    right, total = check_counts(function, k=k, n=n)
    check_at_most(function, right, total, "k is larger than n")
    return right, total


def _singles(
    p_class: FloatArray, weight: FloatArray, single: BoolArray, value: FloatArray
) -> FloatArray:
    """What the classes of one example add to the variance: that of one pooled class of them."""
    count = single.sum(axis=-1)
    pooled = (p_class * single).sum(axis=-1) / np.maximum(count, 1)
    pooled = np.where(count > 1, pooled, value)
    grow = count / np.maximum(count - 1, 1)
    total: FloatArray = (weight**2 * single).sum(axis=-1) * pooled * (1.0 - pooled) * grow
    return total
