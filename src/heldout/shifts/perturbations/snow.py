"""Snow that turns: one layer of flakes for all frames, blown from another side in each."""

from __future__ import annotations

import math

import numpy as np

from heldout.shifts.corruptions.motion import moved
from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.layer import Plane, drawn, fitted
from heldout.shifts.perturbations.prepare import Frame, prepared, quantised
from heldout.shifts.shift import Image


def snow(image: Image, frame: float, rng: np.random.Generator, *, of: str = "imagenet-p") -> Image:
    """Flakes blurred along 4 frame - 150 degrees over a slightly whitened image.

    The generator must be the same for all frames of an image. Flakes are as large as on images of
    the published size, relative to the image.
    """
    now = prepared("snow", image, frame, of)
    return _snowed(now, drawn(now, rng))


def _snowed(now: Frame, layer: Plane) -> Image:
    """The frame, from the normal numbers of its layer."""
    _, _, zoom, threshold, radius, sigma, step, start, share = now.values
    flakes = _zoomed(layer, zoom)
    flakes[flakes < threshold] = 0
    flakes = np.trunc(np.clip(flakes, 0, 1, out=flakes) * np.float32(255), out=flakes)
    flakes = np.rint(moved(flakes, radius, sigma, step * now.number + start))
    flakes /= np.float32(255)
    flakes = fitted(flakes + flakes[::-1, ::-1], now)
    cv2 = opencv()
    x = now.image.astype(np.float32) / np.float32(255)
    white = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) * np.float32(1.5) + np.float32(0.5)
    out = np.float32(share) * x + np.float32(1 - share) * np.maximum(x, white[:, :, None])
    out += flakes[:, :, None]
    return quantised(out * np.float32(255))


def _zoomed(layer: Plane, zoom: float) -> Plane:
    """The middle of a plane enlarged linearly to its whole size, corners aligned."""
    for axis in (0, 1):
        size = layer.shape[axis]
        part = math.ceil(size / zoom)
        first = (size - part) // 2
        large = max(size, round(part * zoom))
        skip = (large - size) // 2
        place = (np.arange(size) + skip) * ((part - 1) / max(large - 1, 1))
        low = np.minimum(place.astype(np.intp), max(part - 2, 0))
        share = (place - low).astype(np.float32)
        if axis == 0:
            share = share[:, None]
        near = np.take(layer, first + low, axis)
        far = np.take(layer, first + np.minimum(low + 1, part - 1), axis)
        layer = near + share * (far - near)
    return layer
