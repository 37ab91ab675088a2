"""Mean corruption error: mCE, relative mCE and the plain mean error, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import CLEAN_ERROR, totals
from heldout.analysis.cells import Cells, pick_models
from heldout.analysis.corruption_cells import Errors, answers, errors, rows_there_are
from heldout.analysis.corruption_settings import KINDS, SEVERITIES, Variant, is_imagenet, pick
from heldout.analysis.corruption_words import (
    BY_COUNTS,
    BY_EXAMPLES,
    left_out,
    methods_words,
    of_fifteen,
    title,
    variant_notes,
    verdict,
)
from heldout.errors import BadInput, not_found
from heldout.stats.weighted import (
    mean_of_ratios,
    ratio_box,
    signed_mean,
    summed_limits,
    weighted_mean,
)
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]
PUBLISHED = "published"
_MEASURES = ("mce", "relative_mce", "mean_error")
_SEVERITIES = len(SEVERITIES)


def mce(
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
    """One row per model: mCE, relative mCE and mean error under corruption, fractions.

    mCE is the mean over corruptions of Σ_s error / Σ_s error of AlexNet; relative mCE has error
    minus clean error on both sides; the mean error is divided by nothing. against: 'published'
    (AlexNet's published errors; the default for ImageNet's classes) or a model of the store.
    reference, medium, frost: which variant; one block of rows for each that meets them. A
    corruption that no model has at all severities is left out for all, and said; a model that
    lacks another is left out. only: this variant instead of those named. cells: top-1 accuracies
    that are known already. incomplete: score the rows that there are, after runs of a part of the
    examples.
    Raises NotFound with near matches, BadInput where there is nothing to compute.
    """
    found = (
        [only] if only else pick(store, test_set, reference=reference, medium=medium, frost=frost)
    )
    if incomplete and cells is None:
        cells = rows_there_are(store, found)
    _check_against(store, found, against, cells)
    blocks = [_block(store, v, models, against, level, cells) for v in found]
    if models is not None:
        known = sorted({m for b in blocks for m in b.every})
        pick_models(known, models, "these corruptions")
    made = [b for b in blocks if b.models]
    notes = list(dict.fromkeys(n for b in blocks for n in b.notes))
    if not made:
        raise BadInput(" ".join(notes))
    divided = any(b.against for b in made)
    return Table(
        title(*[(b.variant, b.kinds, b.against) for b in made]),
        _columns(made, divided),
        notes=tuple(notes),
        verdict=verdict([(b.variant.words, b.models, b.limits, b.against) for b in made]),
        facts={
            "variants": [b.variant.words for b in made],
            "corruptions": [b.kinds for b in made],
            "against": sorted({b.against for b in made if b.against}),
            "models": len({m for b in made for m in b.models}),
        },
        choices=methods_words(level, {m for b in made for m in b.method}),
    )


@dataclass(slots=True)
class Block:
    """The rows of one variant, best first. limits: measure to (3, m): value, low, high.

    every: all models with any result there. against: what errors are divided by, '' for nothing.
    """

    variant: Variant
    kinds: list[str]
    against: str
    models: list[str] = field(default_factory=list)
    every: list[str] = field(default_factory=list)
    limits: dict[str, FloatArray] = field(default_factory=dict)
    sizes: list[int | None] = field(default_factory=list)
    method: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _block(
    store: Store,
    variant: Variant,
    models: Sequence[str] | None,
    against: str | None,
    level: float,
    cells: Cells | None,
) -> Block:
    every = errors(store, variant, cells)
    has = every.has
    kinds = [k for c, k in enumerate(every.kinds) if k in KINDS and has[:, c].any()]
    divisor = against or (PUBLISHED if is_imagenet(store, variant.baseline) else "")
    block = Block(variant, kinds, divisor, every=every.models, notes=list(every.notes))
    if not kinds:
        block.notes.append(f"No model has all five severities of a corruption ({variant.words}).")
        return block
    whole = np.asarray(has[:, [every.kinds.index(k) for k in kinds]].all(axis=1), bool)
    wanted = [i for i, m in enumerate(every.models) if models is None or m in models]
    block.notes += left_out(every, kinds, [i for i in wanted if not whole[i]])
    if divisor not in ("", PUBLISHED) and divisor not in np.array(every.models, object)[whole]:
        block.notes.append(f"'{divisor}' lacks corruptions there: no mCE ({variant.words}).")
        block.against = divisor = ""
    block.notes += variant_notes(every, kinds, divisor, relative=True)
    rows = [i for i in wanted if whole[i]]
    if not rows:
        return block
    # the reference comes last, so that everybody can be divided by it
    base = [every.models.index(divisor)] if divisor not in ("", PUBLISHED) else []
    some = every.take([*rows, *base], kinds)
    limits = _all_limits(store, some, divisor, level)
    limits["clean_error"] = np.stack([some.clean, *some.clean_limits(level)])
    count = len(rows)
    first = limits["mce" if divisor else "mean_error"][0, :count]
    order = np.argsort(first, kind="stable")
    block.models = [some.models[i] for i in order]
    block.limits = {name: v[:, :count][:, order] for name, v in limits.items()}
    sizes = some.size()
    block.sizes = [sizes[i] for i in order]
    block.method = [BY_EXAMPLES if some.by_examples[i] else BY_COUNTS for i in order]
    return block


def _all_limits(store: Store, some: Errors, divisor: str, level: float) -> dict[str, FloatArray]:
    """Every measure of every model: (3, m), from examples where a model has them."""
    out = {name: np.full((3, len(some.models)), np.nan) for name in _MEASURES}
    own = divisor if divisor != PUBLISHED else ""
    counted = _from_counts(some, divisor, level)
    for name, values in counted.items():
        out[name][:] = values
    with_examples = [m for m, e in zip(some.models, some.by_examples, strict=True) if e]
    if not with_examples:
        return out
    if own and own not in with_examples:
        # without the reference's answers only the plain mean can use the examples
        for name, values in _from_examples(store, some, with_examples, "", level).items():
            _fill(out[name], some.models, with_examples, values)
    else:
        for name, values in _from_examples(store, some, with_examples, divisor, level).items():
            _fill(out[name], some.models, with_examples, values)
    return out


def _fill(out: FloatArray, models: list[str], some: list[str], values: FloatArray) -> None:
    """Put limits in their places; NaN leaves what is there."""
    at = [models.index(m) for m in some]
    out[:, at] = np.where(np.isnan(values), out[:, at], values)


def _from_counts(some: Errors, divisor: str, level: float) -> dict[str, FloatArray]:
    """Limits from k and n alone, whatever the dependence of the settings."""
    low, high = some.limits(level)
    clean_low, clean_high = some.clean_limits(level)
    m, count = len(some.models), len(some.kinds)

    def weighed(weight: FloatArray, clean_weight: float) -> FloatArray:
        """Σ weight error + clean_weight clean error: (3, m)."""
        w = np.append(weight.ravel(), clean_weight)
        v, a, b = (
            np.column_stack([x.reshape(m, -1), c]) if clean_weight else x.reshape(m, -1)
            for x, c in ((some.error, some.clean), (low, clean_low), (high, clean_high))
        )
        w = w if clean_weight else w[:-1]
        return np.stack([v @ w, *summed_limits(v, a, b, w)])

    even = np.full((count, _SEVERITIES), 1.0 / (count * _SEVERITIES))
    out = {"mean_error": weighed(even, 0.0)}
    if divisor == PUBLISHED:
        for name, below, subtract in _published(some.kinds):
            weight = np.repeat(1.0 / (count * below), _SEVERITIES)
            out[name] = weighed(weight, -subtract * float(weight.sum()))
    elif divisor:
        base = some.models.index(divisor)
        for name, subtract in (("mce", 0), ("relative_mce", 1)):
            out[name] = _ratios(some, (low, high), (clean_low, clean_high), base, subtract)
    return out


def _ratios(
    some: Errors,
    cell_limits: tuple[FloatArray, FloatArray],
    clean_limits: tuple[FloatArray, FloatArray],
    base: int,
    subtract: int,
) -> FloatArray:
    """The mean over kinds of error summed over severities over the base's, from counts: (3, m)."""
    total = (some.error - subtract * some.clean[:, None, None]).sum(axis=2)
    c_low, c_high = clean_limits
    down = (some.error - cell_limits[0]).sum(axis=2)
    up = (cell_limits[1] - some.error).sum(axis=2)
    if subtract:
        down = down + _SEVERITIES * (c_high - some.clean)[:, None]
        up = up + _SEVERITIES * (some.clean - c_low)[:, None]
    box = ratio_box((total - down, total + up), ((total - down)[base], (total + up)[base]))
    value = (total / np.where(total[base] > 0, total[base], np.nan)).mean(axis=1)
    out = np.stack([value, *box])
    out[1:, base] = out[0, base]  # 1 by definition
    return out


def _published(kinds: list[str]) -> list[tuple[str, FloatArray, int]]:
    """(measure, AlexNet's sums, times the clean error is taken off each error)."""
    sums = totals(kinds)
    return [("mce", sums, 0), ("relative_mce", sums - _SEVERITIES * CLEAN_ERROR, 1)]


def _from_examples(
    store: Store, some: Errors, models: list[str], divisor: str, level: float
) -> dict[str, FloatArray]:
    """Limits from each example's own weighted error; measures that cannot be had stay NaN."""
    out = {name: np.full((3, len(models)), np.nan) for name in _MEASURES}
    place = {m: i for i, m in enumerate(models)}
    besides = divisor if divisor not in ("", PUBLISHED) else None
    chosen = some.take([some.models.index(m) for m in dict.fromkeys(models)])
    for batch, wrong, clean in answers(store, chosen, besides):
        at = [place[m] for m in batch]
        for i, row in enumerate(at):
            found = _one_model(wrong[i], None if clean is None else clean[i], divisor, some.kinds,
                               wrong[-1], None if clean is None else clean[-1], level)  # fmt: skip
            for name, values in found.items():
                out[name][:, row] = values
    return out


def _one_model(
    wrong: NDArray[np.bool_],
    clean: NDArray[np.bool_] | None,
    divisor: str,
    kinds: list[str],
    base: NDArray[np.bool_],
    base_clean: NDArray[np.bool_] | None,
    level: float,
) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """The measures of one model from its answers (c, 5, n): value, low, high."""
    summed = wrong.sum(axis=1, dtype=np.float64)
    count = len(kinds)
    out = {"mean_error": weighted_mean(summed.sum(axis=0) / (count * _SEVERITIES), level)}
    if divisor == PUBLISHED:
        for name, below, subtract in _published(kinds):
            weight = 1.0 / (count * below)
            each = weight @ summed
            if not subtract:
                out[name] = weighted_mean(each, level, float(_SEVERITIES * weight.sum()))
            elif clean is not None:
                out[name] = signed_mean(each - _SEVERITIES * weight.sum() * clean, level)
    elif divisor:
        under = base.sum(axis=1, dtype=np.float64)
        out["mce"] = mean_of_ratios(summed, under, level)
        if clean is not None and base_clean is not None:
            out["relative_mce"] = mean_of_ratios(
                summed - _SEVERITIES * clean, under - _SEVERITIES * base_clean, level
            )
    return out


def _check_against(
    store: Store, found: list[Variant], against: str | None, cells: Cells | None
) -> None:
    if against is None:
        return
    if against == PUBLISHED:
        other = [v.baseline for v in found if not is_imagenet(store, v.baseline)]
        if other:
            raise BadInput(
                f"AlexNet's published errors are of ImageNet's classes; '{other[0]}' has others."
                " Name a model of the store with --against, or leave it out for the mean error."
            )
        return
    known = {m for v in found for m in errors(store, v, cells).models}
    if against not in known:
        raise not_found("reference model", against, [PUBLISHED, *known], "these corruptions")


def _columns(blocks: list[Block], divided: bool) -> tuple[Column, ...]:
    """The table's columns; those that tell variants apart come second where there are several."""

    def values(name: str, part: int) -> FloatArray:
        return np.concatenate([
            b.limits[name][part] if name in b.limits else np.full(len(b.models), np.nan)
            for b in blocks
        ])  # fmt: skip

    def each(what: list[str]) -> list[str]:
        return [w for w, b in zip(what, blocks, strict=True) for _ in b.models]

    several = len(blocks) > 1
    marks = {
        "test_set": ([b.variant.baseline for b in blocks], "the clean setting"),
        "reference": ([b.variant.reference for b in blocks], "whose corruptions"),
        "medium": ([b.variant.medium_words for b in blocks], "in memory or on disk"),
        "corruptions": ([of_fifteen(b.kinds) for b in blocks], "how many of the 15"),
        "frost": ([b.variant.frost for b in blocks], "what frost is made from"),
        "against": ([b.against for b in blocks], "whose errors mCE is divided by"),
    }
    told = {name for name, (texts, _) in marks.items() if several and len(set(texts)) > 1}
    columns = [Column("model", "text", [m for b in blocks for m in b.models], "the model")]
    columns += [
        Column(name, "text", each(texts), about, wide=name not in told)
        for name, (texts, about) in marks.items()
    ]
    about = {
        "clean_error": "top-1 error without corruption",
        "mean_error": "top-1 error, mean over corruptions and severities, divided by nothing",
        "relative_mce": "as mCE, of error minus clean error",
        "mce": "mean over corruptions of error / reference's error; 100 % is as the reference",
    }
    answer = "mce" if divided else "mean_error"
    for name, words in about.items():
        if name not in ("mce", "relative_mce") or divided:
            ends = (f"{name}_low", f"{name}_high")
            # with variants to tell apart a terminal has room for the answer alone
            wide = several and name != answer
            columns.append(Column(name, "fraction", values(name, 0), words, ends, wide))
            columns.append(Column(ends[0], "fraction", values(name, 1), "lower limit"))
            columns.append(Column(ends[1], "fraction", values(name, 2), "upper limit"))
    columns.append(Column("n", "int", [v for b in blocks for v in b.sizes], "examples a setting"))
    columns.append(Column("method", "text", [v for b in blocks for v in b.method],
                          "what the intervals of the means are from", wide=True))  # fmt: skip
    return tuple(columns)
