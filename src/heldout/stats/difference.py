"""Intervals of the difference of two accuracies measured on two test sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import (
    FloatArray,
    Interval,
    as_float,
    broadcast,
    check_at_most,
    check_counts,
    check_level,
    check_unit,
    two_sided_z,
)
from heldout.stats.proportion import clopper_pearson, wilson_limits
from heldout.stats.root import decreasing_root


def mover_difference(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    level: float = 0.95,
    correlation: ArrayLike = 0.0,
) -> Interval:
    """The interval of p1 - p2 from the Wilson limits (l, u) of both, and their correlation r.

    low = d - sqrt((p1-l1)² - 2r(p1-l1)(u2-p2) + (u2-p2)²), high mirrored. r = 0 is Newcombe's
    hybrid score interval for independent samples (1998a, method 10); r = `overlap_correlation`
    is for test sets that share examples; r = phi of the 2×2 table is the paired interval. Counts
    broadcast; an empty set gives NaN. Raises BadInput for counts as `clopper_pearson` and for a
    correlation outside [-1, 1]. Zou and Donner (2008), Statistics in Medicine 27, eq. 5.

    >>> low, high = mover_difference(56, 70, 48, 80)
    >>> f"{low:.4f} {high:.4f}"
    '0.0524 0.3339'
    """
    name = "mover_difference"
    a, m, b, n = _two_samples(name, k1, n1, k2, n2)
    r = as_float(name, "correlation", correlation)
    if not np.all(np.abs(r) <= 1.0):
        raise BadInput(f"{name}: correlation must lie in [-1, 1]; the worst is {np.abs(r).max()}.")
    a, m, b, n, r = broadcast(name, ("k1", "n1", "k2", "n2", "correlation"), [a, m, b, n, r])
    return mover_limits(a, m, b, n, r, check_level(level, name))


def mover_limits(
    k1: FloatArray, n1: FloatArray, k2: FloatArray, n2: FloatArray, r: FloatArray, level: float
) -> Interval:
    """`mover_difference` for counts already checked."""
    p1, p2 = _rate(k1, n1), _rate(k2, n2)
    l1, u1 = wilson_limits(k1, n1, level)
    l2, u2 = wilson_limits(k2, n2, level)
    d = p1 - p2
    down = (p1 - l1) ** 2 - 2.0 * r * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (u1 - p1) ** 2 - 2.0 * r * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    low, high = d - np.sqrt(np.maximum(down, 0.0)), d + np.sqrt(np.maximum(up, 0.0))
    return np.asarray(np.maximum(low, -1.0)), np.asarray(np.minimum(high, 1.0))


def overlap_correlation(
    n1: ArrayLike,
    n2: ArrayLike,
    shared: ArrayLike,
    p1: ArrayLike,
    p2: ArrayLike,
    shared_cov: ArrayLike,
) -> FloatArray:
    """The correlation of two estimated accuracies whose test sets share examples.

    cov = shared·shared_cov/(n1 n2) over sqrt(p1(1-p1)/n1 · p2(1-p2)/n2), clipped to [-1, 1], and
    0 where an accuracy is 0 or 1 or a set is empty. shared_cov is the mean over the shared
    examples of (right in set 1 - p1)(right in set 2 - p2): deviations from the accuracies on the
    whole sets, as membership of the overlap is itself a property of the example. For one model on
    both sets whose answers agree on shared examples it is near p(1-p). Raises BadInput where
    shared exceeds n1 or n2, or p is outside [0, 1].

    >>> f"{overlap_correlation(10000, 10000, 3000, 0.7, 0.7, 0.21):.2f}"
    '0.30'
    """
    name = "overlap_correlation"
    m, n, s = check_counts(name, n1=n1, n2=n2, shared=shared)
    check_at_most(name, s, m, "shared is larger than n1")
    check_at_most(name, s, n, "shared is larger than n2")
    a, b = check_unit(name, "p1", p1), check_unit(name, "p2", p2)
    c = as_float(name, "shared_cov", shared_cov)
    names = ("n1", "n2", "shared", "p1", "p2", "shared_cov")
    m, n, s, a, b, c = broadcast(name, names, [m, n, s, a, b, c])
    scale = np.sqrt(a * (1.0 - a) * b * (1.0 - b)) * np.sqrt(m * n)
    usable = scale > 0.0
    r = np.where(usable, s * c / np.where(usable, scale, 1.0), 0.0)
    return np.asarray(np.clip(r, -1.0, 1.0))


def miettinen_nurminen(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = 0.95
) -> Interval:
    """The score interval of p1 - p2 from two independent samples.

    The δ at which (p̂1 - p̂2 - δ)/sqrt(V(δ)) is ±z, with V from the most likely (p1, p2) that
    differ by δ, times N/(N-1). Counts broadcast; an empty sample gives NaN. Raises BadInput for
    counts as `clopper_pearson`. Miettinen and Nurminen (1985), Statistics in Medicine 4; the
    constrained estimate in closed form is Farrington and Manning's (1990).

    >>> low, high = miettinen_nurminen(56, 70, 48, 80)
    >>> f"{low:.4f} {high:.4f}"
    '0.0528 0.3382'
    """
    name = "miettinen_nurminen"
    a, m, b, n = _two_samples(name, k1, n1, k2, n2)
    z = two_sided_z(check_level(level, name))
    empty = (m <= 0.0) | (n <= 0.0)
    m1, n1_ = np.where(empty, 1.0, m), np.where(empty, 1.0, n)
    a, b = np.where(empty, 0.0, a), np.where(empty, 0.0, b)
    low = _score_low(a, m1, b, n1_, z)
    high = -_score_low(b, n1_, a, m1, z)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def nested_drop(
    k_before: ArrayLike, k_after: ArrayLike, n: ArrayLike, level: float = 0.95
) -> Interval:
    """The exact interval of (k_before - k_after)/n when being right after implies right before.

    The drop is then one binomial: n examples, of which k_before - k_after fell. So it is for
    pm-0 against pm-10 accuracy on video: not the difference of two intervals. Raises BadInput
    where k_after > k_before or k_before > n. Clopper-Pearson.

    >>> low, high = nested_drop(749, 582, 1109)
    >>> f"{low:.5f} {high:.5f}"
    '0.13003 0.17301'
    """
    name = "nested_drop"
    before, after, total = check_counts(name, k_before=k_before, k_after=k_after, n=n)
    check_at_most(name, after, before, "k_after is larger than k_before, so they are not nested")
    check_at_most(name, before, total, "k_before is larger than n")
    return clopper_pearson(before - after, total, level)


def _two_samples(
    function: str, k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike
) -> list[FloatArray]:
    counts = check_counts(function, k1=k1, n1=n1, k2=k2, n2=n2)
    check_at_most(function, counts[0], counts[1], "k1 is larger than n1")
    check_at_most(function, counts[2], counts[3], "k2 is larger than n2")
    return counts


def _rate(k: FloatArray, n: FloatArray) -> FloatArray:
    return np.where(n > 0.0, k / np.where(n > 0.0, n, 1.0), np.nan)


def _score_low(a: FloatArray, m: FloatArray, b: FloatArray, n: FloatArray, z: float) -> FloatArray:
    p1, p2 = a / m, b / n
    d = p1 - p2
    grow = (m + n) / (m + n - 1.0)

    def excess(delta: FloatArray) -> FloatArray:
        q1 = _constrained(p1, m, p2, n, delta)
        q2 = q1 - delta
        variance = grow * (q1 * (1.0 - q1) / m + q2 * (1.0 - q2) / n)
        return np.asarray(d - delta - z * np.sqrt(np.maximum(variance, 0.0)))

    return decreasing_root(excess, np.full_like(d, -1.0), d)


def _constrained(
    p1: FloatArray, m: FloatArray, p2: FloatArray, n: FloatArray, delta: FloatArray
) -> FloatArray:
    """The most likely p1 among the pairs with p1 - p2 = delta: the middle root of a cubic."""
    theta = n / m
    a = 1.0 + theta
    b = -(1.0 + theta + p1 + theta * p2 + delta * (theta + 2.0))
    c = delta * delta + delta * (2.0 * p1 + theta + 1.0) + p1 + theta * p2
    d = -p1 * delta * (1.0 + delta)
    v = b**3 / (27.0 * a**3) - b * c / (6.0 * a * a) + d / (2.0 * a)
    u = np.where(v < 0.0, -1.0, 1.0) * np.sqrt(np.maximum((b / (3.0 * a)) ** 2 - c / (3.0 * a), 0))
    ratio = np.clip(v / np.where(u == 0.0, 1.0, u**3), -1.0, 1.0)
    root = 2.0 * u * np.cos((np.pi + np.arccos(ratio)) / 3.0) - b / (3.0 * a)
    return np.asarray(np.clip(root, np.maximum(delta, 0.0), np.minimum(1.0 + delta, 1.0)))
