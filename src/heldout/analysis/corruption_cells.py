"""The errors of models under one variant's corruptions: cells, and example by example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies, correctness
from heldout.analysis.corruption_settings import EXTRA_KINDS, KINDS, SEVERITIES, Variant
from heldout.analysis.lacking import Lacking, lacking_notes, only
from heldout.errors import BadInput
from heldout.stats.proportion import clopper_pearson
from heldout.store.read import Store

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_BYTES = 128 << 20  # of right-or-wrong answers held at once


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Top-1 errors of models (m) under kinds (c) at severities (s), and without corruption.

    error, k, n: (m, c, s): fraction, wrong answers, examples; NaN and -1 where missing or unknown.
    clean, clean_k, clean_n: (m,). examples: (m, c, s) whether there are per-example answers, two
    or more. notes: what the cells say of themselves. lacking: (model, setting) with rows missing.
    common: (examples,) those that are scored, where not all are.
    """

    variant: Variant
    models: list[str]
    kinds: list[str]
    severities: tuple[int, ...]
    error: FloatArray
    k: IntArray
    n: IntArray
    clean: FloatArray
    clean_k: IntArray
    clean_n: IntArray
    examples: BoolArray
    notes: tuple[str, ...]
    lacking: Lacking
    common: BoolArray | None = None

    @property
    def by_examples(self) -> BoolArray:
        """(m,) whether a model has per-example answers for every kind and severity."""
        return np.asarray(self.examples.all(axis=(1, 2)), bool)

    @property
    def there(self) -> BoolArray:
        """(m, c, s) whether there is an error."""
        return np.asarray(~np.isnan(self.error), bool)

    @property
    def has(self) -> BoolArray:
        """(m, c) whether a model has all severities of a kind."""
        return np.asarray(self.there.all(axis=2), bool)

    def names(self, kind: str) -> list[str]:
        """The settings of one kind, in the order of the severities."""
        return [self.variant.settings[kind, s] for s in self.severities]

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Exact limits of every cell's error, (m, c, s); NaN where counts are unknown."""
        return _exact(self.k, self.n, level)

    def clean_limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Exact limits of the clean errors, (m,)."""
        return _exact(self.clean_k, self.clean_n, level)

    def size(self) -> list[int | None]:
        """The number of examples behind every model's cells, the smallest where they differ."""
        least = np.where(self.n > 0, self.n, np.iinfo(np.int64).max).min(axis=(1, 2))
        return [int(v) if v < np.iinfo(np.int64).max else None for v in least]

    def take(
        self,
        rows: Sequence[int],
        kinds: Sequence[str] | None = None,
        severities: Sequence[int] | None = None,
    ) -> Errors:
        """Some of the models, kinds and severities, in that order."""
        names = self.kinds if kinds is None else list(kinds)
        levels = self.severities if severities is None else tuple(severities)
        r = list(rows)
        at = np.ix_(
            np.array(r, int),
            np.array([self.kinds.index(k) for k in names], int),
            np.array([self.severities.index(s) for s in levels], int),
        )
        return replace(
            self,
            models=[self.models[i] for i in r],
            kinds=names,
            severities=levels,
            error=self.error[at],
            k=self.k[at],
            n=self.n[at],
            clean=self.clean[r],
            clean_k=self.clean_k[r],
            clean_n=self.clean_n[r],
            examples=self.examples[at],
        )


def cells_of(store: Store, variants: Sequence[Variant], *, incomplete: bool = False) -> Cells:
    """Top-1 accuracies in all settings of variants and their clean settings.

    incomplete: over the rows that there are, where some are missing.
    """
    known = store.settings()
    names = [s for v in variants for s in v.settings.values()]
    bases = [v.baseline for v in variants if v.baseline in known]
    return accuracies(store, list(dict.fromkeys([*names, *bases])), incomplete=incomplete)


def errors(store: Store, variant: Variant, cells: Cells) -> Errors:
    """The errors of every model with an accuracy under a variant, at severities 1 to 5.

    cells: top-1 accuracies that hold all of the variant's settings, as `cells_of` gives them.
    """
    kinds = [k for k in (*KINDS, *EXTRA_KINDS) if any((k, s) in variant.settings
                                                     for s in SEVERITIES)]  # fmt: skip
    names = [variant.settings.get((k, s)) for k in kinds for s in SEVERITIES]
    place = {s: j for j, s in enumerate(cells.settings)}
    # what was not run has a column of its own at the end, with nothing in it
    columns = np.array([place.get(s or "", -1) for s in (*names, variant.baseline)], int)

    def grid(values: NDArray[Any], nothing: float) -> NDArray[Any]:
        empty = np.full((len(values), 1), nothing, values.dtype)
        return np.asarray(np.hstack([values, empty])[:, columns])

    accuracy = grid(cells.value, np.nan)
    seen = np.flatnonzero(~np.isnan(accuracy[:, :-1]).all(axis=1))
    n, right = grid(cells.n, -1)[seen], grid(cells.k, -1)[seen]
    wrong = np.where(n > 0, n - right, -1)
    value = np.where(n > 0, wrong / np.maximum(n, 1), 1.0 - accuracy[seen])
    shape = (len(seen), len(kinds), len(SEVERITIES))
    mine = [s for s in names if s]
    there = grid(cells.examples, 0)[seen][:, :-1] & (n[:, :-1] > 1) & _aligned(store, mine)
    lacking = only(cells.lacking, settings={*mine, variant.baseline})
    # who lacks what is said of the models that are shown, by `lacking_words`
    told = {n for scored in (True, False) for n in lacking_notes(cells.lacking, scored=scored)}
    return Errors(
        variant,
        [cells.models[i] for i in seen],
        kinds,
        SEVERITIES,
        value[:, :-1].reshape(shape),
        wrong[:, :-1].reshape(shape),
        n[:, :-1].reshape(shape),
        value[:, -1],
        wrong[:, -1],
        n[:, -1],
        there.reshape(shape),
        tuple(
            note
            for note in cells.notes
            if note not in told and any(f"'{s}'" in note for s in (*mine, variant.baseline))
        ),
        lacking,
    )


def answers(
    store: Store, some: Errors, besides: str | None = None
) -> Iterator[tuple[list[str], BoolArray, list[BoolArray | None]]]:
    """Which examples are wrong, a batch of models at a time: names, (m, c, s, n), clean m x (n,).

    some: models that have examples for all their cells. besides: a model that comes last in every
    batch. n: the examples that are scored. Clean answers are None for a model that lacks them.
    Raises BadInput where the rows of models or settings are of different examples.
    """
    models = [m for m in some.models if m != besides]
    first = store.label_set_of(some.names(some.kinds[0])[0])
    total = len(first.examples) if first else 1
    at = np.ones(total, bool) if some.common is None else some.common
    step = max(1, _BYTES // max(1, total * len(some.kinds) * len(some.severities)))
    for start in range(0, max(len(models), 1), step):
        batch = [*models[start : start + step], *([besides] if besides else [])]
        shape = (len(batch), len(some.kinds), len(some.severities), int(at.sum()))
        wrong = np.empty(shape, bool)
        for c, kind in enumerate(some.kinds):
            for s, setting in enumerate(some.names(kind)):
                seen = correctness(store, setting, models=batch)
                if not seen.present[:, at].all():
                    raise BadInput(
                        f"The rows of '{setting}' are of other examples than those of other models"
                        " or corruptions. Run all of them on the same examples."
                    )
                right = seen.rows(batch)
                wrong[:, c, s] = ~right if some.common is None else ~right[:, at]
        yield batch, wrong, _clean(store, some, batch, at)


def _clean(store: Store, some: Errors, batch: list[str], at: BoolArray) -> list[BoolArray | None]:
    """Which examples each model gets wrong without corruption; None where it lacks some."""
    baseline = some.variant.baseline
    nothing: list[BoolArray | None] = [None] * len(batch)
    if baseline not in store.settings_with_predictions():
        return nothing
    known = {m for m, clean in zip(some.models, some.clean, strict=True) if not np.isnan(clean)}
    there = known & {p.model for p in store.pieces(baseline)}
    mine = [m for m in batch if m in there]
    labels = store.label_set_of(baseline)
    first = store.label_set_of(some.names(some.kinds[0])[0])
    if not mine or labels is None or first is None or labels.examples != first.examples:
        return nothing
    seen = correctness(store, baseline, models=mine)
    row = {m: i for i, m in enumerate(seen.models) if seen.present[i, at].all()}
    return [~seen.right[row[m], at] if m in row else None for m in batch]


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
