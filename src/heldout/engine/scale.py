"""The classes on which a setting is scored, and every example's place among them.

The rule: a label space (ImageNet's 1,000 classes, CIFAR-10) decides where the catalogue, the class
ids or the model tell it; else the models' own class names; else the test set's classes in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, HeldoutError, not_found
from heldout.models.classifier import About
from heldout.testsets.catalogue import Known, class_list, known
from heldout.testsets.class_map import ClassMap, from_json, home, whole
from heldout.testsets.reader import Listing
from heldout.testsets.spaces import IMAGENET, Space, find, recognise, space

OUTSIDE = -2
_IMAGENET = 1000
PRESENT = "present"  # SET@present: the classes that have examples
SUM, MAP = "sum", ".json"


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Classes and labels of SET or SET@LIST.

    map: members are positions in the label space, or where there is none among `width` classes: the
    models' where they name them, else the test set's. label: (n,) index into the map's classes for
    every example of the listing; -1 without a label, -2 (OUTSIDE) for an example whose class is not
    in the list: it does not belong to the setting.
    """

    map: ClassMap
    space: Space | None
    label: NDArray[np.int32]
    any_of: list[list[int]] | None
    width: int
    notes: tuple[str, ...]


def scale_of(set_name: str, chosen: str, listing: Listing, abouts: Sequence[About]) -> Scale:
    """The classes of SET ('' chosen) or SET@LIST for these models.

    LIST is 'present', what `class_list` knows, or a JSON file of super-classes; LIST+sum, or 'sum'
    alone, adds the members' probabilities up instead of taking the largest score. Raises BadInput
    or NotFound.
    """
    plain = "" if chosen == SUM else chosen.removesuffix("+" + SUM)
    found = _scale_of(set_name, plain, listing, abouts)
    if plain == chosen:
        return found
    return replace(found, map=replace(found.map, reduction="sum"))


def list_name(chosen: str) -> str:
    """How a class list is called in a setting's name: files by their stems.

    >>> list_name("maps/pets.json+sum"), list_name("imagenet-a")
    ('pets+sum', 'imagenet-a')
    """
    plain, plus, more = chosen.partition("+")
    return (Path(plain).stem if plain.endswith(MAP) else plain) + plus + more


def _scale_of(set_name: str, chosen: str, listing: Listing, abouts: Sequence[About]) -> Scale:
    entry = known(set_name)
    there, notes = _space_of(entry, chosen, listing, abouts)
    if there is None:
        # A list names classes of the set: what else the models know does not matter then.
        full, place = _own(listing) if chosen else _by_name(listing, abouts)
        width = len(full.classes)
        if chosen:
            full, place = _narrowed(set_name, chosen, full, place, listing)
        return _scale(full, None, width, place, listing, notes)
    size = len(there.classes)
    full = entry.classes if entry is not None and entry.classes is not None else whole(there)
    if chosen.endswith(MAP):
        full = from_json(chosen, there)
    own = {c: i for i, c in enumerate(full.classes)}
    ignored = entry.ignored if entry is not None else frozenset()
    if chosen.endswith(MAP) and not any(c in own for c in _used(listing)):
        raise not_found("class", _used(listing)[0], own, f"the map '{chosen}'")
    mine = all(c in own or c in ignored for c in _used(listing))
    if chosen.endswith(MAP) or (not chosen and mine):
        place = np.array([own.get(c, OUTSIDE) for c in listing.classes], np.int32)
        return _scale(full, there, size, place, listing, notes)
    at = _positions(set_name, listing, there, ignored)
    if chosen == PRESENT:
        full = _with_examples(full, listing, at)
    elif chosen and not chosen.endswith(MAP):
        full = class_list(chosen, there)
    seats = home(full, size)
    place = np.array([OUTSIDE if i < 0 or seats[i] < 0 else seats[i] for i in at], np.int32)
    return _scale(full, there, size, place, listing, notes)


def _space_of(
    entry: Known | None, chosen: str, listing: Listing, abouts: Sequence[About]
) -> tuple[Space | None, tuple[str, ...]]:
    if entry is not None:
        return space(entry.space), ()
    if chosen.endswith(MAP):  # a map of super-classes is one of the models' label space
        told = {a.space or (IMAGENET if a.outputs == _IMAGENET else "") for a in abouts}
        if len(told) == 1 and (name := told.pop()):
            return space(name), ()
        raise BadInput(
            f"The map '{chosen}' needs models of one label space; say it with ?space=imagenet-1k or"
            " ?space=cifar10 on every model."
        )
    told = {a.space for a in abouts if a.space}
    if len(told) == 1:
        # Few folders, or none, say little; the models' own label space holds them or does not.
        there = space(next(iter(told)))
        if all(there.index(c) is not None for c in listing.classes):
            return there, ()
    found = recognise(listing.classes)
    if found is not None and any(_speaks(a, found) for a in abouts):
        return found, ()
    if len(told) == 1 and listing.classes and all(c.isdigit() for c in listing.classes):
        there = space(next(iter(told)))
        if max(int(c) for c in listing.classes) < len(there.classes):
            note = f"class folders are numbers and were taken as positions in {there.name}"
            return there, (note,)
    return None, ()


def _speaks(about: About, there: Space) -> bool:
    """Whether a model may be one of the label space: it names all its classes, or none at all.

    'ant' and 'zebra' are classes of ImageNet, but also of somebody's own model of three animals.
    """
    if about.space is not None or about.classes is None:
        return True
    return len({there.index(c) for c in about.classes} - {None}) == len(there.classes)


def _scale(
    full: ClassMap,
    there: Space | None,
    width: int,
    place: NDArray[np.int32],
    listing: Listing,
    notes: tuple[str, ...],
) -> Scale:
    """place: (classes of the listing,) index into the map's classes, or -2."""
    label = np.append(place, np.int32(-1))[listing.label].astype(np.int32)
    any_of = None
    if listing.any_of is not None:
        any_of = [[int(place[k]) for k in kinds if place[k] >= 0] for kinds in listing.any_of]
    return Scale(full, there, label, any_of, width, notes)


def _used(listing: Listing) -> list[str]:
    """Classes that have examples."""
    return [listing.classes[i] for i in np.unique(listing.label[listing.label >= 0])]


def _positions(set_name: str, listing: Listing, there: Space, ignored: frozenset[str]) -> list[int]:
    """The listing's classes as positions in the space; -1 for one that need not be a class of it:
    without examples, or known to lie outside of the set's classes."""
    used = set(_used(listing)) - ignored
    out = []
    for name in listing.classes:
        if name in used:
            try:
                out.append(find(name, there))
            except HeldoutError as error:
                raise BadInput(
                    f"Test set '{set_name}': {error} Rename or remove that folder, or name the"
                    " classes with ?classes=FILE."
                ) from error
        else:
            at = there.index(name)
            out.append(-1 if at is None else at)
    return out


def _with_examples(full: ClassMap, listing: Listing, at: Sequence[int]) -> ClassMap:
    """The classes of the map that have examples in the set."""
    used = {at[i] for i in np.unique(listing.label[listing.label >= 0])}
    return _kept(full, [i for i, ms in enumerate(full.members) if used & set(ms)])


def _kept(full: ClassMap, keep: Sequence[int]) -> ClassMap:
    return ClassMap(
        tuple(full.classes[i] for i in keep),
        tuple(full.class_names[i] for i in keep),
        tuple(full.members[i] for i in keep),
        full.reduction,
    )


def _own(listing: Listing) -> tuple[ClassMap, NDArray[np.int32]]:
    """The set's own classes in their order."""
    n = len(listing.classes)
    members = tuple((i,) for i in range(n))
    own = ClassMap(tuple(listing.classes), tuple(listing.class_names), members)
    return own, np.arange(n, dtype=np.int32)


def _by_name(listing: Listing, abouts: Sequence[About]) -> tuple[ClassMap, NDArray[np.int32]]:
    """The classes of the models that name them, where those hold the set's; else the set's own.

    Never by which models happen to run together: models that name other classes are refused, and
    so is one without names beside one that knows more classes than the set has.
    """
    own, own_place = _own(listing)
    named = [a for a in abouts if a.classes is not None]
    kinds = {tuple(sorted(c.casefold() for c in a.classes or ())) for a in named}
    if len(kinds) > 1:
        raise BadInput(
            f"The models name different classes ({', '.join(a.name for a in named[:3])}, …), so the"
            " same setting would mean different things for them. Run them apart, in settings of"
            " their own, or on classes that all of them know: SET@CLASS,CLASS,…"
        )
    # In the order of their names: the same whichever of the models comes first, or alone.
    classes = tuple(sorted(named[0].classes or (), key=str.casefold)) if named else None
    if classes is not None and len(named) < len(abouts) and len(classes) != len(listing.classes):
        other = next(a for a in abouts if a.classes is None)
        raise BadInput(
            f"Model '{named[0].name}' names {len(classes)} classes and model '{other.name}' names"
            " none. Say what the outputs of the other are with ?classes=FILE, or run them apart."
        )
    if not listing.classes and classes is None:  # no labels, and nobody names a class
        width = {a.outputs for a in abouts}
        if len(width) > 1:
            raise BadInput(
                "The models have different numbers of outputs and neither they nor the labels name"
                " a class. Name them with ?classes=FILE, or run the models apart."
            )
        classes = tuple(str(i) for i in range(width.pop()))
        return ClassMap(classes, classes, tuple((i,) for i in range(len(classes)))), np.zeros(
            0, np.int32
        )
    if classes is None:
        return own, own_place
    position = {c.casefold(): i for i, c in enumerate(classes)}
    if not all(c.casefold() in position for c in listing.classes):
        return own, own_place
    place = np.array([position[c.casefold()] for c in listing.classes], np.int32)
    pretty = dict(zip(place.tolist(), listing.class_names, strict=True))
    names = tuple(pretty.get(i, c) for i, c in enumerate(classes))
    return ClassMap(classes, names, tuple((i,) for i in range(len(classes)))), place


def _narrowed(
    set_name: str, chosen: str, full: ClassMap, place: NDArray[np.int32], listing: Listing
) -> tuple[ClassMap, NDArray[np.int32]]:
    """SET@LIST without a label space: the list names classes, with commas between them."""
    wanted = _used(listing) if chosen == PRESENT else chosen.split(",")
    position = {c.casefold(): i for i, c in enumerate(full.classes)}
    for name in wanted:
        if name.casefold() not in position:
            raise not_found("class", name, full.classes, f"'{set_name}'")
    keep = sorted(position[w.casefold()] for w in wanted)
    seats = np.full(len(full.classes), OUTSIDE, np.int32)
    seats[keep] = np.arange(len(keep))
    return _kept(full, keep), seats[place]
