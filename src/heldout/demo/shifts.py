"""Image shifts for 8 × 8 digits: each takes one image, a strength and a generator.

Images hold whole numbers from 0 (paper) to 16 (ink), and so does what comes out: a shifted digit is
again a digit that the form reader could have produced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.demo.data import BRIGHTEST
from heldout.demo.draws import generator
from heldout.errors import BadInput, not_found

Image = NDArray[np.float64]
SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift: what it does to an image, its strength at severities 1 to 5, a sentence."""

    name: str
    apply: Callable[[Image, float, np.random.Generator], Image]
    strengths: tuple[float, float, float, float, float]
    description: str

    def says(self, severity: int) -> str:
        """The sentence with the strength in its place."""
        return self.description.format(f"{self.strengths[severity - 1]:g}")


def noise(image: Image, sd: float, rng: np.random.Generator) -> Image:
    """Gaussian noise of that standard deviation on every pixel."""
    return image + sd * rng.standard_normal(image.shape)


def impulse(image: Image, share: float, rng: np.random.Generator) -> Image:
    """That share of the pixels, drawn one by one, becomes all paper or all ink."""
    hit, ink = rng.random(image.shape) < share, rng.random(image.shape) < 0.5
    return np.where(hit, np.where(ink, float(BRIGHTEST), 0.0), image)


def blur(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """A Gaussian blur; beyond the edge there is paper."""
    from scipy.ndimage import gaussian_filter

    blurred: Image = gaussian_filter(image, sigma, mode="constant")
    return blurred


def contrast(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """Every pixel moves towards the image's mean; `factor` of its distance is left."""
    return factor * image + (1.0 - factor) * float(image.mean())


def rotate(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """A rotation by that angle, to the left or to the right."""
    angle = np.deg2rad(degrees) * rng.choice((-1.0, 1.0))
    cos, sin = np.cos(angle), np.sin(angle)
    return _moved(image, np.array([[cos, -sin], [sin, cos]]), np.zeros(2))


def translate(image: Image, pixels: float, rng: np.random.Generator) -> Image:
    """A move by that distance in a direction drawn at random."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    return _moved(image, np.eye(2), pixels * np.array([np.sin(angle), np.cos(angle)]))


def shrink(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """A digit of that fraction of its size, in the middle."""
    return _moved(image, np.eye(2) / factor, np.zeros(2))


def cutout(image: Image, side: float, rng: np.random.Generator) -> Image:
    """A square of that side, anywhere within the image, becomes paper."""
    width = int(side)
    top, left = rng.integers(0, np.array(image.shape) - width, endpoint=True)
    out = image.copy()
    out[top : top + width, left : left + width] = 0.0
    return out


SHIFTS = (
    Shift("noise", noise, (1.5, 3.0, 4.5, 6.0, 8.0), "Gaussian noise, sd {} of 16 grey levels"),
    Shift("impulse", impulse, (0.05, 0.1, 0.2, 0.3, 0.4), "{} of the pixels all paper or all ink"),
    Shift("blur", blur, (0.5, 0.75, 1.0, 1.25, 1.5), "Gaussian blur, sigma {} pixels"),
    Shift("contrast", contrast, (0.7, 0.5, 0.35, 0.25, 0.15), "contrast times {}"),
    Shift("rotate", rotate, (8.0, 16.0, 24.0, 32.0, 40.0), "rotated by {} degrees, either way"),
    Shift("translate", translate, (0.25, 0.5, 0.75, 1.0, 1.5), "moved by {} pixels, any way"),
    Shift("shrink", shrink, (0.95, 0.9, 0.85, 0.8, 0.7), "{} of the size"),
    Shift("cutout", cutout, (1.0, 2.0, 3.0, 4.0, 5.0), "a square of {} pixels a side erased"),
)


def shifted(
    images: NDArray[Any], shift: Shift, severity: int, ids: Sequence[str], seed: int
) -> NDArray[np.uint8]:
    """Images (n, 8, 8) under a shift; ids: their n example ids.

    What happens to an image depends on the seed, the shift, the severity and its own id, never on
    the images beside it. Raises BadInput for a severity that is not 1 to 5.
    """
    if severity not in SEVERITIES:
        raise BadInput(f"Severity {severity} of shift '{shift.name}': give a whole number 1 to 5.")
    strength = shift.strengths[severity - 1]
    out = np.empty(images.shape, np.uint8)
    for i, (image, example) in enumerate(zip(images, ids, strict=True)):
        rng = generator(seed, shift.name, severity, example)
        new = shift.apply(image.astype(np.float64), strength, rng)
        out[i] = np.clip(np.rint(new), 0, BRIGHTEST)
    return out


def find_shift(name: str) -> Shift:
    """The shift of that name. Raises NotFound.

    >>> find_shift("rotate").says(3)
    'rotated by 24 degrees, either way'
    """
    known = {s.name: s for s in SHIFTS}
    if name not in known:
        raise not_found("shift", name, known, "the demo")
    return known[name]


def _moved(image: Image, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Image:
    """Bilinear sampling at matrix · (place - centre) + centre - offset; paper beyond the edge."""
    from scipy.ndimage import affine_transform

    centre = (np.array(image.shape) - 1) / 2
    start = centre - matrix @ centre - offset
    moved: Image = affine_transform(image, matrix, start, order=1, mode="constant")
    return moved
