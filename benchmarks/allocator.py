"""What keeping freed memory saves: EfficientNet-Lite0 on two threads, with and without it.

    python benchmarks/allocator.py

Images a second of CPU time (user and system), one process a line, batches of 16 and 32. Without it
glibc returns every large block to the system, which clears it again for the next layer.
"""

from __future__ import annotations

import subprocess
import sys

WORK = """\
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from heldout.engine.allocator import keep_memory
from heldout.models.adapters import load
from heldout.models.classifier import Placement
size, keep = int(sys.argv[1]), sys.argv[2] == "kept"
if keep and not keep_memory():
    sys.exit("this system has no glibc")
model = load("lite:0", Placement("cpu", "float32", 1))
images = np.random.default_rng(0).integers(0, 256, (size, 224, 224, 3), dtype=np.uint8)
model.scores(images)
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime
before = spent()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda _: model.scores(images), range(192 // size)))
user, system = (b - a for a, b in zip(before, spent()))
print(f"{192 // size * size / (user + system):.1f} {user:.1f} {system:.1f}")
"""


def main() -> None:
    for size in (16, 32):
        rates = []
        for how in ("returned", "kept"):
            command = [sys.executable, "-c", WORK, str(size), how]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rate, user, system = done.stdout.split()
            rates.append(float(rate))
            print(f"batches of {size}, memory {how:<8}: {rate:>5} images a CPU second"
                  f" (user {user} s, system {system} s)")  # fmt: skip
        print(f"  kept / returned: {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
