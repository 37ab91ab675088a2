"""heldout report"""

from __future__ import annotations

from typing import Annotated

import typer

from heldout.cli.options import (
    DEFAULT_STORE,
    LevelOption,
    MetricOption,
    PopulationOption,
    Scale,
    ScaleOption,
    SeedOption,
    StoreOption,
)
from heldout.cli.progress import progress


def command(
    path: Annotated[str, typer.Argument(help="The HTML file to write.")] = "heldout-report.html",
    store: StoreOption = DEFAULT_STORE,
    x: Annotated[str | None, typer.Option("--x", help="Setting on the x axis at first.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Setting on the y axis at first.")] = None,
    original: Annotated[
        str | None, typer.Option("--original", help="Original of the gap table.")
    ] = None,
    new: Annotated[str | None, typer.Option("--new", help="New set of the gap table.")] = None,
    family: Annotated[
        str | None, typer.Option("--family", help="Metadata column shown as colours.")
    ] = None,
    population: PopulationOption = None,
    scale: ScaleOption = Scale.probit,
    title: Annotated[str | None, typer.Option("--title", help="Title of the report.")] = None,
    figures: Annotated[
        str | None,
        typer.Option("--figures", help="Also write figures (SVG, PDF, PNG) and LaTeX tables here."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", help="A picture to show under every corruption and severity."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Model whose errors mCE is divided by (default: AlexNet's, for ImageNet only).",
        ),
    ] = None,
    metric: MetricOption = "top-1",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
) -> None:
    """A page with everything in a store.

    One self-contained HTML file: explorer, gap, effective robustness, corruptions (mCE),
    similarity, classes, methods.

    Example:  heldout report report.html --x val --y imagenet-a --figures figures
    """
    from heldout.report.figures import write_figures
    from heldout.report.page import write_report
    from heldout.store.read import Store

    here = Store.open(store)
    with progress("Report") as step:
        step("the page", 0.1)
        done = write_report(
            here,
            path,
            title=title,
            original=original,
            new=new,
            x=x,
            y=y,
            population=population,
            family=family,
            scale=scale.value,
            metric=metric,
            level=level,
            seed=seed,
            image=image,
            against=against,
        )
        step("the figures", 0.7)
        files = (
            write_figures(
                here, figures, x=x, y=y, population=population, family=family, scale=scale.value,
                metric=metric, level=level, seed=seed,
            )
            if figures
            else []
        )  # fmt: skip
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(f"Wrote {done.path} ({done.bytes / 1e6:.1f} MB). Open it in a browser.")
    if files:
        typer.echo(f"Wrote {len(files)} figures and tables to {figures}.")
