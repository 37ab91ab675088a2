"""What the page shows and saves is what `heldout.table` shows and saves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heldout.report.documents import document
from heldout.report.ticks import ticks
from heldout.stats.scale import SCALES
from heldout.table import KINDS, Column, Table, show

Node = Callable[[str, Any], Any]

VALUES = [0.0, 1.0, 0.7613, 0.00125, 0.00375, 0.62625, -0.0123, -0.000001, 1e-9, 0.5, 0.995, 1 / 3]


@pytest.mark.parametrize("kind", ["fraction", "points", "number", "pvalue", "int"])
def test_numbers_look_as_on_a_terminal(node: Node, kind: str) -> None:
    values = VALUES + ([1234.5, -98765.4321, 1e7, 123456.0] if kind in ("number", "int") else [])
    if kind == "pvalue":
        values = [v for v in values if v >= 0] + [8e-52, 3e-5]
    found = node(f"return given.map((v) => heldout.format.show(v, '{kind}'));", values)
    assert found == [show(v, kind) for v in values]


def test_other_kinds_and_missing(node: Node) -> None:
    given = [[None, k] for k in KINDS] + [[True, "bool"], [False, "bool"], ["a_b", "text"]]
    found = node("return given.map(([v, k]) => heldout.format.show(v, k));", given)
    assert found == [show(v, k) for v, k in given]


def _table() -> Table:
    return Table(
        "A table",
        (
            Column("model", "text", ["a_1", 'b,"2"', "c%&#~^"], "the model"),
            Column("gap", "points", [0.0412345678901234, -0.01, None], "gap", ("low", "high")),
            Column("low", "points", [0.01, np.nan, None]),
            Column("high", "points", [0.07, 0.02, None]),
            Column("n", "int", [10000, 2021, None], "examples", wide=True),
            Column("inside", "bool", [True, False, True]),
        ),
        notes=("a note",),
        choices={"level": "0.95"},
        facts={"n": np.int64(3)},
    )


def _page_table(table: Table) -> dict[str, Any]:
    return json.loads(json.dumps(document(table, [], file="t")))


def test_latex_is_the_table_s(node: Node) -> None:
    table = _table()
    found = node("return heldout.format.toLatex(given, [0, 1, 2]);", _page_table(table))
    assert found == table.to_latex()


def test_csv_holds_the_same_values(node: Node) -> None:
    table = _table()
    found = node("return heldout.format.toCsv(given, [0, 1, 2]);", _page_table(table))
    assert found == table.to_csv()
    assert next(csv.DictReader(io.StringIO(found)))["gap"] == "0.0412345678901234"


def test_json_holds_the_same_values(node: Node) -> None:
    table = _table()
    found = json.loads(node("return heldout.format.toJson(given, [0, 1, 2]);", _page_table(table)))
    assert found == json.loads(table.to_json())


@pytest.mark.parametrize("scale", SCALES)
def test_ticks_are_those_of_the_figures(node: Node, scale: str) -> None:
    spans = [(-2.5, 1.5), (0.2, 1.4), (0.66, 0.72), (-0.1, 0.1)]
    if scale == "linear":
        spans = [(0.0, 1.0), (0.55, 0.9), (0.701, 0.735), (-0.02, 1.02)]
    for low, high in spans:
        for length, apart in ((700, 52), (280, 52), (165, 15)):
            found = node(
                f"return heldout.ticks.ticks('{scale}', {low}, {high}, {length}, {apart});", None
            )
            assert found == pytest.approx(ticks(scale, low, high, length, apart))
            assert len(found) >= 2
