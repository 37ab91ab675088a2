"""Whole commands from a cold process: `heldout --help`, and `results` on the ImageNetV2 store.

    python benchmarks/cold.py [.data/imagenetv2-predictions]

The limit of the first is the interpreter's own start (printed too); of the second, that and the
imports of NumPy, PyArrow and SciPy, and 4.7 million rows to decode.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from heldout.imports import imagenetv2
from heldout.imports.bundle import Choices, put
from heldout.store.read import Store

SETS = ("val", "b-33", "c-12")


def seconds(command: list[str], times: int = 7) -> float:
    """Median wall time of a command."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def main() -> None:
    root = imagenetv2.recognise(
        Path(sys.argv[1] if len(sys.argv) > 1 else ".data/imagenetv2-predictions")
    )
    assert root is not None, "the ImageNetV2 predictions are not there"
    heldout = os.path.join(os.path.dirname(sys.executable), "heldout")
    bare = seconds([sys.executable, "-c", "pass"])
    print(f"python -c pass: {bare:.2f} s; heldout --help: {seconds([heldout, '--help']):.2f} s"
          " (goal: under 0.3)")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        choices = Choices("", settings=SETS)
        put(Store.create(folder), imagenetv2.read(root, choices), choices)
        for metric in ("top-1", "top-5"):
            took = seconds([heldout, "results", "--store", folder, "--metric", metric], 5)
            print(f"heldout results, 67 models × 3 sets, {metric}: {took:.2f} s (goal: under 2)")


if __name__ == "__main__":
    main()
