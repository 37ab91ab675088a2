"""Less resolution: `resize:64` shrinks an image and enlarges it back."""

from __future__ import annotations

import numpy as np

from heldout.shifts.shift import Image, Shift, between, checked, number_text

_WORDS, _CHECK = between("resize", "shorter side in pixels", 1, 10_000, whole=True)


def resize(image: Image, side: float, rng: np.random.Generator) -> Image:
    """Shrunk until the shorter side has that many pixels, then enlarged back, both bicubic.

    An image whose shorter side has no more pixels than that stays as it is. The longer side is
    rounded down. Pillow's bicubic filter, which averages over what it shrinks.
    """
    from PIL import Image as Pillow

    source = checked(image)
    height, width = source.shape[:2]
    short, new = min(height, width), int(side)
    if short <= new:
        return source.copy()
    small = (max(1, new * width // short), max(1, new * height // short))
    picture = Pillow.fromarray(source)
    shrunk = picture.resize(small, Pillow.Resampling.BICUBIC)
    return np.array(shrunk.resize((width, height), Pillow.Resampling.BICUBIC))


SHIFTS = (
    Shift(
        "resize",
        "shrunk and enlarged back, bicubic",
        False,
        _WORDS,
        resize,
        _CHECK,
        words=lambda n: f"shorter side shrunk to {number_text(n)} pixels and enlarged, bicubic",
    ),
)
