"""Sequences of perturbed frames: `heldout.stats.weighted` on what `heldout.stats.flips` gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import beta

from coverage_of.row import Row, Section, held
from heldout.stats.flips import FARTHEST
from heldout.stats.weighted import mean_of_ratios, weighted_mean

_PAIRS = 30  # of a sequence of 31 frames
_LEVELS = 4000  # images differ in how near they are to a boundary: so many levels of that


def flips(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(11)
    for n in (50, 200, 1000):
        several = max(200, draws * 100 // n)
        for p, rho in ((0.1, 0.1), (0.1, 0.4), (0.03, 0.1), (0.03, 0.4), (0.005, 0.2)):
            strength = (1 - rho) / rho
            rate = rng.beta(p * strength, (1 - p) * strength, (several, n))
            y = rng.binomial(_PAIRS, rate) / _PAIRS
            covered = held(weighted_mean(y), p).mean()
            yield Row("weighted_mean, flips", f"{n} sequences", f"FP = {p}, correlation {rho}",
                      covered, several)  # fmt: skip


def distances(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(12)
    for n in (50, 200, 1000):
        several = max(200, draws * 100 // n)
        for mean, shape in ((3.0, 2.0), (1.0, 1.0), (0.3, 0.4)):
            rate = rng.gamma(shape, mean / shape, (several, n))
            y = rng.poisson(rate * _PAIRS) / _PAIRS
            covered = held(weighted_mean(np.minimum(y, FARTHEST), most=FARTHEST), mean).mean()
            yield Row("weighted_mean, T5D", f"{n} sequences", f"T5D = {mean}, gamma {shape}",
                      covered, several)  # fmt: skip


def ratios(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(13)
    near = (np.arange(_LEVELS) + 0.5) / _LEVELS
    for size, words in ((1.0, "FP 2 to 12 %"), (0.3, ".6 to 4 %")):
        ours = np.array([_quantiles(near, p * size) for p in np.linspace(0.02, 0.12, 10)])
        theirs = np.array([_quantiles(near, p * size) for p in np.linspace(0.05, 0.24, 10)])
        known = theirs.mean(axis=1)
        truth = (ours.mean(axis=1) / known).mean()
        for n in (50, 200, 1000) if size == 1.0 else (200, 1000):
            several = max(1000, draws * 10 // n)
            one, two = np.empty(several, bool), np.empty(several, bool)
            for i in range(several):
                image = rng.integers(0, _LEVELS, n)
                y = rng.binomial(_PAIRS, ours[:, image]) / _PAIRS
                z = rng.binomial(_PAIRS, theirs[:, image]) / _PAIRS
                one[i] = held(mean_of_ratios(y, np.broadcast_to(known[:, None], y.shape)), truth)
                two[i] = held(mean_of_ratios(y, z), truth)
            yield Row("mean_of_ratios, known", f"{n} images", words, one.mean(), several)
            yield Row("mean_of_ratios, paired", f"{n} images", words, two.mean(), several)


def _quantiles(near: np.ndarray, p: float, rho: float = 0.25) -> np.ndarray:
    """The flip rate of an image at every level, with mean about p."""
    strength = (1 - rho) / rho
    return beta.ppf(near, p * strength, (1 - p) * strength)


SECTIONS = [
    Section(
        "Flip probability",
        "Sequences of 31 frames; a sequence's own rate is drawn from a beta law, and the "
        "correlation is that of two of its comparisons. `weighted_mean` of the sequences' rates.",
        flips,
    ),
    Section(
        "Top-5 distance",
        "Sequences of 31 frames; a sequence's own distance is drawn from a gamma law. "
        "`weighted_mean` of the sequences' distances, at most 15.",
        distances,
    ),
    Section(
        "Mean flip rate (mFR)",
        "Ten kinds on the same images, whose rates go together; the reference has fixed flip "
        "probabilities (known) or is a model on the same images (paired). `mean_of_ratios`.",
        ratios,
    ),
]
