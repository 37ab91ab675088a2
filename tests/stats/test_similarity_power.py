"""Agreement, bounds for test-set reuse, power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from statsmodels.stats.power import NormalIndPower

from heldout.errors import BadInput
from heldout.stats import similarity
from heldout.stats.paired import mcnemar_exact
from heldout.stats.power import (
    detectable_difference,
    detectable_drop,
    exact_mcnemar_power,
    independent_sample_size,
    paired_power,
    paired_sample_size,
)
from heldout.stats.similarity import (
    agreement_matrix,
    expected_agreement,
    label_agreement,
    models_before_reuse,
    models_before_reuse_hoeffding,
    similarity_bound,
    union_bound,
)

from .published import IMAGENET


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 8), st.integers(0, 70), st.integers(0, 10_000), st.sampled_from([1, 16, 64]))
def test_agreement_is_counted_exactly(m: int, n: int, seed: int, block: int) -> None:
    """Against a double loop, for any block of examples."""
    rng = np.random.default_rng(seed)
    correct, pred = rng.random((m, n)) < 0.7, rng.integers(-1, 4, (m, n))
    old = similarity._ELEMENTS_AT_ONCE
    similarity._ELEMENTS_AT_ONCE = block
    try:
        agree = agreement_matrix(correct)
    finally:
        similarity._ELEMENTS_AT_ONCE = old
    assert agree.dtype == np.int64
    for i in range(m):
        for j in range(m):
            assert agree[i, j] == np.sum(correct[i] == correct[j])
            assert label_agreement(pred)[i, j] == np.sum(pred[i] == pred[j])


def test_agreement_takes_numbers() -> None:
    """0/1 of any dtype count as right and wrong."""
    correct = np.array([[1, 0, 1], [1, 1, 1]])
    for dtype in (np.int64, np.uint8, np.float64):
        assert agreement_matrix(correct.astype(dtype)).tolist() == [[3, 2], [2, 3]]


def test_label_agreement_over_blocks_and_dtypes() -> None:
    """More examples than one block, codes beyond int8, unsigned and negative."""
    rng = np.random.default_rng(0)
    for low, high in ((0, 1000), (-5, 5), (0, 200), (0, 2**33)):
        pred = rng.integers(low, high, (3, 70_000))
        pred[1, ::2] = pred[0, ::2]
        counts = label_agreement(pred)
        assert counts[0, 1] == np.sum(pred[0] == pred[1])
        assert counts[2, 2] == 70_000
        assert np.array_equal(counts, counts.T)


def test_expected_agreement_of_published_pairs() -> None:
    """replication.md: expected similarity of named ImageNet pairs, and its mean over all pairs."""
    acc = {m: v[0] / 50_000 for m, v in IMAGENET.items()}
    for first, second, value in (
        ("vgg16", "vgg13_bn", 0.593217), ("nasnet_large_tf", "nasnetalarge", 0.712628),
        ("resnet152", "resnet50", 0.647959),
    ):  # fmt: skip
        matrix = expected_agreement([acc[first], acc[second]])
        assert matrix[0, 1] == pytest.approx(value, abs=5e-7)
    for models, mean in ((list(acc), 0.609522), ([m for m in acc if m[:3] != "fv_"], 0.630594)):
        matrix = expected_agreement([acc[m] for m in models])
        upper = matrix[np.triu_indices(len(models), 1)]
        assert upper.mean() == pytest.approx(mean, abs=5e-7)


# ---------------------------------------------------------------- bounds


def test_bounds_golden() -> None:
    """methods.md §3: the union half-widths and Bernstein's version for similar models."""
    assert union_bound(10_000, [1, 100, 10_000]) == pytest.approx(
        [0.013581, 0.020364, 0.025396], abs=5.1e-7
    )
    assert union_bound(50_000, [1, 100, 10_000]) == pytest.approx(
        [0.006074, 0.009107, 0.011357], abs=5.1e-7
    )
    assert similarity_bound(10_000, 10_000, 10, [0.01, 0.05]) == pytest.approx(
        [0.023969, 0.030402], abs=5.1e-7
    )


def test_bounds_move_the_right_way() -> None:
    """Wider with more models, more discordance or less risk; narrower with more examples."""
    k = np.array([10, 100, 1000, 10_000])
    assert np.all(np.diff(union_bound(10_000, k)) > 0)
    assert np.all(np.diff(similarity_bound(10_000, k, 10, 0.02)) > 0)
    assert np.all(np.diff(similarity_bound(10_000, 100, 10, [0.01, 0.02, 0.1])) > 0)
    assert np.all(np.diff(union_bound(k, 5)) < 0)
    assert union_bound(100, 5, 0.01) > union_bound(100, 5, 0.05)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(1, 10**6), st.floats(0.001, 0.2), st.floats(0.001, 1))
def test_models_before_reuse_is_the_largest_k(n: int, width: float, psi: float) -> None:
    """k models pass Bernstein's inequality over all pairs and k + 1 do not."""
    k, log10 = models_before_reuse(n, width, psi)
    exponent = n * width**2 / (2 * (psi + width / 3))
    if k < 1e7:
        assert k == 1 or np.log(k * (k - 1)) - exponent <= np.log(0.05) + 1e-9
        assert np.log((k + 1) * k) - exponent > np.log(0.05) - 1e-6
    if np.isfinite(k):
        assert log10 == pytest.approx(np.log10(k), abs=1e-6)
    hoeffding, _ = models_before_reuse_hoeffding(n, width)
    if psi + width / 3 < 1:
        assert k >= hoeffding


def test_astronomic_numbers_have_a_logarithm() -> None:
    """k overflows to inf, log10 k does not; array arguments broadcast."""
    k, log10 = models_before_reuse([1000, 10**7], 0.05, [[0.1], [0.2]])
    assert k.shape == log10.shape == (2, 2)
    assert np.isinf(k[0, 1])
    expected = 0.5 * (np.log(0.05) + 10**7 * 0.0025 / (2 * (0.1 + 0.05 / 3))) / np.log(10)
    assert log10[0, 1] == pytest.approx(expected)


def test_bernstein_bound_holds_in_simulation() -> None:
    """Paired differences exceed the width less often than 2 exp(-n w²/(2(psi + w/3))) says."""
    rng = np.random.default_rng(0)
    n, psi, delta = 500, 0.1, 0.08
    draw = rng.multinomial(n, [(psi + delta) / 2, (psi - delta) / 2, 1 - psi], 200_000)
    off = np.abs((draw[:, 0] - draw[:, 1]) / n - delta)
    for width in (0.01, 0.02, 0.03, 0.04):
        assert np.mean(off > width) <= 2 * np.exp(-n * width**2 / (2 * (psi + width / 3)))


def test_similarity_errors() -> None:
    """Shapes, values and risks."""
    with pytest.raises(BadInput, match="models by examples"):
        agreement_matrix([1, 0])
    with pytest.raises(BadInput, match="only 0 and 1"):
        agreement_matrix([[1, 2]])
    with pytest.raises(BadInput, match="must be a vector"):
        expected_agreement([[0.5]])
    with pytest.raises(BadInput, match="pass fractions, not percent"):
        expected_agreement([76.0])
    for pred in ([1, 2], [[0.5, 1.0]]):
        with pytest.raises(BadInput, match="matrix of whole numbers"):
            label_agreement(pred)
    with pytest.raises(BadInput, match="k must be 1 or more"):
        union_bound(100, 0)
    with pytest.raises(BadInput, match="alpha"):
        union_bound(100, 1, 0)
    with pytest.raises(BadInput, match="cannot be more than the k models"):
        similarity_bound(100, 5, 6, 0.1)
    with pytest.raises(BadInput, match="eta must lie between 0 and 1"):
        similarity_bound(100, 5, 2, 5)
    with pytest.raises(BadInput, match="width must be above 0"):
        models_before_reuse(100, 0.0, 0.1)
    with pytest.raises(BadInput, match="n must be 1 or more"):
        models_before_reuse_hoeffding(0, 0.1)


# ---------------------------------------------------------------- power


@pytest.mark.parametrize(
    ("psi", "delta", "n"),
    [(0.1, 0.01, 7847), (0.1, 0.02, 1960), (0.1, 0.005, 31394), (0.05, 0.01, 3923),
     (0.2, 0.01, 15696)],
)  # fmt: skip
def test_paired_sizes_golden(psi: float, delta: float, n: int) -> None:
    """methods.md §12 "Power"; the formula's power there is just above 80 %."""
    assert paired_sample_size(delta, psi) == n
    assert paired_sample_size(-delta, psi) == n
    assert paired_power(n, delta, psi) >= 0.8 > paired_power(n - 1, delta, psi)


def test_unpaired_size_and_exact_power_golden() -> None:
    """.76 against .75 needs 29036 in each set; exact McNemar at 1960 has power .7830."""
    assert independent_sample_size(0.76, 0.75) == 29036
    assert exact_mcnemar_power(1960, 0.02, 0.1) == pytest.approx(0.7830, abs=5e-5)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 60), st.floats(0.02, 1), st.floats(-1, 1), st.sampled_from([0.8, 0.95]))
def test_exact_power_is_the_sum_over_all_tables(n: int, psi: float, t: float, level: float) -> None:
    """Against every (b, c) with its probability and its exact p-value."""
    delta = t * psi
    total = 0.0
    for m in range(n + 1):
        b = np.arange(m + 1)
        reject = mcnemar_exact(b, m - b) <= (1 - level) * (1 + 1e-12)
        share = binom.pmf(b, m, (1 + delta / psi) / 2)
        total += binom.pmf(m, n, psi) * float(share @ reject)
    assert exact_mcnemar_power(n, delta, psi, level) == pytest.approx(total, abs=1e-9)


def test_exact_power_is_the_size_at_no_difference() -> None:
    """With delta = 0 the power is the test's size: at most 5 %, whatever n."""
    size = exact_mcnemar_power([50, 500, 5000, 50_000], 0.0, 0.1)
    assert size.shape == (4,)
    assert np.all(size <= 0.05)
    assert size[-1] > 0.045


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.floats(0.01, 1), st.floats(0.01, 0.99), st.sampled_from([0.5, 0.8, 0.9, 0.99]))
def test_detectable_difference_inverts_the_sample_size(psi: float, t: float, power: float) -> None:
    """The size for the detectable difference at n is n."""
    delta = t * psi
    n = int(paired_sample_size(delta, psi, power=power))
    found = float(detectable_difference(n, psi, power=power))
    if np.isfinite(found):
        assert abs(int(paired_sample_size(found, psi, power=power)) - n) <= 1
        assert found <= delta * (1 + 1e-9)


def test_detectable_difference_edges() -> None:
    """Too few examples: NaN, as no difference exceeds the discordance; more examples see less."""
    assert np.isnan(detectable_difference(5, 0.01))
    assert np.isnan(detectable_difference(0, 0.1))
    assert np.all(np.diff(detectable_difference([100, 1000, 50_000], 0.1)) < 0)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(200, 100_000), st.integers(200, 100_000), st.floats(0.3, 0.99))
def test_detectable_drop_solves_its_equation(n1: int, n2: int, p: float) -> None:
    """At the drop found, the normal approximation has power 80 %."""
    d = float(detectable_drop(n1, n2, p))
    q = p - d
    pooled = (n1 * p + n2 * q) / (n1 + n2)
    null = (pooled * (1 - pooled) * (1 / n1 + 1 / n2)) ** 0.5
    there = (p * (1 - p) / n1 + q * (1 - q) / n2) ** 0.5
    assert norm.cdf((d - norm.ppf(0.975) * null) / there) == pytest.approx(0.8, abs=1e-9)


def test_detectable_drop_agrees_with_the_sample_size() -> None:
    """With equal sets of 29036 the drop from .76 is .01; too small sets give NaN."""
    assert detectable_drop(29036, 29036, 0.76) == pytest.approx(0.01, abs=1e-6)
    assert np.isnan(detectable_drop(2, 2, 0.5))
    assert detectable_drop([100, 1000], [[50], [500]], 0.8).shape == (2, 2)


def test_independent_size_is_near_the_arcsine_formula() -> None:
    """statsmodels' effect size by arcsine gives nearly the same n."""
    effect = 2 * (np.arcsin(0.76**0.5) - np.arcsin(0.75**0.5))
    n = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert independent_sample_size(0.76, 0.75) == pytest.approx(n, rel=0.002)
    assert independent_sample_size(0.75, 0.76) == independent_sample_size(0.76, 0.75)


def test_paired_power_edges() -> None:
    """All disagreements one way give 0 or 1; no examples give no power; broadcasting."""
    assert paired_power(1000, 0.1, 0.1) > 0.999
    assert paired_power(0, 0.05, 0.1) < 0.03
    assert paired_power(2, 1.0, 1.0) == 0
    assert paired_power(100, 1.0, 1.0) == 1
    assert paired_power([100, 200], [[0.01], [0.02]], 0.1).shape == (2, 2)


def test_power_errors() -> None:
    """No difference, a difference beyond the discordance, wrong levels and powers."""
    with pytest.raises(BadInput, match="delta is 0"):
        paired_sample_size(0.0, 0.1)
    for function in (paired_power, exact_mcnemar_power):
        with pytest.raises(BadInput, match="cannot exceed the discordance"):
            function(100, 0.2, 0.1)
        with pytest.raises(BadInput, match="n must hold whole numbers"):
            function(10.5, 0.05, 0.1)
    with pytest.raises(BadInput, match="power must lie"):
        paired_sample_size(0.01, 0.1, power=1)
    with pytest.raises(BadInput, match="level"):
        detectable_difference(100, 0.1, level=0)
    with pytest.raises(BadInput, match="discordance must lie"):
        detectable_difference(100, 10)
    with pytest.raises(BadInput, match="p1 and p2 are equal"):
        independent_sample_size(0.5, 0.5)
    with pytest.raises(BadInput, match="p2 must lie between 0 and 1"):
        independent_sample_size(0.5, 75)
    with pytest.raises(BadInput, match="at least one example"):
        detectable_drop(0, 10, 0.5)
    with pytest.raises(BadInput, match="p must lie strictly between 0 and 1"):
        detectable_drop(10, 10, 1.0)
