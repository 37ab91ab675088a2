"""Compression: `jpeg:30` saves an image as JPEG and reads it again."""

from __future__ import annotations

import io

import numpy as np

from heldout.errors import BadInput
from heldout.shifts.shift import Image, Shift, between, checked, number_text

_WORDS, _CHECK = between("jpeg", "quality", 1, 100, whole=True)
_MOST = 65_500  # pixels a side that libjpeg takes


def jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    """Saved as JPEG at that quality, colour at half resolution (4:2:0), and read again.

    The quantisation tables are libjpeg's; the bits are those of the libjpeg that Pillow brings.
    Raises BadInput for an image that JPEG cannot hold.
    """
    from PIL import Image as Pillow

    source = checked(image)
    if max(source.shape) > _MOST:
        raise BadInput(
            f"JPEG holds {_MOST:,} pixels a side at most, but this image has {source.shape[1]:,} x"
            f" {source.shape[0]:,}."
        )
    buffer = io.BytesIO()
    Pillow.fromarray(source).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
    buffer.seek(0)
    with Pillow.open(buffer) as saved:
        return np.array(saved)


SHIFTS = (
    Shift(
        "jpeg",
        "saved as JPEG and read again",
        False,
        _WORDS,
        jpeg,
        _CHECK,
        words=lambda n: f"JPEG at quality {number_text(n)}, 4:2:0",
    ),
)
