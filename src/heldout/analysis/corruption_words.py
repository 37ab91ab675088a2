"""What tables of corruption errors say: titles, what is missing, where the constants come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import CLEAN_SOURCE
from heldout.analysis.corruption_cells import Errors
from heldout.analysis.corruption_limits import PUBLISHED
from heldout.analysis.corruption_paired import Lead
from heldout.analysis.corruption_settings import (
    EXTRA_KINDS,
    FILES,
    KINDS,
    PHOTOGRAPHS,
    Variant,
    run_words,
)
from heldout.analysis.lacking import how_many, named
from heldout.testsets.published import known

FloatArray = NDArray[np.float64]
BY_EXAMPLES, BY_COUNTS = "examples", "counts"
EXTRA_NOTE = (
    f"AlexNet's errors under {', '.join(EXTRA_KINDS)} are from memory; mCE does not count these."
)


def of_fifteen(kinds: Sequence[str]) -> str:
    """How many of the 15 corruptions.

    >>> of_fifteen(["fog"])
    '1 of 15'
    """
    return f"{len(kinds)} of {len(KINDS)}"


def title(*blocks: tuple[Variant, Sequence[str], str]) -> str:
    """The title of a table of (variant, kinds, reference) blocks."""
    what = (
        "Mean corruption error (mCE)"
        if any(a for *_, a in blocks)
        else "Mean error under corruption"
    )
    if len(blocks) > 1:
        counts = sorted({len(k) for _, k, _ in blocks})
        said = " or ".join(map(str, counts))
        whose = " or ".join(dict.fromkeys(_against(a) for *_, a in blocks if a))
        divided = f", against {whose}" if whose else ""
        return f"{what} of {len(blocks)} variants, {said} of {len(KINDS)} corruptions{divided}"
    variant, kinds, against = blocks[0]
    divided = f", against {_against(against)}" if against else ""
    return f"{what} on {variant.words}, {of_fifteen(kinds)} corruptions{divided}"


def _against(against: str) -> str:
    return "AlexNet as published" if against == PUBLISHED else against


def of_variants(blocks: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """The notes of (variant in words, notes), each with the variants that it speaks of.

    With one variant the title says which it is.
    """
    if len(blocks) == 1:
        return list(dict.fromkeys(blocks[0][1]))
    by_note: dict[str, list[str]] = {}
    for words, notes in blocks:
        for note in dict.fromkeys(notes):
            by_note.setdefault(note, []).append(words)
    every = "Both variants" if len(blocks) == 2 else f"All {len(blocks)} variants"
    return [
        f"{every if len(who) == len(blocks) else '; '.join(who)}: {note}"
        for note, who in by_note.items()
    ]


def no_kind(every: Errors) -> str:
    """What there is where no corruption has all its severities, and what to do."""
    base = every.variant.baseline
    at = [s for j, s in enumerate(every.severities) if every.there[:, :, j].any()]
    some = f" There {'is' if len(at) == 1 else 'are'} {severities_words(at)}." if at else ""
    return (
        f"No model has all five severities of a corruption, which mCE is a mean of.{some}"
        f" `heldout mce {base} --by severity` (or --by corruption) shows the severities that"
        f" there are; `{run_words(base)}` runs all."
    )


def severities_words(severities: Sequence[int]) -> str:
    """Severities in words.

    >>> severities_words([3]), severities_words([1, 2, 3]), severities_words([1, 3])
    ('severity 3', 'severities 1 to 3', 'severities 1 and 3')
    """
    first, last = severities[0], severities[-1]
    if len(severities) == 1:
        return f"severity {first}"
    if len(severities) > 2 and last - first == len(severities) - 1:
        return f"severities {first} to {last}"
    return f"severities {', '.join(map(str, severities[:-1]))} and {last}"


def size_notes(sizes: Sequence[int | None], baseline: str) -> list[str]:
    """A sentence where there are fewer images than the published test set has."""
    set_ = known(baseline)
    there = [n for n in sizes if n is not None]
    few = [n for n in there if set_ is not None and set_.n and n < set_.n]
    if set_ is None or not few:
        return []
    low, high = min(few), max(few)
    how = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    end = f"{baseline} has {set_.n:,}. Not comparable with published numbers."
    if len(few) == len(there):
        return [f"Of {how} {'image' if high == 1 else 'images'}; {end}"]
    return [f"Some numbers are of {how} images (column n); {end}"]


def frost_notes(frost: str | None, found: Sequence[Variant]) -> list[str]:
    """A sentence where --frost was named and has nothing to choose from."""
    if frost is None or any(v.own for v in found):
        return []
    return [
        "--frost chooses nothing here: published files and tables have one frost, from photographs."
    ]


def left_out(every: Errors, kinds: Sequence[str], rows: Sequence[int]) -> list[str]:
    """A sentence on the models that lack some corruption; none where there are none."""
    if not rows:
        return []
    at = [every.kinds.index(k) for k in kinds]
    said = []
    for i in rows[:3]:
        lacks = [k for k, c in zip(kinds, at, strict=True) if np.isnan(every.error[i, c]).any()]
        said.append(f"{every.models[i]} lacks {named(lacks)}")
    more = " …" if len(rows) > len(said) else ""
    return [
        f"Left out, as severities or corruptions are missing: {how_many(len(rows), 'model')}"
        f" ({'; '.join(said)}{more})."
    ]


def variant_notes(
    every: Errors,
    divisor: str,
    *,
    kinds: Sequence[str] | None = None,
    relative: bool = False,
) -> list[str]:
    """What a reader must know of a variant: what is not in the mean, frost, the constants.

    kinds: those in the mean; all of `every` that mCE counts where there are none.
    """
    variant, notes = every.variant, []
    if kinds is None:
        kinds = [k for k in every.kinds if k in KINDS]
    missing = [k for k in KINDS if k not in kinds]
    if missing:
        notes.append(
            f"{of_fifteen(kinds)} corruptions; no {', '.join(missing)}. Not comparable with a mean"
            " over all 15."
        )
    if relative and np.isnan(every.clean).all():
        notes.append(
            f"No clean error{' and no relative mCE' if divisor else ''}: there are no answers on"
            f" '{variant.baseline}' without corruption."
            f" `heldout run {variant.baseline}=PATH -m MODEL` makes them."
        )
    if "frost" in kinds and variant.frost and variant.own:
        notes.append(
            "frost is made from the reference's photographs."
            if variant.frost == PHOTOGRAPHS
            else "frost is made from heldout's own textures, not the reference's photographs."
        )
    if not divisor:
        notes.append(
            f"No mCE on {variant.baseline}: AlexNet's published errors are ImageNet's. Name a"
            " model of the store with --against to divide by its errors."
        )
    if divisor == PUBLISHED:
        notes += [f"{CLEAN_SOURCE}; only relative mCE uses it."] if relative else []
        notes += _published_notes(every)
    return notes


def _published_notes(every: Errors) -> list[str]:
    variant, notes = every.variant, []
    if variant.medium != "on-disk":
        notes.append(
            "AlexNet's published errors are of JPEG files; these numbers are in memory, where"
            " errors are smaller. Do not compare with mCE from papers."
        )
    if variant.reference == FILES:
        better = " (--against alexnet)" if "alexnet" in every.models else ""
        notes.append(
            "AlexNet's errors were taken on the files as they are. Where these were resized and"
            " cropped again, as the ImageNet testbed did, mCE is 1.5 to 3 points too high;"
            f" divided by a reference from the same source{better} it is not."
        )
    if variant.baseline != "imagenet-val":
        notes.append(
            f"AlexNet's published errors are of the 50,000 images of imagenet-val, not of"
            f" {variant.baseline}; that difference is not in the intervals."
        )
    return notes


def verdict(
    blocks: Sequence[tuple[str, Sequence[str], Mapping[str, FloatArray], str, Lead | None]],
) -> tuple[str, ...]:
    """A sentence for each block: (variant in words, models, limits, reference, lead)."""
    out = []
    whose = {against for *_, against, _ in blocks}
    for words, models, limits, against, lead in blocks:
        name = "mCE" if against else "mean error"
        if against and (len(blocks) > 1 or len(whose) > 1):
            name += f" against {_against(against)}"
        value, low, high = limits["mce" if against else "mean_error"][:, 0]
        where = f" ({words})" if len(blocks) > 1 else ""
        ends = "" if np.isnan(low) else f" [{100 * low:.2f}, {100 * high:.2f}]"
        said = f"{100 * value:.2f} %{ends}{where}"
        if len(models) == 1:
            out.append(f"{models[0]} has the {name} {said}.")
        else:
            out.append(
                f"Of {how_many(len(models), 'model')}, {models[0]} has the lowest {name}: {said}"
                f"{_lead(lead) if lead else ''}."
            )
    if len(blocks) > 1:
        out.append("Numbers of different variants cannot be compared.")
    return tuple(out)


def _lead(lead: Lead) -> str:
    """How far the best is ahead of the next, as the end of a sentence."""
    if lead.paired and lead.low == lead.high == 0:
        return f", as low as that of {lead.next} on every image"
    if lead.paired:
        points = f"{100 * lead.value:.2f} points [{100 * lead.low:.2f}, {100 * lead.high:.2f}]"
        sure = "" if lead.low > 0 else ", which the images do not tell from none"
        return f", lower than that of {lead.next} by {points} (paired, same images){sure}"
    less = f", lower than that of {lead.next} by {100 * lead.value:.2f} points"
    if lead.overlap is None:
        return less
    return f"{less}; their intervals {'overlap' if lead.overlap else 'do not overlap'}"


def methods_words(level: float, used: Collection[str], *, paired: bool = False) -> dict[str, str]:
    """The choices behind the intervals: of the methods that were used."""
    said = []
    if BY_EXAMPLES in used:
        said.append(
            "from per-example answers, as the same images stand under all settings"
            " (effective-size Clopper-Pearson; t for relative mCE; linearised ratio against a"
            " model)"
        )
    if BY_COUNTS in used:
        said.append(
            "from counts alone, sums of exact half-widths: they hold however the settings depend"
            " on each other, and are wider than need be"
        )
    if paired:
        said.append("of the difference of two models t over images (linearised against a model)")
    return {"interval": "; ".join([*said, f"level {level:g}"]), "metric": "top-1 error"}
