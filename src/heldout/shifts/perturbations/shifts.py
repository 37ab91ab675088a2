"""The perturbations as shifts, a frame each: `imagenet-p.rotate:12`, `cifar-p.rotate:12`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import numpy as np

from heldout.shifts.opencv import opencv
from heldout.shifts.perturbations.constants import BENCHMARKS, NOISES, Benchmark, noise
from heldout.shifts.shift import Apply, Group, Image, Shift, between

_SHARED = ("snow", "spatter")  # one layer for all frames of an image
_WORDS = {
    "gaussian_noise": "Gaussian noise",
    "shot_noise": "shot noise",
    "speckle_noise": "speckle noise",
    "motion_blur": "motion blur that turns",
    "zoom_blur": "zoom blur that grows",
    "gaussian_blur": "Gaussian blur that grows",
    "snow": "snow whose direction turns",
    "spatter": "spatter that runs down",
    "brightness": "darker to brighter",
    "translate": "moved to the right",
    "rotate": "turned",
    "tilt": "tilted out of its plane",
    "scale": "smaller to larger",
    "shear": "sheared",
}


def _applied(kind: str, level: int, of: str) -> Apply:
    options = {"of": of, "level": level} if kind in NOISES else {"of": of}

    def apply(image: Image, number: float, rng: np.random.Generator) -> Image:
        # Looked up when it is needed: the table of shifts is read without OpenCV.
        function = getattr(import_module("heldout.shifts.perturbations"), kind)
        new: Image = function(image, number, rng, **options)
        return new

    return apply


def _ready() -> str:
    opencv()
    return ""


def _shift(name: str, of: Benchmark) -> Shift:
    kind, level = (name[:-2], int(name[-1])) if name[-2] == "_" else (name, 1)
    last = of.count(kind) - 1
    about = f"{_WORDS[kind]}, a sequence of {of.title}"
    if level > 1:
        about = f"{_WORDS[kind]}, level {level}, a sequence of {of.title}"
    full = f"{of.name}.{name}"
    words, check = between(full, "frame", 0, last, whole=True)
    return Shift(
        full,
        about,
        noise(kind) or kind in _SHARED,
        words,
        _applied(kind, level, of.name),
        check,
        family=of.name,
        words=lambda number: f"{about}, frame {number:g} of 0 to {last}",
        group="perturbation",
        kind=name,
        shares=kind in _SHARED,
        state=_ready,
    )


def _frames(of: Benchmark, kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{of.name}.{k}:{i}" for k in kinds for i in range(of.count(k)))


def _groups(of: Benchmark) -> tuple[Group, Group]:
    return (
        Group(
            of.name,
            f"all frames of the {len(of.kinds)} sequences of {of.title}",
            _frames(of, of.kinds),
        ),
        Group(
            f"{of.name}-extra",
            f"all frames of the {len(of.extra)} further sequences of {of.title}",
            _frames(of, of.extra),
        ),
    )


SHIFTS = tuple(_shift(name, of) for of in BENCHMARKS.values() for name in of.constants)
GROUPS = tuple(group for of in BENCHMARKS.values() for group in _groups(of))
