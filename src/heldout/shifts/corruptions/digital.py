"""Loss by saving: large pixels, and JPEG."""

from __future__ import annotations

import numpy as np

from heldout.shifts.corruptions.prepare import IMAGENET_C, NO_DRAWS, prepared
from heldout.shifts.jpeg import jpeg
from heldout.shifts.shift import Image


def pixelate(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """Made smaller with a box filter, and larger again without smoothing.

    image: (h, w, 3) uint8. Pillow does both, as in the reference: the bits are its own. The small
    image has at least one pixel a side.
    """
    from PIL import Image as Pillow

    source, (factor,) = prepared("pixelate", image, severity, reference)
    height, width = source.shape[:2]
    small = (max(1, int(width * factor)), max(1, int(height * factor)))
    picture = Pillow.fromarray(source).resize(small, Pillow.Resampling.BOX)
    return np.array(picture.resize((width, height), Pillow.Resampling.NEAREST))


def jpeg_compression(
    image: Image,
    severity: float,
    rng: np.random.Generator | None = None,
    *,
    reference: str = IMAGENET_C,
) -> Image:
    """Saved as JPEG (4:2:0) by Pillow and read again.

    image: (h, w, 3) uint8. Raises BadInput for sides of more than 65,500 pixels.
    """
    source, (quality,) = prepared("jpeg_compression", image, severity, reference)
    return jpeg(source, quality, NO_DRAWS)
