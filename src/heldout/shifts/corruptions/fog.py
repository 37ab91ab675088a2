"""Fog: a cloud of random heights over the image."""

from __future__ import annotations

import numpy as np

from heldout.shifts.corruptions.fractions import Plane, truncated
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_ROUGHNESS = 100.0


def fog(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """The image plus a cloud, scaled back to its own largest value; (h, w, 3) uint8.

    The cloud is a map of random heights (diamond-square on a torus, Fournier et al. 1982). Its side
    is the power of two that covers the image: 256 for 224 pixels, 64 and 32 for those, as in both
    references, which differ in the constants only. A black image stays black. Draws: side² - 1
    uniform numbers.
    """
    source, (strength, decay) = prepared("fog", image, severity, reference, rng)
    side = _side(max(source.shape[:2]))
    heights = _cloud(rng.random(side * side - 1, dtype=np.float32), side, decay)
    return _fogged(source, heights, strength)


def _side(longest: int) -> int:
    """The power of two, from 2 on, that covers that many pixels.

    >>> _side(224), _side(64), _side(65), _side(1)
    (256, 64, 128, 2)
    """
    return max(2, 1 << (longest - 1).bit_length())


def _cloud(uniform: Plane, side: int, decay: float) -> Plane:
    """A map (side, side) of heights from side² - 1 uniform numbers in [0, 1).

    Coarse to fine: the centre of every square is the mean of its corners, the middle of every edge
    the mean of its four neighbours, each plus noise up to the square of the roughness (sic), which
    is divided by the decay from level to level.
    """
    heights = np.zeros((1, 1), np.float32)
    roughness = _ROUGHNESS
    start = 0
    while heights.shape[0] < side:
        cells = heights.size
        noise = uniform[start : start + 3 * cells].reshape(3, *heights.shape)
        start += 3 * cells
        noise = noise * np.float32(2 * roughness**2) - np.float32(roughness**2)
        heights = _finer(heights, noise)
        roughness /= decay
    return heights


def _finer(corners: Plane, noise: Plane) -> Plane:
    """The map with twice as many points a side. noise (3, n, n): squares, edges across, down."""
    quarter = corners * np.float32(0.25)
    down = _with_next(quarter, 0)  # the two ends of every edge down, and across
    across = _with_next(quarter, 1)
    squares, tops, lefts = noise
    squares += _with_next(down, 1)
    shares = squares * np.float32(0.25)
    tops += across
    tops += shares
    tops[1:] += shares[:-1]
    tops[0] += shares[-1]
    lefts += down
    lefts += shares
    lefts[:, 1:] += shares[:, :-1]
    lefts[:, 0] += shares[:, -1]
    side = corners.shape[0]
    finer = np.empty((side, 2, side, 2), np.float32)
    finer[:, 0, :, 0] = corners
    finer[:, 0, :, 1] = tops
    finer[:, 1, :, 0] = lefts
    finer[:, 1, :, 1] = squares
    return finer.reshape(2 * side, 2 * side)


def _with_next(values: Plane, axis: int) -> Plane:
    """Every value plus the next along an axis, around the torus."""
    sums = values.copy()
    rows, source = (sums, values) if axis == 0 else (sums.T, values.T)
    rows[:-1] += source[1:]
    rows[-1] += source[0]
    return sums


def _fogged(source: Image, heights: Plane, strength: float) -> Image:
    """The image under a cloud. A black image stays black."""
    cv2 = opencv()
    height, width = source.shape[:2]
    low, high = cv2.minMaxLoc(heights)[:2]
    largest = float(source.max()) / 255
    keep = largest / (largest + strength)
    scale = strength * keep * 255 / (high - low)
    cloud = heights[:height, :width] * np.float32(scale)
    cloud -= np.float32(low * scale)
    table = np.arange(256, dtype=np.float32) * np.float32(keep)
    planes = []
    for plane in cv2.split(source):
        values: Plane = cv2.LUT(plane, table).reshape(height, width)
        values += cloud
        planes.append(truncated(values))
    out: Image = cv2.merge(planes)
    return out
