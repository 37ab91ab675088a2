"""Defects, planted on purpose: what the benchmark plants and the tests undo with `mend`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from heldout.analysis.doctor.case import IntArray, Ints, reversed_top
from heldout.analysis.doctor.row_search import shifted
from heldout.store.block import Block

_FIELDS = ("predicted", "runners_up", "confidence", "scores", "error")


def into(block: Block, models: Sequence[int], defect: Callable[[Block], Block]) -> Block:
    """The block with a defect in some of its models.

    A defect that changes the width of a field, or its kind, must be planted in all models.
    """
    spoilt = defect(block.take(models))
    parts: dict[str, Any] = {}
    for name in _FIELDS:
        old, new = getattr(block, name), getattr(spoilt, name)
        if old is not None and new is not None:
            parts[name] = old.copy()
            parts[name][list(models)] = new
    return replace(block, **parts)


def class_order(block: Block, means: IntArray) -> Block:
    """Classes numbered so that index j means class means[j]."""
    size = 1 + max(int(means.max()), int(block.predicted.max(initial=0)))
    index = np.full(size, -1, np.int64)
    for j in range(len(means)):
        if means[j] >= 0:
            index[means[j]] = j

    def number(array: Ints) -> Ints:
        return np.where(array < 0, array, index[np.maximum(array, 0)]).astype(array.dtype)

    scores = block.scores
    if scores is not None and len(means) >= scores.shape[2]:
        scores = scores[:, :, means[: scores.shape[2]]]
    return replace(
        block,
        predicted=number(block.predicted),
        runners_up=None if block.runners_up is None else number(block.runners_up),
        scores=scores,
    )


def worst_first(block: Block) -> Block:
    """The top k back to front."""
    assert block.runners_up is not None
    top = np.concatenate(
        [block.predicted[:, :, None], block.runners_up.astype(block.predicted.dtype)], axis=2
    )
    back = reversed_top(top)
    return replace(block, predicted=back[:, :, 0], runners_up=back[:, :, 1:])


def sorted_by_class(block: Block) -> Block:
    """The top k in the order of class indices."""
    assert block.runners_up is not None
    top = np.concatenate(
        [block.predicted[:, :, None], block.runners_up.astype(block.predicted.dtype)], axis=2
    )
    top = np.sort(top, axis=2)
    return replace(block, predicted=top[:, :, 0], runners_up=top[:, :, 1:])


def rows(block: Block, index: IntArray) -> Block:
    """The prediction of example index[i] stands at example i."""

    def pick(array: Any) -> Any:
        return None if array is None else array[:, index]

    return replace(block, **{name: pick(getattr(block, name)) for name in _FIELDS})


def some(block: Block, index: IntArray) -> Block:
    """Only some of the examples, with their ids."""

    def pick(array: Any) -> Any:
        return None if array is None else array[:, index]

    fields = {name: pick(getattr(block, name)) for name in _FIELDS}
    return replace(block, examples=[block.examples[i] for i in index], **fields)


def shift(block: Block, places: int) -> Block:
    """All rows moved down by some places, circularly."""
    return rows(block, shifted(len(block.examples), -places))


def shuffled(n: int, rng: np.random.Generator, within: Ints | None = None) -> IntArray:
    """A random order of n rows, or of the rows within each class of `within`."""
    if within is None:
        return rng.permutation(n)
    index = np.arange(n)
    for label in np.unique(within):
        mine = np.flatnonzero(within == label)
        index[mine] = rng.permutation(mine)
    return index


def fill(block: Block, start: int, length: int, value: int = 0) -> Block:
    """Some rows in a run filled with one class."""
    guess = block.predicted.copy()
    guess[:, start : start + length] = value
    return replace(block, predicted=guess)


def any_order(block: Block, rng: np.random.Generator) -> Block:
    """The top k of every row in an order of its own."""
    assert block.runners_up is not None
    top = np.concatenate([block.predicted[:, :, None], block.runners_up], axis=2)
    top = np.take_along_axis(top, rng.random(top.shape).argsort(axis=2), axis=2)
    return replace(block, predicted=top[:, :, 0], runners_up=top[:, :, 1:])


def keyed_by_name(block: Block, names: Sequence[str]) -> Block:
    """Of classes with one name the last one swallows the others."""
    last = {name: i for i, name in enumerate(names)}
    means = np.array([last[name] for name in names])
    runners = None if block.runners_up is None else means[block.runners_up]
    return replace(block, predicted=means[block.predicted], runners_up=runners)


def cycle(n_classes: int, count: int, rng: np.random.Generator) -> IntArray:
    """An order in which some classes change places in a cycle; two are swapped."""
    means = np.arange(n_classes)
    chosen = rng.choice(n_classes, count, replace=False)
    means[chosen] = np.roll(chosen, 1)
    return means


def of_some_classes(block: Block, label: Ints, chosen: Sequence[int]) -> tuple[Block, Ints]:
    """Only the examples of some classes, with their labels."""
    index = np.flatnonzero(np.isin(label, chosen))
    return some(block, index), label[index]
