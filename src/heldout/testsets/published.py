"""The catalogue's entries: data/catalogue.toml and data/class_lists.json as `Known` test sets."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from heldout.testsets.class_map import ClassMap, restriction, supers
from heldout.testsets.spaces import Space, space

KINDS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
SEVERITIES = (1, 2, 3, 4, 5)
# Aliases in a store that a person may well use for a test set of their own.
_COMMON = frozenset({"original", "val", "v4", "v6", "cifar10"})


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A test set of the field."""

    name: str
    n: int
    """Images of a complete set; 0 where that depends on files that do not come with it."""
    about: str
    """A few words."""
    space: str
    """The label space of models that fit."""
    classes: ClassMap | None
    """None: all classes of the space."""
    row: Mapping[str, Any]
    """Its row for the store's settings."""
    defects: tuple[str, ...]
    border: int = 0
    """Pixels to cut from every side of an image."""
    id_format: str = "path"
    """What published predictions call an example: path, name, stem, or a text with {index}."""
    per_class: tuple[int, ...] | None = None
    """Images a class in the classes' order; None where it is not constant or not known."""
    also_n: Mapping[int, str] = field(default_factory=dict)
    """Other sizes that are in order, and what they are."""
    anchors: int | None = None
    """Video: number of anchor frames."""
    ignored: frozenset[str] = frozenset()
    """Class folders that belong to the set but to no class on which it is scored."""
    layout: str = ""
    """How it lies on a disk, in words."""
    parts: tuple[tuple[str, str], ...] = ()
    """Test sets of a family: name, and path below the family's folder."""
    version_of: str = ""
    """The set of which this is another encoding."""
    size: tuple[int, int] | None = None
    """Height and width of every image, where they are all the same."""


def names() -> list[str]:
    """All test sets; a family such as imagenet-c under one name."""
    return [name for name, entry in entries().items() if "of" not in entry]


def known(name: str) -> Known | None:
    """The test set of that name or alias, or None."""
    name = _aliases().get(name, name)
    entry = entries().get(name)
    if entry is not None and "of" in entry:
        return _restricted(name, entry)
    if entry is not None:
        return _known(name, entry)
    for family in (e for e in entries().values() if "member" in e):
        for kind, severity, member, _ in _members(family):
            if member == name:
                return _known(member, _member_entry(family, kind, severity))
    return None


def baseline_of(name: str) -> tuple[str, str] | None:
    """The clean test set to compare with and the class list on it ('' for all its classes).

    >>> baseline_of("imagenet-a"), baseline_of("cifar10.1-v6")
    (('imagenet-val', 'imagenet-a'), ('cifar10-test', ''))
    """
    entry = known(name)
    name = entry.name if entry else name
    found = entries().get(name) or _family_of(name)
    if found is None or not found.get("baseline") or "of" in found:
        return None
    return found["baseline"], name if found.get("same-classes") else ""


def published_name(set_name: str, list_name: str) -> str | None:
    """The published name of SET@LIST, where it has one."""
    for name, entry in entries().items():
        if entry.get("of") == set_name and entry["list"] == list_name:
            return name
    return None


def index_list(name: str) -> list[int] | None:
    """A list of ImageNet's classes by name, as positions; None for an unknown one."""
    found: list[int] | None = lists()["lists"].get(name)
    return found


def alias(name: str) -> str:
    """The catalogue's name for a name or an alias; the name itself where it has none."""
    return _aliases().get(name, name)


def _known(name: str, entry: Mapping[str, Any]) -> Known:
    chosen = entry.get("classes")
    there = space(entry["space"])
    classes = _map_of(chosen, there) if chosen else None
    parts = [(m, path) for _, _, m, path in _members(entry)] if "member" in entry else []
    return Known(
        name,
        entry["n"],
        entry["about"],
        entry["space"],
        classes,
        _row(name, entry),
        tuple(entry["defects"]),
        entry.get("border", 0),
        entry["id"],
        _per_class(entry.get("per-class"), classes, there),
        {int(n): what for n, what in entry.get("also-n", {}).items()},
        entry.get("anchors"),
        frozenset(lists()["ignored"].get(name, ())),
        entry["layout"],
        tuple(parts),
        entry.get("version-of", ""),
        tuple(entry["size"]) if "size" in entry else None,
    )


def _per_class(
    each: int | list[int] | None, classes: ClassMap | None, there: Space
) -> tuple[int, ...] | None:
    """Images of every class; a super-class has those of all its members."""
    if each is None or isinstance(each, list):
        return None if each is None else tuple(each)
    members = [len(m) for m in classes.members] if classes else [1] * len(there.classes)
    return tuple(each * m for m in members)


def _restricted(name: str, entry: Mapping[str, Any]) -> Known:
    """A set restricted to a class list under a name of its own."""
    base = entries()[entry["of"]]
    merged = {**base, **entry, "id": base["id"], "about": f"on classes of {entry['list']}"}
    merged["classes"] = entry["list"]
    merged["aliases"] = entry.get("aliases", "")
    if "group" not in entry:
        merged["group"] = "clean-subset"
    return _known(name, merged)


def _row(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    baseline = entry.get("baseline")
    if baseline and entry.get("same-classes"):
        baseline = published_name(baseline, name)
    row: dict[str, Any] = {
        "setting": name,
        "label_set": name,
        "n": entry["n"] or None,
        "baseline": baseline,
        "group": entry["group"],
        "subgroup": entry.get("subgroup"),
        "aliases": entry.get("aliases") or None,
        "description": entry["description"],
    }
    if entry.get("original"):
        row["original"] = entry["original"]
    for column in ("corruption", "severity", "medium"):
        if column in entry:
            row[column] = entry[column]
    return row


def _map_of(chosen: str, there: Space) -> ClassMap:
    indices = index_list(chosen)
    if indices is not None:
        return restriction(there, indices)
    return supers(lists()["supers"][chosen], lists()["names"].get(chosen))


def _members(family: Mapping[str, Any]) -> list[tuple[str, int, str, str]]:
    """(kind, severity, name of the test set, path below the family's folder)."""
    return [
        (
            kind,
            severity,
            family["member"].format(kind=kind, severity=severity),
            family["family"].format(kind=kind, severity=severity),
        )
        for kind in KINDS
        for severity in SEVERITIES
    ]


def _member_entry(family: Mapping[str, Any], kind: str, severity: int) -> dict[str, Any]:
    words = kind.replace("_", " ")
    entry = {k: v for k, v in family.items() if k not in ("family", "member")}
    entry["description"] = family["member-description"].format(words=words, severity=severity)
    return entry | {"corruption": kind, "severity": severity, "about": f"{words} {severity}"}


def _family_of(name: str) -> Mapping[str, Any] | None:
    families = [e for e in entries().values() if "member" in e]
    return next((f for f in families if any(m == name for _, _, m, _ in _members(f))), None)


@lru_cache
def entries() -> Mapping[str, Mapping[str, Any]]:
    """The tables of catalogue.toml by name, with what they take over from another filled in."""
    text = files("heldout.testsets").joinpath("data/catalogue.toml").read_text("utf-8")
    raw = tomllib.loads(text)
    return {name: {**raw.get(entry.get("like", ""), {}), **entry} for name, entry in raw.items()}


@lru_cache
def _aliases() -> Mapping[str, str]:
    return {
        a: n for n, e in entries().items() for a in e.get("aliases", "").split() if a not in _COMMON
    }


@lru_cache
def lists() -> Mapping[str, Any]:
    """class_lists.json: lists, supers, names and ignored, each by test set."""
    text = files("heldout.testsets").joinpath("data/class_lists.json").read_text("utf-8")
    content: Mapping[str, Any] = json.loads(text)
    return content
