"""Typed tables as the page's JSON documents, and JSON that is safe inside HTML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from heldout.table import Column, Table, plain


def document(
    table: Table,
    models: Sequence[str],
    *,
    file: str,
    picture: Mapping[str, str] | None = None,
    pair: tuple[str, str] | None = None,
    sort: tuple[str, bool] | None = None,
) -> dict[str, Any]:
    """A table with its words and parts for the page.

    models: the report's list of models, which columns of models refer to by place. picture: what
    to draw in each row; pair: the settings for the explorer; sort: (column, descending) at first.
    """
    place = {m: i for i, m in enumerate(models)}
    out: dict[str, Any] = {
        "title": table.title,
        "file": file,
        "columns": [_column(c, place) for c in table.columns],
        "notes": list(dict.fromkeys(table.notes)),
        "verdict": list(table.verdict),
        "facts": _plain(dict(table.facts)),
        "choices": dict(table.choices),
        "models": bool(table.columns) and table.columns[0].name == "model",
        "parts": {
            name: document(part, models, file=f"{file}-{name}")
            for name, part in table.parts.items()
        },
    }
    if picture:
        out["picture"] = dict(picture)
    if pair:
        out["pair"] = list(pair)
    if sort:
        out["sort"] = {"column": sort[0], "down": sort[1]}
    return out


def _column(column: Column, place: Mapping[str, int]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": column.name, "kind": column.kind, "doc": column.doc}
    if column.interval:
        out["interval"] = list(column.interval)
    if column.wide:
        out["wide"] = True
    values = [_number(v) for v in column.values]
    if column.kind == "text":
        words = list(dict.fromkeys(str(v) for v in values if v is not None))
        if words and all(w in place for w in words):
            return out | {"places": [-1 if v is None else place[v] for v in values]}
        if len(words) <= len(values) // 2:
            at = {w: i for i, w in enumerate(words)}
            places = [-1 if v is None else at[str(v)] for v in values]
            return out | {"words": words, "places": places}
    return out | {"values": values}


def _number(value: Any) -> Any:
    """A plain value; whatever JSON has no word for (NaN, infinity) is missing."""
    value = plain(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return [_plain(v) for v in list(value)] if hasattr(value, "__len__") else _number(value)
    return _number(value)


def safe_json(value: Any) -> str:
    """Compact JSON that cannot end the script element it stands in, whatever names it holds.

    >>> safe_json({"model": "</script><b>"})
    '{"model":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
