"""heldout mce"""

from __future__ import annotations

from enum import StrEnum
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


class By(StrEnum):
    """What a row is, beside a model."""

    corruption = "corruption"
    severity = "severity"


def command(
    test_set: Annotated[
        str | None,
        typer.Argument(metavar="SET", help="The clean test set; all when there is none."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    models: ModelsOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Divide by these errors: 'published' (AlexNet's; ImageNet only) or a model.",
        ),
    ] = None,
    medium: Annotated[
        str | None, typer.Option("--medium", help="in-memory or on-disk: never one mean of both.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Whose corruptions: imagenet-c, imagecorruptions, published-files, testbed.",
        ),
    ] = None,
    frost: Annotated[
        str | None,
        typer.Option("--frost", help="Frost from textures or from photographs, where both are."),
    ] = None,
    by: Annotated[
        By | None, typer.Option("--by", help="A row for each corruption, or each severity.")
    ] = None,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Score the rows there are, as after --limit.")
    ] = False,
    level: LevelOption = 0.95,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """Error under corruption: mCE, and its parts.

    Mean corruption error (mCE), relative mCE and the plain mean error, with intervals.

    Example:  heldout mce imagenet-val --medium on-disk --against alexnet
    """
    from heldout.analysis.corruption_error import mce
    from heldout.analysis.corruption_severity import by_severity
    from heldout.analysis.corruption_tables import by_corruption
    from heldout.errors import BadInput
    from heldout.store.read import Store

    here = Store.open(store)
    some = split(models)
    if by is By.severity:
        if against:
            raise BadInput("--by severity shows errors that are divided by nothing; no --against.")
        table = by_severity(
            here,
            test_set,
            some,
            reference=reference,
            medium=medium,
            frost=frost,
            level=level,
            incomplete=incomplete,
        )
    else:
        table = (by_corruption if by else mce)(
            here,
            test_set,
            some,
            against=against,
            reference=reference,
            medium=medium,
            frost=frost,
            level=level,
            incomplete=incomplete,
        )
    put(table, form, output, rows=rows)
