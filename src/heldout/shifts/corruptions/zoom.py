"""Zoom blur: the mean of the image and of ever larger enlargements of its middle."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image


def zoom_blur(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """The mean of the image and its enlargements by 1, 1 + step, …: (h, w, 3) uint8. Not random.

    Constants: where the factors stop and their step. The factors are those of numpy's arange in
    floating point, which includes the stop for some (1.11 in steps of 0.01 are 12 factors). The
    first is 1, so the image itself counts twice. Truncated. The same in both references. (At a few
    sizes, such as 36 pixels, a rounding error makes the references sample behind the last pixel,
    which gives 0 there; here it gives that pixel. Not so at 32, 64, 96, 224, 256, 299, 384.)
    """
    source, (stop, step) = prepared("zoom_blur", image, severity, reference)
    cv2 = opencv()
    height, width = source.shape[:2]
    factors = _factors(stop, step)
    # Four channels, because OpenCV samples these more than twice as fast as three.
    values = cv2.cvtColor(source, cv2.COLOR_RGB2RGBA).astype(np.float32)
    total = values + values
    enlarged = np.empty_like(values)
    for factor in factors[1:]:
        (down, top), (across, left) = _sampling(height, factor), _sampling(width, factor)
        cv2.warpAffine(
            values,
            np.array([[across, 0, left], [0, down, top]]),
            (width, height),
            enlarged,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        total += enlarged
    total /= len(factors) + 1
    blurred: Image = cv2.cvtColor(total.astype(np.uint8), cv2.COLOR_RGBA2RGB)
    return blurred


@lru_cache(maxsize=16)
def _factors(stop: float, step: float) -> NDArray[np.float64]:
    """The factors, from 1."""
    factors = np.arange(1, stop, step)
    factors.flags.writeable = False
    return factors


def _sampling(side: int, factor: float) -> tuple[float, float]:
    """Where an enlarged side samples the image: the distance between samples, and the first one.

    The middle of the side is cut out and enlarged so that its first and last pixels stay the first
    and last; what is then longer than the side is cut off at its end.
    """
    middle = math.ceil(side / factor)
    longer = round(middle * factor)
    return (middle - 1) / max(longer - 1, 1), (side - middle) // 2
