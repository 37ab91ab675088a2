"""Effective robustness (accuracy beyond the line) and relative robustness (against a base)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies, correctness, pick_models
from heldout.analysis.fits import shared_examples
from heldout.analysis.lacking import how_many, named, only, why_missing
from heldout.analysis.line import fit_population, knee_facts, knee_of, predict, predict_knee
from heldout.analysis.pairs import all_pairs
from heldout.analysis.population import select
from heldout.errors import BadInput, not_found
from heldout.stats.difference import mover_difference
from heldout.stats.line import band
from heldout.stats.paired import tango
from heldout.stats.proportion import clopper_pearson
from heldout.stats.scale import SCALES, inverse, transform
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


def robustness(
    store: Store,
    x: str,
    y: str,
    *,
    population: str | None = None,
    models: Sequence[str] | None = None,
    scale: str = "probit",
    metric: str = "top-1",
    level: float = 0.95,
    seed: int = 0,
    families: str | None = None,
    pivot: str | None = None,
    mine_y: str | None = None,
) -> Table:
    """Effective robustness of every model (or of `models`) against the line of a population.

    The interval combines, by MOVER, the model's own sampling error on y (Clopper-Pearson) with
    the error of the prediction, which itself combines the line's (models resampled) with the
    sampling error of x. mine_y: take the models' own y from this setting instead (another copy
    of the same test set). Raises NotFound or BadInput.
    """
    if scale not in SCALES:
        raise not_found("scale", scale, SCALES, "heldout")
    names = [store.resolve(x), store.resolve(y)]
    cells = accuracies(store, names, metric)
    members = select(store, cells, population)
    f = fit_population(store, cells, members, scale, level, seed, families, examples=False)
    two = knee_of(cells, f, pivot) if pivot is not None else None
    mine = accuracies(store, [names[0], store.resolve(mine_y or y)], metric)
    if models is not None:
        mine = mine.keep(pick_models(mine.models, models, "these settings", mine.lacking))
    there = np.asarray(~np.isnan(mine.value).any(axis=1))
    gone = [m for m, t in zip(mine.models, there, strict=True) if not t]
    mine = mine.keep([m for m, t in zip(mine.models, there, strict=True) if t])
    if not mine.models:
        short = why_missing(only(mine.lacking, models))
        raise BadInput(
            f"No model has an accuracy on both '{names[0]}' and '{mine.settings[1]}'."
            f" {short}".rstrip()
        )
    xs, ys = mine.value[:, 0], mine.value[:, 1]
    predicted = predict(f, xs) if two is None else predict_knee(two, scale, xs)
    limits = _predicted_limits(f, mine, predicted, level) if two is None else None
    low, high = _combined(mine, predicted, limits, level)
    if two is not None:
        low, high = np.full(len(ys), np.nan), np.full(len(ys), np.nan)
    own = [_exact(mine, j, level) for j in (0, 1)]
    order = np.argsort(-(ys - predicted), kind="stable")
    notes = [*mine.notes, *f.notes]
    if gone:
        notes.append(f"Left out, as one of the two accuracies is missing:"
                     f" {how_many(len(gone), 'model')} ({named(gone)}).")  # fmt: skip
    if two is not None:
        notes.append("With a knee there is no interval: the error of its place is not known.")
    if both := _shared(store, names, mine, metric):
        notes.append(f"{both} examples are in both settings; the intervals treat the two as"
                     " independent and are too wide.")  # fmt: skip
    facts: dict[str, Any] = {
        "x": names[0], "y": mine.settings[1], "scale": scale, "slope": f.line.slope,
        "intercept": f.line.intercept, "r2": f.line.r2, "n": f.line.n,
    }  # fmt: skip
    if two is not None:
        facts["knee"] = knee_facts(two, scale)
    table = Table(
        f"Effective robustness on {mine.settings[1]} given {names[0]} ({scale} scale)",
        (
            Column("model", "text", mine.models, "the model"),
            Column("x", "fraction", xs, f"accuracy on {names[0]}", ("x_low", "x_high")),
            Column("x_low", "fraction", own[0][0], "lower limit"),
            Column("x_high", "fraction", own[0][1], "upper limit"),
            Column("y", "fraction", ys, f"accuracy on {mine.settings[1]}", ("y_low", "y_high")),
            Column("y_low", "fraction", own[1][0], "lower limit"),
            Column("y_high", "fraction", own[1][1], "upper limit"),
            Column("predicted", "fraction", predicted, "accuracy on y that the line predicts"),
            Column("effective_robustness", "points", ys - predicted, "y minus predicted",
                   ("er_low", "er_high")),
            Column("er_low", "points", low, "lower limit"),
            Column("er_high", "points", high, "upper limit"),
            Column("in_population", "bool", [m in set(f.models) for m in mine.models],
                   "whether the line was fitted to it", wide=True),
            Column("n", "int", [None if n < 0 else int(n) for n in mine.n[:, 1]], "examples of y",
                   wide=True),
        ),
    ).take(order)  # fmt: skip
    return Table(
        table.title,
        table.columns,
        notes=tuple(notes),
        verdict=(_sentence(table, f.line.n, level),),
        facts=facts,
        choices={
            "scale": scale,
            "population": population or "all models with both accuracies",
            "interval": f"MOVER: Clopper-Pearson on y, Clopper-Pearson on x through the line, and"
            f" the line's band with models resampled (widened for their number); level {level:g}",
        },
    )


def _predicted_limits(
    f: Any, mine: Cells, predicted: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Limits of the predicted accuracy: the line's band and x's own error, combined by MOVER."""
    xs = mine.value[:, 0]
    z = transform(f.scale, np.clip(xs, 1e-12, 1 - 1e-12) if f.scale != "linear" else xs)
    # Widened for the number of models: plain percentiles of few models cover too little.
    ends_of_band = band(f.slopes, f.intercepts, z, level, models=f.line.n)
    low, high = (inverse(f.scale, v) for v in ends_of_band)
    known = mine.n[:, 0] > 0
    x_low, x_high = xs.copy(), xs.copy()
    x_low[known], x_high[known] = clopper_pearson(mine.k[known, 0], mine.n[known, 0], level)
    ends = np.sort(np.stack([predict(f, x_low), predict(f, x_high)]), axis=0)
    down = np.hypot(predicted - low, predicted - ends[0])
    up = np.hypot(high - predicted, ends[1] - predicted)
    return predicted - down, predicted + up


def _shared(store: Store, names: Sequence[str], mine: Cells, metric: str) -> int:
    """How many examples two settings with predictions have in common."""
    if not mine.examples.all():
        return 0
    x, y = (correctness(store, s, metric, mine.models[:1]) for s in names)
    both = shared_examples(x, y)
    return 0 if both is None else len(both[0])


def _exact(mine: Cells, j: int, level: float) -> tuple[FloatArray, FloatArray]:
    """Exact limits of one setting's accuracies; NaN where counts are unknown."""
    low = np.full(len(mine.models), np.nan)
    high = low.copy()
    known = mine.n[:, j] > 0
    low[known], high[known] = clopper_pearson(mine.k[known, j], mine.n[known, j], level)
    return low, high


def _combined(
    mine: Cells,
    predicted: FloatArray,
    limits: tuple[FloatArray, FloatArray] | None,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    ys = mine.value[:, 1]
    y_low, y_high = _exact(mine, 1, level)
    p_low, p_high = limits if limits is not None else (predicted, predicted)
    value = ys - predicted
    return (
        value - np.hypot(ys - y_low, p_high - predicted),
        value + np.hypot(y_high - ys, predicted - p_low),
    )


def _sentence(table: Table, n: int, level: float) -> str:
    low, high = table["er_low"], table["er_high"]
    above, below = int((low > 0).sum()), int((high < 0).sum())
    if np.isnan(low).all():
        return f"Against the line of {n} models; no intervals, so nothing is said of single models."
    return (
        f"Against the line of {n} models, {above} of {how_many(len(table), 'model')}"
        f" {'is more robust than its' if above == 1 else 'are more robust than their'} accuracy"
        f" predicts and {below} less (intervals at level {level:g}, each on its own;"
        " no correction for looking at many)."
    )


def relative_robustness(
    store: Store,
    pairs: Sequence[tuple[str, str]],
    settings: Sequence[str],
    *,
    metric: str = "top-1",
    level: float = 0.95,
) -> Table:
    """Accuracy of a model with an intervention minus that of its base model, per setting.

    pairs: (model, base). The interval is Tango's where both have per-example predictions, else
    MOVER for independent samples (wider than it need be: the examples are the same). Raises
    NotFound for unknown names.
    """
    names = [store.resolve(s) for s in settings]
    cells = accuracies(store, names, metric)
    rows: list[tuple[str, str, str, float, float, float, str]] = []
    for model, base in pairs:
        pick_models(cells.models, (model, base), "these settings", cells.lacking)
        i, b = cells.models.index(model), cells.models.index(base)
        for j, setting in enumerate(names):
            low, high, how = _pair_limits(store, cells, (i, b, j), level)
            rows.append((model, base, setting, float(cells.value[i, j] - cells.value[b, j]),
                         low, high, how))  # fmt: skip
    return Table(
        "Relative robustness",
        (
            Column("model", "text", [r[0] for r in rows], "the model with the intervention"),
            Column("base", "text", [r[1] for r in rows], "its base model"),
            Column("setting", "text", [r[2] for r in rows], "the setting"),
            Column("relative_robustness", "points", [r[3] for r in rows], "model minus base",
                   ("low", "high")),
            Column("low", "points", [r[4] for r in rows], "lower limit"),
            Column("high", "points", [r[5] for r in rows], "upper limit"),
            Column("method", "text", [r[6] for r in rows], "how the interval was made", wide=True),
        ),
        notes=cells.notes,
        choices={"interval": f"Tango where paired, else MOVER (independent), level {level:g}"},
    )  # fmt: skip


def _pair_limits(
    store: Store, cells: Cells, at: tuple[int, int, int], level: float
) -> tuple[float, float, str]:
    i, b, j = at
    if cells.examples[i, j] and cells.examples[b, j]:
        names = [cells.models[i], cells.models[b]]
        seen = correctness(store, cells.settings[j], cells.metric, names)
        pair = all_pairs(seen.right)
        low, high = tango(pair.b, pair.c, pair.n, level)
        return float(low[0]), float(high[0]), "Tango, paired"
    if cells.n[i, j] > 0 and cells.n[b, j] > 0:
        low, high = mover_difference(
            cells.k[i, j], cells.n[i, j], cells.k[b, j], cells.n[b, j], level
        )
        return float(low), float(high), "MOVER, as if independent"
    return float("nan"), float("nan"), "no counts"
