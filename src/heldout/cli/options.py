"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

DEFAULT_STORE = "heldout-store"


class Format(StrEnum):
    """How a table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"
    latex = "latex"


class Scale(StrEnum):
    """The scale of both axes of a line."""

    linear = "linear"
    logit = "logit"
    probit = "probit"


StoreOption = Annotated[
    str,
    typer.Option(
        "--store", "-s", envvar="HELDOUT_STORE", help="The store: a folder or any fsspec URL."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to write the table.")]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", help="Write to this file; .csv, .json, .md and .tex say the format."
    ),
]
RowsOption = Annotated[
    int, typer.Option("--rows", help="Rows of a plain table to show; 0 shows all.", min=0)
]
LevelOption = Annotated[float, typer.Option("--level", help="Level of the intervals.")]
MetricOption = Annotated[
    str, typer.Option("--metric", help="top-1, top-5, another top-K, or pm-K of video frames.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the resampling.", min=0)]
ScaleOption = Annotated[Scale, typer.Option("--scale", help="Scale of both axes.")]
PopulationOption = Annotated[
    str | None,
    typer.Option(
        "--population",
        "-p",
        help="SQL condition for the models the line is fitted to, over metadata and accuracies"
        " (fractions), e.g. \"family = 'standard' AND val >= 0.55\".",
    ),
]
FamiliesOption = Annotated[
    str | None,
    typer.Option("--families", help="Metadata column whose values are resampled as a whole."),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="Only this model; may be repeated, commas allowed."),
]


def split(values: list[str] | None) -> list[str] | None:
    """Repeated and comma-separated values as one list; None when there are none.

    >>> split(["a,b", "c"])
    ['a', 'b', 'c']
    """
    names = [v.strip() for value in values or () for v in value.split(",")]
    return [n for n in names if n] or None
