"""From a model's outputs to the classes of a setting: class lists and super-classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.testsets.spaces import Space, find

REDUCTIONS = ("max", "sum")


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Which outputs stand for which class: several for a super-class, none for a class that no
    output means. reduction: a super-class has its members' largest score, or the sum of their
    probabilities. Raises BadInput for lengths that differ and for a class that is there twice.
    """

    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    reduction: str = "max"

    def __post_init__(self) -> None:
        if not len(self.classes) == len(self.class_names) == len(self.members):
            raise BadInput(
                f"A class map has {len(self.classes)} classes, {len(self.class_names)} names and"
                f" {len(self.members)} lists of outputs; the numbers must agree."
            )
        if len(set(self.classes)) < len(self.classes):
            twice = next(c for i, c in enumerate(self.classes) if c in self.classes[:i])
            raise BadInput(f"A class map has the class '{twice}' twice.")
        if self.reduction not in REDUCTIONS:
            raise BadInput(f"A class map's reduction is max or sum, not '{self.reduction}'.")
        if any(m < 0 for members in self.members for m in members):
            raise BadInput("A class map has a negative output; outputs count from 0.")


def apply(class_map: ClassMap, scores: NDArray[np.float32], score_kind: str) -> NDArray[np.float32]:
    """Scores of a model's outputs, (n, outputs), as scores of the map's classes, (n, classes).

    With "max" the kind stays as it was; with "sum" the result is probabilities, and logits go
    through a softmax over all outputs first. A class without members has -inf: it is never
    predicted. Raises BadInput where an output is missing and where scores cannot be summed.
    """
    width = scores.shape[1]
    last = max((m for members in class_map.members for m in members), default=-1)
    if last >= width:
        name = next(
            c for c, ms in zip(class_map.classes, class_map.members, strict=True) if last in ms
        )
        raise BadInput(
            f"The class '{name}' is output {last} (from 0), but there are only {width} outputs a"
            " row. The model or the scores are of another label space than the class list."
        )
    if class_map.reduction == "sum":
        scores = probabilities(scores, score_kind)
    if all(len(members) == 1 for members in class_map.members):
        at = [members[0] for members in class_map.members]
        same = at == list(range(width))
        return np.asarray(scores if same else scores[:, at], np.float32)
    out = np.full((len(scores), len(class_map.classes)), -np.inf, np.float32)
    for j, members in enumerate(class_map.members):
        if members:
            some = scores[:, list(members)]
            out[:, j] = some.max(axis=1) if class_map.reduction == "max" else some.sum(axis=1)
    return out


def probabilities(scores: NDArray[np.float32], score_kind: str) -> NDArray[np.float32]:
    """Scores as probabilities over all outputs. Raises BadInput for scores that cannot be."""
    if score_kind == "probabilities":
        return scores
    if score_kind == "log-probabilities":
        return np.asarray(np.exp(scores), np.float32)
    if score_kind != "logits":
        raise BadInput(
            f"Scores of kind '{score_kind}' cannot be summed over a super-class: probabilities or"
            " logits are needed. Use the maximum instead."
        )
    exact = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True), np.float32)


def whole(space: Space) -> ClassMap:
    """All classes of a space, each by itself."""
    return restriction(space, range(len(space.classes)))


def restriction(space: Space, indices: Sequence[int]) -> ClassMap:
    """Some classes of a space, in the order given. Raises BadInput for an index that is not one."""
    wrong = next((i for i in indices if not 0 <= i < len(space.classes)), None)
    if wrong is not None:
        raise BadInput(
            f"{space.name} has no class {wrong}: its classes are 0 to {len(space.classes) - 1}."
        )
    return ClassMap(
        tuple(space.classes[i] for i in indices),
        tuple(space.class_names[i] for i in indices),
        tuple((i,) for i in indices),
    )


def supers(
    members: Mapping[str, Sequence[int]],
    names: Mapping[str, str] | None = None,
    reduction: str = "max",
) -> ClassMap:
    """Super-classes: class id to positions in the space, in the mapping's order.

    >>> supers({"ship": (3, 4), "car": ()}).members
    ((3, 4), ())
    """
    called = names or {}
    return ClassMap(
        tuple(members),
        tuple(called.get(c, c) for c in members),
        tuple(tuple(m) for m in members.values()),
        reduction,
    )


def from_json(path: str, space: Space) -> ClassMap:
    """Super-classes from a JSON file: {"dog": ["n02085620", "n02085782", …], "cat": [281, 282]}.

    Members are classes of the space by id, name or number. Raises BadInput and NotFound.
    """
    try:
        with open(path, encoding="utf-8") as f:
            content = json.load(f)
    except (OSError, ValueError) as error:
        raise BadInput(f"The map of super-classes '{path}' cannot be read: {error}.") from error
    good = isinstance(content, dict) and all(isinstance(m, list) for m in content.values())
    if not good or not content:
        raise BadInput(
            f"The map of super-classes '{path}' should hold one JSON object, a list of classes of"
            f' {space.name} for every super-class: {{"dog": ["n02085620", …], …}}.'
        )
    return supers({c: [find(str(m), space) for m in members] for c, members in content.items()})


def of_classes(names: Sequence[str], space: Space) -> ClassMap:
    """Classes of a space by id, name or number, put in the space's order.

    Raises NotFound for an unknown class and BadInput for one that is there twice.

    >>> from heldout.testsets.spaces import space
    >>> of_classes(["dog", "car"], space("cifar10")).classes
    ('automobile', 'dog')
    """
    at: dict[int, str] = {}
    for name in names:
        i = find(name, space)
        if i in at:
            raise BadInput(f"'{at[i]}' and '{name}' are the same class of {space.name}.")
        at[i] = name
    if not at:
        raise BadInput("A class list has no classes in it.")
    return restriction(space, sorted(at))


def home(class_map: ClassMap, size: int) -> NDArray[np.int32]:
    """For every class of a space of that size, the map's class it belongs to; -1 for none."""
    out = np.full(size, -1, np.int32)
    for j, members in enumerate(class_map.members):
        out[list(members)] = j
    return out
