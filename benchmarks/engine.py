"""One model, no shift: the whole run against its parts and against a DataLoader loop, on this CPU.

    python benchmarks/engine.py [--images 400] [--repeats 3]

Parts, measured in the same run on the same images: forward passes alone (pixels ready) and
decoding alone (with resize and crop), each spread over the cores. On a CPU they share the cores, so
their sum is the limit. The peer is the loop that timm's `validate.py` runs: a torch DataLoader
whose workers decode, resize, crop and normalise, and a model that uses all cores, batch 256; also
with the batch and the memory format that suit it best here. Needs PyTorch, the lite packages and
the published images.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heldout.engine.loading import cores, planned
from heldout.engine.parts import write_tables
from heldout.engine.resume import shards_to_do
from heldout.engine.run import batch_size, execute
from heldout.engine.stream import in_order
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.images.decode import Decoding, decode
from heldout.images.geometry import fit
from heldout.store.read import Store

DATA = Path(os.environ.get("HELDOUT_DATA", ".data"))


def folder(images: int, place: Path, classes: Sequence[str] = ()) -> Path:
    """A folder of classes with that many JPEGs: the samples, linked again and again.

    classes: names of folders to deal them out to (only time is measured then); else their own.
    """
    found = sorted((DATA / "imagenet-samples").glob("*.JPEG"))
    if not found:
        sys.exit(f"The ImageNet samples are not in {DATA}; unpack them first.")
    for i in range(images):
        source = found[i % len(found)].resolve()
        name = classes[i % len(classes)] if classes else source.name.split("_")[0]
        target = place / name / f"{i:05d}.JPEG"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    return place


def loader_loop(
    paths: Sequence[Path], geometry: Any, module: Any, batch: int, channels_last: bool
) -> float:
    """Seconds of a loop as timm's validate.py: a DataLoader with workers, all cores in a model."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Images(Dataset[Any]):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, i: int) -> Any:
            pixels = fit(decode(paths[i].read_bytes(), Decoding()), geometry)
            return torch.from_numpy(pixels).permute(2, 0, 1).float().sub(127).div(128)

    torch.set_num_threads(cores())
    form = torch.channels_last if channels_last else torch.contiguous_format
    module = module.to(memory_format=form)
    start = time.perf_counter()
    answers = []
    loader = DataLoader(Images(), batch, num_workers=cores())
    with torch.inference_mode():
        for x in loader:
            answers.append(module(x.contiguous(memory_format=form)).argmax(1))
    took = time.perf_counter() - start
    torch.set_num_threads(1)
    assert len(torch.cat(answers)) == len(paths)
    return took


def best(work: Callable[[], float], times: int) -> float:
    return min(work() for _ in range(times))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--images", type=int, default=400)
    asked.add_argument("--repeats", type=int, default=3)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measure(folder(options.images, Path(place) / "images"), options.repeats, Path(place))


def measure(images: Path, repeats: int, place: Path) -> None:
    sets = merged([parse_target(f"samples={images}")])
    study = Study((WantedModel("lite:0"),), sets, str(place / "store"), device="cpu")
    plan, models = planned(study)
    model = models("efficientnet-lite0")
    test_set, size, n = plan.sets["samples"], batch_size(plan), cores()
    rows = range(len(test_set.listing.examples))
    batches = [list(rows[i : i + size]) for i in range(0, len(rows), size)]
    geometry = model.about.preprocessing.geometry
    assert geometry is not None

    def prepare(batch: list[int]) -> Any:
        return np.stack([fit(decode(c, Decoding()), geometry) for c in test_set.fetch(batch)])

    ready = [prepare(b) for b in batches]

    def forward() -> float:
        start = time.perf_counter()
        for _ in in_order(model.scores, ready, n, n + 1):
            pass
        return time.perf_counter() - start

    def decoding() -> float:
        start = time.perf_counter()
        for _ in in_order(prepare, batches, n, n + 1):
            pass
        return time.perf_counter() - start

    number = 0

    def whole() -> float:
        nonlocal number
        number += 1
        store = Store.create(str(place / f"store{number}"))
        start = time.perf_counter()
        write_tables(store, plan)
        done = execute(plan, models, store, shards_to_do(plan, store))
        assert done.predictions == len(rows)
        return time.perf_counter() - start

    whole()  # libraries and caches warm, memory kept
    paths = [images / e for e in test_set.listing.examples]
    module = model._module  # type: ignore[attr-defined]
    timings: dict[str, float] = {}
    for _ in range(repeats):  # in turns, so that the machine's load meets all alike
        for name, work in (("forward", forward), ("decoding", decoding), ("whole", whole)):
            timings[name] = min(timings.get(name, np.inf), work())
        for name, batch, form in (("loader", 256, False), ("loader, tuned", 32, True)):
            took = loader_loop(paths, geometry, module, batch, form)
            timings[name] = min(timings.get(name, np.inf), took)
        module.to(memory_format=_channels_last())
    parts = timings["forward"] + timings["decoding"]
    print(
        f"EfficientNet-Lite0 on {len(rows)} JPEGs, {n} cores, batches of {size}, best of {repeats}"
    )
    for name, took in timings.items():
        print(f"  {name:<14} {took:6.2f} s  {len(rows) / took:6.1f} images/s")
    print(f"whole / (forward + decoding): {timings['whole'] / parts:.3f} (goal: at most 1.05)")
    for name in ("loader", "loader, tuned"):
        print(f"{name} / whole: {timings[name] / timings['whole']:.2f} (goal: at least 1)")


def _channels_last() -> Any:
    import torch

    return torch.channels_last


if __name__ == "__main__":
    main()
