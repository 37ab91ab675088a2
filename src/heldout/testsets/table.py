"""Tables of paths and labels beside a folder of pictures: CSV, TSV, .csv.gz, lists, Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.testsets import ids
from heldout.testsets.class_list import labelled_by_name, labelled_by_number, listed, renumbered
from heldout.testsets.columns import LISTED, Columns, class_folders, read_columns, typed
from heldout.testsets.place import FileSet, Place, below, existing, place
from heldout.testsets.reader import Listing, checked

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("table", "image", "label", "class", "name", "id", "where", "classes")
_GUESSES = {
    "image": ("image", "path", "file", "filename", "file_name", "image_path", "filepath",
              "file_path", "image_file", "img", "img_path", "png", "jpeg", "jpg"),
    "label": ("label", "target", "labels", "class_index", "class_idx", "class_id", "index", "y"),
    "class": ("class", "wnid", "synset", "category", "label_name"),
    "name": ("class_name", "name"),
    "id": ("id", "example", "example_id", "image_id"),
}  # fmt: skip


def open_table(source: Source) -> FileSet:
    """A table with a row an example: its path, its label, its class; further columns are groups.

    `path` is the folder that the paths are relative to, and the option table names the table; or
    `path` is the table, and the paths are relative to its folder. Columns that no option names are
    guessed, and a note says so. Raises BadInput for columns, labels, ids or paths that cannot be.
    """
    folder, table = _places(source)
    what = f"The table '{table.said}'"
    columns = _chosen(read_columns(table), source.options.get("where"), what)
    roles, notes = _roles(columns, source, folder, what)
    if "image" not in roles:
        raise BadInput(
            f"{what} has no column of paths; its columns are {', '.join(columns)}. Name one with"
            " the option image."
        )
    paths = _paths(columns[roles["image"]], folder, what)
    if "class" not in source.options and list(columns) == [LISTED]:
        found = class_folders(paths)
        if found is not None:
            columns, roles["class"] = {**columns, "folder": found}, "folder"
            notes.append("The labels are the folders in the paths; the option class= leaves none.")
    label, classes, class_names, more = _labels(columns, roles, source.options, what)
    notes += more
    option = source.options.get("id", roles.get("id"))
    examples = paths if option is None else ids.from_columns(option, columns, _lower(what))
    used = set(roles.values()) | ({option} if option else set())
    groups = {name: typed(values) for name, values in columns.items() if name not in used}
    listing = checked(Listing(list(examples), label, classes, class_names, groups=groups), what)
    _must_be_there(paths, folder, what)
    return FileSet(replace(listing, notes=tuple(notes)), folder, paths)


def _places(source: Source) -> tuple[Place, Place]:
    where, named = place(source.path), source.options.get("table")
    if existing(where) == "file":
        if named is not None:
            raise BadInput(
                f"'{where.said}' is a file, and the option table names another; give the folder of"
                " the pictures with the option, or the table alone."
            )
        return where.parent(), where
    if named is None:
        raise BadInput(
            f"'{where.said}' is a folder; the option table has to name the table, such as"
            " table=labels.csv."
        )
    beside = where.under(named)
    table = beside if place(named).kind() is None and beside.kind() == "file" else place(named)
    if existing(table) == "folder":
        raise BadInput(f"The table '{table.said}' is a folder.")
    return where, table


def _lower(what: str) -> str:
    """As it stands within a sentence."""
    return what[0].lower() + what[1:]


def _chosen(columns: Columns, where: str | None, what: str) -> Columns:
    """The rows that the option where=COLUMN:VALUE takes."""
    if where is None:
        return columns
    name, colon, value = where.partition(":")
    if not colon:
        raise BadInput(f"The option where is '{where}'; it has to be COLUMN:VALUE.")
    if name not in columns:
        raise not_found("column", name, columns, _lower(what))
    rows = [i for i, v in enumerate(columns[name]) if str(v) == value]
    if not rows:
        raise not_found("value", value, (str(v) for v in columns[name]), f"column '{name}'")
    return {k: [v[i] for i in rows] for k, v in columns.items()}


def _roles(
    columns: Columns, source: Source, folder: Place, what: str
) -> tuple[dict[str, str], list[str]]:
    """Which column is the image, the label, the class, its name, the id; and what was guessed.

    An option with nothing after its = says that there is no such column.
    """
    roles: dict[str, str] = {}
    for role in ("image", "label", "class", "name"):
        if (named := source.options.get(role)) is not None:
            if named and named not in columns:
                raise not_found("column", named, columns, _lower(what))
            roles[role] = named
    guessed = []
    by_lower = {name.lower(): name for name in reversed(columns)}
    for role, names in _GUESSES.items():
        if role in roles or (role == "id" and "id" in source.options):
            continue
        free = [by_lower[n] for n in names if by_lower.get(n, "") not in {"", *roles.values()}]
        suited = [name for name in free if _suits(role, name, columns, roles, folder)]
        if suited:
            roles[role] = suited[0]
            guessed.append(f"{role}={suited[0]}")
    roles = {role: name for role, name in roles.items() if name}
    return roles, [f"Columns were taken by their names: {', '.join(guessed)}."] if guessed else []


def _suits(role: str, name: str, columns: Columns, roles: dict[str, str], folder: Place) -> bool:
    """Whether a column's content is what its name says: a guess has to hold."""
    values = columns[name]
    if role == "image":
        first = below(str(values[0]), folder) if values else None
        others = [n for n in _GUESSES["image"] if n in columns and n != name]
        return not others or (first is not None and folder.under(first).kind() == "file")
    if role == "label" and name.lower() == "index":
        # The class's number or the row's: the former has a class for every number.
        named = [roles["class"]] if "class" in roles else _GUESSES["class"]
        return any(c in columns and _one_to_one(values, columns[c]) for c in named)
    if role == "label":
        return _all_numbers(values) or (
            name.lower() in ("label", "target") and "class" not in roles
        )
    if role == "class" and "label" in roles:
        if name.lower() != "category":
            return True  # and an error if labels and classes do not agree
        return _one_to_one(columns[roles["label"]], values)
    if role == "name":
        key = roles.get("class", roles.get("label"))
        return key is not None and len(set(zip(columns[key], values, strict=True))) == len(
            set(columns[key])
        )
    return role != "id" or len(set(values)) == len(values)


def _one_to_one(a: Sequence[Any], b: Sequence[Any]) -> bool:
    pairs = len(set(zip(a, b, strict=True)))
    return pairs == len(set(a)) == len(set(b))


def _all_numbers(values: Sequence[Any]) -> bool:
    return all(_number(v) is not None for v in values)


def _number(value: Any) -> int | None:
    """A whole number; -1 where there is nothing; None for anything else."""
    if value is None or value == "":
        return -1
    if isinstance(value, bool):
        return None
    try:
        return int(value) if not isinstance(value, float) or value.is_integer() else None
    except (TypeError, ValueError):
        return None


def _paths(values: Sequence[Any], folder: Place, what: str) -> list[str]:
    paths = []
    for row, value in enumerate(values, 1):
        path = below(str(value), folder) if value not in (None, "") else None
        if path is None:
            reason = "is empty" if value in (None, "") else f"'{value}' leaves the folder"
            raise BadInput(
                f"{what}, row {row}: the path {reason}; paths have to lie below '{folder.said}'."
                " Give the folder of the pictures, and the table with the option table."
            )
        paths.append(path)
    return paths


def _must_be_there(paths: list[str], folder: Place, what: str) -> None:
    """One missing picture is one unreadable example; when all of the first are, the folder is."""
    if not any(folder.under(p).kind() == "file" for p in paths[:20]):
        raise BadInput(
            f"{what} names '{paths[0]}', but there is no such file in '{folder.said}', nor any of"
            " the next ones. Give the folder that its paths are relative to, or name the column of"
            " paths with the option image."
        )


def _labels(
    columns: Columns, roles: dict[str, str], options: Any, what: str
) -> tuple[NDArray[np.int32], list[str], list[str], list[str]]:
    n, option = len(columns[roles["image"]]), options.get("classes")
    by_name = columns[roles["class"]] if "class" in roles else None
    raw = columns[roles["label"]] if "label" in roles else None
    if raw is not None and not _all_numbers(raw):
        if by_name is not None:
            bad = next(v for v in raw if _number(v) is None)
            raise BadInput(
                f"{what} has the label '{bad}' in column '{roles['label']}', which is not a whole"
                " number."
            )
        raw, by_name = None, raw
    names = None if by_name is None else [None if v in (None, "") else str(v) for v in by_name]
    if raw is None and names is None:
        note = f"{what} has no column of labels, so there are no labels."
        return np.full(n, -1, np.int32), [], [], [note]
    if raw is None:
        assert names is not None
        label, classes, class_names, notes = labelled_by_name(names, what, option)
    else:
        numbers = np.array([_number(v) for v in raw], np.int64)
        if names is None:
            label, classes, class_names, notes = labelled_by_number(numbers, what, option)
        else:
            label, classes, class_names, notes = _agreed(numbers, names, what, option)
    if missing := int((label < 0).sum()):
        notes.append(f"{missing:,} of {n:,} examples have no label.")
    if "name" in roles and class_names == classes:
        by_label = dict(zip(label.tolist(), columns[roles["name"]], strict=True))
        class_names = [str(by_label.get(i, c)) for i, c in enumerate(classes)]
    return label, classes, class_names, notes


def _agreed(
    numbers: NDArray[np.int64], names: Sequence[str | None], what: str, option: str | None
) -> tuple[NDArray[np.int32], list[str], list[str], list[str]]:
    """Labels by number and by name at once: they have to be one to one, and agree with the list."""
    of_number: dict[int, str | None] = {}
    of_name: dict[str | None, int] = {}
    for row, (number, name) in enumerate(zip(numbers.tolist(), names, strict=True), 1):
        if of_number.setdefault(number, name) != name:
            raise BadInput(
                f"{what}, row {row}: label {number} is class '{name}' here and"
                f" '{of_number[number]}' before; labels and classes do not agree. The option class="
                " says that no column is the class."
            )
        if of_name.setdefault(name, number) != number:
            raise BadInput(
                f"{what}, row {row}: class '{name}' has label {number} here and {of_name[name]}"
                " before; labels and classes do not agree."
            )
    if option is None:
        label, _, _, _ = labelled_by_number(numbers, what, None)
        values = sorted(k for k in of_number if k >= 0)
        classes = [str(of_number[v]) for v in values]
        gaps = bool(values) and values[-1] != len(values) - 1
        return label, classes, classes, [renumbered(len(values), values[-1])] if gaps else []
    result = labelled_by_number(numbers, what, option)
    classes, _ = listed(option)
    for number, name in of_number.items():
        if number >= 0 and classes[number] != name:
            raise BadInput(
                f"{what} has class '{name}' with label {number}, but class {number} of '{option}'"
                f" is '{classes[number]}'; labels and classes do not agree."
            )
    return result
