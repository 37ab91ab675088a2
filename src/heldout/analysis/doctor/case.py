"""The predictions of one setting beside their labels, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heldout.analysis.doctor.finding import Finding
from heldout.store.block import ABSENT, NO_ANSWER, Block
from heldout.store.read import LabelSet

IntArray = NDArray[np.int64]
Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What the checks look at: m models, n examples, C classes.

    predicted: (m, n), -1 no answer, -2 no row. label: (n,), -1 where there is none. runners_up:
    (m, n, k - 1). confidence: (m, n). scores: (m, n, C) of the kind score_kind.
    """

    setting: str
    models: Sequence[str]
    examples: Sequence[str]
    predicted: Ints
    label: Ints
    n_classes: int
    classes: Sequence[str] = ()
    class_names: Sequence[str] = ()
    runners_up: Ints | None = None
    confidence: Floats | None = None
    scores: Floats | None = None
    score_kind: str | None = None

    @property
    def labelled(self) -> bool:
        """Whether there is anything to be right about."""
        return bool(np.any(self.label >= 0))

    @property
    def top(self) -> Ints:
        """(m, n, k): the predicted class and its runners-up."""
        first = self.predicted[:, :, None]
        if self.runners_up is None:
            return first
        return np.concatenate([first, self.runners_up.astype(first.dtype)], axis=2)

    def said(self, index: int) -> str:
        """A class for a sentence: its index and, where there is one, its name."""
        names = self.class_names or self.classes
        if 0 <= index < len(names) and names[index] != str(index):
            return f"{index} ({names[index]})"
        return str(index)

    def model(self, i: int) -> str:
        """A model's name in quotes."""
        return f"'{self.models[i]}'"


def from_block(block: Block, labels: LabelSet | None) -> Case:
    """A block with its labels laid out along its examples."""
    n = len(block.examples)
    label = np.full(n, -1, np.int32)
    classes: Sequence[str] = ()
    names: Sequence[str] = ()
    count = 0
    if labels is not None:
        where = pc.index_in(
            pa.array(block.examples, pa.string()),
            value_set=pa.array(labels.examples, pa.string()),
        )
        at = where.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        label[at >= 0] = labels.label[at[at >= 0]]
        classes, names, count = labels.classes, labels.class_names, len(labels.classes)
    return Case(
        block.setting, block.models, block.examples, block.predicted, label,
        count or int(block.predicted.max(initial=0)) + 1, classes, names,
        block.runners_up, block.confidence, block.scores, block.score_kind,
    )  # fmt: skip


def scored(predicted: Ints, label: Ints) -> NDArray[np.bool_]:
    """Rows that count: there is a row and a label (no answer counts, as wrong)."""
    return np.asarray((predicted != ABSENT) & (label >= 0))


def accuracy(predicted: Ints, label: Ints) -> float:
    """Share of right answers among rows that count; NaN when there are none."""
    n = int(scored(predicted, label).sum())
    return float(((predicted == label) & (label >= 0)).sum() / n) if n else float("nan")


def chance(predicted: Ints, label: Ints) -> float:
    """Accuracy that predictions with these margins have when they know nothing of the labels."""
    keep = scored(predicted, label) & (predicted >= 0)
    n = int(keep.sum())
    if not n:
        return 0.0
    size = int(max(predicted[keep].max(), label[keep].max())) + 1
    a, b = (np.bincount(x[keep], minlength=size) for x in (predicted, label))
    return float((a / n) @ (b / n))


def vote(predicted: Ints) -> Ints:
    """(n,) the class that most models predict (the smallest of equals); -1 where none answers."""
    m, n = predicted.shape
    order = np.sort(predicted, axis=0)
    best = np.full(n, NO_ANSWER, predicted.dtype)
    most = np.zeros(n, np.int32)
    run = np.zeros(n, np.int32)
    for i in range(m):
        same = order[i] == order[i - 1] if i else np.zeros(n, bool)
        run = np.where(same, run + 1, 1).astype(np.int32)
        wins = (run > most) & (order[i] >= 0)
        most[wins] = run[wins]
        best[wins] = order[i][wins]
    return best


def translated(indices: Ints, means: IntArray) -> Ints:
    """Indices replaced by what they stand for; negative ones stay, unknown ones become -1."""
    out = np.full(indices.shape, NO_ANSWER, np.int64)
    inside = (indices >= 0) & (indices < len(means))
    out[inside] = means[indices[inside]]
    return np.asarray(np.where(indices < 0, indices, out).astype(indices.dtype))


def reversed_top(top: Ints) -> Ints:
    """Rows of the top k back to front; places that are not filled (negative) stay at the end.

    >>> reversed_top(np.array([[3, 1, 2], [5, 4, -2]])).tolist()
    [[2, 1, 3], [4, 5, -2]]
    """
    filled = (top >= 0).sum(axis=-1, keepdims=True)
    place = np.arange(top.shape[-1])
    source = np.where(place < filled, filled - 1 - place, place)
    return np.asarray(np.take_along_axis(top, source, axis=-1))


def past(case: Case, findings: Sequence[Finding]) -> Case:
    """The case as it would be once these findings are mended, for the checks that follow."""
    predicted, label = case.predicted, case.label
    runners = case.runners_up
    for f in findings:
        rows = list(f.models) if f.models else list(range(len(case.models)))
        if f.means is not None:
            predicted = predicted.copy()
            predicted[rows] = translated(predicted[rows], f.means)
            if runners is not None:
                runners = runners.copy()
                runners[rows] = translated(runners[rows], f.means)
        if f.rows is not None:
            predicted = predicted.copy()
            predicted[rows] = predicted[rows][:, f.rows]
            if runners is not None:
                runners = runners.copy()
                runners[rows] = runners[rows][:, f.rows]
        if f.label_means is not None:
            label = translated(label, f.label_means)
        if f.code == "topk:worst-first" and runners is not None:
            both = np.concatenate([predicted[:, :, None], runners], axis=2)
            both[rows] = reversed_top(both[rows])
            predicted, runners = both[:, :, 0], both[:, :, 1:]
    return replace(case, predicted=predicted, label=label, runners_up=runners)
