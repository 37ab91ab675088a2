"""Snow: blurred flakes that fall, over a whitened image."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.constants import Row
from heldout.shifts.corruptions.fractions import Plane, truncated
from heldout.shifts.corruptions.motion import moved
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_ANGLES = (-135.0, -45.0)  # degrees
_GREY = (0.299, 0.587, 0.114)


def snow(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Flakes blurred along one direction, twice (once turned by 180 degrees); (h, w, 3) uint8.

    Constants as in `constants.FIELDS`. `imagenet-c` cuts the layer of flakes to the image and to 8
    bits before it is blurred, `imagecorruptions` after. Draws: normal numbers for the part of the
    layer that is magnified, by rows; then the angle, uniform from -135 to -45 degrees.
    """
    source, row = prepared("snow", image, severity, reference, rng)
    _, _, rows, columns = _part(source.shape[:2], row[2])
    normals = rng.standard_normal((rows, columns), dtype=np.float32)
    return _snowed(source, row, normals, rng.uniform(*_ANGLES), reference)


def _part(shape: tuple[int, ...], zoom: float) -> tuple[int, int, int, int]:
    """The part of a layer of that shape that is magnified: first row, column; rows, columns."""
    rows, columns = (math.ceil(length / zoom) for length in shape[:2])
    return (shape[0] - rows) // 2, (shape[1] - columns) // 2, rows, columns


def _snowed(source: Image, row: Row, normals: Plane, angle: float, reference: str) -> Image:
    """The corruption from its draws: standard normals for the part, the angle in degrees."""
    mean, deviation, zoom, threshold, radius, sigma, share = row
    height, width = source.shape[:2]
    flakes = _magnified(normals * np.float32(deviation) + np.float32(mean), zoom)
    cv2 = opencv()
    if reference == IMAGENET_C:
        top, left = (flakes.shape[0] - height) // 2, (flakes.shape[1] - width) // 2
        flakes = flakes[top : top + height, left : left + width]
    flakes = cv2.threshold(flakes, threshold, 0, cv2.THRESH_TOZERO)[1]
    flakes = flakes * np.float32(255)
    np.clip(flakes, 0, 255, out=flakes)
    if reference == IMAGENET_C:
        np.trunc(flakes, out=flakes)
    flakes = moved(flakes, radius, sigma, angle, stops=reference != IMAGENET_C)
    layer = np.rint(flakes[:height, :width])
    layer += layer[::-1, ::-1].copy()
    return _whitened(source, layer, share)


def _magnified(part: Plane, zoom: float) -> Plane:
    """The part, `zoom` times as large: linear, the corners on the corners."""
    first, second, weight = _places(part.shape[0], zoom)
    low, high = part[first], part[second]
    high -= low
    high *= weight[:, None]
    high += low
    first, second, weight = _places(part.shape[1], zoom)
    low, high = high.take(first, axis=1), high.take(second, axis=1)
    high -= low
    high *= weight
    high += low
    return high


@lru_cache(maxsize=64)
def _places(length: int, zoom: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Plane]:
    """Where a magnified line reads the line: between which two places, and how far between."""
    longer = round(length * zoom)
    places = np.arange(longer) * ((length - 1) / max(1, longer - 1))
    first = np.minimum(places.astype(np.intp), length - 1)
    second = np.minimum(first + 1, length - 1)
    weight = (places - first).astype(np.float32)
    for array in (first, second, weight):
        array.flags.writeable = False
    return first, second, weight


def _whitened(source: Image, layer: Plane, share: float) -> Image:
    """That share of the image, the rest of a brighter grey of it, plus the layer (0 to 510)."""
    cv2 = opencv()
    shape = source.shape[:2]
    planes = [plane.reshape(shape).astype(np.float32) for plane in cv2.split(source)]
    grey = np.full(shape, np.float32(127.5))
    for plane, weight in zip(planes, _GREY, strict=True):
        grey += plane * np.float32(1.5 * weight)
    done = []
    for plane in planes:
        white = np.maximum(plane, grey)
        white *= np.float32(1 - share)
        plane *= np.float32(share)
        white += plane
        white += layer
        done.append(truncated(white))
    out: Image = cv2.merge(done)
    return out
