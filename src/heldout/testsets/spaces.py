"""Label spaces: the ordered classes that models and test sets have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from heldout.errors import BadInput, not_found

IMAGENET, CIFAR10 = "imagenet-1k", "cifar10"
_FEWEST_NAMES = 2  # one folder called 'cat' says nothing yet; one called 'n01440764' does

# CIFAR-10's classes in the order of its labels, with other words for them.
_CIFAR10 = {
    "airplane": ("plane", "aeroplane", "aircraft"),
    "automobile": ("car", "auto"),
    "bird": (),
    "cat": (),
    "deer": (),
    "dog": (),
    "frog": (),
    "horse": (),
    "ship": ("boat",),
    "truck": ("lorry",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Classes in order. aliases: other spelling, in small letters with blanks, to class id.

    shared: spellings that two or more classes have in common, to those classes; never a key.
    """

    name: str
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    aliases: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def index(self, name: str) -> int | None:
        """The position of a class by its id or another spelling of it; None for an unknown one."""
        found = _positions(self.name).get(name)
        if found is None:
            found = _positions(self.name).get(self.aliases.get(spelling(name), ""))
        return found


def spaces() -> list[str]:
    """The names of all label spaces."""
    return [IMAGENET, CIFAR10]


def space(name: str) -> Space:
    """The label space of that name. Raises NotFound.

    >>> space("cifar10").index("car"), space("imagenet-1k").index("tench")
    (1, 0)
    """
    if name not in spaces():
        raise not_found("label space", name, spaces(), "heldout")
    return _space(name)


def find(name: str, where: Space) -> int:
    """The position of a class by id, name or number. Raises BadInput for a name of two classes and
    NotFound with near matches.

    >>> find("goldfish", space("imagenet-1k"))
    1
    """
    at = where.index(name)
    if at is not None:
        return at
    if name.isascii() and name.isdigit() and int(name) < len(where.classes):
        return int(name)
    several = where.shared.get(spelling(name))
    if several:
        raise BadInput(
            f"'{name}' is the name of {len(several)} classes of {where.name}:"
            f" {', '.join(several)}. Say which one by its id."
        )
    raise not_found("class", name, [*where.classes, *where.aliases], where.name)


def recognise(classes: Sequence[str]) -> Space | None:
    """The label space of class ids such as folder names; None where none, or two, fit.

    Every id must be a class of the space, by id or by an unambiguous name, and no two the same
    class. Numbers say nothing: the folders 0 to 9 are CIFAR-10's as well as MNIST's.

    >>> recognise(["airplane", "car", "cat", "dog"]).name
    'cifar10'
    """
    found = []
    for name in spaces():
        here = space(name)
        at = [here.index(c) for c in classes]
        if not at or None in at or len(set(at)) < len(at):
            continue
        if len(at) >= _FEWEST_NAMES or not classes[0].isalpha():
            found.append(here)
    return found[0] if len(found) == 1 else None


def spelling(name: str) -> str:
    """A name in small letters, with single blanks for underscores: how aliases are kept.

    >>> spelling("Great_White  Shark")
    'great white shark'
    """
    return " ".join(name.replace("_", " ").lower().split())


@lru_cache
def _space(name: str) -> Space:
    if name == CIFAR10:
        return _with_names(CIFAR10, [(c, (c, *more)) for c, more in _CIFAR10.items()])
    text = files("heldout.testsets").joinpath("data/imagenet-1k.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return _with_names(IMAGENET, [(wnid, tuple(names)) for wnid, *names in rows])


def _with_names(name: str, rows: list[tuple[str, tuple[str, ...]]]) -> Space:
    """A class's first name goes before another class's further name ('partridge' is no grouse)."""
    first, further = (
        _owners((key, names[part]) for key, names in rows) for part in (slice(0, 1), slice(1, None))
    )
    owners = {**further, **first}
    return Space(
        name,
        tuple(key for key, _ in rows),
        tuple(names[0] for _, names in rows),
        {text: keys[0] for text, keys in owners.items() if len(keys) == 1},
        {text: keys for text, keys in owners.items() if len(keys) > 1},
    )


def _owners(rows: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Every spelling, with the classes that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for key, names in rows:
        for text in dict.fromkeys(spelling(n) for n in names):
            found[text] = (*found.get(text, ()), key)
    return found


@lru_cache
def _positions(name: str) -> Mapping[str, int]:
    return {c: i for i, c in enumerate(_space(name).classes)}
