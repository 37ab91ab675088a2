"""Motion blur that turns, zoom blur and Gaussian blur that grow."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.motion import moved
from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.prepare import prepared, quantised
from heldout.shifts.shift import Image

_EVEN = 1e-4  # so that even areas do not lose a level to rounding in float32


def motion_blur(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Motion blur of radius 10, sigma 3 at 4 (frame - 30) degrees (CIFAR-10-P: 6, 1.8, 9
    (frame - 20)).

    Radius and sigma are pixels of 224 (32): of an image of another size as much of its side.
    """
    now = prepared("motion_blur", image, frame, of)
    radius, sigma, step, last = now.values
    reach = max(1, round(radius * now.ratio))
    plane = now.image.astype(np.float32)
    blurred = moved(plane, reach, sigma * now.ratio, step * (now.number - last))
    return quantised(np.rint(blurred))


def zoom_blur(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """The mean of the image at the zooms 1, 1.004, …, 1 + .004 frame; frame 0 is the image."""
    now = prepared("zoom_blur", image, frame, of)
    cv2 = opencv()
    height, width = now.image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    total = now.image.astype(np.uint16)
    for i in range(1, now.number + 1):
        inverse = 1 / (1 + now.values[0] * i)
        start = centre * (1 - inverse)
        matrix = np.array([[inverse, 0, start[0]], [0, inverse, start[1]]])
        zoomed = cv2.warpAffine(
            now.image,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        cv2.add(total, zoomed.reshape(total.shape), dst=total, dtype=cv2.CV_16U)
    out: Image = (total // np.uint16(now.number + 1)).astype(np.uint8)
    return out


def gaussian_blur(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """A Gaussian blur of sigma .25 + .035 frame pixels (CIFAR-10-P: .3 + .015 frame).

    The kernel reaches 6 (7) sigma, edges are repeated. Sigma is in pixels of 224 (32): of an image
    of another size as much of its side.
    """
    now = prepared("gaussian_blur", image, frame, of)
    first, step, reach = now.values
    weights = _kernel((first + step * now.number) * now.ratio, reach)
    cv2 = opencv()
    blurred = cv2.sepFilter2D(
        now.image, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REPLICATE
    )
    return quantised(blurred.reshape(now.image.shape) + np.float32(_EVEN))


@lru_cache(maxsize=256)
def _kernel(sigma: float, reach: float) -> NDArray[np.float32]:
    far = int(reach * sigma + 0.5)
    distance = np.arange(-far, far + 1)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    out: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    out.flags.writeable = False
    return out
