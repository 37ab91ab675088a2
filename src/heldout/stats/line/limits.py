"""From draws of lines to limits: of a slope, and of a whole line."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, Interval, as_float, check_level
from heldout.stats.line.fit import Line

_ELEMENTS_AT_ONCE = 1 << 21


def draw_limits(
    draws: ArrayLike,
    level: float = 0.95,
    models: int | None = None,
    observed: float | None = None,
) -> tuple[float, float]:
    """Limits of one number (a slope) from its draws: percentiles, or better ones on request.

    draws of shape (d,); NaN are left out. Plain percentiles are what the papers print. They are
    too narrow for few models: with models = the number of models (or families) that were drawn,
    each tail is expanded to that of t with models - 2 degrees of freedom times
    sqrt(models/(models - 2)) (Hesterberg 2015, The American Statistician 69), which brings 10
    models from 90 % to 97 %. And they double the bias that noise on x gives a slope: with
    observed = the estimate from the data they are reflected about it (the basic bootstrap, Davison
    and Hinkley 1997, eq. 5.6); use it for `resample_examples_lines`. Raises BadInput where no
    draw is left, models < 3, or level is outside (0, 1).

    >>> draw_limits([0.0, 1.0, 2.0, 4.0, float("nan")], level=0.5)
    (0.75, 2.5)
    >>> draw_limits([0.0, 1.0, 2.0, 4.0], level=0.5, observed=2.0)
    (1.5, 3.25)
    """
    values = as_float("draw_limits", "draws", draws)
    if values.ndim != 1:
        raise BadInput(f"draw_limits: draws must be a vector, not of shape {values.shape}.")
    values = values[np.isfinite(values)]
    tail = _tail("draw_limits", level, models, values.size)
    low, high = (float(v) for v in np.quantile(values, [tail, 1.0 - tail]))
    return (low, high) if observed is None else (2.0 * observed - high, 2.0 * observed - low)


def band(
    slopes: ArrayLike,
    intercepts: ArrayLike,
    grid_x: ArrayLike,
    level: float = 0.95,
    models: int | None = None,
    observed: Line | None = None,
) -> Interval:
    """The pointwise band of intercept + slope x over draws, on the scale of the fit.

    slopes and intercepts of shape (draws,), grid_x of shape (g,): low and high of shape (g,).
    Draws that are NaN are left out. Percentiles; `models` and `observed` (the line fitted to the
    data) as in `draw_limits`. The band covers the line at each x, not at all x together, and not
    a new model's point. Errors as `draw_limits`.

    >>> low, high = band([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [0.0, 1.0], level=0.5)
    >>> low.tolist(), high.tolist()
    ([0.0, 1.5], [0.0, 2.5])
    """
    b, a = as_float("band", "slopes", slopes), as_float("band", "intercepts", intercepts)
    grid = np.atleast_1d(as_float("band", "grid_x", grid_x))
    if b.ndim != 1 or a.shape != b.shape or grid.ndim != 1:
        raise BadInput("band: slopes and intercepts must be vectors of one length; so must grid_x.")
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    tail = _tail("band", level, models, a.size)
    low, high = np.empty(grid.shape), np.empty(grid.shape)
    step = max(1, _ELEMENTS_AT_ONCE // a.size)
    for start in range(0, grid.size, step):
        part = slice(start, start + step)
        heights = a[:, None] + b[:, None] * grid[part]
        low[part], high[part] = np.quantile(heights, [tail, 1.0 - tail], axis=0)
    return _reflected(low, high, grid, observed)


def _tail(function: str, level: float, models: int | None, draws: int) -> float:
    tail = 0.5 * (1.0 - check_level(level, function))
    if draws == 0:
        raise BadInput(f"{function}: no draw has a line; are there two models that differ on x?")
    if models is None:
        return tail
    if models < 3:
        raise BadInput(f"{function}: limits need 3 or more models, but there are {models}.")
    t = float(stdtrit(models - 2, tail))
    return float(ndtr(t * (models / (models - 2)) ** 0.5))


def _reflected(low: FloatArray, high: FloatArray, grid: FloatArray, line: Line | None) -> Interval:
    if line is None:
        return low, high
    twice = 2.0 * (line.intercept + line.slope * grid)
    return twice - high, twice - low
