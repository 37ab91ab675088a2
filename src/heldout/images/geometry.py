"""From a picture of any size to the size that a model was evaluated at: resize, then crop.

The arithmetic is that of torchvision's `Resize` and `CenterCrop` on PIL images, which most
published accuracies rest on; one pixel of difference changes some predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.images.decode import Decoding, Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
_LARGEST = Decoding().max_pixels
_UNFILTERED = ("nearest", "bilinear", "bicubic")


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a picture is brought to a model's input size. Sizes are in pixels, (height, width).

    Raises BadInput for sizes below 1 and for an interpolation without a meaning.

    >>> Geometry(256, (224, 224)).in_words()
    'shorter side to 256 (bicubic), centre crop 224 x 224'
    """

    resize: int | tuple[int, int] | None = None
    """A number: the shorter side to that; (h, w): exactly that; None: not at all."""
    crop: tuple[int, int] | None = None
    """Centre crop (h, w) after the resize; None: all of it."""
    interpolation: str = "bicubic"
    antialias: bool = True
    """False: sampled without a low-pass filter, as old resizes of tensors did."""

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise not_found("interpolation", self.interpolation, INTERPOLATIONS, "heldout")
        if not self.antialias and self.interpolation not in _UNFILTERED:
            raise BadInput(
                f"The interpolation '{self.interpolation}' is itself a filter, so it cannot go"
                f" without one; without antialiasing there are {', '.join(_UNFILTERED)}."
            )
        sizes = self.resize if isinstance(self.resize, tuple) else (self.resize,)
        for size in (*sizes, *(self.crop or ())):
            if size is not None and size < 1:
                raise BadInput(f"A picture cannot be brought to a size of {size} pixels.")

    def in_words(self) -> str:
        """What is done to a picture, in a phrase."""
        how = self.interpolation + ("" if self.antialias else ", no antialiasing")
        steps = []
        if isinstance(self.resize, tuple):
            steps.append(f"resized to {self.resize[0]} x {self.resize[1]} ({how})")
        elif self.resize is not None:
            steps.append(f"shorter side to {self.resize} ({how})")
        if self.crop is not None:
            steps.append(f"centre crop {self.crop[0]} x {self.crop[1]}")
        return ", ".join(steps) or "size as it comes"


def fit(image: Image, geometry: Geometry) -> NDArray[np.uint8]:
    """The picture at the geometry's size: (h, w, 3) RGB, C-contiguous, its own memory.

    The shorter side is resized to s and the longer to int(s * longer / shorter); the crop begins
    at round((h - crop) / 2), halves to even; a picture smaller than the crop gets black borders.
    Raises Unreadable for a picture so narrow that the resize would make it enormous. Source:
    torchvision 0.2x, transforms/functional.py (`resize`, `center_crop`), PIL backend.
    """
    if image.mode != "RGB":
        image = image.convert("RGB")
    if geometry.resize is not None:
        image = _resized(image, _target(image.size, geometry.resize), geometry)
    if geometry.crop is not None:
        image = _cropped(image, geometry.crop)
    return np.array(image)


def _target(size: tuple[int, int], resize: int | tuple[int, int]) -> tuple[int, int]:
    """(width, height) after the resize, from (width, height) before it."""
    if isinstance(resize, tuple):
        return resize[1], resize[0]
    width, height = size
    longer = int(resize * max(size) / min(size))
    if resize * longer > _LARGEST:
        raise Unreadable(
            f"of {width:,} x {height:,} pixels, it would have a longer side of {longer:,} when the"
            f" shorter one has {resize:,}"
        )
    return (resize, longer) if width <= height else (longer, resize)


def _resized(image: Image, size: tuple[int, int], geometry: Geometry) -> Image:
    from PIL import Image as pil

    if image.size == size:
        return image
    name = geometry.interpolation
    if geometry.antialias or name == "nearest":
        return image.resize(size, pil.Resampling[name.upper()])
    return pil.fromarray(_sampled(np.asarray(image), size, cubic=name == "bicubic"))


def _cropped(image: Image, crop: tuple[int, int]) -> Image:
    """The middle of a picture; Image.crop fills with black what lies outside of it."""
    height, width = crop
    if image.size == (width, height):
        return image
    left, top = _offset(image.width, width), _offset(image.height, height)
    return image.crop((left, top, left + width, top + height))


def _offset(size: int, crop: int) -> int:
    if crop > size:
        return -((crop - size) // 2)
    return round((size - crop) / 2.0)


def _sampled(pixels: NDArray[np.uint8], size: tuple[int, int], cubic: bool) -> NDArray[np.uint8]:
    """Interpolated at pixel centres from the 2 x 2 or 4 x 4 neighbours, whatever the scale.

    As torch's `interpolate(mode="bilinear" | "bicubic", antialias=False)` and OpenCV's resize do:
    (h, w, 3) to (height, width, 3); the cubic has a = -0.75; edges are repeated. Pillow's own
    affine transform truncates to whole numbers and takes a = -1, hence this one.
    """
    width, height = size
    rows, row_weights = _taps(pixels.shape[0], height, cubic)
    columns, column_weights = _taps(pixels.shape[1], width, cubic)
    tall: Any = 0
    for row, weight in zip(rows, row_weights, strict=True):
        tall = tall + pixels[row] * weight[:, None, None]
    done: Any = 0
    for column, weight in zip(columns, column_weights, strict=True):
        done = done + tall[:, column] * weight[None, :, None]
    whole: NDArray[np.uint8] = np.clip(np.rint(done), 0, 255).astype(np.uint8)
    return whole


def _taps(before: int, after: int, cubic: bool) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which pixels make up each new one, and with what weights: (taps, after) both."""
    centre = (np.arange(after) + 0.5) * (before / after) - 0.5
    if not cubic:
        centre = np.maximum(centre, 0.0)
    first = np.floor(centre)
    t = centre - first
    if cubic:
        a = -0.75
        near = [(a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (t, 1 - t)]
        far = [a * (d**3 - 5 * d**2 + 8 * d - 4) for d in (1 + t, 2 - t)]
        weights, reach = [far[0], near[0], near[1], far[1]], range(-1, 3)
    else:
        weights, reach = [1 - t, t], range(2)
    positions = np.stack([first + step for step in reach])
    return np.clip(positions, 0, before - 1).astype(np.intp), np.stack(weights).astype(np.float32)
