"""Baseline populations: which models a line is fitted to, said as an SQL condition.

The condition sees one row a model: its metadata, and its accuracy in every setting as a fraction,
under the setting's name and each of its aliases (names with a hyphen go in double quotes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from heldout.analysis.cells import Cells, accuracies
from heldout.errors import BadInput, near_matches
from heldout.store.read import Store


def select(store: Store, cells: Cells, condition: str | None) -> list[str]:
    """The models of `cells` that meet an SQL condition; all of them when there is none.

    Raises BadInput when the condition is not SQL or names an unknown column.
    """
    if not condition:
        return list(cells.models)
    import duckdb

    table = wide(store, _with_mentioned(store, cells, condition))
    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        connection.register("models", table)
        found = connection.execute(f"SELECT model FROM models WHERE ({condition}\n)").fetchall()
    except duckdb.Error as error:
        names = [*table.column_names, *_names(store)]
        raise BadInput(_explain(condition, str(error), list(dict.fromkeys(names)))) from error
    finally:
        connection.close()
    kept = {row[0] for row in found}
    return [m for m in cells.models if m in kept]


def _names(store: Store) -> dict[str, str]:
    """Every setting's name and aliases, each with the setting it stands for."""
    return {
        name: setting
        for setting, row in store.settings().items()
        for name in (setting, *str(row.get("aliases", "")).split())
    }


def _with_mentioned(store: Store, cells: Cells, condition: str) -> Cells:
    """The cells with those of all settings that the condition may mean."""
    text = condition.lower()
    more = {s for name, s in _names(store).items() if name.lower() in text}
    if not more - set(cells.settings):
        return cells
    return accuracies(store, sorted({*cells.settings, *more}), cells.metric)


def wide(store: Store, cells: Cells) -> pa.Table:
    """One row a model: metadata and accuracies as columns. An accuracy wins over metadata."""
    metadata = store.models()
    settings = store.settings()
    columns: dict[str, tuple[str, Any]] = {"model": ("model", pa.array(cells.models, pa.string()))}
    for j, setting in enumerate(cells.settings):
        values = pa.array(cells.value[:, j], from_pandas=True)
        for name in (setting, *str(settings.get(setting, {}).get("aliases", "")).split()):
            columns.setdefault(name.lower(), (name, values))
    fields = sorted({k for m in cells.models for k in metadata.get(m, {})})
    for name in fields:
        if name.lower() not in columns:
            raw = [metadata.get(m, {}).get(name) for m in cells.models]
            columns[name.lower()] = (name, _column(raw))
    return pa.table(dict(columns.values()))


def _column(values: Sequence[Any]) -> pa.Array:
    """Numbers where all values are numbers, else text."""
    there = [v for v in values if v is not None]
    if there and all(isinstance(v, int | float) for v in there):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def _explain(condition: str, message: str, names: Sequence[str]) -> str:
    first = message.split("\n")[0]
    text = f'The condition "{condition}" cannot be used: {first}'
    if '"' in first and "not found" in first:
        near = near_matches(first.split('"')[1], names)
        text += f" Did you mean {', '.join(near)}?" if near else ""
        text += f" Metadata and settings are columns; there are {len(names)}: "
        text += ", ".join(list(names)[:15]) + (" …" if len(names) > 15 else "") + "."
    if "-" in condition and "not found" in first:
        text += ' Names with a hyphen go in double quotes: "imagenet-val" >= 0.55.'
    return text
