"""The classes of a test set and their order, from names, from numbers, or from a list."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, near_matches
from heldout.testsets.place import existing, place
from heldout.testsets.reader import duplicates


def in_order(names: Collection[str], where: str) -> tuple[list[str], list[str]]:
    """Class ids in order and notes: numbers by their value, anything else by the alphabet.

    Raises BadInput when two names are one number.
    """
    if not names or not all(n.isascii() and n.isdigit() for n in names):
        return sorted(names), []
    by_value: dict[int, str] = {}
    for name in sorted(names):
        other = by_value.setdefault(int(name), name)
        if other != name:
            raise BadInput(
                f"{where} has the classes '{other}' and '{name}', which are the same number;"
                " rename one of them, or give the order with the option classes."
            )
    ordered = [by_value[v] for v in sorted(by_value)]
    notes = [f"The classes are numbers and are in the order of their values,"
             f" '{ordered[0]}' to '{ordered[-1]}'."]  # fmt: skip
    last = max(by_value)
    if last != len(ordered) - 1:
        notes.append(
            f"The {len(ordered):,} class numbers are not all of 0 to {last:,}: class '{ordered[0]}'"
            " is the first, and so on."
        )
    return ordered, notes


def listed(option: str) -> tuple[list[str], list[str]]:
    """Class ids and names from the option classes: a file with one class a line, or a,b,c.

    A line may have the name for people after a tab. Raises BadInput for doubles and empty files.
    """
    where, names = f"The class list '{option}'", [c.strip() for c in option.split(",")]
    lines = [(c, c) for c in names]
    if "," not in option or place(option).kind() == "file":
        source = place(option)
        if existing(source) == "folder":
            raise BadInput(f"{where} is a folder; give a file with one class a line, or a,b,c.")
        try:
            text = source.read().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{where} cannot be read as text: {error}.") from error
        parts = [line.partition("\t") for line in text.splitlines() if line.strip()]
        lines = [(a.strip(), b.strip() or a.strip()) for a, _, b in parts]
    ids = [i for i, _ in lines]
    if not ids or "" in ids:
        raise BadInput(f"{where} has {'an empty class' if ids else 'no classes'}.")
    if len(set(ids)) != len(ids):
        raise BadInput(f"{where} has {duplicates(ids, 'class')}.")
    return ids, [n for _, n in lines]


def must_know(names: Collection[str], classes: Sequence[str], where: str, option: str) -> list[str]:
    """Notes when every name is one of the classes. Raises BadInput with near matches if not."""
    unknown = sorted(set(names) - set(classes))
    if unknown:
        near = near_matches(unknown[0], classes)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise BadInput(
            f"{where} has the class '{unknown[0]}'{more}, which is not one of the"
            f" {len(classes):,} classes of '{option}'.{hint}"
        )
    empty = sorted(set(classes) - set(names))
    if not empty:
        return []
    shown = ", ".join(empty[:5]) + (", …" if len(empty) > 5 else "")
    return [f"{len(empty):,} of the {len(classes):,} classes have no examples: {shown}."]


def labelled_by_name(
    names: Sequence[str | None], where: str, option: str | None
) -> tuple[NDArray[np.int32], list[str], list[str], list[str]]:
    """Labels, class ids, class names and notes from one class id an example (None: no label)."""
    occurring = {n for n in names if n is not None}
    if option is None:
        classes, notes = in_order(occurring, where)
        class_names = classes
    else:
        classes, class_names = listed(option)
        notes = must_know(occurring, classes, where, option)
    rank: dict[str | None, int] = {c: i for i, c in enumerate(classes)}
    label = np.array([rank.get(n, -1) for n in names], np.int32)
    return label, classes, class_names, notes


def labelled_by_number(
    numbers: NDArray[np.int64], where: str, option: str | None
) -> tuple[NDArray[np.int32], list[str], list[str], list[str]]:
    """Labels, class ids, class names and notes from one class number an example (-1: no label).

    Without a class list only the numbers that occur are classes. Raises BadInput for a number
    below -1 or beyond the list.
    """
    if len(numbers) and numbers.min() < -1:
        raise BadInput(f"{where} has the label {numbers.min()}; labels count from 0.")
    if option is not None:
        classes, class_names = listed(option)
        if len(numbers) and numbers.max() >= len(classes):
            raise BadInput(
                f"{where} has the label {numbers.max()}, but '{option}' has {len(classes):,}"
                f" classes, 0 to {len(classes) - 1}."
            )
        used = {classes[i] for i in np.unique(numbers[numbers >= 0])}
        notes = must_know(used, classes, where, option)
        return numbers.astype(np.int32), classes, class_names, notes
    values = np.unique(numbers[numbers >= 0])
    classes = [str(v) for v in values]
    label = np.where(numbers < 0, -1, np.searchsorted(values, numbers)).astype(np.int32)
    notes = [f"The classes have numbers and no names, 0 to {len(values) - 1}."]
    if len(values) == 0:
        notes = []
    elif values[-1] != len(values) - 1:
        notes = [renumbered(len(values), int(values[-1]))]
    return label, classes, classes, notes


def renumbered(n: int, last: int) -> str:
    """The note that only some of the numbers occur."""
    return (
        f"Only {n:,} of the class numbers 0 to {last:,} occur; those are the classes, in the order"
        " of their numbers. The option classes gives the whole list."
    )
