"""`heldout.stats.difference`: one or two models on two test sets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.law import binomial
from coverage_of.row import Row, Section, held
from heldout.stats.difference import miettinen_nurminen, mover_difference, overlap_correlation


def differences(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(3)
    for name, method in (
        ("mover_difference, r = 0", mover_difference), ("miettinen_nurminen", miettinen_nurminen)
    ):  # fmt: skip
        for n1, n2, p1, p2 in [(100, 100, 0.9, 0.8), (100, 100, 0.99, 0.97), (200, 50, 0.7, 0.7)]:
            (k1, w1), (k2, w2) = binomial(n1, p1), binomial(n2, p2)
            covered = w1 @ held(method(k1[:, None], n1, k2, n2), p1 - p2) @ w2
            yield Row(name, f"{n1}, {n2}", f"p = {p1}, {p2}", covered)
        for n1, n2, p1, p2 in [(10_000, 2021, 0.97, 0.93), (50_000, 10_000, 0.76, 0.63)]:
            k1, k2 = rng.binomial(n1, p1, draws), rng.binomial(n2, p2, draws)
            covered = held(method(k1, n1, k2, n2), p1 - p2).mean()
            yield Row(name, f"{n1}, {n2}", f"p = {p1}, {p2}", covered, draws)
    for words, total, kinds, right in [
        # kinds: in set 1 only, in both, in set 2 only; right: P(right) there, (1, 2) in both
        ("one model", 17_000, (0.41, 0.18, 0.41), (0.80, (0.7, 0.0, 0.0), 0.60)),
        ("one model", 1_700, (0.41, 0.18, 0.41), (0.80, (0.7, 0.0, 0.0), 0.60)),
        ("two models", 1_700, (0.41, 0.18, 0.41), (0.80, (0.6, 0.1, 0.05), 0.60)),
        ("two models, all shared", 2_000, (0.0, 1.0, 0.0), (0.5, (0.7, 0.06, 0.04), 0.5)),
    ]:
        one, two = overlapping(rng, draws, total, kinds, right)
        names = f"{total} in all, {kinds[1]:.0%} shared"
        yield Row("mover_difference, r of the overlap", names, words, one, draws)
        yield Row("(wrong: r = 0)", names, words, two, draws)


def overlapping(
    rng: np.random.Generator,
    draws: int,
    total: int,
    kinds: tuple[float, float, float],
    right: tuple[float, tuple[float, float, float], float],
) -> tuple[float, float]:
    """Coverage with the overlap's correlation and with none, for p1 - p2 on overlapping sets."""
    only1, (both, first, second), only2 = right
    probability = [
        kinds[0] * only1, kinds[0] * (1 - only1),
        *(kinds[1] * v for v in (both, first, second, 1 - both - first - second)),
        kinds[2] * only2, kinds[2] * (1 - only2),
    ]  # fmt: skip
    cell = rng.multinomial(total, probability, draws).T
    shared = cell[2:6].sum(axis=0)
    n1, n2 = cell[0] + cell[1] + shared, shared + cell[6] + cell[7]
    k1, k2 = cell[0] + cell[2] + cell[3], cell[6] + cell[2] + cell[4]
    p1, p2 = k1 / n1, k2 / n2
    product = (
        cell[2] * (1 - p1) * (1 - p2) - cell[3] * (1 - p1) * p2 - cell[4] * p1 * (1 - p2)
        + cell[5] * p1 * p2
    )  # fmt: skip
    r = overlap_correlation(n1, n2, shared, p1, p2, product / shared)
    inside = kinds[0] + kinds[1], kinds[2] + kinds[1]
    truth = (kinds[0] * only1 + kinds[1] * (both + first)) / inside[0]
    truth -= (kinds[2] * only2 + kinds[1] * (both + second)) / inside[1]
    return (
        float(held(mover_difference(k1, n1, k2, n2, correlation=r), truth).mean()),
        float(held(mover_difference(k1, n1, k2, n2), truth).mean()),
    )


SECTIONS = [
    Section(
        "Two test sets",
        "Independent sets: `mover_difference` with correlation 0, or "
        "`miettinen_nurminen`. Overlapping sets: `mover_difference` with `overlap_correlation`; "
        "without it the interval is too wide for positive correlation.",
        differences,
    ),
]
