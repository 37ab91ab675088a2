"""Lines over resampled models and over resampled examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from heldout.errors import BadInput
from heldout.stats.line import (
    band,
    bootstrap_lines,
    draw_limits,
    ols,
    resample,
    resample_examples_lines,
    units,
)
from heldout.stats.scale import transform

from .test_line_fit import published

GOLDEN = [
    ("v4", "linear", 1.5291, 1.7014), ("v4", "logit", 0.7898, 0.8769),
    ("v4", "probit", 0.8999, 0.9930), ("v6", "linear", 1.5182, 1.6671),
    ("v6", "logit", 0.7928, 0.8746), ("v6", "probit", 0.9009, 0.9871),
    ("b", "linear", 0.9314, 1.1079), ("b", "logit", 0.9307, 0.9613),
    ("b", "probit", 0.9367, 0.9752), ("b64", "linear", 1.0786, 1.1867),
    ("b64", "logit", 0.9209, 0.9470), ("b64", "probit", 0.9551, 0.9908),
]  # fmt: skip


@pytest.mark.parametrize(("name", "scale", "low", "high"), GOLDEN)
def test_published_bootstrap(name: str, scale: str, low: float, high: float) -> None:
    """default_rng(0), 10,000 draws, models best first: the printed digits of replication.md."""
    x, y = published(name)
    x, y = transform(scale, x), transform(scale, y)
    slopes, _ = bootstrap_lines(x, y, np.random.default_rng(0))
    assert draw_limits(slopes) == pytest.approx((low, high), abs=5.1e-5)


@pytest.mark.parametrize("n", [4, 7])
def test_bootstrap_refits_the_rows_of_one_index_matrix(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every draw is polyfit on rng.integers(0, n, (draws, n)), whatever the block size."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, n))
    index = np.random.default_rng(11).integers(0, n, (200, n))
    for block in (1 << 21, 3 * n, 1):
        monkeypatch.setattr(resample, "_ELEMENTS_AT_ONCE", block)
        slopes, intercepts = bootstrap_lines(x, y, np.random.default_rng(11), 200)
        for d, row in enumerate(index):
            if np.unique(x[row]).size == 1:
                assert np.isnan([slopes[d], intercepts[d]]).all()
            else:
                line = ols(x[row], y[row])
                assert slopes[d] == pytest.approx(line.slope, abs=1e-9)
                assert intercepts[d] == pytest.approx(line.intercept, abs=1e-9)


def test_families_are_drawn_whole() -> None:
    """Draws by families equal refits with all members of the drawn families."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 9))
    label = np.array(list("aabbbccdd"))
    slopes, intercepts = bootstrap_lines(x, y, np.random.default_rng(5), 300, families=label)
    index = np.random.default_rng(5).integers(0, 4, (300, 4))
    names = np.unique(label)
    for d, row in enumerate(index):
        members = np.concatenate([np.flatnonzero(label == names[g]) for g in row])
        line = ols(x[members], y[members])
        assert (slopes[d], intercepts[d]) == (
            pytest.approx(line.slope), pytest.approx(line.intercept)
        )  # fmt: skip


def test_families_of_one_are_models() -> None:
    """With every model its own family, in sorted order, the draws are the plain bootstrap's."""
    x, y = np.random.default_rng(1).normal(size=(2, 12))
    plain = bootstrap_lines(x, y, np.random.default_rng(2), 50)
    own = bootstrap_lines(x, y, np.random.default_rng(2), 50, families=np.arange(12))
    assert own[0] == pytest.approx(plain[0])
    assert own[1] == pytest.approx(plain[1])


# ---------------------------------------------------------------- resampled examples


def answers(seed: int, nx: int, ny: int, models: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of models of rising skill; examples' hardness is shared by models."""
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.2, 1.5, models)[:, None]
    x = rng.normal(size=(models, nx)) * 0.7 + rng.normal(size=nx) * 0.7 + skill > 0
    y = rng.normal(size=(models, ny)) * 0.7 + rng.normal(size=ny) * 0.7 + 0.9 * skill - 0.3 > 0
    return x, y


def fit(x: np.ndarray, y: np.ndarray, wx: np.ndarray, wy: np.ndarray, scale: str) -> tuple:
    """The line of weighted accuracies in plain steps, without models at 0 or 1."""
    p, q = (x * wx).sum(axis=1) / wx.sum(), (y * wy).sum(axis=1) / wy.sum()
    keep = (p > 0) & (p < 1) & (q > 0) & (q < 1) if scale != "linear" else np.ones(p.size, bool)
    if np.unique(p[keep]).size < 2:
        return np.nan, np.nan
    line = ols(transform(scale, p[keep]), transform(scale, q[keep]))
    return line.slope, line.intercept


@pytest.mark.parametrize("scale", ["linear", "logit", "probit"])
def test_each_draw_is_a_refit_on_resampled_examples(scale: str) -> None:
    """Draw d: weights of x, then of y, by bincount of integers(0, n, n); then a plain fit."""
    x, y = answers(0, 90, 60)
    slopes, intercepts = resample_examples_lines(x, y, scale, np.random.default_rng(9), 40)
    rng = np.random.default_rng(9)
    for d in range(40):
        wx = np.bincount(rng.integers(0, 90, 90), minlength=90)
        wy = np.bincount(rng.integers(0, 60, 60), minlength=60)
        expected = fit(x, y, wx, wy, scale)
        assert (slopes[d], intercepts[d]) == tuple(
            pytest.approx(v, abs=1e-9, nan_ok=True) for v in expected
        )


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits with one draw at a time."""
    x, y = answers(1, 50, 30)
    whole = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 25)
    monkeypatch.setattr(resample, "_ELEMENTS_AT_ONCE", 1)
    single = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 25)
    assert np.array_equal(whole[0], single[0], equal_nan=True)


def test_shared_examples_are_drawn_together() -> None:
    """The pool of distinct examples is drawn once; a shared one counts in both sets."""
    x, y = answers(2, 80, 70)
    ix, iy = np.array([3, 10, 79]), np.array([0, 69, 5])
    y[:, iy] = x[:, ix]
    slopes, intercepts = resample_examples_lines(
        x, y, "probit", np.random.default_rng(4), 30, shared=(ix, iy)
    )
    unit_y = np.empty(70, int)
    unit_y[iy] = ix
    unit_y[np.setdiff1d(np.arange(70), iy)] = np.arange(80, 147)
    rng = np.random.default_rng(4)
    for d in range(30):
        w = np.bincount(rng.integers(0, 147, 147), minlength=147)
        expected = fit(x, y, w[:80], w[unit_y], "probit")
        assert (slopes[d], intercepts[d]) == tuple(pytest.approx(v, abs=1e-9) for v in expected)


def test_one_set_against_itself_has_no_spread() -> None:
    """All examples shared and all answers equal: every line is y = x."""
    x, _ = answers(3, 200, 10)
    everything = np.arange(200)
    slopes, intercepts = resample_examples_lines(
        x, x, "logit", np.random.default_rng(0), 20, shared=(everything, everything)
    )
    assert slopes == pytest.approx(np.ones(20))
    assert intercepts == pytest.approx(np.zeros(20), abs=1e-12)


def test_clusters_are_drawn_whole() -> None:
    """Clusters of x and y with labels of their own are two pools of clusters."""
    x, y = answers(4, 60, 40)
    cx = np.array([f"x{v}" for v in np.arange(60) // 5])
    cy = np.array([f"y{v}" for v in np.arange(40) // 8])
    slopes, _ = resample_examples_lines(
        x, y, "linear", np.random.default_rng(0), 30, clusters_x=cx, clusters_y=cy
    )
    rng = np.random.default_rng(0)
    order_x, order_y = (np.unique(c, return_inverse=True)[1] for c in (cx, cy))
    for d in range(30):
        wx = np.bincount(rng.integers(0, 12, 12), minlength=12)[order_x]
        wy = np.bincount(rng.integers(0, 5, 5), minlength=5)[order_y]
        assert slopes[d] == pytest.approx(fit(x, y, wx, wy, "linear")[0], abs=1e-9)


def test_a_label_in_both_sets_is_one_cluster() -> None:
    """Classes as clusters: drawn together for x and y; clusters for one set leave y's examples."""
    x, y = answers(5, 60, 30)
    cx, cy = np.arange(60) % 10, np.arange(30) % 10
    slopes, _ = resample_examples_lines(
        x, y, "linear", np.random.default_rng(1), 20, clusters_x=cx, clusters_y=cy
    )
    rng = np.random.default_rng(1)
    for d in range(20):
        w = np.bincount(rng.integers(0, 10, 10), minlength=10)
        assert slopes[d] == pytest.approx(fit(x, y, w[cx], w[cy], "linear")[0], abs=1e-9)
    slopes, _ = resample_examples_lines(x, y, "linear", np.random.default_rng(1), 20, clusters_x=cx)
    rng = np.random.default_rng(1)
    for d in range(20):
        w = np.bincount(rng.integers(0, 10, 10), minlength=10)
        wy = np.bincount(rng.integers(0, 30, 30), minlength=30)
        assert slopes[d] == pytest.approx(fit(x, y, w[cx], wy, "linear")[0], abs=1e-9)


def test_shared_examples_and_clusters_must_agree() -> None:
    """Shared examples in the same clusters are fine; in different ones, an error."""
    x, y = answers(6, 20, 20)
    same = np.arange(20)
    label = np.arange(20) // 4
    with_shared = resample_examples_lines(
        x, y, "linear", np.random.default_rng(0), 5, label, label, (same, same)
    )
    without = resample_examples_lines(x, y, "linear", np.random.default_rng(0), 5, label, label)
    assert np.array_equal(with_shared[0], without[0])
    with pytest.raises(BadInput, match="one cluster in x and another in y"):
        resample_examples_lines(
            x, y, "linear", np.random.default_rng(0), 5, label, label[::-1], (same, same)
        )


def test_models_at_one_are_left_out_of_the_draw() -> None:
    """A model that is always right never enters a logit fit, and does a linear one."""
    x, y = answers(7, 300, 200)
    perfect = np.vstack([x, np.ones((1, 300), bool)]), np.vstack([y, np.ones((1, 200), bool)])
    for scale, equal in (("logit", True), ("linear", False)):
        whole = resample_examples_lines(x, y, scale, np.random.default_rng(0), 10)[0]
        more = resample_examples_lines(*perfect, scale, np.random.default_rng(0), 10)[0]
        assert np.allclose(whole, more) == equal
    nothing = resample_examples_lines(
        np.ones((3, 20)), np.ones((3, 20)), "probit", np.random.default_rng(0), 4
    )
    assert np.isnan(nothing[0]).all()


def test_the_spread_is_that_of_new_test_sets() -> None:
    """The sd over draws equals the sd of the fitted slope over fresh test sets, within 25 %."""
    fresh = []
    for seed in range(150):
        x, y = answers(1000 + seed, 1500, 800)
        fresh.append(ols(*(transform("probit", v.mean(axis=1)) for v in (x, y))).slope)
    x, y = answers(0, 1500, 800)
    slopes, _ = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 400)
    assert slopes.std() == pytest.approx(np.std(fresh), rel=0.25)


def test_float64_takes_over_where_float32_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 2^24 in a pool the sums are float64; both give the same lines bit for bit."""
    x, y = answers(8, 200, 100)
    single = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 20)
    made = units.units_of(x, y, None, None, None)
    assert {part.right.dtype for part in made} == {np.dtype(np.float32)}
    monkeypatch.setattr(units, "_EXACT", 50)
    made = units.units_of(x, y, None, None, None)
    assert {part.right.dtype for part in made} == {np.dtype(np.float64)}
    double = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 20)
    assert np.array_equal(single[0], double[0])
    assert np.array_equal(single[1], double[1])


# ---------------------------------------------------------------- limits and bands


def test_band_is_pointwise_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against numpy's quantiles of every line's height; NaN draws are left out; blocks too."""
    rng = np.random.default_rng(0)
    slopes, intercepts = rng.normal(size=(2, 500))
    grid = np.linspace(-1, 1, 23)
    heights = intercepts[:, None] + slopes[:, None] * grid
    expected = np.quantile(heights, [0.025, 0.975], axis=0)
    nan = np.full(3, np.nan)
    got = band(np.append(slopes, nan), np.append(intercepts, nan), grid)
    assert got == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    monkeypatch.setattr("heldout.stats.line.limits._ELEMENTS_AT_ONCE", 1)
    assert np.array_equal(band(slopes, intercepts, grid)[0], got[0])
    assert draw_limits(slopes) == tuple(
        pytest.approx(v) for v in np.quantile(slopes, [0.025, 0.975])
    )


def test_expanded_tails() -> None:
    """models = m uses the tail Φ(sqrt(m/(m-2)) t): wider, and plain percentiles as m grows."""
    slopes = np.random.default_rng(0).normal(size=20_000)
    tail = ndtr((10 / 8) ** 0.5 * stdtrit(8, 0.025))
    assert draw_limits(slopes, models=10) == tuple(
        pytest.approx(v) for v in np.quantile(slopes, [tail, 1 - tail])
    )
    widths = [np.diff(draw_limits(slopes, models=m))[0] for m in (5, 10, 30, 1000, 10**7)]
    assert np.all(np.diff(widths) < 0)
    assert widths[-1] == pytest.approx(np.diff(draw_limits(slopes))[0], rel=1e-3)


def test_reflection_about_the_observed_line() -> None:
    """observed mirrors the limits: 2 b - high, 2 b - low, at each x of a band too."""
    rng = np.random.default_rng(0)
    slopes, intercepts = rng.normal(1, 0.1, 400), rng.normal(0, 0.1, 400)
    low, high = draw_limits(slopes)
    assert draw_limits(slopes, observed=1.2) == (
        pytest.approx(2.4 - high), pytest.approx(2.4 - low)
    )  # fmt: skip
    line = ols([0.0, 1.0, 2.0], [0.1, 1.0, 2.1])
    grid = np.array([0.0, 0.5])
    plain, mirrored = band(slopes, intercepts, grid), band(slopes, intercepts, grid, observed=line)
    at = line.intercept + line.slope * grid
    assert mirrored[0] == pytest.approx(2 * at - plain[1])
    assert mirrored[1] == pytest.approx(2 * at - plain[0])


# ---------------------------------------------------------------- errors


def test_bootstrap_errors() -> None:
    """Constant x, no draws, wrong families."""
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="x is constant"):
        bootstrap_lines([1.0, 1.0], [1.0, 2.0], rng)
    with pytest.raises(BadInput, match="draws must be 1 or more"):
        bootstrap_lines([1.0, 2.0], [1.0, 2.0], rng, 0)
    with pytest.raises(BadInput, match="one family for each of the 2 models"):
        bootstrap_lines([1.0, 2.0], [1.0, 2.0], rng, families=["a"])
    with pytest.raises(BadInput, match="one family only"):
        bootstrap_lines([1.0, 2.0], [1.0, 2.0], rng, families=["a", "a"])


def test_resample_errors() -> None:
    """Shapes, values, scales, shared indices and clusters are checked by name."""
    rng = np.random.default_rng(0)
    x, y = answers(0, 10, 8)

    def refuses(words: str, *args: object, **kwargs: object) -> None:
        with pytest.raises(BadInput, match=words):
            resample_examples_lines(*args, rng, 5, **kwargs)  # type: ignore[arg-type, misc]

    refuses("no scale 'log'", x, y, "log")
    refuses("same two or more models", x, y[:3], "linear")
    refuses("same two or more models", x[:1], y[:1], "linear")
    refuses("correct_x must be models by examples", x[0], y, "linear")
    refuses("correct_y must hold only 0 and 1", x, y * 2, "linear")
    refuses("clusters_x must label each of 10", x, y, "linear", clusters_x=[1, 2])
    refuses("clusters_y must label each of 8", x, y, "linear", clusters_x=[1] * 10, clusters_y=[1])
    refuses("outside 0 … 9", x, y, "linear", shared=([10], [0]))
    refuses("outside 0 … 7", x, y, "linear", shared=([0], [-1]))
    refuses("names an example of x twice", x, y, "linear", shared=([1, 1], [0, 1]))
    refuses("two vectors of one length", x, y, "linear", shared=([1, 2], [0]))
    refuses("clusters for both", x, y, "linear", shared=([1], [0]), clusters_x=[1] * 10)
    with pytest.raises(BadInput, match="draws must be 1"):
        resample_examples_lines(x, y, "linear", rng, 0)


def test_limit_errors() -> None:
    """No draw, wrong shapes, too few models, level."""
    with pytest.raises(BadInput, match="no draw has a line"):
        band([np.nan], [np.nan], [0.0])
    with pytest.raises(BadInput, match="no draw has a line"):
        draw_limits([np.nan])
    with pytest.raises(BadInput, match="vectors of one length"):
        band([1.0, 2.0], [1.0], [0.0])
    with pytest.raises(BadInput, match="must be a vector"):
        draw_limits([[1.0]])
    with pytest.raises(BadInput, match="3 or more models"):
        draw_limits([1.0, 2.0], models=2)
    with pytest.raises(BadInput, match="level"):
        band([1.0], [1.0], [0.0], 95)
