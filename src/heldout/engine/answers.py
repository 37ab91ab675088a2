"""A batch through every model: shift once per geometry, then all models, then all class lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heldout.engine.pictures import Pictures, Pixels, View, under
from heldout.engine.plan import Plan, Setting, Shard
from heldout.engine.scoring import Rows, rows_of
from heldout.engine.stream import in_order
from heldout.errors import BadInput
from heldout.models.classifier import Classifier, OutOfMemory

Models = Callable[[str], Classifier]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some positions of a shard, ascending."""

    shard: Shard
    rows: tuple[int, ...]
    last: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """Pictures of one size under one shift, and the models and settings that want them."""

    shift: str
    settings: Sequence[Setting]
    models: Sequence[str]
    view: View


Found = tuple[tuple[int, ...], Rows]


@dataclass(slots=True, eq=False)
class Answers:
    """What a batch came to.

    rows: (setting, model) -> positions and their rows, for every size of picture. errors: model ->
    position -> why it saw no picture. predictions: rows to store, those with errors included.
    """

    rows: dict[tuple[str, str], list[Found]] = field(default_factory=dict)
    errors: dict[str, Mapping[int, str]] = field(default_factory=dict)
    images: int = 0
    predictions: int = 0


def batches_of(shard: Shard, size: int) -> list[Batch]:
    """A shard's positions in batches of `size`."""
    rows = shard.rows
    starts = range(0, len(rows), size)
    return [Batch(shard, rows[i : i + size], i + size >= len(rows)) for i in starts]


def answers(
    plan: Plan, models: Models, batch: Batch, seen: Pictures, *, shifting: int = 0
) -> Answers:
    """Run all models of the shard on a batch's pictures, under all its shifts.

    shifting: threads that shift pictures while others are in the models; 0: this thread does both.
    """
    shard = batch.shard
    here = frozenset(batch.rows)
    out = Answers(images=len(batch.rows))
    out.predictions = sum(len(e.models) * len(here.intersection(e.rows)) for e in shard.entries)
    ids = plan.sets[shard.set_name].listing.examples
    work: list[_Work] = []
    for geometry, views in seen.views.items():
        for name in _models(plan, shard, [plan.setting(s) for s in shard.settings], geometry):
            if seen.errors[geometry]:
                out.errors[name] = seen.errors[geometry]
        for shift, settings in _by_shift(plan, shard).items():
            wanted = _models(plan, shard, settings, geometry)
            work += [_Work(shift, settings, wanted, view) for view in views if wanted]

    def shifted(one: _Work) -> Pixels:
        examples = [ids[i] for i in one.view.rows]
        return under(one.view.pixels, one.shift, plan.study.seed, examples)

    pictures = in_order(shifted, work, shifting, ahead=shifting) if shifting else None
    for one, shown in pictures or ((one, shifted(one)) for one in work):
        for name in one.models:
            scores = in_halves(models(name), shown)
            for setting in one.settings:
                if name in shard.models_of(setting.name):
                    _score(plan, shard, one.view.rows, setting, name, scores, out)
    return out


def in_halves(model: Classifier, shown: Pixels) -> NDArray[np.float32]:
    """The scores of a batch; where memory does not suffice, of its halves one after the other."""
    try:
        return model.scores(shown)
    except SystemExit as error:
        raise BadInput(
            f"Model '{model.about.name}' ended the program (sys.exit) while it was running."
        ) from error
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
    shard: Shard,
    rows: Sequence[int],
    setting: Setting,
    model: str,
    scores: NDArray[np.float32],
    out: Answers,
) -> None:
    """Rows of one setting: only its own examples, on its own classes."""
    mine = shard.rows_of(setting.name, model)
    keep = [i for i, row in enumerate(rows) if row in mine]
    if not keep:
        return
    some = scores if len(keep) == len(scores) else scores[keep]
    found = rows_of(some, plan.abouts[model].score_kind, setting.maps[model])
    out.rows.setdefault((setting.name, model), []).append((tuple(rows[i] for i in keep), found))
