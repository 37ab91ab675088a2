"""Which of a model's outputs stands for which class of a setting; never silently by order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from heldout.engine.scale import Scale
from heldout.errors import BadInput, near_matches
from heldout.models.classifier import About
from heldout.testsets.class_map import ClassMap
from heldout.testsets.spaces import Space

_SHOWN = 5

Matched = tuple[ClassMap, tuple[str, ...]]


def outputs_map(scale: Scale, about: About, set_name: str) -> Matched:
    """The setting's classes as indices into one model's outputs, and notes on what was assumed.

    Raises BadInput where the model's outputs and the classes do not fit.
    """
    if scale.space is not None:
        return _from_space(scale.map, scale.space, about, set_name)
    wanted = scale.map
    if about.classes is not None:
        position = {c.casefold(): i for i, c in enumerate(about.classes)}
        lacking = [c for c in wanted.classes if c.casefold() not in position]
        if not lacking:
            members = tuple((position[c.casefold()],) for c in wanted.classes)
            return replace(wanted, members=members), ()
        said = []
        for name in lacking[:_SHOWN]:
            near = near_matches(name, about.classes, 1)
            said.append(f"'{name}'" + (f" (near '{near[0]}')" if near else ""))
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        word = "the class" if len(lacking) == 1 else "the classes"
        raise BadInput(
            f"Test set '{set_name}' has {word} {', '.join(said)}{more}, which model '{about.name}'"
            " does not know. Rename the folders; or give the model's classes, one a line in the"
            f" order of its outputs, with ?classes=FILE. {_map_hint(set_name)}"
        )
    return _by_order(scale, about, set_name)


def _by_order(scale: Scale, about: About, set_name: str) -> Matched:
    """Nobody names anything: the order counts where the numbers agree, and it is said."""
    some = ", ".join(scale.map.classes[:3])
    if about.outputs != scale.width:
        raise BadInput(
            f"Model '{about.name}' gives {about.outputs} scores an image, but test set"
            f" '{set_name}' has {scale.width} classes ({some}, …) and nothing says which is which."
            " Give the model's classes in order: ?classes=FILE, one a line, or ?space=cifar10 or"
            f" imagenet-1k. {_map_hint(set_name)}"
        )
    note = (
        f"'{about.name}' does not name its classes: output i was taken for class i of"
        f" '{set_name}' ({some}, …)"
    )
    return scale.map, (note,)


def _map_hint(set_name: str) -> str:
    return (
        "Where a class of the set is several of the model's, give a map of super-classes:"
        f' {set_name}@map.json with {{"dog": ["n02085620", …], …}}.'
    )


def _from_space(wanted: ClassMap, there: Space, about: About, set_name: str) -> Matched:
    size = len(there.classes)
    if about.space is not None and about.space != there.name:
        raise BadInput(
            f"Model '{about.name}' is made for {about.space}, but test set '{set_name}' has"
            f" classes of {there.name}. {_map_hint(set_name)}"
        )
    if about.classes is not None and about.space is None:
        named = _named(wanted, there, about.classes)
        if named is not None:
            return named, ()
        lacking = _first_lacking(wanted, there, about.classes)
        if lacking is not None and len(about.classes) != size:
            raise BadInput(
                f"Model '{about.name}' does not know the class '{lacking}' of '{set_name}'. Run it"
                f" on classes that it knows: {set_name}@CLASS,CLASS,…"
            )
    if about.outputs == size:
        if about.space is not None:
            return wanted, ()
        note = f"'{about.name}' has {size} outputs: taken for {there.name} in its usual order"
        return wanted, (note,)
    if about.outputs == size + 1 and about.space is None:
        members = tuple(tuple(m + 1 for m in ms) for ms in wanted.members)
        note = f"'{about.name}' has {size + 1} outputs: the first was taken for a background class"
        return replace(wanted, members=members), (note,)
    raise BadInput(
        f"Model '{about.name}' gives {about.outputs} scores an image, but {there.name}, the"
        f" classes of '{set_name}', has {size}. Say what they are: ?classes=FILE, one class a line"
        " in the order of the outputs."
    )


def _named(wanted: ClassMap, there: Space, classes: tuple[str, ...]) -> ClassMap | None:
    """The map by the names of the model's classes, when those hold all that is wanted."""
    position: dict[int, int] = {}
    for i, name in enumerate(classes):
        at = there.index(name)
        if at is not None:
            position.setdefault(at, i)
    if not all(m in position for members in wanted.members for m in members):
        return None
    members = tuple(tuple(position[m] for m in ms) for ms in wanted.members)
    return replace(wanted, members=members)


def _first_lacking(wanted: ClassMap, there: Space, classes: tuple[str, ...]) -> str | None:
    known = {there.index(c) for c in classes} - {None}
    if not known:
        return None
    needed = (m for members in wanted.members for m in members)
    return next((there.classes[m] for m in needed if m not in known), None)


def described(scale: Scale) -> dict[str, Any]:
    """The class map as JSON-able facts, for fingerprints."""
    return {
        "classes": list(scale.map.classes),
        "members": [list(m) for m in scale.map.members],
        "reduction": scale.map.reduction,
        "space": scale.space.name if scale.space else None,
    }
