"""Motion blur: every pixel drags a fading trail of its neighbours along one direction."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_ANGLE = 45.0
# OpenCV multiplies kernels with fewer cells than this tap by tap, skipping the empty ones; larger
# ones go through a Fourier transform, which is slower for the few taps of a line.
_CELLS = 130
# What lifts sums of float32 that should be whole numbers over them before they are truncated.
_NUDGE = np.float32(3e-5)

Tap = tuple[int, int, float]  # rows down, columns right, weight


def motion_blur(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Motion blur along a random direction, up to 45 degrees off the rows; (h, w, 3) uint8.

    One draw: the angle, uniform in degrees. Constants: radius r in pixels and sigma. A pixel is the
    weighted mean of 2r + 1 pixels from itself onwards (not on both sides), the weights a half
    Gaussian; beyond an edge the edge's own pixel counts. The two references have the same weights
    and places and differ in the last step and at the size of the image: `imagenet-c` is the
    MotionBlur of ImageMagick, which rounds to 8 bits; `imagecorruptions` truncates (half a level
    darker on average), and leaves out all places from the first that is a whole image away, without
    making up for their weight, so that images of fewer than 2r + 1 pixels a side get dark.
    """
    source, (radius, sigma) = prepared("motion_blur", image, severity, reference, rng)
    return _blurred(source, radius, sigma, rng.uniform(-_ANGLE, _ANGLE), reference)


def _blurred(source: Image, radius: float, sigma: float, angle: float, reference: str) -> Image:
    """The corruption at one angle in degrees."""
    rounds = reference == IMAGENET_C
    values = moved(source.astype(np.float32), radius, sigma, angle, stops=not rounds)
    values += np.float32(0.5) if rounds else _NUDGE
    return values.astype(np.uint8)


def moved(
    values: NDArray[np.float32],
    radius: float,
    sigma: float,
    angle: float,
    *,
    stops: bool = False,
) -> NDArray[np.float32]:
    """A plane (h, w), or an image (h, w, channels), of float32 blurred along one direction.

    radius: in pixels, whole; sigma: of the weights exp(-i²/2σ²) at the steps i = 0, 1, … 2 radius;
    angle: in degrees, where the trail comes from: 0 from the right, 90 from below. Beyond an edge
    its own pixel counts. stops: leave out the steps from the first that is as far away as the
    image is wide or high (then the weights add up to less than 1), as `imagecorruptions` does.
    """
    cv2 = opencv()
    height, width = values.shape[:2]
    taps = _taps(radius, sigma, angle)
    if stops:
        far = (n for n, (dy, dx, _) in enumerate(taps) if abs(dy) >= height or abs(dx) >= width)
        taps = taps[: next(far, len(taps))]
    rows, columns = [tap[0] for tap in taps], [tap[1] for tap in taps]
    top, left = -min(rows), -min(columns)
    padded = cv2.copyMakeBorder(values, top, max(rows), left, max(columns), cv2.BORDER_REPLICATE)
    total: NDArray[np.float32] | None = None
    for piece in _pieces(taps):
        row, column, kernel = _kernel(piece)
        tall, wide = height + kernel.shape[0] - 1, width + kernel.shape[1] - 1
        window = padded[top + row :, left + column :][:tall, :wide]
        part = cv2.filter2D(window, cv2.CV_32F, kernel, anchor=(0, 0))[:height, :width]
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None  # the first step, (0, 0), is always there
    return np.ascontiguousarray(total).reshape(values.shape)


def _taps(radius: float, sigma: float, angle: float) -> list[Tap]:
    """The steps of the trail. Half steps go to the nearer pixel, exactly as both references do."""
    steps = int(2 * math.ceil(radius) + 1)
    weights = [math.exp(-(i * i) / (2 * sigma * sigma)) for i in range(steps)]
    whole = math.fsum(weights)
    down, right = steps * math.sin(math.radians(angle)), steps * math.cos(math.radians(angle))
    length = math.hypot(down, right)
    return [
        (
            math.ceil(i * down / length - 0.5),
            math.ceil(i * right / length - 0.5),
            weight / whole,
        )
        for i, weight in enumerate(weights)
    ]


def _pieces(taps: list[Tap]) -> Iterator[list[Tap]]:
    """The trail cut into pieces whose bounding boxes are small enough to be multiplied directly."""
    start = 0
    for stop in range(1, len(taps) + 1):
        if stop == len(taps) or _cells(taps[start], taps[stop]) >= _CELLS:
            yield taps[start:stop]
            start = stop


def _cells(one: Tap, other: Tap) -> int:
    """The area of the smallest box with both places."""
    return (abs(one[0] - other[0]) + 1) * (abs(one[1] - other[1]) + 1)


def _kernel(taps: list[Tap]) -> tuple[int, int, NDArray[np.float32]]:
    """The first row and column of a piece, and its weights as a matrix from there."""
    rows, columns = [tap[0] for tap in taps], [tap[1] for tap in taps]
    row, column = min(rows), min(columns)
    kernel = np.zeros((max(rows) - row + 1, max(columns) - column + 1), np.float32)
    for down, right, weight in taps:
        kernel[down - row, right - column] += weight
    return row, column, kernel
