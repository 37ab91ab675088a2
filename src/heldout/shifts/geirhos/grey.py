"""Grey values, as all but one of these distortions begin with; greyscale and contrast.

The values are those of scikit-image's rgb2gray, from 0 to 1. The published pictures were saved with
SciPy's toimage, which rounds 255 times the value, halves up; `saved` does the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.shift import Image, Shift, between, checked, no_number, number_text

Plane = NDArray[np.float64]

FAMILY = "geirhos2018"
_WEIGHTS = np.array([0.2125, 0.7154, 0.0721])
_CONTRAST, _CHECK_CONTRAST = between("geirhos.contrast", "contrast in percent", 0, 100)


def grey(image: Image) -> Plane:
    """The grey values (h, w), from 0 to 1, of an image (h, w, 3) uint8. BadInput for others."""
    values: Plane = (checked(image) / 255) @ _WEIGHTS
    return values


def saved(values: Plane) -> Image:
    """Grey values (h, w), clipped to 0 to 1 and rounded halves up, as (h, w, 3) uint8."""
    levels = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def at_contrast(values: Plane, contrast: float) -> Plane:
    """Every value's distance from the middle grey, 0.5, times the contrast (0 to 1)."""
    return (1 - contrast) / 2 + contrast * values


def greyscale(image: Image, number: float, rng: np.random.Generator) -> Image:
    """The grey values in all three channels (0.2125, 0.7154, 0.0721 of red, green, blue)."""
    return saved(grey(image))


def contrast(image: Image, percent: float, rng: np.random.Generator) -> Image:
    """Grey, and nearer to the middle grey: 100 percent changes nothing more, 0 is flat."""
    return saved(at_contrast(grey(image), percent / 100))


SHIFTS = (
    Shift(
        "geirhos.greyscale",
        "grey values (Rec. 709 weights)",
        False,
        "",
        greyscale,
        no_number,
        family=FAMILY,
        group="distortion",
        kind="greyscale",
    ),
    Shift(
        "geirhos.contrast",
        "grey, with less contrast",
        False,
        _CONTRAST,
        contrast,
        _CHECK_CONTRAST,
        family=FAMILY,
        words=lambda n: f"grey, contrast {number_text(n)} %",
        group="distortion",
        kind="contrast",
    ),
)
