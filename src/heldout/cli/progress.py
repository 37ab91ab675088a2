"""Progress on anything that takes long: a bar with time left on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Step = Callable[[str, float], None]


@contextmanager
def progress(title: str) -> Iterator[Step]:
    """A function `step(what, fraction)` that shows how far a job is.

    On a terminal a bar with the time left; in a log a line every five seconds at most.
    """
    if sys.stderr.isatty():
        with _bar(title) as step:
            yield step
    else:
        yield _lines(title)


@contextmanager
def _bar(title: str) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=1.0)

        def step(what: str, fraction: float) -> None:
            shown.update(task, completed=min(fraction, 1.0), description=f"{title}: {what}"[:40])

        yield step


def _lines(title: str) -> Step:
    start = last = time.monotonic()

    def step(what: str, fraction: float) -> None:
        nonlocal last, start
        now = time.monotonic()
        if not fraction:
            start = now  # loading and the like says nothing of the work's pace
        if now - last < 5:
            return
        last = now
        left = f", about {(now - start) * (1 - fraction) / fraction:.0f} s left" if fraction else ""
        sys.stderr.write(f"{title}: {what}, {fraction:.0%}{left}\n")

    return step
