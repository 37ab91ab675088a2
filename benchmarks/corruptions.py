"""The 19 corruptions against the package most papers use and its fork, one core, one run.

    python benchmarks/corruptions.py [--rounds 5] [--peers DIR]
    python benchmarks/corruptions.py --run [--images 200]     a run of all 75 settings
    python benchmarks/corruptions.py --references             how far the two references differ

CPU milliseconds an image, 224 x 224, severity 3, the median of many calls; ours and the peers' in
turns, each in a process of its own with one thread, so that the machine's load meets all alike. The
peers are `imagecorruptions` 1.1.2 and its fork `imagecorruptions-imaug` 1.1.5 (numba), patched to
run, each under the libraries of its time (Python 3.11, NumPy 1.23, OpenCV 4.7) and under ours;
they are installed into a folder of the user's cache, about 850 MB, once. Limit: two random bytes a
random number and one pass over the image's values, or the codec itself for JPEG and Pillow's resize
for pixelate; measured in the same run, and the distance to it printed. It counts no arithmetic of
filters, so it is not to be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from corruptions_of import references, run
from corruptions_of.peers import Peer, cache, peers
from corruptions_peer import ORDER, THREADS
from engine import DATA
from heldout.images.decode import Decoding, decode
from heldout.images.geometry import Geometry, fit

OURS, AS_PACKAGE, IN_RUN, LIMIT = "ours", "ours (ic)", "in a run", "limit"
GOAL_MS, GOALS = 23.0, {"package": 50.0, "fork": 8.0}


@dataclass(slots=True)
class Way:
    """One way of corrupting: how it is started, and the milliseconds by kind, one list a round."""

    name: str
    command: list[str]
    rounds: dict[str, list[list[float]]] = field(default_factory=dict)
    first: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def ms(self, kind: str) -> float:
        """The median over all calls; not a number where it failed."""
        calls = [ms for calls in self.rounds.get(kind, []) for ms in calls]
        return statistics.median(calls) if calls else float("nan")

    def range(self, kind: str) -> tuple[float, float]:
        """The lowest and the highest of the rounds' medians."""
        medians = [statistics.median(calls) for calls in self.rounds[kind]]
        return min(medians), max(medians)

    def sum(self, kinds: Sequence[str]) -> float:
        """Of some kinds."""
        return sum(self.ms(kind) for kind in kinds)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--peers", type=Path, default=cache(), help="folder of the peers")
    asked.add_argument("--run", action="store_true", help="runs of all 75 settings instead")
    asked.add_argument("--images", type=int, default=200, help="ImageNet samples of --run")
    asked.add_argument("--small-images", type=int, default=500, help="CIFAR-10 images of --run")
    asked.add_argument("--references", action="store_true", help="compare the references instead")
    options = asked.parse_args()
    if options.references:
        references.compare(natural(8))
    elif options.run:
        run.measure(options.peers, options.images, options.small_images)
    else:
        with tempfile.TemporaryDirectory() as place:
            images = Path(place) / "images.npy"
            np.save(images, natural(3))
            report(measured(images, options.peers, options.rounds), options.rounds)


def natural(count: int) -> Any:
    """Pictures (count, 224, 224, 3) uint8: crops of ImageNet samples, else smooth fields."""
    found = sorted((DATA / "imagenet-samples").glob("*.JPEG"))
    if not found:
        print(f"The ImageNet samples are not in {DATA}: synthetic images instead.")
        from scipy.ndimage import gaussian_filter

        fields = np.random.default_rng(0).normal(size=(count, 224, 224, 3))
        smooth = np.stack([gaussian_filter(f, (6, 6, 0)) for f in fields])
        return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    some = found[:: len(found) // count][:count]
    geometry = Geometry(256, (224, 224))
    return np.stack([fit(decode(f.read_bytes(), Decoding()), geometry) for f in some])


def measured(images: Path, place: Path, rounds: int) -> list[Way]:
    """All ways, in turns."""
    script = str(Path(__file__).with_name("corruptions_peer.py"))
    start = ["-W", "ignore", script]
    ways = [
        Way(name, [sys.executable, *start, what, str(images)])
        for name, what in (
            (OURS, "heldout.imagenet-c"),
            (AS_PACKAGE, "heldout.imagecorruptions"),
            (IN_RUN, "heldout.run"),
            (LIMIT, "limit"),
        )
    ]
    for peer in peers(place):
        if isinstance(peer, Peer):
            command = [peer.python, *start, "imagecorruptions", str(images), *peer.folders]
            ways.append(Way(peer.name, command))
        else:
            print(peer)
    for number in range(rounds):
        for i in range(len(ways)):
            one_round(ways[(i + number) % len(ways)])
        print(f"round {number + 1} of {rounds} is done", file=sys.stderr)
    return ways


def one_round(way: Way) -> None:
    env = {**os.environ, **THREADS}
    done = subprocess.run(way.command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        way.failed.update(dict.fromkeys(ORDER, lines[-1] if lines else "no word"))
        return
    found = json.loads(done.stdout.splitlines()[-1])
    for kind, calls in found["ms"].items():
        way.rounds.setdefault(kind, []).append(calls)
        way.first.setdefault(kind, []).append(found["first"][kind])
    way.failed.update(found["failed"])
    way.about = {"versions": found["versions"], "patched": found["patched"]}


def report(ways: list[Way], rounds: int) -> None:
    by_name = {way.name: way for way in ways}
    ours = by_name[OURS]
    peer_names = [name for name in by_name if name.partition(",")[0] in GOALS]
    ratios = [name for name in peer_names if name in GOALS]
    kinds = [kind for kind in ORDER if all(kind in w.rounds for w in ways if w.rounds)]
    sums = {name: way.sum(kinds) for name, way in by_name.items()}
    print(f"CPU milliseconds an image, 224 x 224, severity 3, one thread, {rounds} rounds")
    heads = [f"{name:>13}" for name in by_name] + [f"{'x ' + name:>10}" for name in ratios]
    print(f"{'kind':<18}", *heads)
    for kind in (*ORDER, f"sum of {len(kinds)}"):
        each = {n: w.ms(kind) if kind in ORDER else sums[n] for n, w in by_name.items()}
        cells = [f"{ms:13.2f}" for ms in each.values()]
        print(f"{kind:<18}", *cells, *(f"{each[n] / each[OURS]:10.1f}" for n in ratios))
    print(f"sum of ours: {sums[OURS]:.1f} ms (goal: below {GOAL_MS:g});", end=" ")
    print(f"of the first call of each, which makes the tables: {first(ours):.0f} ms")
    for name in peer_names:
        goal = GOALS[name.partition(",")[0]]
        print(f"{name} / ours: {sums[name] / sums[OURS]:.1f} (goal: at least {goal:g})")
    print(f"ours / limit: {sums[OURS] / sums[LIMIT]:.2f}")
    for mine in (ours, by_name[AS_PACKAGE]):
        for name in ("fork", "fork, here"):
            if name in by_name:
                print(f"{mine.name} slower than {name}: {', '.join(slower(mine, by_name[name]))}")
    for way in ways:
        text = ", ".join(f"{k} {v}" for k, v in way.about.get("versions", {}).items())
        patched = ", ".join(way.about.get("patched", ()))
        print(f"{way.name}: {text}{'; patched: ' + patched if patched else ''}")
        for kind, why in way.failed.items():
            print(f"  {kind} failed: {why}")


def first(way: Way) -> float:
    return sum(statistics.median(way.first[k]) for k in ORDER if k in way.first)


def slower(ours: Way, peer: Way) -> list[str]:
    """Kinds in which our best round is above the peer's worst one: slower beyond the noise."""
    found = []
    for kind in ORDER:
        if kind in ours.rounds and kind in peer.rounds:
            mine, theirs = ours.range(kind), peer.range(kind)
            if mine[0] > theirs[1]:
                found.append(f"{kind} ({mine[0]:.2f} ms at least, {theirs[1]:.2f} at most)")
    return found or ["none"]


if __name__ == "__main__":
    main()
