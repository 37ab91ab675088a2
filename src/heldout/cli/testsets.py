"""heldout testsets"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from heldout.cli.options import Format, FormatOption, OutputOption, RowsOption
from heldout.cli.show import put

if TYPE_CHECKING:
    from heldout.table import Table
    from heldout.testsets.catalogue import Known


def command(
    name: Annotated[
        str | None, typer.Argument(help="A test set to describe; all are listed without it.")
    ] = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
    rows: RowsOption = 40,
) -> None:
    """The test sets of the field that are known by name.

    The test sets of the field that are known by name: sizes, classes, clean baselines, traps.

    Example:  heldout testsets

    Example:  heldout testsets imagenet-a
    """
    from heldout.testsets.catalogue import known, names, unknown

    if name is None:
        put(_all([e for e in map(known, names()) if e is not None]), form, output, rows=rows)
        return
    entry = known(name)
    if entry is None:
        raise unknown(name)
    put(_one(entry), form, output, rows=0)


def _all(entries: list[Known]) -> Table:
    from heldout.table import Column, Table
    from heldout.testsets.catalogue import baseline_of

    shown = [e for e in entries if not e.version_of]
    others = [e.name for e in entries if e.version_of]
    bases = [baseline_of(e.name) for e in shown]
    return Table(
        "Test sets known by name",
        (
            Column("name", "text", [e.name for e in shown], "what to call it"),
            Column("n", "int", [e.n or None for e in shown], "images of a complete set"),
            Column("classes", "int", [_width(e) for e in shown], "classes it is scored on"),
            Column("clean_baseline", "text", [b[0] if b else "–" for b in bases],
                   "the test set on the x axis, scored on the same classes"),
            Column("about", "text", [e.about for e in shown], "what it is"),
            Column("label_space", "text", [e.space for e in shown], "models that fit", wide=True),
            Column("description", "text", [e.row["description"] for e in shown], "", wide=True),
        ),
        verdict=(
            "Use one by its name and the place where it lies: heldout run NAME=PATH …. A clean"
            " baseline is scored on the same classes. `heldout testsets NAME` says more.",
        ),
        notes=(
            "imagenet-c and cifar10-c stand for one set a corruption and severity.",
            f"Also: {', '.join(others)}.",
        ),
    )  # fmt: skip


def _one(entry: Known) -> Table:
    from heldout.table import Column, Table
    from heldout.testsets.catalogue import baseline_of, setting_name

    base = baseline_of(entry.name)
    facts = {
        "images": (f"{entry.n:,}" + (" each" if entry.parts else "")) if entry.n else "",
        "classes": f"{_width(entry):,}, of the label space {entry.space}",
        "images a class": _per_class(entry),
        "anchors": f"{entry.anchors:,}" if entry.anchors else "",
        "clean baseline": (setting_name(*base) + (f" ({base[0]}@{base[1]})" if base[1] else ""))
        if base
        else "",
        "other names": ", ".join(str(entry.row.get("aliases") or "").split()),
        "border": f"{entry.border} pixels cut from every side" if entry.border else "",
        "example ids": _ids(entry.id_format),
        "test sets": f"{len(entry.parts)}, such as {entry.parts[45][0]}" if entry.parts else "",
    }
    there = {k: v for k, v in facts.items() if v}
    return Table(
        f"{entry.name}: {entry.row['description']}",
        (
            Column("what", "text", list(there), ""),
            Column("value", "text", list(there.values()), ""),
        ),
        verdict=(
            f"On disk: {entry.layout}.",
            *(f"{n:,} images are {what}." for n, what in entry.also_n.items()),
        ),
        notes=entry.defects,
    )


def _width(entry: Known) -> int:
    from heldout.testsets.spaces import space

    return len(entry.classes.classes if entry.classes else space(entry.space).classes)


def _per_class(entry: Known) -> str:
    if entry.per_class is None:
        return ""
    few, many = min(entry.per_class), max(entry.per_class)
    return f"{few:,}" if few == many else f"{few:,} to {many:,}"


def _ids(form: str) -> str:
    words = {
        "path": "the path below the set's folder",
        "name": "the file's name",
        "stem": "the file's name without its ending",
    }
    return words.get(form, form)
