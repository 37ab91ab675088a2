"""`heldout.stats.line`: slopes and bands, with models or examples drawn, or noise on both axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr, stdtrit

from coverage_of.row import Row, Section, held
from heldout.stats.line import (
    band,
    binomial_sd,
    bootstrap_lines,
    deming,
    draw_limits,
    ols,
    resample_examples_lines,
    york,
)
from heldout.stats.scale import transform

Z = 1.959963984540054


def lines_over_models(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(6)
    draws = draws // 10
    grid = np.array([0.0, 0.6, 1.2])
    slope, intercept, scatter = 0.95, -0.3, 0.05
    truth = intercept + slope * grid
    for models in (5, 10, 30, 67):
        hits = np.zeros((draws, 2, 4), bool)
        normal = np.zeros(draws, bool)
        for d in range(draws):
            x = 0.6 + 0.3 * rng.standard_normal(models)
            y = intercept + slope * x + scatter * rng.standard_normal(models)
            line = ols(x, y)
            normal[d] = abs(line.slope - slope) <= stdtrit(models - 2, 0.975) * line.slope_se
            slopes, heights = bootstrap_lines(x, y, rng, 1000)
            for kind, number in enumerate((None, models)):
                hits[d, kind, :3] = held(band(slopes, heights, grid, models=number), truth)
                hits[d, kind, 3] = held(draw_limits(slopes, models=number), slope)
        share = hits.mean(axis=0)
        sizes, words = f"{models} models", "models independent"
        for kind, name in enumerate(("percentiles", "models=m")):
            yield Row(f"bootstrap_lines, slope, {name}", sizes, words, share[kind, 3], draws)
            worst = share[kind, :3].min()
            yield Row(
                f"bootstrap_lines, band at the worst of 3 x, {name}", sizes, words, worst, draws
            )
        yield Row("ols, slope ± t se", sizes, words, normal.mean(), draws)
    words = "families share their residual"
    for families in (10, 20):
        label = np.repeat(np.arange(families), 4)
        hits = np.zeros((draws, 3), bool)
        for d in range(draws):
            x = (0.6 + 0.3 * rng.standard_normal(families))[label]
            x = x + 0.1 * rng.standard_normal(label.size)
            y = intercept + slope * x + (scatter * rng.standard_normal(families))[label]
            y = y + 0.02 * rng.standard_normal(label.size)
            slopes, _ = bootstrap_lines(x, y, rng, 500, families=label)
            hits[d, 0] = held(draw_limits(slopes), slope)
            hits[d, 1] = held(draw_limits(slopes, models=families), slope)
            slopes, _ = bootstrap_lines(x, y, rng, 500)
            hits[d, 2] = held(draw_limits(slopes), slope)
        for position, name in enumerate(
            ("bootstrap_lines by families, slope, percentiles",
             "bootstrap_lines by families, slope, models=families", "(wrong: families ignored)")
        ):  # fmt: skip
            yield Row(name, f"{families} families of 4", words, hits[:, position].mean(), draws)


def lines_over_examples(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(7)
    draws = draws // 25
    grid = np.array([0.3, 0.7, 1.1])
    models, spread = 20, 0.8
    skill = np.linspace(0.25, 1.15, models)
    on_y = 0.95 * skill - 0.3 + 0.04 * np.cos(np.arange(models) * 2.4)
    truth = ols(skill, on_y)
    heights_true = truth.intercept + truth.slope * grid
    for words, nx, ny, overlap, size in (
        ("separate sets", 5000, 1000, 0, 1), ("separate sets", 10_000, 10_000, 0, 1),
        ("all shared (a shift of the same images)", 2000, 2000, 2000, 1),
        ("half shared", 2000, 2000, 1000, 1),
        ("separate sets in clusters of 20", 2000, 2000, 0, 20),
    ):  # fmt: skip
        hits = np.zeros((draws, 2, 4), bool)
        for d in range(draws):
            # P(right) = Φ(skill); how hard an example is, all models feel alike
            hard_x, hard_y = (hardness(rng, n, size) for n in (nx, ny))
            hard_y[:overlap] = hard_x[:overlap]
            right = []
            for hard, at in ((hard_x, skill), (hard_y, on_y)):
                own = rng.standard_normal((models, hard.size), np.float32)
                own *= np.float32(np.sqrt(1 - spread**2))
                right.append(own > -at[:, None].astype(np.float32) - np.float32(spread) * hard)
            fitted = ols(*(transform("probit", r.mean(axis=1)) for r in right))
            index = np.arange(overlap)
            shared = (index, index) if overlap else None
            labels = (
                (np.arange(nx) // size, -1 - np.arange(ny) // size) if size > 1 else (None,) * 2
            )
            slopes, heights = resample_examples_lines(
                *right, "probit", rng, 200, *labels, shared=shared
            )
            for kind, line in enumerate((None, fitted)):
                limits = band(slopes, heights, grid, observed=line)
                hits[d, kind, :3] = held(limits, heights_true)
                at = None if line is None else line.slope
                hits[d, kind, 3] = held(draw_limits(slopes, observed=at), truth.slope)
        share = hits.mean(axis=0)
        sizes = f"20 models, {nx} + {ny}"
        for kind, name in enumerate(("percentiles", "observed=line")):
            yield Row(
                f"resample_examples_lines, slope, {name}", sizes, words, share[kind, 3], draws
            )
            yield Row(f"resample_examples_lines, band at the worst of 3 x, {name}", sizes, words,
                      share[kind, :3].min(), draws)  # fmt: skip


def hardness(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Standard normal hardness of n examples; half its variance is common to a cluster."""
    own = rng.standard_normal(n, np.float32)
    if size == 1:
        return own
    common = np.repeat(rng.standard_normal(n // size, np.float32), size)
    return np.float32(0.5**0.5) * (own + common)


def lines_with_noise(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(8)
    draws = draws // 10
    models, n = 30, 2000
    skill = np.linspace(0.2, 1.3, models)
    for words, scatter in (("no scatter but noise", 0.0), ("scatter .05 besides noise", 0.05)):
        hits = np.zeros((draws, 3), bool)
        for d in range(draws):
            on_y = 0.95 * skill - 0.3 + scatter * rng.standard_normal(models)
            p, q = rng.binomial(n, ndtr(skill)) / n, rng.binomial(n, ndtr(on_y)) / n
            x, y = transform("probit", p), transform("probit", q)
            line, _ = york(x, y, binomial_sd(p, n, "probit"), binomial_sd(q, n, "probit"))
            hits[d, 0] = abs(line.slope - 0.95) <= Z * line.slope_se
            t = stdtrit(models - 2, 0.975)
            line = deming(x, y)
            hits[d, 1] = abs(line.slope - 0.95) <= t * line.slope_se
            line = ols(x, y)
            hits[d, 2] = abs(line.slope - 0.95) <= t * line.slope_se
        sizes = f"30 models, {n} + {n}"
        for position, name in enumerate(("york, slope ± z se", "deming, slope ± t se (jackknife)",
                                         "ols, slope ± t se")):  # fmt: skip
            yield Row(name, sizes, words, hits[:, position].mean(), draws)


SECTIONS = [
    Section(
        "Lines, models drawn",
        "The truth is the line of the population that models are drawn from, "
        "on the probit scale. Plain percentiles, as the papers print them, are too narrow for few "
        "models; `models=m` in `draw_limits` and `band` expands them. Models that come in families "
        "must be resampled by families.",
        lines_over_models,
    ),
    Section(
        "Lines, examples drawn",
        "The truth is the line of these 20 models' true accuracies; 200 draws each (so "
        "few cost about half a point). Noise on x flattens a least squares line, and flattens "
        "each resampled line once more: percentiles double that bias, limits reflected "
        "about the fitted line (`observed=` in `draw_limits` and `band`) take it off.",
        lines_over_examples,
    ),
    Section(
        "Lines with noise on both axes",
        "York with binomial sd by the delta method. Its standard "
        "errors know of sampling noise alone: with real scatter (χ² well above n - 2) they are too "
        "small; then use `deming`, or a bootstrap.",
        lines_with_noise,
    ),
]
