"""The corruptions as shifts: `fog:3`, `imagecorruptions.fog:3`, `frost_photographs:3`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from heldout.shifts import corruptions, frost_folder
from heldout.shifts.corruptions.constants import EXTRA_KINDS, KINDS
from heldout.shifts.corruptions.prepare import IMAGECORRUPTIONS, IMAGENET_C
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Apply, Group, Image, Shift, between

DETERMINISTIC = ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate",
                 "jpeg_compression", "gaussian_blur", "saturate")  # fmt: skip
PHOTOGRAPHS = "frost_photographs"
SEVERITIES = (1, 2, 3, 4, 5)
_PREFIX = f"{IMAGECORRUPTIONS}."


def _applied(kind: str, reference: str) -> Apply:
    def apply(image: Image, number: float, rng: np.random.Generator) -> Image:
        new: Image = getattr(corruptions, kind)(image, number, rng, reference=reference)
        return new

    return apply


def _frosted(reference: str) -> Apply:
    def apply(image: Image, number: float, rng: np.random.Generator) -> Image:
        photographs = frost_folder.photographs()
        return corruptions.frost(
            image, int(number), rng, reference=reference, photographs=photographs
        )

    return apply


def _photographs() -> str:
    digest: str = frost_folder.photographs().digest
    return digest


def _ready() -> str:
    opencv()
    return ""


def _own_textures() -> str:
    """To be changed whenever the textures are, so that rows of both are never mixed."""
    opencv()
    return "own textures, first edition"


def _shift(kind: str, reference: str, photographs: bool = False) -> Shift:
    prefix = "" if reference == IMAGENET_C else _PREFIX
    name = prefix + (PHOTOGRAPHS if photographs else kind)
    about = kind.replace("_", " ")
    if kind == "frost":
        about += " from the photographs" if photographs else " from textures of our own"
    if prefix:
        about += f", as the package {IMAGECORRUPTIONS} has it"
    words, check = between(name, "severity", SEVERITIES[0], SEVERITIES[-1], whole=True)
    return Shift(
        name,
        about,
        kind not in DETERMINISTIC,
        words,
        _frosted(reference) if photographs else _applied(kind, reference),
        check,
        family=reference,
        words=lambda number: f"{about}, severity {number:g}",
        group="corruption",
        kind=kind,
        state=_photographs if photographs else _own_textures if kind == "frost" else _ready,
    )


def _group(name: str, about: str, shifts: Iterable[str]) -> Group:
    return Group(name, about, tuple(f"{s}:{n}" for s in shifts for n in SEVERITIES))


def _groups() -> Iterable[Group]:
    for reference, prefix, whose in (
        (IMAGENET_C, "", "of ImageNet-C"),
        (IMAGECORRUPTIONS, _PREFIX, f"as the package {IMAGECORRUPTIONS} has them"),
    ):
        yield _group(
            reference, f"the {len(KINDS)} corruptions {whose}", (prefix + k for k in KINDS)
        )
        yield _group(
            f"{reference}-extra",
            f"the {len(EXTRA_KINDS)} further corruptions {whose}",
            (prefix + k for k in EXTRA_KINDS),
        )


SHIFTS = tuple(
    shift
    for reference in (IMAGENET_C, IMAGECORRUPTIONS)
    for shift in (
        *(_shift(kind, reference) for kind in (*KINDS, *EXTRA_KINDS)),
        _shift("frost", reference, photographs=True),
    )
)
GROUPS = tuple(_groups())
