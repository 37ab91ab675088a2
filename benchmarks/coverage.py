"""How often each interval of heldout.stats covers the truth: `python benchmarks/coverage.py`.

Every row takes a truth, draws (or enumerates) test sets from it, and asks how often the nominal
95 % interval holds it. `--write docs/coverage.md` writes the page, `--draws` sets the number of
simulated test sets for the cheap rows (the dear ones take a fixed share of it). Seeded: the same
numbers each time. Limit: enumeration is bound by the incomplete beta function, simulation by
random numbers; about a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtr, stdtrit, xlogy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from heldout.stats.cluster import cluster_interval
from heldout.stats.difference import (
    miettinen_nurminen,
    mover_difference,
    nested_drop,
    overlap_correlation,
)
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
from heldout.stats.multiple import holm
from heldout.stats.paired import (
    agresti_min,
    bootstrap_limits,
    mcnemar_exact,
    mcnemar_midp,
    mover_wilson_paired,
    newcombe_paired,
    tango,
    wald_paired,
)
from heldout.stats.proportion import clopper_pearson, mean_per_class, wilson
from heldout.stats.rank import rank_intervals
from heldout.stats.scale import transform
from heldout.stats.similarity import similarity_bound, union_bound

NOMINAL = 0.95
Z = 1.959963984540054


class Row(NamedTuple):
    """One measured coverage; draws is None where the sum is exact."""

    method: str
    n: str
    truth: str
    covered: float
    draws: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20_000, help="simulated test sets a row")
    parser.add_argument("--write", type=Path, help="the Markdown page to write")
    options = parser.parse_args()
    tables: list[tuple[str, str, list[Row]]] = []
    for title, words, make in SECTIONS:
        started = time.perf_counter()
        rows = list(make(options.draws))
        tables.append((title, words, rows))
        print(f"{title}: {len(rows)} rows, {time.perf_counter() - started:.1f} s", flush=True)
    page = render(tables, options.draws)
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    else:
        print(page)


# ---------------------------------------------------------------- exact laws


def binomial(n: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """The counts that matter (all but about 1e-12 of the mass) and their probabilities."""
    reach = 7.5 * np.sqrt(n * p * (1 - p)) + 25
    k = np.arange(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return k, np.exp(log + xlogy(k, p) + xlogy(n - k, 1 - p))


def trinomial(n: int, plus: float, minus: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(b, c) that matter and their joint probabilities."""
    b, weight_b = binomial(n, plus)
    cells = []
    for first, weight in zip(b, weight_b, strict=True):
        c, weight_c = binomial(n - int(first), minus / (1 - plus))
        keep = weight * weight_c > 1e-13
        cells.append((np.full(keep.sum(), first), c[keep], (weight * weight_c)[keep]))
    return tuple(np.concatenate(part) for part in zip(*cells, strict=True))


def held(limits: tuple[np.ndarray, ...], truth: np.ndarray | float) -> np.ndarray:
    low, high = limits[-2], limits[-1]
    return (low <= truth + 1e-12) & (truth - 1e-12 <= high)


# ---------------------------------------------------------------- sections


def proportions(draws: int) -> Iterator[Row]:
    del draws
    for name, method in (("clopper_pearson", clopper_pearson), ("wilson", wilson)):
        for n, p in [(100, 0.5), (100, 0.9), (100, 0.99), (2000, 0.93), (2000, 0.999),
                     (10_000, 0.63), (50_000, 0.76), (50_000, 0.999)]:  # fmt: skip
            k, weight = binomial(n, p)
            yield Row(name, f"{n}", f"p = {p}", weight @ held(method(k, n), p))
        worst = min(
            (float(weight @ held(method(k, 100), p)), p)
            for p in np.linspace(0.001, 0.999, 999)
            for k, weight in [binomial(100, p)]
        )
        yield Row(name, "100", f"the worst of 999 p: {worst[1]:.3f}", worst[0])
    for drop in (0.15, 0.01):
        k, weight = binomial(1109, drop)
        covered = weight @ held(nested_drop(900, 900 - k, 1109), drop)
        yield Row("nested_drop", "1109", f"drop {drop}", covered)


def mover_wilson_classes(k: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rejected interval for a mean over classes: MOVER over Wilson limits."""
    low, high = wilson(k, n)
    p, classes = k / n, n.shape[-1]
    value = p.mean(axis=-1)
    return (
        value - np.sqrt(((p - low) ** 2).sum(axis=-1)) / classes,
        value + np.sqrt(((high - p) ** 2).sum(axis=-1)) / classes,
    )


def classes(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(1)
    draws = draws // 5
    v4 = np.array([208, 212, 202, 212, 204, 218, 192, 210, 161, 202])
    cases = [
        ("1000 × 10", np.full(1000, 10), 0.63, 2.5),
        ("1000 × 50", np.full(1000, 50), 0.76, 4.0),
        ("1000 × 50, no spread", np.full(1000, 50), 0.76, 1e6),
        ("100 × 5", np.full(100, 5), 0.95, 20.0),
        ("10 of 161 … 218", v4, 0.85, 30.0),
        ("10 of 161 … 218", v4, 0.99, 300.0),
        ("5 of 1000, 500, 100, 20, 5", np.array([1000, 500, 100, 20, 5]), 0.8, 10.0),
        ("200 of 1 … 100 (1/rank)", np.maximum(100 // np.arange(1, 201), 1), 0.7, 5.0),
        ("20 of 2", np.full(20, 2), 0.8, 5.0),
    ]
    for words, size, mean, strength in cases:
        p = rng.beta(mean * strength, (1 - mean) * strength, size.size)
        k = rng.binomial(size, p, (draws, size.size))
        covered = held(mean_per_class(k, size), p.mean()).mean()
        yield Row("mean_per_class", words, f"mean {p.mean():.3f}", covered, draws)
        covered = held(mover_wilson_classes(k, size), p.mean()).mean()
        yield Row("(rejected: MOVER of Wilson)", words, f"mean {p.mean():.3f}", covered, draws)


PAIRED = [(100, 0.11, 0.0), (100, 0.11, 0.07), (100, 0.02, 0.0), (100, 0.02, 0.018),
          (1000, 0.1, 0.02), (10_000, 0.02, 0.002), (10_000, 0.1, 0.01)]  # fmt: skip


def paired(draws: int) -> Iterator[Row]:
    methods: list[tuple[str, Callable]] = [
        ("tango", tango), ("agresti_min", agresti_min), ("wald_paired", wald_paired),
        ("bootstrap_limits", bootstrap_limits),
    ]  # fmt: skip
    for name, method in methods:
        for n, psi, delta in PAIRED:
            b, c, weight = trinomial(n, (psi + delta) / 2, (psi - delta) / 2)
            covered = weight @ held(method(b, c, n), delta)
            yield Row(name, f"{n}", f"ψ = {psi}, δ = {delta}", covered)
    rng = np.random.default_rng(2)
    for name, four in (
        ("newcombe_paired", newcombe_paired), ("mover_wilson_paired", mover_wilson_paired)
    ):  # fmt: skip
        for n, psi, delta in PAIRED:
            share = np.array(
                [0.7 * (1 - psi), (psi + delta) / 2, (psi - delta) / 2, 0.3 * (1 - psi)]
            )
            cells = rng.multinomial(n, share, 5 * draws).T
            covered = held(four(*cells), delta).mean()
            yield Row(name, f"{n}", f"ψ = {psi}, δ = {delta}", covered, 5 * draws)
    for name, test in (("mcnemar_exact", mcnemar_exact), ("mcnemar_midp", mcnemar_midp)):
        for n, psi in ((100, 0.11), (100, 0.02), (1000, 0.1), (10_000, 0.1)):
            b, c, weight = trinomial(n, psi / 2, psi / 2)
            yield Row(f"{name}: p > .05", f"{n}", f"ψ = {psi}, δ = 0", weight @ (test(b, c) > 0.05))


def differences(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(3)
    for name, method in (
        ("mover_difference, r = 0", mover_difference), ("miettinen_nurminen", miettinen_nurminen)
    ):  # fmt: skip
        for n1, n2, p1, p2 in [(100, 100, 0.9, 0.8), (100, 100, 0.99, 0.97), (200, 50, 0.7, 0.7)]:
            (k1, w1), (k2, w2) = binomial(n1, p1), binomial(n2, p2)
            covered = w1 @ held(method(k1[:, None], n1, k2, n2), p1 - p2) @ w2
            yield Row(name, f"{n1}, {n2}", f"p = {p1}, {p2}", covered)
        for n1, n2, p1, p2 in [(10_000, 2021, 0.97, 0.93), (50_000, 10_000, 0.76, 0.63)]:
            k1, k2 = rng.binomial(n1, p1, draws), rng.binomial(n2, p2, draws)
            covered = held(method(k1, n1, k2, n2), p1 - p2).mean()
            yield Row(name, f"{n1}, {n2}", f"p = {p1}, {p2}", covered, draws)
    for words, total, kinds, right in [
        # kinds: in set 1 only, in both, in set 2 only; right: P(right) there, (1, 2) in both
        ("one model", 17_000, (0.41, 0.18, 0.41), (0.80, (0.7, 0.0, 0.0), 0.60)),
        ("one model", 1_700, (0.41, 0.18, 0.41), (0.80, (0.7, 0.0, 0.0), 0.60)),
        ("two models", 1_700, (0.41, 0.18, 0.41), (0.80, (0.6, 0.1, 0.05), 0.60)),
        ("two models, all shared", 2_000, (0.0, 1.0, 0.0), (0.5, (0.7, 0.06, 0.04), 0.5)),
    ]:
        one, two = overlapping(rng, draws, total, kinds, right)
        names = f"{total} in all, {kinds[1]:.0%} shared"
        yield Row("mover_difference, r of the overlap", names, words, one, draws)
        yield Row("(wrong: r = 0)", names, words, two, draws)


def overlapping(
    rng: np.random.Generator,
    draws: int,
    total: int,
    kinds: tuple[float, float, float],
    right: tuple[float, tuple[float, float, float], float],
) -> tuple[float, float]:
    """Coverage with the overlap's correlation and with none, for p1 - p2 on overlapping sets."""
    only1, (both, first, second), only2 = right
    probability = [
        kinds[0] * only1, kinds[0] * (1 - only1),
        *(kinds[1] * v for v in (both, first, second, 1 - both - first - second)),
        kinds[2] * only2, kinds[2] * (1 - only2),
    ]  # fmt: skip
    cell = rng.multinomial(total, probability, draws).T
    shared = cell[2:6].sum(axis=0)
    n1, n2 = cell[0] + cell[1] + shared, shared + cell[6] + cell[7]
    k1, k2 = cell[0] + cell[2] + cell[3], cell[6] + cell[2] + cell[4]
    p1, p2 = k1 / n1, k2 / n2
    product = (
        cell[2] * (1 - p1) * (1 - p2) - cell[3] * (1 - p1) * p2 - cell[4] * p1 * (1 - p2)
        + cell[5] * p1 * p2
    )  # fmt: skip
    r = overlap_correlation(n1, n2, shared, p1, p2, product / shared)
    inside = kinds[0] + kinds[1], kinds[2] + kinds[1]
    truth = (kinds[0] * only1 + kinds[1] * (both + first)) / inside[0]
    truth -= (kinds[2] * only2 + kinds[1] * (both + second)) / inside[1]
    return (
        float(held(mover_difference(k1, n1, k2, n2, correlation=r), truth).mean()),
        float(held(mover_difference(k1, n1, k2, n2), truth).mean()),
    )


def clusters(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(4)
    draws = draws // 5
    for sizes, words in ((20, "20 each"), ((5, 10, 15, 20, 50), "5 … 50")):
        for number in (5, 10, 30, 100):
            size = np.resize(sizes, number)
            label = np.repeat(np.arange(number), size)
            for p, rho in ((0.8, 0.1), (0.95, 0.1), (0.99, 0.1), (0.99, 0.5)):
                strength = (1 - rho) / rho
                rate = rng.beta(p * strength, (1 - p) * strength, (draws, number))
                y = (rng.random((draws, label.size), np.float32) < rate[:, label]).astype(float)
                for method in ("effective", "t"):
                    covered = held(cluster_interval(y, label, method=method)[:3], p).mean()
                    yield Row(f"cluster_interval, {method}", f"{number} clusters of {words}",
                              f"p = {p}, ICC {rho}", covered, draws)  # fmt: skip
    for number in (10, 30):
        label = np.repeat(np.arange(number), 20)
        for psi, delta in ((0.1, 0.04), (0.02, 0.0)):
            share = np.array([psi + delta, psi - delta, 2 - 2 * psi]) / 2
            rate = rng.dirichlet(share * 9, (draws, number))[:, label]
            u = rng.random((draws, label.size))
            y = (u < rate[..., 0]) * 1.0 - (u > 1 - rate[..., 1]) * 1.0
            for method in ("effective", "t"):
                limits = cluster_interval(y, label, bounds=(-1, 1), method=method)[:3]
                covered = held(limits, delta).mean()
                yield Row(f"cluster_interval, {method}, paired", f"{number} clusters of 20 each",
                          f"ψ = {psi}, δ = {delta}, ICC .1", covered, draws)  # fmt: skip


def ranks(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(5)
    draws = draws // 10
    models = 8
    i, j = np.triu_indices(models, 1)
    for words, skill in (
        ("8 equal models", np.zeros(models)),
        ("8 models .5 points apart", np.arange(models) * 0.0145),
        ("4 pairs of equals", np.repeat(np.arange(4) * 0.05, 2)),
    ):
        n, ok, careless = 2000, 0, 0
        above = skill[:, None] > skill
        true_best, true_worst = 1 + above.sum(axis=0), models - above.sum(axis=1)
        for _ in range(draws):
            hard = rng.standard_normal(n, np.float32)
            noise = rng.standard_normal((models, n), np.float32)
            right = (skill[:, None] + 0.6 + 0.8 * hard + 0.6 * noise > 0).astype(np.float32)
            both = (right @ right.T)[i, j]
            k = right.sum(axis=1)
            b, c = k[i] - both, k[j] - both
            p = mcnemar_exact(b, c)
            for family, value in (("holm", holm(p)), ("none", p)):
                better = np.zeros((models, models), bool)
                better[i, j] = (value <= 0.05) & (b > c)
                better[j, i] = (value <= 0.05) & (b < c)
                best, worst = rank_intervals(better)
                inside = bool(np.all((best <= true_best) & (true_worst <= worst)))
                ok, careless = (
                    ok + (inside and family == "holm"),
                    careless + (inside and family == "none"),
                )
        yield Row("rank_intervals of Holm's, all models at once", "2000", words, ok / draws, draws)
        yield Row("(wrong: no family)", "2000", words, careless / draws, draws)


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


def bounds(draws: int) -> Iterator[Row]:
    del draws
    for k in (1, 100, 10_000):
        n, p = 10_000, 0.8
        count, weight = binomial(n, p)
        inside = weight @ (np.abs(count / n - p) <= union_bound(n, k))
        yield Row("union_bound", f"{n}", f"{k} independent models of p = {p}", inside**k)
    n, k, c, eta = 10_000, 1000, 10, 0.01
    count, weight = binomial(n, 0.8)
    b, cc, joint = trinomial(n, eta / 2, eta / 2)
    gap = np.abs(b - cc) / n
    width = float(similarity_bound(n, k, c, eta))
    first = np.sqrt(np.log(4 * c / 0.05) / (2 * n))
    both = (weight @ (np.abs(count / n - 0.8) <= first)) ** c * (
        joint @ (gap <= width - first)
    ) ** k
    yield Row("similarity_bound (at least)", f"{n}", "1000 models near 10, η = .01", float(both))


SECTIONS: list[tuple[str, str, Callable[[int], Iterator[Row]]]] = [
    ("One proportion", "`clopper_pearson` is the default: never below 95 %. `wilson` is near 95 % "
     "on average over p, below it at some p near 0 and 1. `nested_drop` is Clopper-Pearson's.",
     proportions),
    ("Mean per class", "`mean_per_class` is Clopper-Pearson with an effective size (Korn and "
     "Graubard), conservative where classes differ, since equal stratification only narrows the "
     "law. A sum of Wilson intervals per class (MOVER), tried first, misses too often with "
     "few examples a class: the limits of all classes err to the same side.", classes),
    ("Two models, the same examples", "ψ is the discordance, δ the difference. `tango` is the "
     "default; `mover_wilson_paired` and `newcombe_paired` are near it; `wald_paired` and "
     "`bootstrap_limits` (the exact law of the percentile bootstrap) miss a small difference "
     "between models that rarely disagree. The McNemar rows give the share of p-values above .05 "
     "when both models are equally good. Wald, Agresti-Min, Tango and the bootstrap depend on "
     "b, c, n alone and are summed exactly; the others are simulated with 70 % of the agreements "
     "right.", paired),
    ("Two test sets", "Independent sets: `mover_difference` with correlation 0, or "
     "`miettinen_nurminen`. Overlapping sets: `mover_difference` with `overlap_correlation`; "
     "without it the interval is too wide for positive correlation.", differences),
    ("Clusters", "`cluster_interval`'s default \"effective\" and the plain t interval; ICC is the "
     "intra-cluster correlation, clusters' accuracies drawn from a beta law (paired: Dirichlet).",
     clusters),
    ("Ranks", "All rank intervals at once: exact McNemar for all pairs, Holm, then "
     "`rank_intervals`. Without a family's correction they hold for no level.", ranks),
    ("Lines, models drawn", "The truth is the line of the population that models are drawn from, "
     "on the probit scale. Plain percentiles, as the papers print them, are too narrow for few "
     "models; `models=m` in `draw_limits` and `band` expands them. Models that come in families "
     "must be resampled by families.", lines_over_models),
    ("Lines, examples drawn", "The truth is the line of these 20 models' true accuracies; 200 "
     "draws each (so few cost about half a point). Noise on x flattens a least squares line, and "
     "flattens each resampled line once more: percentiles double that bias, limits reflected "
     "about the fitted line (`observed=` in `draw_limits` and `band`) take it off.",
     lines_over_examples),
    ("Lines with noise on both axes", "York with binomial sd by the delta method. Its standard "
     "errors know of sampling noise alone: with real scatter (χ² well above n - 2) they are too "
     "small; then use `deming`, or a bootstrap.", lines_with_noise),
    ("Bounds for many models", "The share of test sets on which all models' accuracies lie within "
     "the bound; bounds are conservative by design. The similarity row multiplies its two parts "
     "as if independent.", bounds),
]  # fmt: skip


# ---------------------------------------------------------------- the page


def render(tables: list[tuple[str, str, list[Row]]], draws: int) -> str:
    lines = [
        "# Coverage of every interval",
        "",
        "How often a nominal 95 % interval of `heldout.stats` holds the truth. Made by",
        "`python benchmarks/coverage.py --write docs/coverage.md` (seeded, about a minute on one",
        f'core, --draws {draws}); do not edit by hand. "exact sum" rows enumerate every outcome',
        "that matters (they leave out less than 1e-8 of the mass); the others say their",
        "Monte-Carlo standard error. Rows in parentheses are methods that the package does not",
        "offer, for comparison.",
        "",
        "## Where it falls short",
        "",
        "Methods with a row more than 1 point, and more than 3 standard errors, below 95 %:",
        "",
        "| method | worst | where | such rows |",
        "| --- | --- | --- | --- |",
        *shortfalls([row for _, _, rows in tables for row in rows]),
    ]
    for title, words, rows in tables:
        lines += ["", f"## {title}", "", words, "",
                  "| method | n | truth | nominal | measured | error |",
                  "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        lines += [
            f"| {row.method} | {row.n} | {row.truth} | 95 % | {100 * row.covered:.2f} % | "
            f"{f'± {100 * error(row):.2f}' if row.draws else 'exact sum'} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def shortfalls(rows: list[Row]) -> Iterator[str]:
    """A line of the summary for each offered method that falls short somewhere."""
    for method in dict.fromkeys(row.method for row in rows if not row.method.startswith("(")):
        own = [row for row in rows if row.method == method]
        low = [row for row in own if short(row)]
        if low:
            worst = min(low, key=lambda row: row.covered)
            yield (
                f"| {method} | {100 * worst.covered:.1f} % | {worst.n}; {worst.truth} | "
                f"{len(low)} of {len(own)} |"
            )


def error(row: Row) -> float:
    return (
        float(np.sqrt(max(row.covered * (1 - row.covered), 1e-9) / row.draws)) if row.draws else 0
    )


def short(row: Row) -> bool:
    return row.covered < NOMINAL - max(0.01, 3 * error(row))


if __name__ == "__main__":
    main()
