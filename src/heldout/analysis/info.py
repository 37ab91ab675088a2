"""What is in a store, where each part came from, and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from heldout.analysis.lacking import how_many
from heldout.store.read import Store
from heldout.table import Column, Table


def info(store: Store) -> Table:
    """One row a setting: models with predictions, published accuracies, examples, what is missing.

    parts['sources']: one row a source with what was stored from it and when. Notes list repairs
    made on the way in and files that a killed writer left.
    """
    settings = store.settings()
    predicted = set(store.settings_with_predictions())
    table = store.results()
    models = sorted(
        {p.model for s in predicted for p in store.pieces(s)} | set(table.model.tolist())
    )
    known = set(store.label_sets())
    rows = [_row(store, s, settings[s], predicted, table, len(models), known) for s in settings]
    repairs = _repairs(store)
    notes = [f"Repaired: {r}." for r in repairs]
    left = store.files.unfinished()
    if left:
        notes.append(f"{how_many(len(left), 'unfinished file')} of a killed writer ({left[0]} …):"
                     " harmless; may be deleted.")  # fmt: skip
    return Table(
        f"Store {store.files.url}",
        (
            Column("setting", "text", [r["setting"] for r in rows], "the setting"),
            Column("models", "int", [r["models"] for r in rows], "with per-example predictions"),
            Column("tables", "int", [r["published"] for r in rows], "published accuracies only"),
            Column("n", "int", [r["n"] for r in rows], "examples"),
            Column("top_k", "int", [r["k"] for r in rows], "places known", wide=True),
            Column("missing", "text", [r["missing"] for r in rows], "what is not there"),
            Column("aliases", "text", [r["aliases"] for r in rows], "other names", wide=True),
            Column("group", "text", [r["group"] for r in rows], "kind of setting", wide=True),
        ),
        notes=tuple(notes),
        facts={
            "models": len(models),
            "settings": len(settings),
            "bytes": sum(store.files.size(p) for p in store.files.names("")),
            "files": len(store.files.names("")),
        },
        parts={"sources": sources(store), "models": _models(store, models)},
    )


def _row(
    store: Store,
    name: str,
    metadata: dict[str, Any],
    predicted: set[str],
    table: Any,
    total: int,
    known: set[str],
) -> dict[str, Any]:
    pieces = store.pieces(name) if name in predicted else []
    mine = {p.model for p in pieces}
    published = set(table.model[(table.setting == name)].tolist())
    missing = []
    absent = total - len(mine | published)
    if not mine and not published:
        missing.append("all models: import again")
    elif absent:
        missing.append(f"{absent} of {how_many(total, 'model')}")
    if mine and metadata.get("label_set") not in known:
        missing.append("labels")
    n = metadata.get("n")
    per_model: dict[str, int] = {}
    for p in pieces:
        per_model[p.model] = per_model.get(p.model, 0) + p.rows
    short = [m for m, rows in per_model.items() if n is not None and rows < n]
    if short:
        missing.append(f"rows of {how_many(len(short), 'model')}")
    if n is None and per_model:
        n = max(per_model.values())
    return {
        "setting": name,
        "models": len(mine),
        "published": len(published - mine),
        "n": n,
        "k": _depth(store, name) if mine else None,
        "missing": ", ".join(missing) or "nothing",
        "aliases": metadata.get("aliases", ""),
        "group": metadata.get("group", ""),
    }


def _depth(store: Store, setting: str) -> int:
    """Places known of the first model's predictions."""
    first = store.pieces(setting)[0]
    return store.read_piece(setting, first).k


def _repairs(store: Store) -> list[str]:
    seen: dict[str, None] = {}
    for part in store.files.names(""):
        seen.update(dict.fromkeys(store.record(part).get("repairs", ())))
    return list(seen)


def sources(store: Store) -> Table:
    """One row per (source, format): files, models and rows stored from it, first and last time."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in store.files.names(""):
        record = store.record(part)
        key = (str(record.get("source", "unknown")), str(record.get("format", "")))
        row = found.setdefault(
            key, {"files": 0, "rows": 0, "first": "9", "last": "", "by": record.get("by", "")}
        )
        row["files"] += 1
        row["rows"] += sum(p["rows"] for p in record.get("pieces", ()))
        created = str(record.get("created", ""))[:19].replace("T", " ")
        row["first"], row["last"] = min(row["first"], created), max(row["last"], created)
    keys = sorted(found)
    return Table(
        "Where it came from",
        (
            Column("source", "text", [k[0] for k in keys], "path, address or command"),
            Column("format", "text", [k[1] for k in keys], "the importer"),
            Column("files", "int", [found[k]["files"] for k in keys], "files of the store"),
            Column("rows", "int", [found[k]["rows"] for k in keys], "predictions"),
            Column("stored", "text", [found[k]["last"] for k in keys], "last time, UTC"),
            Column("by", "text", [found[k]["by"] for k in keys], "program", wide=True),
        ),
    )


def _models(store: Store, names: list[str]) -> Table:
    metadata = store.models()
    fields = sorted({k for m in names for k in metadata.get(m, {})} - {"model"})
    columns = [Column("model", "text", names, "the model")]
    for field in fields:
        values = [metadata.get(m, {}).get(field) for m in names]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool)
                      for v in values if v is not None)  # fmt: skip
        kept: Any = (
            np.array([np.nan if v is None else float(v) for v in values])
            if numbers
            else [None if v is None else str(v) for v in values]
        )
        columns.append(Column(field, "number" if numbers else "text", kept, "metadata"))
    return Table("Models", tuple(columns))
