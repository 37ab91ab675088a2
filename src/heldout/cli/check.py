"""heldout check"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import Format, FormatOption, OutputOption
from heldout.cli.progress import progress
from heldout.cli.show import put


def command(
    targets: Annotated[
        list[str], typer.Argument(help="Test sets, NAME=PATH, or a study file (.toml).")
    ],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Also try this model on a sample; repeatable."),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", help="Images of a set on which models are tried.", min=10)
    ] = 200,
    some: Annotated[
        int | None, typer.Option("--some", help="Look into so many images only.", min=1)
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Decode every image instead of reading headers.")
    ] = False,
    form: FormatOption = Format.table,
    output: OutputOption = None,
) -> None:
    """Is a local test set whole, and do models see it rightly?

    Hold a local copy of a test set against what is known of it: counts, classes, readable images,
    known defects. With models, run them on a sample and look for a wrong order of classes and for
    a normalisation that does better. Exit code 3 when something is wrong.

    Example:  heldout check imagenet-val=/data/val -m timm:resnet50
    """
    from heldout.cli.run import study_of
    from heldout.engine.checking import check_models, check_sets, set_table

    study = study_of(targets, models or [], [], "nowhere", {}, need_models=False)
    with progress("Check") as step:
        verified = check_sets(study, how_many=some, full=full, progress=step)
    for done in verified:
        put(set_table(done), form, output, rows=0)
    tried = None
    if study.models:
        with progress("Check") as step:
            tried = check_models(study, images, step)
        put(tried, form, output, rows=0)
    if not all(v.ok for v in verified) or (tried is not None and tried.facts["wrong"]):
        raise typer.Exit(3)
