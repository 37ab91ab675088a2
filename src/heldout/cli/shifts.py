"""heldout shifts"""

from __future__ import annotations

from heldout.cli.options import Format, FormatOption, OutputOption
from heldout.cli.show import entries, put


def command(form: FormatOption = Format.table, output: OutputOption = None) -> None:
    """The shifts and what their numbers mean.

    The shifts under which a test set can be run, and what their numbers mean. They are chained
    with +, as in noise:0.1+jpeg:30, and blur:1-3 is three of them.

    Example:  heldout shifts
    """
    from heldout.shifts.catalogue import find, names
    from heldout.table import Column, Table

    shifts = [find(n) for n in names()]
    table = Table(
        "Shifts",
        (
            Column("shift", "text", [s.name for s in shifts], "the name"),
            Column("number", "text", [s.severities for s in shifts], "what the number means"),
            Column("random", "bool", [s.random for s in shifts], "depends on --seed"),
            Column("about", "text", [s.about for s in shifts], "what it does"),
        ),
    )
    if form is not Format.table or output is not None:
        put(table, form, output, rows=0)
        return
    rows = []
    for s in shifts:
        about = s.about + ("; random, by --seed and example" if s.random else "")
        said = (about, f"{s.name}:NUMBER: {s.severities}") if s.numbered else (about,)
        rows.append((s.name, said))
    entries(rows)
