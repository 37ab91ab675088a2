"""heldout results"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    LevelOption,
    ModelsOption,
    OutputOption,
    RowsOption,
    StoreOption,
    split,
)
from heldout.cli.show import put

if TYPE_CHECKING:
    from heldout.table import Table

_FILES = (".csv", ".json", ".md", ".tex")  # endings that choose a format with every row


def command(
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings to show; all when there are none.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric", help="top-1, top-5, another top-K, mean-per-class, or pm-K of video frames."
        ),
    ] = "top-1",
    per_class: Annotated[
        bool, typer.Option("--per-class", help="The accuracy of every class of one setting.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="Column of the labels (or 'class') of dependent examples."),
    ] = None,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Also score models that lack examples.")
    ] = False,
    level: LevelOption = 0.95,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Accuracies with exact intervals.

    Accuracies with exact intervals, model by model and setting by setting.

    Example:  heldout results imagenet-val --metric top-5
    """
    from heldout.analysis.results import per_class as class_table
    from heldout.analysis.results import results
    from heldout.errors import BadInput
    from heldout.store.read import Store

    here = Store.open(store)
    if per_class:
        if not settings or len(settings) != 1:
            raise BadInput("--per-class needs exactly one setting: heldout results SETTING.")
        if metric != "top-1" or cluster:
            raise BadInput("--per-class is top-1 without clusters; leave --metric and --cluster.")
        table = class_table(here, settings[0], split(models), level=level)
    else:
        table = results(
            here,
            settings,
            split(models),
            metric=metric,
            level=level,
            cluster=cluster,
            incomplete=incomplete,
        )
    if (
        not per_class
        and form is Format.table
        and not (output and Path(output).suffix.lower() in _FILES)
    ):
        table = _with_accuracy(table)
    put(table, form, output, rows=rows)


def _with_accuracy(table: Table) -> Table:
    """The rows with an accuracy; a note counts the others."""
    from dataclasses import replace

    kept = table.where(lambda row: row["value"] is not None)
    gone = len(table) - len(kept)
    if not gone:
        return table
    what = "row is" if gone == 1 else "rows are"
    note = (
        f"{gone:,} {what} not shown: the model has no accuracy on the setting (--format csv has"
        f" {'it' if gone == 1 else 'them'})."
    )
    return replace(kept, notes=(*table.notes, note))
