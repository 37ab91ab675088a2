"""heldout flips"""

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
    setting: Annotated[
        str, typer.Argument(metavar="SET", help="The test set whose images were perturbed.")
    ],
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Divide by this model's flips; without it by AlexNet's published (ImageNet only).",
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark", help="imagenet-p or cifar-p, where the store has several: never mixed."
        ),
    ] = None,
    means: Annotated[
        bool, typer.Option("--means", help="Only the means over the kinds, a row a model.")
    ] = False,
    level: LevelOption = 0.95,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Flips under small perturbations (ImageNet-P).

    Flips along perturbation sequences (ImageNet-P): how often the answer changes from frame to
    frame (fp), how far the top 5 move (t5d), their means over the kinds, mFR and mT5D.

    Example:  heldout flips cifar10-test --benchmark cifar-p --against cifar-resnet-20
    """
    from dataclasses import replace

    from heldout.analysis.flips import flips
    from heldout.errors import BadInput
    from heldout.store.read import Store

    table = flips(
        Store.open(store), setting, split(models), against=against, benchmark=benchmark, level=level
    )
    if means:
        if "means" not in table.parts:
            raise BadInput(" ".join(["There are no means.", *table.notes]))
        table = replace(
            table, title=f"{table.title}: means", columns=table.parts["means"].columns, parts={}
        )
    put(table, form, output, rows=rows, parts=("means",))
