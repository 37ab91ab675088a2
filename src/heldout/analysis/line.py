"""The line: accuracy on y against accuracy on x over a baseline population."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies, correctness
from heldout.analysis.fits import (
    EXAMPLE_DRAWS,
    MODEL_DRAWS,
    Fit,
    examples_resampled,
    families_of,
    fit,
    fit_table,
)
from heldout.analysis.lacking import how_many, only, why_missing
from heldout.analysis.population import select
from heldout.errors import BadInput, not_found
from heldout.stats.line import Knee, binomial_sd, knee, york
from heldout.stats.proportion import clopper_pearson
from heldout.stats.scale import SCALES, inverse, transform
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


def line(
    store: Store,
    x: str,
    y: str,
    *,
    scale: str = "probit",
    population: str | None = None,
    metric: str = "top-1",
    level: float = 0.95,
    seed: int = 0,
    families: str | None = None,
    noise: bool = False,
    pivot: str | None = None,
) -> Table:
    """The fit over a population, and where every model stands against it.

    population: an SQL condition; families: a metadata column whose values are resampled whole;
    noise: also an errors-in-variables fit (York) that knows both test sets' sampling errors;
    pivot: 'auto', a fraction or a model's name: two lines that part at that x. Facts hold slope,
    intercept and R² with both kinds of interval. Raises NotFound or BadInput.
    """
    if scale not in SCALES:
        raise not_found("scale", scale, SCALES, "heldout")
    cells = _both(store, x, y, metric)
    members = select(store, cells, population)
    if not members:
        raise BadInput(
            f"No model meets the condition {population!r}; nothing to fit. Accuracies are fractions"
            " (0.9, not 90)."
        )
    f = fit_population(store, cells, members, scale, level, seed, families)
    low, high = f.slope_limits()
    a_low, a_high = f.intercept_limits()
    e_low, e_high = f.example_limits()
    facts: dict[str, Any] = {
        "x": cells.settings[0], "y": cells.settings[1], "scale": scale,
        "slope": f.line.slope, "slope_low": low, "slope_high": high,
        "intercept": f.line.intercept, "intercept_low": a_low, "intercept_high": a_high,
        "r2": f.line.r2, "residual_sd": f.line.residual_sd, "n": f.line.n,
        "slope_examples_low": e_low, "slope_examples_high": e_high,
        "left_out": [{"model": m, "reason": r} for m, r in f.left_out],
    }  # fmt: skip
    notes = [*cells.notes, *f.notes]
    if f.example_slopes is None:
        notes.append("No per-example predictions on both settings: no band from examples.")
    if noise:
        facts["errors_in_variables"] = _york(cells, f)
    predicted = predict(f, cells.value[:, 0])
    if pivot is not None:
        two = knee_of(cells, f, pivot)
        facts["knee"] = knee_facts(two, scale)
        predicted = predict_knee(two, scale, cells.value[:, 0])
    return Table(
        f"{cells.settings[1]} against {cells.settings[0]} ({scale} scale)",
        _columns(cells, predicted, set(f.models), level),
        notes=tuple(notes),
        verdict=(_sentence(facts, population), *_more_sentences(facts)),
        facts=facts,
        choices={
            "scale": scale,
            "population": population or "all models with both accuracies",
            "fit": "ordinary least squares on the transformed accuracies",
            "band, models": f"{'families' if families else 'models'} resampled,"
            f" {MODEL_DRAWS:,} draws, seed {seed}, level {level:g}",
            "band, examples": f"examples of both sets resampled jointly, {EXAMPLE_DRAWS:,} draws",
        },
        parts={"fits": fit_table([f])},
    )


def _both(store: Store, x: str, y: str, metric: str) -> Cells:
    names = [store.resolve(x), store.resolve(y)]
    if names[0] == names[1]:
        raise BadInput(f"x and y are the same setting, '{names[0]}'.")
    cells = accuracies(store, names, metric)
    if np.isnan(cells.value).all(axis=0).any():
        j = int(np.isnan(cells.value).all(axis=0).argmax())
        short = why_missing(only(cells.lacking, settings=[names[j]]))
        raise BadInput(f"No model has a {metric} accuracy on '{names[j]}'. {short}".rstrip())
    return cells


def fit_population(
    store: Store,
    cells: Cells,
    members: list[str],
    scale: str,
    level: float,
    seed: int,
    families: str | None = None,
    *,
    examples: bool = True,
) -> Fit:
    """The fit over some models of two settings.

    examples: resample them too, where all models have them on both settings.
    """
    some = cells.keep(members)
    drawn = None
    if examples and some.examples.all() and len(members) > 2:
        x, y = (correctness(store, s, cells.metric, some.models) for s in cells.settings)
        drawn = examples_resampled(some.models, x, y, seed)
    try:
        return fit(
            some.models,
            some.value[:, 0],
            some.value[:, 1],
            scale,
            drawn,
            level=level,
            seed=seed,
            families=families_of(store, some.models, families),
        )
    except BadInput as error:
        everyone = set(members) == set(cells.models)
        if short := only(cells.lacking, None if everyone else members):
            raise BadInput(f"{error} {why_missing(short)}") from None
        raise


def predict(f: Fit, x: FloatArray) -> FloatArray:
    """Accuracy on y that the line predicts from accuracy on x, as fractions; NaN where missing."""
    return inverse(f.scale, f.line.intercept + f.line.slope * _finite(f.scale, x))


def _finite(scale: str, x: FloatArray) -> FloatArray:
    """x on the scale; 0 and 1 go far out instead of to infinity, missing stays missing."""
    return transform(scale, np.clip(x, 1e-12, 1 - 1e-12) if scale != "linear" else x)


def knee_of(cells: Cells, f: Fit, pivot: str) -> Knee:
    """Two lines that part at a pivot: a model's x, a fraction, or the best split ('auto')."""
    some = cells.keep(f.models)
    u, v = (transform(f.scale, some.value[:, j]) for j in (0, 1))
    if pivot == "auto":
        return knee(u, v)
    if pivot in cells.models:
        at = float(cells.value[cells.models.index(pivot), 0])
        # The model that defines the pivot belongs to neither line, as in the testbed.
        own = f.models.index(pivot) if pivot in f.models else None
        where = float(u[own]) if own is not None else float(_finite(f.scale, np.array([at]))[0])
        return knee(u, v, where, "neither")
    try:
        return knee(u, v, float(_finite(f.scale, np.array([float(pivot)]))[0]), "high")
    except ValueError:
        raise not_found("pivot", pivot, ["auto", *cells.models], "these models") from None


def predict_knee(two: Knee, scale: str, x: FloatArray) -> FloatArray:
    """What the two lines predict; a model at the pivot belongs to the upper one."""
    z = _finite(scale, x)
    low = two.low.intercept + two.low.slope * z
    high = two.high.intercept + two.high.slope * z
    return inverse(scale, np.where(z < two.pivot, low, high))


def knee_facts(two: Knee, scale: str) -> dict[str, Any]:
    """The two lines as plain values."""
    return {
        "pivot": float(inverse(scale, np.array([two.pivot]))[0]),
        **{
            side: {"slope": part.slope, "intercept": part.intercept, "r2": part.r2, "n": part.n}
            for side, part in (("low", two.low), ("high", two.high))
        },
    }


def _york(cells: Cells, f: Fit) -> dict[str, float]:
    some = cells.keep(f.models)
    if (some.n <= 0).any():
        raise BadInput("An errors-in-variables fit needs counts (k and n) of every model.")
    u, v = (transform(f.scale, some.value[:, j]) for j in (0, 1))
    sd = [binomial_sd(some.value[:, j], some.n[:, j], f.scale) for j in (0, 1)]
    found, chi2 = york(u, v, *sd)
    return {"slope": found.slope, "intercept": found.intercept, "slope_se": found.slope_se,
            "chi2": chi2, "df": found.n - 2}  # fmt: skip


def _columns(
    cells: Cells, predicted: FloatArray, members: set[str], level: float
) -> tuple[Column, ...]:
    columns = [Column("model", "text", cells.models, "the model")]
    for j, word in enumerate("xy"):
        low = np.full(len(cells.models), np.nan)
        high = low.copy()
        known = cells.n[:, j] > 0
        low[known], high[known] = clopper_pearson(cells.k[known, j], cells.n[known, j], level)
        columns += [
            Column(word, "fraction", cells.value[:, j], f"accuracy on {cells.settings[j]}",
                   (f"{word}_low", f"{word}_high")),
            Column(f"{word}_low", "fraction", low, "lower limit"),
            Column(f"{word}_high", "fraction", high, "upper limit"),
            Column(f"{word}_n", "int", [None if n < 0 else int(n) for n in cells.n[:, j]],
                   "examples", wide=True),
        ]  # fmt: skip
    columns += [
        Column("predicted", "fraction", predicted, "accuracy on y that the line predicts"),
        Column("residual", "points", cells.value[:, 1] - predicted, "y minus predicted"),
        Column("in_population", "bool", [m in members for m in cells.models],
               "whether the line was fitted to it", wide=True),
    ]  # fmt: skip
    order = np.argsort(-np.nan_to_num(cells.value[:, 0], nan=-1), kind="stable")
    return Table("", tuple(columns)).take(order).columns


def _sentence(facts: dict[str, Any], population: str | None) -> str:
    over = f"the {how_many(facts['n'], 'model')}" + (f" with {population}" if population else "")
    text = (
        f"Over {over}, {facts['scale']} scale: y = {facts['slope']:.4f} x"
        f" {facts['intercept']:+.4f}, R² {facts['r2']:.4f}; slope"
        f" [{facts['slope_low']:.4f}, {facts['slope_high']:.4f}] when models are resampled"
    )
    if facts["slope_examples_low"] == facts["slope_examples_low"]:
        text += (
            f", [{facts['slope_examples_low']:.4f}, {facts['slope_examples_high']:.4f}] when"
            " examples are"
        )
    return text + "."


def _more_sentences(facts: dict[str, Any]) -> list[str]:
    """The errors-in-variables fit and the knee, where they were asked for."""
    said = []
    if york_fit := facts.get("errors_in_variables"):
        said.append(
            f"Errors in both variables (York): slope {york_fit['slope']:.4f} (standard error"
            f" {york_fit['slope_se']:.4f}), intercept {york_fit['intercept']:+.4f}, chi²"
            f" {york_fit['chi2']:.1f} on {york_fit['df']} degrees of freedom (far above them the"
            " models scatter more than their test sets' sizes explain, and the error is too small)."
        )
    if two := facts.get("knee"):
        parts = "; ".join(
            f"{side} slope {two[side]['slope']:.4f}, intercept {two[side]['intercept']:+.4f}, R²"
            f" {two[side]['r2']:.4f}, {how_many(two[side]['n'], 'model')}"
            for side in ("low", "high")
        )
        said.append(f"Two lines that part at {100 * two['pivot']:.2f} % on x: {parts}.")
    return said
