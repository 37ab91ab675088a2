"""Errors under corruption as the page draws them: mCE, a heat map, accuracy against severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from heldout.analysis.cells import Cells
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS, SEVERITIES, Variant
from heldout.analysis.corruption_severity import by_severity
from heldout.analysis.corruption_tables import by_corruption
from heldout.errors import HeldoutError
from heldout.report.documents import document
from heldout.store.read import Store
from heldout.table import Table, plain

_DIGITS = 6  # people read four of a fraction


def corruption_document(
    store: Store,
    cells: Cells,
    variant: Variant,
    models: Sequence[str],
    level: float,
    against: str | None = None,
) -> tuple[Table, dict[str, Any]]:
    """The table of mCE (or of the mean error) of a variant, and what the page draws beside it.

    models: the report's list of models, which the document refers to by place. against: a model or
    'published', where the variant has it; else the default of `mce`, and a note. heat: error, low
    and high by model and corruption, means over severities; severity: by model and severity, means
    over corruptions; settings: the names of the settings, by corruption and severity, whose
    accuracies the page has already. Raises BadInput where no model has a whole corruption.
    """
    table, parts = _tables(store, cells, variant, level, against)
    # the picture is of corruptions with all five severities
    parts = parts.where(lambda r: r["severities"] == "1-5")
    place = {m: i for i, m in enumerate(models)}
    kinds = [k for k in parts.facts["corruptions"] if k in set(parts["corruption"])]
    whole = {(k, s): variant.settings[k, s] for k in kinds for s in SEVERITIES}
    # best first; models that lack a corruption come after those that have all
    order = list(dict.fromkeys([*map(str, table["model"]), *map(str, parts["model"])]))
    answer = "mce" if "mce" in table.names else "mean_error"
    # on a narrow screen the answer should stand beside the name
    first = ("model", answer, f"{answer}_low", f"{answer}_high")
    columns = sorted(table.columns, key=lambda c: c.name not in first)
    drawn = document(
        replace(table, columns=tuple(columns)), models,
        file=f"corruptions-{variant.baseline}-{variant.reference}-{variant.medium}",
        picture={"column": answer}, sort=(answer, False),
    )  # fmt: skip
    severities = by_severity(store, only=replace(variant, settings=whole), level=level, cells=cells)
    return table, drawn | {
        "variant": variant.words,
        "medium": variant.medium_words,
        "baseline": variant.baseline,
        "counted": [k in KINDS and k in table.facts["corruptions"][0] for k in kinds],
        "kinds": kinds,
        "settings": [variant.names(k) for k in kinds],
        "heat": _grid(parts, order, kinds, "corruption", place),
        "severity": _grid(
            severities, [m for m in order if m in set(severities["model"])], [1, 2, 3, 4, 5],
            "severity", place,
        ),
    }  # fmt: skip


def _tables(
    store: Store, cells: Cells, variant: Variant, level: float, against: str | None
) -> tuple[Table, Table]:
    """mCE and errors by corruption, divided by the reference where the variant has it."""
    try:
        return (
            mce(store, only=variant, level=level, cells=cells, against=against),
            by_corruption(store, only=variant, level=level, cells=cells, against=against),
        )
    except HeldoutError as error:
        if against is None:
            raise
        table, parts = _tables(store, cells, variant, level, None)
        note = f"Not divided by '{against}': {error}"
        return replace(table, notes=(note, *table.notes)), parts


def _grid(
    table: Table,
    models: Sequence[str],
    heads: Sequence[str | int],
    column: str,
    place: Mapping[str, int],
) -> dict[str, Any]:
    """A long table as rows of models: error, low, high; None where there is none."""
    row = {m: i for i, m in enumerate(models)}
    head = {h: j for j, h in enumerate(heads)}
    out: dict[str, list[list[float | None]]] = {
        name: [[None] * len(heads) for _ in models] for name in ("error", "error_low", "error_high")
    }
    sizes: list[int | None] = [None] * len(models)
    for r in table.rows():
        i, j = row[r["model"]], head[r[column]]
        sizes[i] = r["n"]
        for name, values in out.items():
            value = plain(r[name])
            values[i][j] = None if value is None else round(value, _DIGITS)
    return {
        "models": [place[m] for m in models],
        "error": out["error"],
        "low": out["error_low"],
        "high": out["error_high"],
        "n": sizes,
    }
