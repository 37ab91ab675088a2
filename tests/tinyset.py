"""A small test set and a small model, made on the spot: coloured squares and who tells colours."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.store.read import Store

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}
SHIFTS = ("blur:1", "noise:0.2", "noise:0.1+jpeg:30")


def folder(path: Path, per_class: int = 20, size: int = 12, seed: int = 0) -> Path:
    """Folders blue, green and red of noisy squares; a few have another class's colour."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (path / name).mkdir(parents=True)
        for i in range(per_class):
            base = colour if rng.random() > 0.2 else rng.permutation(list(COLOURS.values()))[0]
            noisy = np.array(base) + rng.normal(0, 45, (size, size, 3))
            pixels = np.clip(noisy, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path / name / f"{i:04d}.png")
    return path


def model(path: Path, name: str = "telltale", sharpness: float = 0.05, before: str = "") -> str:
    """A file with a plain callable, and its URI; before: lines that run for every batch."""
    prototypes = [list(c) for c in COLOURS.values()]
    path.mkdir(parents=True, exist_ok=True)
    file = path / f"{name}.py"
    head = f"""\
import os
import time

import numpy as np

PROTOTYPES = np.array({prototypes}, np.float32)
classes = {list(COLOURS)}


def {name}(images):
"""
    lines = (
        textwrap.indent(textwrap.dedent(before), "    ")
        + f"""
    mean = images.reshape(len(images), -1, 3).mean(axis=1)
    far = ((mean[:, None] - PROTOTYPES) ** 2).sum(axis=2) ** 0.5
    return (-{sharpness} * far).astype(np.float32)


{name}.classes = classes
"""
    )
    file.write_text(head + lines)
    return f"python:{file}:{name}?name={name}"


def damaged(path: Path, names: Sequence[str]) -> None:
    """Cut some files of a set in the middle."""
    for name in names:
        file = path / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def study(tmp_path: Path, store: str = "rows", **changes: object) -> Study:
    """Two models on one set, clean and under three shifts; made once, then only named."""
    images = tmp_path / "images"
    if not images.exists():
        folder(images)
    uris = [model(tmp_path / "models", n, s) for n, s in (("one", 0.05), ("two", 0.5))]
    sets = merged([parse_target(f"squares={images}")], SHIFTS)
    made = Study(tuple(WantedModel(u) for u in uris), sets, str(tmp_path / store), shard_size=16)
    return replace(made, **changes)


def rows(url: str) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """Every row of a store: (setting, model, example) -> what it says."""
    store = Store.open(url)
    columns = ("runners_up", "confidence", "error")
    out: dict[tuple[str, str, str], tuple[object, ...]] = {}
    for setting in store.settings_with_predictions():
        block = store.predictions(setting, columns=columns)
        for i, model in enumerate(block.models):
            for j, example in enumerate(block.examples):
                assert block.runners_up is not None
                assert block.confidence is not None
                out[setting, model, example] = (
                    int(block.predicted[i, j]),
                    tuple(block.runners_up[i, j].tolist()),
                    np.float32(block.confidence[i, j]).tobytes(),
                    None if block.error is None else block.error[i, j],
                )
    return out
