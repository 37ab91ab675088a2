"""Mean corruption error: mCE, relative mCE and the plain mean error, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, pick_models
from heldout.analysis.corruption_cells import Errors, cells_of, errors
from heldout.analysis.corruption_common import lacking_words, on_common
from heldout.analysis.corruption_limits import PUBLISHED, all_limits
from heldout.analysis.corruption_paired import Lead, lead
from heldout.analysis.corruption_settings import KINDS, Variant, is_imagenet, pick
from heldout.analysis.corruption_words import (
    BY_COUNTS,
    BY_EXAMPLES,
    frost_notes,
    left_out,
    methods_words,
    no_kind,
    of_fifteen,
    of_variants,
    size_notes,
    title,
    variant_notes,
    verdict,
)
from heldout.analysis.lacking import only as only_of
from heldout.analysis.lacking import why_missing
from heldout.errors import BadInput, not_found
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


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
    examples: on those that all models have. The fact `leads` has, for each variant, the best
    model's lead over the next (`Lead`). Without clean answers clean error and relative mCE are
    empty.
    Raises NotFound with near matches, BadInput where there is nothing to compute.
    """
    found = (
        [only] if only else pick(store, test_set, reference=reference, medium=medium, frost=frost)
    )
    if cells is None:
        cells = cells_of(store, found, incomplete=incomplete)
    seen = [errors(store, v, cells) for v in found]
    known = sorted({m for e in seen for m in e.models})
    if models is not None:
        pick_models(known, models, "these corruptions", cells.lacking)
    _check_against(store, found, against, known, cells)
    blocks = [_block(store, e, models, against, level) for e in seen]
    made = [b for b in blocks if b.models]
    notes = of_variants([(b.variant.words, b.notes) for b in blocks])
    notes += frost_notes(frost, found)
    if not made:
        raise BadInput(" ".join(notes))
    divided = any(b.against for b in made)
    return Table(
        title(*[(b.variant, b.kinds, b.against) for b in made]),
        _columns(made, divided),
        notes=tuple(notes),
        verdict=verdict([
            (b.variant.words, b.models, b.limits, b.against, b.lead) for b in made
        ]),
        facts={
            "variants": [b.variant.words for b in made],
            "corruptions": [b.kinds for b in made],
            "against": sorted({b.against for b in made if b.against}),
            "models": len({m for b in made for m in b.models}),
            "few_images": [n for b in made for n in size_notes(b.sizes, b.variant.baseline)],
            "leads": [{"variant": b.variant.words, **asdict(b.lead)} for b in made if b.lead],
        },
        choices=methods_words(
            level,
            {m for b in made for m in b.method},
            paired=any(b.lead is not None and b.lead.paired for b in made),
        ),
    )  # fmt: skip


@dataclass(slots=True)
class Block:
    """The rows of one variant, best first. limits: measure to (3, m): value, low, high.

    against: what errors are divided by, '' for nothing.
    """

    variant: Variant
    kinds: list[str]
    against: str
    models: list[str] = field(default_factory=list)
    limits: dict[str, FloatArray] = field(default_factory=dict)
    sizes: list[int | None] = field(default_factory=list)
    method: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lead: Lead | None = None


def _block(
    store: Store, every: Errors, models: Sequence[str] | None, against: str | None, level: float
) -> Block:
    variant, has = every.variant, every.has
    kinds = [k for c, k in enumerate(every.kinds) if k in KINDS and has[:, c].any()]
    divisor = against or (PUBLISHED if is_imagenet(store, variant) else "")
    block = Block(variant, kinds, divisor)
    wanted = [i for i, m in enumerate(every.models) if models is None or m in models]
    block.notes += lacking_words(every, models)
    if not kinds:
        block.notes.append(no_kind(every))
        return block
    whole = np.asarray(has[:, [every.kinds.index(k) for k in kinds]].all(axis=1), bool)
    block.notes += left_out(every, kinds, [i for i in wanted if not whole[i]])
    if divisor not in ("", PUBLISHED) and divisor not in np.array(every.models, object)[whole]:
        block.notes.append(f"'{divisor}' lacks corruptions there: no mCE.")
        block.against = divisor = ""
    rows = [i for i in wanted if whole[i]]
    if not rows:
        return block
    # the reference comes last, so that everybody can be divided by it
    base = [every.models.index(divisor)] if divisor not in ("", PUBLISHED) else []
    try:
        some = on_common(store, every.take(list(dict.fromkeys([*rows, *base])), kinds))
    except BadInput as error:
        block.notes = [str(error)]
        return block
    if base and (none := _without_error(some.take([some.models.index(divisor)]))):
        block.notes.append(
            f"'{divisor}' makes no error under {', '.join(none)}, so nothing can be divided by its"
            " errors: no mCE."
        )
        block.against = divisor = ""
    block.notes += [*some.notes, *variant_notes(some, divisor, relative=True)]
    block.notes += size_notes(some.size(), variant.baseline)
    limits = all_limits(store, some, divisor, level)
    limits["clean_error"] = np.stack([some.clean, *some.clean_limits(level)])
    count, answer = len(rows), "mce" if divisor else "mean_error"
    order = np.argsort(limits[answer][0, :count], kind="stable")
    block.models = [some.models[i] for i in order]
    block.limits = {name: v[:, :count][:, order] for name, v in limits.items()}
    sizes = some.size()
    block.sizes = [sizes[i] for i in order]
    by_examples = some.by_examples
    if divisor not in ("", PUBLISHED):  # both sides of a ratio have to be known by example
        by_examples = by_examples & by_examples[some.models.index(divisor)]
    block.method = [BY_EXAMPLES if by_examples[i] else BY_COUNTS for i in order]
    if count > 1:
        best, other = block.models[:2]
        both = block.limits[answer][:, 0], block.limits[answer][:, 1]
        block.lead = lead(store, some, best, other, both, divisor, level)
    return block


def _without_error(one: Errors) -> list[str]:
    """The kinds under which a model makes no error at any severity."""
    return [k for c, k in enumerate(one.kinds) if not one.error[0, c].any()]


def _check_against(
    store: Store, found: list[Variant], against: str | None, known: list[str], cells: Cells
) -> None:
    if against is None:
        return
    if against == PUBLISHED:
        other = [v.baseline for v in found if not is_imagenet(store, v)]
        if other:
            raise BadInput(
                f"AlexNet's published errors are of ImageNet's classes; '{other[0]}' has others."
                " Name a model of the store with --against, or leave it out for the mean error."
            )
    elif against not in known:
        if short := only_of(cells.lacking, [against]):
            raise BadInput(why_missing(short))
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
    # how many corruptions there are is said by title and notes
    told = {name for name, (texts, _) in marks.items() if several and len(set(texts)) > 1}
    told -= {"corruptions"}
    columns = [
        Column("model", "text", [m for b in blocks for m in b.models], "the model"),
        # beside the name, so that a narrow terminal shows it
        Column("n", "int", [v for b in blocks for v in b.sizes], "examples a setting"),
    ]
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
            # with variants to tell apart a terminal has room for the answer alone; and for mCE
            # it has none for the mean error
            wide = name != answer and (several or name == "mean_error")
            columns.append(Column(name, "fraction", values(name, 0), words, ends, wide))
            columns.append(Column(ends[0], "fraction", values(name, 1), "lower limit"))
            columns.append(Column(ends[1], "fraction", values(name, 2), "upper limit"))
    columns.append(Column("method", "text", [v for b in blocks for v in b.method],
                          "what the intervals of the means are from", wide=True))  # fmt: skip
    return tuple(columns)
