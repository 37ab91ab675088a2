"""Blur: `blur:2` is a Gaussian blur of sigma 2 pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.shift import Image, Shift, between, checked, number_text

TRUNCATE = 4.0
_WORDS, _CHECK = between("blur", "sigma in pixels", 0, 100, open_low=True)


def blur(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """A Gaussian blur of that sigma in pixels, rounded once at the end.

    The kernel reaches 4 sigma, rounded, either way, and sums to 1; beyond an edge the image is
    mirrored without repeating the edge (dcb|abcd|cba). In float32, rows before columns.
    """
    weights = _kernel(sigma)
    now = _along_rows(checked(image).astype(np.float32), weights)
    turned = np.ascontiguousarray(now.transpose(1, 0, 2))
    out = _along_rows(turned, weights).transpose(1, 0, 2)
    blurred: Image = np.ascontiguousarray(np.rint(out)).astype(np.uint8)
    return blurred


def _kernel(sigma: float) -> NDArray[np.float32]:
    """The weights at the distances 0, 1, … from the middle."""
    reach = int(TRUNCATE * sigma + 0.5)
    half = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights: NDArray[np.float32] = (half / (half[0] + 2 * half[1:].sum())).astype(np.float32)
    return weights


def _along_rows(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first axis of (h, w, 3) convolved with a symmetric kernel."""
    n, reach = len(values), len(weights) - 1
    padded = np.pad(values, ((reach, reach), (0, 0), (0, 0)), "reflect")
    out = padded[reach : reach + n] * weights[0]
    pair = np.empty_like(out)
    for d in range(1, reach + 1):
        np.add(padded[reach - d : reach - d + n], padded[reach + d : reach + d + n], out=pair)
        pair *= weights[d]
        out += pair
    summed: NDArray[np.float32] = out
    return summed


SHIFTS = (
    Shift(
        "blur",
        "Gaussian blur",
        False,
        _WORDS,
        blur,
        _CHECK,
        words=lambda n: f"Gaussian blur, sigma {number_text(n)} pixels",
    ),
)
