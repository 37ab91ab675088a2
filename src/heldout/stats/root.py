"""Roots of monotone functions, one for each element of an array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heldout.stats.arguments import FloatArray


def decreasing_root(
    function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Where a function that falls from >= 0 at low to <= 0 at high changes sign, elementwise.

    Bisection until no float64 of magnitude up to 2 lies between: about 1e-16 for brackets of
    width 2. The function gets an array of the shape of low and high.
    """
    low, high = low.copy(), high.copy()
    for _ in range(55):
        middle = 0.5 * (low + high)
        above = function(middle) > 0.0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    return 0.5 * (low + high)
