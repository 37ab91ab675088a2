"""Elastic transform: the image stretched as if printed on rubber."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.constants import column
from heldout.shifts.corruptions.fractions import Plane, fractions, truncated
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

# imagecorruptions: strength by severity; the rest are fractions of the height or the sides.
_STRENGTH = (12.5, 16.25, 21.25, 25.0, 30.0)
_SIGMA = 0.01
_LARGEST = 0.005
_TRUNCATE = 3.0  # standard deviations
_TAPS = 61  # filters up to this long are multiplied out; longer ones go through a transform


def elastic_transform(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Every pixel displaced by smoothed noise; (h, w, 3) uint8.

    `imagenet-c` first moves three points of the image (an affine map), then displaces; its
    constants for 224 pixels follow from a side of 244 (sic), which is kept, and its strengths do
    not grow with the severity (displacements are largest at severity 2). The constants are
    fractions of the side, so that images of other sizes than 224, 64 and 32 get them in proportion.
    `imagecorruptions` has no affine map, other constants, and the noise of both axes in proportion
    to the height. Draws: the three points (x, y), then the planes of x and of y.
    """
    source, row = prepared("elastic_transform", image, severity, reference, rng)
    height, width = shape = source.shape[:2]
    if reference != IMAGENET_C:
        noise = _uniform(rng, shape, height * _LARGEST)
        sigmas = (height * _SIGMA, width * _SIGMA)
        return _displaced(fractions(source), noise, sigmas, _STRENGTH[int(severity) - 1])
    side = min(shape)
    strength, sigma, affine = (side / column(*shape) * value for value in row)
    points = rng.uniform(-affine, affine, (3, 2))
    values = _mapped(fractions(source), points)
    draws = _uniform(rng, shape, 1.0) if strength else None
    return _displaced(values, draws, (sigma, sigma), strength)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], largest: float) -> Plane:
    """Two planes (2, h, w) of uniform numbers from -largest to largest."""
    planes = rng.random((2, *shape), dtype=np.float32)
    planes *= np.float32(2 * largest)
    planes -= np.float32(largest)
    return planes


def _mapped(values: Plane, moves: NDArray[np.float64]) -> Plane:
    """The affine map that moves three points around the centre by `moves` (3, 2), in pixels.

    The reference takes (row, column) of the centre for (x, y), which matters off the square.
    """
    cv2 = opencv()
    height, width = values.shape[:2]
    reach = min(height, width) // 3
    if reach == 0:
        return values
    y, x = height // 2, width // 2
    points = [[y + reach, x + reach], [y + reach, x - reach], [y - reach, x - reach]]
    old = np.array(points, np.float32)
    matrix = cv2.getAffineTransform(old, old + moves.astype(np.float32))
    mapped: Plane = cv2.warpAffine(
        values, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return mapped.reshape(values.shape)


def _displaced(
    values: Plane, noise: Plane | None, sigmas: tuple[float, float], strength: float
) -> Image:
    """The image read at every pixel's place plus strength times the smoothed noise (2, h, w).

    noise: of x (columns), then of y (rows). Beyond an edge the image is mirrored.
    """
    if noise is not None:
        cv2 = opencv()
        height, width = values.shape[:2]
        x, y = _smoothed(noise, sigmas)
        x *= np.float32(strength)
        x += np.arange(width, dtype=np.float32)
        y *= np.float32(strength)
        y += np.arange(height, dtype=np.float32)[:, None]
        read = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        values = read.reshape(values.shape)
    return truncated(values * np.float32(255))


def _smoothed(planes: Plane, sigmas: tuple[float, float]) -> list[Plane]:
    """The planes under a Gaussian cut at three standard deviations, mirrored at the edges."""
    down, across = (_gaussian(sigma) for sigma in sigmas)
    if max(down.size, across.size) <= _TAPS:
        cv2 = opencv()
        border = {"borderType": cv2.BORDER_REFLECT}
        shape = planes.shape[1:]
        return [cv2.sepFilter2D(p, -1, across, down, **border).reshape(shape) for p in planes]
    from scipy.fft import dctn, idctn

    # Mirrored at the edges, a symmetric filter multiplies every cosine by a number.
    waves = dctn(planes, axes=(1, 2), overwrite_x=True)
    waves *= _gains(planes.shape[1], sigmas[0])[:, None]
    waves *= _gains(planes.shape[2], sigmas[1])
    return list(np.asarray(idctn(waves, axes=(1, 2), overwrite_x=True), np.float32))


@lru_cache(maxsize=64)
def _gaussian(sigma: float) -> Plane:
    """A Gaussian filter cut at three standard deviations; its weights add up to 1."""
    radius = int(_TRUNCATE * sigma + 0.5)
    steps = np.arange(-radius, radius + 1, dtype=np.float64)
    weights = np.exp(-(steps**2) / (2 * sigma**2)) if radius else np.ones(1)
    weights /= weights.sum()
    return _locked(weights)


@lru_cache(maxsize=64)
def _gains(length: int, sigma: float) -> Plane:
    """(length,) what that filter multiplies each cosine of a mirrored line by."""
    weights = _gaussian(sigma).astype(np.float64)
    steps = np.arange(weights.size) - weights.size // 2
    period = np.bincount(steps % (2 * length), weights, minlength=2 * length)
    return _locked(np.fft.rfft(period).real[:length])


def _locked(values: NDArray[Any]) -> Plane:
    """As float32, read-only: threads share it."""
    single = values.astype(np.float32)
    single.flags.writeable = False
    return single
