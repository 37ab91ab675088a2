"""Losses per class: against a loop over examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heldout.analysis.cells import correctness
from heldout.errors import NotFound
from heldout.report.classes import class_losses
from heldout.stats.difference import mover_difference
from heldout.store.block import Block
from heldout.store.read import Store
from heldout.store.write import write_labels, write_predictions, write_settings

from .conftest import ORIGIN


def test_losses_are_means_over_models_and_examples(small_store: Store) -> None:
    table = class_losses(small_store, "old", "new")
    sides = [correctness(small_store, s) for s in ("old", "new")]
    for row in table.rows():
        means, sizes = [], []
        for side in sides:
            label = side.labels.class_names.index(row["class"])
            mine = [side.right[:, i] for i in range(len(side.labels.label))
                    if side.labels.label[i] == label]  # fmt: skip
            means.append(float(np.mean(mine)))
            sizes.append(len(mine))
        assert row["original"] == pytest.approx(means[0], abs=1e-12)
        assert row["new"] == pytest.approx(means[1], abs=1e-12)
        assert row["lost"] == pytest.approx(means[0] - means[1], abs=1e-12)
        assert (row["original_n"], row["new_n"]) == tuple(sizes)
        assert row["lost_low"] < row["lost"] < row["lost_high"]
    lost = table["lost"]
    assert np.all(np.diff(lost) <= 0)


def test_one_model_gives_newcombe_s_interval(small_store: Store) -> None:
    """With whole counts the limits are the method of the gap table."""
    table = class_losses(small_store, "old", "new")
    assert "MOVER" in table.choices["interval"]
    low, high = mover_difference(56, 70, 48, 80)
    assert low < 56 / 70 - 48 / 80 < high


def test_needs_predictions(small_store: Store) -> None:
    with pytest.raises(NotFound):
        class_losses(small_store, "old", "table")


def test_where_no_class_loses_that_is_said(tmp_path: Path) -> None:
    """One model, the same answers on both sets: nothing 'loses most (0.0 …)'."""
    store = Store.create(str(tmp_path / "s"))
    label = np.array([0, 0, 1, 1])
    for setting in ("old", "new"):
        ids = [f"{setting}-{i}" for i in range(4)]
        write_labels(store, setting, ids, label, ["goldfish", "dog"], ORIGIN)
        write_predictions(store, Block(setting, ["one"], ids, np.array([[0, 0, 1, 0]])), ORIGIN)
    write_settings(store, [{"setting": s, "label_set": s} for s in ("old", "new")], ORIGIN)
    store.forget()
    (said,) = class_losses(store, "old", "new").verdict
    assert said.startswith("For one, no class loses or gains accuracy.")
    assert "most" not in said
