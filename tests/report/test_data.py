"""What the page carries: accuracies without loss, safe text, sensible choices."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from heldout.analysis.cells import accuracies
from heldout.errors import BadInput, NotFound
from heldout.report.choose import choose
from heldout.report.data import explorer_data
from heldout.report.documents import document, safe_json
from heldout.store.read import Store
from heldout.table import Column, Table

from .conftest import HOSTILE


def _data(store: Store, **wanted: Any) -> dict[str, Any]:
    cells = accuracies(store)
    choice = choose(store, cells, **wanted)
    found = explorer_data(
        store,
        cells,
        choice,
        scale="probit",
        condition=None,
        members=cells.models,
        level=0.95,
        seed=0,
    )
    return dict(json.loads(safe_json(found)))


def test_every_accuracy_comes_back(small_store: Store) -> None:
    data, cells = _data(small_store), accuracies(small_store)
    assert data["models"] == cells.models
    for setting in data["settings"]:
        value, k, n = cells.of(setting["name"])
        for i in range(len(cells.models)):
            count = (setting.get("k") or {i: None})[i]
            sizes = setting.get("n")
            size = sizes[i] if isinstance(sizes, list) else sizes
            plain = setting["value"][i] if "value" in setting else None
            if np.isnan(value[i]):
                assert count is None
                assert plain is None
            elif n[i] > 0:
                assert (count, size) == (k[i], n[i])
            else:
                assert plain == value[i]


def test_metadata_comes_back(small_store: Store) -> None:
    data = _data(small_store)
    family, size = data["metadata"]
    at = data["models"].index("m03")
    assert family["levels"][family["codes"][at]] == "vit"
    assert size["values"][at] == 4.5
    assert data["family"] == "family"


def test_a_script_cannot_be_ended_by_data() -> None:
    text = safe_json({"model": HOSTILE})
    assert "<" not in text
    assert "&" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"model": HOSTILE}


def test_a_document_keeps_values_and_names_models_by_place() -> None:
    table = Table(
        "t",
        (
            Column("model", "text", ["b", "a", None]),
            Column("value", "fraction", [0.1, np.nan, np.float64(1 / 3)]),
            Column("kind", "text", ["x", "x", "y"]),
            Column("limit", "number", [np.inf, -np.inf, 1.0]),
        ),
    )
    columns = document(table, ["a", "b"], file="t")["columns"]
    assert columns[0]["places"] == [1, 0, -1]
    assert columns[1]["values"] == [0.1, None, 1 / 3]
    assert columns[2]["values"] == ["x", "x", "y"]
    assert columns[3]["values"] == [None, None, 1.0]
    words = document(Table("t", (Column("kind", "text", ["x", "y"] * 4),)), [], file="t")[
        "columns"
    ][0]
    assert [words["words"][i] for i in words["places"]] == ["x", "y"] * 4


def test_pairs_come_from_what_settings_say(small_store: Store) -> None:
    choice = choose(small_store, accuracies(small_store))
    assert choice.gaps == (("old", "new"),)
    assert choice.shifts == (("old", "table"),)
    assert (choice.x, choice.y) == ("old", "new")
    assert choice.similar == ("old", "new")


def test_pairs_can_be_named(small_store: Store) -> None:
    cells = accuracies(small_store)
    choice = choose(small_store, cells, x="neu", y="table", original="table", new="old")
    assert (choice.x, choice.y) == ("new", "table")
    assert choice.gaps[0] == ("table", "old")
    assert choice.shifts[0] == ("new", "table")


def test_what_is_not_there_is_refused(small_store: Store, tmp_path: Any) -> None:
    cells = accuracies(small_store)
    with pytest.raises(NotFound, match="no setting 'ol'"):
        choose(small_store, cells, x="ol")
    with pytest.raises(NotFound, match="no metadata column 'famly'"):
        choose(small_store, cells, family="famly")
    with pytest.raises(BadInput, match="does not say what it replicates"):
        choose(small_store, cells, new="table")
    empty = Store.create(str(tmp_path / "empty"))
    with pytest.raises(BadInput, match="no top-1 accuracies"):
        accuracies(empty)
