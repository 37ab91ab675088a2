"""One proportion, and the mean over classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from heldout.errors import BadInput
from heldout.stats.proportion import (
    beta_limits,
    clopper_pearson,
    mean_per_class,
    recover_count,
    wilson,
)

from .published import CIFAR10

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.sampled_from([0.5, 0.8, 0.95, 0.99, 0.995])


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.308497),
        (38065, 50000, 0.757538, 0.765031),
        (9711, 10000, 0.96762623, 0.97429565),
        (1879, 2021, 0.91771130, 0.94049845),
        (1862, 2000, 0.91899712, 0.94171959),
        (41429, 50000, 0.82524755, 0.83187426),
        (7219, 10000, 0.71300437, 0.73066624),
        (1924, 10000, 0.18471453, 0.20026503),
        (749, 1109, 0.64694, 0.70290),
        (582, 1109, 0.49492, 0.55454),
    ],
)
def test_clopper_pearson_gives_the_published_limits(
    k: int, n: int, low: float, high: float
) -> None:
    """The golden intervals of methods.md §12, §9 and replication.md §2-3."""
    assert clopper_pearson(k, n) == (pytest.approx(low, abs=6e-6), pytest.approx(high, abs=6e-6))


def test_testbed_bars_use_level_995() -> None:
    """testbed.md: 44161/50000 at alpha .005 and .05."""
    assert clopper_pearson(44161, 50000, 0.995) == pytest.approx((0.8791355, 0.8872186), abs=1e-7)
    assert clopper_pearson(44161, 50000, 0.95) == pytest.approx((0.8803727, 0.8860227), abs=1e-7)


def test_bonferroni_width_of_ten_thousand_models() -> None:
    """methods.md §3: CP at 9000/10000 for k = 10^4 models is [.88569, .91317]."""
    limits = clopper_pearson(9000, 10000, 1 - 0.05 / 10_000)
    assert limits == pytest.approx((0.88569, 0.91317), abs=1e-5)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(counts, levels)
def test_limits_equal_statsmodels(kn: tuple[int, int], level: float) -> None:
    """Clopper-Pearson and Wilson are statsmodels' "beta" and "wilson", at any level."""
    k, n = kn
    for method, name in ((clopper_pearson, "beta"), (wilson, "wilson")):
        expected = proportion_confint(k, n, 1 - level, method=name)
        assert method(k, n, level) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(counts, levels)
def test_clopper_pearson_inverts_the_exact_tails(kn: tuple[int, int], level: float) -> None:
    """At each limit the tail beyond the observed count is exactly (1 - level)/2."""
    k, n = kn
    low, high = clopper_pearson(k, n, level)
    tail = (1 - level) / 2
    if k > 0:
        assert binom.sf(k - 1, n, float(low)) == pytest.approx(tail, rel=1e-9)
    if k < n:
        assert binom.cdf(k, n, float(high)) == pytest.approx(tail, rel=1e-9)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(counts)
def test_order_symmetry_and_levels(kn: tuple[int, int]) -> None:
    """low <= k/n <= high, wrong answers mirror right ones, a higher level contains a lower."""
    k, n = kn
    for method in (clopper_pearson, wilson):
        low, high = method(k, n)
        assert low <= k / n + 1e-15
        assert k / n <= high + 1e-15
        down, up = method(n - k, n)
        assert 1 - up == pytest.approx(low, abs=1e-12)
        assert 1 - down == pytest.approx(high, abs=1e-12)
        wide = method(k, n, 0.99)
        assert wide[0] <= low + 1e-15
        assert high <= wide[1] + 1e-15


def test_limits_rise_with_the_count() -> None:
    """Both limits are increasing in k at fixed n."""
    for method in (clopper_pearson, wilson):
        low, high = method(np.arange(1001), 1000)
        assert np.all(np.diff(low) > 0)
        assert np.all(np.diff(high) > 0)


def test_exact_ends_broadcast_and_empty_sets() -> None:
    """0 at k = 0, 1 at k = n, exactly; shapes broadcast; n = 0 is NaN, without a warning."""
    for method in (clopper_pearson, wilson):
        low, high = method([[0], [5]], [5, 10, 50_000])
        assert low.shape == high.shape == (2, 3)
        assert low.dtype == np.float64
        assert np.all(low[0] == 0.0)
        assert high[1, 0] == 1.0
        assert np.isnan(method(0, 0)).all()
    assert wilson(0, 10)[1] == pytest.approx(0.277533, abs=5e-7)


@pytest.mark.parametrize(
    ("k", "n", "level", "says"),
    [
        (11, 10, 0.95, "k is larger than n"),
        (-1, 10, 0.95, "k must hold whole numbers"),
        (0.76, 10, 0.95, "pass counts, not accuracies"),
        (float("nan"), 10, 0.95, "k must hold whole numbers"),
        (1, 10.5, 0.95, "n must hold whole numbers"),
        (1, 10, 1.0, "level must lie strictly between 0 and 1"),
        (1, 10, 95, "write .95 for 95 %"),
        ([1, 2], [3, 4, 5], 0.95, "shapes do not fit"),
        (["a"], [1], 0.95, "must be numbers"),
    ],
)
def test_wrong_counts_are_named(k: object, n: object, level: float, says: str) -> None:
    """Each kind of wrong input is a BadInput that says which argument and what to do."""
    for method in (clopper_pearson, wilson):
        with pytest.raises(BadInput, match=says):
            method(k, n, level)  # type: ignore[arg-type]


def test_error_says_where() -> None:
    """The message names the first bad position of an array."""
    with pytest.raises(BadInput, match="at position 1, 0"):
        clopper_pearson([[1, 2], [12, 3]], 10)


# ---------------------------------------------------------------- mean per class


def test_mean_per_class_of_cifar_v4() -> None:
    """replication.md §3: resnet_basic_110 has mean per class .853239 at accuracy .851559."""
    size = np.array([208, 212, 202, 212, 204, 218, 192, 210, 161, 202])
    right = np.array([169, 168, 169, 174, 184, 174, 173, 185, 142, 183])
    assert right.sum() == CIFAR10["resnet_basic_110"][1]
    value, low, high = mean_per_class(right, size)
    assert value == pytest.approx(0.853239, abs=5e-7)
    assert low < value < high
    assert high - low == pytest.approx(0.0315, abs=0.001)


def test_balanced_classes_give_the_accuracys_interval() -> None:
    """With equal classes, spread or not, the interval is Clopper-Pearson's of the total."""
    rng = np.random.default_rng(0)
    k = rng.binomial(50, rng.beta(6, 2, (7, 1000)))
    value, low, high = mean_per_class(k, 50)
    assert value == pytest.approx(k.sum(axis=1) / 50_000)
    exact = clopper_pearson(k.sum(axis=1), 50_000)
    assert low == pytest.approx(exact[0], abs=1e-12)
    assert high == pytest.approx(exact[1], abs=1e-12)


def test_one_class_is_the_accuracy() -> None:
    """One class: value k/n with the exact interval, at the ends too."""
    k, n = np.arange(13)[:, None], np.full((13, 1), 12)
    value, low, high = mean_per_class(k, n)
    exact = beta_limits(k[:, 0].astype(float), n[:, 0].astype(float), 0.95)
    assert value == pytest.approx(np.arange(13) / 12)
    assert low == pytest.approx(exact[0], abs=1e-12)
    assert high == pytest.approx(exact[1], abs=1e-12)


def test_empty_classes_are_left_out() -> None:
    """A class without examples changes nothing; no class at all gives NaN."""
    with_empty = mean_per_class([3, 0, 5], [4, 0, 10])
    without = mean_per_class([3, 5], [4, 10])
    assert with_empty == tuple(pytest.approx(float(v)) for v in without)
    assert np.isnan(mean_per_class([0, 0], [0, 0])).all()


def test_small_classes_widen_the_interval() -> None:
    """A class of few examples counts as much as a large one, so it rules the width."""
    _, low, high = mean_per_class([900, 4], [1000, 5])
    accuracy = clopper_pearson(904, 1005)
    assert high - low > 3 * float(accuracy[1] - accuracy[0])


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(counts, min_size=1, max_size=30))
def test_mean_per_class_is_a_sane_interval(classes: list[tuple[int, int]]) -> None:
    """The value lies within its limits, these within [0, 1], and a permutation changes nothing."""
    k, n = (np.array(v) for v in zip(*classes, strict=True))
    value, low, high = mean_per_class(k, n)
    assert 0 <= low <= value + 1e-12
    assert value <= high + 1e-12
    assert high <= 1
    assert mean_per_class(k[::-1], n[::-1]) == tuple(
        pytest.approx(float(v), abs=1e-12) for v in (value, low, high)
    )


def test_mean_per_class_covers_with_singletons_and_unequal_classes() -> None:
    """Coverage of at least 94 % on a long-tailed set with many classes of one example."""
    rng = np.random.default_rng(3)
    size = np.maximum(100 // np.arange(1, 201), 1)
    p = rng.beta(3.5, 1.5, size.size)
    k = rng.binomial(size, p, (4000, size.size))
    _, low, high = mean_per_class(k, size)
    assert np.mean((low <= p.mean()) & (p.mean() <= high)) > 0.94


def test_mean_per_class_needs_an_axis() -> None:
    """A scalar has no classes."""
    with pytest.raises(BadInput, match="last axis"):
        mean_per_class(1, 2)


# ---------------------------------------------------------------- counts from fractions


@settings(deadline=None, derandomize=True, max_examples=200)
@given(counts)
def test_recover_count_inverts_division(kn: tuple[int, int]) -> None:
    """k/n as a float64 gives back k, even without tolerance."""
    k, n = kn
    assert recover_count(k / n, n, 0.0) == k


def test_recover_count_says_minus_one() -> None:
    """Not near a count, NaN, outside [0, 1], and n = 0 all give -1."""
    value = np.array([0.63335, np.nan, -0.1, 1.2, 0.5])
    n = np.array([10000, 10000, 10, 10, 0])
    assert recover_count(value, n, 0.004).tolist() == [-1] * 5
    assert recover_count(0.63335, 10000, 0.49) == -1
    assert recover_count(0.633349, 10000, 0.499) == 6333
    assert recover_count(0.6333, 10000, 0.004).dtype == np.int64


@pytest.mark.parametrize("tolerance", [-0.1, 0.5, float("nan")])
def test_recover_count_refuses_tolerances_that_mean_nothing(tolerance: float) -> None:
    """From half a count on, everything is near a count."""
    with pytest.raises(BadInput, match="tolerance must lie in"):
        recover_count(0.5, 10, tolerance)
