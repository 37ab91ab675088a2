"""What a shift is: a function on one image, given a number and a generator of random numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput

Image = NDArray[np.uint8]
Apply = Callable[[Image, float, np.random.Generator], Image]


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift: `apply(image, number, generator)` is the shifted image, of the same shape.

    image: (h, w, 3) uint8 RGB; it is not changed. about: what it does, without the number.
    random: whether the result depends on the generator. severities: what the number means and
    which numbers there are, in words; "" for a shift without a number. check: raises BadInput for a
    number that makes no sense. family: shifts that belong together (those of one benchmark).
    words: what it does at one number, for people; without it that is made from `about`.
    group: what settings under it count as in the store ('synthetic', 'corruption', 'distortion',
    'perturbation'), and kind: their `corruption` there, where that is not the name. shares: the
    same random numbers at every number, as the frames of one sequence have them. state: a text
    that changes with whatever decides the result besides (a folder of photographs).
    """

    name: str
    about: str
    random: bool
    severities: str
    apply: Apply
    check: Callable[[float], None]
    family: str = "simple"
    words: Callable[[float], str] | None = None
    group: str = "synthetic"
    kind: str = ""
    shares: bool = False
    state: Callable[[], str] | None = None

    @property
    def numbered(self) -> bool:
        """Whether the shift is written with a number: `jpeg:30`, but `greyscale`."""
        return bool(self.severities)

    def text(self, number: float) -> str:
        """The shift as settings spell it: `jpeg:30`."""
        return f"{self.name}:{number_text(number)}" if self.numbered else self.name

    def says(self, number: float) -> str:
        """What the shift does at that number, for people."""
        if self.words is not None:
            return self.words(number)
        return f"{self.about} ({number_text(number)})" if self.numbered else self.about


def generator(seed: int, shift: str, example: str) -> np.random.Generator:
    """The random numbers of one example under one shift; they depend on nothing else.

    shift: the text in full, such as `noise:0.1`; in a chain with all that goes before it.

    >>> a, b = generator(0, "noise:0.1", "img-7"), generator(0, "noise:0.1", "img-7")
    >>> a.random() == b.random()
    True
    """
    name = json.dumps([int(seed), shift, example]).encode()
    entropy = int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def number_text(number: float) -> str:
    """A number in the one way in which settings spell it: shortest, without an exponent.

    >>> number_text(0.10), number_text(30.0), number_text(-0.0)
    ('0.1', '30', '0')
    """
    return np.format_float_positional(number + 0.0, trim="-")


def checked(image: Any) -> Image:
    """The image, C-contiguous. Raises BadInput for anything but (h, w, 3) uint8 with pixels."""
    if not isinstance(image, np.ndarray):
        raise BadInput(f"A shift takes an array of (h, w, 3) uint8, not a {type(image).__name__}.")
    if image.dtype != np.uint8:
        how = (
            "np.rint(255 * image) of values from 0 to 1" if image.dtype.kind == "f" else "the image"
        )
        raise BadInput(
            f"A shift takes values from 0 to 255 as uint8, but the image has {image.dtype}. Scale"
            f" it to 0 to 255 first; then ({how}).astype(np.uint8) is what it takes."
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise BadInput(
            f"A shift takes an RGB image (h, w, 3), but this one has {image.shape}. With Pillow,"
            " np.array(picture.convert('RGB')) is one, from a grey or transparent picture too."
        )
    if not image.size:
        raise BadInput(f"A shift takes an image with pixels, but this one has {image.shape}.")
    return np.ascontiguousarray(image)


def between(
    name: str, what: str, low: float, high: float, *, whole: bool = False, open_low: bool = False
) -> tuple[str, Callable[[float], None]]:
    """What the numbers of a shift are, in words, and the check that refuses others.

    >>> words, check = between("jpeg", "quality", 1, 100, whole=True)
    >>> words
    'quality, a whole number from 1 to 100'
    >>> check(101)
    Traceback (most recent call last):
    heldout.errors.BadInput: Shift 'jpeg:101': the number is the quality, a whole number from 1 to
    100.
    """
    kind = "a whole number" if whole else "a number"
    start = f"above {number_text(low)}, up to" if open_low else f"from {number_text(low)} to"
    words = f"{what}, {kind} {start} {number_text(high)}"

    def check(number: float) -> None:
        inside = low <= number <= high and not (open_low and number == low)
        if not inside or (whole and number != int(number)):
            raise BadInput(f"Shift '{name}:{number_text(number)}': the number is the {words}.")

    return words, check


def no_number(number: float) -> None:
    """The check of a shift without a number."""


@dataclass(frozen=True, slots=True)
class Group:
    """A word for many shifts: `imagenet-c` are 75. members: their texts, such as `fog:3`."""

    name: str
    about: str
    members: tuple[str, ...]
