"""Images as float32 from 0 to 1, and back, with the reference's rounding at every step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

Plane = NDArray[np.float32]

_FRACTIONS = np.arange(256, dtype=np.float32) / np.float32(255)
_FRACTIONS.flags.writeable = False


def fractions(values: NDArray[np.uint8]) -> Plane:
    """A plane or an image of uint8 as fractions of 255, a new array of the same shape."""
    out: Plane = opencv().LUT(values, _FRACTIONS)
    return out.reshape(values.shape)


def truncated(values: Plane) -> Image:
    """Values from 0 on, cut off at 255 and to whole numbers; `values` is written over."""
    np.minimum(values, np.float32(255), out=values)
    return values.astype(np.uint8)
