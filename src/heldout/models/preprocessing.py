"""What happens to a picture between the file and the model: geometry, then numbers.

The numbers are one multiplication and one addition a channel, `x * (scale / std) - mean / std`,
whose two constants are computed in float64 and rounded to float32 once. A wrong mean or std costs
3 to 13 points of accuracy and looks plausible, so every `Preprocessing` says where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.images.geometry import Geometry

OPTIONS = {
    "size": "the side of what the model sees; the ratio of resize to crop is kept",
    "resize": "256: the shorter side; 256x256: exactly (height x width); none",
    "crop": "224 or 224x200 (height x width), from the centre; none",
    "interpolation": "nearest, box, bilinear, hamming, bicubic or lanczos",
    "antialias": "yes or no: filter when shrinking",
    "mean": "imagenet, cifar10, half, unit or lite; or numbers with commas between",
    "std": "as mean; a name given to one of the two sets both",
    "scale": "what pixels (0 to 255) are multiplied with first: 1/255, 1",
    "channels": "RGB, BGR or L",
}
INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
# Mean and standard deviation by name, for pixels scaled to 0..1.
NORMS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "lite": ((127 / 255,) * 3, (128 / 255,) * 3),
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a model's input: geometry on pixels, then (x*scale - mean) / std.

    `geometry` None: pictures as they come, all of one size. `mean` and `std` have one number a
    channel. `channels`: RGB, BGR, or L (ITU-R 601 luma as Pillow rounds it; one channel).
    """

    geometry: Geometry | None
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    scale: float = 1 / 255
    channels: str = "RGB"
    origin: str = ""

    def __post_init__(self) -> None:
        if self.channels not in ("RGB", "BGR", "L"):
            raise BadInput(f"channels={self.channels} is not known. There are: RGB, BGR, L.")
        depth = 1 if self.channels == "L" else 3
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) != depth:
                raise BadInput(
                    f"{name} has {len(numbers)} numbers, and a picture with channels="
                    f"{self.channels} needs {depth}: give {name}={','.join(['0.5'] * depth)} or so."
                )
            if not all(math.isfinite(v) for v in numbers):
                raise BadInput(f"{name}={numbers} holds a number that is not finite.")
        if min(self.std) <= 0:
            raise BadInput(f"std={self.std} holds a number that is not above 0.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise BadInput(f"scale={self.scale} is not above 0; the usual ones are 1/255 and 1.")

    def record(self) -> dict[str, Any]:
        """All of it as JSON: what a store keeps beside the predictions."""
        geometry = None if self.geometry is None else asdict(self.geometry)
        numbers = {"mean": list(self.mean), "std": list(self.std), "scale": self.scale}
        return {
            "geometry": geometry and {k: _listed(v) for k, v in geometry.items()},
            **numbers,
            "channels": self.channels,
            "origin": self.origin,
        }

    def in_words(self) -> str:
        """One line for people: geometry; numbers; where they come from."""
        geometry = "pictures as they come" if self.geometry is None else self.geometry.in_words()
        inverse = 1 / self.scale
        whole = math.isclose(inverse, round(inverse), rel_tol=1e-12) and inverse > 1.5
        scaled = f"x/{round(inverse)}" if whole else f"x*{self.scale:g}"
        if self.scale == 1:
            scaled = "x"
        text = f"{geometry}; {self.channels}, {scaled}"
        for name, (mean, std) in NORMS.items():
            if (self.mean, self.std) == (mean, std) and name != "unit":
                text += f", {name} mean and std"
                break
        else:
            if any(self.mean) or set(self.std) != {1.0}:
                text += f", mean {_spaced(self.mean)}, std {_spaced(self.std)}"
        return text + (f" ({self.origin})" if self.origin else "")


def constants(preprocessing: Preprocessing) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The factor and the summand a channel: input = pixel * factor + summand. (c,) float32 each."""
    mean = np.asarray(preprocessing.mean, np.float64)
    std = np.asarray(preprocessing.std, np.float64)
    return (preprocessing.scale / std).astype(np.float32), (-mean / std).astype(np.float32)


def with_channels(images: NDArray[np.uint8], channels: str) -> NDArray[np.uint8]:
    """RGB pictures (n, h, w, 3) with the channels the model wants; L gives (n, h, w, 1)."""
    if channels == "RGB":
        return images
    if channels == "BGR":
        return np.ascontiguousarray(images[..., ::-1])
    weights = np.array([19595, 38470, 7471], np.uint32)  # of 65,536, as in Pillow
    luma = (images.astype(np.uint32) @ weights + 0x8000) >> 16
    return luma.astype(np.uint8)[..., None]


def normalised(preprocessing: Preprocessing, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The model's input from pixels: (n, h, w, 3) uint8 RGB to (n, h, w, c) float32."""
    pixels = with_channels(images, preprocessing.channels)
    factor, summand = constants(preprocessing)
    n, h, w, c = pixels.shape
    made = np.empty((n, h, w * c), np.float32)
    # Whole rows, as broadcasting over 3 channels is slow; picture by picture, as it stays in cache.
    factors, summands = np.tile(factor, w), np.tile(summand, w)
    for picture, out in zip(pixels.reshape(n, h, w * c), made, strict=True):
        np.multiply(picture, factors, out=out)
        out += summands
    return made.reshape(pixels.shape)


def with_options(preprocessing: Preprocessing, options: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing with a URI's options applied; other keys are left alone.

    Values are text as in a URI, or the Python things they stand for. Raises BadInput for a value
    that cannot be used. `size` keeps the ratio of resize to crop (rounded down), so that
    `size=384` on "256, crop 224" gives "438, crop 384".
    """
    given = {k: options[k] for k in OPTIONS if k in options}
    if not given:
        return preprocessing
    numbers = _numbers(preprocessing, given)
    geometry = _geometry(preprocessing.geometry, given)
    said = " ".join(f"{k}={_text(v)}" for k, v in given.items())
    origin = f"{preprocessing.origin}; changed by {said}" if preprocessing.origin else said
    return replace(preprocessing, geometry=geometry, origin=origin, **numbers)


def _numbers(preprocessing: Preprocessing, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, other, place in (("mean", "std", 0), ("std", "mean", 1)):
        if key not in given:
            continue
        text = _text(given[key])
        if text.lower() in NORMS:
            norm = NORMS[text.lower()]
            found[key] = norm[place]
            if other not in given:
                found[other] = norm[1 - place]
        elif text and text[0].isalpha():
            raise not_found("mean and std", text, NORMS, f"{key}={text}")
        else:
            found[key] = _floats(key, text)
    if "scale" in given:
        found["scale"] = _number("scale", _text(given["scale"]))
    if "channels" in given:
        found["channels"] = _text(given["channels"]).upper()
    depth = 1 if found.get("channels", preprocessing.channels) == "L" else 3
    for key in ("mean", "std"):
        numbers = found.get(key, getattr(preprocessing, key))
        if depth == 3 and len(numbers) == 1:
            found[key] = numbers * 3
        elif depth == 1 and len(set(numbers)) == 1:
            found[key] = numbers[:1]
    return found


def _geometry(geometry: Geometry | None, given: Mapping[str, Any]) -> Geometry | None:
    found = geometry
    if "size" in given:
        found = _sized(geometry, _whole("size", _text(given["size"])))
    if "resize" in given:
        sides = _sides("resize", _text(given["resize"]))
        shorter = sides is not None and "x" not in _text(given["resize"]).lower()
        found = replace(found or Geometry(), resize=sides[0] if shorter and sides else sides)
    if "crop" in given:
        found = replace(found or Geometry(), crop=_sides("crop", _text(given["crop"])))
    if "interpolation" in given:
        name = _text(given["interpolation"]).lower()
        if name not in INTERPOLATIONS:
            raise not_found("interpolation", name, INTERPOLATIONS)
        found = replace(found or Geometry(), interpolation=name)
    if "antialias" in given:
        found = replace(found or Geometry(), antialias=_yes("antialias", _text(given["antialias"])))
    return None if found == Geometry() else found


def _sized(geometry: Geometry | None, size: int) -> Geometry:
    if geometry is None or (geometry.resize is None and geometry.crop is None):
        return replace(geometry or Geometry(), resize=size, crop=(size, size))
    if geometry.crop is None:
        squash = isinstance(geometry.resize, tuple)
        return replace(geometry, resize=(size, size) if squash else size)
    shorter = min(geometry.crop)
    h, w = (side * size // shorter for side in geometry.crop)
    resize = geometry.resize
    if isinstance(resize, int):
        resize = resize * size // shorter
    elif resize is not None:
        resize = (resize[0] * size // shorter, resize[1] * size // shorter)
    return replace(geometry, resize=resize, crop=(h, w))


def _sides(key: str, text: str) -> tuple[int, int] | None:
    """Height and width; one number stands for both."""
    if text.lower() in ("none", "no"):
        return None
    sides = [_whole(key, part) for part in text.lower().split("x")]
    if len(sides) > 2:
        raise BadInput(f"{key}={text} is not a size: give 224, or 224x200 (height x width).")
    return sides[0], sides[-1]


def _whole(key: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 16384:
        raise BadInput(f"{key}={text} is not a number of pixels between 1 and 16384.")
    return int(text)


def _floats(key: str, text: str) -> tuple[float, ...]:
    return tuple(_number(key, part) for part in text.split(","))


def _number(key: str, text: str) -> float:
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below) if below else float(above)
    except (ValueError, ZeroDivisionError):
        raise BadInput(f"{key}={text} is not a number; write 0.5 or 127/255.") from None


def _yes(key: str, text: str) -> bool:
    known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in known:
        raise BadInput(f"{key}={text} is neither yes nor no.")
    return known[text.lower()]


def _text(value: Any) -> str:
    """A value as a URI would say it: (0.5, 0.5) is 0.5,0.5 and a size (224, 200) is 224x200."""
    if isinstance(value, list | tuple):
        sizes = all(isinstance(v, int) for v in value) and len(value) == 2
        return ("x" if sizes else ",").join(str(v) for v in value)
    return "none" if value is None else str(value).strip()


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _spaced(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{v:.5g}" for v in numbers)
