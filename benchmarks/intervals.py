"""Exact intervals of 1,556 × 8 cells against statsmodels, cell by cell.

    python benchmarks/intervals.py

The limit is two inverse incomplete beta functions a cell, about 4 µs each.
"""

from __future__ import annotations

import time

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from heldout.stats.proportion import clopper_pearson

SIZES = (50_000, 10_000, 7_500, 10_000, 30_000, 10_000, 46_837, 50_889)


def main() -> None:
    rng = np.random.default_rng(0)
    n = np.tile(SIZES, (1556, 1))
    k = rng.binomial(n, rng.uniform(0.05, 0.9, (1556, 1)))
    ours = np.inf
    for _ in range(5):
        start = time.perf_counter()
        low, high = clopper_pearson(k, n)
        ours = min(ours, time.perf_counter() - start)
    start = time.perf_counter()
    other = np.array(
        [proportion_confint(a, b, method="beta") for a, b in zip(k.flat, n.flat, strict=True)]
    )
    theirs = time.perf_counter() - start
    worst = max(np.abs(other[:, 0] - low.ravel()).max(), np.abs(other[:, 1] - high.ravel()).max())
    print(
        f"{k.size:,} exact intervals: ours {ours:.3f} s, statsmodels cell by cell {theirs:.2f} s,"
        f" ratio {theirs / ours:.0f} (goal: at least 50); largest difference {worst:.1e}"
    )


if __name__ == "__main__":
    main()
