"""Gaussian filters of the grey image: `geirhos.low_pass:3`, `geirhos.high_pass:1.5`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.geirhos.grey import FAMILY, Plane, grey, saved
from heldout.shifts.shift import Image, Shift, between, number_text

# The mean grey of the images of the study; also what lies beyond an image's edges.
GREY = 0.4423
_SIGMA = "sigma of the Gaussian in pixels"
_LOW, _CHECK_LOW = between("geirhos.low_pass", f"{_SIGMA} (0: not filtered)", 0, 1000)
_HIGH, _CHECK_HIGH = between(
    "geirhos.high_pass", f"{_SIGMA} (0 stands for the published 'inf': not filtered)", 0, 1000
)


def low_pass(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Grey, blurred by a Gaussian of that sigma in pixels; 0 does not filter.

    The Gaussian is cut at 4 sigma, and beyond the edges lies the grey 0.4423.
    """
    return saved(_blurred(grey(image), sigma))


def high_pass(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Grey, less its blur by a Gaussian of that sigma, the mean moved to 0.4423.

    The smaller the sigma, the less is left. 0 does not filter: it stands for the published level
    'inf', the image in grey. (A sigma that goes to 0 would leave nothing but flat grey.)
    """
    values = grey(image)
    if sigma == 0:
        return saved(values)
    rest = values - _blurred(values, sigma)
    return saved(rest + (GREY - rest.mean()))


def _blurred(values: Plane, sigma: float) -> Plane:
    """As scipy.ndimage.gaussian_filter(mode='constant', cval=GREY), by Fourier transforms.

    The time does not depend on sigma that way. A constant image keeps its exact values inside.
    """
    from scipy import fft

    reach = int(4 * sigma + 0.5)
    if reach == 0:
        return values
    height, width = values.shape
    shape = [fft.next_fast_len(side + reach, real=True) for side in (height, width)]
    rows, columns = (_transfer(sigma, reach, side) for side in shape)
    spectrum = fft.rfft2(values - GREY, shape)
    spectrum *= rows[:, None]
    spectrum *= columns[: spectrum.shape[1]]
    blurred: Plane = fft.irfft2(spectrum, shape)[:height, :width] + GREY
    return blurred


@lru_cache(maxsize=64)
def _transfer(sigma: float, reach: int, side: int) -> NDArray[np.float64]:
    """What the Gaussian does to each frequency of a circle of that many pixels."""
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    circle = np.zeros(side)
    # Where the Gaussian is longer than the circle its ends only ever meet the padding's zeros.
    np.add.at(circle, offsets % side, weights / weights.sum())
    transfer: NDArray[np.float64] = np.fft.fft(circle).real.copy()
    transfer.flags.writeable = False
    return transfer


SHIFTS = (
    Shift(
        "geirhos.low_pass",
        "grey, blurred",
        False,
        _LOW,
        low_pass,
        _CHECK_LOW,
        family=FAMILY,
        words=lambda n: f"grey, blurred with sigma {number_text(n)} px" if n else "grey",
        group="distortion",
        kind="low_pass",
    ),
    Shift(
        "geirhos.high_pass",
        "grey, less its blur",
        False,
        _HIGH,
        high_pass,
        _CHECK_HIGH,
        family=FAMILY,
        words=lambda n: f"grey, less its blur with sigma {number_text(n)} px" if n else "grey",
        group="distortion",
        kind="high_pass",
    ),
)
