"""The Fourier spectrum of the grey image: `geirhos.phase_noise:90`, `geirhos.power_equalisation`.

Spectra are laid out as NumPy's fftshift lays them out, frequency 0 at (h // 2, w // 2), as in the
authors' file of the mean amplitude.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.shifts.geirhos.grey import FAMILY, Plane, grey, saved
from heldout.shifts.shift import Image, Shift, between, no_number, number_text

_DEGREES, _CHECK_DEGREES = between("geirhos.phase_noise", "greatest phase shift in degrees", 0, 180)
# The mean amplitude of the study's images, fitted: what `fitted` makes of the authors' file.
MEAN = 0.4545
SHAPE = (-3.2009, -1.072, -0.0352, -0.0201, 0.1529)
_KEPT = 1 << 20  # pixels


def phase_noise(
    image: Image, degrees: float, rng: np.random.Generator, *, paired: bool = False
) -> Image:
    """Grey; a random number between -degrees and degrees is added to the phase of each frequency.

    Frequency 0 stays, and so do the highest ones of an even side. As in the published images the
    shifts of the two halves of the spectrum do not match, so that each frequency gets the mean of
    two phasors: its amplitude falls too, to 80 % in root mean square at 90 degrees. paired: the two
    halves get opposite shifts, as the paper says; every amplitude stays (before clipping).
    """
    values = grey(image)
    return saved(_scrambled(values, degrees, rng.random(_pairs(*values.shape)), paired))


def power_equalisation(
    image: Image,
    number: float = 0.0,
    rng: np.random.Generator | None = None,
    *,
    amplitude: Plane | None = None,
) -> Image:
    """Grey, with the phases of the image and the amplitudes of many images' mean.

    amplitude: (h, w), such as `mean_amplitude` makes, or the authors' mean_power_spectrum_grey.npy
    for 224 pixels; without it `typical_amplitude`. Frequencies that the image lacks have no phase
    and stay away, so a flat image becomes flat grey. Raises BadInput for another shape.
    """
    from scipy import fft

    values = grey(image)
    if amplitude is None:
        amplitude = typical_amplitude(*values.shape)
    if amplitude.shape != values.shape:
        raise BadInput(
            f"The amplitude has the shape {amplitude.shape}, but the image {values.shape}. Resize"
            " the image, or make the mean amplitude from images of its size."
        )
    spectrum = fft.fftshift(fft.fft2(values))
    size = np.abs(spectrum)
    none = size <= 1e-9 * values.size
    size[none], spectrum[none] = 1.0, 0.0
    spectrum *= amplitude / size
    middle = values.shape[0] // 2, values.shape[1] // 2
    spectrum[middle] = amplitude[middle]
    return saved(fft.ifft2(fft.ifftshift(spectrum)).real)


def mean_amplitude(images: Iterable[Any]) -> Plane:
    """The mean amplitude spectrum (h, w) of images (h, w, 3) uint8 of one size, in grey.

    Raises BadInput for images of different sizes, and for none.
    """
    from scipy import fft

    total, count = np.zeros((0, 0)), 0
    for image in images:
        size = np.abs(fft.fftshift(fft.fft2(grey(image))))
        if count and size.shape != total.shape:
            raise BadInput(
                "A mean amplitude is taken over images of one size, but these have"
                f" {total.shape} and {size.shape} pixels. Resize and crop them first."
            )
        total = total + size if count else size
        count += 1
    if not count:
        raise BadInput("A mean amplitude is taken over images, but there are none.")
    mean: Plane = total / count
    return mean


def fitted(amplitude: Plane) -> tuple[float, NDArray[np.float64]]:
    """The mean grey and the five coefficients of `typical_amplitude` that fit a mean amplitude.

    Least squares on the logarithms, each frequency weighted by 1 / k, so that every ring of the
    spectrum counts the same. Raises BadInput for a side under 8 pixels.
    """
    height, width = amplitude.shape
    if min(height, width) < 8:
        raise BadInput(f"A fit needs 8 pixels a side, but the amplitude has {amplitude.shape}.")
    terms, radius = _terms(height, width)
    inside = radius > 0
    weights = 1 / np.sqrt(radius[inside])
    logs = np.log(amplitude[inside] / amplitude.size)
    found, *_ = np.linalg.lstsq(terms[inside] * weights[:, None], logs * weights, rcond=None)
    return float(amplitude[height // 2, width // 2] / amplitude.size), found.astype(np.float64)


def typical_amplitude(height: int, width: int) -> Plane:
    """A mean amplitude spectrum (h, w) of photographs in any size: the study's, fitted.

    amplitude / (h w) = exp(a + b log k + c log(k)^2 + d cos(2 t) + e cos(4 t)) at k cycles an image
    in the direction t, so the picture's content decides and not its size in pixels. Read-only.
    """
    # Those of large images are not kept: the memory would grow with them.
    make = _typical if height * width <= _KEPT else _typical.__wrapped__
    return make(height, width)


@lru_cache(maxsize=8)
def _typical(height: int, width: int) -> Plane:
    terms, _ = _terms(height, width)
    amplitude: Plane = np.exp(terms @ np.array(SHAPE)) * (height * width)
    amplitude[height // 2, width // 2] = MEAN * height * width
    amplitude.flags.writeable = False
    return amplitude


def _terms(height: int, width: int) -> tuple[NDArray[np.float64], Plane]:
    """(h, w, 5): 1, log k, its square, cos 2t, cos 4t; and k, cycles an image, 0 in the middle."""
    y = np.arange(height)[:, None] - height // 2
    x = np.arange(width)[None, :] - width // 2
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    log = np.log(np.maximum(radius, 1))
    ones = np.ones_like(log)
    return np.stack([ones, log, log**2, np.cos(2 * angle), np.cos(4 * angle)], axis=-1), radius


def _pairs(height: int, width: int) -> int:
    """How many pairs of frequencies a phase is drawn for."""
    return ((height - 1 + height % 2) * (width - 1 + width % 2)) // 2


def _scrambled(values: Plane, degrees: float, draws: Plane, paired: bool) -> Plane:
    """The plane with its phases moved. draws: uniform on [0, 1), `_pairs` of them."""
    from scipy import fft

    spectrum = fft.fftshift(fft.fft2(values))
    # The highest frequency of an even side has no opposite.
    inner = spectrum[1 - values.shape[0] % 2 :, 1 - values.shape[1] % 2 :]
    turns = np.exp(1j * np.deg2rad((draws - 0.5) * 2 * degrees))
    factors = np.concatenate([turns, [1.0], (turns[::-1] if paired else turns).conj()])
    inner *= factors.reshape(inner.shape)
    plane: Plane = fft.ifft2(fft.ifftshift(spectrum)).real
    return plane


SHIFTS = (
    Shift(
        "geirhos.phase_noise",
        "grey, with noise on the phases",
        True,
        _DEGREES,
        phase_noise,
        _CHECK_DEGREES,
        family=FAMILY,
        words=lambda n: f"grey, phase noise up to {number_text(n)} degrees",
        group="distortion",
        kind="phase_noise",
    ),
    Shift(
        "geirhos.power_equalisation",
        "grey, with the amplitude spectrum of many images",
        False,
        "",
        power_equalisation,
        no_number,
        family=FAMILY,
        group="distortion",
        kind="power_equalisation",
    ),
)
