"""What tables of corruption errors say: titles, what is missing, where the constants come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import CLEAN_SOURCE
from heldout.analysis.corruption_cells import Errors
from heldout.analysis.corruption_limits import PUBLISHED
from heldout.analysis.corruption_settings import (
    EXTRA_KINDS,
    FILES,
    KINDS,
    PHOTOGRAPHS,
    Variant,
)
from heldout.analysis.lacking import how_many, named

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
        return f"{what} of {len(blocks)} variants, {said} of {len(KINDS)} corruptions"
    variant, kinds, against = blocks[0]
    divided = f", against {_against(against)}" if against else ""
    return f"{what} on {variant.words}, {of_fifteen(kinds)} corruptions{divided}"


def _against(against: str) -> str:
    return "AlexNet as published" if against == PUBLISHED else against


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
        f" ({'; '.join(said)}{more}; {every.variant.words})."
    ]


def variant_notes(
    every: Errors, kinds: Sequence[str], divisor: str, *, relative: bool = False
) -> list[str]:
    """What a reader must know of a variant: what is not in the mean, frost, the constants."""
    variant, notes = every.variant, []
    missing = [k for k in KINDS if k not in kinds]
    if missing:
        notes.append(
            f"{variant.words}: {of_fifteen(kinds)} corruptions; no {', '.join(missing)}. Not"
            " comparable with a mean over all 15."
        )
    if variant.frost and variant.own:
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
    blocks: Sequence[tuple[str, Sequence[str], Mapping[str, FloatArray], str]],
) -> tuple[str, ...]:
    """A sentence for each block: (variant in words, models, limits, reference)."""
    out = []
    for words, models, limits, against in blocks:
        name = "mCE" if against else "mean error"
        value, low, high = limits["mce" if against else "mean_error"][:, 0]
        where = f" ({words})" if len(blocks) > 1 else ""
        ends = "" if np.isnan(low) else f" [{100 * low:.2f}, {100 * high:.2f}]"
        said = f"{100 * value:.2f} %{ends}{where}"
        if len(models) == 1:
            out.append(f"{models[0]} has the {name} {said}.")
        else:
            out.append(
                f"Of {how_many(len(models), 'model')}, {models[0]} has the lowest {name}: {said}."
            )
    if len(blocks) > 1:
        out.append("Numbers of different variants cannot be compared.")
    return tuple(out)


def methods_words(level: float, used: Collection[str]) -> dict[str, str]:
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
    return {"interval": "; ".join([*said, f"level {level:g}"]), "metric": "top-1 error"}
