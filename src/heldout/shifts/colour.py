"""Colour: `greyscale`, `brightness-factor:0.5`, `contrast-factor:0.5`."""

from __future__ import annotations

import numpy as np

from heldout.shifts.shift import Image, Shift, between, checked, no_number, number_text

_BRIGHTNESS, _CHECK_BRIGHTNESS = between("brightness-factor", "factor on every value", 0, 100)
_CONTRAST, _CHECK_CONTRAST = between(
    "contrast-factor", "factor on the distance from the mean", 0, 100
)
_LEVELS = np.arange(256, dtype=np.float64)


def greyscale(image: Image, number: float, rng: np.random.Generator) -> Image:
    """The luma of ITU-R BT.601 in all three channels, as Pillow rounds it (mode L)."""
    from PIL import Image as Pillow

    grey = np.asarray(Pillow.fromarray(checked(image)).convert("L"))
    return np.repeat(grey[:, :, None], 3, axis=2)


def brightness(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """Every value times that factor, rounded and clipped to 0 to 255."""
    return _mapped(checked(image), _LEVELS * factor)


def contrast(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """Every value moves from the image's mean luma (a whole number) to that factor of its distance.

    The mean is that of Pillow's ImageEnhance.Contrast; values are rounded and clipped.
    """
    from PIL import Image as Pillow

    source = checked(image)
    grey = np.asarray(Pillow.fromarray(source).convert("L"))
    mean = int(grey.mean() + 0.5)
    return _mapped(source, mean + factor * (_LEVELS - mean))


def _mapped(image: Image, table: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Image:
    """The image with every value v replaced by table[v]."""
    values = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return np.take(values, image)


SHIFTS = (
    Shift("greyscale", "greyscale (BT.601 luma)", False, "", greyscale, no_number),
    Shift(
        "brightness-factor",
        "every value times a factor",
        False,
        _BRIGHTNESS,
        brightness,
        _CHECK_BRIGHTNESS,
        words=lambda n: f"brightness times {number_text(n)}",
    ),
    Shift(
        "contrast-factor",
        "every value nearer to the image's mean, or further from it",
        False,
        _CONTRAST,
        contrast,
        _CHECK_CONTRAST,
        words=lambda n: f"contrast times {number_text(n)}",
    ),
)
