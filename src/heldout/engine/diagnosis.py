"""Does a model see the images and the classes as it was trained to? Two checks that cost little.

Label order: predictions near chance that would be good under a known wrong order of classes.
Preprocessing: on a sample, other usual normalisations against the model's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor import Finding, examine_case
from heldout.analysis.doctor.case import Case, from_block
from heldout.analysis.doctor.finding import sign_p
from heldout.engine.loading import planned
from heldout.engine.parts import Collected, block_of
from heldout.engine.plan import Entry, Plan, Setting
from heldout.engine.resume import shards_to_do
from heldout.engine.run import computed
from heldout.engine.study import CLEAN, Study, WantedModel
from heldout.errors import BadInput
from heldout.store.block import Block
from heldout.store.read import LabelSet, Store

Progress = Callable[[str, float], None]
LEVEL = 0.01

# Normalisations that evaluations take for one another: name, URI options, what they are.
OTHERS = (
    ("imagenet", "mean=imagenet&std=imagenet", "ImageNet's mean and std"),
    ("half", "mean=half&std=half", "mean and std 0.5, to [-1, 1]"),
    ("unit", "mean=unit&std=unit", "divided by 255, to [0, 1]"),
    ("cifar10", "mean=cifar10&std=cifar10", "CIFAR-10's mean and std"),
    ("raw", "mean=unit&std=unit&scale=1", "0 to 255 as they are"),
    ("BGR", "channels=BGR", "the channels in the order BGR"),
    ("RGB", "channels=RGB", "the channels in the order RGB"),
)
_SCALE = 1 / 255


@dataclass(frozen=True, slots=True)
class Better:
    """A normalisation under which a model does significantly better than under its own.

    right, own: right answers of n; p: one-sided exact McNemar times the number of candidates.
    """

    setting: str
    model: str
    name: str
    says: str
    option: str
    right: int
    own: int
    n: int
    p: float


def label_order(store: Store, plan: Plan) -> list[Finding]:
    """What speaks for another class order in the unshifted settings of a finished run."""
    found: list[Finding] = []
    for s in plan.settings:
        if s.shift or s.name not in store.settings_with_predictions():
            continue
        labels = store.label_set_of(s.name)
        there = {p.model for p in store.pieces(s.name)}
        models = [m for m in plan.abouts if m in there]
        if labels is None or not models:
            continue
        block = store.predictions(s.name, models, columns=("runners_up",))
        found += order_findings(from_block(block, labels))
    return found


def order_findings(case: Case) -> list[Finding]:
    """The findings, among all that the doctor has, that read the classes in another order."""
    found = examine_case(case)
    return [f for f in found if f.means is not None or f.label_means is not None]


def sample(study: Study, images: int, progress: Progress) -> tuple[Plan, dict[str, Block]]:
    """Run a study's unshifted settings on a sample, in memory: the plan and a block a setting."""
    sets = tuple(replace(s, pairs=tuple((c, CLEAN) for c in s.lists)) for s in study.sets)
    small = replace(study, sets=sets, limit=images, baselines=False)
    plan, models = planned(small)
    total = sum(len(s.rows) for s in plan.settings) * len(plan.abouts)
    done = 0
    merged: dict[str, Collected] = {}
    for finished, result in computed(plan, models, shards_to_do(plan, None)):
        if result is not None:
            done += result.predictions
            progress("running", done / max(total, 1))
        if finished is not None:
            whole = merged.setdefault(finished.shard.set_name, finished)
            if whole is not finished:
                whole.take(finished)
    return plan, {s.name: _block(plan, s, merged[s.set_name]) for s in plan.settings}


def case_of(plan: Plan, setting: Setting, block: Block) -> Case:
    """The sample's rows beside their labels."""
    label = setting.scale.label[setting.rows]
    classes = setting.scale.map
    labels = LabelSet(
        setting.name, list(classes.classes), list(classes.class_names), list(block.examples),
        label.astype(np.int32), None, {},
    )  # fmt: skip
    return from_block(block, labels)


def better_normalisations(
    study: Study, plan: Plan, blocks: dict[str, Block], images: int, progress: Progress
) -> tuple[list[Better], dict[str, str]]:
    """Other normalisations that do significantly better on the sample than a model's own.

    Second: models whose normalisation is their own business, and what they say of it.
    """
    found: list[Better] = []
    untried: dict[str, str] = {}
    for i, (model, about) in enumerate(plan.abouts.items()):
        for j, (name, option, says) in enumerate(OTHERS):
            progress(f"{model}, {says}", (i + j / len(OTHERS)) / len(plan.abouts))
            if "mean" in option and "scale" not in option and about.preprocessing.scale != _SCALE:
                option += f"&scale={_SCALE}"
            wanted = WantedModel(_with(about.uri, option), model)
            try:
                other, theirs = sample(
                    replace(study, models=(wanted,)), images, lambda what, part: None
                )
            except BadInput as error:
                untried[model] = str(error)
                break
            if other.abouts[model].preprocessing.record() == about.preprocessing.record():
                continue
            for s in other.settings:
                mine, new = (_right(s, b, model) for b in (blocks[s.name], theirs[s.name]))
                p = sign_p(int((new & ~mine).sum()), int((mine & ~new).sum()), len(OTHERS))
                if p < LEVEL:
                    k, own = int(new.sum()), int(mine.sum())
                    found.append(Better(s.name, model, name, says, option, k, own, len(mine), p))
    return sorted(found, key=lambda b: (b.model, -b.right)), untried


def _right(setting: Setting, block: Block, model: str) -> NDArray[np.bool_]:
    label = setting.scale.label[setting.rows]
    row = list(block.models).index(model)
    return np.asarray((block.predicted[row] == label) & (label >= 0))


def _with(uri: str, option: str) -> str:
    """A URI with options in the place of its own of the same names."""
    head, _, query = uri.partition("?")
    given = dict(part.partition("=")[::2] for part in query.split("&") if part)
    given |= dict(part.partition("=")[::2] for part in option.split("&"))
    return f"{head}?" + "&".join(f"{k}={v}" for k, v in given.items())


def _block(plan: Plan, setting: Setting, collected: Collected) -> Block:
    rows = tuple(int(r) for r in setting.rows)
    return block_of(plan, setting, Entry(setting.name, tuple(plan.abouts), rows), collected)
