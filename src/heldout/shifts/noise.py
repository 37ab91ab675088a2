"""Noise: `noise:0.1` adds Gaussian noise to every value."""

from __future__ import annotations

import numpy as np

from heldout.shifts.shift import Image, Shift, between, checked, number_text

_WORDS, _CHECK = between("noise", "standard deviation as a fraction of 255", 0, 10, open_low=True)


def noise(image: Image, sd: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of mean 0 on every value of every channel, rounded and clipped to 0 to 255.

    sd: a fraction of 255. The draws are float32, in the order of the array (rows, columns, RGB).
    """
    source = checked(image)
    values = rng.standard_normal(source.shape, dtype=np.float32)
    values *= np.float32(255 * sd)
    values += source
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


SHIFTS = (
    Shift(
        "noise",
        "Gaussian noise",
        True,
        _WORDS,
        noise,
        _CHECK,
        words=lambda n: f"Gaussian noise, sd {number_text(n)} of 255",
    ),
)
