"""heldout frames"""

from __future__ import annotations

from typing import Annotated

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


def command(
    setting: Annotated[str, typer.Argument(help="The setting of video frames.")],
    k: Annotated[
        int, typer.Option("--k", "-k", help="Frames before and after an anchor.", min=1)
    ] = 10,
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    level: LevelOption = 0.95,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Accuracy on video: anchors alone, and with all frames around them.

    Accuracy on video: anchors alone (pm-0), with all frames within k of them (pm-k), the drop.

    Example:  heldout frames imagenet-vid-robust --k 10
    """
    from heldout.analysis.frames import pm_k
    from heldout.store.read import Store

    table = pm_k(Store.open(store), setting, k, split(models), level)
    put(table, form, output, rows=rows)
