"""Gaussian blur."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_TRUNCATE = 4.0
# The error of a float32 mean of values up to 255 is about this, and it is added to (or taken from)
# one in 30,000 means that are truncated to another level for it.
NUDGE = 3e-5


def gaussian_blur(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """A Gaussian blur, truncated to whole levels: (h, w, 3) uint8. Not random.

    One constant: sigma in pixels. The kernel reaches 4 sigma either way; beyond an edge its own
    pixel counts. The same in both references.
    """
    source, (sigma,) = prepared("gaussian_blur", image, severity, reference)
    return smoothed(source, sigma)


def smoothed(source: Image, sigma: float) -> Image:
    """A Gaussian blur of that sigma in pixels, truncated."""
    cv2 = opencv()
    weights, lift = _gaussian(sigma)
    values = cv2.sepFilter2D(
        source, cv2.CV_32F, weights, weights, delta=lift, borderType=cv2.BORDER_REPLICATE
    )
    blurred: Image = values.astype(np.uint8)
    return blurred


@lru_cache(maxsize=32)
def _gaussian(sigma: float) -> tuple[NDArray[np.float32], float]:
    """The weights, from end to end, and what to add to a mean before it is truncated."""
    reach = int(_TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()
    white = 1.0
    for _axis in range(2):
        total = white * weights[reach]
        for place in range(reach):
            total += (white + white) * weights[place]
        white = total
    single = weights.astype(np.float32)
    single[reach] += 1 - single.sum(dtype=np.float64)
    single.flags.writeable = False
    return single, nudge(white)


def nudge(white: float) -> float:
    """What makes float32 truncate plain areas as the reference does.

    white: what the reference makes of an area of ones. Where that is 1 or more, 255 stays 255; if
    a rounding error has left it below 1, 255 becomes 254. The error of float32 would be greater
    than that, and so decide; this outweighs it.
    """
    return NUDGE if white * 255 >= 255 else -NUDGE
