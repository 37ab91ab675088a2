"""Rotation: `rotate:10` turns an image by 10 degrees about its centre."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.shift import Image, Shift, between, checked, number_text

_WORDS, _CHECK = between("rotate", "angle in degrees, counter-clockwise", -360, 360)
_BAND = 1 << 16  # pixels at once


def rotate(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turned counter-clockwise about the centre, sampled bilinearly, rounded.

    The image keeps its size. Beyond its edges it is reflected (the edge repeated: cba|abcd|dcb), so
    that no grey or black corners appear. Quarter turns of a square and half turns are exact.
    """
    source = checked(image)
    height, width = source.shape[:2]
    turns = degrees / 90
    if turns == int(turns) and (height == width or int(turns) % 2 == 0):
        return np.ascontiguousarray(np.rot90(source, int(turns) % 4)).copy()
    flat = source.reshape(-1, 3)
    out = np.empty_like(flat)
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        places, weights = _samples(height, width, degrees, top, bottom)
        values = flat[places[0]] * weights[0]
        for place, weight in zip(places[1:], weights[1:], strict=True):
            values += flat[place] * weight
        out[top * width : bottom * width] = np.rint(values)
    return out.reshape(source.shape)


@lru_cache(maxsize=8)
def _samples(
    height: int, width: int, degrees: float, top: int, bottom: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For the pixels of some rows: the four places (4, n) to look at, and the weights (4, n, 1)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y = np.arange(top, bottom)[:, None] - (height - 1) / 2
    x = np.arange(width)[None, :] - (width - 1) / 2
    from_x = (cos * x - sin * y + (width - 1) / 2).reshape(-1)
    from_y = (sin * x + cos * y + (height - 1) / 2).reshape(-1)
    left, above = np.floor(from_x), np.floor(from_y)
    dx, dy = from_x - left, from_y - above
    columns = [_reflected(left + i, width) for i in (0, 1)]
    rows = [_reflected(above + i, height) * width for i in (0, 1)]
    places = np.stack([r + c for r in rows for c in columns])
    weights = np.stack([v * h for v in (1 - dy, dy) for h in (1 - dx, dx)])
    return places, weights.astype(np.float32)[:, :, None]


def _reflected(index: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Indices folded into 0 to n - 1: -1 is 0, n is n - 1."""
    folded = index.astype(np.intp) % (2 * n)
    return np.minimum(folded, 2 * n - 1 - folded)


SHIFTS = (
    Shift(
        "rotate",
        "turned about its centre, edges reflected",
        False,
        _WORDS,
        rotate,
        _CHECK,
        words=lambda n: f"rotated by {number_text(n)} degrees counter-clockwise, edges reflected",
    ),
)
