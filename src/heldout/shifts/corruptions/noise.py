"""Noise on every value of every channel by itself: Gaussian, shot, impulse and speckle noise.

Each value of the image uses up one 16-bit whole number of the generator. What follows from it is
looked up: a table holds what each of the 65,536 numbers means. So every grey level comes out with
its probability to within 2**-16, and the same numbers give the same image on every machine.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.shift import Image

_DRAWS = 1 << 16
Bytes = NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)


def gaussian_noise(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Gaussian noise, added to every value and truncated: (h, w, 3) uint8. One constant: its sd.

    The same in both references.
    """
    source, (sd,) = prepared("gaussian_noise", image, severity, reference, rng)
    return _noised(source, _look_up(_gaussian_steps(sd), source, rng))


def speckle_noise(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Gaussian noise in proportion to the value it is added to: (h, w, 3) uint8.

    One constant: the sd at full brightness. The same in both references.
    """
    source, (sd,) = prepared("speckle_noise", image, severity, reference, rng)
    return _speckled(source, _look_up(_speckle_factors(sd), source, rng))


def impulse_noise(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Salt and pepper on single values, not whole pixels: (h, w, 3) uint8.

    One constant: the share of values that become 255 or 0, half each. The same in both references.
    """
    source, (share,) = prepared("impulse_noise", image, severity, reference, rng)
    draws = draws16(source.size, rng).reshape(source.shape)
    salted, struck = (np.uint16(round(_DRAWS * part)) for part in (share / 2, share))
    return _struck(source, draws < salted, draws - salted < struck - salted)


def shot_noise(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Every value as the count of photons of a dim light: (h, w, 3) uint8.

    One constant: the mean count at full brightness, of a Poisson distribution. The same in both
    references.
    """
    source, (photons,) = prepared("shot_noise", image, severity, reference, rng)
    draws = draws16(source.size, rng).view(np.uint8)
    return _shot(source, draws[: source.size], draws[source.size :], _shot_cells(photons))


def draws16(count: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """That many whole numbers below 65,536, all equally likely: (count,), four of every 64 bits."""
    words = rng.integers(2**64 - 1, size=-(-count // 4), dtype=np.uint64, endpoint=True)
    return words.astype("<u8", copy=False).view(np.uint16)[:count]


def _look_up(table: NDArray[T], source: Image, rng: np.random.Generator) -> NDArray[T]:
    """For each value of the image, a random entry of a table with 65,536."""
    return table.take(draws16(source.size, rng)).reshape(source.shape)


@lru_cache(maxsize=1)
def _normals() -> NDArray[np.float64]:
    """The normal quantiles in the middles of 65,536 equal parts."""
    from scipy import special

    return _kept(special.ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS))


@lru_cache(maxsize=16)
def _gaussian_steps(sd: float) -> NDArray[np.int16]:
    return _kept(_steps(_normals() * sd))


@lru_cache(maxsize=16)
def _speckle_factors(sd: float) -> NDArray[np.float32]:
    return _kept((1 + _normals() * sd).astype(np.float32))


def _steps(noise: NDArray[np.float64]) -> NDArray[np.int16]:
    """What noise, in parts of 255, adds to a whole number that is truncated afterwards.

    Truncating v + noise is v + floor(noise), wherever it is not below 0, which is clipped anyway.
    """
    return np.floor(255 * noise).astype(np.int16)


def _noised(source: Image, steps: NDArray[np.int16]) -> Image:
    """The image and whole-numbered noise, clipped."""
    values = source + steps
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def _speckled(source: Image, factors: NDArray[np.float32]) -> Image:
    """The image times the factors, clipped and truncated."""
    values = source * factors
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def _struck(source: Image, salt: NDArray[np.bool_], pepper: NDArray[np.bool_]) -> Image:
    """255 where there is salt, 0 where there is pepper (or both), the image elsewhere."""
    # All bits set, or none: several times faster than choosing between arrays.
    out = source | np.negative(salt.view(np.uint8))
    out &= pepper.view(np.uint8) - np.uint8(1)
    return out


def _grey(counts: ArrayLike, photons: float) -> Bytes:
    """The grey level of a count of photons, truncated, in the reference's float64."""
    share = np.clip(np.asarray(counts) / float(photons), 0, 1)
    return (share * 255).astype(np.uint8)


def _shot(source: Image, column: Bytes, height: Bytes, cells: NDArray[np.uint32]) -> Image:
    """The image with each value replaced by one of the two grey levels of a random cell.

    column, height: flat, random bytes; cells: from `_shot_cells`.
    """
    place = source.reshape(-1).astype(np.uint16)
    place <<= 8
    place |= column
    cell = cells.take(place)
    low = height < (cell >> 16).astype(np.uint8)
    out = cell.astype(np.uint8)
    other = (cell >> 8).astype(np.uint8)
    other ^= out
    other &= np.negative(low.view(np.uint8))
    out ^= other
    return out.reshape(source.shape)


@lru_cache(maxsize=16)
def _shot_cells(photons: float) -> NDArray[np.uint32]:
    """An alias table for shot noise, (65536,): 256 cells for each of the 256 values.

    A cell: two grey levels, a·2**8 + b, and how many of its 256 parts belong to a, times 2**16.
    Each grey level gets the whole number of the 65,536 parts of a value that is nearest to its
    probability (the rounding is on the cumulated ones, so that they add up).
    """

    from scipy import special

    values = np.arange(256)
    grey = _grey(np.arange(int(photons) + 1), photons)
    below = special.pdtr(np.arange(int(photons)), photons * values[:, None] / 255)
    cuts = np.pad(np.rint(_DRAWS * below), ((0, 0), (1, 1)), constant_values=((0, 0), (0, _DRAWS)))
    levels, starts = np.unique(grey, return_index=True)
    left = np.add.reduceat(np.diff(cuts, axis=1), starts, axis=1).astype(np.int64)
    cells = np.empty((256, 256), np.uint32)
    for column in range(256):
        # Of what is left, the rarest level fills the cell as far as it can; the commonest the rest.
        rare = np.argmin(np.where(left > 0, left, _DRAWS + 1), axis=1)
        parts = np.minimum(left[values, rare], 256)
        left[values, rare] -= parts
        common = np.where(parts < 256, np.argmax(left, axis=1), rare)
        left[values, common] -= 256 - parts
        cells[:, column] = (parts % 256) << 16 | levels[rare].astype(np.int64) << 8 | levels[common]
    return _kept(cells.reshape(-1))


def _kept(table: NDArray[T]) -> NDArray[T]:
    """A table that several threads may share: it cannot be written to."""
    table.flags.writeable = False
    return table
