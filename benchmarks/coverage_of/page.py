"""The Markdown page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.row import NOMINAL, Row, Section


def render(tables: list[tuple[Section, list[Row]]], draws: int) -> str:
    """The page of all tables; draws is what the simulations were asked for."""
    lines = [
        "# Coverage of every interval",
        "",
        "How often a nominal 95 % interval of `heldout.stats` holds the truth. Made by",
        "`python benchmarks/coverage.py --write docs/coverage.md` (seeded, a few minutes on one",
        f'core, --draws {draws}); do not edit by hand. "exact sum" rows enumerate every outcome',
        "that matters (they leave out less than 1e-8 of the mass); the others say their",
        "Monte-Carlo standard error. Rows in parentheses are methods that the package does not",
        "offer, for comparison.",
        "",
        "## Where it falls short",
        "",
        "Methods with a row more than 1 point, and more than 3 standard errors, below 95 %:",
        "",
        "| method | worst | where | such rows |",
        "| --- | --- | --- | --- |",
        *shortfalls([row for _, rows in tables for row in rows]),
    ]
    for section, rows in tables:
        lines += ["", f"## {section.title}", "", section.words, "",
                  "| method | n | truth | nominal | measured | error |",
                  "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        lines += [
            f"| {row.method} | {row.n} | {row.truth} | 95 % | {100 * row.covered:.2f} % | "
            f"{f'± {100 * error(row):.2f}' if row.draws else 'exact sum'} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def shortfalls(rows: list[Row]) -> Iterator[str]:
    """A line of the summary for each offered method that falls short somewhere."""
    for method in dict.fromkeys(row.method for row in rows if not row.method.startswith("(")):
        own = [row for row in rows if row.method == method]
        low = [row for row in own if short(row)]
        if low:
            worst = min(low, key=lambda row: row.covered)
            yield (
                f"| {method} | {100 * worst.covered:.1f} % | {worst.n}; {worst.truth} | "
                f"{len(low)} of {len(own)} |"
            )


def error(row: Row) -> float:
    """The Monte-Carlo standard error."""
    return (
        float(np.sqrt(max(row.covered * (1 - row.covered), 1e-9) / row.draws)) if row.draws else 0
    )


def short(row: Row) -> bool:
    """More than 1 point and more than 3 standard errors below the level."""
    return row.covered < NOMINAL - max(0.01, 3 * error(row))
