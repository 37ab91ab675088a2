"""Noise on a grey image of 30 % contrast: `geirhos.uniform_noise:0.1`, salt and pepper."""

from __future__ import annotations

import numpy as np

from heldout.shifts.geirhos.grey import FAMILY, Plane, at_contrast, grey, saved
from heldout.shifts.shift import Image, Shift, between, number_text

CONTRAST = 0.3
_WIDTH, _CHECK_WIDTH = between("geirhos.uniform_noise", "width, as a fraction of white", 0, 10)
_SHARE, _CHECK_SHARE = between("geirhos.salt_and_pepper", "share of black and white pixels", 0, 1)


def uniform_noise(image: Image, width: float, rng: np.random.Generator) -> Image:
    """Grey at 30 % contrast, plus a number between -width and width on every pixel, clipped."""
    values = grey(image)
    return saved(_noised(values, width, rng.random(values.shape)))


def salt_and_pepper(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Grey at 30 % contrast; that share of the pixels is black or white, each half of the time."""
    values = grey(image)
    return saved(_peppered(values, share, rng.random(values.shape)))


def _noised(values: Plane, width: float, draws: Plane) -> Plane:
    """Draws are uniform on [0, 1), one a pixel."""
    return at_contrast(values, CONTRAST) + (2 * width * draws - width)


def _peppered(values: Plane, share: float, draws: Plane) -> Plane:
    """The lowest draws (uniform on [0, 1), one a pixel) become black, the highest white."""
    salt, pepper = draws >= 1 - share / 2, draws < share / 2
    return at_contrast(values, CONTRAST) + salt - pepper


SHIFTS = (
    Shift(
        "geirhos.uniform_noise",
        "grey at 30 % contrast, with uniform noise",
        True,
        _WIDTH,
        uniform_noise,
        _CHECK_WIDTH,
        family=FAMILY,
        words=lambda n: f"grey at 30 % contrast, uniform noise of width {number_text(n)}",
        group="distortion",
        kind="uniform_noise",
    ),
    Shift(
        "geirhos.salt_and_pepper",
        "grey at 30 % contrast, with black and white pixels",
        True,
        _SHARE,
        salt_and_pepper,
        _CHECK_SHARE,
        family=FAMILY,
        words=lambda n: f"grey at 30 % contrast, salt and pepper on {number_text(n)} of the pixels",
        group="distortion",
        kind="salt_and_pepper",
    ),
)
