"""Spatter: drops of water or of mud on the lens."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from heldout.shifts.corruptions.constants import Row
from heldout.shifts.corruptions.fractions import Plane, fractions, truncated
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_WATER = tuple(level / 255 for level in (175, 238, 238))
_MUD = tuple(level / 255 for level in (63, 42, 20))
_CANNY = (50, 150)
_FARTHEST = 20  # pixels from an edge, beyond which all is the same
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_RELIEF.flags.writeable = False
_MUDDY = np.float32(0.8)


def spatter(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """Drops of water (severities 1 to 3) or of mud (4, 5) on the lens; (h, w, 3) uint8.

    A layer of smoothed noise above a threshold; water has a relief from the distance to the edges
    of its drops, mud has soft edges. Where no drop of water falls at all (about 1 image of 60 of 32
    pixels at severity 1, none of 64 and more), the image stays as it is; the authors' code divides
    by 0 there and returns a black image, and so does `imagecorruptions` here. Draws: a normal
    number a pixel.
    """
    source, row = prepared("spatter", image, severity, reference, rng)
    normals = rng.standard_normal(source.shape[:2], dtype=np.float32)
    return _spattered(source, row, normals, reference)


def _spattered(source: Image, row: Row, normals: Plane, reference: str) -> Image:
    """The corruption from its draws, standard normals (h, w)."""
    mean, deviation, sigma, threshold, strength, muddy = row
    layer = normals * np.float32(deviation)
    layer += np.float32(mean)
    layer = _smoothed(layer, sigma)
    if muddy:
        drops = (layer > np.float32(threshold)).astype(np.float32)
        cover = _smoothed(drops, strength)
        cover[cover < _MUDDY] = 0
        return _covered(source, 1 - cover, cover, _MUD)
    cv2 = opencv()
    water = _water(cv2.threshold(layer, threshold, 0, cv2.THRESH_TOZERO)[1].reshape(layer.shape))
    most = water.max()
    if most == 0:
        return source.copy() if reference == IMAGENET_C else np.zeros_like(source)
    water *= np.float32(strength) / most
    return _covered(source, None, water, _WATER)


def _water(layer: Plane) -> Plane:
    """How much of its colour the water adds, up to a factor: its depth times its relief."""
    cv2 = opencv()
    shape = layer.shape
    depth = truncated(layer * np.float32(255))
    dry = 255 - cv2.Canny(depth, *_CANNY).reshape(shape)
    far = cv2.distanceTransform(dry, cv2.DIST_L2, 5).reshape(shape)
    np.minimum(far, np.float32(_FARTHEST), out=far)
    relief = cv2.blur(far, (3, 3)).astype(np.uint8).reshape(shape)
    relief = cv2.equalizeHist(relief)
    relief = cv2.filter2D(relief, cv2.CV_8U, _RELIEF)
    relief = cv2.blur(relief, (3, 3)).reshape(shape)
    water: Plane = cv2.multiply(depth, relief, dtype=cv2.CV_32F)
    return water.reshape(shape)


def _covered(source: Image, kept: Plane | None, cover: Plane, colour: tuple[float, ...]) -> Image:
    """Each channel times `kept` (all of it when None), plus the cover in that colour."""
    cv2 = opencv()
    planes = []
    for plane, part in zip(cv2.split(source), colour, strict=True):
        values = fractions(plane).reshape(cover.shape)
        if kept is not None:
            values *= kept
        values += cover * np.float32(part)
        values *= np.float32(255)
        planes.append(truncated(values))
    out: Image = cv2.merge(planes)
    return out


def _smoothed(plane: Plane, sigma: float) -> Plane:
    """A Gaussian filter cut at four standard deviations; beyond an edge its own pixel counts."""
    cv2 = opencv()
    weights = _gaussian(sigma)
    out: Plane = cv2.sepFilter2D(plane, -1, weights, weights, borderType=cv2.BORDER_REPLICATE)
    return out.reshape(plane.shape)


@lru_cache(maxsize=64)
def _gaussian(sigma: float) -> Plane:
    """The weights of that filter, which add up to 1."""
    radius = int(4 * sigma + 0.5)
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    single = np.asarray(weights / weights.sum(), np.float32)
    single.flags.writeable = False
    return single
