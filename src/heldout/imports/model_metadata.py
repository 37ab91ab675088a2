"""Anybody's table of models: family, parameters, training data, whatever filters may use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from heldout.errors import BadInput, ImportFailed
from heldout.imports.generic_files import kind, read_columns
from heldout.imports.tables import find_repeated

_EMPTY = ("", "nan", "NaN")
_DIGITS = r"-?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)"  # 1,014 too
_INTEGER = re.compile(_DIGITS)
_NUMBER = re.compile(_DIGITS + r"(?:\.\d*)?(?:[eE][+-]?\d+)?")


def read_models(path: str | Path) -> list[dict[str, Any]]:
    """Model metadata: a CSV, Parquet or JSON file with a column `model`, a dictionary a row.

    Numbers become numbers, empty cells are left out. Raises ImportFailed without that column.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"--models '{path}' is not a file.")
    table = read_columns(path, "", lambda header: dict.fromkeys(header, pa.string()))
    if "model" not in table.column_names:
        raise ImportFailed(
            f"{path} has no column 'model'; it has {', '.join(table.column_names[:20])}."
        )
    names = [str(m).strip() for m in table["model"].to_pylist()]
    if twice := find_repeated(names):
        raise ImportFailed(f"{path}: the model '{twice}' has more than one row.")
    texts = kind(path) in (".csv", ".tsv", ".txt")
    columns = {
        c: _metadata(table[c].to_pylist(), texts) for c in table.column_names if c != "model"
    }
    return [
        {"model": name} | {c: v[i] for c, v in columns.items() if v[i] is not None}
        for i, name in enumerate(names)
    ]


def _metadata(column: Sequence[Any], texts: bool) -> list[Any]:
    """A column with empty cells as None; texts become integers or numbers where all of them are."""
    cells = [None if v is None or v != v or str(v).strip() in _EMPTY else v for v in column]
    if not texts:
        return cells
    words = [None if v is None else str(v).strip() for v in cells]
    there = [w for w in words if w is not None]
    if all(_INTEGER.fullmatch(w) for w in there):
        return [None if w is None else int(w.replace(",", "")) for w in words]
    if all(_NUMBER.fullmatch(w) for w in there):
        return [None if w is None else float(w.replace(",", "")) for w in words]
    return list(words)
