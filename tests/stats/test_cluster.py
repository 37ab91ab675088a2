"""Clustered examples."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from heldout.errors import BadInput
from heldout.stats.cluster import cluster_interval
from heldout.stats.paired import tango
from heldout.stats.proportion import clopper_pearson


def clustered(seed: int, clusters: int, p: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Right answers whose rate varies by cluster, clusters of 1 to 40 examples, shuffled."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(clusters), rng.integers(1, 41, clusters))
    rate = rng.beta(9 * p, 9 * (1 - p), clusters)
    order = rng.permutation(label.size)
    return (rng.random(label.size) < rate[label])[order], label[order]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_t_is_the_formula_and_statsmodels_cluster_covariance(seed: int, clusters: int) -> None:
    """method "t" against the double sum, and against OLS of a constant with cluster errors."""
    y, label = clustered(seed, clusters)
    n, mean = y.size, y.mean()
    total = sum((y[label == g] - mean).sum() ** 2 for g in range(clusters))
    variance = clusters / (clusters - 1) * total / n**2
    value, low, high, number = cluster_interval(y, label, method="t")
    half = stdtrit(clusters - 1, 0.975) * variance**0.5
    assert number == clusters
    assert value == pytest.approx(mean)
    assert low == pytest.approx(max(0, mean - half), abs=1e-12)
    assert high == pytest.approx(min(1, mean + half), abs=1e-12)
    if n > clusters:
        fit = sm.OLS(y.astype(float), np.ones(n)).fit(
            cov_type="cluster", cov_kwds={"groups": label, "use_correction": True}
        )
        # statsmodels adds (n - 1)/(n - k), which is 1 for a constant
        assert fit.bse[0] ** 2 == pytest.approx(variance, rel=1e-9, abs=1e-15)


def test_models_in_rows_equal_one_by_one() -> None:
    """(m, n) with one cluster vector is m separate calls; labels may be strings."""
    y, label = clustered(1, 12)
    rows = np.stack([y, ~y, np.roll(y, 3)])
    names = np.array([f"video{v}" for v in label])
    for method in ("effective", "t"):
        value, low, high, number = cluster_interval(rows, names, method=method)
        assert value.shape == low.shape == high.shape == (3,)
        for i, row in enumerate(rows):
            alone = cluster_interval(row, label, method=method)
            assert (value[i], low[i], high[i], number) == tuple(
                pytest.approx(float(v)) for v in alone
            )


def test_right_and_wrong_mirror() -> None:
    """1 - correct gives the mirrored interval; differences negate."""
    y, label = clustered(2, 15)
    for method in ("effective", "t"):
        value, low, high, _ = cluster_interval(y, label, method=method)
        v2, l2, h2, _ = cluster_interval(~y, label, method=method)
        assert (1 - v2, 1 - h2, 1 - l2) == (
            pytest.approx(value), pytest.approx(low), pytest.approx(high)
        )  # fmt: skip
        d = y.astype(int) - np.roll(y, 1)
        value, low, high, _ = cluster_interval(d, label, bounds=(-1, 1), method=method)
        v2, l2, h2, _ = cluster_interval(-d, label, bounds=(-1, 1), method=method)
        assert (-v2, -h2, -l2) == (
            pytest.approx(value), pytest.approx(low), pytest.approx(high)
        )  # fmt: skip
        assert low <= value <= high


def test_never_narrower_than_independent_examples() -> None:
    """The effective number is at most n, so the interval contains the unclustered one."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        y, label = clustered(seed, 20)
        _, low, high, _ = cluster_interval(y, label)
        plain = clopper_pearson(int(y.sum()), y.size)
        assert low <= plain[0] + 1e-12
        assert plain[1] <= high + 1e-12
        other = rng.random(y.size) < 0.8
        d = y.astype(int) - other
        _, low, high, _ = cluster_interval(d, label, bounds=(-1, 1))
        score = tango(int((d > 0).sum()), int((d < 0).sum()), y.size)
        assert low <= score[0] + 1e-9
        assert score[1] <= high + 1e-9


def test_whole_clusters_count_as_one_example() -> None:
    """Copies of one answer in each cluster: about the interval of the clusters alone."""
    answers = np.array([1] * 32 + [0] * 8)
    y, label = np.repeat(answers, 25), np.repeat(np.arange(40), 25)
    _, low, high, _ = cluster_interval(y, label)
    alone = clopper_pearson(32, 40)
    assert (low, high) == (
        pytest.approx(float(alone[0]), abs=0.02), pytest.approx(float(alone[1]), abs=0.02)
    )  # fmt: skip


def test_no_variation_does_not_give_a_point() -> None:
    """All right, or no disagreement at all: each cluster counts as one example."""
    label = np.repeat(np.arange(10), 5)
    value, low, high, _ = cluster_interval(np.ones(50), label)
    assert (value, high) == (1, 1)
    assert 0.5 < low < clopper_pearson(10, 10)[0] + 1e-9
    value, low, high, _ = cluster_interval(np.zeros(50), label, bounds=(-1, 1))
    assert value == 0
    assert low < -0.2
    assert high > 0.2


def test_coverage_with_ten_clusters() -> None:
    """At accuracy .8 and correlation .1 the default covers at least 95 % (docs/coverage.md)."""
    rng = np.random.default_rng(5)
    label = np.repeat(np.arange(10), 20)
    rate = rng.beta(7.2, 1.8, (3000, 10))
    y = rng.random((3000, 200)) < rate[:, label]
    _, low, high, _ = cluster_interval(y, label)
    assert 0.945 < np.mean((low <= 0.8) & (high >= 0.8)) < 0.98


def test_other_bounds_take_t() -> None:
    """A score in [0, 5] gets the t interval, clipped to its bounds."""
    rng = np.random.default_rng(0)
    y, label = rng.uniform(0, 5, 60), np.repeat(np.arange(6), 10)
    assert cluster_interval(y, label, bounds=(0, 5)) == cluster_interval(
        y, label, bounds=(0, 5), method="t"
    )


def test_errors() -> None:
    """One cluster, wrong lengths, values outside the bounds, another method, level."""
    with pytest.raises(BadInput, match="1 cluster; two or more"):
        cluster_interval([1, 0, 1], ["a", "a", "a"])
    with pytest.raises(BadInput, match="cluster must label each of the 3 examples"):
        cluster_interval([1, 0, 1], ["a", "b"])
    with pytest.raises(BadInput, match=r"pass bounds=\(-1, 1\)"):
        cluster_interval([1, 0, -1], [1, 2, 3])
    with pytest.raises(BadInput, match="within the bounds"):
        cluster_interval([1, 0, np.nan], [1, 2, 3])
    with pytest.raises(BadInput, match="use effective or t"):
        cluster_interval([1, 0], [1, 2], method="z")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="models by examples"):
        cluster_interval(1.0, [1])
    with pytest.raises(BadInput, match="level"):
        cluster_interval([1, 0], [1, 2], level=1)
