"""Means over settings that share their examples, against loops, brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from heldout.errors import BadInput
from heldout.stats.proportion import clopper_pearson
from heldout.stats.weighted import (
    mean_of_ratios,
    ratio_box,
    signed_mean,
    summed_limits,
    weighted_mean,
)


def _parts(y: list[float], level: float) -> tuple[float, float, float]:
    """Mean, variance of the mean and t's quantile, by loops."""
    n = len(y)
    mean = math.fsum(y) / n
    second = math.fsum((v - mean) ** 2 for v in y) / n
    fourth = math.fsum((v - mean) ** 4 for v in y) / n
    freedom = min(n - 1.0, 2 * n / max(fourth / second**2 - 1, 1e-9))
    return mean, second / (n - 1), float(stats.t.ppf(0.5 + level / 2, max(freedom, 1.0)))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(st.floats(0, 2), min_size=3, max_size=30).filter(lambda v: np.std(v) > 0.05),
    st.sampled_from([0.5, 0.9, 0.95]),
)
def test_weighted_mean_is_its_formula(y: list[float], level: float) -> None:
    """Effective size times (z/t)², then the quantiles of scipy's beta laws."""
    mean, variance, t = _parts([v / 2 for v in y], level)
    size = mean * (1 - mean) / variance * (stats.norm.ppf(0.5 + level / 2) / t) ** 2
    k = size * mean
    low = 2 * min(stats.beta.ppf((1 - level) / 2, k, size - k + 1), mean)
    high = 2 * max(stats.beta.ppf((1 + level) / 2, k + 1, size - k), mean)
    found = weighted_mean(y, level, most=2.0)
    assert [float(v) for v in found] == pytest.approx([2 * mean, low, high], abs=1e-9)
    assert found[1] <= found[0] <= found[2]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=30).filter(lambda v: np.std(v) > 0.05))
def test_signed_mean_is_its_formula(y: list[float]) -> None:
    mean, variance, t = _parts(y, 0.95)
    half = t * math.sqrt(variance)
    found = [float(v) for v in signed_mean(y)]
    assert found == pytest.approx([mean, mean - half, mean + half], abs=1e-9)


def test_right_or_wrong_is_nearly_clopper_pearson() -> None:
    """With 0/1 and many examples the effective size is the number of examples."""
    y = np.zeros(5000)
    y[:1700] = 1
    found = [float(v) for v in weighted_mean(y)]
    exact = [float(v) for v in clopper_pearson(1700, 5000)]
    assert found[1:] == pytest.approx(exact, abs=2e-5)


def test_numbers_that_do_not_vary_count_once_each() -> None:
    """All right, all wrong, all the same: one answer an example, not certainty."""
    for value in (0.0, 1.0):
        found = [float(v) for v in weighted_mean(np.full(50, value))]
        exact = [float(v) for v in clopper_pearson(50 * value, 50)]
        assert found == pytest.approx([value, *exact])
    _, low, high = weighted_mean(np.full(50, 0.4))
    assert low < 0.3
    assert high > 0.5


def test_rows_are_separate_calls() -> None:
    y = np.random.default_rng(0).random((3, 40))
    together = np.stack(weighted_mean(y))
    for i in range(3):
        assert together[:, i] == pytest.approx(np.stack(weighted_mean(y[i])))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(0, 10_000))
def test_ratio_by_the_jackknife(seed: int) -> None:
    """The linearised standard error is the jackknife's to first order, and 1 for equal sides."""
    rng = np.random.default_rng(seed)
    n, kinds = 400, 3
    hard = rng.random(n)
    bottom = (rng.random((kinds, n)) < 0.3 + 0.5 * hard) * 1.0
    top = (rng.random((kinds, n)) < 0.1 + 0.5 * hard) * 1.0
    value, low, high = mean_of_ratios(top, bottom)
    assert value == pytest.approx(np.mean([t.mean() / b.mean() for t, b in zip(top, bottom)]))  # noqa: B905
    left = [
        np.mean(np.delete(top, i, 1).mean(1) / np.delete(bottom, i, 1).mean(1)) for i in range(n)
    ]
    se = math.sqrt((n - 1) / n * np.sum((left - np.mean(left)) ** 2))
    half = (np.log(high) - np.log(low)) / 2 * value / 1.96
    assert half == pytest.approx(se, rel=0.03)
    same = [float(v) for v in mean_of_ratios(bottom, bottom)]
    assert same == [1.0, 1.0, 1.0]


def test_ratio_without_a_denominator_is_missing() -> None:
    found = mean_of_ratios([[1, 0, 1]], [[0, 0, 0]])
    assert np.isnan(found).all()


def test_ratio_below_zero_is_symmetric() -> None:
    """Relative mCE may be negative: then value ± t se."""
    value, low, high = mean_of_ratios([[-1, 0, 0, -1, 0]], [[1, 1, 0, 1, 0]])
    assert value < 0
    assert value - low == pytest.approx(high - value)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10_000))
def test_sum_and_box_contain_every_corner(seed: int) -> None:
    """The box of ratios is the extremes over all corners; the sum those of a weighted sum."""
    rng = np.random.default_rng(seed)
    v = rng.random(3)
    low, high = v - 0.3 * rng.random(3), v + 0.3 * rng.random(3)
    w = rng.normal(size=3)
    corners = [sum(w[i] * (low, high)[b >> i & 1][i] for i in range(3)) for b in range(8)]
    assert [float(x) for x in summed_limits(v, low, high, w)] == pytest.approx(
        [min(corners), max(corners)]
    )
    c, d = 0.2 + rng.random(3), 1.5 + rng.random(3)
    corners = [
        np.mean([(low, high)[b >> i & 1][i] / (c, d)[b >> (3 + i) & 1][i] for i in range(3)])
        for b in range(64)
    ]
    assert [float(x) for x in ratio_box((low, high), (c, d))] == pytest.approx(
        [min(corners), max(corners)]
    )


def test_sum_covers_when_all_settings_fail_together() -> None:
    """Counts alone, 75 settings with the same errors: the worst dependence, still covered."""
    rng = np.random.default_rng(1)
    k = rng.binomial(500, 0.3, 3000)[:, None].repeat(75, 1)
    low, high = clopper_pearson(k, 500)
    weight = np.full(75, 1 / 75)
    a, b = summed_limits(k / 500, low, high, weight)
    assert np.mean((a <= 0.3) & (b >= 0.3)) >= 0.945


def test_coverage_with_images_that_differ() -> None:
    """The interval of the mean over 75 settings, images from easy to hard, against its level."""
    rng = np.random.default_rng(2)
    easy = rng.beta(0.4, 1.2, (2000, 150, 1))
    y = rng.binomial(75, easy[..., 0]) / 75
    _, low, high = weighted_mean(y)
    truth = 0.25
    covered = np.mean((low <= truth) & (truth <= high))
    assert 0.94 <= covered <= 0.98
    pretended = np.stack(clopper_pearson(np.rint(y.sum(1) * 75), 150 * 75))
    assert np.mean((pretended[0] <= truth) & (truth <= pretended[1])) < 0.4


def test_what_is_refused() -> None:
    with pytest.raises(BadInput, match="2 examples"):
        weighted_mean([0.5])
    with pytest.raises(BadInput, match=r"\[0, most"):
        weighted_mean([0.5, 1.5])
    with pytest.raises(BadInput, match="kinds and examples"):
        mean_of_ratios([[1, 0]], [[1, 0, 1]])
    with pytest.raises(BadInput, match="level"):
        signed_mean([0.5, 1.5], level=95)
