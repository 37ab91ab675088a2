"""The field's test sets, the class lists they are scored on, and what their settings are called.

A setting's name and row here are those under which published results are imported, so that own runs
stand beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heldout.errors import BadInput, NotFound, near_matches, not_found
from heldout.testsets.class_map import ClassMap, of_classes, restriction, whole
from heldout.testsets.published import (
    Known,
    alias,
    baseline_of,
    index_list,
    known,
    names,
    published_name,
)
from heldout.testsets.spaces import IMAGENET, Space, spaces

__all__ = [
    "Known",
    "baseline_of",
    "class_list",
    "known",
    "names",
    "setting_name",
    "setting_row",
    "unknown",
]

_OWN = "own"
# What people call a set, without hyphens and the like, and the set that is meant.
_SHORT = {
    r"(imagenet|ilsvrc|inet)(1k|20?12|1000)?(validation|valid|test)?": "imagenet-val",
    r"(imagenet|inet)v2(mf|matched)?": "imagenetv2-matched-frequency imagenetv2-topimages",
    r"cifar(10)?(val|validation|test)?": "cifar10-test",
    r"cifar10\.1": "cifar10.1-v6 cifar10.1-v4",
    r"objectnet(1\.?0|beta)?": "objectnet-1.0-beta",
}


def class_list(
    name: str, space: Space, others: Mapping[str, Sequence[str]] | None = None
) -> ClassMap:
    """The class list of SET@LIST: a test set's classes, a file with one class a line, or classes
    with commas between them (by id, name or number).

    others: further test sets by name, with their class ids. Raises NotFound or BadInput.

    >>> from heldout.testsets.spaces import space
    >>> class_list("cat,car", space("cifar10")).classes
    ('automobile', 'cat')
    """
    if name in (others or {}):
        return of_classes((others or {})[name], space)
    if name in spaces():
        _same_space(name, name, space)
        return whole(space)
    entry = known(name)
    if entry is not None:
        _same_space(name, entry.space, space)
        return entry.classes or whole(space)
    indices = index_list(name)
    if indices is not None:
        _same_space(name, IMAGENET, space)
        return restriction(space, indices)
    if _is_file(name):
        return of_classes(_lines(name), space)
    wanted = [part.strip() for part in name.split(",") if part.strip()]
    try:
        return of_classes(wanted, space)
    except NotFound as error:
        if "," in name:
            raise
        near = near_matches(name, [*names(), *spaces()])
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise NotFound(
            f"'{name}' is no class list: it is no test set of the catalogue, no file and no class"
            f" of {space.name}.{hint} `heldout testsets` shows the catalogue; several classes are"
            " written with commas."
        ) from error


def unknown(name: str) -> NotFound:
    """The error for a name that is not in the catalogue, with the sets that are likely meant first.

    >>> print(unknown("cifar-10"))
    There is no test set 'cifar-10' in the catalogue. Did you mean 'cifar10-test'?
    """
    short = re.sub(r"[^a-z0-9.]", "", name.lower())
    meant = next((m for start, m in _SHORT.items() if re.fullmatch(start, short)), None)
    if meant is None:
        return not_found("test set", name, names(), "the catalogue")
    likely = " or ".join(f"'{n}'" for n in meant.split())
    return NotFound(f"There is no test set '{name}' in the catalogue. Did you mean {likely}?")


def setting_name(set_name: str, list_name: str | None = None, shift: str | None = None) -> str:
    """The canonical name: the published one where there is one, else SET[@LIST][/SHIFT].

    >>> setting_name("imagenet-val", "imagenet-a"), setting_name("imagenet-val", None, "fog:3")
    ('val-on-imagenet-a-classes', 'imagenet-val/fog:3')
    """
    set_name, chosen = alias(set_name), _list_name(set_name, list_name)
    if shift:
        return _plain_name(set_name, chosen) + f"/{shift}"
    return published_name(set_name, chosen) or _plain_name(set_name, chosen)


def setting_row(
    set_name: str,
    list_name: str | None = None,
    shift_text: str | None = None,
    n: int | None = None,
) -> dict[str, Any]:
    """The row of SET[@LIST][/SHIFT] for the store's table of settings.

    n: the number of examples, where it is known better than the catalogue knows it. Columns as in
    the store's schema, and subgroup, corruption, severity, medium.
    """
    set_name, chosen = alias(set_name), _list_name(set_name, list_name)
    name = setting_name(set_name, chosen)
    entry = known(name) if not chosen or name != _plain_name(set_name, chosen) else None
    row: dict[str, Any] = dict(entry.row) if entry else _new_row(name, set_name, chosen)
    if n is not None:
        row["n"] = n
    if not shift_text:
        return row
    kinds = [step.partition(":") for step in shift_text.split("+")]
    row |= {
        "setting": setting_name(set_name, list_name, shift_text),
        "baseline": name,
        "original": None,
        "group": "synthetic",
        "subgroup": None,
        "aliases": f"{name}/{shift_text}" if name != _plain_name(set_name, chosen) else None,
        "corruption": "+".join(kind for kind, _, _ in kinds),
        "severity": _number(kinds[0][2]) if len(kinds) == 1 else None,
        "description": f"{row.get('description') or name}, under {shift_text}",
    }
    return row


def _new_row(name: str, set_name: str, chosen: str) -> dict[str, Any]:
    """A row for a test set that is not in the catalogue, or for another class list on one."""
    entry = known(set_name)
    base = baseline_of(set_name)
    row: dict[str, Any] = {"setting": name, "label_set": name, "n": entry.n if entry else None}
    if entry is None and not chosen:
        return row
    matched = None if chosen in spaces() else chosen
    row |= {
        "n": None,
        "group": entry.row["group"] if entry and base else "clean-subset",
        "subgroup": entry.row.get("subgroup") if entry else None,
        "baseline": setting_name(base[0], matched) if base else None,
        "aliases": None,
        "description": f"{entry.row['description'] if entry else set_name}, scores restricted to"
        f" {chosen}",
    }
    return row


def _list_name(set_name: str, list_name: str | None) -> str:
    """The name of a class list as it stands in a setting's name; '' for the set's own classes."""
    if not list_name or list_name in (set_name, _OWN):
        return ""
    chosen = alias(list_name)
    if chosen == alias(set_name):
        return ""
    if _is_file(chosen):
        chosen = Path(chosen).stem
    return re.sub(r"[\s/@]+", "-", chosen)


def _plain_name(set_name: str, chosen: str) -> str:
    return f"{set_name}@{chosen}" if chosen else set_name


def _same_space(name: str, has: str, wanted: Space) -> None:
    if has != wanted.name:
        raise BadInput(
            f"'{name}' lists classes of {has}, but the test set's classes are those of"
            f" {wanted.name}."
        )


def _is_file(name: str) -> bool:
    return ("/" in name or "." in name) and Path(name).is_file()


def _lines(path: str) -> list[str]:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The class list '{path}' cannot be read: {error}.") from error
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def _number(text: str) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value == int(value) else value
