"""Error by corruption, with intervals, of one variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import totals
from heldout.analysis.cells import Cells, pick_models
from heldout.analysis.corruption_cells import Errors, answers, cells_of, errors
from heldout.analysis.corruption_common import lacking_words, on_common
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
    frost_notes,
    methods_words,
    severities_words,
    size_notes,
    variant_notes,
)
from heldout.analysis.lacking import only as only_of
from heldout.analysis.lacking import why_missing
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
    such column, and a corruption that lacks a severity has none: its error is the mean over those
    that there are (column `severities`). only: this variant instead of the one named. The four
    corruptions that mCE does not count are there too and say so. Models that lack a severity that
    others have get no row for that corruption. incomplete: score the rows that there are, on the
    examples that all have. Raises NotFound, and BadInput where several variants are meant.
    """
    variant = only or one(pick(store, test_set, reference=reference, medium=medium, frost=frost))
    if cells is None:
        cells = cells_of(store, [variant], incomplete=incomplete)
    every = errors(store, variant, cells)
    chosen = chosen_of(every, models, cells)
    divisor = against or (PUBLISHED if is_imagenet(store, variant) else "")
    base = _base(store, every, divisor, cells)
    rows = [
        _kind_rows(store, part, base, divisor, level)
        for part in _by_severities(on_common(store, _with(every, chosen, base)))
    ]
    order = [k for k in chosen.kinds if any(k in p.kinds for p, *_ in rows)]
    place = sorted(
        (
            (order.index(k), error[0][i, c], p.models[i], n, i, c)
            for n, (p, error, _) in enumerate(rows)
            for c, k in enumerate(p.kinds)
            for i in range(len(p.models))
            if p.has[i, c] and p.models[i] in chosen.models
        )
    )
    if not place:
        said = " ".join([*chosen.notes, *lacking_words(every, models)])
        raise BadInput(said or f"There are no errors to show ({variant.words}).")
    kinds = [order[o] for o, *_ in place]
    levels = [rows[n][0].severities for *_, n, _, _ in place]
    sizes = [rows[n][0].size()[i] for *_, n, i, _ in place]
    columns = [
        Column("corruption", "text", kinds, "the corruption"),
        Column("model", "text", [m for _, _, m, *_ in place], "the model"),
        *_estimate("error", "top-1 error, mean over the severities",
                   [[rows[n][1][j][i, c] for *_, n, i, c in place] for j in range(3)]),
    ]  # fmt: skip
    if divisor:
        ce = [[rows[n][2][j][i, c] for *_, n, i, c in place] for j in range(3)]
        columns += _estimate("ce", "error / error of the reference", ce)
    columns += [
        Column("counted", "bool", [k in KINDS for k in kinds], "whether mCE counts it", wide=True),
        Column("severities", "text", [_numbers(v) for v in levels], "those in the mean",
               wide=len(set(levels)) == 1),
        *ends(variant, sizes),
    ]  # fmt: skip
    shown = rows[0][0]
    return Table(
        f"Error by corruption on {variant.words}"
        + (f", {severities_words(levels[0])}"
           if len(set(levels)) == 1 and levels[0] != SEVERITIES else "")
        + (f", CE against {'AlexNet as published' if divisor == PUBLISHED else divisor}"
           if divisor else ""),
        tuple(columns),
        notes=(
            *lacking_words(every, models),
            *shown.notes,
            *_part_notes([p for p, *_ in rows], divisor),
            *variant_notes(shown, divisor, kinds=[k for k in order if k in KINDS]),
            *size_notes(sizes, variant.baseline),
            *frost_notes(frost, [variant]),
            *([EXTRA_NOTE] if divisor == PUBLISHED and set(order) - set(KINDS) else []),
        ),
        facts={"variant": variant.words, "corruptions": order, "against": divisor},
        choices=methods_words(
            level,
            {_METHOD[bool(rows[n][0].examples[i, c].all())] for *_, n, i, c in place},
        ),
    )  # fmt: skip


def _with(every: Errors, chosen: Errors, base: Errors | None) -> Errors:
    """The chosen models and the reference, where they have any error."""
    names = list(dict.fromkeys([*chosen.models, *(base.models if base else [])]))
    return every.take([every.models.index(m) for m in names])


def _by_severities(some: Errors) -> list[Errors]:
    """The kinds by the severities that they have: of each kind those that a model has most of."""
    found: dict[tuple[int, ...], list[str]] = {}
    for c, kind in enumerate(some.kinds):
        sets = [tuple(s for s, t in zip(some.severities, row, strict=True) if t)
                for row in some.there[:, c]]  # fmt: skip
        best = max(sets, key=lambda s: (len(s), sets.count(s)), default=())
        if best:
            found.setdefault(best, []).append(kind)
    everybody = range(len(some.models))
    return [some.take(everybody, kinds, levels) for levels, kinds in found.items()]


def _numbers(severities: Sequence[int]) -> str:
    """Severities in a cell: '3', '1-5', '1,3'."""
    first, last = severities[0], severities[-1]
    if last - first == len(severities) - 1 and len(severities) > 1:
        return f"{first}-{last}"
    return ",".join(map(str, severities))


def _part_notes(parts: Sequence[Errors], divisor: str) -> list[str]:
    notes = []
    for p in parts:
        if p.severities != SEVERITIES:
            no_ce = ": no CE, which is over all five" if divisor else ""
            many = f"{', '.join(p.kinds[:5])}{' …' if len(p.kinds) > 5 else ''}"
            notes.append(f"Only {severities_words(p.severities)} of {many}{no_ce}.")
    return notes


def chosen_of(every: Errors, models: Sequence[str] | None, cells: Cells) -> Errors:
    """The errors of the models that are wanted. Raises NotFound, BadInput for lacking rows."""
    if models is None:
        return every
    wanted = pick_models(every.models, models, "these corruptions", cells.lacking)
    return every.take([every.models.index(m) for m in wanted])


def _base(store: Store, every: Errors, divisor: str, cells: Cells) -> Errors | None:
    """The errors of the reference model alone; None where there is none."""
    if divisor == PUBLISHED and not is_imagenet(store, every.variant):
        raise BadInput(
            f"AlexNet's published errors are of ImageNet's classes; '{every.variant.baseline}' has"
            " others. Name a model of the store with --against."
        )
    if divisor in ("", PUBLISHED):
        return None
    if divisor not in every.models:
        if short := only_of(cells.lacking, [divisor]):
            raise BadInput(why_missing(short))
        raise not_found("reference model", divisor, [PUBLISHED, *every.models], "these corruptions")
    return every.take([every.models.index(divisor)])


def _kind_rows(
    store: Store, some: Errors, base: Errors | None, divisor: str, level: float
) -> tuple[Errors, Limits, Limits]:
    """Mean error over severities and CE of every model and kind: value, low, high (m, c).

    base: the reference, which is among the models of `some`.
    """
    if base is not None:
        base = some.take([some.models.index(base.models[0])])
    count = len(some.severities)
    low, high = some.limits(level)
    even = np.full(count, 1.0 / count)
    error = np.stack([some.error.mean(axis=2), *summed_limits(some.error, low, high, even)])
    ce = np.full(error.shape, np.nan) if base is None else _ratios(some, error, base, level)
    for c, kind in enumerate(some.kinds):
        rows = np.flatnonzero(some.examples[:, c].all(axis=1)).tolist()
        besides = base.models[0] if base is not None and base.examples[0, c].all() else None
        for names, wrong, _ in answers(store, some.take(rows, [kind]), besides) if rows else ():
            sums = wrong[:, 0].sum(axis=1, dtype=np.float64)
            for m, mine in zip(names, sums, strict=True):
                i = some.models.index(m)
                error[:, i, c] = weighted_mean(mine / count, level)
                found = mean_of_ratios(mine[None], sums[-1:], level) if besides else None
                if found and found[2] > found[1]:  # else the counts' limits stand
                    ce[:, i, c] = found
    if divisor == PUBLISHED:
        ce = error * count / totals(some.kinds)
    if some.severities != SEVERITIES:
        ce = np.full(error.shape, np.nan)
    return some, (error[0], error[1], error[2]), (ce[0], ce[1], ce[2])


def _ratios(some: Errors, error: FloatArray, base: Errors, level: float) -> FloatArray:
    """CE against a model from counts: (3, m, c)."""
    low, high = base.limits(level)
    fifth = np.full(len(some.severities), 1.0 / len(some.severities))
    below = base.error.mean(axis=2)[0]
    b_low, b_high = summed_limits(base.error[0], low[0], high[0], fifth)
    box = ratio_box((error[1][..., None], error[2][..., None]), (b_low[:, None], b_high[:, None]))
    out = np.stack([error[0] / np.where(below > 0, below, np.nan), *box])
    if base.models[0] in some.models:
        i = some.models.index(base.models[0])
        out[1:, i] = out[0, i]  # 1 by definition
    return out


def _estimate(name: str, about: str, limits: Sequence[Any]) -> list[Column]:
    low, high = f"{name}_low", f"{name}_high"
    return [
        Column(name, "fraction", limits[0], about, (low, high)),
        Column(low, "fraction", limits[1], "lower limit"),
        Column(high, "fraction", limits[2], "upper limit"),
    ]


def ends(variant: Variant, sizes: Sequence[int | None]) -> list[Column]:
    """The last columns: medium and number of examples."""
    return [
        Column("medium", "text", [variant.medium_words] * len(sizes), "in memory or on disk",
               wide=True),
        Column("n", "int", sizes, "examples a setting"),
    ]  # fmt: skip
