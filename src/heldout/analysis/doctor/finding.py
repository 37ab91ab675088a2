"""What a check finds, how sure it is, and the exact tails behind that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

CERTAIN = 1e-6
LIKELY = 1e-3
LEAST_P = 1e-300
"""Tails are not given smaller than this: 0 stands for what cannot happen at all."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One thing that is wrong.

    code: short text, 'class-order:string-sorted'. says: a sentence. certainty: 'certain', 'likely'
    or 'possible'. p: how often healthy predictions would show as much (0 where they cannot, NaN
    where no test was made), corrected for the candidates that the check tried. models: rows of the
    predictions, empty for the whole setting. now, mended: accuracies (NaN where neither is meant).
    mend: what `heldout import --mend` needs, '' where nothing mends it. means: class that every
    predicted index stands for; label_means: the same for labels; rows: where the prediction of
    every example is to be found: what later checks use to look past this finding.
    """

    code: str
    severity: str
    certainty: str
    says: str
    p: float = math.nan
    models: tuple[int, ...] = ()
    now: float = math.nan
    mended: float = math.nan
    mend: str = ""
    means: IntArray | None = None
    label_means: IntArray | None = None
    rows: IntArray | None = None


def upper_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) for X binomial(n, p), to full relative precision.

    >>> upper_tail(3, 3, 0.5)
    0.125
    """
    if k <= 0:
        return 1.0
    return 0.0 if k > n else max(float(betainc(k, n - k + 1, p)), LEAST_P)


def lower_tail(k: int, n: int, p: float) -> float:
    """P(X <= k) for X binomial(n, p).

    >>> lower_tail(0, 2, 0.5)
    0.25
    """
    return 1.0 if k >= n else max(float(betainc(n - k, k + 1, 1.0 - p)), LEAST_P)


def sign_p(b: int, c: int, tried: int = 1) -> float:
    """One-sided exact McNemar p of b against c, times the number of candidates tried, at most 1.

    >>> sign_p(10, 0), sign_p(10, 0, tried=100)
    (0.0009765625, 0.09765625)
    """
    return min(1.0, tried * upper_tail(b, b + c, 0.5))


def grade(p: float, clear: bool = True) -> str:
    """'certain' below 1e-6, 'likely' below 1e-3, else ''; one step less where it is not clear.

    clear: whether the effect is far larger than anything that healthy predictions show.

    >>> grade(1e-9), grade(1e-9, clear=False), grade(1e-4, clear=False), grade(0.01)
    ('certain', 'likely', '', '')
    """
    if p < CERTAIN:
        return "certain" if clear else "likely"
    return "likely" if p < LIKELY and clear else ""


def percent(value: float) -> str:
    """A fraction for a sentence.

    >>> percent(0.7613)
    '76.13 %'
    """
    return f"{100 * value:.2f} %"
