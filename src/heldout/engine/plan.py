"""What a study has to do: settings, who runs on which, and the shards that are left.

A plan is made from the study and the store alone, so that every machine that makes it makes the
same one. A shard's boundaries never depend on the machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.engine.corruption import shift_facts, state_of, without_effect
from heldout.engine.matching import described, outputs_map
from heldout.engine.scale import OUTSIDE, Scale, list_name, scale_of
from heldout.engine.study import CLEAN, Study, WantedSet, shifts_of
from heldout.errors import BadInput
from heldout.images.geometry import Geometry
from heldout.models.classifier import About
from heldout.shifts.catalogue import parse
from heldout.testsets.catalogue import baseline_of, known, names, setting_row
from heldout.testsets.class_map import ClassMap
from heldout.testsets.reader import Listing, TestSet

FORWARDS_A_SHARD = 100_000
_NEARLY = 0.92  # similarity of names that are probably a slip of the pen
_SPREAD, _FIRST = 32, 4  # images that are looked at to know a set again
SMALLEST_SHARD, LARGEST_SHARD = 250, 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One setting of the plan: its row for the store, the shift, its classes and its examples.

    images: digest of the listing. rows: positions in it, ascending. maps: for every model its
    outputs; facts: for every model all that decides its rows; fingerprints: digests of them.
    """

    name: str
    set_name: str
    chosen: str
    shift: str
    row: Mapping[str, Any]
    scale: Scale
    rows: NDArray[np.int64]
    maps: Mapping[str, ClassMap]
    images: str
    facts: Mapping[str, Mapping[str, str]]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """Models that lack the same examples of a setting; rows: positions, ascending."""

    setting: str
    models: tuple[str, ...]
    rows: tuple[int, ...]

    def mark(self, setting: Setting) -> str:
        """The same for the same work, whoever plans it: names the part that holds its rows."""
        models = [[m, setting.fingerprints[m]] for m in self.models]
        text = json.dumps([self.setting, setting.images, models, self.rows])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class Shard:
    """A pure task: some examples of one test set, and which models lack them in which settings."""

    set_name: str
    number: int
    entries: tuple[Entry, ...]

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """All positions, ascending."""
        return tuple(sorted({r for e in self.entries for r in e.rows}))

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings, each once."""
        return tuple(dict.fromkeys(e.setting for e in self.entries))

    @cached_property
    def _models(self) -> dict[str, dict[str, frozenset[int]]]:
        found: dict[str, dict[str, frozenset[int]]] = {}
        for e in self.entries:
            rows = frozenset(e.rows)
            for m in e.models:
                found.setdefault(e.setting, {})[m] = rows
        return found

    def models_of(self, setting: str) -> list[str]:
        """The models that run in a setting."""
        return list(self._models[setting])

    def rows_of(self, setting: str, model: str) -> frozenset[int]:
        """The positions that a model lacks in a setting."""
        return self._models[setting][model]

    def of_models(self, models: Collection[str]) -> Shard | None:
        """The shard for some of its models only; None when there is nothing left."""
        kept = [
            replace(e, models=mine)
            for e in self.entries
            if (mine := tuple(m for m in e.models if m in models))
        ]
        return Shard(self.set_name, self.number, tuple(kept)) if kept else None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that a run has to do. groups: models that are held in memory together, pass by pass.

    todo: shards in order, pass by pass. done: pairs of model and example that are there already.
    """

    study: Study
    sets: Mapping[str, TestSet]
    abouts: Mapping[str, About]
    settings: tuple[Setting, ...]
    shard_size: int
    notes: tuple[str, ...]

    def setting(self, name: str) -> Setting:
        """The setting of that name."""
        return next(s for s in self.settings if s.name == name)

    def of_set(self, set_name: str) -> list[Setting]:
        """The settings on one test set."""
        return [s for s in self.settings if s.set_name == set_name]

    def geometry(self, model: str) -> Geometry | None:
        """What a model wants to see."""
        return self.abouts[model].preprocessing.geometry


def make_plan(
    study: Study,
    sets: Mapping[str, TestSet],
    abouts: Mapping[str, About],
) -> Plan:
    """The plan of a study whose test sets are open and whose models are known.

    abouts: by the models' names in the store. Raises BadInput where models and classes do not fit.
    """
    notes = [note for about in abouts.values() for note in about.notes]
    settings: list[Setting] = []
    for wanted in study.sets:
        listing = sets[wanted.name].listing
        pixels = pixels_of(sets[wanted.name])
        notes += [*listing.notes, *_short(wanted.name, listing)]
        for chosen in _lists(study, wanted):
            scale = scale_of(wanted.name, chosen, listing, list(abouts.values()))
            notes += scale.notes
            if len(scale.map.classes) < 2:
                raise BadInput(
                    f"Test set '{_said(wanted.name, chosen)}' has the one class"
                    f" '{scale.map.classes[0]}': every answer would be right. Run it on all"
                    " classes of the model, or on several."
                )
            rows = _rows(study, scale)
            if not len(rows):
                raise BadInput(
                    f"Test set '{_said(wanted.name, chosen)}' has no example of those classes."
                )
            for shift in shifts_of(study, wanted, chosen):
                settings.append(
                    _setting(
                        study, wanted, chosen, shift, listing, scale, rows, abouts, pixels, notes
                    )
                )
    notes += without_effect(study, [s.row for s in settings])
    settings = _each_once(settings)
    size = study.shard_size or _shard_size(len(abouts), settings)
    return Plan(study, sets, abouts, tuple(settings), size, tuple(dict.fromkeys(notes)))


def _each_once(settings: Sequence[Setting]) -> list[Setting]:
    """Two ways of saying the same setting are one; two settings of one name are refused."""
    kept: dict[str, Setting] = {}
    for s in settings:
        old = kept.setdefault(s.name, s)
        same = (old.set_name, old.shift, old.scale.map) == (s.set_name, s.shift, s.scale.map)
        if old is not s and not same:
            raise BadInput(
                f"Two settings would be called '{s.name}':"
                f" '{_said(old.set_name, old.chosen)}' and '{_said(s.set_name, s.chosen)}'. Give"
                " the test sets, or the files of the class lists, other names."
            )
    return list(kept.values())


def _short(set_name: str, listing: Listing) -> list[str]:
    """What to say of a set of a known name with another number of examples, or nearly that name."""
    entry, n = known(set_name), len(listing.examples)
    near = get_close_matches(set_name, names(), 1, _NEARLY) if entry is None else []
    if near:
        return [
            f"'{set_name}' is no set of the catalogue and is taken as it is; '{near[0]}' is one"
        ]
    if entry is None or not entry.n or n == entry.n or n in entry.also_n:
        return []
    return [
        f"'{set_name}' is known to have {entry.n:,} examples, and here are {n:,}; a part of a set,"
        " or another one, should have a name of its own"
    ]


def digest_of(listing: Listing) -> str:
    """A digest of a test set's ids in their order. Labels do not change predictions."""
    text = "\n".join(listing.examples).encode(errors="surrogateescape")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def pixels_of(test_set: TestSet) -> str:
    """A digest that changes when images are exchanged under the same names, cheap to make.

    From the sizes of all files, where they are at hand, and some of the images: evenly spread ones,
    or the first few where others are far (a compressed archive, another machine).
    """
    h = hashlib.blake2b(digest_size=8)
    sizes = getattr(test_set, "sizes", lambda: None)()
    if sizes is not None:
        h.update(np.ascontiguousarray(sizes).data)
    n = len(test_set.listing.examples)
    few = range(0, n, max(n // _SPREAD, 1)) if sizes is not None else range(min(_FIRST, n))
    for content in test_set.fetch(few):
        if isinstance(content, np.ndarray):
            content = content.tobytes()
        h.update(content if isinstance(content, bytes) else str(content).encode())
    return h.hexdigest()


def _lists(study: Study, wanted: WantedSet) -> list[str]:
    """The class lists of a set: those asked for, and those that other sets of the study need."""
    lists = list(wanted.lists)
    if study.baselines:
        for other in study.sets:
            needs = baseline_of(other.name)
            if needs is not None and needs[0] == wanted.name and needs[1]:
                lists.append(needs[1])
    return list(dict.fromkeys(lists))


def _rows(study: Study, scale: Scale) -> NDArray[np.int64]:
    """Positions of the setting's examples; with a limit, evenly spread over them."""
    rows = np.flatnonzero(scale.label != OUTSIDE).astype(np.int64)
    if study.limit and study.limit < len(rows):
        rows = rows[np.arange(study.limit) * len(rows) // study.limit]
    return rows


def _setting(
    study: Study,
    wanted: WantedSet,
    chosen: str,
    shift: str,
    listing: Listing,
    scale: Scale,
    rows: NDArray[np.int64],
    abouts: Mapping[str, About],
    pixels: str,
    notes: list[str],
) -> Setting:
    text = "" if shift == CLEAN else shift
    state = state_of(text)
    maps: dict[str, ClassMap] = {}
    facts: dict[str, dict[str, str]] = {}
    for name, about in abouts.items():
        maps[name], said = outputs_map(scale, about, wanted.name)
        notes += said
        facts[name] = {"images": pixels, **_facts(study, about, scale, maps[name], text)}
        if state:
            facts[name]["materials of the shift"] = state
    whole = len(rows) == int((scale.label != OUTSIDE).sum())
    row = dict(setting_row(wanted.name, list_name(chosen) or None, text or None, len(rows)))
    row |= shift_facts(text)
    if not whole:
        row["n"] = len(rows)
    marks = {name: _mark(found) for name, found in facts.items()}
    return Setting(
        str(row["setting"]), wanted.name, chosen, text, row, scale, rows, maps,
        digest_of(listing), facts, marks,
    )  # fmt: skip


def _facts(
    study: Study, about: About, scale: Scale, outputs: ClassMap, shift: str
) -> dict[str, str]:
    """All that decides a model's rows in a setting, wherever they are made, as short texts."""
    return {
        "weights": about.weights[:16],
        "preprocessing": _mark(about.preprocessing.record()),
        "precision": study.precision,
        "kind of scores": about.score_kind,
        "classes": _mark([described(scale), [list(m) for m in outputs.members]]),
        "shift": shift,
        "seed": str(study.seed) if shift and parse(shift).random else "",
        "EXIF rotation": str(study.exif),
        "stored scores": str(study.scores),
    }


def _mark(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _shard_size(models: int, settings: Sequence[Setting]) -> int:
    per_set: dict[str, int] = {}
    for s in settings:
        per_set[s.set_name] = per_set.get(s.set_name, 0) + 1
    work = models * max(per_set.values(), default=1)
    return int(np.clip(FORWARDS_A_SHARD // max(work, 1), SMALLEST_SHARD, LARGEST_SHARD))


def _said(name: str, chosen: str) -> str:
    return f"{name}@{chosen}" if chosen else name
