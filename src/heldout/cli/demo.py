"""heldout demo"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from heldout.cli.options import SeedOption
from heldout.cli.progress import progress
from heldout.cli.show import put


def command(
    store: Annotated[
        str, typer.Option("--store", "-s", help="Where to put the demo's store.")
    ] = "heldout-demo",
    report: Annotated[
        str, typer.Option("--report", help="Where to write the report.")
    ] = "heldout-demo/report.html",
    seed: SeedOption = 0,
) -> None:
    """The whole job in a minute, on handwritten digits.

    The whole job in a minute, on the handwritten digits that ship with scikit-learn.

    Trains classifiers on digits of some writers, tests them on other digits of the same writers,
    on writers never seen and under image shifts, and gives the verdict and the report.

    Example:  heldout demo
    """
    from heldout.analysis.gap import gap
    from heldout.demo.run import run_demo
    from heldout.report.page import write_report
    from heldout.store.read import Store

    start = time.monotonic()
    with progress("Demo") as step:
        run_demo(store, seed=seed, progress=lambda what, part: step(what, 0.9 * part))
        here = Store.open(store)
        step("the gap", 0.92)
        table = gap(here, "digits-same-writers", "digits-new-writers", seed=seed)
        step("the report", 0.95)
        done = write_report(here, report, seed=seed)
    put(table, parts=("fits",))
    seconds = time.monotonic() - start
    typer.echo(
        f"\nDone in {seconds:.0f} s. Every prediction is in {store}; look into it with\n"
        f"  heldout info --store {store}\n"
        f"Open the report in a browser:  {done.path}"
    )
