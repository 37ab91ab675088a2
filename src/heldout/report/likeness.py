"""The similarity of models as the page draws it: counts in the order of a dendrogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from heldout.analysis.cells import Cells
from heldout.analysis.similarity import similarity
from heldout.store.read import Store
from heldout.table import Table

MOST_MODELS = 120


def likeness(store: Store, cells: Cells, setting: str) -> tuple[Table, dict[str, Any]]:
    """The analysis of a setting, and its matrix for the heat map.

    The matrix is the upper triangle by rows: on how many of n examples two models are both right
    or both wrong. Beyond 120 models the most accurate 120 are taken, and the words say so.
    Raises what `similarity` raises.
    """
    value = cells.of(setting)[0]
    there = np.flatnonzero(cells.examples[:, cells.settings.index(setting)])
    best = there[np.argsort(-value[there], kind="stable")][:MOST_MODELS]
    some = [cells.models[i] for i in best]
    table = similarity(store, setting, some, metric=cells.metric)
    words = list(table.verdict)
    if len(there) > MOST_MODELS:
        words.append(f"Of {len(there)} models the {MOST_MODELS} most accurate are shown.")
    return table, {
        "setting": setting,
        "words": words + list(table.notes),
        **_matrix(table, dict(zip(cells.models, value, strict=True))),
    }


def _matrix(table: Table, accuracy: Mapping[str, float]) -> dict[str, Any]:
    order = [str(m) for m in table.parts["order"]["model"]]
    at = {m: i for i, m in enumerate(order)}
    counts = np.zeros((len(order), len(order)), np.int64)
    for first, second, both in zip(table["first"], table["second"], table["agreeing"], strict=True):
        i, j = sorted((at[first], at[second]))
        counts[i, j] = int(both)
    return {
        "models": order,
        "accuracy": [float(accuracy[m]) for m in order],
        "agreeing": counts[np.triu_indices(len(order), 1)].tolist(),
        "n": int(table["n"][0]),
    }
