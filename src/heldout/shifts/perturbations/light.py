"""Brightness: from darker to brighter than the image."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.perturbations.prepare import prepared
from heldout.shifts.shift import Image


def brightness(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """V of HSV plus .02 (CIFAR-10-P: .015) times (frame - 15), clipped; frame 15 is the image.

    Hue and saturation stay, so every value is multiplied by V'/V, and black becomes grey. Results
    are exact before they are cut off; the published float64 ones lose 1 where they are whole.
    """
    now = prepared("brightness", image, frame, of)
    step, middle = now.values
    table = _table(Fraction(str(step)) * (now.number - int(middle)))
    most = now.image.max(axis=2)
    out: Image = table[most[:, :, None], now.image]
    return out


@lru_cache(maxsize=64)
def _table(added: Fraction) -> NDArray[np.uint8]:
    """[V, value] -> value * V'/V, cut off, (256, 256); read-only."""
    unit = added.denominator
    old = np.arange(256, dtype=np.int64)[:, None]
    new = np.clip(old * unit + 255 * added.numerator, 0, 255 * unit)
    value = np.arange(256, dtype=np.int64)[None, :]
    out = np.where(old > 0, value * new // (np.maximum(old, 1) * unit), new // unit)
    table = np.minimum(out, 255).astype(np.uint8)
    table.flags.writeable = False
    return table
