"""Robustness to synthetic against natural shifts, as the page draws it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heldout.analysis.cells import Cells
from heldout.analysis.synthetic import synthetic_against_natural
from heldout.errors import BadInput
from heldout.report.documents import document
from heldout.store.read import Store
from heldout.table import Table, plain

_DIGITS = 6
# ImageNet-A was chosen against ResNet-50, so the line of accuracy on it bends there.
_PIVOTS = {"imagenet-a": "resnet50"}
# The testbed's own choice of models, where a store knows its families.
_BASELINE = "baseline_population"
_TESTED = "natural_shift_family <> 'standard' AND model NOT ILIKE '%subsample%'"


def synthetic_document(
    store: Store, cells: Cells, models: Sequence[str], *, population: str | None, level: float
) -> tuple[Table, dict[str, Any]]:
    """The correlations, and the points behind each pair of a synthetic and a natural shift.

    population: the baseline's condition; without one, that of the ImageNet testbed where the
    store has its metadata. Raises BadInput where there is no baseline or nothing to correlate.
    """
    tested = None
    if population is None:
        fields = {k for row in store.models().values() for k in row}
        if not {_BASELINE, "natural_shift_family"} <= fields:
            raise BadInput(
                "Synthetic against natural robustness needs a baseline that leaves some models out:"
                " name it with --population."
            )
        population, tested = _BASELINE, _TESTED
    settings = store.settings()
    pivots = {s: m for s, m in _PIVOTS.items() if s in settings and m in cells.models}
    table = synthetic_against_natural(
        store, population=population, models=tested, pivots=pivots, level=level, cells=cells
    )
    points = table.parts["points"]
    bare = Table(table.title, table.columns, table.notes, table.verdict, table.facts, table.choices)
    place = {m: i for i, m in enumerate(models)}
    found: dict[tuple[str, str], list[list[Any]]] = {}
    for synthetic, natural, model, u, v in zip(*(points[c] for c in points.names), strict=True):
        mine = found.setdefault((synthetic, natural), [[], [], []])
        mine[0].append(place[model])
        mine[1].append(round(float(u), _DIGITS))
        mine[2].append(round(float(v), _DIGITS))
    pairs = [
        {
            "synthetic": r["synthetic"],
            "natural": r["natural"],
            "points": found[r["synthetic"], r["natural"]],
            **{k: plain(r[k]) for k in ("n", "r", "low", "high", "spearman")},
        }
        for r in table.rows()
    ]
    drawn = document(bare, models, file="synthetic-natural", sort=("r", True))
    return bare, drawn | {"pairs": pairs}
