"""`heldout.stats.cluster`: examples that come in clusters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.row import Row, Section, held
from heldout.stats.cluster import cluster_interval


def clusters(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(4)
    draws = draws // 5
    for sizes, words in ((20, "20 each"), ((5, 10, 15, 20, 50), "5 … 50")):
        for number in (5, 10, 30, 100):
            size = np.resize(sizes, number)
            label = np.repeat(np.arange(number), size)
            for p, rho in ((0.8, 0.1), (0.95, 0.1), (0.99, 0.1), (0.99, 0.5)):
                strength = (1 - rho) / rho
                rate = rng.beta(p * strength, (1 - p) * strength, (draws, number))
                y = (rng.random((draws, label.size), np.float32) < rate[:, label]).astype(float)
                for method in ("effective", "t"):
                    covered = held(cluster_interval(y, label, method=method)[:3], p).mean()
                    yield Row(f"cluster_interval, {method}", f"{number} clusters of {words}",
                              f"p = {p}, ICC {rho}", covered, draws)  # fmt: skip
    for number in (10, 30):
        label = np.repeat(np.arange(number), 20)
        for psi, delta in ((0.1, 0.04), (0.02, 0.0)):
            share = np.array([psi + delta, psi - delta, 2 - 2 * psi]) / 2
            rate = rng.dirichlet(share * 9, (draws, number))[:, label]
            u = rng.random((draws, label.size))
            y = (u < rate[..., 0]) * 1.0 - (u > 1 - rate[..., 1]) * 1.0
            for method in ("effective", "t"):
                limits = cluster_interval(y, label, bounds=(-1, 1), method=method)[:3]
                covered = held(limits, delta).mean()
                yield Row(f"cluster_interval, {method}, paired", f"{number} clusters of 20 each",
                          f"ψ = {psi}, δ = {delta}, ICC .1", covered, draws)  # fmt: skip


SECTIONS = [
    Section(
        "Clusters",
        '`cluster_interval`\'s default "effective" and the plain t interval; ICC is the '
        "intra-cluster correlation, clusters' accuracies drawn from a beta law (paired: "
        "Dirichlet).",
        clusters,
    ),
]
