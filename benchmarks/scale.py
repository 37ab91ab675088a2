"""A store as a large run leaves it, measured before and after `heldout compact`.

    python benchmarks/scale.py [models [settings [examples [shard]]]]     (200 2 50000 2000)

Makes a synthetic store (predicted class, confidence and top 5 of every model on every example, a
part for every setting and shard of examples), then times what people wait for and extrapolates to
1,000 models x 300 settings x 50,000 examples in shards of 1,000. The peer of the compaction is
PyArrow alone: the same rows read and written once, unsorted. The limit is the encoding of the rows.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heldout.store.block import Block
from heldout.store.files import Files
from heldout.store.part import part_writer
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_predictions

T = TypeVar("T")
PLAUSIBLE = 9  # classes that models confuse an image with


def timed(job: Callable[[], T]) -> tuple[float, T]:
    """The seconds of one run, and what it gave."""
    start = time.perf_counter()
    out = job()
    return time.perf_counter() - start, out


def shard(rng: np.random.Generator, models: int, first: int, end: int) -> Block:
    """Answers as classifiers give them: the plausible classes of an image, in some order."""
    n = end - first
    classes = rng.integers(0, 1000, (n, PLAUSIBLE))
    likely = -0.9 * np.arange(PLAUSIBLE, dtype=np.float32)
    scores = rng.standard_normal((models, n, PLAUSIBLE), dtype=np.float32) + likely
    order = np.argsort(-scores, axis=2)[:, :, :5]
    top = np.take_along_axis(np.broadcast_to(classes, scores.shape), order, axis=2)
    confidence = (1 / (1 + np.exp(-scores.max(axis=2) - 1))).astype(np.float32)
    return Block(
        "", [f"model-{i:04d}" for i in range(models)],
        [f"ILSVRC2012_val_{i + 1:08d}" for i in range(first, end)],
        top[:, :, 0], top[:, :, 1:], confidence,
    )  # fmt: skip


def make(store: Store, models: int, settings: int, examples: int, size: int) -> float:
    """Write the store; the seconds that writing took."""
    rng = np.random.default_rng(0)
    seconds = 0.0
    for first in range(0, examples, size):
        b = shard(rng, models, first, min(first + size, examples))
        run = {
            "rows": [[first, first + size, 1]],
            "fingerprints": dict.fromkeys(b.models, "f" * 32),
        }
        for s in range(settings):
            moved = Block(f"imagenet-val/fog:{s}", b.models, b.examples, (b.predicted + s) % 1000,
                          (b.runners_up + s) % 1000, b.confidence)  # fmt: skip
            took, _ = timed(
                lambda moved=moved, run=run, first=first: write_predictions(
                    store, moved, Provenance("heldout run", "run"), extra={"run": run},
                    name=f"part-run-{first:08d}",
                )
            )  # fmt: skip
            seconds += took
    return seconds


def looked_at(url: str, setting: str, model: str) -> dict[str, float]:
    """What people wait for, in seconds."""
    out = {}
    out["list all files"], _ = timed(lambda: Store.open(url).files.names("predictions"))
    everything = Store.open(url)
    names = everything.settings_with_predictions()
    out["footers of all settings"], _ = timed(lambda: [everything.pieces(s) for s in names])
    store = Store.open(url)
    out["footers of one setting"], _ = timed(lambda: store.pieces(setting))
    out["one setting, predicted"], _ = timed(lambda: store.predictions(setting))
    columns = ("runners_up", "confidence")
    out["one setting, top 5 and confidence"], _ = timed(
        lambda: store.predictions(setting, columns=columns)
    )
    out["one model of one setting"], _ = timed(lambda: store.predictions(setting, [model]))
    return out


class Counted(Files):
    """Files that count how often a folder is listed and a file opened."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.listings = self.opened = 0

    def names(self, folder: str, ending: str = ".parquet") -> list[str]:
        self.listings += 1
        return super().names(folder, ending)

    def source(self, name: str) -> object:
        self.opened += 1
        return super().source(name)


def operations(url: str, setting: str) -> tuple[int, int]:
    """Listings and opened files behind the predictions of one setting, from a cold start."""
    files = Counted(url)
    Store(files).predictions(setting)
    return files.listings, files.opened


def compacted(url: str) -> tuple[float, float, float]:
    """Compaction in a process of its own: seconds, CPU seconds, peak memory in MiB."""
    code = (
        "from heldout.store.compact import compact; from heldout.store.read import Store;"
        f" compact(Store.open({url!r}))"
    )
    seconds, _ = timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


def bytes_by_column(store: Store) -> dict[str, float]:
    """Bytes a row of every column, in the files, and of all else in them."""
    total: dict[str, float] = {}
    rows = size = 0
    for part in store.files.names("predictions"):
        meta = pq.read_metadata(store.files.path(part))
        rows += meta.num_rows
        size += store.files.size(part)
        for g in range(meta.num_row_groups):
            for c in range(meta.row_group(g).num_columns):
                column = meta.row_group(g).column(c)
                name = column.path_in_schema.split(".")[0]
                total[name] = total.get(name, 0) + column.total_compressed_size
    total["footers"] = size - sum(total.values())
    return {k: v / rows for k, v in total.items()} | {"all": size / rows}


def bare(store: Store, setting: str) -> None:
    """The peer: the parts of a setting read and written as one file, as they come."""
    parts = [p for p in store.files.names("predictions") if setting in p]
    tables = [
        pq.ParquetFile(store.files.path(p), read_dictionary=["model", "example"]).read()
        for p in parts
    ]
    table = pa.concat_tables(tables).unify_dictionaries()
    with part_writer(f"{store.files.root}/peer", table.schema) as writer:
        writer.write_table(table, row_group_size=1 << 20)


def main() -> None:
    models, settings, examples, size = (
        int(a) for a in [*sys.argv[1:], *["200", "2", "50000", "2000"][len(sys.argv) - 1 :]]
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(folder)
        writing = make(store, models, settings, examples, size)
        parts = len(store.files.names("predictions"))
        rows = models * settings * examples
        print(f"{models:,} models x {settings} settings x {examples:,} examples in shards of"
              f" {size:,}: {rows / 1e6:.0f} million rows in {parts} parts")  # fmt: skip
        print(f"written at {rows / writing / 1e6:.2f} million rows/s, the last part of a setting"
              " with all checks against the others")  # fmt: skip
        setting, model = "imagenet-val/fog:0", f"model-{models // 2:04d}"
        before, wide = looked_at(folder, setting, model), bytes_by_column(store)
        asked = operations(folder, setting)
        peer, _ = timed(lambda: bare(store, "fog%3A0"))
        seconds, cpu, memory = compacted(folder)
        fewer = operations(folder, setting)
        after, narrow = looked_at(folder, setting, model), bytes_by_column(store)
        files = len(store.files.names("predictions"))
    speed, bare_speed = rows / seconds / 1e6, rows / settings / peer / 1e6
    print(f"compacted to {files} parts in {seconds:.1f} s ({cpu:.1f} s of CPU), {speed:.2f} million"
          f" rows/s; bare PyArrow {bare_speed:.2f} (ratio {bare_speed / speed:.2f}); peak memory"
          f" {memory:.0f} MiB")  # fmt: skip
    print(f"reading one setting: {asked[0]} listings and {asked[1]} opened files before,"
          f" {fewer[0]} and {fewer[1]} after")  # fmt: skip
    for name, value in before.items():
        print(f"{name:36s} {value:8.3f} s before {after[name]:8.3f} s after")
    for name, value in wide.items():
        print(f"bytes a row, {name:23s} {value:8.3f} before {narrow[name]:10.3f} after")
    full = 1000 * 300 * 50_000
    size, hours = full * narrow["all"] / 1e9, full * cpu / rows / 3600
    print(f"\n1,000 x 300 x 50,000 = {full / 1e9:.0f} billion rows: {size:.0f} GB; 15,000 parts"
          f" before, 300 after; compaction {hours:.1f} h on one core")  # fmt: skip


if __name__ == "__main__":
    main()
