"""Error by severity, with intervals, of one variant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells
from heldout.analysis.corruption_cells import Errors, answers, cells_of, errors
from heldout.analysis.corruption_common import lacking_words, on_common
from heldout.analysis.corruption_settings import KINDS, Variant, one, pick
from heldout.analysis.corruption_tables import chosen_of, ends
from heldout.analysis.corruption_words import (
    BY_COUNTS,
    BY_EXAMPLES,
    frost_notes,
    left_out,
    methods_words,
    of_fifteen,
    severities_words,
    size_notes,
    variant_notes,
)
from heldout.errors import BadInput
from heldout.stats.weighted import summed_limits, weighted_mean
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


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

    At each severity the corruptions that any model has there, and the models that have them all;
    where that differs from severity to severity, column `corruptions` and a note say so.
    incomplete: score the rows that there are, on the examples that all have. Raises NotFound, and
    BadInput where several variants are meant or there is nothing to show.
    """
    variant = only or one(pick(store, test_set, reference=reference, medium=medium, frost=frost))
    if cells is None:
        cells = cells_of(store, [variant], incomplete=incomplete)
    whole = errors(store, variant, cells)
    parts, notes = _parts(chosen_of(whole, models, cells))
    notes = [*lacking_words(whole, models), *notes]
    if not parts:
        raise BadInput(" ".join(notes) or f"There are no errors to show ({variant.words}).")
    scored = [on_common(store, p) for p in parts]
    rows = [
        (p.models[i], severity, len(p.kinds), p.size()[i], p.by_examples[i], *limits[:, i, s])
        for p in scored
        for limits in [_limits(store, p, level)]
        for s, severity in enumerate(p.severities)
        for i in range(len(p.models))
    ]
    mean = {m: np.mean([r[5] for r in rows if r[0] == m]) for m in {r[0] for r in rows}}
    rows.sort(key=lambda r: (mean[r[0]], r[0], r[1]))
    most = max(scored, key=lambda p: len(p.kinds))
    counts = sorted({len(p.kinds) for p in scored})
    over = ("" if len(counts) == 1 else f"{counts[0]} to ") + of_fifteen(most.kinds)
    columns = [list(c) for c in zip(*rows, strict=True)]
    return Table(
        f"Error by severity on {variant.words}, mean over {over} corruptions",
        (
            Column("model", "text", columns[0], "the model"),
            Column("severity", "int", columns[1], "1 mild to 5 strong"),
            Column("corruptions", "int", columns[2], "how many the mean is over",
                   wide=len(counts) == 1),
            Column("error", "fraction", columns[5], "top-1 error, mean over corruptions",
                   ("error_low", "error_high")),
            Column("error_low", "fraction", columns[6], "lower limit"),
            Column("error_high", "fraction", columns[7], "upper limit"),
            *ends(variant, columns[3]),
        ),
        notes=(
            *notes,
            *dict.fromkeys(n for p in scored for n in p.notes),
            *variant_notes(most, "none"),
            *size_notes(columns[3], variant.baseline),
            *frost_notes(frost, [variant]),
        ),
        facts={"variant": variant.words, "corruptions": most.kinds},
        choices=methods_words(level, {BY_EXAMPLES if e else BY_COUNTS for e in columns[4]}),
    )  # fmt: skip


def _parts(every: Errors) -> tuple[list[Errors], list[str]]:
    """The severities with the same corruptions and models together; notes on what is left out."""
    found: dict[tuple[tuple[str, ...], tuple[int, ...]], list[int]] = {}
    gone: dict[str, None] = {}
    for j, severity in enumerate(every.severities):
        there = every.there[:, :, j]
        kinds = tuple(k for c, k in enumerate(every.kinds) if k in KINDS and there[:, c].any())
        if not kinds:
            continue
        at_one = every.take(range(len(every.models)), kinds, [severity])
        whole = at_one.there.all(axis=(1, 2))
        rows = tuple(np.flatnonzero(whole).tolist())
        gone |= dict.fromkeys(left_out(at_one, kinds, np.flatnonzero(~whole).tolist()))
        if rows:
            found.setdefault((kinds, rows), []).append(severity)
    parts = [every.take(rows, kinds, levels) for (kinds, rows), levels in found.items()]
    notes = list(gone)
    if len({tuple(p.kinds) for p in parts}) > 1:
        said = "; ".join(f"{severities_words(p.severities)}: {len(p.kinds)}" for p in parts)
        notes.append(
            f"The means are over different corruptions ({said}): do not compare severities."
        )
    return parts, notes


def _limits(store: Store, some: Errors, level: float) -> FloatArray:
    """The mean over kinds: value, low, high (3, m, s)."""
    even = np.full(len(some.kinds), 1.0 / len(some.kinds))
    v, a, b = (np.swapaxes(x, 1, 2) for x in (some.error, *some.limits(level)))
    found = np.stack([some.error.mean(axis=1), *summed_limits(v, a, b, even)])
    rows = np.flatnonzero(some.by_examples).tolist()
    for names, wrong, _ in answers(store, some.take(rows)) if rows else ():
        for m, mine in zip(names, wrong, strict=True):
            found[:, some.models.index(m)] = weighted_mean(mine.mean(axis=0), level)
    return found
