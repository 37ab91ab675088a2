"""A table of video frames: a row a frame, with its anchor, its distance from it and its classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from heldout.errors import BadInput, not_found
from heldout.testsets.anchors import AnchorSet, Frame, frame_number
from heldout.testsets.class_list import in_order
from heldout.testsets.columns import read_columns
from heldout.testsets.place import Place, existing, inside, place

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

Named = Callable[[str], tuple[list[str], list[str]]]


def table_sets(
    source: Source, named: Named
) -> tuple[Place, list[AnchorSet], list[str], list[str], list[str]]:
    """The folder of the frames, the anchor sets, class ids, class names and notes.

    Columns: file (relative to the folder), anchor (the anchor's file), offset (default: from the
    numbers in the file names), label or labels (class ids, or positions in the option classes;
    several with ; between them; empty: those of the anchor). named: the option classes as ids and
    names. Raises BadInput for a table that cannot be.
    """
    folder, table = _places(source)
    what = f"The table '{table.said}'"
    columns = read_columns(table)
    for name in ("file", "anchor"):
        if name not in columns:
            raise not_found("column", name, columns, what)
    wanted = next((c for c in ("labels", "label", "class") if c in columns), None)
    if wanted is None:
        raise not_found("column", "label", columns, what)
    files = [_inside(str(v), what) for v in columns["file"]]
    owners = [_inside(str(v), what) for v in columns["anchor"]]
    words = [[w for w in re.split(r"[;|\s]+", str(v).strip()) if w] for v in columns[wanted]]
    words, notes = _filled(files, owners, words, what)
    labels, classes, class_names = _numbered(words, source.options.get("classes"), named, what)
    offsets = _offsets(files, owners, columns.get("offset"), what)
    sets: dict[str, list[Frame]] = {}
    for file, owner, offset, label in zip(files, owners, offsets, labels, strict=True):
        sets.setdefault(owner, []).append(Frame(file, offset, label))
    return (
        folder,
        [_set(a, frames, what) for a, frames in sets.items()],
        classes,
        class_names,
        notes,
    )


def _places(source: Source) -> tuple[Place, Place]:
    where, option = place(source.path), source.options.get("table")
    if existing(where) == "file":
        return where.parent(), where
    beside = where.under(option or "")
    table = beside if beside.kind() == "file" else place(option or "")
    if existing(table) == "folder":
        raise BadInput(f"The table '{table.said}' is a folder.")
    return where, table


def _inside(path: str, what: str) -> str:
    clean = inside(path)
    if clean is None:
        raise BadInput(f"{what} has the path '{path}', which leads out of the folder of frames.")
    return clean


def _filled(
    files: Sequence[str], owners: Sequence[str], words: list[list[str]], what: str
) -> tuple[list[list[str]], list[str]]:
    """Empty labels take the anchor's."""
    of_anchor = {f: w for f, o, w in zip(files, owners, words, strict=True) if f == o}
    empty = [i for i, w in enumerate(words) if not w]
    for i in empty:
        words[i] = of_anchor.get(owners[i], [])
        if not words[i]:
            raise BadInput(f"{what} has no label for '{files[i]}', and its anchor has none either.")
    return words, [f"{len(empty):,} frames have the label of their anchor."] if empty else []


def _numbered(
    words: Sequence[Sequence[str]], option: str | None, named: Named, what: str
) -> tuple[list[tuple[int, ...]], list[str], list[str]]:
    """Labels as positions among the classes."""
    used = {w for ws in words for w in ws}
    if option is None:
        classes, _ = in_order(used, what)
        names = classes
    else:
        classes, names = named(option)
    at = {c: i for i, c in enumerate(classes)}
    if option is not None and not used <= set(at) and all(w.isdigit() for w in used):
        at = {str(i): i for i in range(len(classes))}
    unknown = sorted(used - set(at))
    if unknown:
        raise not_found("class", unknown[0], classes, f"'{option}', which {what[0].lower()}"
                        f"{what[1:]} uses")  # fmt: skip
    return [tuple(dict.fromkeys(at[w] for w in ws)) for ws in words], classes, names


def _offsets(
    files: Sequence[str], owners: Sequence[str], column: Sequence[Any] | None, what: str
) -> list[int]:
    if column is None:
        return [frame_number(f) - frame_number(a) for f, a in zip(files, owners, strict=True)]
    try:
        return [int(v) for v in column]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what} has an offset that is not a whole number: {error}.") from error


def _set(anchor: str, frames: Sequence[Frame], what: str) -> AnchorSet:
    """The frames of one anchor in the order of time, checked: one of them is the anchor."""
    there = [f for f in frames if f.key == anchor]
    if len(there) != 1 or there[0].offset != 0:
        found = "no row" if not there else f"offset {there[0].offset}" if len(there) == 1 else "two"
        raise BadInput(
            f"{what} names the anchor '{anchor}', which needs one row of its own with offset 0; it"
            f" has {found}."
        )
    keys = [f.key for f in frames]
    if len(set(keys)) < len(keys):
        twice = next(k for i, k in enumerate(keys) if k in keys[:i])
        raise BadInput(f"{what} has '{twice}' twice for the anchor '{anchor}'.")
    zero = next((f.key for f in frames if f.offset == 0 and f.key != anchor), None)
    if zero is not None:
        raise BadInput(f"{what} has offset 0 for '{zero}', which is not the anchor '{anchor}'.")
    return AnchorSet(anchor, tuple(sorted(frames, key=lambda f: f.offset)))
