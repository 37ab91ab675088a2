"""Error by corruption and by severity, with intervals, of one variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import totals
from heldout.analysis.cells import Cells, pick_models
from heldout.analysis.corruption_cells import Errors, answers, errors, rows_there_are
from heldout.analysis.corruption_limits import PUBLISHED
from heldout.analysis.corruption_settings import (
    KINDS,
    SEVERITIES,
    Variant,
    is_imagenet,
    one,
    pick,
)
from heldout.analysis.corruption_words import (
    BY_COUNTS,
    BY_EXAMPLES,
    EXTRA_NOTE,
    left_out,
    methods_words,
    of_fifteen,
    variant_notes,
)
from heldout.errors import BadInput, not_found
from heldout.stats.weighted import mean_of_ratios, ratio_box, summed_limits, weighted_mean
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]
_METHOD = {True: BY_EXAMPLES, False: BY_COUNTS}
Limits = tuple[FloatArray, FloatArray, FloatArray]


def by_corruption(
    store: Store,
    test_set: str | None = None,
    models: Sequence[str] | None = None,
    *,
    against: str | None = None,
    reference: str | None = None,
    medium: str | None = None,
    frost: str | None = None,
    level: float = 0.95,
    only: Variant | None = None,
    cells: Cells | None = None,
    incomplete: bool = False,
) -> Table:
    """One row per (corruption, model): the mean error over severities and CE, with intervals.

    CE is Σ_s error / Σ_s error of the reference (`against`, as in `mce`); without one there is no
    such column. only: this variant instead of the one named. The four corruptions that mCE does not
    count are there too and say so. Models that lack a severity have no row for that corruption.
    incomplete: score the rows that there are. Raises NotFound, and BadInput where several variants
    are meant.
    """
    variant = only or one(pick(store, test_set, reference=reference, medium=medium, frost=frost))
    if incomplete and cells is None:
        cells = rows_there_are(store, [variant])
    some = _chosen(store, variant, models, cells)
    divisor = against or (PUBLISHED if is_imagenet(store, some.variant.baseline) else "")
    base = _base(store, some, divisor, cells)
    error, ce = _per_kind(store, some, base, divisor, level)
    place = [
        (c, i)
        for c in range(len(some.kinds))
        for i in np.argsort(some.error[:, c].mean(axis=1), kind="stable")
        if some.has[i, c]
    ]
    at = tuple(np.array([(i, c) for c, i in place], int).reshape(-1, 2).T)
    columns = [
        Column("corruption", "text", [some.kinds[c] for c, _ in place], "the corruption"),
        Column("model", "text", [some.models[i] for _, i in place], "the model"),
        *_estimate("error", "top-1 error, mean over the five severities", error, at),
    ]
    if divisor:
        columns += _estimate("ce", "error / error of the reference", ce, at)
    columns += [
        Column("counted", "bool", [some.kinds[c] in KINDS for c, _ in place],
               "whether mCE counts it", wide=True),
        *_ends(some, [i for _, i in place]),
    ]  # fmt: skip
    kinds = [k for c, k in enumerate(some.kinds) if k in KINDS and some.has[:, c].any()]
    whose = "AlexNet as published" if divisor == PUBLISHED else divisor
    return Table(
        f"Error by corruption on {some.variant.words}" + (f", CE against {whose}" * bool(divisor)),
        tuple(columns),
        notes=(
            *some.notes,
            *variant_notes(some, kinds, divisor),
            *([EXTRA_NOTE] if divisor == PUBLISHED and set(some.kinds) - set(KINDS) else []),
        ),
        facts={"variant": some.variant.words, "corruptions": some.kinds, "against": divisor},
        choices=methods_words(
            level,
            {_METHOD[bool(e)] for e, h in zip(some.examples.flat, some.has.flat, strict=True) if h},
        ),
    )


def by_severity(
    store: Store,
    test_set: str | None = None,
    models: Sequence[str] | None = None,
    *,
    reference: str | None = None,
    medium: str | None = None,
    frost: str | None = None,
    level: float = 0.95,
    only: Variant | None = None,
    cells: Cells | None = None,
    incomplete: bool = False,
) -> Table:
    """One row per (model, severity): the mean error over the corruptions that mCE counts.

    The same corruptions at every severity, and models that have them all. Raises as
    `by_corruption`.
    """
    variant = only or one(pick(store, test_set, reference=reference, medium=medium, frost=frost))
    if incomplete and cells is None:
        cells = rows_there_are(store, [variant])
    every = _chosen(store, variant, models, cells)
    kinds = [k for c, k in enumerate(every.kinds) if k in KINDS and every.has[:, c].any()]
    if not kinds:
        raise BadInput(f"No model has all severities of a corruption ({every.variant.words}).")
    whole = every.has[:, [every.kinds.index(k) for k in kinds]].all(axis=1)
    notes = [*every.notes, *left_out(every, kinds, np.flatnonzero(~whole).tolist())]
    if not whole.any():
        raise BadInput(" ".join(notes))
    some = every.take(np.flatnonzero(whole).tolist(), kinds)
    limits = some.limits(level)
    even = np.full(len(kinds), 1.0 / len(kinds))
    value = some.error.mean(axis=1)
    v, a, b = (np.swapaxes(x, 1, 2) for x in (some.error, *limits))
    low, high = summed_limits(v, a, b, even)
    found = np.stack([value, low, high])
    rows = np.flatnonzero(some.by_examples).tolist()
    for names, wrong, _ in answers(store, some.take(rows)) if rows else ():
        for m, mine in zip(names, wrong, strict=True):
            found[:, some.models.index(m)] = weighted_mean(mine.mean(axis=0), level)
    order = np.argsort(value.mean(axis=1), kind="stable")
    place = [(i, s) for i in order for s in range(len(SEVERITIES))]
    at = tuple(np.array(place, int).T)
    return Table(
        f"Error by severity on {some.variant.words}, mean over {of_fifteen(kinds)} corruptions",
        (
            Column("model", "text", [some.models[i] for i, _ in place], "the model"),
            Column("severity", "int", [SEVERITIES[s] for _, s in place], "1 mild to 5 strong"),
            *_estimate("error", "top-1 error, mean over corruptions", tuple(found), at),
            *_ends(some, [i for i, _ in place]),
        ),
        notes=(
            *notes,
            *variant_notes(some, kinds, "none"),
        ),
        facts={"variant": some.variant.words, "corruptions": kinds},
        choices=methods_words(level, {_METHOD[bool(e)] for e in some.by_examples}),
    )


def _chosen(
    store: Store, variant: Variant, models: Sequence[str] | None, cells: Cells | None
) -> Errors:
    """The errors of a variant, of the models that are wanted."""
    every = errors(store, variant, cells)
    if models is None:
        return every
    wanted = pick_models(every.models, models, "these corruptions")
    return every.take([every.models.index(m) for m in wanted])


def _base(store: Store, some: Errors, divisor: str, cells: Cells | None) -> Errors | None:
    """The errors of the reference model alone; None where there is none."""
    if divisor == PUBLISHED and not is_imagenet(store, some.variant.baseline):
        raise BadInput(
            f"AlexNet's published errors are of ImageNet's classes; '{some.variant.baseline}' has"
            " others. Name a model of the store with --against."
        )
    if divisor in ("", PUBLISHED):
        return None
    every = errors(store, some.variant, cells)
    if divisor not in every.models:
        raise not_found("reference model", divisor, [PUBLISHED, *every.models], "these corruptions")
    return every.take([every.models.index(divisor)])


def _per_kind(
    store: Store, some: Errors, base: Errors | None, divisor: str, level: float
) -> tuple[Limits, Limits]:
    """Mean error over severities and CE of every model and kind: value, low, high (m, c)."""
    low, high = some.limits(level)
    fifth = np.full(len(SEVERITIES), 1.0 / len(SEVERITIES))
    error = np.stack([some.error.mean(axis=2), *summed_limits(some.error, low, high, fifth)])
    ce = np.full(error.shape, np.nan) if base is None else _ratios(some, error, base, level)
    for c, kind in enumerate(some.kinds):
        rows = np.flatnonzero(some.examples[:, c]).tolist()
        besides = base.models[0] if base is not None and base.examples[0, c] else None
        for names, wrong, _ in answers(store, some.take(rows, [kind]), besides) if rows else ():
            sums = wrong[:, 0].sum(axis=1, dtype=np.float64)
            for m, mine in zip(names, sums, strict=True):
                if m not in some.models:
                    continue
                i = some.models.index(m)
                error[:, i, c] = weighted_mean(mine / len(SEVERITIES), level)
                if besides:
                    ce[:, i, c] = mean_of_ratios(mine[None], sums[-1:], level)
    if divisor == PUBLISHED:
        ce = error * len(SEVERITIES) / totals(some.kinds)
    return (error[0], error[1], error[2]), (ce[0], ce[1], ce[2])


def _ratios(some: Errors, error: FloatArray, base: Errors, level: float) -> FloatArray:
    """CE against a model from counts: (3, m, c)."""
    low, high = base.limits(level)
    fifth = np.full(len(SEVERITIES), 1.0 / len(SEVERITIES))
    below = base.error.mean(axis=2)[0]
    b_low, b_high = summed_limits(base.error[0], low[0], high[0], fifth)
    box = ratio_box((error[1][..., None], error[2][..., None]), (b_low[:, None], b_high[:, None]))
    out = np.stack([error[0] / np.where(below > 0, below, np.nan), *box])
    if base.models[0] in some.models:
        i = some.models.index(base.models[0])
        out[1:, i] = out[0, i]  # 1 by definition
    return out


def _estimate(name: str, about: str, limits: Limits, at: Any) -> list[Column]:
    ends = (f"{name}_low", f"{name}_high")
    return [
        Column(name, "fraction", limits[0][at], about, ends),
        Column(ends[0], "fraction", limits[1][at], "lower limit"),
        Column(ends[1], "fraction", limits[2][at], "upper limit"),
    ]


def _ends(some: Errors, rows: Sequence[int]) -> list[Column]:
    sizes = some.size()
    return [
        Column("medium", "text", [some.variant.medium_words] * len(rows), "in memory or on disk",
               wide=True),
        Column("n", "int", [sizes[i] for i in rows], "examples a setting"),
    ]  # fmt: skip
