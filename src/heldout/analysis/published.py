"""Accuracies published as tables, and where they contradict the predictions of the same name."""

from __future__ import annotations

import numpy as np

from heldout.analysis.lacking import how_many
from heldout.store.read import Store

Column = dict[str, tuple[float, int, int, bool]]  # model: accuracy, k, n, from predictions?


def from_table(store: Store, setting: str, metric: str) -> Column:
    """The published accuracies of a setting in a metric."""
    table = store.results()
    rows = np.flatnonzero((table.setting == setting) & (table.metric == metric))
    return {
        table.model[i]: (float(table.value[i]), int(table.k[i]), int(table.n[i]), False)
        for i in rows
    }


def contradictions(
    setting: str,
    table: Column,
    found: Column,
) -> list[str]:
    """Where a published accuracy differs from the stored predictions of the same name."""
    off = [m for m in found if m in table and abs(table[m][0] - found[m][0]) > 5e-5]
    if not off:
        return []
    m = off[0]
    return [
        f"Setting '{setting}': the published accuracy differs from the stored predictions for"
        f" {how_many(len(off), 'model')} of the same name ({m}: {table[m][0]:.4f} published,"
        f" {found[m][0]:.4f} from predictions). The predictions are used; the weights may differ."
    ]
