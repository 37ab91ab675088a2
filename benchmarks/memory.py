"""Peak memory of a run on 10,000 and on 100,000 images: it should not depend on their number.

    python benchmarks/memory.py

Arrays of 32 × 32 pixels on the disk (31 and 307 MB), a network of one layer in NumPy, one process a
size; what grows is ids and labels, some tens of bytes an image.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

MODEL = """\
import numpy as np

W = np.random.default_rng(0).normal(0, 1, (3 * 32 * 32, 10)).astype(np.float32)


def net(images):
    return images.reshape(len(images), -1).astype(np.float32) @ W
"""
RUN = """\
import resource, sys
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
sets = merged([parse_target(f"set={sys.argv[1]}")], ["blur:1"])
_, done = run(Study((WantedModel(f"python:{sys.argv[2]}:net"),), sets, sys.argv[3]))
print(done.predictions, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        (here / "net.py").write_text(MODEL)
        peaks = []
        for n in (10_000, 100_000):
            array = np.lib.format.open_memmap(
                here / f"{n}_data.npy", "w+", np.uint8, (n, 32, 32, 3)
            )
            rng = np.random.default_rng(0)
            for i in range(0, n, 10_000):
                array[i : i + 10_000] = rng.integers(0, 256, (10_000, 32, 32, 3), np.uint8)
            array.flush()
            np.save(here / f"{n}_labels.npy", np.arange(n) % 10)
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(here / f"{n}_data.npy"), str(here / "net.py"),
                 str(here / f"store{n}")],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            predictions, peak = map(int, done.stdout.split())
            peaks.append(peak)
            print(f"{n:>7,} images, {predictions:,} predictions: {peak} MiB at most")
        print(f"100,000 / 10,000: {peaks[1] / peaks[0]:.2f} (goal: about 1)")


if __name__ == "__main__":
    main()
