"""What every perturbation does first: check the image and the frame, look up its constants."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from heldout.errors import BadInput, not_found
from heldout.shifts.perturbations.constants import NOISES, Benchmark, benchmark
from heldout.shifts.shift import Image, checked


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame to be made of an image.

    image: (h, w, 3) uint8, C-contiguous. number: from 0. values: the kind's constants. ratio: the
    image's shorter side over the published side, by which lengths in pixels are multiplied.
    """

    image: Image
    number: int
    values: tuple[float, ...]
    ratio: float
    of: Benchmark


def prepared(kind: str, image: Any, frame: Any, of: str, level: int = 1) -> Frame:
    """The frame's image, number and constants.

    Raises BadInput for anything but an (h, w, 3) uint8 image, a frame that the sequence does not
    have and a level other than 1, 2 or 3 (kinds that are not noise: 1); NotFound for another
    benchmark.
    """
    source = checked(image)
    published = benchmark(of)
    name = kind if level == 1 else f"{kind}_{level}"
    if name not in published.constants:
        levels = "1, 2 or 3" if kind in NOISES else "1"
        if kind not in published.constants:
            raise not_found("perturbation", kind, published.constants, published.title)
        raise BadInput(f"Perturbation '{kind}': the level is {levels}, not {level!r}.")
    last = published.count(kind) - 1
    whole = isinstance(frame, numbers.Real) and not isinstance(frame, bool | np.bool_)
    if not whole or not 0 <= float(frame) <= last or float(frame) != int(frame):
        raise BadInput(
            f"Perturbation '{kind}' of {published.title}: the frame is a whole number from 0 to"
            f" {last}, not {frame!r}."
        )
    ratio = min(source.shape[:2]) / published.side
    return Frame(source, int(frame), published.constants[name], ratio, published)


def quantised(values: Any) -> Image:
    """Values from 0 to 255 cut off to whole ones, as the published code does, and clipped."""
    out: Image = np.ascontiguousarray(np.clip(values, 0, 255)).astype(np.uint8)
    return out
