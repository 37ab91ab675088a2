"""Defocus blur: every pixel is the mean over a disk with a softened rim."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.blur import nudge
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_GRID = 8  # how far the published kernels reach at least


@dataclass(frozen=True, slots=True)
class _Disk:
    """A disk with a softened rim.

    kernel: the published weights; lift: what to add to a mean before it is truncated. halves: how
    far its row 0, 1, … from the middle reaches to either side, and `pixels` how many it has, before
    the rim was softened by `soft` along both axes.
    """

    kernel: NDArray[np.float32]
    lift: float
    halves: tuple[int, ...]
    pixels: int
    soft: NDArray[np.float64]


def defocus_blur(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """The mean over a disk with a softened rim, truncated: (h, w, 3) uint8. Not random.

    Constants: the disk's radius and the sigma of its rim in pixels. Beyond an edge the image is
    mirrored without repeating the edge. The same in both references.
    """
    source, (radius, rim) = prepared("defocus_blur", image, severity, reference)
    disk = _disk(radius, rim)
    if radius < _GRID:
        means = _softened(source, disk)
    else:
        cv2 = opencv()
        mirrored = cv2.BORDER_REFLECT_101
        means = cv2.filter2D(source.astype(np.float32), -1, disk.kernel, borderType=mirrored)
        means += np.float32(disk.lift)
        np.clip(means, 0, 255, out=means)  # these kernels add up to a little more than 1
    return means.astype(np.uint8)


def _softened(source: Image, disk: _Disk) -> NDArray[np.float32]:
    """The means by sums over the disk, then a small blur: faster than the kernel as a whole."""
    cv2 = opencv()
    height, width = source.shape[:2]
    more = len(disk.soft) // 2
    border = (len(disk.halves) - 1 + more,) * 4
    padded = cv2.copyMakeBorder(source, *border, cv2.BORDER_REFLECT_101)
    sums = _disk_sums(padded, disk).astype(np.float32)
    means = cv2.sepFilter2D(sums, cv2.CV_32F, disk.soft, disk.soft / disk.pixels, delta=disk.lift)
    inner: NDArray[Any] = means[more : more + height, more : more + width]
    return inner


def _disk_sums(padded: Image, disk: _Disk) -> NDArray[np.uint16]:
    """The sums over the disk around every pixel that is far enough from the edges; exact.

    16 bits hold them: a disk of radius 7 has 149 pixels. Everything is done on the flat image,
    where a step along a row is a shift; what runs over from one row to the next is cut off.
    """
    reach = len(disk.halves) - 1
    rows, columns, channels = padded.shape
    values = padded.reshape(-1).astype(np.uint16)
    margin, length = reach * channels, columns * channels
    wide, tall = columns - 2 * reach, rows - 2 * reach
    sums = np.zeros(tall * length, np.uint16)
    inner = sums[: len(sums) - 2 * margin]
    # Sums along the rows, first of 1 pixel, then of 3, 5, …; each serves the rows of that width.
    strip = values[margin : len(values) - margin].copy()
    for half in range(reach + 1):
        if half:
            step = half * channels
            strip += values[margin - step :][: len(strip)]
            strip += values[margin + step :][: len(strip)]
        for down in (d for d in range(reach + 1) if disk.halves[d] == half):
            for row in {reach - down, reach + down}:
                inner += strip[row * length :][: len(inner)]
    return sums.reshape(tall, columns, channels)[:, :wide]


@lru_cache(maxsize=32)
def _disk(radius: float, rim: float) -> _Disk:
    """The disk of one row of constants.

    The published kernel is on a grid of 17 x 17 pixels, or just as wide as a larger disk, and is
    blurred with the grid's edges mirrored. So where a disk touches them (radius 8 or more) it is
    not quite a disk blurred, and does not quite add up to 1.
    """
    cv2 = opencv()
    reach, size = (_GRID, 3) if radius <= _GRID else (int(radius), 5)
    places = np.arange(-reach, reach + 1)
    inside = places[:, None] ** 2 + places**2 <= radius**2
    disk = inside.astype(np.float32)
    disk /= disk.sum()
    kernel = cv2.GaussianBlur(disk, (size, size), sigmaX=rim)
    soft = cv2.getGaussianKernel(size, rim, cv2.CV_64F)
    for array in (kernel, soft):
        array.flags.writeable = False
    return _Disk(
        kernel=kernel,
        lift=nudge(float(kernel.astype(np.float64).sum())),
        halves=tuple(math.isqrt(int(radius**2 - down**2)) for down in range(int(radius) + 1)),
        pixels=int(inside.sum()),
        soft=soft,
    )
