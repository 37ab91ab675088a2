"""heldout similarity"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
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
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    width: Annotated[
        float, typer.Option("--width", help="Error allowed in a difference of two models.")
    ] = 0.01,
    labels: Annotated[
        bool, typer.Option("--labels", help="Also how often two models predict the same class.")
    ] = False,
    metric: MetricOption = "top-1",
    figure: Annotated[
        str | None,
        typer.Option("--figure", help="Write a heat map in dendrogram order (.svg, .pdf or .png)."),
    ] = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 20,
) -> None:
    """How alike models are, and how many can be ranked.

    How often models agree in being right or wrong, and how many one test set can rank.

    Example:  heldout similarity imagenet-val --figure similarity.svg
    """
    from heldout.analysis.similarity import similarity
    from heldout.store.read import Store

    here = Store.open(store)
    table = similarity(here, setting, split(models), metric=metric, width=width, labels=labels)
    put(table, form, output, rows=rows)
    if figure:
        from heldout.report.figures import similarity_figure

        similarity_figure(here, setting, figure, metric=metric)
        typer.echo(f"Wrote {figure}.", err=True)
