"""Sequences of perturbed frames in a store: which settings make them, and what changes in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.lacking import how_many
from heldout.errors import BadInput, not_found
from heldout.shifts.perturbations.constants import BENCHMARKS, Benchmark, noise
from heldout.stats.flips import Reference, flip_rates, top5_distances
from heldout.store.block import ABSENT
from heldout.store.read import Store

FloatArray = NDArray[np.float64]
GROUP = "perturbation"
_PLACES = 5
_CELLS = 100_000_000  # classes of all frames in memory at once


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of perturbation: the settings of its frames, in order."""

    name: str
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The sequences of a setting.

    label: the benchmark, with what else is done to the frames ('imagenet-p+jpeg:85'). benchmark:
    None where it is none that heldout makes. notes: what is left out, in words.
    """

    setting: str
    label: str
    benchmark: Benchmark | None
    kinds: tuple[Kind, ...]
    notes: tuple[str, ...]

    @property
    def averaged(self) -> tuple[str, ...]:
        """The kinds that the means are over."""
        return self.benchmark.kinds if self.benchmark else tuple(k.name for k in self.kinds)


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What changes in the sequences of one kind.

    flips: (m, n) flip rates over the images in `images`; NaN where a model lacks the sequence or
    part of it. distances: (m, n) top-5 distances likewise; None where fewer places are stored.
    partial: (m,) sequences that are there, but not whole.
    """

    kind: str
    models: list[str]
    images: list[str]
    flips: FloatArray
    distances: FloatArray | None
    partial: NDArray[np.int64]


def find(store: Store, setting: str, benchmark: str | None = None) -> Found:
    """The sequences of a setting's images. Raises NotFound for unknown names.

    Raises BadInput where there are none, and where there are those of several benchmarks and it is
    not said which are meant.
    """
    name = store.resolve(setting)
    by_label: dict[str, dict[str, dict[int, str]]] = {}
    families: dict[str, str] = {}
    for frame, row in store.settings().items():
        if row.get("group") != GROUP or _resolved(store, row.get("baseline")) != name:
            continue
        family, kind, number = (row.get(c) for c in ("subgroup", "corruption", "severity"))
        if family is None or kind is None or number is None:
            continue
        label = _label(frame, str(family))
        families[label] = str(family)
        frames = by_label.setdefault(label, {}).setdefault(str(kind), {})
        other = frames.setdefault(int(float(number)), frame)
        if other != frame:
            raise BadInput(
                f"Two settings are frame {int(float(number))} of {kind} on '{name}': '{other}' and"
                f" '{frame}'. Keep one of them in the store."
            )
    if not by_label:
        raise BadInput(
            f"There are no perturbation sequences of '{name}' in '{store.files.url}'. Make them:"
            f" heldout run {name}=PATH -m MODEL --shift imagenet-p --store {store.files.url}"
        )
    if benchmark is None:
        if len(by_label) > 1:
            raise BadInput(
                f"'{name}' has the sequences of {' and '.join(sorted(by_label))}, which are not"
                " mixed; choose with --benchmark."
            )
        benchmark = next(iter(by_label))
    if benchmark not in by_label:
        raise not_found("benchmark", benchmark, by_label, f"the settings of '{name}'")
    known = BENCHMARKS.get(families[benchmark])
    kinds, notes = _whole(by_label[benchmark], known)
    if not kinds:
        raise BadInput(f"No sequence of '{name}' has all of its frames. {' '.join(notes)}")
    return Found(name, benchmark, known, kinds, notes)


def _resolved(store: Store, baseline: Any) -> str | None:
    """The setting behind a baseline, which may be an alias."""
    if not baseline or baseline in store.settings():
        return baseline or None
    for name, row in store.settings().items():
        if baseline in str(row.get("aliases", "")).split():
            return name
    return None


def _label(setting: str, family: str) -> str:
    """The benchmark with the shifts before and after it.

    >>> _label("val/imagenet-p.rotate:12+jpeg:85", "imagenet-p")
    'imagenet-p+jpeg:85'
    """
    shifts = setting.rpartition("/")[2].split("+")
    if not any(s.startswith(f"{family}.") for s in shifts):
        return family
    return "+".join(family if s.startswith(f"{family}.") else s for s in shifts)


def _whole(
    kinds: dict[str, dict[int, str]], known: Benchmark | None
) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """The kinds whose frames are all there, in the benchmark's order; notes on the others."""
    order = {k: i for i, k in enumerate(known.constants)} if known else {}
    if known:
        order |= {k: i - 100 for i, k in enumerate((*known.kinds, *known.extra))}
    whole, notes = [], []
    for name in sorted(kinds, key=lambda k: (order.get(k, 1000), k)):
        frames = kinds[name]
        count = known.count(name) if known and name in known.constants else max(frames) + 1
        lacking = [i for i in range(count) if i not in frames]
        if lacking or count < 2:
            some = ", ".join(map(str, lacking[:3])) + (", …" if len(lacking) > 3 else "")
            why = f" (without {some})" if lacking else ""
            notes.append(
                f"Left out: {name} has {how_many(count - len(lacking), 'frame')} of {count} in the"
                f" store{why}."
            )
            continue
        whole.append(Kind(name, tuple(frames[i] for i in range(count))))
    return tuple(whole), tuple(notes)


def models_of(store: Store, kinds: Sequence[Kind]) -> list[str]:
    """Every model with predictions on a frame."""
    names = {p.model for kind in kinds for frame in kind.frames for p in store.pieces(frame)}
    return sorted(names)


def changes(store: Store, kind: Kind, models: Sequence[str]) -> Changes:
    """Flip rates and top-5 distances of all sequences of a kind, for some models."""
    # A sequence without its first frame is not whole, so the images of that are all that count.
    first = _present(store, kind.frames[0], models)
    images = list(store.predictions(kind.frames[0], first).examples) if first else []
    count = len(kind.frames)
    step = max(1, _CELLS // max(1, len(images) * count * _PLACES))
    parts = [
        _changes(store, kind, models[i : i + step], images) for i in range(0, len(models), step)
    ]
    distances = [d for _, d, _ in parts if d is not None]
    return Changes(
        kind.name,
        list(models),
        images,
        np.concatenate([flips for flips, _, _ in parts]),
        np.concatenate(distances) if len(distances) == len(parts) else None,
        np.concatenate([partial for _, _, partial in parts]),
    )


def on_common(seen: Changes) -> tuple[Changes, int, int]:
    """The changes on the images that all models have, of those with two sequences or more.

    Also how many images all have, and the most that one has; nothing changes where fewer than two
    are common.
    """
    whole = ~np.isnan(seen.flips)
    counts = whole.sum(axis=1)
    rows = counts > 1
    most = int(counts.max(initial=0))
    common = whole[rows].all(axis=0) if rows.any() else np.zeros(len(seen.images), bool)
    many = int(common.sum())
    if many < 2:
        return seen, many, most
    flips = np.where(common, seen.flips, np.nan)
    distances = None if seen.distances is None else np.where(common, seen.distances, np.nan)
    return replace(seen, flips=flips, distances=distances), many, most


def _present(store: Store, frame: str, models: Sequence[str]) -> list[str]:
    there = {p.model for p in store.pieces(frame)}
    return [m for m in models if m in there]


def _changes(
    store: Store, kind: Kind, models: Sequence[str], images: list[str]
) -> tuple[FloatArray, FloatArray | None, NDArray[np.int64]]:
    """Of a kind: flip rates, top-5 distances, and the sequences that are not whole."""
    shape = (len(models), len(images), len(kind.frames))
    predicted = np.full(shape, ABSENT, np.int32)
    top5: NDArray[np.int32] | None = np.full((*shape, _PLACES), ABSENT, np.int32)
    at = {image: i for i, image in enumerate(images)}
    stray: set[tuple[str, str]] = set()  # (model, image) without the first frame
    for j, frame in enumerate(kind.frames):
        there = _present(store, frame, models)
        if not there:
            continue
        block = store.predictions(frame, there, columns=("runners_up",))
        column = np.array([at.get(e, -1) for e in block.examples], np.intp)
        known = column >= 0
        for i in np.flatnonzero(~known).tolist():
            have = np.flatnonzero(block.predicted[:, i] != ABSENT)
            stray |= {(block.models[m], block.examples[i]) for m in have.tolist()}
        row = np.array([models.index(m) for m in block.models], np.intp)[:, None]
        column = column[known][None, :]
        predicted[row, column, j] = block.predicted[:, known]
        if top5 is None or block.runners_up is None or block.k < _PLACES:
            top5 = None
            continue
        top5[row, column, j, 0] = block.predicted[:, known]
        top5[row, column, j, 1:] = block.runners_up[:, known, : _PLACES - 1]
    whole = (predicted >= 0).all(axis=2)
    partial = ((predicted != ABSENT).any(axis=2) & ~whole).sum(axis=1)
    partial += np.array([sum(m == model for m, _ in stray) for model in models], np.int64)
    reference: Reference = "first" if noise(kind.name) else "previous"
    flips = np.where(whole, flip_rates(predicted, reference), np.nan)
    distances = None
    if top5 is not None:
        distances = np.where(whole, top5_distances(top5, reference), np.nan)
    return flips, distances, partial
