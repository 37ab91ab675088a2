"""Stores with models under corruptions, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from heldout.analysis.corruption_settings import KINDS
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import (
    write_labels,
    write_predictions,
    write_results,
    write_settings,
)

ORIGIN = Provenance("a test", "corruptions")


def row(
    test_set: str, text: str, kind: str, severity: int, reference: str = "imagenet-c"
) -> dict[str, Any]:
    """The settings row of SET/TEXT, as a run writes it."""
    return {
        "setting": f"{test_set}/{text}",
        "label_set": test_set,
        "baseline": test_set,
        "group": "corruption",
        "subgroup": reference,
        "corruption": kind,
        "severity": severity,
        "medium": "on-disk" if "+jpeg" in text else "in-memory",
    }


def labels(store: Store, test_set: str, n: int, classes: int = 10) -> None:
    """A test set of n examples, all of the first class."""
    names = ["n01440764", *(f"c{i}" for i in range(1, classes))]
    ids = [f"{test_set}-{i}" for i in range(n)]
    write_labels(store, test_set, ids, np.zeros(n, int), names, ORIGIN)
    write_settings(store, [{"setting": test_set, "label_set": test_set, "n": n}], ORIGIN)


def run(
    store: Store,
    test_set: str,
    wrong: Mapping[str, np.ndarray],
    kinds: Sequence[str] = KINDS,
    *,
    clean: Mapping[str, np.ndarray] | None = None,
    prefix: str = "",
    suffix: str = "",
    reference: str = "imagenet-c",
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    keep: Sequence[int] | None = None,
) -> None:
    """Predictions from wrong answers, model to (kinds, 5, n) bool; clean: model to (n,).

    severities: those that are run. keep: the examples that are.
    """
    n = next(iter(wrong.values())).shape[-1]
    kept = list(range(n) if keep is None else keep)
    ids = [f"{test_set}-{i}" for i in kept]
    rows = []
    for c, kind in enumerate(kinds):
        for s in (v - 1 for v in severities):
            made = row(test_set, f"{prefix}{kind}:{s + 1}{suffix}", kind, s + 1, reference)
            if kind == "frost_photographs":
                made["corruption"] = "frost"
            rows.append(made)
            guess = np.stack([w[c, s][kept] for w in wrong.values()]).astype(int)
            write_predictions(store, Block(made["setting"], list(wrong), ids, guess), ORIGIN)
    if clean:
        guess = np.stack([c[kept] for c in clean.values()]).astype(int)
        write_predictions(store, Block(test_set, list(clean), ids, guess), ORIGIN)
    write_settings(store, rows, ORIGIN)
    store.forget()


def tabled(store: Store, cells: Sequence[tuple[str, str, float, int | None, int | None]]) -> None:
    """Published accuracies: (model, setting, value, k, n)."""
    columns = list(zip(*cells, strict=True))
    table = pa.table(
        {
            "model": pa.array(columns[0], pa.string()),
            "setting": pa.array(columns[1], pa.string()),
            "metric": pa.array(["top-1"] * len(cells), pa.string()),
            "value": pa.array(columns[2], pa.float64()),
            "k": pa.array(columns[3], pa.int64()),
            "n": pa.array(columns[4], pa.int64()),
        }
    )
    write_results(store, table, ORIGIN)
    store.forget()


def answers(
    seed: int, n: int, mean: float, kinds: int = len(KINDS), spread: float = 2.0
) -> np.ndarray:
    """Wrong answers (kinds, 5, n) of images from easy to hard, the same order everywhere."""
    rng = np.random.default_rng(seed)
    hard = np.linspace(-2, 2, n) * spread
    harder = np.linspace(-1, 1, 5)[None, :, None] + np.linspace(-0.5, 0.5, kinds)[:, None, None]
    p = 1 / (1 + np.exp(-(hard + harder + np.log(mean / (1 - mean)))))
    return np.asarray(rng.random((kinds, 5, n)) < p)
