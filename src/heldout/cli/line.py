"""heldout line"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    FamiliesOption,
    Format,
    FormatOption,
    LevelOption,
    MetricOption,
    OutputOption,
    PopulationOption,
    RowsOption,
    Scale,
    ScaleOption,
    SeedOption,
    StoreOption,
)
from heldout.cli.show import put


def command(
    x: Annotated[str, typer.Argument(help="Setting on the x axis.")],
    y: Annotated[str, typer.Argument(help="Setting on the y axis.")],
    store: StoreOption = DEFAULT_STORE,
    scale: ScaleOption = Scale.probit,
    population: PopulationOption = None,
    families: FamiliesOption = None,
    noise: Annotated[
        bool, typer.Option("--noise", help="Also fit with errors in both variables (York).")
    ] = False,
    knee: Annotated[
        str | None,
        typer.Option("--knee", help="Two lines: 'auto', a fraction, or the model at the pivot."),
    ] = None,
    metric: MetricOption = "top-1",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 20,
) -> None:
    """Accuracy on Y against accuracy on X, as a line.

    The line of accuracy on Y against accuracy on X over a baseline population.

    Example:  heldout line val imagenet-a --scale logit -p "family = 'standard'" --knee resnet50
    """
    from heldout.analysis.line import line
    from heldout.store.read import Store

    table = line(
        Store.open(store),
        x,
        y,
        scale=scale.value,
        population=population,
        metric=metric,
        level=level,
        seed=seed,
        families=families,
        noise=noise,
        pivot=knee,
    )
    put(table, form, output, rows=rows, parts=("fits",))
