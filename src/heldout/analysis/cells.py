"""Accuracies as a matrix of models and settings: the one place where analyses meet the store.

A cell comes from per-example predictions where there are any, else from a published table. An
incomplete cell (rows missing) is not an accuracy of that setting: it is missing unless asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heldout.analysis.anchors import behind, by_anchor, has_anchors, reach
from heldout.analysis.lacking import (
    Lacking,
    how_many,
    lacking_notes,
    lacking_of,
    only,
    unanswered_notes,
    why_missing,
)
from heldout.analysis.published import Column, contradictions, from_table
from heldout.errors import BadInput, NotFound, not_found
from heldout.store.block import ABSENT
from heldout.store.read import LabelSet, Store

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """Right or wrong for every model and labelled example of one setting.

    right, present: (m, n) over the label set's examples in its order; `right` is False where
    `present` is False. silent: (m, n) rows that are there without an answer, which count as wrong;
    None where there are none.
    """

    setting: str
    metric: str
    models: list[str]
    right: BoolArray
    present: BoolArray
    labels: LabelSet
    unlabelled: int
    silent: BoolArray | None = None

    @property
    def complete(self) -> BoolArray:
        """(m,) whether a model has every example."""
        return np.asarray(self.present.all(axis=1))

    def rows(self, models: Sequence[str]) -> BoolArray:
        """`right` of some models, (len(models), n)."""
        index = {m: i for i, m in enumerate(self.models)}
        return self.right[[index[m] for m in models]]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Accuracies of models (rows) in settings (columns).

    value: (m, s) fractions, NaN where missing. k, n: counts, -1 where unknown or missing.
    examples: (m, s), whether per-example predictions are behind the cell. notes: in words.
    lacking: models that lack rows of a setting.
    """

    metric: str
    models: list[str]
    settings: list[str]
    value: FloatArray
    k: IntArray
    n: IntArray
    examples: BoolArray
    notes: tuple[str, ...]
    lacking: Lacking = field(default_factory=dict)

    def of(self, setting: str) -> tuple[FloatArray, IntArray, IntArray]:
        """value, k and n of one setting."""
        j = self.settings.index(setting)
        return self.value[:, j], self.k[:, j], self.n[:, j]

    def keep(self, models: Sequence[str]) -> Cells:
        """The rows of some models, in that order."""
        at = {m: i for i, m in enumerate(self.models)}
        rows = [at[m] for m in models]
        return Cells(
            self.metric,
            list(models),
            self.settings,
            self.value[rows],
            self.k[rows],
            self.n[rows],
            self.examples[rows],
            self.notes,
            self.lacking,
        )


def correctness(
    store: Store, setting: str, metric: str = "top-1", models: Sequence[str] | None = None
) -> Correctness:
    """Which examples every model gets right. metric: 'top-1', 'top-K', or 'pm-K' for video.

    With pm-K the examples are the anchor frames. Raises NotFound when the setting has no
    predictions or no labels, BadInput when what is stored is not enough for the metric.
    """
    setting, metric = behind(store, setting, metric)
    frames = reach(metric)
    if frames is not None:
        return by_anchor(correctness(store, setting, "top-1", models), frames)
    labels = store.label_set_of(setting)
    if labels is None:
        raise NotFound(
            f"Setting '{setting}' has predictions but no label set, so nothing can be scored."
            " Import labels with `heldout import FILE --labels FILE`."
        )
    k = top_k(metric)
    block = store.predictions(setting, models, columns=("runners_up",) if k > 1 else ())
    if not block.models:
        raise NotFound(f"Setting '{setting}' has no per-example predictions in this store.")
    if k > block.k:
        raise BadInput(
            f"Metric {metric} needs the top {k} classes, but setting '{setting}' holds only the"
            f" top {block.k}."
        )
    ids = pa.array(block.examples, pa.string())
    where = pc.index_in(ids, value_set=pa.array(labels.examples, pa.string()))
    column = np.asarray(where.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    known = column >= 0
    everywhere = bool(known.all()) and np.array_equal(column, np.arange(len(labels.examples)))
    guess = block.predicted if everywhere else block.predicted[:, known]
    target = labels.label if everywhere else labels.label[column[known]]
    right = guess == target
    if k > 1 and block.runners_up is not None:
        places = block.runners_up if everywhere else block.runners_up[:, known]
        for place in range(k - 1):
            right |= places[:, :, place] == target
    if labels.any_of is not None:
        right |= _any_of(labels, column[known], guess, block, known, k)
    present = guess != ABSENT
    silent = present & (guess < 0)
    right &= guess >= 0
    if not everywhere:
        right, present, silent = (
            _spread(a, column[known], len(labels.examples)) for a in (right, present, silent)
        )
    return Correctness(
        setting, metric, list(block.models), right, present, labels, int((~known).sum()),
        silent if silent.any() else None,
    )  # fmt: skip


def top_k(metric: str) -> int:
    """K of 'top-K'. Raises BadInput for another metric.

    >>> top_k("top-5")
    5
    """
    head, _, tail = metric.partition("-")
    if head != "top" or not tail.isdigit() or int(tail) < 1:
        raise BadInput(
            f"There is no metric '{metric}' here; use top-1 or top-5 (or any top-K), or pm-10 (any"
            " pm-K) for video frames."
        )
    return int(tail)


def _check_metric(store: Store, metric: str) -> None:
    """Raise unless the metric is top-K, pm-K or one that a published table of the store has."""
    if reach(metric) is None and metric not in set(store.results().metric.tolist()):
        top_k(metric)


def _spread(array: BoolArray, column: IntArray, n: int) -> BoolArray:
    out = np.zeros((len(array), n), bool)
    out[:, column] = array
    return out


def _any_of(
    labels: LabelSet, column: IntArray, guess: Any, block: Any, known: BoolArray, k: int
) -> BoolArray:
    """Right if the guess is any of several right classes."""
    assert labels.any_of is not None
    allowed = np.zeros((len(column), len(labels.classes)), bool)
    for i, j in enumerate(column):
        allowed[i, labels.any_of[j]] = True
    position = np.arange(len(column))
    right = allowed[position, np.maximum(guess, 0)] & (guess >= 0)
    for place in range(k - 1):
        other = block.runners_up[:, known, place]
        right |= allowed[position, np.maximum(other, 0)] & (other >= 0)
    return np.asarray(right)


def accuracies(
    store: Store,
    settings: Sequence[str] | None = None,
    metric: str = "top-1",
    *,
    incomplete: bool = False,
) -> Cells:
    """The accuracy of every model in some settings (default: all).

    incomplete: give the accuracy over the rows that are there instead of a missing cell.
    Raises NotFound for an unknown setting, BadInput for an unknown metric and where there is no
    accuracy at all.
    """
    names = [store.resolve(s) for s in settings] if settings else list(store.settings())
    _check_metric(store, metric)
    predicted = set(store.settings_with_predictions())
    notes: list[str] = []
    lacking: dict[tuple[str, str], tuple[int, int]] = {}
    columns: list[Column] = []
    for setting in names:
        column = from_table(store, setting, metric)
        if behind(store, setting, metric)[0] in predicted and (
            settings or reach(metric) is None or has_anchors(store.label_set_of(setting))
        ):
            found, said, short = _from_predictions(store, setting, metric, incomplete)
            notes += said + contradictions(setting, column, found)
            # A published accuracy stands where the predictions are incomplete.
            lacking |= {key: v for key, v in short.items() if incomplete or key[0] not in column}
            column |= found
        columns.append(column)
    if not any(columns):
        why = " ".join([*notes, *([why_missing(lacking)] if lacking else [])])
        raise BadInput(why or f"There are no {metric} accuracies in '{store.files.url}'.")
    notes += lacking_notes(lacking, scored=incomplete) + medium_notes(store, names)
    models = sorted({m for c in columns for m in c})
    value = np.full((len(models), len(names)), np.nan)
    k = np.full(value.shape, -1, np.int64)
    n = np.full(value.shape, -1, np.int64)
    examples = np.zeros(value.shape, bool)
    row = {m: i for i, m in enumerate(models)}
    for j, column in enumerate(columns):
        for model, cell in column.items():
            i = row[model]
            value[i, j], k[i, j], n[i, j], examples[i, j] = cell
    return Cells(metric, models, names, value, k, n, examples, tuple(notes), lacking)


def medium_notes(store: Store, names: Sequence[str]) -> list[str]:
    """A sentence for each medium of corrupted settings: their accuracies differ by points."""
    rows = store.settings()
    notes = []
    for medium in ("in-memory", "on-disk"):
        mine = [s for s in names if rows.get(s, {}).get("medium") == medium]
        if mine:
            more = f" and {how_many(len(mine) - 1, 'more setting')}" if len(mine) > 1 else ""
            how = "on disk (as JPEG)" if medium == "on-disk" else "in memory (no JPEG)"
            notes.append(f"Corrupted {how}: {mine[0]}{more}.")
    return notes


def _from_predictions(
    store: Store, setting: str, metric: str, incomplete: bool
) -> tuple[Column, list[str], Lacking]:
    if not metric.startswith(("top-", "pm-")):
        return {}, [], {}
    try:
        seen = correctness(store, setting, metric)
    except (NotFound, BadInput) as error:
        return {}, [str(error)], {}
    right, there = seen.right.sum(axis=1), seen.present.sum(axis=1)
    complete = seen.complete
    notes = []
    if seen.unlabelled:
        notes.append(
            f"Setting '{setting}': {how_many(seen.unlabelled, 'example')} with predictions but no"
            " label left out."
        )
    cells: Column = {}
    for i, model in enumerate(seen.models):
        if complete[i] or (incomplete and there[i]):
            cells[model] = (right[i] / there[i], int(right[i]), int(there[i]), True)
    # Under the name that was asked for, which may be another view of the same predictions.
    short = {(m, setting): v for (m, _), v in lacking_of(seen).items()}
    return cells, notes + unanswered_notes(seen), short


def pick_models(
    known: Sequence[str], wanted: Sequence[str], where: str, lacking: Lacking | None = None
) -> list[str]:
    """The wanted models, checked. Raises NotFound with near matches, BadInput for lacking rows."""
    for m in wanted:
        if m not in known:
            if short := only(lacking or {}, [m]):
                raise BadInput(why_missing(short))
            raise not_found("model", m, known, where)
    return list(wanted)
