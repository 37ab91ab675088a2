"""Ray on two local nodes of one CPU against the same work without it, on the same two cores.

    python benchmarks/cluster.py [--images 10000] [--repeats 2]

The run: ResNet-20 on CIFAR-10's test images (PNG), clean and under three shifts, in shards of 500.
Peers: one process with two threads (`--workers 2`), and two processes with a half each (`--shard`
1/2 and 2/2, a thread each), which is the limit: the cluster does that and hands out shards besides.
All run the same study, in turns, and the rows are compared. The work is timed from the first shard
that is handed out to the last that is stored; what comes before (the nodes of the cluster, joining
it, loading the model in every worker) is printed by itself. Needs Ray, PyTorch and the published
images and weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from heldout.engine.cluster import run_on
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.store.read import Store

DATA = Path(os.environ.get("HELDOUT_DATA", ".data"))
SHIFTS = ("noise:0.1", "blur:1", "jpeg:30")


def study(images: int) -> Study:
    """The run, without a store."""
    weights = DATA / "cifar10-resnets/resnet20-12fca82f.th"
    folder = DATA / "cifar10-test-png"
    if not weights.is_file() or not folder.is_dir():
        sys.exit(f"CIFAR-10's images and the weights are not in {DATA}; unpack them first.")
    if find_spec("ray") is None or find_spec("torch") is None:
        sys.exit("This benchmark needs Ray and PyTorch; `make torch` installs them.")
    sets = merged([parse_target(f"cifar10-test={folder}")], SHIFTS)
    model = WantedModel(f"cifar-resnet:20?checkpoint={weights}&name=resnet20")
    return Study((model,), sets, limit=images, shard_size=500, device="cpu")


def on_cluster(wanted: Study, address: str) -> tuple[float, float, int]:
    """Seconds before the first shard, seconds of the work, predictions."""
    began = time.perf_counter()
    first = last = 0.0

    def step(what: str, part: float) -> None:
        nonlocal first, last
        if what[:1].isdigit():  # workers are at work
            first = first or time.perf_counter()
            if part >= 1.0:
                last = last or time.perf_counter()

    _, done = run_on(f"ray:{address}", wanted, progress=step)
    return first - began, last - first, done.predictions


def here(wanted: Study) -> tuple[float, float, int]:
    """The same in this process: seconds before, of the work, predictions."""
    began = time.perf_counter()
    _, done = run(replace(wanted, workers=2))
    return time.perf_counter() - began - done.seconds, done.seconds, done.predictions


def halves(wanted: Study) -> tuple[float, float, int]:
    """The same in two processes, a half each; the slower one's seconds."""
    began = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(half, [(wanted, i) for i in (1, 2)]))
    work = max(seconds for seconds, _ in parts)
    return time.perf_counter() - began - work, work, sum(n for _, n in parts)


def half(asked: tuple[Study, int]) -> tuple[float, int]:
    """One of them: seconds of its work, predictions."""
    _, done = run(replace(asked[0], workers=1), only=(asked[1], 2))
    return done.seconds, done.predictions


SIDES = {"one process": here, "two processes": halves}


def differing(one: str, two: str) -> tuple[int, int]:
    """Predictions of two stores whose classes differ, and all."""
    a, b = Store.open(one), Store.open(two)
    wrong = total = 0
    for setting in a.settings_with_predictions():
        x, y = a.predictions(setting), b.predictions(setting)
        assert x.examples == y.examples
        wrong += int((x.predicted != y.predicted).sum())
        total += int(np.prod(x.predicted.shape))
    return wrong, total


def nodes() -> tuple[Any, float]:
    """A head without CPUs and two nodes of one; the seconds until they are up."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    began = time.perf_counter()
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    return cluster, time.perf_counter() - began


def main() -> None:
    """Measure in turns and print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--images", type=int, default=10_000)
    asked.add_argument("--repeats", type=int, default=2)
    args = asked.parse_args()
    wanted = study(args.images)
    cluster, up = nodes()
    sides = {**SIDES, "cluster": partial(on_cluster, address=cluster.address)}
    found: dict[str, list[tuple[float, float, int]]] = {side: [] for side in sides}
    try:
        with tempfile.TemporaryDirectory() as place:
            for i in range(args.repeats):
                for side, measured in sides.items():
                    mine = replace(wanted, store=f"{place}/{side}-{i}")
                    load = os.getloadavg()[0]
                    ran = measured(mine)
                    found[side].append(ran)
                    print(
                        f"{side}: {ran[1]:.1f} s for {ran[2]:,} predictions, {ran[0]:.1f} s before"
                        f" (load {load:.1f} when it began, {os.getloadavg()[0]:.1f} at the end)",
                        flush=True,
                    )
            wrong, total = differing(f"{place}/one process-0", f"{place}/cluster-0")
    finally:
        cluster.shutdown()
    best = {side: min(ran, key=lambda r: r[1]) for side, ran in found.items()}
    print(f"Predicted classes that differ: {wrong} of {total:,}.")
    before = ", ".join(f"{ran[0]:.1f} s for {side}" for side, ran in best.items())
    print(f"Start-up: {up:.1f} s for the nodes; then to plan, join and load the model {before}.")
    work = ", ".join(f"{ran[1]:.1f} s for {side}" for side, ran in best.items())
    print(f"Work, best of {args.repeats}: {work}.")
    for side in SIDES:
        ratio = best["cluster"][1] / best[side][1]
        print(f"The cluster's time over that of {side}: {ratio:.3f} (target: at most 1.10).")


if __name__ == "__main__":
    main()
