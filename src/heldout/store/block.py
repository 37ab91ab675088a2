"""A block of predictions in memory: some models on the same examples of one setting."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.store.schema import SCORE_KINDS

NO_ANSWER = -1
ABSENT = -2

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Predictions of m models on n examples.

    predicted: (m, n) class indices; -1 where the model gave no answer, -2 where the store has no
    row. runners_up: (m, n, k - 1), places 2 to k, best first. confidence: (m, n) in [0, 1].
    scores: (m, n, classes) with score_kind saying what they are. error: (m, n) text or None.
    """

    setting: str
    models: Sequence[str]
    examples: Sequence[str]
    predicted: IntArray
    runners_up: IntArray | None = None
    confidence: NDArray[np.floating[Any]] | None = None
    scores: NDArray[np.floating[Any]] | None = None
    score_kind: str | None = None
    error: NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.models), len(self.examples))
        for name in ("predicted", "runners_up", "confidence", "scores", "error"):
            array = getattr(self, name)
            if array is not None and array.shape[:2] != shape:
                raise BadInput(
                    f"Setting '{self.setting}': {name} has shape {array.shape}, but there are"
                    f" {shape[0]} models and {shape[1]} examples."
                )
        for what, names in (("example id", self.examples), ("model", self.models)):
            if len(set(names)) != len(names):
                twice = _first_repeated(names)
                raise BadInput(
                    f"Setting '{self.setting}': the {what} '{twice}' occurs more than once; every"
                    f" {what} must be there exactly once. `heldout doctor` looks into such files."
                )
        if (self.scores is None) != (self.score_kind is None):
            raise BadInput("scores and score_kind go together: give both or neither.")
        if self.score_kind is not None and self.score_kind not in SCORE_KINDS:
            raise BadInput(
                f"score_kind '{self.score_kind}' is not one of {', '.join(SCORE_KINDS)}."
            )

    @property
    def k(self) -> int:
        """How many places of every prediction are known (1 when only the predicted class is)."""
        return 1 if self.runners_up is None else 1 + self.runners_up.shape[2]

    def take(self, rows: Sequence[int]) -> Block:
        """The block with some of its models."""
        index = list(rows)

        def pick(array: Any) -> Any:
            return None if array is None else array[index]

        return Block(
            self.setting,
            [self.models[i] for i in index],
            self.examples,
            self.predicted[index],
            pick(self.runners_up),
            pick(self.confidence),
            pick(self.scores),
            self.score_kind,
            pick(self.error),
        )


Order = tuple[bytes, NDArray[np.intp], bool]


def example_order(examples: Sequence[str]) -> Order:
    """What `digests` needs to know of the examples: their digest, order, whether it is theirs."""
    order = np.argsort(np.array(examples, dtype=object), kind="stable")
    ids = "\n".join(examples[i] for i in order).encode()
    shared = hashlib.blake2b(ids, digest_size=16).digest()
    return shared, order, bool(np.all(order[:-1] < order[1:]))


def digests(block: Block, known: Order | None = None) -> list[str]:
    """For every model, a digest of its rows that does not depend on their order or storage.

    known: `example_order` of the block's examples, where it has been made before.
    """
    shared, order, in_order = known or example_order(block.examples)
    parts: list[tuple[str, Any, Any]] = [
        ("predicted", block.predicted, np.int32),
        ("runners_up", block.runners_up, np.int32),
        ("confidence", block.confidence, np.float32),
        ("scores", block.scores, np.float32),
    ]
    out = []
    for i in range(len(block.models)):
        h = hashlib.blake2b(shared, digest_size=12)
        for name, array, dtype in parts:
            if array is not None:
                row = array[i] if in_order else array[i][order]
                h.update(name.encode())
                h.update(np.ascontiguousarray(row.astype(dtype)).data)
        if block.score_kind:
            h.update(block.score_kind.encode())
        out.append(h.hexdigest())
    return out


def _first_repeated(names: Sequence[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
