"""From a shard's answers to immutable parts of the store, and the tables beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heldout.engine.answers import Answers, Found
from heldout.engine.plan import Entry, Plan, Setting, Shard, digest_of
from heldout.engine.resume import RUN, spans, still_lacking
from heldout.engine.scale import list_name
from heldout.engine.scoring import NO_ANSWER, NOT_A_NUMBER
from heldout.errors import ConflictError
from heldout.images.decode import decoder
from heldout.shifts.opencv import version
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_models, write_predictions, write_settings
from heldout.testsets.catalogue import setting_row

PROMISE = (
    "Batch size, worker threads, machines and resumed runs do not change these predictions beyond"
    " the order of floating-point sums."
)


@dataclass(slots=True, eq=False)
class Collected:
    """The answers of a shard so far."""

    shard: Shard
    rows: dict[tuple[str, str], list[Found]] = field(default_factory=dict)
    errors: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, answers: Answers) -> None:
        """Take in a batch."""
        self._take(answers.rows, answers.errors)

    def take(self, other: Collected) -> None:
        """Take in the answers of another shard of the same test set."""
        self._take(other.rows, other.errors)

    def _take(
        self,
        rows: Mapping[tuple[str, str], Sequence[Found]],
        errors: Mapping[str, Mapping[int, str]],
    ) -> None:
        for model, why in errors.items():
            self.errors.setdefault(model, {}).update(why)
        for key, found in rows.items():
            self.rows.setdefault(key, []).extend(found)


def write_shard(store: Store, plan: Plan, collected: Collected, *, replace: bool = False) -> None:
    """Store a finished shard: one part for every setting and group of models that go together."""
    for whole in collected.shard.entries:
        setting = plan.setting(whole.setting)
        entry = whole if replace else still_lacking(plan, store, setting, whole)
        if entry is None:
            continue
        block = block_of(plan, setting, entry, collected)
        write_predictions(
            store,
            block,
            _origin(plan, entry),
            replace=replace,
            extra={RUN: _record(plan, setting, entry)},
            name=f"part-run-{entry.mark(setting)}",
        )


def block_of(plan: Plan, setting: Setting, entry: Entry, collected: Collected) -> Block:
    """The rows of one entry as a block; an image that could not be read is a row with an error."""
    rows = np.array(entry.rows, np.int64)
    place = {int(r): i for i, r in enumerate(rows)}
    m, n, width = len(entry.models), len(rows), len(setting.scale.map.classes)
    k = min(5, width)
    predicted = np.full((m, n), NO_ANSWER, np.int32)
    runners = np.full((m, n, k - 1), NO_ANSWER, np.int32)
    confidence = np.full((m, n), np.nan, np.float32)
    scores = np.full((m, n, width), np.nan, np.float32) if plan.study.scores else None
    error = np.full((m, n), None, object)
    for j, model in enumerate(entry.models):
        for row, why in collected.errors.get(model, {}).items():
            if row in place:
                error[j, place[row]] = why
        for positions, found in collected.rows.get((entry.setting, model), []):
            at = np.array([place[r] for r in positions], np.int64)
            predicted[j, at], runners[j, at] = found.predicted, found.runners_up
            confidence[j, at] = found.confidence
            error[j, at[found.bad]] = NOT_A_NUMBER
            if scores is not None:
                scores[j, at] = found.scores
    listing = plan.sets[setting.set_name].listing
    # By the kind of scores, not by what came: all parts of a setting then have the same columns.
    known = any(plan.abouts[m].score_kind != "scores" for m in entry.models)
    kind = _score_kind(plan, setting, entry.models) if scores is not None else None
    return Block(
        setting.name,
        list(entry.models),
        [listing.examples[i] for i in rows],
        predicted,
        runners if k > 1 else None,
        confidence if known else None,
        scores,
        kind,
        error if (error != None).any() else None,  # noqa: E711
    )


def write_tables(store: Store, plan: Plan, *, replace: bool = False) -> None:
    """Labels, settings and models: before the first shard, so that a kill leaves rows to score."""
    origin = Provenance(source="heldout run", format="run", notes=plan.notes)
    bases: dict[str, Setting] = {}
    for s in plan.settings:
        bases.setdefault(label_set_of(s), s)
    for name, s in bases.items():
        _write_label_set(store, plan, name, s, origin, replace)
    there = store.settings()
    rows = []
    for s in plan.settings:
        row: dict[str, Any] = {**s.row, "label_set": label_set_of(s)}
        row["decoder"] = decoder()
        if row.get("n") is not None and there.get(s.name, {}).get("n") is not None:
            row["n"] = max(int(row["n"]), int(there[s.name]["n"]))
        rows.append(row)
    write_settings(store, rows, origin)
    write_models(store, [_model_row(plan, name) for name in plan.abouts], origin)


def label_set_of(setting: Setting) -> str:
    """The label set that scores a setting: that of its test set and class list, unshifted."""
    row = setting_row(setting.set_name, list_name(setting.chosen) or None, None, len(setting.rows))
    return str(row.get("label_set") or row["setting"])


def _write_label_set(
    store: Store, plan: Plan, name: str, setting: Setting, origin: Provenance, replace: bool
) -> None:
    listing = plan.sets[setting.set_name].listing
    rows = np.flatnonzero(setting.scale.label >= 0)
    if not len(rows):
        return
    examples = [listing.examples[i] for i in rows]
    if name in store.label_sets() and not replace:
        _must_be_same_examples(store, name, examples, setting.set_name)
    any_of = setting.scale.any_of
    write_labels(
        store,
        name,
        examples,
        setting.scale.label[rows],
        list(setting.scale.map.classes),
        origin,
        class_names=list(setting.scale.map.class_names),
        any_of=None if any_of is None else [any_of[i] for i in rows],
        groups={g: [v[i] for i in rows] for g, v in listing.groups.items()},
        replace=replace and name in store.label_sets(),
    )


def _must_be_same_examples(store: Store, name: str, examples: Sequence[str], said: str) -> None:
    """Other ids would make one label set of two, and every model incomplete on both."""
    there = set(store.label_set(name).examples)
    new = [e for e in examples if e not in there]
    if new and there - set(examples):
        some = min(there - set(examples))
        raise ConflictError(
            f"Test set '{said}': its example ids ('{new[0]}', …) are not those that the store's"
            f" label set '{name}' has ('{some}', …), so not everything would join. Name the ids"
            " with ?id=…, call the test set by another name, or use --replace."
        )


def _model_row(plan: Plan, name: str) -> dict[str, Any]:
    about = plan.abouts[name]
    versions = " ".join(f"{k}={v}" for k, v in sorted(about.versions.items()))
    return {
        "model": name,
        "uri": about.uri,
        "preprocessing": about.preprocessing.in_words(),
        "weights_sha256": about.weights,
        "parameters": about.parameters,
        "precision": plan.study.precision,
        "versions": versions,
        **about.metadata,
    }


def _origin(plan: Plan, entry: Entry) -> Provenance:
    hashes = {f"weights of {m}": plan.abouts[m].weights for m in entry.models}
    versions = {f"{k} {v}" for m in entry.models for k, v in plan.abouts[m].versions.items()}
    shifted = [version()] if plan.setting(entry.setting).shift and version() else []
    notes = (PROMISE, f"decoded by {decoder()}", *shifted, *sorted(versions))
    return Provenance("heldout run", "run", (), hashes, notes)


def _record(plan: Plan, setting: Setting, entry: Entry) -> Mapping[str, Any]:
    """What a part covers and how it was made; `resume` reads it."""
    study = plan.study
    return {
        "set": digest_of(plan.sets[setting.set_name].listing),
        "path": next(s.source.path for s in study.sets if s.name == setting.set_name),
        "rows": spans(np.array(entry.rows, np.int64)),
        "fingerprints": {m: setting.fingerprints[m] for m in entry.models},
        "facts": {m: dict(setting.facts[m]) for m in entry.models},
        "shift": setting.shift,
        "seed": study.seed,
        "precision": study.precision,
        "preprocessing": {m: plan.abouts[m].preprocessing.record() for m in entry.models},
    }


def _score_kind(plan: Plan, setting: Setting, models: Sequence[str]) -> str:
    kinds = {plan.abouts[m].score_kind for m in models}
    if setting.scale.map.reduction == "sum":
        return "probabilities"
    return kinds.pop() if len(kinds) == 1 else "scores"
