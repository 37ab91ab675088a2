"""heldout compact"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    OutputOption,
    RowsOption,
    StoreOption,
)
from heldout.cli.show import put


def command(
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Settings whose parts to merge (default: all)."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep the old parts. Heldout counts their rows once; other programs that read the"
            " folder see them twice.",
        ),
    ] = False,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Merge the many small files of a setting into one.

    Merge the many small files of a setting into one. No row is lost or changed, and neither is
    what is known of its origin; runs and readers may go on meanwhile.

    Example:  heldout compact --store heldout-store

    Example:  heldout compact imagenet-val --keep
    """
    from heldout.cli.progress import progress
    from heldout.store.compact import compact
    from heldout.store.read import Store
    from heldout.table import Column, Table

    with progress("compact") as step:
        done = compact(Store.open(store), settings, delete=not keep, progress=step)
    before, after = sum(d.parts_before for d in done), sum(d.parts_after for d in done)
    big, small = sum(d.bytes_before for d in done), sum(d.bytes_after for d in done)
    table = Table(
        "Parts of every setting, before and after",
        (
            Column("setting", "text", [d.setting for d in done], "the setting"),
            Column("parts", "int", [d.parts_before for d in done], "files before"),
            Column("parts_after", "int", [d.parts_after for d in done], "files after"),
            Column("bytes", "int", [d.bytes_before for d in done], "their size"),
            Column("bytes_after", "int", [d.bytes_after for d in done], "their size after"),
        ),
        notes=tuple(dict.fromkeys(why for d in done for why in d.left)),
        verdict=(f"{before:,} parts are now {after:,}; {big / 1e6:,.1f} MB are {small / 1e6:,.1f}"
                 " MB.",),
        facts={"parts_before": before, "parts_after": after, "bytes_before": big,
               "bytes_after": small},
    )  # fmt: skip
    put(table, form, output, rows=rows)
