"""Glass blur: every pixel takes the place of one nearby, between two Gaussian blurs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.blur import smoothed
from heldout.shifts.corruptions.noise import draws16
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

Places = NDArray[np.intp]
Displacements = NDArray[np.uint8]
_SIGN = 8 * np.dtype(np.intp).itemsize - 1
_KEPT = 1 << 20  # pixels of an image whose layout is kept


def glass_blur(
    image: Image, severity: float, rng: np.random.Generator, *, reference: str = IMAGENET_C
) -> Image:
    """A blur, pixels copied from nearby ones, and the blur again: (h, w, 3) uint8.

    Constants: sigma in pixels, the largest displacement d, iterations. In each iteration the pixels
    from the last row and column to the first, except for margins of about d, become what their
    neighbour at (y + dy, x + dx) is by then, dy and dx being uniform on -d, …, d - 1. (The
    published code means to swap the two, but copies one onto the other; so does this.) Truncated to
    whole levels before and after. The same in both references.
    """
    source, (sigma, reach, iterations) = prepared("glass_blur", image, severity, reference, rng)
    reach, iterations = int(reach), int(iterations)
    height, width = source.shape[:2]
    rows, columns = (max(0, side - 2 * reach) for side in (height, width))
    drawn = _drawn(reach, iterations * rows * columns, rng)
    return _glassed(source, sigma, reach, drawn.reshape(iterations, rows, columns))


def _drawn(reach: int, count: int, rng: np.random.Generator) -> Displacements:
    """That many whole numbers below (2 reach)², equally likely to within 2**-16."""
    choices = (2 * reach) ** 2
    if 256 % choices == 0:
        drawn = draws16(-(-count // 2), rng).view(np.uint8)[:count]
        drawn &= np.uint8(choices - 1)
        return drawn
    return (draws16(count, rng).astype(np.uint32) * np.uint32(choices) >> 16).astype(np.uint8)


@lru_cache(maxsize=64)
def _steps(reach: int, width: int) -> Places:
    """All displacements in an image of that width, as steps in its flat array.

    The one of number n is (dy, dx) = (n // 2 reach - reach, n % 2 reach - reach).
    """
    one = np.arange(-reach, reach)
    steps = (one[:, None] * width + one).reshape(-1)
    steps.flags.writeable = False
    return steps


def _glassed(source: Image, sigma: float, reach: int, drawn: Displacements) -> Image:
    """The corruption with given displacements.

    drawn: (iterations, rows, columns) of the pixels that move, from the first, as the numbers of
    their displacements in `_steps`.
    """
    blurred = smoothed(source, sigma)
    if not drawn.size:
        return smoothed(blurred, sigma)
    cv2 = opencv()
    height, width = blurred.shape[:2]
    pixels = cv2.cvtColor(blurred, cv2.COLOR_RGB2RGBA).view(np.uint32).reshape(-1)
    steps = _steps(reach, width)
    for numbers in drawn:
        pixels = pixels.take(_origins(height, width, reach, steps.take(numbers)))
    shuffled = pixels.view(np.uint8).reshape(height, width, 4)
    return smoothed(cv2.cvtColor(shuffled, cv2.COLOR_RGBA2RGB), sigma)


def _layout(height: int, width: int, reach: int) -> tuple[Places, tuple[slice, slice], Places]:
    """What `_laid_out` gives, kept for images that are not large: it takes 16 bytes a pixel."""
    make = _laid_out if height * width <= _KEPT else _laid_out.__wrapped__
    return make(height, width, reach)


@lru_cache(maxsize=4)
def _laid_out(height: int, width: int, reach: int) -> tuple[Places, tuple[slice, slice], Places]:
    """The ends (see below) if no pixel moves, the part of the image that moves, its places."""
    places = np.arange(height * width).reshape(height, width)
    inside = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    moving = places[inside].copy()
    still = ~places
    for array in (still, moving):
        array.flags.writeable = False
    return still, inside, moving


def _origins(height: int, width: int, reach: int, moves: Places) -> Places:
    """Where each pixel's value was before one iteration, as places in the flat image.

    A pixel copied from an earlier place (or itself) gets what was there before the iteration: an
    end, kept as ~place, which is negative. One copied from a later place gets what that one has got
    just before: a link. The links are followed all at once, to where those they lead to lead, so
    that each round doubles how far they have come.
    """
    still, inside, moving = _layout(height, width, reach)
    sources = moving + moves
    sources ^= (moves - 1) >> _SIGN  # all bits where moves <= 0, none elsewhere: ~ of the ends
    origins = still.copy()
    origins[inside] = sources
    origins = origins.reshape(-1)
    linked = np.flatnonzero(origins >= 0)
    links = origins.take(linked)
    while linked.size:
        links = origins.take(links)
        origins[linked] = links
        unfinished = links >= 0
        linked, links = linked.compress(unfinished), links.compress(unfinished)
    return np.invert(origins, out=origins)
