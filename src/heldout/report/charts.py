"""Vega-Lite specifications of the paper figures: a column wide, legible, for colour-blind readers.

Sizes are points (1/72 inch): 238 is the width of a column of 3.3 inches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heldout.analysis.fits import Fit
from heldout.analysis.lacking import how_many
from heldout.report.ticks import label, ticks
from heldout.stats.arguments import FloatArray
from heldout.stats.line import band
from heldout.stats.scale import transform
from heldout.table import Table

COLUMN = 238
INK, MUTED, GRID = "#1a1a1a", "#5a5a5a", "#e3e3e3"
# Okabe and Ito (2008), outlines darkened; the last is for everything else.
FILLS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#a6adb6")
STROKES = ("#00466e", "#8a5a00", "#00553e", "#8a3f68", "#1f6f9e", "#8a3c00", "#7a7300", "#5f6873")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down",
          "triangle-right", "circle")  # fmt: skip
CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74",
           "#c3b369", "#e1cc55", "#fee838")  # fmt: skip

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What a scatter plot shows: names of the axes, accuracies with limits, family of each model.

    x, y: (m,) fractions; x_limits, y_limits: (2, m), NaN where there are no counts.
    """

    x_name: str
    y_name: str
    x: FloatArray
    y: FloatArray
    x_limits: FloatArray
    y_limits: FloatArray
    family: Sequence[str] | None


def scatter(points: Points, fit: Fit | None, scale: str, metric: str) -> Spec:
    """Models as marks with intervals, the line with its band, y = x."""
    x, y = transform(scale, points.x), transform(scale, points.y)
    shown = np.isfinite(x) & np.isfinite(y)
    dx, dy = _range(x[shown], scale), _range(y[shown], scale)
    at_x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": dx, "nice": False, "zero": False},
        "axis": _axis(f"{points.x_name} ({metric})", scale, dx, 195, 24),
    }
    at_y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": dy, "nice": False, "zero": False},
        "axis": _axis(f"{points.y_name} ({metric})", scale, dy, 165, 15),
    }
    ends = [min(dx[0], dy[0]), max(dx[1], dy[1])]
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": v, "y": v} for v in ends]},
            "mark": {"type": "line", "stroke": MUTED, "strokeDash": [3, 2], "strokeWidth": 0.8,
                     "clip": True},
            "encoding": {"x": at_x, "y": at_y},
        }
    ]  # fmt: skip
    if fit is not None:
        layers += _line(fit, dx, at_x, at_y)
    layers += _crosses(points, scale, shown, at_x, at_y)
    layers.append(_marks(points, x, y, shown, at_x, at_y))
    if fit is not None:
        layers.append(_note(fit))
    fit_in = {"type": "fit", "contains": "padding"}
    return {"width": COLUMN, "height": 204, "autosize": fit_in, "layer": layers,
            "config": _config()}  # fmt: skip


def _line(fit: Fit, dx: Sequence[float], at_x: Spec, at_y: Spec) -> list[Spec]:
    grid = np.linspace(dx[0], dx[1], 60)
    low, high = band(fit.slopes, fit.intercepts, grid, fit.level)
    edge = [{"x": g, "low": a, "high": b} for g, a, b in zip(grid, low, high, strict=True)]
    line = [{"x": g, "y": fit.line.intercept + fit.line.slope * g} for g in dx]
    return [
        {
            "data": {"values": _plain(edge)},
            "mark": {"type": "area", "fill": INK, "opacity": 0.18, "clip": True},
            "encoding": {"x": at_x, "y": at_y | {"field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": _plain(line)},
            "mark": {"type": "line", "stroke": INK, "strokeWidth": 1, "clip": True},
            "encoding": {"x": at_x, "y": at_y},
        },
    ]


def _crosses(
    points: Points, scale: str, shown: np.ndarray[Any, Any], at_x: Spec, at_y: Spec
) -> list[Spec]:
    """Intervals of both accuracies as thin rules."""
    ends = [
        np.clip(transform(scale, limits), -9, 9) for limits in (points.x_limits, points.y_limits)
    ]
    x, y = transform(scale, points.x), transform(scale, points.y)
    rows = [
        {"x": x[i], "y": y[i], "xl": ends[0][0, i], "xh": ends[0][1, i], "yl": ends[1][0, i],
         "yh": ends[1][1, i]}
        for i in np.flatnonzero(shown & np.isfinite(ends[0][0]) & np.isfinite(ends[1][0]))
    ]  # fmt: skip
    mark = {"type": "rule", "stroke": MUTED, "strokeWidth": 0.4, "opacity": 0.6, "clip": True}
    data = {"values": _plain(rows)}
    across = {"x": at_x | {"field": "xl"}, "x2": {"field": "xh"}, "y": at_y}
    along = {"x": at_x, "y": at_y | {"field": "yl"}, "y2": {"field": "yh"}}
    return [{"data": data, "mark": mark, "encoding": e} for e in (across, along)] if rows else []


def _marks(
    points: Points,
    x: FloatArray,
    y: FloatArray,
    shown: np.ndarray[Any, Any],
    at_x: Spec,
    at_y: Spec,
) -> Spec:
    family = points.family or ["models"] * len(x)
    at = [int(i) for i in np.flatnonzero(shown)]
    words, places = legend([family[i] for i in at])
    rows = [{"x": x[i], "y": y[i], "word": words.get(family[i], "other")}
            for i in at]  # fmt: skip
    names = list(dict.fromkeys(words.values()))
    columns = max(1, min(4, int(COLUMN / (3.7 * max(map(len, names), default=1) + 18))))

    def by(values: Sequence[str]) -> Spec:
        return {
            "field": "word", "type": "nominal",
            "scale": {"domain": names, "range": [values[places[n]] for n in names]},
            "legend": None
            if len(names) < 2
            else {"title": None, "orient": "top", "columns": columns},
        }  # fmt: skip

    return {
        "data": {"values": _plain(rows)},
        "mark": {"type": "point", "filled": True, "size": 16, "strokeWidth": 0.4, "opacity": 0.85,
                 "clip": True},
        "encoding": {"x": at_x, "y": at_y, "shape": by(SHAPES), "fill": by(FILLS),
                     "stroke": by(STROKES)},
    }  # fmt: skip


def legend(family: Sequence[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Families in order of size: the word for each in the legend, and the place of each word.

    >>> legend(["a", "b", "b"])
    ({'b': 'b', 'a': 'a'}, {'b': 0, 'a': 1, 'other': 7})
    """
    count = {f: family.count(f) for f in dict.fromkeys(family)}
    order = sorted(count, key=lambda f: (-count[f], f))
    own = order if len(order) <= len(FILLS) else order[: len(FILLS) - 1]
    words = {f: (f if f in own else "other") for f in order}
    return words, {f: i for i, f in enumerate(own)} | {"other": len(FILLS) - 1}


def _note(fit: Fit) -> Spec:
    low, high = fit.slope_limits()
    text = [
        f"slope {fit.line.slope:.3f} [{low:.3f}, {high:.3f}]",
        f"R² {fit.line.r2:.3f}, {how_many(fit.line.n, 'model')}",
    ]
    return {
        "data": {"values": [{}]},
        "mark": {"type": "text", "text": text, "align": "right", "baseline": "bottom",
                 "fontSize": 7, "lineHeight": 9, "fill": INK, "x": {"expr": "width - 3"},
                 "y": {"expr": "height - 12"}},
    }  # fmt: skip


def gap_dots(table: Table, most: int = 40) -> Spec:
    """The gap of each model with its interval, best model on the original first."""
    rows = table.rows()[:most]
    data = [
        {"model": r["model"], "gap": 100 * r["gap"], "low": _percent(r["gap_low"]),
         "high": _percent(r["gap_high"])}
        for r in rows
    ]  # fmt: skip
    names = {"field": "model", "type": "nominal", "sort": None,
             "axis": {"title": None, "labelLimit": 110, "ticks": False,
                      "domain": False}}  # fmt: skip
    at = {"field": "gap", "type": "quantitative",
          "axis": {"title": "gap (percentage points)", "tickCount": 5}}  # fmt: skip
    return {
        "width": 118,
        "height": {"step": 9.5},
        "data": {"values": data},
        "layer": [
            {"mark": {"type": "rule", "stroke": MUTED, "strokeWidth": 0.6},
             "encoding": {"x": {"datum": 0, "type": "quantitative"}}},
            {"transform": [{"filter": "isValid(datum.low)"}],
             "mark": {"type": "rule", "stroke": FILLS[0], "strokeWidth": 1},
             "encoding": {"y": names, "x": at | {"field": "low"}, "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "fill": FILLS[0], "size": 16},
             "encoding": {"y": names, "x": at}},
        ],
        "config": _config(),
    }  # fmt: skip


def heat(drawn: Mapping[str, Any]) -> Spec:
    """Agreement of all pairs of models, in the order of the dendrogram."""
    models, n = drawn["models"], drawn["n"]
    m = len(models)
    full = np.full((m, m), np.nan)
    full[np.triu_indices(m, 1)] = np.array(drawn["agreeing"]) / n
    full = np.where(np.isnan(full), full.T, full)
    cells = [{"i": i, "j": j, "v": full[i, j]} for i in range(m) for j in range(m) if i != j]
    named = m <= 32
    wide = 138 if named else 190
    tall = max(wide, 6.2 * m) if named else wide
    axis = {"title": None, "ticks": False, "domain": False, "grid": False, "labelLimit": 92,
            "labelFontSize": 6}  # fmt: skip
    words = [str(v) for v in models]
    rows = axis | {"labelExpr": f"{json.dumps(words)}[datum.value]"} if named else None
    shade = {"field": "v", "type": "quantitative",
             "scale": {"range": list(CIVIDIS), "zero": False, "nice": False}}  # fmt: skip
    place = {"type": "ordinal", "scale": {"paddingInner": 0, "paddingOuter": 0}}
    return {
        "width": wide,
        "height": tall,
        "data": {"values": _plain(cells)},
        "mark": {"type": "rect", "width": {"band": 1.04}, "height": {"band": 1.04}},
        "encoding": {
            "x": place | {"field": "j", "axis": None},
            "y": place | {"field": "i", "axis": rows},
            "color": shade | {"legend": {
                "title": "agreement", "labelExpr": "format(100 * datum.value, '.0f') + ' %'",
                "gradientLength": wide, "gradientThickness": 5, "orient": "bottom",
                "direction": "horizontal"}},
        },
        "config": _config(),
    }  # fmt: skip


def _range(values: FloatArray, scale: str) -> list[float]:
    """What an axis spans, with room around the points."""
    if not values.size:
        return [0.0, 1.0] if scale == "linear" else [-1.0, 1.0]
    low, high = float(values.min()), float(values.max())
    room = (high - low) * 0.06 or 0.05
    if scale == "linear":
        return [max(low - room, -0.02), min(high + room, 1.02)]
    return [low - room, high + room]


def _axis(title: str, scale: str, domain: Sequence[float], length: float, apart: float) -> Spec:
    marked = ticks(scale, domain[0], domain[1], length, apart)
    places = [float(transform(scale, p)) for p in marked]
    texts = {str(round(z * 1e6)): label(p) for z, p in zip(places, marked, strict=True)}
    return {
        "title": title,
        "values": places,
        "labelExpr": f"({json.dumps(texts)})[round(datum.value * 1000000)]",
        "labelOverlap": False,
        "titleLimit": 195,
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: float(v) if isinstance(v, np.floating) else v for k, v in r.items()} for r in rows]


def _config() -> Spec:
    return {
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "view": {"stroke": None},
        "padding": 2,
        "background": "white",
        "axis": {"labelFontSize": 7, "titleFontSize": 7.5, "titleFontWeight": "normal",
                 "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK,
                 "domainWidth": 0.6, "tickWidth": 0.6, "tickSize": 2.5, "labelPadding": 2,
                 "titlePadding": 4, "gridColor": GRID, "gridWidth": 0.4},
        "legend": {"labelFontSize": 7, "titleFontSize": 7, "labelColor": INK, "symbolSize": 22,
                   "rowPadding": 1, "columnPadding": 6, "offset": 4, "labelLimit": 80,
                   "symbolStrokeWidth": 0.5, "titleFontWeight": "normal"},
    }  # fmt: skip
