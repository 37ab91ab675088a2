"""The ImageNet testbed's table: 338 models in 213 settings (Taori et al. 2020).

Layout: robustness_top1s.csv of github.com/modestyachts/imagenet-testbed, one row a model, top-1 in
percent.

Every value is k/n in single precision, so k is recovered by rounding. The table mixes runs on
50,000 images with runs on a tenth of them in the same column; which is which is decided here from
the values alone (`_sizes` says how).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import ImportFailed
from heldout.imports.bundle import Bundle, Choices
from heldout.imports.imagenet_sets import VAL, setting
from heldout.imports.tables import (
    UNKNOWN,
    as_cell,
    chosen,
    counts,
    find,
    find_repeated,
    read_csv,
    results,
    sha256,
)

NAME = "imagenet-testbed"
ABOUT = "ImageNet testbed table: 338 models × 213 settings, top-1"

TABLE = "robustness_top1s.csv"
TENTH = 5_000
_NOISE = 0.005  # single precision moves v * n / 100 by at most 0.004
_MIXED = 1 / 3  # of a full run's cells about a tenth are multiples of 1/5,000 by chance
_LOW = re.compile(r"resnet(18_(50k|100k)|101)_\d+_epochs")

Matrix = NDArray[np.float64]
Sizes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Models (rows) in columns. k, n: -1 where unknown; plain: cells that were not corrupted;
    clean: those that equal the model's `val`; doubt: cells whose n is a guess."""

    columns: Sequence[str]
    percent: Matrix
    k: Sizes
    n: Sizes
    plain: Mask
    clean: Mask
    doubt: Mask

    def take(self, at: Sequence[int]) -> _Grid:
        """Some of the columns."""
        return _Grid(
            [self.columns[j] for j in at],
            self.percent[:, at],
            self.k[:, at],
            self.n[:, at],
            self.plain[:, at],
            self.clean[:, at],
            self.doubt[:, at],
        )


def recognise(folder: Path) -> Path | None:
    """The folder that holds robustness_top1s.csv, in or below `folder`."""
    return find(folder, TABLE)


def read(root: Path, choices: Choices) -> Bundle:
    """The table as results, with k and n. Raises ImportFailed for a malformed file."""
    table = read_csv(root / TABLE)
    columns = [c for c in table.header if c != "model"]
    names = [VAL if c == "val" else c for c in columns]
    rows = [setting(name) or {"setting": name} for name in names]
    kept = {row["setting"] for row in chosen(rows, choices.settings, f"'{table.path}'")}
    models = table.column("model")
    if twice := find_repeated(models):
        raise ImportFailed(f"{table.path}: the model '{twice}' has more than one row.")
    grid = _grid(np.column_stack([table.numbers(c) for c in columns]), columns)
    grid = grid.take([j for j, name in enumerate(names) if name in kept])
    cells = [
        as_cell(m, name, "top-1", value / 100, int(grid.k[i, j]), int(grid.n[i, j]))
        for i, m in enumerate(models)
        for j, name in enumerate(name for name in names if name in kept)
        if not np.isnan(value := grid.percent[i, j])
    ]
    families = _families()
    return Bundle(
        format=NAME,
        settings=[row for row in rows if row["setting"] in kept],
        models=[_model(m, families) for m in models],
        results=results(cells),
        notes=_notes(models, grid),
        hashes={TABLE: sha256(table.path)},
    )


def _grid(percent: Matrix, columns: Sequence[str]) -> _Grid:
    """The table with its counts, and what is odd about its cells."""
    clean = percent[:, columns.index("val")] if "val" in columns else np.full(len(percent), np.nan)
    equal = _uncorrupted(percent, columns, clean)
    n, doubt = _sizes(percent, columns, equal)
    k = counts(percent / 100, np.maximum(n, 1), _NOISE / np.maximum(n, 1))
    k[n == UNKNOWN] = UNKNOWN
    return _Grid(columns, percent, k, n, equal, equal & (percent == clean[:, None]), doubt)


def _sizes(percent: Matrix, columns: Sequence[str], plain: Mask) -> tuple[Sizes, Mask]:
    """The number of images behind every cell (-1 unknown), and which sizes are guesses.

    In columns of 50,000, a value that is not a multiple of 1/5,000 is a full run. One that is may
    be either, and is taken for a tenth where
    - all cells of the model on that medium (ImageNet-C on disk, in memory) are multiples, or all
      five severities of a corruption are;
    - more than a third of the model's cells on that medium are (full and tenth runs mixed): a
      guess, on the side of the wider interval;
    - it is a PGD cell: 83 of 186 models have only multiples there, and among the others they are
      far more frequent than chance: a guess, likewise.
    Uncorrupted cells (`_uncorrupted`) say nothing about the others and are not counted.
    """
    n = np.full(percent.shape, UNKNOWN, np.int64)
    doubt = np.zeros(percent.shape, bool)
    rows = {c: setting(VAL if c == "val" else c) or {} for c in columns}
    for j, c in enumerate(columns):
        n[:, j] = rows[c].get("n", UNKNOWN)
    tenth = _multiple_of_tenth(percent)
    for medium in ("in-memory", "on-disk"):
        at = np.array([j for j, c in enumerate(columns) if rows[c].get("medium") == medium], int)
        corruption = np.array([rows[columns[j]]["corruption"] for j in at])
        for i in range(len(percent)):
            yes, guess = _tenths(tenth[i, at], plain[i, at], percent[i, at], corruption)
            n[i, at[yes]] = TENTH
            doubt[i, at[guess]] = True
    pgd = [j for j, c in enumerate(columns) if rows[c].get("subgroup") == "pgd"]
    n[:, pgd] = np.where(tenth[:, pgd], TENTH, n[:, pgd])
    whole = (tenth[:, pgd] | np.isnan(percent[:, pgd])).all(axis=1, keepdims=True)
    doubt[:, pgd] = tenth[:, pgd] & ~whole
    return n, doubt


def _tenths(tenth: Mask, plain: Mask, percent: Matrix, corruption: Any) -> tuple[Mask, Mask]:
    """Which of one model's cells on one medium are tenth runs, and which of those are guesses."""
    there = ~np.isnan(percent)
    no = np.zeros(len(tenth), bool)
    if not there.any():
        return no, no
    if tenth[there].all():
        return tenth, no
    runs = no.copy()
    for name in set(corruption):
        run = corruption == name
        runs |= run & bool((tenth & ~plain)[run].all())
    counted = there & ~plain & ~runs
    if counted.any() and tenth[counted].mean() > _MIXED:
        return tenth, tenth & ~runs
    return runs, no


def _multiple_of_tenth(percent: Matrix) -> Mask:
    k = percent * TENTH / 100
    return np.asarray(np.abs(k - np.round(k)) < _NOISE)


def _uncorrupted(percent: Matrix, columns: Sequence[str], clean: Any) -> Mask:
    """In-memory cells of severity 1 that are the clean accuracy: the corruption was not applied.

    They equal the model's `val` (clean), or one value that four or more of them share (a clean run
    on fewer images). It happens in no other column.
    """
    first = [j for j, c in enumerate(columns) if c.endswith(".1_in-memory")]
    plain = np.zeros(percent.shape, bool)
    for i, row in enumerate(percent):
        seen = Counter(row[first].tolist())
        plain[i, first] = [row[j] == clean[i] or seen[row[j]] >= 4 for j in first]
    return plain


def _families() -> dict[str, str]:
    """Model name: family, as plotting/model_types.py of the repository groups them."""
    source = files("heldout.imports").joinpath("imagenet_testbed_families.json")
    families: Mapping[str, list[str]] = json.loads(source.read_text())["families"]
    return {model: family for family, models in families.items() for model in models}


def _model(name: str, families: Mapping[str, str]) -> dict[str, Any]:
    """The metadata row: family as the testbed groups models for natural and synthetic shifts.

    baseline_population: whether the testbed's own lines are fitted to it (standard training, and
    none of three words in its name).
    """
    family = families.get(name, "low_accuracy_cnn" if _LOW.fullmatch(name) else None)
    marked = any(word in name.lower() for word in ("aws", "batch64", "subsample"))
    natural = "robustness_intervention" if family == "lp_adversarial" else family
    return {
        "model": name,
        "natural_shift_family": natural,
        "synthetic_shift_family": family,
        "baseline_population": None if family is None else family == "standard" and not marked,
    }


def _notes(models: Sequence[str], grid: _Grid) -> list[str]:
    there = ~np.isnan(grid.percent)
    notes = [f"{int((~there).sum()):,} of {there.size:,} cells are empty in {TABLE} and left out."]
    if any(c.startswith("val-on-") or c.endswith("class_1_8") for c in grid.columns):
        notes.append(
            "Columns val-on-…-classes and …class_1_8 restrict the argmax to a list of classes: they"
            " are not comparable with imagenet-val."
        )
    tenths = there & (grid.n == TENTH)
    if tenths.any():
        notes.append(
            f"{int(tenths.sum()):,} cells come from runs on 5,000 images instead of 50,000: their"
            " values are multiples of 1/5,000."
        )
    if (tenths & grid.doubt).any():
        on_c = [j for j, c in enumerate(grid.columns) if c.startswith("imagenet-c.")]
        mixed = [m for m, row in zip(models, grid.doubt[:, on_c], strict=True) if row.any()]
        where = "PGD columns" + (f" and ImageNet-C for {', '.join(mixed)}" if mixed else "")
        notes.append(
            f"For {int((tenths & grid.doubt).sum())} of these this is a guess ({where}): there full"
            " and tenth runs are mixed, and one full run in ten is such a multiple by chance. The"
            " interval is then the wider one."
        )
    if grid.plain.any():
        others = int((grid.plain & ~grid.clean).sum())
        notes.append(
            f"{int(grid.clean.sum())} in-memory cells of severity 1, in"
            f" {int(grid.clean.any(axis=1).sum())} models, equal the accuracy on imagenet-val to"
            f" the last digit, and {others} more repeat one value: the corruption was evidently"
            " not applied. They are kept as published; use the on-disk columns or severities 2 to"
            " 5 instead."
        )
    odd = [c for j, c in enumerate(grid.columns) if (there & (grid.k == UNKNOWN))[:, j].any()]
    if odd:
        notes.append(
            f"{len(odd)} columns hold values that are no k/n of a known n ({', '.join(odd[:5])});"
            " their cells have no counts and so no exact intervals."
        )
    return notes
