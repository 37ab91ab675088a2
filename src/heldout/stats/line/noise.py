"""Lines for points with noise on both axes, as accuracies on finite test sets have."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, as_float, broadcast, check_counts, check_pair
from heldout.stats.line.fit import Line
from heldout.stats.scale import derivative


def binomial_sd(p: ArrayLike, n: ArrayLike, scale: str) -> FloatArray:
    """The standard deviation of an accuracy p on n examples, on a scale, by the delta method.

    sqrt(p(1-p)/n) dz/dp; p and n broadcast. On logit and probit it is inf at p = 0 and 1, NaN
    stays NaN, and n = 0 gives inf. Raises BadInput for another scale, p outside [0, 1], or n that
    is not a whole count.

    >>> binomial_sd(0.5, 100, "logit").item()
    0.2
    """
    (total,) = check_counts("binomial_sd", n=n)
    p_, slope = as_float("binomial_sd", "p", p), derivative(scale, p)
    p_, slope, total = broadcast("binomial_sd", ("p", "p", "n"), [p_, slope, total])
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(p_ * (1.0 - p_) / total) * slope
    return np.where(np.isinf(slope) | ((total == 0.0) & ~np.isnan(p_)), np.inf, sd)


def deming(x: ArrayLike, y: ArrayLike, ratio: float = 1.0) -> Line:
    """The line that allows for noise on both axes, of one size for all points.

    ratio = variance of the noise of y over that of x; 1 is orthogonal regression. r2 is the
    squared correlation, residual_sd of y about the line, and the standard errors are the
    jackknife's. Raises BadInput as `ols`, for fewer than 3 points, ratio <= 0, or no correlation
    at all. Deming (1943); errors: Linnet (1993), Clinical Chemistry 39.

    >>> f"{deming([0, 1, 2, 3], [0, 2, 2, 4]).slope:.6f}"
    '1.280776'
    """
    a, b = check_pair("deming", x, y, 3)
    if not ratio > 0.0:
        raise BadInput(f"deming: ratio must be above 0, but it is {ratio}.")
    n = a.size
    u, v = a - a.mean(), b - b.mean()
    sxx, syy, sxy = float(u @ u), float(v @ v), float(u @ v)
    if a.min() == a.max() or sxy == 0.0:
        raise BadInput("deming: x is constant or x and y do not correlate; no line is better.")
    slope = float(_deming_slope(np.array(sxx), np.array(syy), np.array(sxy), ratio))
    intercept = float(b.mean() - slope * a.mean())
    # leaving out point i lowers each centred sum by n/(n-1) times the point's product
    grow = n / (n - 1.0)
    slopes = _deming_slope(sxx - grow * u * u, syy - grow * v * v, sxy - grow * u * v, ratio)
    intercepts = (b.sum() - b - slopes * (a.sum() - a)) / (n - 1)
    return _noisy(
        a, b, slope, intercept, _jackknife_se(slope, slopes), _jackknife_se(intercept, intercepts)
    )


def york(x: ArrayLike, y: ArrayLike, sx: ArrayLike, sy: ArrayLike) -> tuple[Line, float]:
    """The most likely line for points with known, independent noise on both axes: (line, chi²).

    sx, sy: standard deviations (vectors or scalars), not both 0 at a point. chi² is the weighted
    sum of squares on n - 2 degrees of freedom: well above them, the points scatter more than
    their noise (models differ) and the standard errors, which know of noise alone, are too
    small. r2 is the squared correlation. Raises BadInput as `ols`, for fewer than 3 points, sd
    that are negative or not finite, and where the iteration does not settle. York, Evensen,
    Martínez and De Basabe Delgado (2004), American Journal of Physics 72.

    >>> line, chi2 = york([0, 1, 2, 3], [0.1, 0.9, 2.1, 2.9], 0.1, 0.1)
    >>> f"{line.slope:.4f} {line.slope_se:.4f} {chi2:.3f}"
    '0.9632 0.0621 1.663'
    """
    a, b = check_pair("york", x, y, 3)
    va, vb = (_variance(name, sd, a.shape) for name, sd in (("sx", sx), ("sy", sy)))
    if np.any((va == 0.0) & (vb == 0.0)):
        raise BadInput("york: a point has sx = sy = 0; no line can meet it with certainty.")
    if a.min() == a.max():
        raise BadInput("york: x is constant; a line needs models that differ on x.")
    slope = float((a - a.mean()) @ (b - b.mean()) / np.sum((a - a.mean()) ** 2))
    for _ in range(500):
        weight = 1.0 / (vb + slope * slope * va)
        total = weight.sum()
        x_bar, y_bar = float(weight @ a / total), float(weight @ b / total)
        u, v = a - x_bar, b - y_bar
        adjusted = weight * (u * vb + slope * v * va)
        denominator = float((weight * adjusted) @ u)
        new = float((weight * adjusted) @ v) / denominator if denominator else float("nan")
        settled = abs(new - slope) <= 1e-14 * max(abs(new), 1e-300)
        slope = new
        if settled or not np.isfinite(slope):
            break
    else:
        settled = False
    if not settled:
        raise BadInput(
            "york: the iteration did not settle; the noise is as large as the spread of the "
            "points. Use more examples or models, or ols."
        )
    intercept = y_bar - slope * x_bar
    centre = float(weight @ (x_bar + adjusted) / total)
    spread = x_bar + adjusted - centre
    slope_se = float((weight @ (spread * spread)) ** -0.5)
    intercept_se = float((1.0 / total + (centre * slope_se) ** 2) ** 0.5)
    residual = b - intercept - slope * a
    line = _noisy(a, b, slope, intercept, slope_se, intercept_se)
    return line, float(weight @ (residual * residual))


def _deming_slope(sxx: FloatArray, syy: FloatArray, sxy: FloatArray, ratio: float) -> FloatArray:
    half = 0.5 * (syy - ratio * sxx)
    root = np.sqrt(half * half + ratio * sxy * sxy)
    # (half + root)/sxy, by its conjugate where half is negative
    safe = np.where(sxy == 0.0, 1.0, sxy)
    flat = ratio * sxy / np.maximum(root - half, 1e-300)
    slope = np.where(half > 0.0, (half + root) / safe, flat)
    return np.where(sxy == 0.0, np.where(half > 0.0, np.nan, 0.0), slope)


def _jackknife_se(value: float, without: FloatArray) -> float:
    n = without.size
    pseudo = n * value - (n - 1) * without
    return float(np.std(pseudo, ddof=1) / n**0.5)


def _noisy(
    x: FloatArray,
    y: FloatArray,
    slope: float,
    intercept: float,
    slope_se: float,
    intercept_se: float,
) -> Line:
    u, v = x - x.mean(), y - y.mean()
    residual = y - intercept - slope * x
    scale = float((u @ u) * (v @ v))
    return Line(
        slope=slope,
        intercept=intercept,
        r2=float(u @ v) ** 2 / scale if scale > 0.0 else float("nan"),
        residual_sd=float(residual @ residual / (x.size - 2)) ** 0.5,
        n=x.size,
        slope_se=slope_se,
        intercept_se=intercept_se,
    )


def _variance(name: str, sd: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = as_float("york", name, sd)
    if not (np.isfinite(array) & (array >= 0.0)).all():
        raise BadInput(
            f"york: {name} must be finite and not negative; accuracies of 0 and 1 have no finite "
            "sd on the logit and probit scales: leave them out."
        )
    if array.shape not in ((), shape):
        raise BadInput(f"york: {name} has shape {array.shape} for points of shape {shape}.")
    return np.asarray(np.broadcast_to(array * array, shape))
