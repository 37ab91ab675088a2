"""Families of p-values, ranks with uncertainty, groups, rank correlations."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from heldout.errors import BadInput
from heldout.stats.multiple import bonferroni, holm
from heldout.stats.rank import (
    competition_rank,
    kendall_tau_b,
    rank_intervals,
    significance_groups,
    spearman,
)

from .published import CIFAR10, IMAGENET

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_holm_golden() -> None:
    """methods.md §12: [.01 .04 .03 .005 .5] becomes [.04 .09 .09 .025 .5]."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])


@settings(deadline=None, derandomize=True, max_examples=25)  # statsmodels collects garbage
@given(p_values)
def test_adjustments_equal_statsmodels(p: list[float]) -> None:
    """Holm and Bonferroni are statsmodels', and Holm never exceeds Bonferroni."""
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-14)
    assert bonferroni(p) == pytest.approx(multipletests(p, method="bonferroni")[1], abs=1e-14)
    assert np.all(holm(p) <= bonferroni(p))
    assert np.all(holm(p) >= np.array(p))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(p_values, st.randoms(use_true_random=False))
def test_nan_is_not_a_member_of_the_family(p: list[float], random: object) -> None:
    """NaN stays where it is, and the others are adjusted as if it were not there."""
    mixed = np.array([*p, np.nan, np.nan])
    order = np.random.default_rng(len(p)).permutation(mixed.size)
    for method in (holm, bonferroni):
        result = np.empty(mixed.size)
        result[order] = method(mixed[order])
        assert result[: len(p)] == pytest.approx(method(p))
        assert np.isnan(result[len(p) :]).all()


def test_empty_family() -> None:
    """No p-values give none, and only NaN gives NaN."""
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("method", [holm, bonferroni])
def test_families_are_checked(method: object) -> None:
    """A matrix, or a value outside [0, 1], is refused."""
    assert callable(method)
    with pytest.raises(BadInput, match="must be a vector"):
        method([[0.1], [0.2]])
    with pytest.raises(BadInput, match=r"lie in \[0, 1\]"):
        method([0.1, 1.2])


# ---------------------------------------------------------------- ranks


def test_published_ranks() -> None:
    """replication.md §2-3: ranks, ties and changes of named models."""
    names = list(CIFAR10)
    orig, v4, v6 = (competition_rank([v[i] for v in CIFAR10.values()]) for i in range(3))
    expected = {
        "shake_shake_26_2x64d_SSI_cutout16": (1, 1, 1),
        "shake_shake_26_2x96d_SSI": (2, 4, 4),
        "resnext_29_4x64d": (8, 10, 7),
        "resnet_basic_110": (18, 19, 19),
        "cudaconvnet": (25, 25, 25),
        "alexnet_tf_ben": (30, 29, 29),
    }
    for name, triple in expected.items():
        i = names.index(name)
        assert (orig[i], v4[i], v6[i]) == triple
    # the paper's darc falls four ranks; nasnetalarge and pnasnet swap the lead on ImageNetV2
    assert orig[names.index("darc")] - v4[names.index("darc")] < 0
    val, b = (competition_rank([v[i] for v in IMAGENET.values()]) for i in range(2))
    inet = list(IMAGENET)
    for name, pair in {
        "pnasnet_large_tf": (1, 2), "nasnetalarge": (4, 1), "se_resnet101": (20, 19),
        "resnet50": (37, 39), "alexnet": (64, 64), "fv_16k": (66, 66),
    }.items():  # fmt: skip
        assert (val[inet.index(name)], b[inet.index(name)]) == pair


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.integers(0, 6), max_size=30))
def test_competition_rank_equals_scipy_min(value: list[int]) -> None:
    """It is scipy's rankdata(-value, "min")."""
    if value:
        assert (
            competition_rank(value).tolist()
            == stats.rankdata(-np.array(value), "min").astype(int).tolist()
        )
    with_nan = competition_rank([*map(float, value), np.nan])
    assert with_nan[-1] == 0
    assert with_nan[:-1].tolist() == competition_rank(value).tolist()


def test_rank_intervals_contain_the_observed_ranks() -> None:
    """With better[i, j] only where i's accuracy is higher, the interval holds the plain rank."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=40)
    better = (value[:, None] - value) > 0.5
    best, worst = rank_intervals(better)
    rank = competition_rank(value)
    assert np.all((best <= rank) & (rank <= worst))
    everything = rank_intervals(value[:, None] > value)
    assert np.array_equal(everything[0], rank)
    assert np.array_equal(everything[1], rank)
    nothing = rank_intervals(np.zeros((40, 40), bool))
    assert set(nothing[0].tolist()) == {1}
    assert set(nothing[1].tolist()) == {40}


def test_rank_intervals_by_hand() -> None:
    """Three models, one significantly worst."""
    best, worst = rank_intervals([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
    assert best.tolist() == [1, 1, 3]
    assert worst.tolist() == [2, 2, 3]


def brute_groups(order: list[int], different: np.ndarray) -> list[list[int]]:
    """All maximal sets of models that do not differ, by trying every subset."""
    good = [
        set(group)
        for size in range(1, len(order) + 1)
        for group in combinations(range(len(order)), size)
        if not any(different[order[i], order[j]] for i, j in combinations(group, 2))
    ]
    maximal = [g for g in good if not any(g < other for other in good)]
    return [[order[i] for i in g] for g in sorted(sorted(m) for m in maximal)]


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_groups_are_all_maximal_sets(m: int, seed: int, density: float) -> None:
    """Against every subset of up to 9 models, for any pattern of differences and any order."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((m, m)) < density, 1)
    different = upper | upper.T
    order = rng.permutation(m).tolist()
    assert significance_groups(order, different) == brute_groups(order, different)


def test_groups_of_an_interval_pattern() -> None:
    """Differences by distance on a line give the sliding groups of a compact letter display."""
    different = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) > 2
    assert significance_groups(range(6), different) == [
        [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]
    ]  # fmt: skip
    assert significance_groups([], different) == []
    assert significance_groups([4, 0], different) == [[4], [0]]
    assert significance_groups([3, 2, 1], np.zeros((4, 4))) == [[3, 2, 1]]


def test_many_models_are_grouped_quickly() -> None:
    """1,000 models with differences by distance: as many groups as windows."""
    different = np.abs(np.subtract.outer(np.arange(1000), np.arange(1000))) > 20
    groups = significance_groups(np.arange(1000), different)
    assert len(groups) == 980
    assert groups[0] == list(range(21))


def test_rank_errors() -> None:
    """Shapes, contradictions and orders are checked."""
    with pytest.raises(BadInput, match="must be a vector"):
        competition_rank([[1.0]])
    with pytest.raises(BadInput, match="square matrix"):
        rank_intervals([[0, 1]])
    with pytest.raises(BadInput, match="0 is better than 1 and the reverse"):
        rank_intervals([[0, 1], [1, 0]])
    with pytest.raises(BadInput, match="never for i = j"):
        rank_intervals([[1, 0], [0, 0]])
    with pytest.raises(BadInput, match="symmetric"):
        significance_groups([0, 1], [[0, 1], [0, 0]])
    with pytest.raises(BadInput, match="differs from itself"):
        significance_groups([0, 1], [[1, 0], [0, 0]])
    for order in ([0, 0], [0, 2], [-1, 0], [0.0, 1.0]):
        with pytest.raises(BadInput, match="distinct indices"):
            significance_groups(order, np.zeros((2, 2)))


# ---------------------------------------------------------------- correlations


def test_published_rank_correlations() -> None:
    """replication.md: Spearman and tau-b of CIFAR-10.1 v4 and v6, and of ImageNetV2 b."""
    orig, v4, v6 = np.array(list(CIFAR10.values())).T
    assert spearman(orig, v4) == pytest.approx(0.977862, abs=5e-7)
    assert kendall_tau_b(orig, v4) == pytest.approx(0.888378, abs=5e-7)
    assert spearman(orig, v6) == pytest.approx(0.970965, abs=5e-7)
    assert kendall_tau_b(orig, v6) == pytest.approx(0.860760, abs=5e-7)
    val, b = np.array(list(IMAGENET.values())).T
    assert spearman(val, b) == pytest.approx(0.996837, abs=5e-7)
    assert kendall_tau_b(val, b) == pytest.approx(0.964456, abs=5e-7)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_correlations_equal_scipy(pairs: list[tuple[int, int]]) -> None:
    """Ties and all; constant input is NaN without a warning."""
    x, y = (list(v) for v in zip(*pairs, strict=True))
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert kendall_tau_b(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    else:
        assert np.isnan(spearman(x, y))
        assert np.isnan(kendall_tau_b(x, y))


def test_tau_in_blocks() -> None:
    """More points than one block of rows holds."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, 3000)
    y = x + rng.integers(0, 30, 3000)
    assert kendall_tau_b(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("method", [spearman, kendall_tau_b])
def test_correlations_check_their_vectors(method: object) -> None:
    """Lengths, finiteness and size."""
    assert callable(method)
    with pytest.raises(BadInput, match="one length"):
        method([1, 2], [1, 2, 3])
    with pytest.raises(BadInput, match="at least 2"):
        method([1], [1])
    with pytest.raises(BadInput, match="not finite"):
        method([1, np.nan], [1, 2])
