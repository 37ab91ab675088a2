"""Lines with noise on both axes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import ndtr

from heldout.errors import BadInput
from heldout.stats.line import binomial_sd, deming, ols, york
from heldout.stats.scale import transform

from .published import CIFAR10


def noisy(seed: int, n: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points on 1.3 x - .4 with unequal noise on both axes."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(-1, 2, n)
    sx, sy = rng.uniform(0.02, 0.2, n), rng.uniform(0.02, 0.2, n)
    return at + sx * rng.normal(size=n), 1.3 * at - 0.4 + sy * rng.normal(size=n), sx, sy


def chi2(line: np.ndarray, x: np.ndarray, y: np.ndarray, sx: np.ndarray, sy: np.ndarray) -> float:
    """Twice the negative log likelihood after the true points are profiled out."""
    slope, intercept = line
    return float(np.sum((y - intercept - slope * x) ** 2 / (sy**2 + slope**2 * sx**2)))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 100_000))
def test_york_is_the_most_likely_line(seed: int) -> None:
    """Brute-force minimisation finds the same line and chi²."""
    x, y, sx, sy = noisy(seed)
    line, value = york(x, y, sx, sy)
    start = ols(x, y)
    found = minimize(
        chi2, [start.slope, start.intercept], args=(x, y, sx, sy), method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    assert value <= found.fun + 1e-8
    assert line.slope == pytest.approx(found.x[0], abs=1e-5)
    assert line.intercept == pytest.approx(found.x[1], abs=1e-5)
    assert value == pytest.approx(found.fun, abs=1e-8)


def test_york_equals_scipy_odr() -> None:
    """scipy.odr (deprecated, gone in 1.19) agrees on coefficients, and on errors after scaling."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        odr = pytest.importorskip("scipy.odr")
        x, y, sx, sy = noisy(1, 30)
        model = odr.Model(lambda b, v: b[0] * v + b[1])
        fit = odr.ODR(odr.RealData(x, y, sx, sy), model, beta0=[1.0, 0.0]).run()
    line, value = york(x, y, sx, sy)
    assert [line.slope, line.intercept] == pytest.approx(fit.beta, abs=1e-5)
    assert value == pytest.approx(fit.sum_square, rel=1e-6)
    errors = np.sqrt(np.diag(fit.cov_beta))
    assert [line.slope_se, line.intercept_se] == pytest.approx(errors, rel=0.05)


def test_pearsons_data_with_yorks_weights() -> None:
    """York (1966) table: slope -.480533, intercept 5.479911, chi² 11.8663 (York et al. 2004)."""
    x = [0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
    y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
    wx = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
    wy = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])
    line, value = york(x, y, wx**-0.5, wy**-0.5)
    assert line.slope == pytest.approx(-0.480533407, abs=1e-8)
    assert line.intercept == pytest.approx(5.47991022, abs=1e-7)
    assert value == pytest.approx(11.8663531941, abs=1e-7)
    assert line.slope_se == pytest.approx(0.0576, abs=1e-3)
    assert line.intercept_se == pytest.approx(0.2919, abs=4e-3)


def test_york_without_noise_on_x_is_weighted_least_squares() -> None:
    """sx = 0 leaves weights 1/sy²; equal sy leaves least squares."""
    x, y, _, sy = noisy(3)
    line, _ = york(x, y, 0.0, sy)
    slope, intercept = np.polyfit(x, y, 1, w=1 / sy)
    assert (line.slope, line.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert york(x, y, 0.0, 0.1)[0].slope == pytest.approx(ols(x, y).slope)


def test_york_with_equal_noise_is_deming() -> None:
    """Constant sd on both axes: Deming's line with ratio (sy/sx)²."""
    x, y, _, _ = noisy(4)
    line, _ = york(x, y, 0.1, 0.2)
    other = deming(x, y, 4.0)
    assert (line.slope, line.intercept) == (
        pytest.approx(other.slope), pytest.approx(other.intercept)
    )  # fmt: skip
    assert (line.r2, line.residual_sd) == (
        pytest.approx(other.r2), pytest.approx(other.residual_sd)
    )  # fmt: skip


def test_chi2_near_its_degrees_of_freedom_without_scatter() -> None:
    """Binomial noise alone, 40 models on a probit line: chi² is about n - 2."""
    rng = np.random.default_rng(0)
    skill = np.linspace(0.2, 1.4, 40)
    p = rng.binomial(10_000, ndtr(skill)) / 10_000
    q = rng.binomial(2000, ndtr(0.95 * skill - 0.3)) / 2000
    sx, sy = binomial_sd(p, 10_000, "probit"), binomial_sd(q, 2000, "probit")
    line, value = york(transform("probit", p), transform("probit", q), sx, sy)
    assert 20 < value < 60
    assert abs(line.slope - 0.95) < 3 * line.slope_se


def test_published_lines_change_little() -> None:
    """CIFAR-10.1 v4 on probit: within 2 % of least squares, and no scatter besides noise."""
    orig, v4, _ = np.array(list(CIFAR10.values())).T
    p, q = orig / 10_000, v4 / 2021
    x, y = transform("probit", p), transform("probit", q)
    line, value = york(x, y, binomial_sd(p, 10_000, "probit"), binomial_sd(q, 2021, "probit"))
    assert line.slope == pytest.approx(ols(x, y).slope, rel=0.02)
    assert 15 < value < 42


# ---------------------------------------------------------------- Deming


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 100_000), st.sampled_from([0.25, 1.0, 3.0]))
def test_deming_minimises_its_distance(seed: int, ratio: float) -> None:
    """No other slope has a smaller sum of weighted squared distances."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 9))
    line = deming(x, y, ratio)

    def distance(slope: float) -> float:
        return float(np.sum(((y - y.mean()) - slope * (x - x.mean())) ** 2) / (ratio + slope**2))

    for other in np.tan(np.linspace(-1.57, 1.57, 400)):
        assert distance(line.slope) <= distance(other) * (1 + 1e-9)
    assert line.intercept == pytest.approx(y.mean() - line.slope * x.mean(), abs=1e-9)


def test_deming_swaps_with_its_axes() -> None:
    """x on y with ratio 1/r has the inverse slope; rotation by 1 is orthogonal regression."""
    x, y, _, _ = noisy(7)
    assert deming(y, x, 1 / 2.5).slope == pytest.approx(1 / deming(x, y, 2.5).slope)
    _, _, axes = np.linalg.svd(np.column_stack([x - x.mean(), y - y.mean()]))
    assert deming(x, y).slope == pytest.approx(axes[0, 1] / axes[0, 0])


def test_deming_errors_are_the_jackknifes() -> None:
    """Against explicit leave-one-out fits."""
    x, y, _, _ = noisy(8)
    line, n = deming(x, y, 2.0), x.size
    fits = [deming(np.delete(x, i), np.delete(y, i), 2.0) for i in range(n)]
    for name in ("slope", "intercept"):
        pseudo = [n * getattr(line, name) - (n - 1) * getattr(fit, name) for fit in fits]
        assert getattr(line, name + "_se") == pytest.approx(np.std(pseudo, ddof=1) / n**0.5)


# ---------------------------------------------------------------- binomial sd and errors


def test_binomial_sd_is_the_spread_of_transformed_accuracies() -> None:
    """Against simulation on each scale."""
    rng = np.random.default_rng(0)
    p = rng.binomial(10_000, 0.76, 50_000) / 10_000
    for scale in ("linear", "logit", "probit"):
        sd = float(binomial_sd(0.76, 10_000, scale))
        assert transform(scale, p).std() == pytest.approx(sd, rel=0.02)


def test_binomial_sd_edges() -> None:
    """0 and 1: 0 on linear, inf on logit and probit; n = 0: inf; NaN stays."""
    assert binomial_sd([0, 1], 10, "linear").tolist() == [0, 0]
    assert binomial_sd([0, 1], 10, "probit").tolist() == [np.inf, np.inf]
    assert np.isinf(binomial_sd(0.5, 0, "logit"))
    assert np.isnan(binomial_sd(np.nan, 10, "logit"))
    assert binomial_sd([0.5, 0.6], [[10], [20]], "linear").shape == (2, 2)


def test_errors() -> None:
    """Each wrong argument is named."""
    x, y, sx, sy = noisy(0)
    with pytest.raises(BadInput, match="at least 3 points"):
        york(x[:2], y[:2], 0.1, 0.1)
    with pytest.raises(BadInput, match="sx must be finite"):
        york(x, y, np.inf, sy)
    with pytest.raises(BadInput, match="sy must be finite"):
        york(x, y, sx, -sy)
    with pytest.raises(BadInput, match="sx = sy = 0"):
        york(x, y, 0, 0)
    with pytest.raises(BadInput, match="sx has shape"):
        york(x, y, sx[:3], sy)
    with pytest.raises(BadInput, match="x is constant"):
        york(np.ones(5), np.arange(5), 0.1, 0.1)
    with pytest.raises(BadInput, match="ratio must be above 0"):
        deming(x, y, 0)
    with pytest.raises(BadInput, match="constant or x and y do not correlate"):
        deming(np.ones(5), np.arange(5))
    with pytest.raises(BadInput, match="n must hold whole numbers"):
        binomial_sd(0.5, 0.5, "logit")
    with pytest.raises(BadInput, match="no scale 'log'"):
        binomial_sd(0.5, 10, "log")
