"""Least squares lines, knees, and the models that hold them."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from heldout.errors import BadInput
from heldout.stats.line import Knee, Line, influence, influential_set, knee, ols
from heldout.stats.scale import transform

from .published import CIFAR10, IMAGENET

POINTS = st.integers(0, 100_000).map(
    lambda seed: np.random.default_rng(seed).normal(size=(2, 3 + seed % 20))
)

GOLDEN = [
    # name, scale, slope, intercept, R²
    ("v4", "linear", 1.616628, -0.655094, 0.988704),
    ("v4", "logit", 0.838535, -0.496604, 0.980601),
    ("v4", "probit", 0.951455, -0.398645, 0.983090),
    ("v6", "linear", 1.595183, -0.631843, 0.989749),
    ("v6", "logit", 0.839330, -0.471512, 0.981649),
    ("v6", "probit", 0.949630, -0.381142, 0.983989),
    ("b", "linear", 0.967776, -0.094604, 0.990675),
    ("b", "logit", 0.947367, -0.521977, 0.998575),
    ("b", "probit", 0.952421, -0.316030, 0.998342),
    ("b64", "linear", 1.109752, -0.202632, 0.991331),
    ("b64", "logit", 0.931480, -0.503019, 0.995709),
    ("b64", "probit", 0.968004, -0.327099, 0.995367),
]


def published(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies on the original and on the new test set, best first."""
    if name in ("v4", "v6"):
        orig, v4, v6 = np.array(list(CIFAR10.values())).T
        return orig / 10_000, (v4 / 2021 if name == "v4" else v6 / 2000)
    rows = [v for m, v in IMAGENET.items() if name == "b" or not m.startswith("fv_")]
    val, b = np.array(rows).T
    return val / 50_000, b / 10_000


@pytest.mark.parametrize(("name", "scale", "slope", "intercept", "r2"), GOLDEN)
def test_published_lines(name: str, scale: str, slope: float, intercept: float, r2: float) -> None:
    """The fits of replication.md §2-3: CIFAR-10.1, ImageNetV2 with 67 and with 64 models."""
    x, y = published(name)
    line = ols(transform(scale, x), transform(scale, y))
    assert line.slope == pytest.approx(slope, abs=5.1e-7)
    assert line.intercept == pytest.approx(intercept, abs=5.1e-7)
    assert line.r2 == pytest.approx(r2, abs=5.1e-7)
    assert line.n == x.size


@settings(deadline=None, derandomize=True, max_examples=100)
@given(POINTS)
def test_ols_equals_scipy_and_statsmodels(points: np.ndarray) -> None:
    """Coefficients, errors, R² and residual sd."""
    x, y = points
    line, oracle = ols(x, y), linregress(x, y)
    assert line.slope == pytest.approx(oracle.slope, abs=1e-10)
    assert line.intercept == pytest.approx(oracle.intercept, abs=1e-10)
    assert line.slope_se == pytest.approx(oracle.stderr, rel=1e-8)
    assert line.intercept_se == pytest.approx(oracle.intercept_stderr, rel=1e-8)
    assert line.r2 == pytest.approx(oracle.rvalue**2, abs=1e-10)
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    assert line.residual_sd == pytest.approx(fit.mse_resid**0.5, rel=1e-8)


def test_ols_is_steady_far_from_zero() -> None:
    """A large offset of x and y costs no digits: sums are centred."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    near, far = ols(x, y), ols(x + 1e6, y + 1e6)
    assert far.slope == pytest.approx(near.slope, abs=1e-8)


def test_edges_of_ols() -> None:
    """Two points have no residual sd; constant y has no R²; a Line is immutable."""
    line = ols([0.0, 1.0], [0.0, 2.0])
    assert (line.slope, line.r2, line.n) == (2.0, 1.0, 2)
    assert np.isnan([line.residual_sd, line.slope_se, line.intercept_se]).all()
    flat = ols([0.0, 1.0, 2.0], [0.3, 0.3, 0.3])
    assert flat.slope == 0.0
    assert np.isnan(flat.r2)
    with pytest.raises(AttributeError):
        line.slope = 1.0  # type: ignore[misc]


def test_ols_errors() -> None:
    """Too few points, constant x, infinite values, unlike lengths."""
    with pytest.raises(BadInput, match="at least 2 points"):
        ols([1.0], [1.0])
    with pytest.raises(BadInput, match=r"all 3 values of x are 0\.7"):
        ols([0.7, 0.7, 0.7], [1.0, 2.0, 3.0])
    with pytest.raises(BadInput, match="1 of 2 points are not finite, the first at position 1"):
        ols([0.0, np.inf], [1.0, 2.0])
    with pytest.raises(BadInput, match="vectors of one length"):
        ols([0.0, 1.0], [1.0])


# ---------------------------------------------------------------- knee


def brute_knee(x: np.ndarray, y: np.ndarray, least: int) -> float:
    """The smallest residual sum of squares over all splits between distinct x."""
    order = np.argsort(x)
    x, y = x[order], y[order]
    best = np.inf
    for i in range(least, x.size - least + 1):
        if x[i - 1] < x[i] and x[0] < x[i - 1] and x[i] < x[-1]:
            rss = sum(
                np.polyfit(a, b, 1, full=True)[1].sum() for a, b in ((x[:i], y[:i]), (x[i:], y[i:]))
            )
            best = min(best, rss)
    return float(best)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 10_000))
def test_the_chosen_pivot_is_the_best(seed: int) -> None:
    """Against a fit at every split, also with repeated x."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 30))
    x, y = rng.normal(size=(2, n))
    if seed % 2:
        x = np.round(x, 1)
    found = knee(x, y)
    rss = sum(
        float(np.sum((y[side] - line.intercept - line.slope * x[side]) ** 2))
        for side, line in ((x < found.pivot, found.low), (x > found.pivot, found.high))
    )
    assert rss == pytest.approx(brute_knee(x, y, 3), rel=1e-7, abs=1e-10)
    assert min(found.low.n, found.high.n) >= 3
    assert found.low.n + found.high.n == n
    assert found.r2 == pytest.approx(1 - rss / np.sum((y - y.mean()) ** 2))


def test_a_known_knee_is_found() -> None:
    """Slopes .5 and 3 with the bend at .7, small noise."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 60)
    y = np.where(x < 0.7, 0.5 * x, 0.35 + 3 * (x - 0.7)) + 0.01 * rng.normal(size=60)
    found = knee(x, y)
    assert isinstance(found, Knee)
    assert found.pivot == pytest.approx(0.7, abs=0.03)
    assert found.low.slope == pytest.approx(0.5, abs=0.03)
    assert found.high.slope == pytest.approx(3.0, abs=0.1)


def test_points_at_the_pivot_go_where_told() -> None:
    """neither (default), low, high, both: as the sizes of the sides show."""
    x = np.array([0.0, 1, 2, 3, 4, 5])
    y = np.array([0.0, 1, 1.5, 4, 7, 9])
    sizes = {side: (k.low.n, k.high.n) for side in ("neither", "low", "high", "both")
             for k in [knee(x, y, 3.0, side)]}  # fmt: skip
    assert sizes == {"neither": (3, 2), "low": (4, 2), "high": (3, 3), "both": (4, 3)}
    assert knee(x, y, 3.0).low == ols(x[:3], y[:3])
    assert knee(x, y, 3.0).pivot == 3.0


def test_knee_errors() -> None:
    """No room for two lines, a pivot outside, unknown sides."""
    x, y = np.arange(6.0), np.arange(6.0)
    with pytest.raises(BadInput, match="0 of 6 points lie below the pivot -1"):
        knee(x, y, -1.0)
    with pytest.raises(BadInput, match="lie above"):
        knee(x, y, 4.5)
    with pytest.raises(BadInput, match="no split of 6 points leaves 4"):
        knee(x, y, least=4)
    with pytest.raises(BadInput, match="least must be 2"):
        knee(x, y, least=1)
    with pytest.raises(BadInput, match="use low, high, both or neither"):
        knee(x, y, 3.0, "left")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="at least 4 points"):
        knee(x[:3], y[:3])
    with pytest.raises(BadInput, match="no split"):
        knee([0, 0, 0, 1, 1, 1], y)


# ---------------------------------------------------------------- influence


@settings(deadline=None, derandomize=True, max_examples=80)
@given(POINTS)
def test_influence_is_leaving_each_point_out(points: np.ndarray) -> None:
    """dfbeta against refits, Cook's distance against statsmodels."""
    x, y = points
    dfbeta, cook = influence(x, y)
    slope = ols(x, y).slope
    for i in range(x.size):
        without = ols(np.delete(x, i), np.delete(y, i)).slope
        assert dfbeta[i] == pytest.approx(slope - without, rel=1e-6, abs=1e-8)
    if x.size > 3:
        oracle = sm.OLS(y, sm.add_constant(x)).fit().get_influence().cooks_distance[0]
        assert cook == pytest.approx(oracle, rel=1e-6, abs=1e-10)


def test_influence_edges() -> None:
    """The only point with another x cannot be left out; a perfect line has no Cook's distance."""
    dfbeta, cook = influence([0, 0, 0, 1], [0, 1, 2, 5])
    assert np.isnan([dfbeta[3], cook[3]]).all()
    assert np.isfinite(dfbeta[:3]).all()
    _, cook = influence([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert np.isnan(cook).all()
    dfbeta, _ = influence([0.0, 1.0], [0.0, 1.0])
    assert np.isnan(dfbeta).all()


def test_the_fisher_vector_models_hold_the_imagenet_line() -> None:
    """Without the three fv models the slope goes from .968 to 1.110 (replication.md §3)."""
    x, y = published("b")
    members, slopes = influential_set(x, y)
    assert {list(IMAGENET)[i] for i in members} == {"fv_4k", "fv_16k", "fv_64k"}
    assert slopes[0] == pytest.approx(0.967776, abs=5e-7)
    assert slopes[-1] == pytest.approx(1.109752, abs=5e-7)
    assert members.size == 3
    assert slopes.size == 4


def test_twins_that_hide_one_another_are_found_together() -> None:
    """Two equal outliers: removing one moves little, both much."""
    x = np.append(np.linspace(0, 1, 30), [3.0, 3.0])
    rng = np.random.default_rng(0)
    y = np.append(x[:30] + 0.02 * rng.normal(size=30), [0.5, 0.5])
    members, slopes = influential_set(x, y)
    assert set(members[:2].tolist()) == {30, 31}
    assert slopes[2] == pytest.approx(1.0, abs=0.05)


def test_no_influential_points() -> None:
    """Even noise on a design without leverage: an empty set and the slope alone."""
    x = np.tile([0.0, 1.0], 40)
    y = x + np.tile([0.1, -0.1, -0.1, 0.1], 20)
    members, slopes = influential_set(x, y)
    assert members.size == 0
    assert slopes.tolist() == [ols(x, y).slope]
    assert isinstance(ols(x, y), Line)
    assert influential_set([0, 1, 2, 3], [0, 1, 2, 9])[0].size == 0
