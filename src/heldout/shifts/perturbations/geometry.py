"""Moved, turned, tilted, scaled and sheared images.

ImageNet-P moves the image of 256 pixels and then cuts out the middle 224. Here the cut-out is all
there is: it is taken for the image of 256, that is, enlarged by 8/7 about its centre in the same
step. What lies beyond it is mirrored; around the smaller images of `scale` it is black, as there.
CIFAR-10-P moves the image itself, and what lies beyond is black.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.prepare import Frame, prepared
from heldout.shifts.shift import Image

Matrix = NDArray[np.float64]


def translate(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Moved by (frame - 20) pixels to the right (CIFAR-10-P: frame - 7).

    Of images of another size by as much of their side.
    """
    now = prepared("translate", image, frame, of)
    step, middle = now.values
    right = step * (now.number - middle) * now.ratio
    return _warped(now, np.array([[1, 0, right], [0, 1, 0], [0, 0, 1.0]]))


def rotate(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Turned clockwise by frame - 15 degrees."""
    now = prepared("rotate", image, frame, of)
    angle = _angle(now)
    cos, sin = math.cos(angle), math.sin(angle)
    return _warped(now, np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]))


def scale(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Scaled by .4 to 1.15 in steps of .025 (CIFAR-10-P: .7 to 1.3 by .02), around it black."""
    now = prepared("scale", image, frame, of)
    first, step = now.values
    factor = first + step * now.number
    return _warped(now, np.diag([factor, factor, 1.0]), black=True)


def shear(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Sheared by frame - 15 degrees: (x, y) goes to (x - y sin, y cos) about the centre.

    So did torchvision's affine transform when the published files were made.
    """
    now = prepared("shear", image, frame, of)
    angle = _angle(now)
    return _warped(now, np.array([[1, -math.sin(angle), 0], [0, math.cos(angle), 0], [0, 0, 1]]))


def tilt(
    image: Image, frame: float, rng: np.random.Generator | None = None, *, of: str = "imagenet-p"
) -> Image:
    """Turned out of its plane about both axes by frame - 15 degrees (CIFAR-10-P: .75 of that).

    Seen from as far as the image's diagonal; the published code has the image one pixel further
    away than that, so the frame in the middle is smaller by that much (.3 % at 256 pixels).
    """
    now = prepared("tilt", image, frame, of)
    angle = _angle(now)
    cos, sin = math.cos(angle), math.sin(angle)
    height, width = (now.of.margin * side for side in now.image.shape[:2])
    away = math.hypot(height, width)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    about_y = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    turned = about_x @ about_y
    placed = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, now.ratio]])  # (x, y, one pixel)
    seen = turned @ placed
    seen[2, 2] += away
    return _warped(now, np.diag([away, away, 1.0]) @ seen)


def _angle(now: Frame) -> float:
    step, middle = now.values
    return math.radians(step * (now.number - middle))


def _warped(now: Frame, matrix: Matrix, *, black: bool = False) -> Image:
    """The image under a 3 x 3 map of places about its centre, sampled bilinearly.

    Where the map is the identity and nothing is enlarged, the image.
    """
    cv2 = opencv()
    height, width = now.image.shape[:2]
    x, y = (width - 1) / 2, (height - 1) / 2
    enlarged = np.diag([now.of.margin, now.of.margin, 1.0])
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    back = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
    whole = back @ matrix @ enlarged @ to_centre
    whole /= whole[2, 2]
    if np.allclose(whole, np.eye(3), rtol=0, atol=1e-12):
        return now.image.copy()
    border = cv2.BORDER_CONSTANT if black or now.of.black else cv2.BORDER_REFLECT_101
    out: Image = cv2.warpPerspective(
        now.image, whole, (width, height), flags=cv2.INTER_LINEAR, borderMode=border
    )
    return np.ascontiguousarray(out)
