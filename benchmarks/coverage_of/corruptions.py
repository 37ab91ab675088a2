"""`heldout.stats.weighted`: means over settings that share their images, such as mCE."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import expit, stdtrit

from coverage_of.row import Row, Section, held
from heldout.stats.proportion import clopper_pearson
from heldout.stats.weighted import (
    mean_of_ratios,
    ratio_box,
    signed_mean,
    summed_limits,
    weighted_mean,
)

KINDS, SEVERITIES = 15, 5
# How much harder each setting is, on the logit scale, and what mCE divides its kind by.
HARDER = np.add.outer(np.linspace(-0.7, 0.7, KINDS), np.linspace(-1.5, 1.5, SEVERITIES))
BELOW = SEVERITIES * np.linspace(0.55, 0.92, KINDS)
_HALF = 6  # images are as hard as a normal law says, cut at this many standard deviations


class Law:
    """Images from easy to hard: logit P(wrong) = alike·difficulty + the setting's + a constant."""

    def __init__(self, mean: float, alike: float) -> None:
        self.alike = alike
        self.at = np.linspace(-_HALF, _HALF, 2001)
        self.weight = np.exp(-(self.at**2) / 2)
        self.weight /= self.weight.sum()
        low, high = -100.0, 100.0
        for _ in range(100):
            self.constant = (low + high) / 2
            if self.errors().mean() < mean:
                low = self.constant
            else:
                high = self.constant

    def errors(self) -> np.ndarray:
        """The true error in every setting, (kinds, severities)."""
        logit = self.alike * self.at + self.constant + HARDER[..., None]
        return np.asarray(expit(logit) @ self.weight)

    def answers(self, rng: np.random.Generator, hard: np.ndarray) -> np.ndarray:
        """Wrong answers of images of some difficulty (n,): (kinds, severities, n)."""
        logit = self.alike * hard + self.constant + HARDER[..., None]
        return rng.random(logit.shape, np.float32) < expit(logit)


CASES = [(0.5, 1.0), (0.5, 4.0), (0.2, 1.0), (0.2, 4.0), (0.05, 2.0), (0.01, 2.0), (0.01, 10.0)]


def means(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(14)
    weight = 1 / (KINDS * BELOW)
    for n, some in ((100, draws // 10), (1000, draws // 40)):
        for mean, alike in CASES:
            law = Law(mean, alike)
            errors = law.errors()
            mce, plain = float((errors.sum(axis=1) * weight).sum()), float(errors.mean())
            most = float(SEVERITIES * weight.sum())
            hit = dict.fromkeys(("mCE", "plain t", "one proportion", "relative"), 0)
            for _ in range(some):
                wrong = law.answers(rng, rng.standard_normal(n))
                each = weight @ wrong.sum(axis=1)
                hit["mCE"] += bool(held(weighted_mean(each, most=most), mce))
                half = stdtrit(n - 1, 0.975) * each.std(ddof=1) / np.sqrt(n)
                hit["plain t"] += abs(each.mean() - mce) <= half
                limits = clopper_pearson(wrong.sum(), wrong.size)
                hit["one proportion"] += bool(held(limits, plain))
                signed = each - 5 * weight.sum() * wrong[0, 0]
                truth = mce - 5 * float(weight.sum()) * float(errors[0, 0])
                hit["relative"] += bool(held(signed_mean(signed), truth))
            words = f"mean {mean}, alike {alike:g}"
            yield Row("weighted_mean", f"{n}", words, hit["mCE"] / some, some)
            yield Row("(rejected: plain t)", f"{n}", words, hit["plain t"] / some, some)
            yield Row("(wrong: all answers as one proportion)", f"{n}", words,
                      hit["one proportion"] / some, some)  # fmt: skip
            yield Row("signed_mean", f"{n}", words, hit["relative"] / some, some)


def ratios(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(15)
    for n, some in ((100, draws // 10), (1000, draws // 40)):
        for mean, below, alike in [(0.3, 0.6, 2.0), (0.5, 0.5, 4.0), (0.05, 0.3, 2.0),
                                   (0.01, 0.2, 2.0), (0.05, 0.05, 4.0)]:  # fmt: skip
            first, second = Law(mean, alike), Law(below, alike)
            truth = float(np.mean(first.errors().sum(axis=1) / second.errors().sum(axis=1)))
            hit = {"examples": 0, "counts": 0}
            for _ in range(some):
                hard = rng.standard_normal(n)
                top, under = first.answers(rng, hard), second.answers(rng, hard)
                limits = mean_of_ratios(top.sum(axis=1), under.sum(axis=1))
                hit["examples"] += bool(held(limits, truth))
                hit["counts"] += bool(held(ratio_box(_sums(top), _sums(under)), truth))
            words = f"errors {mean} and {below}, alike {alike:g}"
            yield Row("mean_of_ratios", f"{n}", words, hit["examples"] / some, some)
            yield Row("ratio_box of summed_limits", f"{n}", words, hit["counts"] / some, some)


def leads(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(17)
    weight = 1 / (KINDS * BELOW)
    for n, some in ((100, draws // 20), (1000, draws // 80)):
        for mean, other, alike in [(0.3, 0.3, 2.0), (0.5, 0.6, 4.0), (0.05, 0.06, 2.0),
                                   (0.01, 0.02, 2.0)]:  # fmt: skip
            laws = Law(mean, alike), Law(other, alike), Law(0.3, alike)
            first, second, below = (law.errors().sum(axis=1) for law in laws)
            fixed, ratio = float(weight @ (first - second)), np.mean((first - second) / below)
            hit = {"fixed": 0, "model": 0}
            for _ in range(some):
                hard = rng.standard_normal(n)
                one, two, base = (law.answers(rng, hard).sum(axis=1) for law in laws)
                less = one.astype(float) - two
                hit["fixed"] += bool(held(signed_mean(weight @ less), fixed))
                # as the package has it: the better model's errors come first
                sign = -1.0 if mean_of_ratios(less, base)[0] > 0 else 1.0
                hit["model"] += bool(held(mean_of_ratios(sign * less, base), sign * float(ratio)))
            words = f"errors {mean} and {other}, alike {alike:g}"
            yield Row("signed_mean of differences", f"{n}", words, hit["fixed"] / some, some)
            yield Row("mean_of_ratios of differences", f"{n}", words, hit["model"] / some, some)


def counts(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(16)
    some, n = draws // 10, 500
    even = np.full(KINDS * SEVERITIES, 1 / (KINDS * SEVERITIES))
    for p in (0.5, 0.1, 0.01):
        spread = np.linspace(0.5, 1.5, KINDS * SEVERITIES) * p
        for words in ("the same images wrong", "nested", "half alike", "independent"):
            if words == "the same images wrong":
                rate = np.full(spread.size, p)
                k = np.repeat(rng.binomial(n, p, (some, 1)), spread.size, axis=1)
            elif words == "nested":
                rate = spread
                k = (rng.random((some, n, 1)) < rate).sum(axis=1)
            elif words == "half alike":
                rate = spread
                first = (rng.random((some, n // 2, 1)) < rate).sum(axis=1)
                k = first + rng.binomial(n - n // 2, rate, (some, rate.size))
            else:
                rate = spread
                k = rng.binomial(n, rate, (some, rate.size))
            low, high = clopper_pearson(k, n)
            covered = held(summed_limits(k / n, low, high, even), float(rate.mean())).mean()
            yield Row("summed_limits", f"{n}", f"75 settings near {p}, {words}", covered, some)


def _sums(wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k, n = wrong.sum(axis=2), wrong.shape[2]
    low, high = clopper_pearson(k, n)
    return summed_limits(k / n, low, high, np.ones(SEVERITIES))


SECTIONS = [
    Section(
        "Errors under corruption",
        "Images from easy to hard under 75 settings: logit P(wrong) is `alike` times an image's "
        "normal difficulty, plus the setting's. `weighted_mean` is the interval of mCE against "
        "published errors and of the plain mean, `signed_mean` that of relative mCE. Rare errors "
        "on the same few images are the hard case, with 100 images for every method.",
        means,
    ),
    Section(
        "Errors under corruption against a model",
        "Both models answer the same images. `mean_of_ratios` has each example's answers, the box "
        "only counts.",
        ratios,
    ),
    Section(
        "The lead of one model over another under corruption",
        "The difference of two models' errors on the same images: `signed_mean` of mCE against "
        "published errors and of the plain mean, `mean_of_ratios` against a third model.",
        leads,
    ),
    Section(
        "Errors under corruption from counts alone",
        "Half-widths are summed, which allows for the worst dependence: images that fail together "
        "in all settings. The less they do, the wider than need be.",
        counts,
    ),
]
