"""The errors of models under one variant's corruptions: cells, and example by example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies, correctness
from heldout.analysis.corruption_settings import EXTRA_KINDS, KINDS, SEVERITIES, Variant
from heldout.errors import BadInput
from heldout.stats.proportion import clopper_pearson
from heldout.store.read import Store

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_BYTES = 128 << 20  # of right-or-wrong answers held at once


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Top-1 errors of models (m) under kinds (c) at severities 1 to 5, and without corruption.

    error, k, n: (m, c, 5): fraction, wrong answers, examples; NaN and -1 where missing or unknown.
    clean, clean_k, clean_n: (m,). examples: (m, c) whether there are per-example answers at all
    five severities. notes: what the cells say of themselves.
    """

    variant: Variant
    models: list[str]
    kinds: list[str]
    error: FloatArray
    k: IntArray
    n: IntArray
    clean: FloatArray
    clean_k: IntArray
    clean_n: IntArray
    examples: BoolArray
    notes: tuple[str, ...]

    @property
    def by_examples(self) -> BoolArray:
        """(m,) whether a model has per-example answers for every kind."""
        return np.asarray(self.examples.all(axis=1), bool)

    @property
    def has(self) -> BoolArray:
        """(m, c) whether a model has all severities of a kind."""
        return np.asarray(~np.isnan(self.error).any(axis=2), bool)

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Exact limits of every cell's error, (m, c, 5); NaN where counts are unknown."""
        return _exact(self.k, self.n, level)

    def clean_limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Exact limits of the clean errors, (m,)."""
        return _exact(self.clean_k, self.clean_n, level)

    def size(self) -> list[int | None]:
        """The number of examples behind every model's cells, the smallest where they differ."""
        least = np.where(self.n > 0, self.n, np.iinfo(np.int64).max).min(axis=(1, 2))
        return [int(v) if v < np.iinfo(np.int64).max else None for v in least]

    def take(self, rows: Sequence[int], kinds: Sequence[str] | None = None) -> Errors:
        """Some of the models and kinds, in that order."""
        names = self.kinds if kinds is None else list(kinds)
        r = list(rows)
        at = np.ix_(np.array(r, int), np.array([self.kinds.index(k) for k in names], int))
        return Errors(
            self.variant,
            [self.models[i] for i in r],
            names,
            self.error[at],
            self.k[at],
            self.n[at],
            self.clean[r],
            self.clean_k[r],
            self.clean_n[r],
            self.examples[at],
            self.notes,
        )


def rows_there_are(store: Store, variants: Sequence[Variant]) -> Cells:
    """Top-1 accuracies of all settings of variants, over the rows that there are."""
    kinds = (*KINDS, *EXTRA_KINDS)
    names = [s for v in variants for k in v.whole(kinds) for s in v.names(k)]
    return accuracies(store, [*names, *(v.baseline for v in variants)], incomplete=True)


def errors(store: Store, variant: Variant, cells: Cells | None = None) -> Errors:
    """The errors of every model with an accuracy under a variant.

    cells: top-1 accuracies that hold all of the variant's settings, where they are known already.
    """
    kinds = variant.whole((*KINDS, *EXTRA_KINDS))
    names = [s for k in kinds for s in variant.names(k)]
    wanted = [*names, variant.baseline]
    if cells is None:
        cells = accuracies(store, wanted)
    place = {s: j for j, s in enumerate(cells.settings)}
    columns = [place[s] for s in wanted]
    seen = np.flatnonzero(~np.isnan(cells.value[:, columns[:-1]]).all(axis=1))
    grid = np.ix_(seen, np.array(columns, int))
    n = cells.n[grid]
    wrong = np.where(n > 0, n - cells.k[grid], -1)
    value = np.where(n > 0, wrong / np.maximum(n, 1), 1.0 - cells.value[grid])
    shape = (len(seen), len(kinds), len(SEVERITIES))
    there = cells.examples[grid][:, :-1].reshape(shape).all(axis=2)
    return Errors(
        variant,
        [cells.models[i] for i in seen],
        kinds,
        value[:, :-1].reshape(shape),
        wrong[:, :-1].reshape(shape),
        n[:, :-1].reshape(shape),
        value[:, -1],
        wrong[:, -1],
        n[:, -1],
        np.asarray(there & _aligned(store, names), bool),
        tuple(note for note in cells.notes if any(f"'{s}'" in note for s in wanted)),
    )


def answers(
    store: Store, some: Errors, besides: str | None = None
) -> Iterator[tuple[list[str], BoolArray, BoolArray | None]]:
    """Which examples are wrong, a batch of models at a time: names, (m, c, 5, n), clean (m, n).

    some: models that have examples for all their cells. besides: a model that comes last in every
    batch. n: the examples that have rows. Clean answers are None where a model of the batch lacks
    them. Raises BadInput where the rows of models or settings are of different examples.
    """
    variant, models = some.variant, [m for m in some.models if m != besides]
    first = store.label_set_of(variant.names(some.kinds[0])[0])
    total = len(first.examples) if first else 1
    step = max(1, _BYTES // max(1, total * len(some.kinds) * len(SEVERITIES)))
    for start in range(0, max(len(models), 1), step):
        batch = [*models[start : start + step], *([besides] if besides else [])]
        wrong = np.empty((len(batch), len(some.kinds), len(SEVERITIES), total), bool)
        there: BoolArray | None = None
        for c, kind in enumerate(some.kinds):
            for s, setting in enumerate(variant.names(kind)):
                seen = correctness(store, setting, models=batch)
                wrong[:, c, s] = ~seen.rows(batch)
                there = seen.present[0] if there is None else there
                if (seen.present != there).any():
                    raise BadInput(
                        f"The rows of '{setting}' are of other examples than those of other models"
                        " or corruptions. Run all of them on the same examples."
                    )
        assert there is not None
        if not there.all():
            wrong = wrong[..., there]
        yield batch, wrong, _clean(store, some, batch, there)


def _clean(store: Store, some: Errors, batch: list[str], at: BoolArray) -> BoolArray | None:
    baseline = some.variant.baseline
    if baseline not in store.settings_with_predictions():
        return None
    there = {p.model for p in store.pieces(baseline)}
    labels = store.label_set_of(baseline)
    first = store.label_set_of(some.variant.names(some.kinds[0])[0])
    if labels is None or first is None or not set(batch) <= there:
        return None
    if labels.examples != first.examples:
        return None
    seen = correctness(store, baseline, models=batch)
    return ~seen.rows(batch)[:, at] if seen.present[:, at].all() else None


def _aligned(store: Store, names: Sequence[str]) -> bool:
    """Whether all settings are scored by label sets with the same examples in the same order."""
    predicted = set(store.settings_with_predictions())
    sets = {store.settings()[s].get("label_set") for s in names if s in predicted}
    known = [store.label_set(s) for s in sets if s in store.label_sets()]
    return bool(known) and all(k.examples == known[0].examples for k in known[1:])


def _exact(k: IntArray, n: IntArray, level: float) -> tuple[FloatArray, FloatArray]:
    low = np.full(k.shape, np.nan)
    high = low.copy()
    known = n > 0
    low[known], high[known] = clopper_pearson(k[known], n[known], level)
    return low, high
