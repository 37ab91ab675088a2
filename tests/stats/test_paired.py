"""Two models on the same examples."""

from __future__ import annotations

from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, norm
from statsmodels.stats.contingency_tables import mcnemar

from heldout.errors import BadInput
from heldout.stats.paired import (
    agresti_min,
    bootstrap_limits,
    difference_se,
    mcnemar_exact,
    mcnemar_midp,
    mover_wilson_paired,
    newcombe_paired,
    tango,
    wald_paired,
)

cells = st.tuples(*[st.integers(0, 400)] * 4).filter(lambda t: sum(t) > 0)

GOLDEN = [
    # a, b, c, d, Wald, Newcombe 10, Tango, exact p, mid-p
    (7000, 600, 500, 1900, (0.003502, 0.016498), (0.003499, 0.016504), (0.003505, 0.016518),
     0.00281954, 0.00256477),
    (60, 9, 2, 29, (0.006460, 0.133540), (0.003471, 0.135985), (0.005956, 0.145889),
     0.0654297, 0.0385742),
    (48, 2, 0, 0, (-0.014316, 0.094316), (-0.037001, 0.134601), (-0.034202, 0.134601), 0.5, 0.25),
    (10, 0, 0, 0, (0.0, 0.0), (-0.277533, 0.277533), (-0.277533, 0.277533), 1.0, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "c", "d", "wald", "newcombe", "score", "exact", "midp"), GOLDEN)
def test_the_table_of_methods(
    a: int, b: int, c: int, d: int, wald: tuple[float, float], newcombe: tuple[float, float],
    score: tuple[float, float], exact: float, midp: float,
) -> None:  # fmt: skip
    """Every cell of the table in methods.md §12."""
    n = a + b + c + d
    assert wald_paired(b, c, n) == pytest.approx(wald, abs=5.1e-7)
    assert newcombe_paired(a, b, c, d) == pytest.approx(newcombe, abs=5.1e-7)
    assert tango(b, c, n) == pytest.approx(score, abs=5.1e-7)
    assert mcnemar_exact(b, c) == pytest.approx(exact, abs=5.1e-8)
    assert mcnemar_midp(b, c) == pytest.approx(midp, abs=5.1e-8)


@pytest.mark.parametrize(
    ("n11", "n10", "n01", "p", "score", "hybrid", "resampled"),
    [
        (32873, 2923, 2920, 0.9791264472, (-0.0029371158, 0.0030571414),
         (-0.0029364419, 0.0030564432), (-0.00296, 0.00300)),
        (40144, 1209, 1109, 0.039734259, (0.0001128161, 0.0038900322),
         (0.0001125400, 0.0038881085), (0.00010, 0.00388)),
        (36001, 3155, 2064, 8.361784248e-52, (0.0189993497, 0.0246517365),
         (0.0189953290, 0.0246465179), (0.018999, 0.02468)),
    ],
)  # fmt: skip
def test_imagenet_pairs(
    n11: int, n10: int, n01: int, p: float, score: tuple[float, float],
    hybrid: tuple[float, float], resampled: tuple[float, float],
) -> None:  # fmt: skip
    """replication.md §3: exact McNemar, Tango, the hybrid score with phi as it is, bootstrap."""
    n = 50_000
    assert mcnemar_exact(n10, n01) == pytest.approx(p, rel=1e-8)
    assert tango(n10, n01, n) == pytest.approx(score, abs=1e-10)
    limits = mover_wilson_paired(n11, n10, n01, n - n11 - n10 - n01)
    assert limits == pytest.approx(hybrid, abs=1e-10)
    assert bootstrap_limits(n10, n01, n) == pytest.approx(resampled, abs=1e-4)


@pytest.mark.parametrize(
    ("b", "c", "n", "level", "low", "high"),
    [
        (28, 25, 618, 0.90, -0.0148, 0.0247),
        (1, 7, 21, 0.95, -0.517, -0.026),
    ],
)
def test_tango_meets_the_published_examples(
    b: int, c: int, n: int, level: float, low: float, high: float
) -> None:
    """The external pins of methods.md, with the R functions' order (second - first) put right."""
    limits = tango(b, c, n, level)
    assert limits == pytest.approx((low, high), abs=6e-4)


def test_agresti_min_external_pin() -> None:
    """R `diffpropci.mp(40, 20, 160)` = [-.21601726, -.03089632], second minus first."""
    assert agresti_min(20, 40, 160) == pytest.approx((-0.21601726, -0.03089632), abs=1e-8)


def exact_p(b: int, c: int) -> Decimal:
    """The exact two-sided p-value as a 60-digit decimal."""
    getcontext().prec = 60
    n, term, total = b + c, 1, 0
    for i in range(min(b, c) + 1):
        total += term
        term = term * (n - i) // (i + 1)
    value = Fraction(2 * total, 2**n)
    return min(Decimal(1), Decimal(value.numerator) / Decimal(value.denominator))


@pytest.mark.parametrize(
    ("b", "c"),
    [(0, 1), (3155, 2064), (9, 2), (900, 300), (2000, 700), (1000, 1), (0, 1000), (5000, 4700),
     (10, 1065), (20, 1060), (200, 1700),
     (7, 7), (0, 0), (2500, 2499), (1800, 900)],
)  # fmt: skip
def test_mcnemar_is_right_to_the_last_digits_far_out(b: int, c: int) -> None:
    """Against rational arithmetic, relative error below 1e-10 down to p near 1e-300."""
    p = float(mcnemar_exact(b, c))
    if b == c:
        assert p == 1.0
    else:
        assert p == pytest.approx(float(exact_p(b, c)), rel=1e-10)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_against_statsmodels_and_mid_p_definition(b: int, c: int) -> None:
    """Exact p is statsmodels'; mid-p is exact - pmf(min), 1 - pmf/2 for a tie; b and c swap."""
    exact = float(mcnemar_exact(b, c))
    if b + c:
        oracle = mcnemar([[0, b], [c, 0]], exact=True).pvalue
        assert exact == pytest.approx(min(oracle, 1.0), rel=1e-9, abs=1e-280)
        pmf = binom.pmf(min(b, c), b + c, 0.5)
        midp = 1 - pmf / 2 if b == c else exact - pmf
        assert mcnemar_midp(b, c) == pytest.approx(midp, rel=1e-6, abs=1e-280)
    assert mcnemar_exact(c, b) == exact
    assert mcnemar_midp(c, b) == mcnemar_midp(b, c)
    assert mcnemar_midp(b, c) <= exact


def test_large_counts_do_not_break_the_test() -> None:
    """At 10^6 disagreements the exact p-value is the normal one with continuity correction."""
    b, c = 501_000, 499_000
    z = (b - c - 1) / (b + c) ** 0.5
    assert mcnemar_exact(b, c) == pytest.approx(2 * norm.sf(z), rel=1e-3)
    assert mcnemar_exact(10_000_000, 0) == 0.0


def tango_statistic(b: int, c: int, n: int, delta: float) -> float:
    """The score statistic as it is written in methods.md §12."""
    a2, b2, c2 = 2 * n, -b - c + (2 * n - b + c) * delta, -c * delta * (1 - delta)
    q = (np.sqrt(b2 * b2 - 4 * a2 * c2) - b2) / (2 * a2)
    variance = max(n * (2 * q + delta * (1 - delta)), 1e-300)
    return float((b - c - n * delta) / np.sqrt(variance))


@settings(deadline=None, derandomize=True, max_examples=150)
@given(cells)
def test_tango_solves_its_equation(t: tuple[int, int, int, int]) -> None:
    """The limits are the roots of the score equation found by Brent's method."""
    _, b, c, _ = t
    n = sum(t)
    low, high = (float(v) for v in tango(b, c, n))
    z, d = norm.ppf(0.975), (b - c) / n
    if d > -1 + 1e-9:
        root = brentq(lambda x: tango_statistic(b, c, n, x) - z, -1 + 1e-12, d, xtol=1e-14)
        assert low == pytest.approx(root, abs=1e-10)
    if d < 1 - 1e-9:
        root = brentq(lambda x: tango_statistic(b, c, n, x) + z, d, 1 - 1e-12, xtol=1e-14)
        assert high == pytest.approx(root, abs=1e-10)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(cells)
def test_intervals_are_symmetric_ordered_and_nested(t: tuple[int, int, int, int]) -> None:
    """Swapping the models negates; low <= d <= high; inside [-1, 1]; levels nest."""
    a, b, c, d = t
    n = a + b + c + d
    three = (tango, wald_paired, agresti_min, bootstrap_limits)
    for method in three:
        low, high = method(b, c, n)
        assert (-1) * method(c, b, n)[1] == pytest.approx(low, abs=1e-12)
        assert -1 <= low <= high <= 1
        if method is not agresti_min:
            assert low <= (b - c) / n + 1e-12
            assert (b - c) / n <= high + 1e-12
        wide = method(b, c, n, 0.99)
        assert wide[0] <= low + 1e-12
        assert high <= wide[1] + 1e-12
    for method in (newcombe_paired, mover_wilson_paired):
        low, high = method(a, b, c, d)
        assert (-1) * method(a, c, b, d)[1] == pytest.approx(low, abs=1e-12)
        assert -1 <= low <= (b - c) / n + 1e-12
        assert (b - c) / n - 1e-12 <= high <= 1
        mirrored = method(d, c, b, a)  # error rates instead of accuracies
        assert (-1) * mirrored[1] == pytest.approx(low, abs=1e-10)


def test_degenerate_tables() -> None:
    """All disagreements for one model, and none at all, give finite limits without warnings."""
    assert tango(5, 0, 5)[1] == 1.0
    assert tango(0, 5, 5)[0] == -1.0
    assert tango(0, 0, 10) == pytest.approx((-0.277533, 0.277533), abs=5e-7)
    assert newcombe_paired(0, 5, 0, 0) == pytest.approx((-1, 1), abs=2)
    assert bootstrap_limits(0, 0, 10) == (0.0, 0.0)
    assert bootstrap_limits(5, 0, 5) == (1.0, 1.0)


def test_arrays_broadcast_and_empty_sets_are_nan() -> None:
    """Vectors give vectors equal to scalar calls; n = 0 gives NaN beside good values."""
    b, c, n = np.array([9, 0, 600]), np.array([2, 0, 500]), np.array([100, 0, 10_000])
    for method in (tango, wald_paired, agresti_min, bootstrap_limits):
        low, high = method(b, c, n)
        assert low.shape == (3,)
        assert np.isnan([low[1], high[1]]).all()
        for i in (0, 2):
            assert method(b[i], c[i], n[i]) == pytest.approx((low[i], high[i]), abs=1e-14)
        grid = method(np.arange(4)[:, None], np.arange(3), 10)
        assert grid[0].shape == (4, 3)
    assert np.isnan(newcombe_paired(0, 0, 0, 0)).all()
    assert np.isnan(difference_se(0, 0, 0))


def test_newcombe_correction_only_lowers_a_positive_phi() -> None:
    """The corrected interval is wider where models agree, equal where phi is negative or 0."""
    wide, narrow = newcombe_paired(60, 9, 2, 29), mover_wilson_paired(60, 9, 2, 29)
    assert wide[0] < narrow[0]
    assert narrow[1] < wide[1]
    assert newcombe_paired(2, 40, 50, 3) == mover_wilson_paired(2, 40, 50, 3)


# ---------------------------------------------------------------- the bootstrap


def test_bootstrap_limits_golden() -> None:
    """methods.md §12: (60, 9, 2, 29) gives [.01, .14]."""
    assert bootstrap_limits(9, 2, 100) == (pytest.approx(0.01), pytest.approx(0.14))


def difference_law(b: int, c: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """P(B - C = v) by n convolutions of one step."""
    law = np.array([1.0])
    step = np.array([c / n, (n - b - c) / n, b / n])
    for _ in range(n):
        law = np.convolve(law, step)
    return np.arange(-n, n + 1), law


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.tuples(*[st.integers(0, 60)] * 3).filter(lambda t: sum(t) > 0), st.sampled_from([0.5, 0.95])
)
def test_bootstrap_limits_are_quantiles_of_the_exact_law(
    t: tuple[int, int, int], level: float
) -> None:
    """Against the law by repeated convolution, at two levels."""
    b, c, n = t[0], t[1], sum(t)
    values, law = difference_law(b, c, n)
    tail = (1 - level) / 2
    low = values[np.argmax(np.cumsum(law) >= tail - 1e-12)] / n
    high = values[::-1][np.argmax(np.cumsum(law[::-1]) >= tail - 1e-12)] / n
    assert bootstrap_limits(b, c, n, level) == (pytest.approx(low), pytest.approx(high))


def test_bootstrap_limits_are_what_resampling_finds() -> None:
    """100,000 multinomial draws agree within their noise, and their sd is difference_se."""
    rng = np.random.default_rng(0)
    b, c, n = 1209, 1109, 50_000
    draw = rng.multinomial(n, [b / n, c / n, 1 - (b + c) / n], 100_000)
    difference = (draw[:, 0] - draw[:, 1]) / n
    assert np.quantile(difference, [0.025, 0.975]) == pytest.approx(
        np.array(bootstrap_limits(b, c, n)), abs=5e-5
    )
    assert difference.std() == pytest.approx(difference_se(b, c, n), rel=0.01)


def test_bootstrap_of_models_that_always_disagree() -> None:
    """b + c = n leaves only every second value: the law's period is kept."""
    values, law = difference_law(30, 20, 50)
    low = values[np.argmax(np.cumsum(law) >= 0.025)] / 50
    assert bootstrap_limits(30, 20, 50)[0] == pytest.approx(low)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("method", [tango, wald_paired, agresti_min, bootstrap_limits])
def test_wrong_counts_are_refused(method: object) -> None:
    """More disagreements than examples, negative or fractional counts, wrong level."""
    assert callable(method)
    with pytest.raises(BadInput, match=r"b \+ c is larger than n"):
        method(6, 5, 10)
    with pytest.raises(BadInput, match="b must hold whole numbers"):
        method(-1, 5, 10)
    with pytest.raises(BadInput, match="c must hold whole numbers"):
        method(1, 0.5, 10)
    with pytest.raises(BadInput, match="level"):
        method(1, 1, 10, 0)


def test_tests_and_hybrids_refuse_wrong_counts() -> None:
    """The other functions check as well, and name themselves."""
    with pytest.raises(BadInput, match="mcnemar_exact: c must"):
        mcnemar_exact(1, -2)
    with pytest.raises(BadInput, match="mcnemar_midp: b must"):
        mcnemar_midp(1.5, 2)
    with pytest.raises(BadInput, match="difference_se: b"):
        difference_se(6, 6, 10)
    with pytest.raises(BadInput, match="newcombe_paired: d must"):
        newcombe_paired(1, 2, 3, -4)
    with pytest.raises(BadInput, match=r"level.*mover_wilson_paired"):
        mover_wilson_paired(1, 2, 3, 4, 2.0)
