"""A run of all 75 settings of one model: its time, its shifts' share, and the package in its place.

The package joins as a plug-in would: shifts `reference.fog:3` from an entry point, in the same
engine. Its glass_blur is a loop in Python, in which threads wait for each other; so beside the
seconds stands the CPU time, which processes on all cores could come down to.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import corruptions_peer
from corruptions_of.peers import NotThere, here
from engine import DATA
from heldout.engine import answers
from heldout.engine import run as running
from heldout.engine.loading import Models, cores, planned
from heldout.engine.parts import write_tables
from heldout.engine.plan import Plan
from heldout.engine.resume import shards_to_do
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.shifts.shift import Shift, between
from heldout.store.read import Store

KINDS = corruptions_peer.ORDER[:15]
GROUP = "imagenet-c"
_MODULE = "corruptions_of_reference"


@dataclass(slots=True)
class Parts:
    """CPU seconds by part, of all threads; wall: seconds of the run; cpu: of the process."""

    seconds: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    cpu: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counted(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its CPU time added to a part."""

        def counting(*args: Any, **more: Any) -> Any:
            start = time.thread_time()
            try:
                return work(*args, **more)
            finally:
                took = time.thread_time() - start
                with self.lock:
                    self.seconds[part] = self.seconds.get(part, 0.0) + took

        return counting


def measure(peers: Path, images: int, small: int) -> None:
    """Print it for EfficientNet-Lite0 on ImageNet samples and a ResNet-20 on CIFAR-10 images."""
    samples = (
        f"imagenet-samples={DATA}/imagenet-samples?table={DATA}/imagenet-samples-labels.csv"
        "&image=file&label=index&class=wnid&where=shipped:core"
    )
    cifar = (
        f"cifar10-test={DATA}/cifar10-test-png?table={DATA}/cifar10-test-labels.csv.gz&image=png"
    )
    resnet = f"cifar-resnet:{DATA}/cifar10-resnets/resnet20-12fca82f.th"
    reference = None
    try:
        reference = plugged(peers)
    except NotThere as error:
        print(f"The package is left out: {error}")
    for target, uri, limit in ((cifar, resnet, small), (samples, "lite:0", images)):
        if limit:
            compared(target, uri, limit, reference)


def compared(target: str, uri: str, limit: int, reference: list[str] | None) -> None:
    wanted = merged([parse_target(target)])[0]
    with tempfile.TemporaryDirectory() as place:

        def study(name: str, shifts: list[str]) -> Study:
            sets = merged([wanted], shifts)
            store = str(Path(place) / name)
            return Study((WantedModel(uri),), sets, store, limit=limit, device="cpu")

        warm(study("warm", [GROUP]))
        ours, plan = ran(study("ours", [GROUP]))
        n = sum(len(s.rows) for s in plan.settings)
        name, settings = next(iter(plan.abouts)), len(plan.settings)
        print(f"{name}, {settings} settings (one is clean), {n:,} images through the model")
        print(f"  seconds on {cores()} cores; of CPU, all threads, by part")
        said(ours, "heldout")
        if reference is None:
            return
        warm(study("warm2", reference))
        theirs, _ = ran(study("theirs", reference))
        said(theirs, "the package")
        wall, cpu = theirs.wall / ours.wall, theirs.cpu / ours.cpu
        shifts = theirs.seconds["shifts"] / ours.seconds["shifts"]
        print(f"  the package / heldout: {wall:.1f} in seconds")
        print(f"  {cpu:.1f} in CPU time, which is what cores that never wait give")
        print(f"  {shifts:.0f} in the CPU time of the shifts alone")


def warm(study: Study) -> None:
    """Libraries, tables and caches: the same study with two images, and nothing printed."""
    ran(replace(study, limit=2))


def ran(study: Study) -> tuple[Parts, Plan]:
    """Run a study that is planned and loaded already; decoding is reading, resize and crop too."""
    plan, models = planned(study)
    store = Store.create(study.store)
    parts = Parts()
    with counting(parts):
        start, cpu = time.perf_counter(), time.process_time()
        execute(plan, models, store)
        parts.wall = time.perf_counter() - start
        parts.cpu = time.process_time() - cpu
    return parts, plan


def execute(plan: Plan, models: Models, store: Store) -> None:
    write_tables(store, plan)
    running.execute(plan, models, store, shards_to_do(plan, store))


@contextmanager
def counting(parts: Parts) -> Iterator[None]:
    """The engine's three pieces of work, each with its clock."""
    with (
        mock.patch.object(running, "pictures", parts.counted("decoding", running.pictures)),
        mock.patch.object(answers, "under", parts.counted("shifts", answers.under)),
        mock.patch.object(answers, "in_halves", parts.counted("model", answers.in_halves)),
    ):
        yield


def said(parts: Parts, who: str) -> None:
    rest = parts.cpu - sum(parts.seconds.values())
    each = "  ".join(f"{part} {seconds:.1f}" for part, seconds in parts.seconds.items())
    share = parts.seconds["shifts"] / parts.cpu
    print(
        f"  {who:<12} {parts.wall:7.1f} s; CPU {parts.cpu:.1f}: {each}  rest {rest:.1f};", end=" "
    )
    print(f"shifts {share:.1%}")


def plugged(peers: Path) -> list[str]:
    """The package's 15 kinds as shifts, under the NumPy and OpenCV that are here: their texts."""
    corrupt, _ = corruptions_peer.package(list(here(peers, "package").folders))
    module = types.ModuleType(_MODULE)
    for kind in KINDS:
        name = f"reference.{kind}"
        words, check = between(name, "severity", 1, 5, whole=True)

        def apply(image: Any, number: float, rng: Any, kind: str = kind) -> Any:
            return corrupt(kind, image, int(number))

        setattr(module, kind, Shift(name, kind, True, words, apply, check))
    sys.modules[_MODULE] = module
    place = Path(tempfile.mkdtemp()) / f"{_MODULE}-0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_MODULE}\nVersion: 0\n")
    lines = [f"reference.{kind} = {_MODULE}:{kind}" for kind in KINDS]
    (place / "entry_points.txt").write_text("[heldout.shifts]\n" + "\n".join(lines) + "\n")
    sys.path.append(os.fspath(place.parent))
    return [f"reference.{kind}:1-5" for kind in KINDS]
