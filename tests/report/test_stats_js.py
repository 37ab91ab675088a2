"""The page's statistics are the package's: Node's numbers against NumPy's and SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heldout.stats.line import band, bootstrap_lines, ols
from heldout.stats.proportion import clopper_pearson
from heldout.stats.scale import SCALES, inverse, transform

Node = Callable[[str, Any], Any]

P = [1e-12, 1e-6, 0.001, 0.0249, 0.07499, 0.075, 0.3, 0.5, 0.7613, 0.925, 0.999, 1 - 1e-9]
COUNTS = [
    (0, 1), (1, 1), (0, 10), (10, 10), (1, 10), (3, 7), (38065, 50000), (44161, 50000),
    (1, 50000), (49999, 50000), (0, 50889), (5000, 5000), (199_999, 200_000), (1392, 2021),
]  # fmt: skip


@pytest.mark.parametrize("scale", SCALES)
def test_scales_are_those_of_scipy(node: Node, scale: str) -> None:
    found = node(
        f"return given.map((p) => heldout.stats.transform('{scale}', p));", P
    )  # fmt: skip
    np.testing.assert_allclose(found, transform(scale, P), rtol=1e-12)
    z = np.linspace(-8, 8, 201)
    back = node(f"return given.map((z) => heldout.stats.inverse('{scale}', z));", z.tolist())
    np.testing.assert_allclose(back, inverse(scale, z), rtol=1e-11)


def test_the_ends_of_the_probit_scale_are_infinite(node: Node) -> None:
    assert node("return [0, 1].map((p) => String(heldout.stats.ndtri(p)));", None) == [
        "-Infinity",
        "Infinity",
    ]


@pytest.mark.parametrize("level", [0.8, 0.95, 0.995])
def test_intervals_are_exact(node: Node, level: float) -> None:
    found = node(
        f"return given.map(([k, n]) => heldout.stats.clopperPearson(k, n, {level}));", COUNTS
    )
    k, n = np.array(COUNTS).T
    np.testing.assert_allclose(
        found, np.transpose(clopper_pearson(k, n, level)), atol=1e-12, rtol=0
    )


def test_the_line_is_the_package_s(node: Node) -> None:
    x, y = _cloud(40)
    found = node("return heldout.stats.ols(given.x, given.y);", {"x": x, "y": y})
    line = ols(x, y)
    assert found["n"] == 40
    assert found["slope"] == pytest.approx(line.slope, abs=1e-12)
    assert found["intercept"] == pytest.approx(line.intercept, abs=1e-12)
    assert found["r2"] == pytest.approx(line.r2, abs=1e-12)
    assert node("return heldout.stats.ols([1, 1], [2, 3]);", None) is None


def test_the_band_agrees_with_the_package_s(node: Node) -> None:
    """Another generator, so within the error of 1,000 draws; the same draws twice are the same."""
    x, y = _cloud(40)
    grid = np.linspace(min(x), max(x), 9)
    body = """const lines = heldout.stats.resampledLines(given.x, given.y, 1000, "seed");
      const again = heldout.stats.resampledLines(given.x, given.y, 1000, "seed");
      const other = heldout.stats.resampledLines(given.x, given.y, 1000, "seed2");
      return {band: heldout.stats.band(lines, given.grid, 0.95),
        same: JSON.stringify(lines) === JSON.stringify(again),
        differs: JSON.stringify(lines) !== JSON.stringify(other), without: lines.without};"""
    found = node(body, {"x": x, "y": y, "grid": grid.tolist()})
    low, high = band(*bootstrap_lines(x, y, np.random.default_rng(0), 20_000), grid)
    width = high - low
    assert found["same"]
    assert found["differs"]
    assert found["without"] == 0
    for got, want in (("low", low), ("high", high)):
        values = np.array([row[got] for row in found["band"]])
        assert np.all(np.abs(values - want) < 0.15 * width)


def test_draws_are_even(node: Node) -> None:
    body = """const below = heldout.stats.generator("any"); const seen = Array(10).fill(0);
      for (let i = 0; i < 100000; i++) seen[below(10)] += 1; return seen;"""
    seen = np.array(node(body, None))
    assert np.sum((seen - 10_000) ** 2 / 10_000) < 30  # chi-square, 9 degrees: 30 is beyond 0.0005


def test_quantiles_are_numpy_s(node: Node) -> None:
    values = np.random.default_rng(1).normal(size=57)
    for q in (0.0, 0.025, 0.5, 0.975, 1.0):
        found = node(f"return heldout.stats.quantile(given, {q});", values.tolist())
        assert found == pytest.approx(np.quantile(values, q), abs=1e-15)


def _cloud(n: int) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(3)
    x = rng.normal(0.5, 0.4, n)
    return x.tolist(), (0.95 * x - 0.3 + rng.normal(0, 0.05, n)).tolist()
