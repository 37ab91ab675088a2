"""open_clip's result table: zero-shot accuracy of pretrained CLIP models on 38 sets.

Layout: docs/openclip_results.csv of github.com/mlfoundations/open_clip, one row a (name,
pretrained) pair, fractions to four decimals; docs/model_profile.csv, sizes. A model is called
NAME/PRETRAINED here. The sets, sizes and main metrics are DataComp's (Gadre et al. 2023, appendix).
The prompt classes of ImageNet-A, -R and ObjectNet are those sets' own, as the testbed restricts its
argmax to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heldout.errors import ImportFailed
from heldout.imports.bundle import Bundle, Choices
from heldout.imports.imagenet_sets import VAL, setting
from heldout.imports.tables import (
    UNKNOWN,
    Cell,
    Csv,
    as_cell,
    chosen,
    counts,
    find,
    find_repeated,
    read_csv,
    results,
    sha256,
)

NAME = "open_clip"
ABOUT = "open_clip result table: 121 models × 38 sets, zero-shot"

_MARKER = "docs/openclip_results.csv"
_PROFILE = "docs/model_profile.csv"
_ROUNDING = 0.00005
_MOST_EXACT = 10_000
TOP_1 = "top-1"

# Column: setting, metric, number of images, group.
SETS: Mapping[str, tuple[str, str, int, str]] = {
    "ImageNet 1k": (VAL, TOP_1, 50_000, "original"),
    "ImageNet v2": ("imagenetv2-matched-frequency", TOP_1, 10_000, "replicate"),
    "ImageNet Sketch": ("imagenet-sketch", TOP_1, 50_889, "natural"),
    "ImageNet-A": ("imagenet-a", TOP_1, 7_500, "natural"),
    "ImageNet-R": ("imagenet-r", TOP_1, 30_000, "natural"),
    "ObjectNet": ("objectnet-1.0-beta", TOP_1, 18_574, "natural"),
    "ImageNet-O": ("imagenet-o", TOP_1, 2_000, "natural"),
    "CIFAR-10": ("cifar10-test", TOP_1, 10_000, "original"),
    "CIFAR-100": ("cifar100-test", TOP_1, 10_000, "original"),
    "Caltech-101": ("caltech-101", "mean-per-class", 6_085, "task"),
    "CLEVR Counts": ("clevr-counts", TOP_1, 15_000, "task"),
    "CLEVR Distance": ("clevr-distance", TOP_1, 15_000, "task"),
    "Country211": ("country211", TOP_1, 21_100, "task"),
    "Describable Textures": ("describable-textures", TOP_1, 1_880, "task"),
    "EuroSAT": ("eurosat", TOP_1, 5_400, "task"),
    "FGVC Aircraft": ("fgvc-aircraft", "mean-per-class", 3_333, "task"),
    "Food-101": ("food-101", TOP_1, 25_250, "task"),
    "GTSRB": ("gtsrb", TOP_1, 12_630, "task"),
    "KITTI Vehicle Distance": ("kitti-vehicle-distance", TOP_1, 711, "task"),
    "MNIST": ("mnist", TOP_1, 10_000, "task"),
    "Oxford Flowers-102": ("oxford-flowers-102", "mean-per-class", 6_149, "task"),
    "Oxford-IIIT Pet": ("oxford-iiit-pet", "mean-per-class", 3_669, "task"),
    "Pascal VOC 2007": ("pascal-voc-2007", TOP_1, 14_976, "task"),
    "PatchCamelyon": ("patchcamelyon", TOP_1, 32_768, "task"),
    "Rendered SST2": ("rendered-sst2", TOP_1, 1_821, "task"),
    "RESISC45": ("resisc45", TOP_1, 6_300, "task"),
    "Stanford Cars": ("stanford-cars", TOP_1, 8_041, "task"),
    "STL-10": ("stl-10", TOP_1, 8_000, "task"),
    "SUN397": ("sun397", TOP_1, 108_754, "task"),
    "SVHN": ("svhn", TOP_1, 26_032, "task"),
    "Flickr": ("flickr", "mean-recall@1", 1_000, "retrieval"),
    "MSCOCO": ("mscoco", "mean-recall@1", 5_000, "retrieval"),
    "WinoGAViL": ("winogavil", "jaccard", 3_563, "retrieval"),
    "iWildCam": ("iwildcam", "macro-f1", 42_791, "task"),
    "Camelyon17": ("camelyon17", TOP_1, 85_054, "task"),
    "FMoW": ("fmow", "worst-region-top-1", 22_108, "task"),
    "Dollar Street": ("dollar-street", "worst-income-top-5", 3_503, "task"),
    "GeoDE": ("geode", "worst-region-top-1", 12_488, "task"),
}
_NOT_SETS = ("name", "pretrained", "params (M)", "FLOPs (B)")
_AVERAGE = "Average perf"


def recognise(folder: Path) -> Path | None:
    """The folder that holds docs/openclip_results.csv, in or below `folder`."""
    return find(folder, _MARKER)


def read(root: Path, choices: Choices) -> Bundle:
    """The table as results and model metadata. Raises ImportFailed for a malformed file."""
    table = read_csv(root / _MARKER)
    names = zip(table.column("name"), table.column("pretrained"), strict=True)
    models = [f"{name}/{pretrained}" for name, pretrained in names]
    if twice := find_repeated(models):
        raise ImportFailed(f"{table.path}: the row of '{twice}' (name/pretrained) occurs twice.")
    columns = [c for c in table.header if c not in _NOT_SETS and not c.startswith(_AVERAGE)]
    rows = {c: _setting(c) for c in columns}
    picked = chosen(list(rows.values()), choices.settings, f"'{table.path}'")
    kept = [c for c in columns if rows[c] in picked]
    profile = root / _PROFILE
    return Bundle(
        format=NAME,
        settings=picked,
        models=_metadata(table, models, read_csv(profile) if profile.is_file() else None),
        results=results([cell for c in kept for cell in _cells(table, c, models)]),
        notes=_notes(kept),
        hashes={p.name: sha256(p) for p in (table.path, profile) if p.is_file()},
    )


def _setting(column: str) -> dict[str, Any]:
    """The settings row: the shared one for sets that other tables have too.

    No baseline where that is the validation set on the set's own classes: this table lacks it.
    """
    name, _, n, group = SETS.get(column, (_slug(column), column, 0, "task"))
    row = setting(name)
    if row is None:
        about = f"the {column} test set"
        return {"setting": name, "n": n or None, "group": group, "description": about}
    same = row["n"] == n
    return {k: v for k, v in row.items() if (same or k != "n") and (v == VAL or k != "baseline")}


def _slug(column: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", column.lower()).strip("-")


def _cells(table: Csv, column: str, models: Sequence[str]) -> list[Cell]:
    """The cells of a column; an unknown column is its own metric, so that nothing mistakes it."""
    name, metric, n, _ = SETS.get(column, (_slug(column), _slug(column), 0, "task"))
    value = table.numbers(column)
    if np.nanmax(value, initial=0) > 1 or np.nanmin(value, initial=0) < 0:
        raise ImportFailed(f"{table.path}, column '{column}': values outside 0 to 1.")
    k = counts(value, n, _ROUNDING) if _exact(column) else np.full(len(value), UNKNOWN)
    return [
        as_cell(m, name, metric, float(v), int(count), n)
        for m, v, count in zip(models, value, k, strict=True)
        if not np.isnan(v)
    ]


def _exact(column: str) -> bool:
    """Whether at most one count rounds to a value: top-1 on at most 10,000 images."""
    _, metric, n, _ = SETS.get(column, ("", "", 0, ""))
    return metric == TOP_1 and n <= _MOST_EXACT


def _metadata(table: Csv, models: Sequence[str], profile: Csv | None) -> list[dict[str, Any]]:
    """A row a model; param_count in millions, gflops in billions of operations an image."""
    image = {} if profile is None else dict(
        zip(profile.column("model"), profile.numbers("image_size"), strict=True)
    )  # fmt: skip
    names, weights = table.column("name"), table.column("pretrained")
    millions, billions = table.numbers("params (M)"), table.numbers("FLOPs (B)")
    rows = []
    for i, model in enumerate(models):
        size = image.get(names[i], np.nan)
        rows.append(
            {
                "model": model,
                "architecture": names[i],
                "pretrained": weights[i],
                "pretraining": "extra",
                "param_count": None if np.isnan(millions[i]) else float(millions[i]),
                "gflops": None if np.isnan(billions[i]) else float(billions[i]),
                "img_size": None if np.isnan(size) else int(size),
            }
        )
    return rows


def _notes(kept: Sequence[str]) -> list[str]:
    other = [c for c in kept if c in SETS and SETS[c][1] != TOP_1]
    unknown = [c for c in kept if c not in SETS]
    exact = [c for c in kept if _exact(c)]
    notes = [
        "Values are rounded to four decimals: counts k and n are known only for sets of at most"
        f" 10,000 images ({len(exact)} columns) and where one count alone fits."
    ]
    if other:
        notes.append(
            "Not top-1 accuracy, and stored under their own metric: "
            + ", ".join(f"{c} ({SETS[c][1]})" for c in other)
            + "."
        )
    if unknown:
        notes.append(f"Columns unknown to this program, stored as they are: {', '.join(unknown)}.")
    if any(SETS.get(c, ("",))[0] in ("imagenet-a", "imagenet-r", "objectnet-1.0-beta")
           for c in kept):  # fmt: skip
        notes.append(
            "The table has no clean twin of ImageNet-A, -R or ObjectNet (the validation set on"
            " their classes); lines can only be drawn against imagenet-val. Its ObjectNet has"
            " 18,574 images, the testbed's 18,514."
        )
    return notes
