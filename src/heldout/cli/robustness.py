"""heldout robustness"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    FamiliesOption,
    Format,
    FormatOption,
    LevelOption,
    MetricOption,
    ModelsOption,
    OutputOption,
    PopulationOption,
    RowsOption,
    Scale,
    ScaleOption,
    SeedOption,
    StoreOption,
    split,
)
from heldout.cli.show import put


def command(
    x: Annotated[str, typer.Argument(help="Setting on the x axis (standard accuracy).")],
    y: Annotated[str, typer.Argument(help="Setting on the y axis (under shift).")],
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    population: PopulationOption = None,
    scale: ScaleOption = Scale.probit,
    families: FamiliesOption = None,
    knee: Annotated[
        str | None,
        typer.Option("--knee", help="Two lines: 'auto', a fraction, or the model at the pivot."),
    ] = None,
    mine_y: Annotated[
        str | None, typer.Option("--mine-y", help="Read the models' own y from this setting.")
    ] = None,
    relative: Annotated[
        list[str] | None,
        typer.Option("--relative", help="MODEL=BASE: relative robustness of a pair; repeatable."),
    ] = None,
    metric: MetricOption = "top-1",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Accuracy on Y beyond what X predicts.

    Accuracy on Y beyond what the line predicts from accuracy on X, with intervals.

    Example:  heldout robustness val objectnet -p "family = 'standard'" -m clip_vit_b_32
    """
    from heldout.analysis.robustness import relative_robustness, robustness
    from heldout.errors import BadInput
    from heldout.store.read import Store

    here = Store.open(store)
    if relative:
        pairs = []
        for text in split(relative) or ():
            model, found, base = text.partition("=")
            if not found:
                raise BadInput(f"--relative wants MODEL=BASE; '{text}' has no '='.")
            pairs.append((model, base))
        table = relative_robustness(here, pairs, [x, y], metric=metric, level=level)
    else:
        table = robustness(
            here,
            x,
            y,
            population=population,
            models=split(models),
            scale=scale.value,
            metric=metric,
            level=level,
            seed=seed,
            families=families,
            pivot=knee,
            mine_y=mine_y,
        )
    put(table, form, output, rows=rows)
