"""Layers over an image (flakes, drops): made at the published size, then brought to the image's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.prepare import Frame

Plane = NDArray[np.float32]
_LONGEST = 4  # sides: of longer images the layer is coarser, so that it does not get huge


def drawn(now: Frame, rng: np.random.Generator) -> Plane:
    """Normal numbers with the first two constants as mean and standard deviation.

    As many as make the shorter side of the image the published one.
    """
    height, width = now.image.shape[:2]
    ratio = max(now.ratio, max(height, width) / (_LONGEST * now.of.side))
    shape = (max(1, round(height / ratio)), max(1, round(width / ratio)))
    mean, spread = now.values[:2]
    layer = rng.standard_normal(shape, dtype=np.float32)
    layer *= np.float32(spread)
    layer += np.float32(mean)
    return layer


def fitted(layer: Plane, now: Frame) -> Plane:
    """The layer at the image's size (h, w): a mean over areas where it shrinks, else linear."""
    height, width = now.image.shape[:2]
    if layer.shape == (height, width):
        return layer
    cv2 = opencv()
    how = cv2.INTER_AREA if height <= layer.shape[0] else cv2.INTER_LINEAR
    out: Plane = cv2.resize(layer, (width, height), interpolation=how)
    return out.reshape(height, width)
