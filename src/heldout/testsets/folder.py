"""Folders of classes: PATH/CLASS/picture, the layout of ImageNet and of most sets beside it."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from heldout.errors import BadInput, not_found
from heldout.testsets.class_list import labelled_by_name
from heldout.testsets.place import FileSet, Place, existing, files_below, is_image, place
from heldout.testsets.reader import Listing, checked

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("classes", "id")
_SPLITS = {"train", "val", "valid", "validation", "dev", "test"}
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def open_folder(source: Source) -> FileSet:
    """A folder with a folder a class; ids are paths, 'CLASS/file' (option id: path, name, stem).

    Classes are in the order of their names, numbers by value, or as the option classes says.
    Pictures directly in the folder have no label, when there are no others. Raises BadInput for a
    folder without pictures, and for a class that the option does not know.
    """
    where = place(source.path)
    if existing(where) != "folder":
        raise BadInput(f"'{where.said}' is a file; the kind 'folder' reads folders of classes.")
    pictures, ignored, tables = _sorted_out(files_below(where))
    what = f"The folder '{where.said}'"
    if not pictures:
        others = _counted(ignored)
        raise BadInput(
            f"{what} has no pictures{f', only {others}' if others else ': it is empty'}."
        )
    notes = [f"{_counted(ignored).capitalize()} were ignored."] if ignored else []
    below = [p for p in pictures if "/" in p]
    if not below:
        return _without_labels(where, sorted(pictures), notes, tables, source)
    if len(below) < len(pictures):
        notes.append(
            f"{len(pictures) - len(below):,} pictures that lie in no class folder were ignored."
        )
    below.sort()
    of_class = [p.partition("/")[0] for p in below]
    _must_be_classes(below, set(of_class), what)
    option = source.options.get("classes")
    label, classes, class_names, more = labelled_by_name(of_class, what, option)
    notes += more + _empty_folders(where, set(of_class))
    if len(classes) == 1:
        notes.append(f"There is only one class, '{classes[0]}'.")
    order = np.argsort(label, kind="stable")
    paths = [below[i] for i in order]
    examples = _ids(paths, source.options.get("id", "path"))
    listing = Listing(examples, label[order], classes, class_names, notes=tuple(notes))
    return FileSet(checked(listing, what), where, paths)


def _sorted_out(paths: Iterable[str]) -> tuple[list[str], Counter[str], list[str]]:
    """Pictures; how many of what else there are; tables that lie beside the pictures."""
    pictures, tables, ignored = [], [], Counter[str]()
    for path in paths:
        if path.startswith(".") or "/." in path or "__MACOSX" in path:
            ignored["hidden"] += 1
        elif is_image(path):
            pictures.append(path)
        else:
            ignored[os.path.splitext(path)[1].lower()] += 1
            if "/" not in path and path.lower().endswith(_TABLES):
                tables.append(path)
    return pictures, ignored, sorted(tables)


def _counted(ignored: Counter[str]) -> str:
    """ "2 hidden files, 1 .txt file" in words."""
    parts = []
    for kind, n in sorted(ignored.items()):
        named = f"{kind} file{'s' if n > 1 else ''}"
        parts.append(f"{n:,} {named}" if kind else f"{n:,} {named.strip()} without an ending")
    return ", ".join(parts)


def _without_labels(
    where: Place, paths: list[str], notes: list[str], tables: list[str], source: Source
) -> FileSet:
    hint = f" The option table={tables[0]} reads them from the table there." if tables else ""
    notes.append(f"The pictures lie in no class folders, so there are no labels.{hint}")
    label = np.full(len(paths), -1, np.int32)
    examples = _ids(paths, source.options.get("id", "path"))
    listing = Listing(examples, label, [], [], notes=tuple(notes))
    return FileSet(checked(listing, f"The folder '{where.said}'"), where, paths)


def _ids(paths: list[str], how: str) -> list[str]:
    """By the option id: the path, the file's name, or its stem, which is the name up to its end."""
    ways = {
        "path": lambda p: p,
        "name": posixpath.basename,
        "stem": lambda p: posixpath.splitext(posixpath.basename(p))[0],
    }
    if how not in ways:
        raise not_found("kind of id", how, ways, "folders of classes")
    return [ways[how](p) for p in paths]


def _must_be_classes(paths: list[str], folders: set[str], what: str) -> None:
    """A folder of splits is not a folder of classes: mistaken for one, it has 2 classes."""
    if folders <= _SPLITS and any(p.count("/") > 1 for p in paths):
        raise BadInput(
            f"{what} holds {' and '.join(repr(f) for f in sorted(folders))}, which are parts of a"
            " data set and not classes; give the folder of one of them."
        )


def _empty_folders(where: Place, used: set[str]) -> list[str]:
    folders = {n for n, is_folder in where.entries() if is_folder and not n.startswith((".", "__"))}
    empty = sorted(folders - used)
    if not empty:
        return []
    shown = ", ".join(f"'{e}'" for e in empty[:5]) + (", …" if len(empty) > 5 else "")
    return [f"{len(empty):,} folders have no pictures and are not counted as classes: {shown}."]
