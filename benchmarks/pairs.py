"""All pairs of 67 models on 50,000 images: counts, intervals, tests, against index resampling.

    python benchmarks/pairs.py [.data/imagenetv2-predictions]

The peer is the usual bootstrap, which draws 10,000 times 50,000 example indices for every pair; a
hundred draws of one pair are timed and multiplied. Ours needs no draws: the bootstrap of a paired
difference is a function of three counts, whose law is summed exactly. The limit is the matrix
product that counts agreements: 67 × 67 × 50,000 multiplications, about 0.02 s in float32.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from heldout.analysis.cells import correctness
from heldout.analysis.compare import compare
from heldout.analysis.pairs import all_pairs
from heldout.imports import imagenetv2
from heldout.imports.bundle import Choices, put
from heldout.stats.bootstrap import bootstrap_limits
from heldout.stats.paired import mcnemar_exact, tango
from heldout.stats.similarity import agreement_matrix
from heldout.store.read import Store


def timed(job: object, times: int = 3) -> float:
    """The best of a few runs, in seconds."""
    best = np.inf
    for _ in range(times):
        start = time.perf_counter()
        job()  # type: ignore[operator]
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    root = imagenetv2.recognise(
        Path(sys.argv[1] if len(sys.argv) > 1 else ".data/imagenetv2-predictions")
    )
    assert root is not None, "the ImageNetV2 predictions are not there"
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(folder)
        choices = Choices("", settings=("val",))
        put(store, imagenetv2.read(root, choices), choices)
        right = correctness(store, "imagenet-val").right
        whole = timed(lambda: compare(store, "imagenet-val", interval="bootstrap"))
    pairs = all_pairs(right)
    rng = np.random.default_rng(0)
    a, b = right[0].astype(np.int8), right[1].astype(np.int8)

    def resample() -> None:
        for _ in range(100):
            index = rng.integers(0, len(a), len(a))
            (a[index].mean() - b[index].mean())

    peer = timed(resample, 1) / 100 * 10_000 * len(pairs.i)
    product = timed(lambda: agreement_matrix(right))
    loop = timed(lambda: [(right[i] == right[j]).sum() for i in range(67) for j in range(i)], 1)
    law = timed(lambda: bootstrap_limits(pairs.b, pairs.c, pairs.n))
    score = timed(lambda: tango(pairs.b, pairs.c, pairs.n))
    test = timed(lambda: mcnemar_exact(pairs.b, pairs.c))
    print(f"{len(pairs.i):,} pairs of {len(right)} models on {right.shape[1]:,} images")
    print(f"compare with bootstrap intervals, from the store: {whole:.2f} s (goal: at most 5)")
    print(f"  of which the law of the bootstrap: {law:.2f} s; exact McNemar: {test:.3f} s")
    print(f"  Tango's intervals instead: {score:.3f} s")
    print(f"index resampling, 10,000 draws a pair: about {peer / 3600:.1f} hours;"
          f" ratio {peer / whole:,.0f}")  # fmt: skip
    print(f"agreement of all pairs by one product: {product:.3f} s; pair by pair: {loop:.2f} s;"
          f" ratio {loop / product:.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
