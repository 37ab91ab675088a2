"""3 models × (clean + 8 shifts) in one call against the same 27 evaluations one by one.

    python benchmarks/grid.py [--images 300]

One by one, every evaluation opens the set, decodes every image and writes its rows, in the same
process with the models loaded already: only the work itself is repeated. Small networks (CIFAR
ResNets on photographs brought to 32 pixels) make decoding much of an evaluation; its share is
measured and printed. The plan's estimate, made before, is held against the one call's time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from engine import DATA, folder
from heldout.engine.loading import Models, cores, planned
from heldout.engine.measure import cost_of
from heldout.engine.parts import write_tables
from heldout.engine.pictures import pictures
from heldout.engine.plan import Plan, make_plan
from heldout.engine.resume import shards_to_do
from heldout.engine.run import batch_size, computed, execute
from heldout.engine.stream import in_order
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.images.decode import Decoding
from heldout.store.read import Store
from heldout.testsets.spaces import space

SHIFTS = ("blur:1", "blur:2", "noise:0.1", "noise:0.2", "jpeg:30", "jpeg:10", "rotate:10",
          "greyscale")  # fmt: skip
NETS = ("resnet20-12fca82f.th", "resnet32-d509ac18.th", "resnet44-014dd654.th")


def run_all(plan: Plan, models: Models, store: Store) -> float:
    start = time.perf_counter()
    write_tables(store, plan)
    execute(plan, models, store, shards_to_do(plan, store))
    return time.perf_counter() - start


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--images", type=int, default=300)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        images = folder(options.images, Path(place) / "images", space("cifar10").classes)
        measure(images, Path(place))


def measure(images: Path, place: Path) -> None:
    uris = [f"cifar-resnet:{DATA}/cifar10-resnets/{n}" for n in NETS]
    sets = merged([parse_target(f"photos={images}")], SHIFTS)
    study = Study(tuple(WantedModel(u) for u in uris), sets, str(place / "all"), device="cpu")
    plan, models = planned(study)
    shards = shards_to_do(plan, None)
    for _ in computed(plan, models, shards):
        pass  # libraries and caches warm
    estimate = cost_of(plan, models, shards)
    one_call = run_all(plan, models, Store.create(study.store))
    alone = 0.0
    for i, (_, shift) in enumerate(sets[0].pairs):
        for name, about in plan.abouts.items():
            single = replace(study, sets=(replace(sets[0], pairs=(("", shift),)),))
            small = make_plan(single, plan.sets, {name: about})
            alone += run_all(small, models, Store.create(str(place / f"{name}-{i}")))
    decoding = decoding_alone(plan)
    count = len(plan.settings) * len(plan.abouts)
    share = decoding * count / alone
    print(f"{len(plan.abouts)} models × {len(plan.settings)} settings, {estimate.decoded} images")
    print(f"  one call                {one_call:6.2f} s")
    print(f"  {count} one by one          {alone:6.2f} s, decoding {share:.0%} of it")
    print(f"one by one / one call: {alone / one_call:.2f} (goal: at least 2 where decoding is more"
          " than half)")  # fmt: skip
    print(f"the plan's estimate {estimate.seconds:.2f} s / one call:"
          f" {estimate.seconds / one_call:.2f} (goal: 0.75 to 1.25)")  # fmt: skip


def decoding_alone(plan: Plan) -> float:
    """Seconds to decode, resize and crop every image once, over the cores."""
    test_set = plan.sets["photos"]
    size = batch_size(plan)
    rows = range(len(test_set.listing.examples))
    batches = [list(rows[i : i + size]) for i in range(0, len(rows), size)]
    geometry = plan.geometry(next(iter(plan.abouts)))
    start = time.perf_counter()
    for _ in in_order(lambda b: pictures(test_set, b, [geometry], Decoding()), batches, cores(), 3):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
