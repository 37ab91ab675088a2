"""Quantiles of beta laws against 40 digits; scipy is no oracle here, it is at times wrong."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, betaincc, betainccinv, betaincinv

from heldout.stats.beta import lower_quantile, upper_quantile
from heldout.stats.proportion import beta_limits

TAILS = [0.25, 0.1, 0.025, 0.0025, 1e-4, 5e-8]
# numerators and denominators of B_2k / (2k (2k - 1))
STIRLING = [(1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156)]
STIRLING += [(-3617, 122400), (43867, 244188), (-174611, 125400), (77683, 5796)]
PI = Decimal("3.1415926535897932384626433832795028841972")


def log_gamma(a: Decimal) -> Decimal:
    """To 28 digits from 30 on."""
    series = sum(Decimal(p) / q / a ** (2 * i + 1) for i, (p, q) in enumerate(STIRLING))
    return (a - Decimal("0.5")) * a.ln() - a + (2 * PI).ln() / 2 + series


def tail_and_density(a: float, b: float, x: Decimal) -> tuple[Decimal, Decimal]:
    """P(X <= x) of X ~ beta(a, b) and its density at x, left of the mean: a continued fraction."""
    p, q = Decimal(a), Decimal(b)
    constant = log_gamma(p + q) - log_gamma(p) - log_gamma(q)
    density = (constant + (p - 1) * x.ln() + (q - 1) * (1 - x).ln()).exp()
    c, d = Decimal(1), 1 / (1 - (p + q) * x / (p + 1))
    fraction, m = d, 0
    while abs(c * d - 1) > Decimal("1e-30") or m < 2:
        m += 1
        for term in (
            m * (q - m) * x / ((p + 2 * m - 1) * (p + 2 * m)),
            -(p + m) * (p + q + m) * x / ((p + 2 * m) * (p + 2 * m + 1)),
        ):
            c, d = 1 + term / c, 1 / (1 + term * d)
            fraction *= c * d
    return density * x * (1 - x) * fraction / p, density


def check(a: float, b: float, tail: float) -> None:
    """Both quantiles within 2e-15 and 1e-12 of x, the tails to 1e-12 or to the last bits of x."""
    a, b = float(a), float(b)
    low = float(lower_quantile(np.array(a), np.array(b), tail))
    high = float(upper_quantile(np.array(b), np.array(a), tail))
    with localcontext() as context:
        context.prec = 40
        # the high end of beta(b, a) is one minus the low end of beta(a, b)
        for value, x in ((low, Decimal(low)), (high, 1 - Decimal(high))):
            reached, density = tail_and_density(a, b, x)
            off = float(abs(reached - Decimal(tail)) / density)
            assert off < 2e-15, (a, b, tail)
            assert off < 1e-12 * value, (a, b, tail)
            rounding = 4.0 * float(density) * np.spacing(value)
            assert abs(float(reached) - tail) < 1e-12 * tail + rounding, (a, b, tail)


@pytest.mark.parametrize("tail", TAILS)
def test_a_grid_against_40_digits(tail: float) -> None:
    """Sizes of 60 to 10^7, lopsided and even, and the parameter that Boost trips over."""
    for size in (60, 1000, 50_000, 10_000_000):
        for share in (0.0, 0.001, 0.1, 0.5, 0.76, 1.0):
            a = min(max(round(size * share), 30), size - 30)
            check(a, size - a, tail)
    check(20_175, 1000, tail)
    check(1000, 174_854, tail)


logs = st.floats(np.log(30.0), np.log(1e7))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(logs, logs, st.booleans(), st.sampled_from(TAILS))
def test_any_cell_against_40_digits(one: float, other: float, whole: bool, tail: float) -> None:
    """Counts, and effective sizes that are none."""
    a, b = np.exp([one, other])
    check(*(max(round(v), 30) if whole else v for v in (a, b)), tail)


@pytest.mark.parametrize(
    ("a", "b", "tail", "x"),
    [
        (20_175, 1000, 0.25, 0.9517992033957627961),
        (174_854, 1000, 0.0025, 0.9937972323644785688),
        (30, 30, 0.025, 0.3749825497349764398),
        (44_161, 5840, 0.025, 0.8803727079701200094),
        (5_000_000, 5_000_001, 0.025, 0.4996900525213710894),
        (30, 9_999_971, 5e-8, 9.254046268008758754e-7),
        (9_999_971, 30, 0.005, 0.9999954024189944144),
    ],
)
def test_values_of_mpmath(a: float, b: float, tail: float, x: float) -> None:
    """mpmath at 45 digits; for the first two scipy 1.17 says .8748 and .9844."""
    assert lower_quantile(np.array(a), np.array(b), tail) == pytest.approx(x, rel=5e-15, abs=0)


def test_the_rest_is_scipys() -> None:
    """Few counts, and tails that the quadrature or the start was not made for."""
    a, b = np.meshgrid(np.r_[1.0, 2.5, 12.0, 29.99], np.r_[0.5, 30.0, 1e4, 1e6])
    np.testing.assert_array_equal(lower_quantile(a, b, 0.025), betaincinv(a, b, 0.025))
    np.testing.assert_array_equal(upper_quantile(a, b, 0.025), betainccinv(a, b, 0.025))
    a, b = np.full(3, 80.0), np.array([30.0, 500.0, 1e5])
    np.testing.assert_array_equal(lower_quantile(a, b, 1e-12), betaincinv(a, b, 1e-12))


@pytest.mark.parametrize("tail", [0.5 - 1e-9, 0.4999, 0.49, 0.4, 0.3, 1e-7, 1e-8, 9e-9, 1e-11])
def test_every_tail_is_reached(tail: float) -> None:
    """Across the hand-overs to scipy, next to the mean and far out."""
    a, b = np.meshgrid(np.r_[20.0:40.0, 100.0, 1e4], np.r_[25.0:35.0, 300.0, 1e5])
    assert betainc(a, b, lower_quantile(a, b, tail)) == pytest.approx(tail, rel=1e-10)
    assert betaincc(a, b, upper_quantile(a, b, tail)) == pytest.approx(tail, rel=1e-7)


def test_same_bits_in_any_batch() -> None:
    """A cell's limits do not depend on the cells beside it, nor on how they lie in memory."""
    rng = np.random.default_rng(0)
    n = rng.choice([100.0, 2000.0, 50_000.0], (37, 11))
    k = rng.binomial(n.astype(int), 0.8).astype(float)
    whole = np.stack(beta_limits(k, n, 0.95))
    np.testing.assert_array_equal(np.stack(beta_limits(k[::3, ::2], n[::3, ::2], 0.95)),
                                  whole[:, ::3, ::2])  # fmt: skip
    alone = [beta_limits(k[i], n[i], 0.95) for i in np.ndindex(k.shape)]
    np.testing.assert_array_equal(np.array(alone).T.reshape(whole.shape), whole)


def test_limits_rise_across_the_hand_over() -> None:
    """From scipy's cells to these and back, strictly."""
    k = np.arange(0.0, 100_001.0)
    for limits in beta_limits(k, np.full_like(k, 100_000.0), 0.95):
        assert np.all(np.diff(limits) > 0.0)
