"""Two models on the same examples: tests and intervals from the counts of disagreement.

Throughout, a = both right, b = only the first right, c = only the second right, d = both wrong,
n = a + b + c + d, and the difference is (b - c)/n: accuracy of the first minus of the second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincc

from heldout.stats.arguments import (
    FloatArray,
    Interval,
    check_at_most,
    check_counts,
    check_level,
    two_sided_z,
)
from heldout.stats.bootstrap import bootstrap_limits as bootstrap_limits
from heldout.stats.difference import mover_limits
from heldout.stats.root import decreasing_root


def mcnemar_exact(b: ArrayLike, c: ArrayLike) -> FloatArray:
    """The exact McNemar p-value: min(1, 2 P[Bin(b + c, 1/2) <= min(b, c)]).

    b, c whole counts of any broadcastable shapes; 1 where b = c. Correct to about 1e-12 relative
    down to the smallest float64 (about 1e-308, below which it is 0). Raises BadInput for counts
    that are negative or not whole. McNemar (1947), Psychometrika 12; exact form: Liddell (1983).

    >>> f"{mcnemar_exact(3155, 2064):.9e}"
    '8.361784248e-52'
    """
    first, second = check_counts("mcnemar_exact", b=b, c=c)
    return np.asarray(np.minimum(1.0, 2.0 * _half_cdf(np.minimum(first, second), first + second)))


def mcnemar_midp(b: ArrayLike, c: ArrayLike) -> FloatArray:
    """McNemar's mid-p-value: the exact one less P[Bin(b + c, 1/2) = min(b, c)].

    Where b = c it is 1 - P[= b]/2, and 1 where both are 0. Closer to its level than the exact
    test, with no guarantee. Errors as `mcnemar_exact`. Fagerland, Lydersen and Laake (2013),
    BMC Medical Research Methodology 13.

    >>> f"{mcnemar_midp(9, 2):.6f}"
    '0.038574'
    """
    first, second = check_counts("mcnemar_midp", b=b, c=c)
    least, trials = np.minimum(first, second), first + second
    below = np.where(least > 0.0, _half_cdf(np.maximum(least - 1.0, 0.0), trials), 0.0)
    upto = _half_cdf(least, trials)
    tied = 1.0 - 0.5 * (upto - below)
    p = np.where(first == second, tied, np.minimum(1.0, upto + below))
    return np.where(trials == 0.0, 1.0, p)


def difference_se(b: ArrayLike, c: ArrayLike, n: ArrayLike) -> FloatArray:
    """The standard error of (b - c)/n: sqrt(b + c - (b - c)²/n)/n; NaN where n = 0.

    It is also exactly the standard deviation of the multinomial bootstrap. Raises BadInput for
    counts that are not whole or b + c > n.

    >>> f"{difference_se(9, 2, 100):.6f}"
    '0.032419'
    """
    first, second, total = _checked("difference_se", b, c, n)
    return _se(first, second, total)


def tango(b: ArrayLike, c: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """The score interval of the paired difference (b - c)/n: the package's default for pairs.

    The δ at which (b - c - nδ)/sqrt(n(2q + δ(1 - δ))) is ±z, q the most likely second discordance
    given δ. Counts broadcast; n = 0 gives NaN. Raises BadInput for counts that are not whole or
    b + c > n. Tango (1998), Statistics in Medicine 17.

    >>> low, high = tango(9, 2, 100)
    >>> f"{low:.6f} {high:.6f}"
    '0.005956 0.145889'
    """
    first, second, total = _checked("tango", b, c, n)
    return tango_limits(first, second, total, check_level(level, "tango"))


def tango_limits(b: FloatArray, c: FloatArray, n: FloatArray, level: float) -> Interval:
    """Tango's limits for counts that need not be whole (effective sizes); unchecked."""
    z = two_sided_z(level)
    empty = n <= 0.0
    size = np.where(empty, 1.0, n)
    b, c = np.where(empty, 0.0, b), np.where(empty, 0.0, c)
    low, high = _tango_low(b, c, size, z), -_tango_low(c, b, size, z)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def newcombe_paired(
    a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, level: float = 0.95
) -> Interval:
    """Newcombe's paired hybrid score interval: Wilson limits of both margins, corrected phi.

    phi's numerator ad - bc is lowered by n/2 (not below 0) where positive. An all-zero table
    gives NaN. Raises BadInput for counts that are not whole. Newcombe (1998b), Statistics in
    Medicine 17, method 10.

    >>> low, high = newcombe_paired(60, 9, 2, 29)
    >>> f"{low:.6f} {high:.6f}"
    '0.003471 0.135985'
    """
    return _hybrid("newcombe_paired", a, b, c, d, level, corrected=True)


def mover_wilson_paired(
    a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike, level: float = 0.95
) -> Interval:
    """The paired MOVER interval: as `newcombe_paired`, with phi as it is.

    Tang, Tang and Carey (2010); Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33.

    >>> low, high = mover_wilson_paired(40144, 1209, 1109, 7538)
    >>> f"{low:.10f} {high:.10f}"
    '0.0001125400 0.0038881085'
    """
    return _hybrid("mover_wilson_paired", a, b, c, d, level, corrected=False)


def wald_paired(b: ArrayLike, c: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """The normal interval (b - c)/n ± z se: too short for few disagreements, empty for none.

    Kept to compare with older tables. Errors as `tango`.

    >>> low, high = wald_paired(9, 2, 100)
    >>> f"{low:.6f} {high:.6f}"
    '0.006460 0.133540'
    """
    first, second, total = _checked("wald_paired", b, c, n)
    return _wald(first, second, total, check_level(level, "wald_paired"))


def agresti_min(b: ArrayLike, c: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """The normal interval after adding 1/2 to each cell of the table.

    Errors as `tango`; n = 0 gives NaN. Agresti and Min (2005), Statistics in Medicine 24.
    """
    first, second, total = _checked("agresti_min", b, c, n)
    level = check_level(level, "agresti_min")
    low, high = _wald(first + 0.5, second + 0.5, total + 2.0, level)
    empty = total <= 0.0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _checked(function: str, b: ArrayLike, c: ArrayLike, n: ArrayLike) -> list[FloatArray]:
    counts = check_counts(function, b=b, c=c, n=n)
    check_at_most(function, counts[0] + counts[1], counts[2], "b + c is larger than n")
    return counts


def _half_cdf(k: FloatArray, n: FloatArray) -> FloatArray:
    """P[Bin(n, 1/2) <= k] for whole 0 <= k <= n."""
    below = k < n
    # the complement keeps its precision down to 1e-308, where betainc gives 0
    cdf = betaincc(k + 1.0, np.where(below, n - k, 1.0), 0.5)
    return np.where(below, cdf, 1.0)


def _se(b: FloatArray, c: FloatArray, n: FloatArray) -> FloatArray:
    size = np.where(n > 0.0, n, np.nan)
    variance = (b + c) - (b - c) ** 2 / size
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)) / size)


def _wald(b: FloatArray, c: FloatArray, n: FloatArray, level: float) -> Interval:
    d = (b - c) / np.where(n > 0.0, n, np.nan)
    half = two_sided_z(level) * _se(b, c, n)
    return np.asarray(np.maximum(d - half, -1.0)), np.asarray(np.minimum(d + half, 1.0))


def _tango_low(b: FloatArray, c: FloatArray, n: FloatArray, z: float) -> FloatArray:
    def excess(delta: FloatArray) -> FloatArray:
        half = 0.5 * ((2.0 * n - b + c) * delta - b - c)
        product = -2.0 * n * c * delta * (1.0 - delta)
        root = np.sqrt(np.maximum(half * half - product, 0.0))
        # the larger root of 2n q² + 2 half q - c delta (1 - delta), without cancellation
        positive = half > 0.0
        apart = np.where(positive, root + half, 1.0)
        q = np.where(positive, -product / (2.0 * n * apart), (root - half) / (2.0 * n))
        variance = n * (2.0 * q + delta * (1.0 - delta))
        return np.asarray(b - c - n * delta - z * np.sqrt(np.maximum(variance, 0.0)))

    d = (b - c) / n
    return decreasing_root(excess, np.full_like(d, -1.0), d)


def _hybrid(
    function: str,
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    d: ArrayLike,
    level: float,
    *,
    corrected: bool,
) -> Interval:
    both, first, second, neither = check_counts(function, a=a, b=b, c=c, d=d)
    level = check_level(level, function)
    n = both + first + second + neither
    k1, k2 = both + first, both + second
    cross = both * neither - first * second
    if corrected:
        cross = np.where(cross > 0.0, np.maximum(cross - 0.5 * n, 0.0), cross)
    margins = np.sqrt(k1 * (n - k1)) * np.sqrt(k2 * (n - k2))
    phi = np.where(margins > 0.0, cross / np.where(margins > 0.0, margins, 1.0), 0.0)
    return mover_limits(k1, n, k2, n, np.clip(phi, -1.0, 1.0), level)
