"""heldout compare"""

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
    RowsOption,
    StoreOption,
    split,
)
from heldout.cli.show import put


def command(
    setting: Annotated[str, typer.Argument(help="The setting on which models are compared.")],
    models: Annotated[
        list[str] | None, typer.Argument(help="Two or more models; all when there are none.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    more: ModelsOption = None,
    interval: Annotated[
        str,
        typer.Option(
            "--interval", help="tango, newcombe, mover-wilson, bootstrap, agresti-min or wald."
        ),
    ] = "tango",
    test: Annotated[str, typer.Option("--test", help="McNemar's test: exact or mid-p.")] = "exact",
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="Column of the labels (or 'class') of dependent examples."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Show every pair, not only the groups.")
    ] = False,
    metric: MetricOption = "top-1",
    level: LevelOption = 0.95,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Who is really better than whom.

    Who is really better than whom: paired differences, exact McNemar tests, groups.

    Example:  heldout compare imagenet-val resnet50 resnet152
    """
    from dataclasses import replace

    from heldout.analysis.compare import compare
    from heldout.store.read import Store

    table = compare(
        Store.open(store),
        setting,
        [*(split(models) or ()), *(split(more) or ())] or None,
        metric=metric,
        level=level,
        interval=interval,
        test=test,
        cluster=cluster,
    )
    if form is Format.table and table.facts["models"] > 2 and not pairs:
        groups = table.parts["groups"]
        table = replace(
            groups,
            verdict=(*table.verdict, "Models that share a letter do not differ significantly;"
                     " --pairs shows every pair."),
            choices=table.choices,
            notes=table.notes,
        )  # fmt: skip
    put(table, form, output, rows=rows)
