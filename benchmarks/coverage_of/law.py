"""Exact laws of counts."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy


def binomial(n: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """The counts that matter (all but about 1e-12 of the mass) and their probabilities."""
    reach = 7.5 * np.sqrt(n * p * (1 - p)) + 25
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return k, np.exp(log + xlogy(k, p) + xlogy(n - k, 1 - p))


def trinomial(n: int, plus: float, minus: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(b, c) that matter and their joint probabilities."""
    b, weight_b = binomial(n, plus)
    cells = []
    for first, weight in zip(b, weight_b, strict=True):
        c, weight_c = binomial(n - int(first), minus / (1 - plus))
        keep = weight * weight_c > 1e-13
        cells.append((np.full(keep.sum(), first), c[keep], (weight * weight_c)[keep]))
    return tuple(np.concatenate(part) for part in zip(*cells, strict=True))
