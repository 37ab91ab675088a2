"""Brightness and saturation in HSV, and contrast, as ImageNet-C has them."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

# All values that a channel can have, as fractions. Tables follow the reference's double precision
# step by step: its truncation to uint8 shows where the last bit of a fraction fell.
_UNIT: NDArray[np.float64] = np.arange(256) / 255.0
_UNIT.flags.writeable = False
_BYTES = (_UNIT * 255).astype(np.uint8)  # x / 255 * 255 truncated; it is below x for some x
_BYTES.flags.writeable = False
_SIXTHS = np.arange(256, dtype=np.float64)
_SIXTHS.flags.writeable = False
_Table = TypeVar("_Table", NDArray[np.float64], NDArray[np.uint8])
_PIXELS = 1 << 16  # pixels at a time, so that the planes stay in the cache


def brightness(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """V of HSV plus a constant, clipped: colours keep hue and saturation, black becomes grey.

    image: (h, w, 3) uint8. Of the published outputs (224 pixels) 0.2 % of the values differ, by one
    level: those of the middle channel that are whole numbers but for the reference's rounding.
    """
    source, (added,) = prepared("brightness", image, severity, reference)
    cv2 = opencv()
    table = _brightened(added)
    planes = cv2.split(source)
    row = cv2.max(cv2.max(planes[0], planes[1]), planes[2]).astype(np.uint16)
    row <<= 8
    shape = source.shape[:2]
    return _merged([table.take(row | _plane(p, shape), mode="clip") for p in planes])


@lru_cache(maxsize=16)
def _brightened(added: float) -> NDArray[np.uint8]:
    """(65,536,) a channel's new value, at 256 * largest channel + its own value."""
    top = _UNIT[:, None]
    saturation = np.maximum(top - _UNIT, 0) / np.where(top == 0, 1, top)
    table = np.clip(top + added, 0, 1) * (1 - saturation) * 255
    return _locked(table.astype(np.uint8).ravel())


def saturate(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """S of HSV times a factor, plus a constant, clipped.

    image: (h, w, 3) uint8. As in the reference a grey has the hue 0, so that it turns reddish where
    the constant is above 0. Equal to the published outputs (224 pixels) in every bit.
    """
    source, (factor, added) = prepared("saturate", image, severity, reference)
    tables = _saturated(factor, added)
    out = np.empty_like(source)
    rows = max(1, _PIXELS // source.shape[1])
    for start in range(0, source.shape[0], rows):
        out[start : start + rows] = _resaturated(source[start : start + rows], *tables)
    return out


@lru_cache(maxsize=16)
def _saturated(factor: float, added: float) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Two tables (65,536,) at 256 * largest + smallest channel: the new S, the new smallest."""
    top = _UNIT[:, None]
    old = np.maximum(top - _UNIT, 0) / np.where(top == 0, 1, top)
    new = np.clip(old * factor + added, 0, 1)
    low = (top * (1 - new) * 255).astype(np.uint8)
    return _locked(new.ravel()), _locked(low.ravel())


def _resaturated(image: Image, saturations: NDArray[np.float64], lows: NDArray[np.uint8]) -> Image:
    """The image with those saturations: the largest channel stays, the smallest is in the table.

    The middle one goes through the hue, in the reference's order of operations.
    """
    cv2 = opencv()
    shape = image.shape[:2]
    red, green, blue = (_plane(plane, shape) for plane in cv2.split(image))
    top = _plane(cv2.max(cv2.max(red, green), blue), shape)
    bottom = _plane(cv2.min(cv2.min(red, green), blue), shape)
    index = top.astype(np.intp)
    index <<= 8
    index += bottom

    # The hue in sixths, from the largest channel: blue before green before red where they tie.
    is_blue = _equal(blue, top)
    is_green = _equal(green, top) & ~is_blue
    ahead, behind = green.copy(), blue.copy()
    for mask, above, below in ((is_green, blue, red), (is_blue, red, green)):
        _put(above, mask, ahead)
        _put(below, mask, behind)
    value = _fractions(top)
    spread = value - _fractions(bottom)
    _put(np.ones(shape), _equal(top, bottom), spread)  # a grey has the hue 0
    hue = _fractions(ahead)
    hue -= _fractions(behind)
    hue /= spread
    hue += _looked_up((is_green & np.uint8(2)) | (is_blue & np.uint8(4)), _SIXTHS)
    hue /= 6
    np.add(hue, 1, out=hue, where=hue < 0)
    hue *= 6
    hue -= np.floor(hue)
    np.subtract(1, hue, out=hue, where=ahead >= behind)

    middle = hue
    middle *= saturations.take(index, mode="clip")
    np.subtract(1, middle, out=middle)
    middle *= value
    middle *= 255
    between = middle.astype(np.uint8)
    low, high = lows.take(index, mode="clip"), _looked_up(top, _BYTES)
    # In a grey every channel is both: red is the largest there, the others are the smallest.
    largest, smallest = (high, top), (low, bottom)
    planes = []
    for plane in (red, green, blue):
        new = between.copy()
        ends = (smallest, largest) if plane is red else (largest, smallest)
        for values, end in ends:
            _put(values, _equal(plane, end), new)
        planes.append(new)
    return _merged(planes)


def contrast(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """Every value moves towards its channel's mean, to that factor of the distance.

    image: (h, w, 3) uint8. Equal to the published outputs (224 pixels) in every bit.
    """
    source, (factor,) = prepared("contrast", image, severity, reference)
    cv2 = opencv()
    means = np.array(cv2.mean(source)[:3]) / 255.0
    table = np.clip((_UNIT[:, None] - means) * factor + means, 0, 1) * 255
    out: Image = cv2.LUT(source, table.astype(np.uint8)[:, None, :])
    return out.reshape(source.shape)


def _fractions(plane: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A plane as fractions of 255."""
    return _looked_up(plane, _UNIT)


def _looked_up(plane: NDArray[np.uint8], table: _Table) -> _Table:
    """table[plane] for a table of 256."""
    values: _Table = opencv().LUT(plane, table)
    return values.reshape(plane.shape)


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """255 where two planes agree, else 0."""
    cv2 = opencv()
    return _plane(cv2.compare(one, other, cv2.CMP_EQ), one.shape)


def _put(values: _Table, mask: NDArray[np.uint8], into: _Table) -> None:
    """into[mask] = values[mask]."""
    opencv().copyTo(values, mask, into)


def _plane(plane: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The plane in two dimensions, whatever OpenCV makes of sides of one pixel."""
    return plane.reshape(shape)


def _merged(planes: list[NDArray[np.uint8]]) -> Image:
    """The planes as one image (h, w, 3)."""
    image: Image = opencv().merge(planes)
    return image


def _locked(table: _Table) -> _Table:
    """The table, read-only: threads share it."""
    table.flags.writeable = False
    return table
