"""Least squares: one line, and two lines that meet at a knee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, check_pair

Side = Literal["low", "high", "both", "neither"]


@dataclass(frozen=True, slots=True)
class Line:
    """y = intercept + slope x, fitted to n points on an already transformed scale.

    r2 is NaN where y is constant; residual_sd = sqrt(residual sum of squares/(n - 2)) and the
    standard errors are NaN for n = 2. The errors suppose that points are independent draws,
    which models that share examples and families are not: prefer a band from resampling.
    """

    slope: float
    intercept: float
    r2: float
    residual_sd: float
    n: int
    slope_se: float
    intercept_se: float


@dataclass(frozen=True, slots=True)
class Knee:
    """Two lines, `low` for x below the pivot and `high` above; r2 of both together."""

    pivot: float
    low: Line
    high: Line
    r2: float


def ols(x: ArrayLike, y: ArrayLike) -> Line:
    """The ordinary least squares line of y on x.

    x, y finite vectors of one length, already on the scale of the fit. Raises BadInput for fewer
    than 2 points, values that are not finite, or constant x.

    >>> line = ols([0.0, 1.0, 2.0], [1.0, 3.0, 4.0])
    >>> f"{line.slope:.3f} {line.intercept:.3f} {line.r2:.3f} {line.slope_se:.3f}"
    '1.500 1.167 0.964 0.289'
    """
    a, b = check_pair("ols", x, y, 2)
    spread = float(np.sum((a - a.mean()) ** 2))
    if spread == 0.0 or a.min() == a.max():
        raise BadInput(
            f"ols: all {a.size} values of x are {a[0]:g}; a line needs models that differ on x."
        )
    slope = float((a - a.mean()) @ (b - b.mean())) / spread
    return described(a, b, slope, float(b.mean() - slope * a.mean()))


def described(x: FloatArray, y: FloatArray, slope: float, intercept: float) -> Line:
    """The least squares line with its R², residual sd and standard errors."""
    n = x.size
    residual = y - intercept - slope * x
    rss = float(residual @ residual)
    total = float(np.sum((y - y.mean()) ** 2))
    spread = float(np.sum((x - x.mean()) ** 2))
    sd = (rss / (n - 2)) ** 0.5 if n > 2 else float("nan")
    constant = y.min() == y.max()
    return Line(
        slope=slope,
        intercept=intercept,
        r2=float("nan") if constant else 1.0 - rss / total,
        residual_sd=sd,
        n=n,
        slope_se=sd / spread**0.5,
        intercept_se=sd * (1.0 / n + float(x.mean()) ** 2 / spread) ** 0.5,
    )


def knee(
    x: ArrayLike,
    y: ArrayLike,
    pivot: float | None = None,
    at_pivot: Side = "neither",
    least: int = 3,
) -> Knee:
    """Two least squares lines, split at a given pivot or at the best one.

    With a pivot, points with x equal to it go to the side that `at_pivot` names: "low", "high",
    "both" or "neither" (the testbed's lines on ImageNet-A leave out ResNet-50, the model that
    defines the pivot). Without one, every split between two different x with at least `least`
    points on each side is tried, the pivot is the midpoint of the gap with the smallest residual
    sum of squares, and no R² or standard error accounts for that choice. The lines need not meet.
    Raises BadInput as `ols`, and where a side would have fewer than 2 points (`least` when the
    pivot is to be found) or constant x.

    >>> k = knee([0, 1, 2, 3, 4, 5], [0, 0, 0, 2, 4, 6])
    >>> k.pivot, round(k.low.slope, 9), round(k.high.slope, 9)
    (2.5, 0.0, 2.0)
    """
    a, b = check_pair("knee", x, y, 4)
    if at_pivot not in ("low", "high", "both", "neither"):
        raise BadInput(f"knee: at_pivot is '{at_pivot}'; use low, high, both or neither.")
    if pivot is None:
        pivot = _best_split(a, b, least)
    below = (a <= pivot) if at_pivot in ("low", "both") else (a < pivot)
    above = (a >= pivot) if at_pivot in ("high", "both") else (a > pivot)
    for side, words in ((below, "below"), (above, "above")):
        if np.unique(a[side]).size < 2:
            raise BadInput(
                f"knee: {int(side.sum())} of {a.size} points lie {words} the pivot {pivot:g}; a "
                "line needs two with different x. Choose another pivot, or one line."
            )
    low, high = ols(a[below], b[below]), ols(a[above], b[above])
    used = np.concatenate([b[below], b[above]])
    total = float(np.sum((used - used.mean()) ** 2))
    rss = sum(
        float(np.sum((b[side] - line.intercept - line.slope * a[side]) ** 2))
        for side, line in ((below, low), (above, high))
    )
    return Knee(float(pivot), low, high, 1.0 - rss / total if total > 0.0 else float("nan"))


def _best_split(x: FloatArray, y: FloatArray, least: int) -> float:
    """The midpoint of the gap in x whose two lines leave the smallest residual sum of squares."""
    if least < 2:
        raise BadInput(f"knee: least must be 2 or more points on each side, but it is {least}.")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    left = np.arange(least, x.size - least + 1)
    left = left[(x[left - 1] < x[np.minimum(left, x.size - 1)])] if left.size else left
    left = left[(x[0] < x[left - 1]) & (x[np.minimum(left, x.size - 1)] < x[-1])]
    if left.size == 0:
        raise BadInput(
            f"knee: no split of {x.size} points leaves {least} with different x on both sides; "
            "give a pivot, or fit one line."
        )
    u, v = x - x.mean(), y - y.mean()
    forward = _residuals(u, v)[left - 1]
    backward = _residuals(u[::-1], v[::-1])[x.size - left - 1]
    best = int(left[np.argmin(forward + backward)])
    return float(0.5 * (x[best - 1] + x[best]))


def _residuals(x: FloatArray, y: FloatArray) -> FloatArray:
    """The residual sum of squares of the line through the first 1, 2, … points."""
    n = np.arange(1, x.size + 1)
    sx, sy = np.cumsum(x), np.cumsum(y)
    sxx = np.cumsum(x * x) - sx * sx / n
    sxy = np.cumsum(x * y) - sx * sy / n
    syy = np.cumsum(y * y) - sy * sy / n
    explained = np.where(sxx > 0.0, sxy**2 / np.where(sxx > 0.0, sxx, 1.0), 0.0)
    return np.asarray(np.maximum(syy - explained, 0.0))
