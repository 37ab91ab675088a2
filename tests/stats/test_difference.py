"""Differences of accuracies on two test sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from statsmodels.stats.proportion import confint_proportions_2indep

from heldout.errors import BadInput
from heldout.stats.difference import (
    miettinen_nurminen,
    mover_difference,
    nested_drop,
    overlap_correlation,
)
from heldout.stats.paired import mover_wilson_paired
from heldout.stats.proportion import clopper_pearson

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_newcombes_published_example() -> None:
    """Newcombe (1998a), table II: 56/70 - 48/80, methods 10 and 6 (Miettinen and Nurminen)."""
    assert mover_difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert miettinen_nurminen(56, 70, 48, 80) == pytest.approx((0.0528, 0.3382), abs=5e-5)


def test_treating_pairs_as_independent_loses_the_difference() -> None:
    """replication.md §3: nasnet_large_tf - nasnetalarge as independent samples: [-.0027, .0067]."""
    limits = mover_difference(41353, 50000, 41253, 50000)
    assert limits == pytest.approx((-0.0027, 0.0067), abs=5e-5)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(counts, counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_hybrid_score_equals_statsmodels(
    first: tuple[int, int], second: tuple[int, int], level: float
) -> None:
    """r = 0 is statsmodels' "newcomb", at any level."""
    (k1, n1), (k2, n2) = first, second
    expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", alpha=1 - level)
    assert mover_difference(k1, n1, k2, n2, level) == pytest.approx(expected, abs=1e-10)


def score(k1: int, n1: int, k2: int, n2: int, delta: float) -> float:
    """Miettinen and Nurminen's statistic, the constrained estimate by numerical likelihood."""

    def loss(p: float) -> float:
        q = p - delta
        value = xlogy(k1, p) + xlogy(n1 - k1, 1 - p) + xlogy(k2, q) + xlogy(n2 - k2, 1 - q)
        return float(-value)

    bounds = (max(delta, 0.0), min(1.0 + delta, 1.0))
    p = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    q = p - delta
    n = n1 + n2
    variance = (p * (1 - p) / n1 + q * (1 - q) / n2) * n / (n - 1)
    return float((k1 / n1 - k2 / n2 - delta) / variance**0.5)


@pytest.mark.parametrize(
    ("k1", "n1", "k2", "n2"),
    [(56, 70, 48, 80), (9, 10, 3, 10), (38065, 50000, 6333, 10000), (9711, 10000, 1879, 2021),
     (5, 200, 1, 50), (30, 30, 29, 31), (7, 10, 7, 10), (1999, 2000, 1, 3)],
)  # fmt: skip
def test_miettinen_nurminen_solves_its_equation(k1: int, n1: int, k2: int, n2: int) -> None:
    """At the limits the statistic is ±z (statsmodels' score interval misses Newcombe's table)."""
    low, high = (float(v) for v in miettinen_nurminen(k1, n1, k2, n2))
    assert score(k1, n1, k2, n2, low) == pytest.approx(1.959963984540054, abs=2e-4)
    assert score(k1, n1, k2, n2, high) == pytest.approx(-1.959963984540054, abs=2e-4)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(counts, counts)
def test_order_symmetry_and_nesting(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Swapping the sets negates, the estimate lies inside, limits in [-1, 1], levels nest."""
    (k1, n1), (k2, n2) = first, second
    d = k1 / n1 - k2 / n2
    for method in (mover_difference, miettinen_nurminen):
        low, high = method(k1, n1, k2, n2)
        assert -1 <= low <= d + 1e-9
        assert d - 1e-9 <= high <= 1
        swapped = method(k2, n2, k1, n1)
        assert -swapped[1] == pytest.approx(low, abs=1e-9)
        wrong = method(n1 - k1, n1, n2 - k2, n2)
        assert -wrong[1] == pytest.approx(low, abs=1e-7)
        wide = method(k1, n1, k2, n2, 0.99)
        assert wide[0] <= low + 1e-9
        assert high <= wide[1] + 1e-9


def test_correlation_narrows_and_full_overlap_is_the_paired_interval() -> None:
    """Width falls as r rises; with r = phi on one set the paired MOVER interval comes out."""
    r = np.linspace(-1, 1, 21)
    low, high = mover_difference(600, 1000, 550, 1000, correlation=r)
    assert np.all(np.diff(high - low) < 0)
    a, b, c, d = 7000, 600, 500, 1900
    n, k1, k2 = a + b + c + d, a + b, a + c
    p1, p2 = k1 / n, k2 / n
    product = a * (1 - p1) * (1 - p2) - b * (1 - p1) * p2 - c * p1 * (1 - p2) + d * p1 * p2
    phi = overlap_correlation(n, n, n, p1, p2, product / n)
    expected = mover_wilson_paired(a, b, c, d)
    limits = mover_difference(k1, n, k2, n, correlation=phi)
    assert limits == (pytest.approx(float(expected[0])), pytest.approx(float(expected[1])))


def test_overlap_correlation_is_that_of_the_estimates() -> None:
    """Against simulated accuracies of one model on two sets that share 30 % of examples."""
    rng = np.random.default_rng(0)
    n, shared, draws = 1000, 300, 20_000
    p = 0.7
    both = rng.binomial(shared, p, draws)
    first = (both + rng.binomial(n - shared, p, draws)) / n
    second = (both + rng.binomial(n - shared, p, draws)) / n
    r = overlap_correlation(n, n, shared, p, p, p * (1 - p))
    assert r == pytest.approx(0.3, abs=1e-12)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.3, abs=0.02)


def test_overlap_correlation_edges() -> None:
    """0 without variance, without overlap or without examples; clipped to [-1, 1]; broadcasts."""
    assert overlap_correlation(10, 10, 5, 1.0, 0.5, 0.1) == 0
    assert overlap_correlation(10, 10, 0, 0.5, 0.5, 0.25) == 0
    assert overlap_correlation(0, 0, 0, 0.5, 0.5, 0.25) == 0
    assert overlap_correlation(10, 10, 10, 0.5, 0.5, 0.3) == 1
    assert overlap_correlation(10, 10, 10, 0.5, 0.5, -0.3) == -1
    assert overlap_correlation(10, [10, 20], 5, 0.5, 0.5, 0.25).shape == (2,)


def test_nested_drop_of_vid_robust() -> None:
    """methods.md §9: the drop of the testbed's ResNet-50, 167/1109 = .15059 [.13003, .17301]."""
    limits = nested_drop(749, 582, 1109)
    assert limits == pytest.approx((0.13003, 0.17301), abs=5e-6)
    assert limits == clopper_pearson(167, 1109)


def test_empty_samples_are_nan() -> None:
    """n = 0 on either side gives NaN beside finite values, without warnings."""
    for method in (mover_difference, miettinen_nurminen):
        low, high = method([0, 5], [0, 10], [3, 3], [10, 10])
        assert np.isnan([low[0], high[0]]).all()
        assert np.isfinite([low[1], high[1]]).all()
    assert np.isnan(nested_drop(0, 0, 0)).all()


def test_extreme_tables_have_finite_limits() -> None:
    """All right against all wrong, and single examples."""
    for method in (mover_difference, miettinen_nurminen):
        for k1, n1, k2, n2 in [(10, 10, 0, 10), (0, 10, 10, 10), (1, 1, 1, 1), (0, 1, 1, 1)]:
            low, high = method(k1, n1, k2, n2)
            assert -1 <= low <= high <= 1
    assert miettinen_nurminen(10, 10, 0, 10)[1] == 1


def test_errors() -> None:
    """Each wrong argument is named."""
    with pytest.raises(BadInput, match="k1 is larger than n1"):
        mover_difference(11, 10, 1, 10)
    with pytest.raises(BadInput, match="k2 is larger than n2"):
        miettinen_nurminen(1, 10, 11, 10)
    with pytest.raises(BadInput, match=r"correlation must lie in \[-1, 1\]"):
        mover_difference(1, 10, 1, 10, correlation=1.5)
    with pytest.raises(BadInput, match="correlation"):
        mover_difference(1, 10, 1, 10, correlation=float("nan"))
    with pytest.raises(BadInput, match="level"):
        miettinen_nurminen(1, 10, 1, 10, 1.5)
    with pytest.raises(BadInput, match="shared is larger than n2"):
        overlap_correlation(10, 5, 6, 0.5, 0.5, 0.1)
    with pytest.raises(BadInput, match="p1 must lie between 0 and 1"):
        overlap_correlation(10, 10, 6, 76, 0.5, 0.1)
    with pytest.raises(BadInput, match="not nested"):
        nested_drop(582, 749, 1109)
    with pytest.raises(BadInput, match="k_before is larger than n"):
        nested_drop(1200, 749, 1109)
