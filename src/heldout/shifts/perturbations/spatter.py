"""Spatter that runs down: one layer of drops for all frames, smeared downwards in each."""

from __future__ import annotations

import numpy as np

from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.layer import Plane, drawn, fitted
from heldout.shifts.perturbations.prepare import Frame, prepared, quantised
from heldout.shifts.shift import Image

_WATER = np.array([175, 238, 238], np.float32)  # pale turquoise
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)


def spatter(
    image: Image, frame: float, rng: np.random.Generator, *, of: str = "imagenet-p"
) -> Image:
    """Drops of water on the lens that run down from frame to frame.

    The generator must be the same for all frames of an image. Drops are as large as on images of
    the published size, relative to the image. Where there is no drop, or none any more, the image
    stays as it is; the published code divides 0 by 0 there, which makes it black (CIFAR-10-P: 1 %
    of images at frame 0, 13 % at frame 30).
    """
    now = prepared("spatter", image, frame, of)
    return _spattered(now, drawn(now, rng))


def _spattered(now: Frame, layer: Plane) -> Image:
    """The frame, from the normal numbers of its layer."""
    cv2 = opencv()
    _, _, sigma, threshold, strength = now.values
    drops = _blurred(layer, sigma)
    drops[drops < threshold] = 0
    for _ in range(now.number):
        drops = _run_down(drops, now.of.smear)
    liquid = np.clip(drops * np.float32(255), 0, 255).astype(np.uint8)
    relief = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    relief = cv2.blur(np.minimum(relief, 20), (3, 3)).astype(np.uint8)
    relief = cv2.filter2D(cv2.equalizeHist(relief), cv2.CV_8U, _EMBOSS)
    water = liquid * cv2.blur(relief, (3, 3)).astype(np.float32).reshape(liquid.shape)
    most = water.max()
    if most <= 0:
        return now.image.copy()
    water = fitted(water * np.float32(strength / most), now)
    return quantised(now.image + water[:, :, None] * _WATER)


def _blurred(layer: Plane, sigma: float) -> Plane:
    """A Gaussian blur that reaches 4 sigma, edges repeated."""
    cv2 = opencv()
    far = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-far, far + 1) / sigma) ** 2)
    weights /= weights.sum()
    out: Plane = cv2.sepFilter2D(
        layer, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REPLICATE
    )
    return out.reshape(layer.shape)


def _run_down(drops: Plane, weights: tuple[float, ...]) -> Plane:
    """Every column convolved with the weights, 0 beyond its ends (numpy.convolve's "same")."""
    rows = len(drops)
    padded = np.pad(drops, ((len(weights), len(weights)), (0, 0)))
    out = np.zeros_like(drops)
    for k, weight in enumerate(weights):
        start = len(weights) + (len(weights) - 1) // 2 - k
        out += np.float32(weight) * padded[start : start + rows]
    return out
