"""Families of p-values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, as_float


def holm(p: ArrayLike) -> FloatArray:
    """Holm's adjusted p-values: reject where <= alpha, and no null of the family errs above alpha.

    p of shape (m,); NaN stays NaN and is not counted as a member of the family. Valid under any
    dependence. Raises BadInput where p is not a vector or outside [0, 1]. Holm (1979),
    Scandinavian Journal of Statistics 6.

    >>> holm([0.01, 0.04, 0.03, 0.005, 0.5]).tolist()
    [0.04, 0.09, 0.09, 0.025, 0.5]
    """
    values = _family("holm", p)
    adjusted = np.full(values.shape, np.nan)
    counted = np.flatnonzero(~np.isnan(values))
    order = counted[np.argsort(values[counted], kind="stable")]
    factor = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factor * values[order]), 1.0)
    return adjusted


def bonferroni(p: ArrayLike) -> FloatArray:
    """Bonferroni's adjusted p-values: min(1, m p), m the number of p-values that are not NaN.

    Shapes and errors as `holm`, which is never larger.

    >>> bonferroni([0.01, float("nan"), 0.4, 0.02]).tolist()
    [0.03, nan, 1.0, 0.06]
    """
    values = _family("bonferroni", p)
    adjusted: FloatArray = np.minimum(values * np.count_nonzero(~np.isnan(values)), 1.0)
    return adjusted


def _family(function: str, p: ArrayLike) -> FloatArray:
    values = as_float(function, "p", p)
    if values.ndim != 1:
        raise BadInput(
            f"{function}: p must be a vector, one family of tests, but its shape is "
            f"{values.shape}; flatten it, or call once for each family."
        )
    bad = ~np.isnan(values) & ~((values >= 0.0) & (values <= 1.0))
    if bad.any():
        raise BadInput(f"{function}: p-values lie in [0, 1], but there is {values[bad][0]:g}.")
    return values
