"""`write_figures`: figures (SVG, PDF, PNG) and LaTeX tables for papers."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from heldout.analysis.cells import Cells, accuracies
from heldout.analysis.fits import Fit, fit
from heldout.analysis.gap import gap
from heldout.analysis.population import select
from heldout.analysis.robustness import robustness
from heldout.errors import BadInput, HeldoutError
from heldout.report.charts import Points, Spec, gap_dots, heat, scatter
from heldout.report.choose import choose, word
from heldout.report.likeness import likeness
from heldout.stats.arguments import FloatArray
from heldout.stats.proportion import clopper_pearson
from heldout.stats.scale import check_scale
from heldout.store.read import Store
from heldout.table import Table

FORMATS = ("svg", "pdf", "png")
PPI = 300


def write_figures(
    store: Store,
    folder: str,
    *,
    x: str | None = None,
    y: str | None = None,
    original: str | None = None,
    new: str | None = None,
    population: str | None = None,
    scale: str = "probit",
    family: str | None = None,
    formats: Sequence[str] = FORMATS,
    metric: str = "top-1",
    level: float = 0.95,
    seed: int = 0,
) -> list[str]:
    """Write the figures of a paper's column and their tables; returns the paths.

    scatter (line, band, intervals, families), the gap of each model, similarity where there are
    predictions; tables/*.tex hold the gaps, their fits and effective robustness. What the store
    cannot support is left out. Raises NotFound for unknown names and BadInput for another format
    or a folder that cannot be written.
    """
    check_scale(scale, "figures")
    for wanted in formats:
        if wanted not in FORMATS:
            raise BadInput(f"There is no figure format '{wanted}'; use {', '.join(FORMATS)}.")
    cells = accuracies(store, None, metric)
    choice = choose(store, cells, original=original, new=new, x=x, y=y, family=family)
    figures: list[tuple[str, Spec]] = []
    tables: list[tuple[str, str]] = []
    points, found = _points(store, cells, choice.x, choice.y, choice.family, population,
                            (scale, level, seed))  # fmt: skip
    name = f"{choice.y}-given-{choice.x}"
    figures.append((f"scatter-{name}-{scale}", scatter(points, found, scale, metric)))
    for a, b in choice.gaps[:1]:
        try:
            table = gap(store, a, b, metric=metric, population=population, level=level, seed=seed)
        except HeldoutError:
            continue
        figures.append((f"gap-{b}", gap_dots(table)))
        tables.append((f"gap-{b}", _latex(table)))
        tables += [(f"gap-{b}-{k}", _latex(t)) for k, t in table.parts.items() if len(t)]
    for a, b in choice.shifts:
        try:
            table = robustness(store, a, b, population=population, scale=scale, metric=metric,
                               level=level, seed=seed)  # fmt: skip
        except HeldoutError:
            continue
        tables.append((f"robustness-{b}", _latex(table)))
    for setting in choice.similar[:1]:
        try:
            figures.append((f"similarity-{setting}", heat(likeness(store, cells, setting)[1])))
        except HeldoutError:
            continue
    paths = []
    for stem, spec in figures:
        for ending in formats:
            paths.append(_put(folder, f"{_safe(stem)}.{ending}", _render(spec, ending)))
    for stem, text in tables:
        paths.append(_put(os.path.join(folder, "tables"), f"{_safe(stem)}.tex", text.encode()))
    return paths


def similarity_figure(store: Store, setting: str, path: str, *, metric: str = "top-1") -> None:
    """Write the heat map of how alike the models of a setting are, in dendrogram order.

    The ending of `path` says the format. Raises BadInput for another one or where it cannot be
    written, and what `likeness` raises.
    """
    folder, name = os.path.split(path)
    ending = name.rpartition(".")[2].lower()
    if ending not in FORMATS:
        raise BadInput(f"'{path}' ends in no figure format; use .{', .'.join(FORMATS)}.")
    setting = store.resolve(setting)
    cells = accuracies(store, [setting], metric)
    _put(folder or ".", name, _render(heat(likeness(store, cells, setting)[1]), ending))


def _points(
    store: Store,
    cells: Cells,
    x: str,
    y: str,
    family: str | None,
    population: str | None,
    how: tuple[str, float, int],
) -> tuple[Points, Fit | None]:
    """The models with both accuracies, and the line over the population."""
    scale, level, seed = how
    both = ~np.isnan(cells.of(x)[0]) & ~np.isnan(cells.of(y)[0])
    some = cells.keep([m for m, b in zip(cells.models, both, strict=True) if b])
    metadata = store.models()
    limits = [_limits(some, s, level) for s in (x, y)]
    points = Points(
        x, y, some.of(x)[0], some.of(y)[0], limits[0], limits[1],
        [word(metadata.get(m, {}).get(family, "not recorded")) for m in some.models]
        if family else None,
    )  # fmt: skip
    base = some.keep([m for m in select(store, cells, population) if m in set(some.models)])
    try:
        found = fit(base.models, base.of(x)[0], base.of(y)[0], scale, level=level, seed=seed)
    except BadInput:
        return points, None
    return points, found


def _limits(cells: Cells, setting: str, level: float) -> FloatArray:
    _, k, n = cells.of(setting)
    out = np.full((2, len(k)), np.nan)
    known = n > 0
    out[:, known] = clopper_pearson(k[known], n[known], level)
    return out


def _latex(table: Table) -> str:
    """The columns that a terminal shows: the others would not fit a page."""
    return replace(table, columns=tuple(c for c in table.columns if not c.wide)).to_latex()


def _render(spec: Spec, ending: str) -> bytes:
    import vl_convert

    text: Any = json.dumps({"$schema": "https://vega.github.io/schema/vega-lite/v6.json"} | spec)
    if ending == "png":
        return bytes(vl_convert.vegalite_to_png(text, scale=1.0, ppi=PPI))
    if ending == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(text))
    svg = str(vl_convert.vegalite_to_svg(text))
    # One unit is a point, as in the PDF: a figure has the same size whichever file is included.
    return re.sub(r'(<svg[^>]*?) width="([\d.]+)" height="([\d.]+)"',
                  r'\1 width="\2pt" height="\3pt"', svg, count=1).encode()  # fmt: skip


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def _put(folder: str, name: str, content: bytes) -> str:
    path = os.path.join(folder, name)
    unfinished = f"{path}.unfinished-{secrets.token_hex(4)}"
    try:
        os.makedirs(folder, exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise BadInput(f"Figures cannot be written to '{folder}': {error.strerror}.") from error
    return path
