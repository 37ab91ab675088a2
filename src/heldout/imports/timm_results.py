"""timm's result tables: top-1 and top-5 of some 1,500 models on eight sets.

Layout: results/results-SET.csv of github.com/huggingface/pytorch-image-models, one row a model and
image size, percent to three decimals. A model is called NAME@SIZE here, since a name repeats at
other sizes. Counts are recovered where exactly one k/n rounds to the published percentage.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from heldout.errors import ImportFailed
from heldout.imports.bundle import Bundle, Choices
from heldout.imports.imagenet_sets import ON_A, ON_R, VAL, setting
from heldout.imports.tables import (
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

NAME = "timm"
ABOUT = "timm result tables: about 1,500 models × 8 sets, top-1 and top-5"

# The file is results/results-KEY.csv. The clean twins of a and r are the validation set on their
# 200 classes, which the ImageNet testbed calls val-on-…-classes: resnet50 has 91.89 and 92.15 %
# here, 91.86 and 92.12 % there, as far apart as 76.16 and 76.13 % on the whole set.
SETS: Mapping[str, str] = {
    "imagenet": VAL,
    "imagenet-real": "imagenet-real",
    "imagenetv2-matched-frequency": "imagenetv2-matched-frequency",
    "sketch": "imagenet-sketch",
    "imagenet-a": "imagenet-a",
    "imagenet-a-clean": ON_A,
    "imagenet-r": "imagenet-r",
    "imagenet-r-clean": ON_R,
}
_MARKER = "results/results-imagenet.csv"
_ROUNDING = 0.0000056  # three decimals of a percentage; real and sketch were rounded twice

# Words of a weight tag that say the weights have seen more than ImageNet-1k.
_MORE_DATA = {
    "in21k", "in22k", "in12k", "jft", "ig1b", "ig3p6b", "wsl", "swsl",
    "swag", "seer", "yfcc100m", "openai", "webli", "m30m", "m38m",
}  # fmt: skip


def recognise(folder: Path) -> Path | None:
    """The folder that holds results/results-imagenet.csv, in or below `folder`."""
    return find(folder, _MARKER)


def read(root: Path, choices: Choices) -> Bundle:
    """The tables as results and model metadata. Raises ImportFailed for a malformed file."""
    there = {key: root / f"results/results-{key}.csv" for key in SETS}
    there = {key: path for key, path in there.items() if path.is_file()}
    rows = [setting(SETS[key]) or {} for key in there]
    kept = {row["setting"] for row in chosen(rows, choices.settings, f"'{root}/results'")}
    tables = {key: read_csv(path) for key, path in there.items() if SETS[key] in kept}
    keys = {key: _models(table) for key, table in tables.items()}
    cells = [cell for key, table in tables.items() for cell in _cells(key, table, keys[key])]
    return Bundle(
        format=NAME,
        settings=[row for row in rows if row["setting"] in kept],
        models=_metadata(tables, keys),
        results=results(cells),
        notes=_notes(keys, cells, [key for key in SETS if key not in there]),
        hashes={table.path.name: sha256(table.path) for table in tables.values()},
    )


def pretraining(name: str) -> str:
    """'extra' for weights that have seen more than ImageNet-1k, else 'in1k', from timm's name.

    The tag after the first dot says it, word by word; weights distilled by SSLD saw extra images
    too. Not caught: teachers that saw more (beitv2 was taught by CLIP, `dist` by other networks).

    >>> pretraining("convnext_base.fb_in22k_ft_in1k"), pretraining("resnet50.tv_in1k")
    ('extra', 'in1k')
    """
    architecture, _, tag = name.partition(".")
    words = set(tag.split("_"))
    laion = any(word.startswith("laion") for word in words)
    if words & _MORE_DATA or laion or "clip" in words or "ssld" in tag or "ssld" in architecture:
        return "extra"
    return "in1k"


def _models(table: Csv) -> list[str]:
    names, sizes = table.column("model"), table.column("img_size")
    keys = [f"{name}@{size}" for name, size in zip(names, sizes, strict=True)]
    if twice := find_repeated(keys):
        raise ImportFailed(f"{table.path}: the row of '{twice}' (model@img_size) occurs twice.")
    return keys


def _cells(key: str, table: Csv, models: list[str]) -> list[Cell]:
    name = SETS[key]
    n = int((setting(name) or {})["n"])
    cells = []
    for column, metric in (("top1", "top-1"), ("top5", "top-5")):
        value = table.numbers(column) / 100
        k = counts(value, n, _ROUNDING)
        cells += [
            as_cell(m, name, metric, float(v), int(count), n)
            for m, v, count in zip(models, value, k, strict=True)
            if not np.isnan(v)
        ]
    return cells


def _metadata(tables: Mapping[str, Csv], keys: Mapping[str, list[str]]) -> list[Mapping[str, Any]]:
    """A row a model, from the first table that has it."""
    rows: dict[str, dict[str, Any]] = {}
    for key, table in tables.items():
        millions, crop = table.numbers("param_count"), table.numbers("crop_pct")
        names, sizes = table.column("model"), table.column("img_size")
        interpolation = table.column("interpolation")
        for i, model in enumerate(keys[key]):
            if model not in rows:
                rows[model] = {
                    "model": model,
                    "name": names[i],
                    "architecture": names[i].partition(".")[0],
                    "img_size": int(sizes[i]) if sizes[i].isdigit() else None,
                    "param_count": None if np.isnan(millions[i]) else float(millions[i]),
                    "crop_pct": None if np.isnan(crop[i]) else float(crop[i]),
                    "interpolation": interpolation[i],
                    "pretraining": pretraining(names[i]),
                }
    return list(rows.values())


def _notes(keys: Mapping[str, list[str]], cells: list[Cell], absent: list[str]) -> list[str]:
    notes = ["Models are named NAME@SIZE: the same weights at two image sizes are two models."]
    if absent:
        notes.append(f"No results-….csv here for {', '.join(absent)}.")
    everywhere = set().union(*keys.values()) if keys else set()
    for model in sorted(everywhere):
        has = [key for key in keys if model in keys[key]]
        lacks = [key for key in keys if model not in keys[key]]
        if lacks:
            short, there = (has, "only in") if len(has) <= len(lacks) else (lacks, "missing from")
            notes.append(f"'{model}' is {there} results-{', '.join(short)}.csv; left as it is.")
    vague = sum(cell.k is None for cell in cells)
    if vague:
        notes.append(
            f"{vague} of {len(cells)} values are no k/n of a known n; they have no counts."
        )
    return notes
