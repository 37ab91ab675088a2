"""How many examples a comparison needs, and what a comparison of a given size can see."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, gammaln, ndtr, ndtri, xlog1py, xlogy

from heldout.errors import BadInput
from heldout.stats.arguments import (
    FloatArray,
    IntArray,
    as_float,
    broadcast,
    check_counts,
    check_level,
    check_unit,
    two_sided_z,
)
from heldout.stats.root import decreasing_root


def paired_sample_size(
    delta: ArrayLike, discordance: ArrayLike, level: float = 0.95, power: float = 0.8
) -> IntArray:
    """The examples needed to see a difference delta between two models on the same examples.

    n = (z sqrt(psi) + z_power sqrt(psi - delta²))²/delta², rounded up; psi = discordance is the
    fraction of examples that exactly one of the two gets right, so |delta| <= psi. The exact
    test needs a few more (`exact_mcnemar_power`). Raises BadInput where delta is 0 or beyond psi,
    or level or power is outside (0, 1). Connor (1987), Biometrics 43.

    >>> paired_sample_size([0.01, 0.02, 0.005], 0.1).tolist()
    [7847, 1960, 31394]
    """
    name = "paired_sample_size"
    d, psi = _paired(name, delta, discordance)
    if np.any(d == 0.0):
        raise BadInput(f"{name}: delta is 0; no number of examples shows a difference of nothing.")
    z, z_power = _quantiles(name, level, power)
    root = z * np.sqrt(psi) + z_power * np.sqrt(psi - d * d)
    return _up((root / d) ** 2)


def paired_power(
    n: ArrayLike, delta: ArrayLike, discordance: ArrayLike, level: float = 0.95
) -> FloatArray:
    """The power at n examples by the formula of `paired_sample_size`; the wrong tail is ignored.

    Raises BadInput where n is not a whole count, |delta| > discordance, or level is outside
    (0, 1). A difference equal to the discordance gives 0 or 1.

    >>> paired_power(1960, 0.02, 0.1).round(4).tolist()
    0.8
    """
    name = "paired_power"
    d, psi = _paired(name, delta, discordance)
    (size,) = check_counts(name, n=n)
    size, d, psi = broadcast(name, ("n", "delta", "discordance"), [size, d, psi])
    z = two_sided_z(check_level(level, name))
    excess = np.sqrt(size) * np.abs(d) - z * np.sqrt(psi)
    spread = np.sqrt(np.maximum(psi - d * d, 0.0))
    sure = np.where(excess > 0.0, 1.0, 0.0)
    return np.where(spread > 0.0, ndtr(excess / np.where(spread > 0.0, spread, 1.0)), sure)


def exact_mcnemar_power(
    n: ArrayLike, delta: ArrayLike, discordance: ArrayLike, level: float = 0.95
) -> FloatArray:
    """The unconditional power of the exact McNemar test at n examples, by summation.

    The number of disagreements is Bin(n, psi), and given m of them the first model's are Bin(m,
    (1 + delta/psi)/2); the test rejects where its p-value is <= 1 - level, on either side. The
    sum leaves out less than 1e-12. Errors as `paired_power`.

    >>> exact_mcnemar_power(1960, 0.02, 0.1).round(4).tolist()
    0.783
    """
    name = "exact_mcnemar_power"
    d, psi = _paired(name, delta, discordance)
    (size,) = check_counts(name, n=n)
    size, d, psi = broadcast(name, ("n", "delta", "discordance"), [size, d, psi])
    tail = (1.0 - check_level(level, name)) / 2.0
    values = [_mcnemar_power(*cell, tail) for cell in zip(size.flat, d.flat, psi.flat, strict=True)]
    return np.asarray(values, dtype=np.float64).reshape(size.shape)


def detectable_difference(
    n: ArrayLike, discordance: ArrayLike, level: float = 0.95, power: float = 0.8
) -> FloatArray:
    """The smallest difference of two models that n shared examples show with the given power.

    The inverse of `paired_sample_size`; NaN where it would exceed the discordance, so that no
    difference can be shown. Raises BadInput as `paired_power`.

    >>> detectable_difference(50000, 0.1).round(6).tolist()
    0.003962
    """
    name = "detectable_difference"
    (size,) = check_counts(name, n=n)
    psi = check_unit(name, "discordance", discordance)
    size, psi = broadcast(name, ("n", "discordance"), [size, psi])
    z, z_power = _quantiles(name, level, power)
    inner = np.maximum(size - z * z + z_power * z_power, 0.0)
    d = np.sqrt(psi) * (z * np.sqrt(size) + z_power * np.sqrt(inner)) / (size + z_power**2)
    return np.where((d <= psi) & (size > z * z - z_power * z_power), d, np.nan)


def independent_sample_size(
    p1: ArrayLike, p2: ArrayLike, level: float = 0.95, power: float = 0.8
) -> IntArray:
    """The examples needed in each of two independent test sets to tell accuracies p1 and p2.

    n = (z sqrt(2 p̄(1-p̄)) + z_power sqrt(p1(1-p1) + p2(1-p2)))²/(p1-p2)², rounded up. Raises
    BadInput where p1 = p2 or either is outside [0, 1]. Fleiss, Levin and Paik (2003), eq. 4.14.

    >>> independent_sample_size(0.76, 0.75).tolist()
    29036
    """
    name = "independent_sample_size"
    a, b = check_unit(name, "p1", p1), check_unit(name, "p2", p2)
    a, b = broadcast(name, ("p1", "p2"), [a, b])
    if np.any(a == b):
        raise BadInput(f"{name}: p1 and p2 are equal; there is no difference to show.")
    z, z_power = _quantiles(name, level, power)
    middle = 0.5 * (a + b)
    root = z * np.sqrt(2.0 * middle * (1.0 - middle))
    root = root + z_power * np.sqrt(a * (1.0 - a) + b * (1.0 - b))
    return _up((root / (a - b)) ** 2)


def detectable_drop(
    n1: ArrayLike, n2: ArrayLike, p: ArrayLike, level: float = 0.95, power: float = 0.8
) -> FloatArray:
    """The smallest drop below accuracy p on n1 examples that n2 other examples show.

    The d with d = z sqrt(p̄(1-p̄)(1/n1 + 1/n2)) + z_power sqrt(p(1-p)/n1 + (p-d)(1-p+d)/n2), p̄
    the pooled accuracy; NaN where even a drop to 0 would not do. Raises BadInput where a count is
    not whole and at least 1, or p is outside (0, 1).

    >>> detectable_drop(50000, 10000, 0.76).round(5).tolist()
    0.0132
    """
    name = "detectable_drop"
    first, second = check_counts(name, n1=n1, n2=n2)
    before = check_unit(name, "p", p, open_ends=True)
    first, second, before = broadcast(name, ("n1", "n2", "p"), [first, second, before])
    if np.any((first < 1.0) | (second < 1.0)):
        raise BadInput(f"{name}: both test sets need at least one example.")
    z, z_power = _quantiles(name, level, power)

    def short(d: FloatArray) -> FloatArray:
        after = before - d
        pooled = (first * before + second * after) / (first + second)
        null = np.sqrt(np.maximum(pooled * (1.0 - pooled), 0.0) * (1.0 / first + 1.0 / second))
        after_variance = np.maximum(after * (1.0 - after), 0.0) / second
        there = np.sqrt(before * (1.0 - before) / first + after_variance)
        return np.asarray(z * null + z_power * there - d)

    root = decreasing_root(short, np.zeros_like(before), before.copy())
    return np.where(short(before) > 0.0, np.nan, root)


def _quantiles(function: str, level: float, power: float) -> tuple[float, float]:
    if not 0.0 < power < 1.0:
        raise BadInput(f"{function}: power must lie strictly between 0 and 1, but it is {power}.")
    return two_sided_z(check_level(level, function)), float(ndtri(power))


def _paired(
    function: str, delta: ArrayLike, discordance: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    d = as_float(function, "delta", delta)
    psi = check_unit(function, "discordance", discordance)
    d, psi = broadcast(function, ("delta", "discordance"), [d, psi])
    if not np.all(np.abs(d) <= psi):
        raise BadInput(
            f"{function}: a difference cannot exceed the discordance: |b - c| <= b + c; check "
            "that both are fractions of all examples."
        )
    return d, psi


def _up(n: FloatArray) -> IntArray:
    return np.asarray(np.ceil(n - 1e-9 * n)).astype(np.int64)


def _mcnemar_power(n: float, delta: float, psi: float, tail: float) -> float:
    reach = 8.0 * np.sqrt(n * psi * (1.0 - psi)) + 40.0
    m = np.arange(max(0.0, np.floor(n * psi - reach)), min(n, np.ceil(n * psi + reach)) + 1.0)
    log = gammaln(n + 1.0) - gammaln(m + 1.0) - gammaln(n - m + 1.0)
    weight = np.exp(log + xlogy(m, psi) + xlog1py(n - m, -psi))
    critical = _critical(m, tail)
    some = critical >= 0.0
    k, trials = critical[some], m[some].astype(np.int64)
    share = min(0.5 * (1.0 + abs(delta) / psi), 1.0) if psi > 0.0 else 0.5
    reject = bdtr(k, trials, share) + bdtr(k, trials, 1.0 - share)
    return float(np.dot(weight[some], reject))


def _critical(m: FloatArray, tail: float) -> FloatArray:
    """The largest k with P[Bin(m, 1/2) <= k] <= tail, for each m; -1 where there is none."""
    k = np.floor(0.5 * m + 0.5 * float(ndtri(tail)) * np.sqrt(m))
    k = np.clip(k, -1.0, m - 1.0)
    for _ in range(64):
        trials = m.astype(np.int64)
        up = (k + 1.0 < m) & (bdtr(np.minimum(k + 1.0, m), trials, 0.5) <= tail)
        down = (k >= 0.0) & (bdtr(np.maximum(k, 0.0), trials, 0.5) > tail)
        if not (up | down).any():
            break
        k = k + up - down
    return k
