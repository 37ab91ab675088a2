"""heldout info"""

from __future__ import annotations

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
    store: StoreOption = DEFAULT_STORE,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """What is in the store, where from, what is missing.

    What is in the store, where each part came from, and what is missing.

    Example:  heldout info --store heldout-demo
    """
    from heldout.analysis.info import info
    from heldout.store.read import Store

    put(info(Store.open(store)), form, output, rows=rows, parts=("sources",))
