"""Conditions that choose models."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from heldout.analysis.cells import accuracies
from heldout.analysis.population import select
from heldout.errors import BadInput
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_models, write_results, write_settings


@pytest.fixture
def store(tmp_path: Path) -> Store:
    here = Store.create(str(tmp_path / "s"))
    origin = Provenance("a test")
    rows = [(m, s, v) for s, d in (("x-set", 0.0), ("y", 0.1), ("third", 0.2))
            for m, v in (("a", 0.5 + d), ("b", 0.6 + d), ("c", 0.7 + d))]  # fmt: skip
    write_results(
        here,
        pa.table({"model": [r[0] for r in rows], "setting": [r[1] for r in rows],
                  "metric": ["top-1"] * 9, "value": [r[2] for r in rows],
                  "k": pa.array([None] * 9, pa.int64()), "n": pa.array([None] * 9, pa.int64())}),
        origin,
    )  # fmt: skip
    write_models(here, [{"model": "a", "family": "f", "year": 2019}, {"model": "b"}], origin)
    write_settings(here, [{"setting": "x-set", "aliases": "val"}], origin)
    return here


@pytest.mark.parametrize(
    ("condition", "models"),
    [
        (None, ["a", "b", "c"]),
        ("family = 'f'", ["a"]),
        ("family IS NULL", ["b", "c"]),
        ("val >= 0.6", ["b", "c"]),
        ("\"x-set\" >= 0.6 AND model NOT LIKE '%c%'", ["b"]),
        ("third > 0.85", ["c"]),
        ("year > 2000 OR y > 0.75", ["a", "c"]),
        ("val > 0.5 -- a comment", ["b", "c"]),
    ],
)
def test_conditions(store: Store, condition: str | None, models: list[str]) -> None:
    """Metadata, accuracies as fractions, aliases, and settings other than x and y all work."""
    assert select(store, accuracies(store, ["x-set", "y"]), condition) == models


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("famly = 'f'", "Did you mean family"),
        ("x-set >= 0.6", "double quotes"),
        ("val >=", "cannot be used"),
        ("model IN (SELECT model FROM read_csv('/etc/passwd'))", "cannot be used"),
    ],
)
def test_bad_conditions(store: Store, condition: str, says: str) -> None:
    """What is wrong is said, with near names; a condition reads no files."""
    with pytest.raises(BadInput, match=says):
        select(store, accuracies(store, ["x-set", "y"]), condition)
