"""bfloat16 against float32: the share of changed predictions, and the time.

    python benchmarks/precision.py [--images 1000]

The four published CIFAR ResNets on images of the lossless test set, and EfficientNet-Lite0 on the
200 ImageNet samples. Whether bfloat16 is faster depends on the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from engine import DATA
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.store.read import Store

NETS = ("20-12fca82f", "32-d509ac18", "44-014dd654", "56-4bfd9763")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--images", type=int, default=1000)
    images = asked.parse_args().images
    cifar = (
        f"cifar10-test={DATA}/cifar10-test-png?table={DATA}/cifar10-test-labels.csv.gz&image=png"
    )
    samples = (
        f"imagenet-samples={DATA}/imagenet-samples?table={DATA}/imagenet-samples-labels.csv"
        "&image=file&label=index&class=wnid&where=shipped:core"
    )
    resnets = [f"cifar-resnet:{DATA}/cifar10-resnets/resnet{n}.th" for n in NETS]
    for target, uris, limit in ((cifar, resnets, images), (samples, ["lite:0"], 0)):
        with tempfile.TemporaryDirectory() as place:
            compare(target, uris, limit, Path(place))


def compare(target: str, uris: list[str], limit: int, place: Path) -> None:
    sets = merged([parse_target(target)])
    study = Study(tuple(WantedModel(u) for u in uris), sets, limit=limit)
    answers, seconds = [], []
    for precision in ("float32", "bfloat16"):
        wanted = replace(study, store=str(place / precision), precision=precision)
        start = time.perf_counter()
        run(wanted)
        seconds.append(time.perf_counter() - start)
        answers.append(Store.open(wanted.store).predictions(sets[0].name))
    full, half = answers
    for i, model in enumerate(full.models):
        changed = int((full.predicted[i] != half.predicted[i]).sum())
        n = len(full.examples)
        print(f"{model}: {changed} of {n} predictions changed ({changed / n:.2%})")
    print(f"  float32 {seconds[0]:.1f} s, bfloat16 {seconds[1]:.1f} s")


if __name__ == "__main__":
    main()
