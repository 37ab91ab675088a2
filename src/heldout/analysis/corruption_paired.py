"""The best model against the next best: the difference of their errors on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import totals
from heldout.analysis.corruption_cells import Errors, answers
from heldout.analysis.corruption_limits import PUBLISHED
from heldout.stats.weighted import mean_of_ratios, signed_mean
from heldout.store.read import Store

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lead:
    """How much smaller the measure of `best` is than that of `next`: value with limits.

    paired: from the same images. Otherwise low and high are missing, and overlap says whether the
    two intervals overlap; None where there are none.
    """

    best: str
    next: str
    value: float
    low: float
    high: float
    paired: bool
    overlap: bool | None


def lead(
    store: Store,
    some: Errors,
    best: str,
    next_best: str,
    limits: tuple[FloatArray, FloatArray],
    divisor: str,
    level: float,
) -> Lead:
    """The lead of one model over another in mCE, or in the mean error where divisor is ''.

    some: models with all of its kinds and severities, the two and the divisor among them. limits:
    (value, low, high) of the two. Paired where both (and a divisor of the store) have per-example
    answers.
    """
    (v, _, high), (w, other_low, _) = limits
    own = [divisor] if divisor not in ("", PUBLISHED) else []
    who = list(dict.fromkeys([best, next_best, *own]))
    rows = [some.models.index(m) for m in who]
    if not some.by_examples[rows].all():
        known = not np.isnan(high) and not np.isnan(other_low)
        overlap = bool(high >= other_low) if known else None
        return Lead(best, next_best, float(w - v), np.nan, np.nan, False, overlap)
    summed: dict[str, FloatArray] = {}
    for names, wrong, _ in answers(store, some.take(rows)):
        summed |= {m: x.sum(axis=1, dtype=np.float64) for m, x in zip(names, wrong, strict=True)}
    less = summed[best] - summed[next_best]
    if own:
        # never positive as a whole, so that the limits are symmetric and may pass 0
        value, low, high = mean_of_ratios(less, summed[divisor], level)
    else:
        below = totals(some.kinds) if divisor else np.full(len(some.kinds), len(some.severities))
        value, low, high = signed_mean((1.0 / (len(some.kinds) * below)) @ less, level)
    # 0 has no sign
    ahead, least, most = (0.0 - float(x) for x in (value, high, low))
    return Lead(best, next_best, ahead, least, most, True, None)
