"""Flip probability and top-5 distance of perturbation sequences, and their means (ImageNet-P)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heldout.analysis.cells import pick_models
from heldout.analysis.flip_words import (
    Limits,
    common_notes,
    mean_notes,
    other_notes,
    partial_notes,
    sizes,
    verdict,
)
from heldout.analysis.lacking import how_many
from heldout.analysis.sequences import (
    Changes,
    FloatArray,
    Found,
    changes,
    find,
    models_of,
    on_common,
)
from heldout.errors import BadInput
from heldout.shifts.perturbations.constants import IMAGENET_P
from heldout.stats.flips import FARTHEST
from heldout.stats.weighted import mean_of_ratios, weighted_mean
from heldout.store.read import Store
from heldout.table import Column, Table

# AlexNet's flip probabilities on ImageNet-P as Hendrycks and Dietterich (2019) give them: recalled,
# not read from a file. Published flip probabilities of a ResNeXt-101 over these give its published
# mFR, 27.8. AlexNet's top-5 distances are not known here.
ALEXNET = dict(
    zip(
        IMAGENET_P.kinds,
        (0.2365, 0.3006, 0.0930, 0.0594, 0.1193, 0.0489, 0.1101, 0.1310, 0.0705, 0.2353),
        strict=True,
    )
)
PUBLISHED = "published"
_IMAGENET_CLASSES = 1000
_nan = float("nan")
_NONE: Limits = (_nan, _nan, _nan)


@dataclass(frozen=True, slots=True)
class _Row:
    """A model under one kind; ratio: of its flip probability to the reference's."""

    model: str
    kind: str
    fp: Limits
    t5d: Limits
    ratio: float
    sequences: int
    partial: int


@dataclass(frozen=True, slots=True)
class _Mean:
    """A model over the kinds, on the images that all of them have."""

    model: str
    fp: Limits
    mfr: Limits
    mt5d: Limits
    images: int


def flips(
    store: Store,
    setting: str,
    models: Sequence[str] | None = None,
    *,
    against: str | None = None,
    benchmark: str | None = None,
    level: float = 0.95,
) -> Table:
    """One row per (model, kind): flip probability and top-5 distance, with intervals.

    The sub-table 'means' has one row per model, over the kinds: the mean flip probability, mFR and
    mT5D. against: the model of the store whose flip probabilities and distances the ratios are to;
    without it (or 'published') AlexNet's published ones, known for ImageNet-P, not for distances.
    Models are compared on the sequences that all of them have.
    benchmark: 'imagenet-p', 'cifar-p', or as `find` spells it, where a setting has several. Only
    whole sequences count. Raises NotFound for unknown names and BadInput where there are none.
    Hendrycks and Dietterich 2019.
    """
    found = find(store, setting, benchmark)
    against = None if against == PUBLISHED else against
    known = models_of(store, found.kinds)
    where = f"the sequences of '{found.setting}'"
    wanted = known if models is None else pick_models(known, models, where)
    needed = list(
        dict.fromkeys([*wanted, *pick_models(known, [against] if against else [], where)])
    )
    every = [on_common(changes(store, kind, needed)) for kind in found.kinds]
    seen = [c for c, *_ in every]
    reference = {} if against else _published(store, found)
    whose = against or ("AlexNet" if reference else "")
    rows = [r for m in wanted for c in seen if (r := _row(c, m, against, reference, level))]
    means = [x for m in wanted if (x := _mean(found, seen, m, against, reference, level))]
    if not rows:
        raise BadInput(
            f"No model has two whole sequences of '{found.setting}'."
            f" {' '.join([*found.notes, *partial_notes(seen, wanted)])}".rstrip()
        )
    means.sort(key=lambda x: x.fp[0])
    order = {x.model: i for i, x in enumerate(means)}
    rows.sort(key=lambda r: order.get(r.model, len(order)))
    notes = (
        *found.notes,
        *partial_notes(seen, wanted),
        *common_notes([(c.kind, many, most) for c, many, most in every], found.setting),
        *mean_notes(found, seen, wanted, list(order)),
        *other_notes(store, found, seen, against, bool(reference)),
    )
    return Table(
        f"Flips along the sequences of {found.label} on {found.setting}"
        f" ({sizes([r.sequences for r in rows])} each)",
        _columns(rows),
        notes=notes,
        verdict=_verdict(found, means, whose),
        facts={
            "setting": found.setting,
            "benchmark": found.label,
            "models": len({r.model for r in rows}),
            "kinds": len({r.kind for r in rows}),
            "against": whose or None,
        },
        choices={
            "compared": "a frame with the one before it; frames of noise with the first",
            "interval": "Clopper-Pearson at the effective size over sequences; of ratios Student's"
            f" t over images on the logarithm; level {level:g}",
        },
        parts={"means": _means_table(found, means, whose, against is not None)} if means else {},
    )


def _published(store: Store, found: Found) -> dict[str, float]:
    """AlexNet's flip probabilities where the ratio to them means anything."""
    labels = store.label_set_of(found.setting)
    classes = len(labels.classes) if labels is not None else 0
    right = found.label == IMAGENET_P.name and classes in (0, _IMAGENET_CLASSES)
    return ALEXNET if right else {}


def _values(seen: Changes, model: str) -> tuple[FloatArray, FloatArray | None]:
    """A model's flip rates and distances, NaN where a sequence is not whole."""
    i = seen.models.index(model)
    return seen.flips[i], None if seen.distances is None else seen.distances[i]


def _row(
    seen: Changes, model: str, against: str | None, reference: dict[str, float], level: float
) -> _Row | None:
    rates, distances = _values(seen, model)
    whole = ~np.isnan(rates)
    n = int(whole.sum())
    if n < 2:
        return None
    fp = _plain(weighted_mean(rates[whole], level))
    t5d = _NONE
    if distances is not None:
        t5d = _plain(weighted_mean(distances[whole], level, FARTHEST))
    ratio = fp[0] / reference[seen.kind] if seen.kind in reference else _nan
    if against is not None:
        other = _values(seen, against)[0]
        both = whole & ~np.isnan(other)
        if both.any() and other[both].mean() > 0:
            ratio = float(rates[both].mean() / other[both].mean())
    partial = int(seen.partial[seen.models.index(model)])
    return _Row(model, seen.kind, fp, t5d, ratio, n, partial)


def _mean(
    found: Found,
    seen: Sequence[Changes],
    model: str,
    against: str | None,
    reference: dict[str, float],
    level: float,
) -> _Mean | None:
    """The means over the kinds; None where one of the kinds is not there."""
    by_kind = {c.kind: c for c in seen}
    if any(kind not in by_kind for kind in found.averaged):
        return None
    kinds = [by_kind[kind] for kind in found.averaged]
    who = [model] if against in (None, model) else [model, str(against)]
    rates = _together(kinds, who, "flips")
    if rates is None:
        return None
    own, other = rates[0], rates[-1]
    fp = _plain(weighted_mean(own.mean(axis=0), level))
    mfr = mt5d = _NONE
    if against is not None:
        mfr = _ratio(own, other, level)
        distances = _together(kinds, who, "distances")
        if distances is not None:
            mt5d = _ratio(distances[0], distances[-1], level)
    elif reference:
        fixed = np.array([reference[k] for k in found.averaged])
        mfr = _ratio(own, np.broadcast_to(fixed[:, None], own.shape), level)
    return _Mean(model, fp, mfr, mt5d, own.shape[1])


def _ratio(own: FloatArray, other: FloatArray, level: float) -> tuple[float, float, float]:
    """The mean ratio; without limits where no image differs from another, which tells no width."""
    value, low, high = _plain(mean_of_ratios(own, other, level))
    known = high > low or np.array_equal(own, other)
    return (value, low, high) if known else (value, float("nan"), float("nan"))


def _together(kinds: Sequence[Changes], models: list[str], what: str) -> list[FloatArray] | None:
    """For each model (kinds, n) values on the images that all models have whole in all kinds."""
    common = set(kinds[0].images)
    for c in kinds:
        rates = c.flips[[c.models.index(m) for m in models]]
        whole = np.flatnonzero(~np.isnan(rates).any(axis=0)).tolist()
        common &= {c.images[i] for i in whole}
    arrays = [getattr(c, what) for c in kinds]
    if len(common) < 2 or any(a is None for a in arrays):
        return None
    images = [image for image in kinds[0].images if image in common]
    out = []
    for model in models:
        rows = []
        for c, array in zip(kinds, arrays, strict=True):
            at = {image: i for i, image in enumerate(c.images)}
            rows.append(array[c.models.index(model)][[at[image] for image in images]])
        out.append(np.array(rows))
    return out


def _plain(limits: tuple[Any, Any, Any]) -> Limits:
    return float(limits[0]), float(limits[1]), float(limits[2])


def _limits(name: str, kind: str, values: list[Limits], doc: str) -> list[Column]:
    low, high = f"{name}_low", f"{name}_high"
    return [
        Column(name, kind, [v[0] for v in values], doc, (low, high)),
        Column(low, kind, [v[1] for v in values], "lower limit"),
        Column(high, kind, [v[2] for v in values], "upper limit"),
    ]


def _columns(rows: list[_Row]) -> tuple[Column, ...]:
    return (
        Column("model", "text", [r.model for r in rows], "the model"),
        Column("kind", "text", [r.kind for r in rows], "the perturbation"),
        *_limits("fp", "fraction", [r.fp for r in rows], "flip probability"),
        *_limits("t5d", "number", [r.t5d for r in rows], "top-5 distance, 0 to 15"),
        Column("ratio", "number", [r.ratio for r in rows], "fp over the reference's", wide=True),
        Column("sequences", "int", [r.sequences for r in rows], "whole sequences", wide=True),
        Column("partial", "int", [r.partial for r in rows], "sequences left out", wide=True),
    )


def _verdict(found: Found, means: list[_Mean], whose: str) -> tuple[str, ...]:
    if not means:
        return ()
    best, worst = means[0], means[-1]
    ends = (best.model, best.fp), (worst.model, worst.fp)
    return (verdict(found, *ends, best.mfr, "" if whose == best.model else whose),)


def _means_table(found: Found, means: list[_Mean], whose: str, distances: bool) -> Table:
    columns = [
        Column("model", "text", [x.model for x in means], "the model"),
        *_limits("mean_fp", "fraction", [x.fp for x in means], "mean flip probability"),
    ]
    if whose:
        doc = f"mean ratio of flip probabilities to those of {whose}"
        columns += _limits("mfr", "fraction", [x.mfr for x in means], doc)
    if distances:
        doc = f"mean ratio of top-5 distances to those of {whose}"
        columns += _limits("mt5d", "fraction", [x.mt5d for x in means], doc)
    images = [x.images for x in means]
    columns.append(Column("images", "int", images, "images in all kinds", wide=True))
    return Table(f"Means over {how_many(len(found.averaged), 'kind')}", tuple(columns))
