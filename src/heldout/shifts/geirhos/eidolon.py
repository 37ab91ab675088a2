"""Eidolons: `geirhos.eidolon1:8`, eidolon2 and eidolon3, by the Eidolon Factory.

Koenderink, Valsecchi, van Doorn, Wagemans & Gegenfurtner (2017), "Eidolons: Novel stimuli for
vision research", Journal of Vision 17(2):7: an image is cut into layers by scale (differences of
Gaussian blurs), each layer is displaced by a random field, and the layers are added again. Coherent
fields drag the fine layers along with the coarse ones; incoherent ones move each on its own.

Their program's ways that change the result are kept. It convolves flattened arrays, so the left
half of each Gaussian lies one row lower. It draws noise of a highest value of 127.5, takes mean /
sd off the blurred noise where one would standardise it, and takes the pixel above and left of each
displaced place. All lengths are pixels of the image as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.geirhos.grey import FAMILY
from heldout.shifts.shift import Image, Shift, between, checked, number_text

Field = NDArray[np.float32]

SIGMAS = tuple(2 ** (i / 2 - 0.5) for i in range(12))  # of the layers, 0.7 to 32 pixels
LARGEST = 64.0  # what coherent fields are scaled by
GRAIN = 10.0  # sigma of incoherent fields in pixels
COHERENCE = {"eidolon1": 1.0, "eidolon2": 0.3, "eidolon3": 0.0}
_LEAST = 512  # the plane of an image of up to 341 pixels; theirs had this one
_CUT = 1e-4  # noise is drawn for the frequencies that its blur leaves more than this of


def eidolon(
    image: Image, reach: float, rng: np.random.Generator, *, coherence: float, grain: float = GRAIN
) -> Image:
    """Grey (BT.601 luma); its layers displaced by random fields times reach, and added again.

    coherence: 1 moves fine layers with the coarse ones, 0 every layer on its own; grain: sigma of
    an incoherent field in pixels. At reach 0 the image is only blurred a little (sigma 0.7).
    """
    from PIL import Image as Pillow

    source = checked(image)
    luma = np.asarray(Pillow.fromarray(source).convert("L"))
    shape = plane_shape(*luma.shape)
    total = _rearranged(luma, reach, fields(luma.shape, shape, rng, coherence, grain))
    levels = np.clip(total, 0, 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def plane_shape(height: int, width: int) -> tuple[int, int]:
    """The plane in which an image is mirrored: powers of two from 1.5 times its sides."""
    sides = [max(_LEAST, 1 << (-(-3 * side // 2) - 1).bit_length()) for side in (height, width)]
    return sides[0], sides[1]


def fields(
    size: tuple[int, ...],
    shape: tuple[int, int],
    rng: np.random.Generator,
    coherence: float,
    grain: float,
) -> Iterator[tuple[Field, Field]]:
    """Displacements along rows and columns for reach 1, from the coarsest layer to the finest.

    size: of the image in the middle of the plane of that shape; each field has it.
    """
    coherent: list[Any] = [0.0, 0.0]
    for sigma in reversed(SIGMAS):
        both: list[Any] = [0.0, 0.0]
        for axis in (0, 1):
            if coherence > 0:
                noise = _field(size, shape, sigma, rng)
                coherent[axis] = coherent[axis] + noise * np.float32(sigma / LARGEST)
                both[axis] = both[axis] + np.float32(coherence) * coherent[axis]
            if coherence < 1:
                noise = _field(size, shape, grain, rng)
                both[axis] = both[axis] + np.float32(1 - coherence) * noise
        yield both[0], both[1]


def _rearranged(
    luma: NDArray[np.uint8], reach: float, moves: Iterable[tuple[Field, Field]]
) -> NDArray[np.float32]:
    """The sum of the layers of a picture (h, w), each displaced; values are not clipped."""
    height, width = luma.shape
    shape = plane_shape(height, width)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    around = ((top, shape[0] - height - top), (left, shape[1] - width - left))
    plane = np.pad(luma, around, mode="symmetric").astype(np.float32)
    rows = np.arange(top, top + height, dtype=np.float32)[:, None]
    columns = np.arange(left, left + width, dtype=np.float32)
    total = np.zeros((height, width), np.float32)
    coarser = None
    for blurred, (down, right) in zip(_blurs(plane), moves, strict=True):
        row = np.clip(down * np.float32(reach) + rows, 0, shape[0] - 1).astype(np.intp)
        row *= shape[1]
        row += np.clip(right * np.float32(reach) + columns, 0, shape[1] - 1).astype(np.intp)
        total += blurred.reshape(-1)[row]
        if coarser is not None:
            total -= coarser.reshape(-1)[row]
        coarser = blurred
    return total


def _blurs(plane: Field) -> Iterator[Field]:
    """The plane blurred by each sigma, the largest first."""
    from scipy import fft

    spectrum = fft.rfft2(plane)
    lower = spectrum * _row_down(plane.shape[0])[:, None]
    for sigma in reversed(SIGMAS):
        down, right, left = _gaussian(*plane.shape, sigma)
        both = spectrum * right
        both += lower * left
        both *= down[:, None]
        blurred: Field = fft.irfft2(both, plane.shape, overwrite_x=True)
        yield blurred


def _field(
    size: tuple[int, ...], shape: tuple[int, int], sigma: float, rng: np.random.Generator
) -> Field:
    """The middle of a plane of white noise, blurred; less its mean / sd over the whole plane.

    The noise is drawn as the spectrum that white noise has, only where the blur leaves something of
    it, and for no more of the plane than the image sees; its law is the same.
    """
    from scipy import fft

    height, width = part = _seen(size, shape, sigma)
    pixels, all_pixels = height * width, shape[0] * shape[1]
    y_band, x_band = (min(side // 2, int(side * _band(sigma)) + 1) for side in part)
    down, right, left = _gaussian(height, width, sigma)
    kept = _kept(height, y_band)
    down, lower = down[kept], _row_down(height)[kept]
    # Column 0 of the spectrum, and the last where it is drawn, are those of one row of noise.
    draws = rng.standard_normal((kept.size, x_band + 1, 2), dtype=np.float32)
    spectrum = draws.view(np.complex64)[:, :, 0]
    spectrum *= np.float32(np.sqrt(pixels / 2))
    for column in (0, x_band) if x_band == width // 2 else (0,):
        one = fft.fft(rng.standard_normal(height, dtype=np.float32))
        spectrum[:, column] = one[kept] * np.float32(np.sqrt(width))
    transfer = lower[:, None] * left[: x_band + 1]
    transfer += right[: x_band + 1]
    transfer *= down[:, None]
    spectrum *= transfer
    beyond = rng.standard_normal() * np.sqrt(all_pixels - pixels)
    mean = (float(spectrum[0, 0].real) + beyond) / all_pixels
    # The variance is the power of all frequencies but 0; of a part, what it is expected to be.
    whole_plane = part == shape
    power = _power(spectrum / np.float32(np.sqrt(pixels)) if whole_plane else transfer)
    total = 2 * power.sum(dtype=np.float64) - power[:, 0].sum(dtype=np.float64)
    total -= power[:, -1].sum(dtype=np.float64) if x_band == width // 2 else 0
    total -= float(power[0, 0]) if whole_plane else 0
    sd = np.sqrt(total / pixels)
    scale = 127.5 / _highest(rng, all_pixels)

    whole = np.zeros((height, x_band + 1), np.complex64)
    whole[kept] = spectrum
    top, start = (height - size[0]) // 2, (width - size[1]) // 2
    by_row = fft.ifft(whole, axis=0, overwrite_x=True)[top : top + size[0]]
    noise = fft.irfft(by_row, width, axis=1)[:, start : start + size[1]]
    noise *= np.float32(scale)
    noise -= np.float32(mean / sd)
    field: Field = noise
    return field


def _seen(size: tuple[int, ...], shape: tuple[int, int], sigma: float) -> tuple[int, int]:
    """The part of the plane, powers of two, in which a blur does not come round to the image."""
    least = [side + int(8 * sigma) for side in size]
    height, width = (min(a, 1 << (b - 1).bit_length()) for a, b in zip(shape, least, strict=True))
    return height, width


def _power(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    power: NDArray[np.float32] = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


def _highest(rng: np.random.Generator, n: int) -> float:
    """The greatest absolute value of n normal numbers, drawn at once: 4.9 for a plane of 512."""
    from scipy.special import ndtri

    # All n lie within h with the probability (1 - 2 q)^n, q the normal tail above h.
    tail = -np.expm1(np.log1p(-rng.random()) / n) / 2
    return float(-ndtri(tail))


def _band(sigma: float) -> float:
    """The frequency, in cycles a pixel, at which a Gaussian blur leaves _CUT."""
    return float(np.sqrt(-np.log(_CUT) / 2) / (np.pi * sigma))


def _kept(side: int, band: int) -> NDArray[np.intp]:
    """The places of the frequencies from -band to band in a spectrum of that side."""
    if 2 * band >= side:
        return np.arange(side)
    return np.concatenate([np.arange(band + 1), np.arange(side - band, side)])


@lru_cache(maxsize=8)
def _row_down(height: int) -> NDArray[np.complex64]:
    """What moving a plane one row down does to its spectrum."""
    moved: NDArray[np.complex64]
    moved = np.exp(-2j * np.pi * np.arange(height) / height).astype(np.complex64)
    moved.flags.writeable = False
    return moved


@lru_cache(maxsize=64)
def _gaussian(
    height: int, width: int, sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.complex64], NDArray[np.complex64]]:
    """A Gaussian's spectra: down (h); across, its right half with the middle, and its left."""

    def values(side: int) -> NDArray[np.float64]:
        # From 0 to half a side, then from the other end of the circle to -1.
        x = np.arange(side)
        x = np.where(x > side // 2, x - side, x)
        found: NDArray[np.float64] = np.exp(-0.5 * (x / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
        return found

    across = values(width)
    right, left = across.copy(), across.copy()
    right[width // 2 + 1 :] = 0
    left[: width // 2 + 1] = 0
    down = np.fft.fft(values(height)).real.astype(np.float32)
    spectra = (
        down,
        np.fft.rfft(right).astype(np.complex64),
        np.fft.rfft(left).astype(np.complex64),
    )
    for one in spectra:
        one.flags.writeable = False
    return spectra


def _shift(name: str, about: str) -> Shift:
    words, check = between(f"geirhos.{name}", "reach in pixels", 0, 1024)
    coherence = COHERENCE[name]

    def apply(image: Image, reach: float, rng: np.random.Generator) -> Image:
        return eidolon(image, reach, rng, coherence=coherence)

    return Shift(
        f"geirhos.{name}",
        about,
        True,
        words,
        apply,
        check,
        family=FAMILY,
        words=lambda n: f"{about}, reach {number_text(n)}",
        group="distortion",
        kind=name,
    )


SHIFTS = (
    _shift("eidolon1", "eidolon I (coherence 1)"),
    _shift("eidolon2", "eidolon II (coherence 0.3)"),
    _shift("eidolon3", "eidolon III (coherence 0)"),
)
