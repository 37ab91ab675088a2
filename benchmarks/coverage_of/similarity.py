"""`heldout.stats.similarity`: bounds that hold for many models at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.law import binomial, trinomial
from coverage_of.row import Row, Section
from heldout.stats.similarity import similarity_bound, union_bound


def bounds(draws: int) -> Iterator[Row]:
    del draws
    for k in (1, 100, 10_000):
        n, p = 10_000, 0.8
        count, weight = binomial(n, p)
        inside = weight @ (np.abs(count / n - p) <= union_bound(n, k))
        yield Row("union_bound", f"{n}", f"{k} independent models of p = {p}", inside**k)
    n, k, c, eta = 10_000, 1000, 10, 0.01
    count, weight = binomial(n, 0.8)
    b, cc, joint = trinomial(n, eta / 2, eta / 2)
    gap = np.abs(b - cc) / n
    width = float(similarity_bound(n, k, c, eta))
    first = np.sqrt(np.log(4 * c / 0.05) / (2 * n))
    both = (weight @ (np.abs(count / n - 0.8) <= first)) ** c * (
        joint @ (gap <= width - first)
    ) ** k
    yield Row("similarity_bound (at least)", f"{n}", "1000 models near 10, η = .01", float(both))


SECTIONS = [
    Section(
        "Bounds for many models",
        "The share of test sets on which all models' accuracies lie within "
        "the bound; bounds are conservative by design. The similarity row multiplies its two parts "
        "as if independent.",
        bounds,
    ),
]
