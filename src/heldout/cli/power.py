"""heldout power"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    LevelOption,
    OutputOption,
    StoreOption,
)
from heldout.cli.show import put


def command(
    difference: Annotated[
        float | None, typer.Option("--difference", help="Difference of two models, a fraction.")
    ] = None,
    discordance: Annotated[
        float | None,
        typer.Option("--discordance", help="Share of examples that exactly one gets right."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", help="SETTING:MODEL,MODEL: take the discordance from the store."),
    ] = None,
    n: Annotated[int | None, typer.Option("--n", help="Examples there are.", min=1)] = None,
    accuracy: Annotated[
        float | None, typer.Option("--accuracy", help="For a gap: accuracy on the original.")
    ] = None,
    gap: Annotated[float | None, typer.Option("--gap", help="The gap to find, a fraction.")] = None,
    original_n: Annotated[
        int | None, typer.Option("--original-n", help="Size of the original test set.", min=1)
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance of finding it.")] = 0.8,
    level: LevelOption = 0.95,
    store: StoreOption = DEFAULT_STORE,
    form: FormatOption = Format.table,
    output: OutputOption = None,
) -> None:
    """How many examples a question needs; the reverse.

    How many examples tell two models apart, or a gap from zero; and the reverse.

    Example:  heldout power --difference 0.01 --discordance 0.1

    Example:  heldout power --accuracy 0.76 --gap 0.02 --original-n 50000
    """
    from heldout.analysis.power import observed_discordance, power_gap, power_two_models
    from heldout.errors import BadInput

    if like is not None:
        from heldout.store.read import Store

        setting, _, names = like.rpartition(":")
        pair = [p for p in names.split(",") if p]
        if not setting or len(pair) != 2:
            raise BadInput(f"--like wants SETTING:MODEL,MODEL; '{like}' is not of that form.")
        discordance = observed_discordance(Store.open(store), setting, pair[0], pair[1])
    if accuracy is not None:
        table = power_gap(
            accuracy=accuracy, gap=gap, n=n, original_n=original_n, level=level, power=power
        )
    elif discordance is not None:
        table = power_two_models(
            difference=difference, n=n, discordance=discordance, level=level, power=power
        )
    else:
        raise BadInput(
            "Give --discordance (or --like) to compare two models, or --accuracy for a gap between"
            " two test sets."
        )
    put(table, form, output)
