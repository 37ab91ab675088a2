"""Tables for people: at most as wide as the terminal, the verdict below, notes last."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heldout.cli.options import Format
from heldout.errors import BadInput

if TYPE_CHECKING:
    from heldout.table import Table

_NARROWEST_TEXT = 14
_SMALL = 15  # rows of a sub-table that are always shown


_ENDINGS = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".md": Format.markdown,
    ".tex": Format.latex,
}


def put(
    table: Table,
    form: Format = Format.table,
    output: str | None = None,
    *,
    rows: int = 40,
    parts: tuple[str, ...] = (),
) -> None:
    """Print a table, or write it to a file. parts: sub-tables that a terminal shows as well."""
    if output is not None and form is Format.table:
        form = _ENDINGS.get(Path(output).suffix.lower(), form)
    if form is Format.table:
        text = as_text(table, width(), rows, parts)
    else:
        text = {
            Format.csv: table.to_csv,
            Format.json: lambda: table.to_json() + "\n",
            Format.markdown: table.to_markdown,
            Format.latex: table.to_latex,
        }[form]()
    if output is None:
        sys.stdout.write(text)
        return
    path = Path(output)
    try:
        temporary = path.with_name(f".{path.name}.unfinished-{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise BadInput(f"Could not write '{output}': {error.strerror or error}.") from error
    sys.stderr.write(f"Wrote {output}.\n")


def say(text: str) -> None:
    """Print a sentence, folded to the width; following lines are indented."""
    for line in textwrap.wrap(text, width(), subsequent_indent="  ", break_long_words=False):
        sys.stdout.write(line + "\n")


def entries(rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Print names with lines of text beside them, each line folded to the width."""
    wide = max((len(name) for name, _ in rows), default=0) + 2
    for name, texts in rows:
        first = True
        for text in texts:
            for line in textwrap.wrap(text, width() - wide, break_long_words=True):
                sys.stdout.write(f"{name if first else '':<{wide}}{line}\n")
                first = False


def width() -> int:
    """Columns to use: the terminal's, or 80 where there is none."""
    return max(60, shutil.get_terminal_size((80, 24)).columns) if sys.stdout.isatty() else 80


def as_text(table: Table, columns: int = 80, rows: int = 40, parts: tuple[str, ...] = ()) -> str:
    """The table with title, rows, verdict, choices and notes as plain text."""
    lines = [
        *textwrap.wrap(table.title, columns),
        *(grid(table, columns, rows) if len(table) else []),
    ]
    for name in parts:
        part = table.parts.get(name)
        if part is not None and len(part):
            most = 0 if len(part) <= _SMALL else rows
            lines += ["", part.title, *grid(part, columns, most)]
    if table.verdict:
        lines.append("")
        for sentence in table.verdict:
            lines += textwrap.wrap(sentence, columns)
    small = [f"{k}: {v}" for k, v in table.choices.items()]
    if small:
        lines += ["", *textwrap.wrap("How: " + "; ".join(small) + ".", columns)]
    for note in table.notes:
        lines += textwrap.wrap(f"Note: {note}", columns, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def grid(table: Table, columns: int, rows: int) -> list[str]:
    """The rows of a table, fitted to a width.

    Names are cut in the middle first; then accuracies lose their intervals, but the last column
    with an interval (the answer) keeps its own; then columns at the end are left out. What is
    not shown is named below the table.
    """
    hidden = max(0, len(table) - rows) if rows else 0
    top = table.take(range(len(table) - hidden)) if hidden else table
    intervals = [c.name for c in table.columns if c.interval and not c.wide]
    bare: list[str] = []
    while True:
        heads, body, align = top.shown(bare=bare)
        heads = [h.replace("_", " ") for h in heads]
        sizes = [max([len(h), *(len(r[i]) for r in body)]) for i, h in enumerate(heads)]
        sizes = _shrink(sizes, align, columns)
        if sum(sizes) + 2 * (len(sizes) - 1) <= columns or len(bare) >= len(intervals) - 1:
            break
        bare.append(intervals[len(bare)])
    kept = _that_fit(sizes, columns)
    lines = [_line([heads[i] for i in kept], kept, sizes, align)]
    lines.append("  ".join("─" * sizes[i] for i in kept))
    lines += [_line([row[i] for i in kept], kept, sizes, align) for row in body]
    if hidden:
        lines.append(f"… and {hidden:,} more rows (--rows 0 shows all, --format csv writes all)")
    gone = [heads[i] for i in range(len(heads)) if i not in kept]
    gone += [f"the interval of {b.replace('_', ' ')}" for b in bare]
    if gone:
        lines += textwrap.wrap(f"(no room for {', '.join(gone)}: --format csv)", columns)
    return [line.rstrip() for line in lines]


def _shrink(sizes: list[int], align: list[str], columns: int) -> list[int]:
    """Narrow the widest text columns until the table fits or they are as narrow as they may be."""
    sizes = list(sizes)
    while sum(sizes) + 2 * (len(sizes) - 1) > columns:
        wide = [i for i, a in enumerate(align) if a == "left" and sizes[i] > _NARROWEST_TEXT]
        if not wide:
            break
        sizes[max(wide, key=lambda i: sizes[i])] -= 1
    return sizes


def _that_fit(sizes: list[int], columns: int) -> list[int]:
    kept: list[int] = []
    used = 0
    for i, size in enumerate(sizes):
        if used + size + (2 if kept else 0) > columns and kept:
            break
        used += size + (2 if kept else 0)
        kept.append(i)
    return kept


def _line(cells: list[str], kept: list[int], sizes: list[int], align: list[str]) -> str:
    out = []
    for text, i in zip(cells, kept, strict=True):
        text = _cut(text, sizes[i])
        out.append(text.ljust(sizes[i]) if align[i] == "left" else text.rjust(sizes[i]))
    return "  ".join(out)


def _cut(text: str, size: int) -> str:
    """Text cut in the middle, where names differ least.

    >>> _cut("resnext101_32x48d_wsl", 12)
    'resnex…d_wsl'
    """
    if len(text) <= size:
        return text
    tail = (size - 1) // 2
    return text[: size - 1 - tail] + "…" + text[len(text) - tail :]
