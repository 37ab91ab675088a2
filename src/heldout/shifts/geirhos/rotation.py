"""Quarter turns of the grey image: `geirhos.rotation:90`."""

from __future__ import annotations

import numpy as np

from heldout.errors import BadInput
from heldout.shifts.geirhos.grey import FAMILY, Plane, grey, saved
from heldout.shifts.shift import Image, Shift, number_text

_WORDS = "angle in degrees, counter-clockwise: 0, 90, 180 or 270"


def rotation(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Grey, turned counter-clockwise by 0, 90, 180 or 270 degrees about the centre.

    A square is turned exactly. A wider or higher image keeps its shape when it lies down: its
    central square is turned, what then stands over is cut off, and what is missing beside it is the
    turned picture mirrored. After the usual crop of the centre nothing of that is seen.
    """
    _check(degrees)
    values = grey(image)
    return saved(_fitted(np.rot90(values, int(degrees) // 90), *values.shape))


def _fitted(values: Plane, height: int, width: int) -> Plane:
    """The middle of a plane, its edges mirrored (cba|abcd|dcb) where it is too small."""
    for axis, side in enumerate((height, width)):
        spare = values.shape[axis] - side
        if spare > 0:
            values = np.take(values, np.arange(spare // 2, spare // 2 + side), axis=axis)
        elif spare < 0:
            before = -spare // 2
            pads = [(0, 0), (0, 0)]
            pads[axis] = (before, -spare - before)
            values = np.pad(values, pads, mode="symmetric")
    return values


def _check(degrees: float) -> None:
    if degrees not in (0, 90, 180, 270):
        raise BadInput(
            f"Shift 'geirhos.rotation:{number_text(degrees)}': the number is the {_WORDS}. Other"
            " angles: rotate:NUMBER."
        )


SHIFTS = (
    Shift(
        "geirhos.rotation",
        "grey, turned by quarters",
        False,
        _WORDS,
        rotation,
        _check,
        family=FAMILY,
        words=lambda n: f"grey, turned by {number_text(n)} degrees counter-clockwise",
        group="distortion",
        kind="rotation",
    ),
)
