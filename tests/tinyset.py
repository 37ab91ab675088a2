"""A small test set and a small model, made on the spot: coloured squares and who tells colours."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


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
