"""A batch through every model: shift once per geometry, then all models, then all class lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heldout.engine.pictures import Pictures, Pixels, under
from heldout.engine.plan import Plan, Setting, Shard
from heldout.engine.scoring import Rows, rows_of
from heldout.errors import BadInput
from heldout.models.classifier import Classifier, OutOfMemory

Models = Callable[[str], Classifier]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some positions of a shard, ascending."""

    shard: Shard
    rows: tuple[int, ...]
    last: bool


@dataclass(slots=True, eq=False)
class Answers:
    """What a batch came to. rows: (setting, model) -> positions and their rows."""

    rows: dict[tuple[str, str], tuple[tuple[int, ...], Rows]] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    images: int = 0
    predictions: int = 0


def batches_of(shard: Shard, size: int) -> list[Batch]:
    """A shard's positions in batches of `size`."""
    rows = shard.rows
    starts = range(0, len(rows), size)
    return [Batch(shard, rows[i : i + size], i + size >= len(rows)) for i in starts]


def answers(plan: Plan, models: Models, batch: Batch, seen: Pictures) -> Answers:
    """Run all models of the shard on a batch's pictures, under all its shifts."""
    out = Answers(errors=seen.errors, images=len(batch.rows))
    listing = plan.sets[batch.shard.set_name].listing
    ids = [listing.examples[i] for i in seen.readable]
    for geometry, pixels in seen.pixels.items():
        for shift, settings in _by_shift(plan, batch.shard).items():
            wanted = _models(plan, batch.shard, settings, geometry)
            if not wanted:
                continue
            shown = under(pixels, shift, plan.study.seed, ids)
            for name in wanted:
                scores = in_halves(models(name), shown)
                for setting in settings:
                    if name in batch.shard.models_of(setting.name):
                        _score(plan, batch, seen, setting, name, scores, out)
    return out


def in_halves(model: Classifier, shown: Pixels) -> NDArray[np.float32]:
    """The scores of a batch; where memory does not suffice, of its halves one after the other."""
    try:
        return model.scores(shown)
    except OutOfMemory:
        if len(shown) == 1:
            raise BadInput(
                f"Model '{model.about.name}' does not fit into memory even with one image"
                f" ({model.about.bytes / 1e9:.1f} GB of weights). Use another --device, a smaller"
                " model, or --precision bfloat16."
            ) from None
    half = len(shown) // 2
    halved.add(model.about.name)
    return np.concatenate([in_halves(model, shown[:half]), in_halves(model, shown[half:])])


# Names of models whose batches had to be halved in this process, for the run's last words.
halved: set[str] = set()


def _by_shift(plan: Plan, shard: Shard) -> dict[str, list[Setting]]:
    groups: dict[str, list[Setting]] = {}
    for name in shard.settings:
        setting = plan.setting(name)
        groups.setdefault(setting.shift, []).append(setting)
    return groups


def _models(plan: Plan, shard: Shard, settings: Sequence[Setting], geometry: object) -> list[str]:
    names = dict.fromkeys(m for s in settings for m in shard.models_of(s.name))
    return [m for m in names if plan.geometry(m) == geometry]


def _score(
    plan: Plan,
    batch: Batch,
    seen: Pictures,
    setting: Setting,
    model: str,
    scores: NDArray[np.float32],
    out: Answers,
) -> None:
    """Rows of one setting: only its own examples, on its own classes."""
    mine = batch.shard.rows_of(setting.name, model)
    keep = [i for i, row in enumerate(seen.readable) if row in mine]
    if not keep:
        return
    some = scores if len(keep) == len(scores) else scores[keep]
    kind = plan.abouts[model].score_kind
    out.rows[setting.name, model] = (
        tuple(seen.readable[i] for i in keep),
        rows_of(some, kind, setting.maps[model]),
    )
    out.predictions += len(keep)
