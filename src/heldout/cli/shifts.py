"""heldout shifts"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from heldout.cli.copies import show, write
from heldout.cli.options import Format, FormatOption, OutputOption
from heldout.cli.shift_tables import described
from heldout.cli.show import entries, put, say

if TYPE_CHECKING:
    from heldout.shifts.shift import Group, Shift
    from heldout.table import Table

_LIST = "list"
_ALIKE = 4  # so many shifts of a family with the same numbers are listed together


class _ListsByDefault(TyperGroup):
    """`heldout shifts` and `heldout shifts fog` are `heldout shifts list …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        helps = set(self.get_help_option_names(ctx))
        # Two words, of which the first is no command, are a command with a slip of the pen.
        mistyped = len(args) > 1 and not any(a.startswith("-") for a in args[:2])
        if not args or (args[0] not in {*self.commands, *helps} and not mistyped):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As ever; a reader that has gone (head, less) is no news."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        return done


app = typer.Typer(cls=_ListsByDefault)


@app.callback()
def shifts() -> None:
    """The shifts there are, contact sheets, copies on disk.

    The shifts under which a test set can be run, and what their numbers mean. They are chained
    with +, as in noise:0.1+jpeg:30; blur:1-3 is three of them, and imagenet-c all 75 corruptions.

    Example:  heldout shifts

    Example:  heldout shifts fog
    """


@app.command(_LIST)
def command(
    name: Annotated[
        str | None,
        typer.Argument(help="A shift or group to describe; all are listed without it."),
    ] = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
) -> None:
    """The shifts, or all about one of them: `shifts fog` is enough.

    Example:  heldout shifts

    Example:  heldout shifts fog
    """
    if name is not None:
        put(described(name), form, output, rows=0)
    elif form is not Format.table or output is not None:
        put(_all(), form, output, rows=0)
    else:
        _list()


app.command("show")(show)
app.command("write")(write)


def _by_family() -> dict[str, tuple[list[Group], list[Shift]]]:
    """Groups and shifts of every family, in the catalogue's order."""
    from heldout.shifts.catalogue import find, groups, names

    found: dict[str, tuple[list[Group], list[Shift]]] = {}
    for shift in map(find, names()):
        found.setdefault(shift.family, ([], []))[1].append(shift)
    for group in groups().values():
        found.setdefault(_family_of(group), ([], []))[0].append(group)
    return found


def _family_of(group: Group) -> str:
    from heldout.shifts.catalogue import parse

    return parse(group.members[0]).steps[0].shift.family


def _list() -> None:
    """Family by family: its groups, and its shifts."""
    first = True
    for family, (groups, shifts) in _by_family().items():
        if not first:
            sys.stdout.write("\n")
        first = False
        say(family if family != "simple" else "Simple shifts")
        entries([(f"  {g.name}", (f"{g.about}: {len(g.members)} settings",)) for g in groups])
        alike: dict[str, list[Shift]] = {}
        for s in shifts:
            alike.setdefault(s.severities, []).append(s)
        entries([(f"  {s.name}", _lines(s)) for s in shifts if len(alike[s.severities]) < _ALIKE])
        for number, those in alike.items():
            if len(those) >= _ALIKE:
                say(f"  NAME:NUMBER, the {number}: {', '.join(s.name for s in those)}")


def _lines(shift: Shift) -> tuple[str, ...]:
    about = shift.about + ("; random, by --seed and example" if shift.random else "")
    return (about, f"{shift.name}:NUMBER: {shift.severities}") if shift.numbered else (about,)


def _all() -> Table:
    """Every shift, and every group, a row each."""
    from heldout.table import Column, Table

    rows: list[tuple[str, str, str, bool | None, str]] = []
    for family, (groups, shifts) in _by_family().items():
        rows += [(g.name, family, f"{len(g.members)} settings", None, g.about) for g in groups]
        rows += [(s.name, family, s.severities, s.random, s.about) for s in shifts]
    names, families, numbers, randoms, abouts = (list(c) for c in zip(*rows, strict=True))
    return Table(
        "Shifts",
        (
            Column("shift", "text", names, "the name"),
            Column("family", "text", families, "what it belongs to"),
            Column("number", "text", numbers, "what the number means, or how many a group is"),
            Column("random", "bool", randoms, "depends on --seed"),
            Column("about", "text", abouts, "what it does"),
        ),
    )
