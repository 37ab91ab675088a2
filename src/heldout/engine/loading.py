"""Opening a study's test sets and loading its models, each once, within the memory there is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from heldout.engine.plan import Plan, make_plan
from heldout.engine.study import Study
from heldout.errors import BadInput
from heldout.models.adapters import load
from heldout.models.classifier import About, Classifier, Placement
from heldout.shifts import frost_folder
from heldout.testsets.opening import open_test_set
from heldout.testsets.reader import TestSet

Progress = Callable[[str, float], None]


class Models:
    """The models of a study by their names in the store: loaded when asked for, and kept.

    Threads may ask at once. `keep` frees all others.
    """

    def __init__(self, uris: Mapping[str, str], placement: Placement) -> None:
        self.uris = dict(uris)
        self.placement = placement
        self._there: dict[str, Classifier] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Classifier:
        """The model of that name."""
        with self._lock:
            if name not in self._there:
                self._there[name] = load(self.uris[name], self.placement)
            return self._there[name]

    def put(self, name: str, model: Classifier) -> None:
        """Keep a model that is loaded already."""
        self._there[name] = model

    def keep(self, names: Collection[str]) -> None:
        """Free every model but these."""
        with self._lock:
            self._there = {n: m for n, m in self._there.items() if n in names}


def placement_of(study: Study) -> Placement:
    """Where the models of a study run.

    On a CPU each worker thread takes whole batches through decoding and all models with one thread
    each: no thread waits for another, and the bits do not depend on the number of threads.
    """
    return Placement(study.device, study.precision, None if on_gpu(study.device) else 1)


def on_gpu(device: str) -> bool:
    """Whether models run on an accelerator. `auto` looks for one, if PyTorch is installed."""
    if device in ("cpu", ""):
        return False
    if device != "auto":
        return True
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def opened(study: Study) -> dict[str, TestSet]:
    """The study's test sets by name, and its photographs of frost at hand in this process.

    Raises BadInput for ids that no file can hold.
    """
    frost_folder.use(study.frost)
    sets = {s.name: open_test_set(s.source, set_name=s.name) for s in study.sets}
    for name, test_set in sets.items():
        for example in test_set.listing.examples:
            if not example.isascii() and any("\ud800" <= c <= "\udfff" for c in example):
                raise BadInput(
                    f"Test set '{name}': the file name {example!r} is not UTF-8, so it cannot be an"
                    " example's id. Rename that file."
                )
    return sets


def loaded(
    study: Study, progress: Progress = lambda what, part: None
) -> tuple[Models, dict[str, About]]:
    """All models of a study, looked at once; as many as fit into half of the memory stay loaded."""
    models = Models({}, placement_of(study))
    abouts: dict[str, About] = {}
    budget = memory() // 2
    for i, wanted in enumerate(study.models):
        progress(f"loading {wanted.uri}", i / len(study.models))
        model = load(wanted.uri, models.placement)
        name = wanted.name or model.about.name
        if name in abouts:
            raise BadInput(
                f"Two models would be called '{name}' in the store: '{abouts[name].uri}' and"
                f" '{wanted.uri}'. Name one: add ?name=… to its URI, or a name in the study file."
            )
        abouts[name] = replace(model.about, name=name)
        models.uris[name] = wanted.uri
        if sum(a.bytes for a in abouts.values()) <= budget:
            models.put(name, model)
    return models, abouts


def passes(abouts: Mapping[str, About], budget: int) -> list[list[str]]:
    """Models in groups whose weights fit into `budget` bytes; images are decoded once a group."""
    groups: list[list[str]] = [[]]
    used = 0
    for name, about in abouts.items():
        if groups[-1] and used + about.bytes > budget:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += about.bytes
    return groups


def planned(study: Study, progress: Progress = lambda what, part: None) -> tuple[Plan, Models]:
    """The plan of a study and its models. Test sets first: they fail sooner."""
    sets = opened(study)
    models, abouts = loaded(study, progress)
    return make_plan(study, sets, abouts), models


def memory() -> int:
    """Bytes of memory of this machine."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def names_of(models: Sequence[About]) -> list[str]:
    """The models' names."""
    return [m.name for m in models]
