"""heldout doctor"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from heldout.table import Table


_FILES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".npy", ".npz")


def command(
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Settings of the store to look at (default: all), or one file."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    labels: Annotated[
        str | None, typer.Option("--labels", help="For a file: its labels, by example id.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="For a file: the classes, a file or number.")
    ] = None,
    reported: Annotated[
        float | None,
        typer.Option("--reported", help="For a file: the accuracy claimed."),
    ] = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """What is wrong with predictions, and what mends it.

    What is wrong with these predictions, how sure, what it costs and what mends it.

    A file is looked at row by row before it is imported, so repeated or missing ids are found.
    Exits with 3 when something is wrong.

    Example:  heldout doctor imagenet-val

    Example:  heldout doctor predictions.csv --labels labels.csv
    """
    from heldout.analysis.doctor import examine
    from heldout.errors import BadInput
    from heldout.store.read import Store

    more = ""
    if settings and len(settings) == 1 and Path(settings[0]).is_file():
        tables = _of_file(settings[0], labels, classes, reported)
        more = f" --labels {shlex.quote(labels or 'LABELS')} --setting SETTING --model MODEL"
    elif settings and len(settings) == 1 and Path(settings[0]).suffix in _FILES:
        raise BadInput(f"There is no file '{settings[0]}'.")
    else:
        tables = [examine(Store.open(store), settings, split(models))]
    for table in tables:
        put(table, form, output, rows=rows)
        _mends(table, form, output, more)
    if any(table.facts.get("n_errors") for table in tables):
        raise typer.Exit(3)


def _of_file(
    path: str, labels: str | None, classes: str | None, reported: float | None
) -> list[Table]:
    """A table for every model in a file of predictions."""
    from heldout.analysis.doctor import examine_rows
    from heldout.imports.generic_raw import read_raw
    from heldout.imports.generic_spec import GenericSpec

    number = int(classes) if classes is not None and classes.isdigit() else classes
    raw = read_raw(path, GenericSpec(labels=labels or "", classes=number or ""))
    return [
        examine_rows(
            one.examples, one.predicted, raw.label_examples, raw.label,
            n_classes=len(raw.classes), reported=reported, source=path,
        )
        for one in raw.rows
    ]  # fmt: skip


def _mends(table: Table, form: Format, output: str | None, more: str) -> None:
    """The commands that mend what was found, whole, so that they can be copied."""
    commands = list(dict.fromkeys(row["command"] for row in table.rows() if row["command"]))
    if form is Format.table and output is None and commands:
        typer.echo("\nWhat mends it:")
        for text in commands:
            typer.echo(f"  {text}{more}")
