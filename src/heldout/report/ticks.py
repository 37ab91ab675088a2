"""Axis ticks on the three scales; assets/ticks.js is the same in the page."""

from __future__ import annotations

import math

import numpy as np

from heldout.stats.scale import inverse, transform

# In order of importance: what a reader of a probit axis looks for first (percent).
LANDMARKS = (
    50, 10, 90, 1, 99, 30, 70, 20, 40, 60, 80, 5, 95, 2, 98, 0.1, 99.9, 0.5, 99.5, 0.2, 99.8,
    0.01, 99.99,
)  # fmt: skip
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def ticks(scale: str, low: float, high: float, length: float, apart: float) -> list[float]:
    """Fractions to mark on an axis from low to high (on the scale), `apart` or more from another.

    >>> ticks("probit", -1.5, 1.5, 300, 30)
    [0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9]
    """

    def position(percent: float) -> float:
        at = float(transform(scale, percent / 100))
        return (at - low) / (high - low) * length

    chosen: list[float] = []
    if scale != "linear":
        for p in LANDMARKS:
            at = position(p)
            clear = all(abs(position(c) - at) >= apart for c in chosen)
            if -1e-6 <= at <= length + 1e-6 and clear:
                chosen.append(p)
    ends = [100 * float(v) for v in inverse(scale, [low, high])]
    found = _even(scale, ends[0], ends[1], position, apart)
    best = chosen if len(chosen) >= 5 or len(chosen) > len(found) else found
    return [p / 100 for p in sorted(best)]


def label(fraction: float) -> str:
    """Percent without digits that say nothing.

    >>> label(0.5), label(0.995)
    ('50 %', '99.5 %')
    """
    return f"{round(100 * fraction, 2):g} %"


def _even(scale: str, low: float, high: float, position: object, apart: float) -> list[float]:
    """Round percentages with the finest step that leaves them far enough apart."""
    assert callable(position)
    for step in STEPS:
        if (high - low) / step > 200:
            continue
        first, last = math.ceil(low / step - 1e-9), math.floor((high + 1e-9) / step)
        found = [round(i * step, 2) for i in range(first, last + 1)]
        drawn = [p for p in found if (scale == "linear" and 0 <= p <= 100) or 0 < p < 100]
        gaps = np.diff([position(p) for p in drawn])
        if (gaps >= apart).all():
            return drawn
    return []
