"""`heldout.stats.proportion`: one accuracy, and a mean over classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.law import binomial
from coverage_of.row import Row, Section, held
from heldout.stats.difference import nested_drop
from heldout.stats.proportion import clopper_pearson, mean_per_class, wilson


def proportions(draws: int) -> Iterator[Row]:
    del draws
    for name, method in (("clopper_pearson", clopper_pearson), ("wilson", wilson)):
        for n, p in [(100, 0.5), (100, 0.9), (100, 0.99), (2000, 0.93), (2000, 0.999),
                     (10_000, 0.63), (50_000, 0.76), (50_000, 0.999)]:  # fmt: skip
            k, weight = binomial(n, p)
            yield Row(name, f"{n}", f"p = {p}", weight @ held(method(k, n), p))
        worst = min(
            (float(weight @ held(method(k, 100), p)), p)
            for p in np.linspace(0.001, 0.999, 999)
            for k, weight in [binomial(100, p)]
        )
        yield Row(name, "100", f"the worst of 999 p: {worst[1]:.3f}", worst[0])
    for drop in (0.15, 0.01):
        k, weight = binomial(1109, drop)
        covered = weight @ held(nested_drop(900, 900 - k, 1109), drop)
        yield Row("nested_drop", "1109", f"drop {drop}", covered)


def classes(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(1)
    draws = draws // 5
    v4 = np.array([208, 212, 202, 212, 204, 218, 192, 210, 161, 202])
    cases = [
        ("1000 × 10", np.full(1000, 10), 0.63, 2.5),
        ("1000 × 50", np.full(1000, 50), 0.76, 4.0),
        ("1000 × 50, no spread", np.full(1000, 50), 0.76, 1e6),
        ("100 × 5", np.full(100, 5), 0.95, 20.0),
        ("10 of 161 … 218", v4, 0.85, 30.0),
        ("10 of 161 … 218", v4, 0.99, 300.0),
        ("5 of 1000, 500, 100, 20, 5", np.array([1000, 500, 100, 20, 5]), 0.8, 10.0),
        ("200 of 1 … 100 (1/rank)", np.maximum(100 // np.arange(1, 201), 1), 0.7, 5.0),
        ("20 of 2", np.full(20, 2), 0.8, 5.0),
    ]
    for words, size, mean, strength in cases:
        p = rng.beta(mean * strength, (1 - mean) * strength, size.size)
        k = rng.binomial(size, p, (draws, size.size))
        covered = held(mean_per_class(k, size), p.mean()).mean()
        yield Row("mean_per_class", words, f"mean {p.mean():.3f}", covered, draws)
        covered = held(mover_wilson_classes(k, size), p.mean()).mean()
        yield Row("(rejected: MOVER of Wilson)", words, f"mean {p.mean():.3f}", covered, draws)


def mover_wilson_classes(k: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rejected interval for a mean over classes: MOVER over Wilson limits."""
    low, high = wilson(k, n)
    p, classes = k / n, n.shape[-1]
    value = p.mean(axis=-1)
    return (
        value - np.sqrt(((p - low) ** 2).sum(axis=-1)) / classes,
        value + np.sqrt(((high - p) ** 2).sum(axis=-1)) / classes,
    )


SECTIONS = [
    Section(
        "One proportion",
        "`clopper_pearson` is the default: never below 95 %. `wilson` is near 95 % "
        "on average over p, below it at some p near 0 and 1. `nested_drop` is Clopper-Pearson's.",
        proportions,
    ),
    Section(
        "Mean per class",
        "`mean_per_class` is Clopper-Pearson with an effective size (Korn and "
        "Graubard), conservative where classes differ, since equal stratification only narrows the "
        "law. A sum of Wilson intervals per class (MOVER), tried first, misses too often with "
        "few examples a class: the limits of all classes err to the same side.",
        classes,
    ),
]
