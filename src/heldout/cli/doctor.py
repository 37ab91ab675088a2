"""heldout doctor"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    ModelsOption,
    OutputOption,
    RowsOption,
    StoreOption,
    split,
)
from heldout.cli.show import put


def command(
    settings: Annotated[
        list[str] | None, typer.Argument(help="Settings to look at; all when there are none.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """What is wrong with these predictions, how sure, what it costs and what mends it.

    Exits with 3 when something is wrong. Example:  heldout doctor imagenet-val
    """
    from heldout.analysis.doctor import examine
    from heldout.store.read import Store

    table = examine(Store.open(store), settings, split(models))
    put(table, form, output, rows=rows)
    commands = list(dict.fromkeys(row["command"] for row in table.rows() if row["command"]))
    if form is Format.table and output is None and commands:
        typer.echo("\nWhat mends it:")
        for text in commands:
            typer.echo(f"  {text}")
    if table.facts.get("n_errors"):
        raise typer.Exit(3)
