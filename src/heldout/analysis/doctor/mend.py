"""What mends each finding, as functions from a block to a block.

`apply` takes what `heldout import --mend` takes: 'class-order=string-sorted', 'worst-first',
'scores=percent', 'confidence=none', 'class-subset', 'shift-rows=3', 'row-order=id-sorted'.
`apply_to_labels` takes 'label-order=string-sorted' and 'shift-labels=3'; `without_repeats` is
'drop-padding', for rows that are not a block yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from heldout.analysis.doctor.case import IntArray, Ints, reversed_top, translated
from heldout.analysis.doctor.mend_subset import class_subset
from heldout.analysis.doctor.orders import order_listed, order_named
from heldout.analysis.doctor.row_search import example_orders, shifted
from heldout.errors import BadInput, not_found
from heldout.store.block import Block

HOWS = ("class-order", "worst-first", "scores", "confidence", "class-subset", "shift-rows",
        "row-order")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The class list behind a block: ids, names, and labels along its examples (-1: none)."""

    ids: Sequence[str]
    names: Sequence[str] = ()
    label: Ints | None = None

    @property
    def labelled(self) -> list[int]:
        """The classes that have examples."""
        if self.label is None:
            return []
        return [int(c) for c in np.unique(self.label[self.label >= 0])]


def apply(block: Block, how: str, classes: Classes) -> Block:
    """The block, mended. how: a word, with '=' and its value where it takes one.

    'class-order=NAME' takes a known order; one that is listed in a file goes to
    `class_order_listed`. Raises NotFound for an unknown word, BadInput for a value that does not
    fit.
    """
    word, _, value = how.partition("=")
    if word == "class-order":
        n = len(classes.ids)
        means = order_named(value, n, classes.ids, classes.names, classes.labelled)
        return class_order(block, means)
    if word == "worst-first":
        return worst_first(block)
    if word == "scores":
        return scores_are(block, value)
    if word == "confidence":
        return confidence_is(block, value)
    if word == "class-subset":
        subset = [_number(x, how) for x in value.split(",")] if value else classes.labelled
        return class_subset(block, subset)
    if word == "shift-rows":
        return shift_rows(block, _number(value, how))
    if word == "row-order":
        return row_order(block, value, classes.label)
    raise not_found("mend", word, HOWS)


def apply_to_labels(how: str, classes: Classes) -> Ints:
    """The labels of `classes`, mended. how: 'label-order=NAME' or 'shift-labels=N' (down by N).

    Raises NotFound for an unknown word, BadInput without labels.
    """
    if classes.label is None:
        raise BadInput(f"'{how}' mends labels, but there are none.")
    word, _, value = how.partition("=")
    if word == "label-order":
        n = len(classes.ids)
        return translated(classes.label, order_named(value, n, classes.ids, classes.names))
    if word == "shift-labels":
        return np.asarray(np.roll(classes.label, _number(value, how)))
    raise not_found("mend of labels", word, ("label-order", "shift-labels"))


def class_order(block: Block, means: IntArray) -> Block:
    """Every index replaced by the class it means; scores move with their classes.

    means: (indices,), -1 for an index that is no class. A score column 0 that is a background
    class (one column more than classes, off by one) is dropped.
    """
    scores = block.scores
    if scores is not None:
        columns, kept = _columns(means, scores.shape[2])
        scores = np.full((*scores.shape[:2], len(columns)), np.nan, scores.dtype)
        assert block.scores is not None
        scores[:, :, kept] = block.scores[:, :, columns[kept]]
    return replace(
        block,
        predicted=translated(block.predicted, means),
        runners_up=None if block.runners_up is None else translated(block.runners_up, means),
        scores=scores,
    )


def class_order_listed(block: Block, lines: Sequence[str], classes: Classes) -> Block:
    """As `class_order`, from the lines of a file that lists the class of every index."""
    return class_order(block, order_listed(lines, classes.ids))


def _columns(means: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """For every class the score column that holds it, and the classes that have one.

    Where two columns mean one class the later wins: of scores with a background column, off by
    one, the last class is in the last column, not in the background's.
    """
    columns = np.full(int(means.max()) + 1, -1, np.int64)
    for j in range(min(len(means), width)):
        if means[j] >= 0:
            columns[means[j]] = j
    return columns, np.flatnonzero(columns >= 0)


def worst_first(block: Block) -> Block:
    """The top k back to front. Raises BadInput where only one place is stored.

    The confidence, which was the worst class's, goes too.
    """
    if block.runners_up is None:
        raise BadInput(f"Setting '{block.setting}': --mend worst-first needs more than the top 1.")
    top = np.concatenate(
        [block.predicted[:, :, None], block.runners_up.astype(block.predicted.dtype)], axis=2
    )
    best = reversed_top(top)
    return replace(block, predicted=best[:, :, 0], runners_up=best[:, :, 1:], confidence=None)


def scores_are(block: Block, kind: str) -> Block:
    """Scores named what they are, and the confidence computed from them.

    kind: 'logits', 'probabilities', 'log-probabilities', 'scores' (no confidence then), 'percent'
    (divided by 100) or 'softmax-twice' (the second softmax undone: p = log q + c, adding up to 1).
    """
    if block.scores is None:
        raise BadInput(
            f"Setting '{block.setting}': --mend scores needs stored scores (--keep-scores); there"
            " are none."
        )
    scores = np.asarray(block.scores, np.float64)
    if kind == "percent":
        scores, kind = scores / 100, "probabilities"
    elif kind == "softmax-twice":
        scores, kind = once(scores), "probabilities"
    top = _top_probability(scores, kind)
    return replace(
        block,
        scores=scores.astype(np.float32),
        score_kind=kind,
        confidence=None if top is None else top.astype(np.float32),
    )


def once(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities p from softmax(p): the logarithm is p up to a constant, and p adds up to 1.

    >>> q = np.exp([0.7, 0.2, 0.1])
    >>> once(q / q.sum()).round(6).tolist()
    [0.7, 0.2, 0.1]
    """
    logs = np.log(np.maximum(scores, 1e-300))
    shift = (1 - logs.sum(axis=-1, keepdims=True)) / scores.shape[-1]
    return np.asarray(np.clip(logs + shift, 0.0, 1.0))


def _top_probability(scores: NDArray[np.float64], kind: str) -> NDArray[np.float64] | None:
    if kind == "logits":
        return np.asarray(softmax(scores, axis=-1).max(axis=-1))
    if kind == "probabilities":
        return np.asarray(scores.max(axis=-1))
    if kind == "log-probabilities":
        return np.asarray(np.exp(scores.max(axis=-1)))
    if kind == "scores":
        return None
    kinds = ("logits", "probabilities", "log-probabilities", "scores", "percent", "softmax-twice")
    raise not_found("kind of scores", kind, kinds)


def confidence_is(block: Block, kind: str) -> Block:
    """The confidence column as probabilities: 'percent', 'log-probabilities', or 'none' (dropped).

    Logits of the predicted class alone cannot be turned into a confidence: 'logits' drops them.
    """
    if block.confidence is None:
        raise BadInput(f"Setting '{block.setting}': there is no confidence to mend.")
    if kind in ("none", "logits"):
        return replace(block, confidence=None)
    if kind == "percent":
        return replace(block, confidence=block.confidence / np.float32(100))
    if kind == "log-probabilities":
        return replace(block, confidence=np.exp(block.confidence))
    kinds = ("none", "logits", "percent", "log-probabilities")
    raise not_found("kind of confidence", kind, kinds)


def shift_rows(block: Block, places: int) -> Block:
    """All rows moved down by some places (up if negative), circularly."""
    return _rows(block, shifted(len(block.examples), -places))


def row_order(block: Block, order: str, label: Ints | None = None) -> Block:
    """Rows that came in another order than the block's examples, put where they belong.

    order: 'id-sorted', 'id-numeric', 'label-then-id', 'label-then-stored', or 'A-for-B' for rows
    in order A that were joined as if in order B.
    """
    n = len(block.examples)
    orders = example_orders(block.examples, np.zeros(n, np.int64) if label is None else label)
    made, _, joined = order.partition("-for-")
    for name in (made, joined or "as-stored"):
        if name not in orders:
            raise not_found("row order", name, orders)
    rows = np.empty(n, np.int64)
    rows[orders[made]] = orders[joined or "as-stored"]
    return _rows(block, rows)


def _rows(block: Block, rows: IntArray) -> Block:
    """Example i gets what stands at rows[i]."""

    def pick(array: Any) -> Any:
        return None if array is None else array[:, rows]

    return replace(
        block,
        predicted=pick(block.predicted),
        runners_up=pick(block.runners_up),
        confidence=pick(block.confidence),
        scores=pick(block.scores),
        error=pick(block.error),
    )


def without_repeats(examples: Sequence[str]) -> IntArray:
    """The rows to keep so that every id is there once: its first row."""
    first: dict[str, int] = {}
    for i, e in enumerate(examples):
        first.setdefault(e, i)
    return np.array(list(first.values()), np.int64)


def _number(text: str, how: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadInput(f"'{how}': '{text}' is not a whole number.") from error
