"""What the explorer draws from, as compact JSON: accuracies as counts, metadata as levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from heldout.analysis.cells import Cells
from heldout.report.choose import Choice, levels, word
from heldout.store.read import Store
from heldout.table import plain

DRAWS = 1_000
MOST_FACTS = 8
_KEPT = ("group", "description", "label_set", "baseline", "original", "aliases")


def explorer_data(
    store: Store,
    cells: Cells,
    choice: Choice,
    *,
    scale: str,
    condition: str | None,
    members: Sequence[str],
    level: float,
    seed: int,
) -> dict[str, Any]:
    """Everything the explorer needs. Accuracies are k of n where both are known, else fractions.

    members: the models of the baseline population, when a condition names one.
    """
    row = {m: i for i, m in enumerate(cells.models)}
    metadata = store.settings()
    return {
        "metric": cells.metric,
        "level": level,
        "seed": seed,
        "draws": DRAWS,
        "x": choice.x,
        "y": choice.y,
        "scale": scale,
        "family": choice.family,
        "population": {"condition": condition, "members": [row[m] for m in members]}
        if condition
        else None,
        "models": list(cells.models),
        "metadata": _metadata(store, cells.models, choice.family),
        "settings": [
            column
            for s in cells.settings
            if (column := _setting(cells, s, metadata.get(s, {}))) is not None
        ],
    }


def _setting(cells: Cells, name: str, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    value, k, n = cells.of(name)
    there = ~np.isnan(value)
    if not there.any():
        return None
    out: dict[str, Any] = {"name": name, "models": int(there.sum())}
    out |= {key: metadata[key] for key in _KEPT if metadata.get(key)}
    counted = there & (n > 0)
    if counted.any():
        out["k"] = [int(v) if c else None for v, c in zip(k, counted, strict=True)]
        sizes = np.unique(n[counted])
        out["n"] = (
            int(sizes[0])
            if len(sizes) == 1
            else [int(v) if c else None for v, c in zip(n, counted, strict=True)]
        )
    if (there & ~counted).any():
        out["value"] = [
            float(v) if t and not c else None for v, t, c in zip(value, there, counted, strict=True)
        ]
    return out


def _metadata(store: Store, models: Sequence[str], family: str | None) -> list[dict[str, Any]]:
    """Columns of few words as levels and codes, numbers as they are; other text stays out."""
    known = store.models()
    rows = [known.get(m, {}) for m in models]
    fields = [f for f in dict.fromkeys(k for r in rows for k in r) if f != "model"]
    fields.sort(key=lambda f: f != family)
    columns: list[dict[str, Any]] = []
    for field in fields:
        values = [r.get(field) for r in rows]
        found = levels(values)
        if found is None and field == family:
            found = sorted({word(v) for v in values if v is not None})
        if found is not None:
            code = {v: i for i, v in enumerate(found)}
            codes = [-1 if v is None else code[word(v)] for v in values]
            columns.append({"name": field, "levels": found, "codes": codes})
        elif all(v is None or _is_number(v) for v in values):
            columns.append({"name": field, "values": [plain(v) for v in values]})
    return columns[:MOST_FACTS]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
