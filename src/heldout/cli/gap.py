"""heldout gap"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    LevelOption,
    MetricOption,
    ModelsOption,
    OutputOption,
    PopulationOption,
    RowsOption,
    SeedOption,
    StoreOption,
    split,
)
from heldout.cli.show import put


def command(
    original: Annotated[str, typer.Argument(help="The original test set.")],
    new: Annotated[str, typer.Argument(help="The new or shifted one.")],
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    population: PopulationOption = None,
    metric: MetricOption = "top-1",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """How much accuracy is lost, and a verdict.

    How much accuracy is lost, whether the order of models holds, and a verdict.

    Example:  heldout gap imagenet-val imagenetv2-matched-frequency
    """
    from heldout.analysis.gap import gap
    from heldout.store.read import Store

    table = gap(
        Store.open(store),
        original,
        new,
        metric=metric,
        models=split(models),
        population=population,
        level=level,
        seed=seed,
    )
    put(table, form, output, rows=rows, parts=("fits", "influential"))
