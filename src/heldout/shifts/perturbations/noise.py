"""Noise: frame 0 is the image, every other frame has noise of its own."""

from __future__ import annotations

import numpy as np

from heldout.shifts.perturbations.prepare import prepared, quantised
from heldout.shifts.shift import Image


def gaussian_noise(
    image: Image,
    frame: float,
    rng: np.random.Generator,
    *,
    of: str = "imagenet-p",
    level: int = 1,
) -> Image:
    """Gaussian noise on every value: sd .03, .05 or .08 of 255 (CIFAR-10-P: .02, .04, .06)."""
    now = prepared("gaussian_noise", image, frame, of, level)
    if not now.number:
        return now.image.copy()
    values = rng.standard_normal(now.image.shape, dtype=np.float32)
    values *= np.float32(255 * now.values[0])
    values += now.image
    return quantised(values)


def speckle_noise(
    image: Image,
    frame: float,
    rng: np.random.Generator,
    *,
    of: str = "imagenet-p",
    level: int = 1,
) -> Image:
    """Noise in proportion to the value: sd .05, .1 or .15 of it (CIFAR-10-P: .05, .07, .1)."""
    now = prepared("speckle_noise", image, frame, of, level)
    if not now.number:
        return now.image.copy()
    values = rng.standard_normal(now.image.shape, dtype=np.float32)
    values *= np.float32(now.values[0])
    values += np.float32(1)
    values *= now.image
    return quantised(values)


def shot_noise(
    image: Image,
    frame: float,
    rng: np.random.Generator,
    *,
    of: str = "imagenet-p",
    level: int = 1,
) -> Image:
    """Poisson noise: 300, 120 or 60 photons at full brightness (CIFAR-10-P: 700, 400, 200)."""
    now = prepared("shot_noise", image, frame, of, level)
    if not now.number:
        return now.image.copy()
    photons = now.values[0]
    rate = (np.arange(256) * (photons / 255))[now.image]
    # Whole numbers: 255 * count / photons in float64 can fall just short of one.
    counts = rng.poisson(rate)
    return quantised(255 * counts // int(photons))
