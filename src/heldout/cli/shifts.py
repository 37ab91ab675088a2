"""heldout shifts"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from heldout.cli.copies import show, write
from heldout.cli.options import Format, FormatOption, OutputOption
from heldout.cli.show import entries, put, say

if TYPE_CHECKING:
    from heldout.shifts.shift import Group, Shift
    from heldout.table import Table

_LIST = "list"
_ALIKE = 4  # so many shifts of a family with the same numbers are listed together
_MANY = 12  # texts of which each has a line of its own


class _ListsByDefault(TyperGroup):
    """`heldout shifts` and `heldout shifts fog` are `heldout shifts list …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        helps = set(self.get_help_option_names(ctx))
        # Two words, of which the first is no command, are a command with a slip of the pen.
        mistyped = len(args) > 1 and not any(a.startswith("-") for a in args[:2])
        if not args or (args[0] not in {*self.commands, *helps} and not mistyped):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


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
        put(_described(name), form, output, rows=0)
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


def _described(name: str) -> Table:
    """All about a shift, a group, or a text such as fog:3."""
    from heldout.shifts.catalogue import expand, find, groups, names

    if name in groups():
        return _group(groups()[name])
    if name in names() or not set(name) & set(":+,"):
        return _shift(find(name))
    return _texts(name, expand(name))


def _shift(shift: Shift) -> Table:
    from heldout.shifts.catalogue import groups

    member = [
        g.name
        for g in groups().values()
        if any(m.partition(":")[0] == shift.name for m in g.members)
    ]
    number = f"{shift.name}:NUMBER, the {shift.severities}." if shift.numbered else "No number."
    random = (
        "Random: the result depends on --seed and the example's id."
        if shift.random
        else "Not random: the result depends on the image alone."
    )
    notes = (f"Part of {', '.join(member)}.",) if member else ()
    table = _constants(shift)
    return replace(
        table,
        title=f"{shift.name}: {shift.about} ({shift.family})",
        verdict=(number, random, *table.verdict),
        notes=notes,
    )


def _constants(shift: Shift) -> Table:
    """The published constants of a corruption for every size of image; else an empty table."""
    from heldout.shifts.corruptions.constants import FIELDS, SIZES, constants
    from heldout.shifts.corruptions.prepare import IMAGECORRUPTIONS, IMAGENET_C
    from heldout.shifts.shift import number_text
    from heldout.table import Column, Table

    own = shift.family == IMAGENET_C
    # The package has a formula for elastic_transform in the place of the authors' constants.
    theirs = shift.family == IMAGECORRUPTIONS and shift.kind != "elastic_transform"
    if not (own or theirs) or shift.kind not in FIELDS:
        return Table(shift.name, (Column("shift", "text", []),))
    sizes = SIZES if own else SIZES[:1]
    severities = (1, 2, 3, 4, 5)

    def said(severity: int, size: int) -> str:
        return ", ".join(number_text(c) for c in constants(shift.kind, severity, size))

    columns = [
        Column(f"{size} pixels", "text", [said(n, size) for n in severities], FIELDS[shift.kind])
        for size in sizes
    ]
    where = (
        "An image has the constants of the size that is nearest to its shorter side."
        if own
        else "The package has these constants at every size."
    )
    return Table(
        shift.name,
        (Column("severity", "int", list(severities), "the number"), *columns),
        verdict=(f"The constants are: {FIELDS[shift.kind]}. {where}",),
    )


def _group(group: Group) -> Table:
    table = _texts(group.name, list(group.members))
    use = f"One word for all of them: heldout run NAME=PATH -m URI --shift {group.name}."
    return replace(table, title=f"{group.name}: {group.about}", verdict=(use,))


def _texts(title: str, texts: list[str]) -> Table:
    """The shifts that a text means: a row each, or a row for all numbers of one shift."""
    from heldout.shifts.catalogue import parse
    from heldout.shifts.sheet import rows
    from heldout.table import Column, Table

    if len(texts) <= _MANY:
        return Table(
            title,
            (
                Column("shift", "text", texts, "the text that names it"),
                Column("about", "text", [parse(t).in_words() for t in texts], "what it does"),
            ),
        )
    lines, end = rows(texts)
    return Table(
        title,
        (
            Column("shift", "text", [r.label for r in lines], "the name"),
            Column("numbers", "text", [_span(r.numbers) for r in lines], "its numbers"),
        ),
        notes=(f"After each: {end}.",) if end else (),
    )


def _span(numbers: Sequence[str]) -> str:
    """Numbers in a cell; many that follow each other as a range.

    >>> _span(["1", "2"]), _span([str(n) for n in range(31)])
    ('1, 2', '0 to 30')
    """
    if len(numbers) > 6 and all(n.isdigit() for n in numbers):
        first = int(numbers[0])
        if [int(n) for n in numbers] == list(range(first, first + len(numbers))):
            return f"{first} to {first + len(numbers) - 1}"
    return ", ".join(numbers)
