"""What `heldout flips` says beside its numbers: what is left out, and the verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from heldout.analysis.lacking import how_many, named
from heldout.analysis.sequences import Changes, Found
from heldout.store.read import Store

Limits = tuple[float, float, float]


def partial_notes(seen: Sequence[Changes], models: Sequence[str]) -> list[str]:
    """A sentence a kind of which sequences are not whole."""
    notes = []
    for c in seen:
        count = {m: int(c.partial[c.models.index(m)]) for m in models}
        short = [m for m in models if count[m]]
        if short:
            total = sum(count.values())
            notes.append(
                f"Left out: {how_many(total, 'sequence')} of {c.kind} that"
                f" {'lacks' if total == 1 else 'lack'} frames or answers"
                f" ({', '.join(f'{m}: {count[m]:,}' for m in short[:3])}"
                f"{', …' if len(short) > 3 else ''})."
            )
    return notes


def common_notes(kinds: Sequence[tuple[str, int, int]], setting: str) -> list[str]:
    """What models are compared on: (kind, sequences that all have, the most that one has).

    >>> common_notes([("tilt", 11, 12), ("rotate", 12, 12)], "val")
    ['Compared on the sequences that all models have: tilt 11 (one model has 12).']
    """
    none = [k for k, many, most in kinds if many < 2 <= most]
    fewer = [(k, many, most) for k, many, most in kinds if 2 <= many < most]
    notes = []
    if fewer:
        numbers = {(many, most) for _, many, most in fewer}
        if len(numbers) == 1 and len(fewer) == len(kinds):
            said = f"{fewer[0][1]:,} a kind (one model has {fewer[0][2]:,})"
        else:
            said = ", ".join(f"{k} {m:,} (one model has {most:,})" for k, m, most in fewer[:5])
            said += " …" if len(fewer) > 5 else ""
        notes.append(f"Compared on the sequences that all models have: {said}.")
    if none:
        notes.append(
            f"The models have no two sequences of {named(none)} in common: their numbers are of"
            f" different images and cannot be compared. Run all of them on the same, as with one"
            f" --limit: `heldout run {setting}=PATH -m MODEL --shift imagenet-p --limit N`."
        )
    return notes


def mean_notes(
    found: Found, seen: Sequence[Changes], wanted: Sequence[str], averaged: Collection[str]
) -> list[str]:
    """Why there are no means, and what is not in them. averaged: the models that have them."""
    there = {c.kind for c in seen}
    lacking = [k for k in found.averaged if k not in there]
    if lacking:
        return [
            f"No means: they are over {how_many(len(found.averaged), 'kind')}, and there"
            f" {'is' if len(lacking) == 1 else 'are'} no {named(lacking)}."
        ]
    others = [c.kind for c in seen if c.kind not in found.averaged]
    notes = [f"Not in the means: {', '.join(others)}."] if others else []
    gone = [m for m in wanted if m not in averaged]
    if gone:
        notes.append(
            f"No means for {named(gone)}: no two images have whole sequences of all kinds."
        )
    return notes


def other_notes(
    store: Store,
    found: Found,
    seen: Sequence[Changes],
    against: str | None,
    published: bool,
) -> list[str]:
    """Which numbers are not there and why; what mFR is against; of how many images."""
    notes = []
    short = [c.kind for c in seen if c.distances is None]
    if short:
        notes.append(f"No top-5 distance of {named(short)}: fewer than 5 places are stored.")
    if published:
        notes.append(
            "mfr is against AlexNet's published flip probabilities (from memory), measured on"
            " compressed videos; these frames are not compressed. mT5D needs --against: AlexNet's"
            " published distances are not known here."
        )
    elif not against:
        notes.append(
            "No mfr: AlexNet's published flip probabilities are those of ImageNet-P on ImageNet's"
            " 1,000 classes. --against MODEL takes a model of the store instead."
        )
    images = max(int((~np.isnan(c.flips)).any(axis=0).sum()) for c in seen)
    labels = store.label_set_of(found.setting)
    total = len(labels.examples) if labels is not None else 0
    if images < total:
        notes.append(f"Sequences of {images:,} of the {total:,} images of '{found.setting}'.")
    return notes


def sizes(counts: list[int]) -> str:
    """How many sequences, in words."""
    low, high = min(counts), max(counts)
    return how_many(high, "sequence") if low == high else f"{low:,} to {high:,} sequences"


def verdict(
    found: Found, best: tuple[str, Limits], worst: tuple[str, Limits], mfr: Limits, whose: str
) -> str:
    """One sentence: the models that change their answers least and most often."""
    text = (
        f"Over {how_many(len(found.averaged), 'kind')}, {best[0]} changes its answer in"
        f" {_percent(best[1])} of comparisons"
    )
    if worst[0] != best[0]:
        text += f", {worst[0]} in {_percent(worst[1])}"
    if whose and mfr[0] == mfr[0]:
        text += f"; the mean flip rate of {best[0]} is {_percent(mfr)} of {whose}'s"
    return text + "."


def _percent(limits: Limits) -> str:
    return f"{100 * limits[0]:.2f} % [{100 * limits[1]:.2f}, {100 * limits[2]:.2f}]"
