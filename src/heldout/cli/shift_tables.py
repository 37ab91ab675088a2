"""heldout shifts NAME: all about a shift, a group, or a text such as fog:3"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from heldout.cli.copies import expanded

if TYPE_CHECKING:
    from heldout.shifts.shift import Group, Shift
    from heldout.table import Table

_COMMANDS = ("list", "show", "write")
_MANY = 12  # texts of which each has a line of its own
_FEW = 40  # numbers that a sheet shows well


def described(name: str) -> Table:
    """All about a shift, a group, or a text such as fog:3."""
    from heldout.errors import NotFound, near_matches
    from heldout.shifts.catalogue import find, groups, names, parse
    from heldout.table import Column, Table

    if name in groups():
        return _group(groups()[name])
    if name == "clean":
        empty = (Column("shift", "text", []),)
        return Table("clean: the image as it is", empty, verdict=("It stands for no shift.",))
    if name in names() or not set(name) & set(":+,"):
        try:
            return _shift(find(name))
        except NotFound as error:
            command = near_matches(name, _COMMANDS)
            if not command:
                raise
            near = near_matches(name, [*names(), *groups()], 1)
            shift = f", or the shift '{near[0]}'" if near else ""
            raise NotFound(
                f"There is no shift and no command '{name}'. Did you mean"
                f" `heldout shifts {command[0]}`{shift}?"
            ) from error
    texts = expanded([name])
    steps = [s for t in texts if t != "clean" for s in parse(t).steps]
    if len(steps) == len(texts) and len({s.shift.name for s in steps}) == 1:
        return _at(steps[0].shift, [s.number for s in steps])
    return _texts(name, texts)


def _at(shift: Shift, numbers: Sequence[float]) -> Table:
    """A shift at some of its numbers: what it does there, with its constants where it has some."""
    from heldout.table import Column

    table = _shift(shift)
    columns = [c for c in table.columns if c.name != "severity" and len(c.values)]
    rows = [int(n) - 1 for n in numbers] if columns else []
    about = [shift.says(n) for n in numbers] if not columns else []
    texts = Column("shift", "text", [shift.text(n) for n in numbers], "the text that names it")
    picked = [replace(c, values=[c.values[r] for r in rows]) for c in columns]
    said = [Column("about", "text", about, "what it does")] if about else []
    return replace(table, columns=(texts, *said, *picked))


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
    example = shift.name
    if shift.numbered:
        ends = re.search(r"whole number from (\d+) to (\d+)$", shift.severities)
        few = ends is not None and int(ends[2]) <= _FEW
        example += f":{ends[1]}-{ends[2]}" if ends and few else ":NUMBER"
    notes = (
        *((f"Part of {', '.join(member)}.",) if member else ()),
        f"To see it: heldout shifts show IMAGE --shift {example}",
    )
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
    from heldout.shifts.sheet import rows
    from heldout.table import Column, Table

    if len(texts) <= _MANY:
        return Table(
            title,
            (
                Column("shift", "text", texts, "the text that names it"),
                Column("about", "text", [_about(t) for t in texts], "what it does"),
            ),
        )
    lines, end = rows([t for t in texts if t != "clean"])
    return Table(
        title,
        (
            Column("shift", "text", [r.label for r in lines], "the name"),
            Column("numbers", "text", [_span(r.numbers) for r in lines], "its numbers"),
        ),
        notes=(f"After each: {end}.",) if end else (),
    )


def _about(text: str) -> str:
    from heldout.shifts.catalogue import parse

    return "the image as it is" if text == "clean" else parse(text).in_words()


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
