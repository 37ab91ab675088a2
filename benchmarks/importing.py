"""Import of ImageNetV2's 67 × 3 arrays against a bare PyArrow write of the same columns.

    python benchmarks/importing.py [.data/imagenetv2-predictions]

Prints the seconds of both (best of five, in turn), their ratio, the store's size as a share of the
arrays', and the peak memory of one import in a process of its own. The limit is the bytes: 188 MB
read from disk, about a fifth of that written; the bare write below is what Parquet itself costs.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heldout.imports import imagenetv2
from heldout.imports.bundle import Choices, put
from heldout.store.read import Store

SETS = ("imagenet-validation-original", "imagenetv2-b-33", "imagenetv2-c-12")


def bare(root: Path, to: Path) -> None:
    """Load the arrays and write model, example, predicted and runners-up, one file a set."""
    for name in SETS:
        ids = [i for i, _ in imagenetv2._rows(root, name)]
        paths = sorted((root / "data/predictions" / name).glob("*.npy"))
        arrays = np.empty((len(paths), len(ids), 5), np.int16)
        for i, path in enumerate(paths):
            arrays[i] = np.load(path)
        m, n = len(paths), len(ids)
        offsets = pa.array(np.arange(0, (m * n + 1) * 4, 4, dtype=np.int32))
        rest = pa.array(np.ascontiguousarray(arrays[:, :, 1:]).reshape(-1))
        table = pa.table(
            {
                "model": pa.DictionaryArray.from_arrays(
                    pa.array(np.repeat(np.arange(m, dtype=np.int32), n)), [p.stem for p in paths]
                ),
                "example": pa.DictionaryArray.from_arrays(
                    pa.array(np.tile(np.arange(n, dtype=np.int32), m)), ids
                ),
                "predicted": pa.array(np.ascontiguousarray(arrays[:, :, 0]).reshape(-1)),
                "runners_up": pa.ListArray.from_arrays(offsets, rest),
            }
        )
        pq.write_table(table, to / f"{name}.parquet", compression="zstd")


def ours(root: Path, to: Path) -> None:
    """The import, from files to a store that can be scored."""
    choices = Choices(str(root), settings=SETS)
    put(Store.create(str(to)), imagenetv2.read(root, choices), choices)


def main() -> None:
    root = imagenetv2.recognise(
        Path(sys.argv[1] if len(sys.argv) > 1 else ".data/imagenetv2-predictions")
    )
    assert root is not None, "the ImageNetV2 predictions are not there"
    if "--once" in sys.argv:
        ours(root, Path(sys.argv[-1]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    arrays = sum(
        p.stat().st_size for s in SETS for p in (root / "data/predictions" / s).glob("*.npy")
    )
    best = {"bare": np.inf, "ours": np.inf}
    for _ in range(5):
        for name, job in (("bare", bare), ("ours", ours)):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                job(root, Path(folder))
                best[name] = min(best[name], time.perf_counter() - start)
                if name == "ours":
                    size = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
    folder = tempfile.mkdtemp()
    command = [sys.executable, __file__, str(root), "--once", folder]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024
    shutil.rmtree(folder)
    print(f"bare PyArrow write: {best['bare']:.2f} s; import: {best['ours']:.2f} s;"
          f" ratio {best['ours'] / best['bare']:.2f} (goal: at most 2)")  # fmt: skip
    print(f"store: {size / 1e6:.1f} MB of {arrays / 1e6:.1f} MB arrays,"
          f" {size / arrays:.1%} (goal: at most 22 %)")  # fmt: skip
    print(f"peak memory of one import: {peak:.0f} MiB (goal: under 1,000)")


if __name__ == "__main__":
    main()
