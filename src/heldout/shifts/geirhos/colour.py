"""Opponent colours: `geirhos.opponent_colour`, in their repository "false colour"."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.geirhos.grey import FAMILY
from heldout.shifts.shift import Image, Shift, checked, no_number

# The share of red, green and blue in the luminance of the study's monitor: L + M of its primaries,
# divided by that of white.
_LUMINANCE = np.array([0.25882843, 0.60743592, 0.13373565])
# The square root of the monitor's luminance is about this polynomial of the value from 0 to 1, from
# the first power on: a least-squares fit to the authors' 256 measurements. On their own picture
# 98 % of the values come out within one level of theirs, 0.26 levels off on average.
_MONITOR = (0.3004, 4.2011, -13.4131, 28.708, -38.2081, 27.5455, -8.1301)


def opponent_colour(image: Image, number: float, rng: np.random.Generator) -> Image:
    """Every colour becomes its opponent at the same luminance; greys stay.

    In the space of Derrington, Krauskopf and Lennie (1984) both chromatic axes change their sign.
    For any white on the grey axis that is, in linear light, twice the luminance less the value.
    What the monitor cannot show is clipped, so a second time does not bring back every colour.
    """
    source = checked(image)
    light, between_levels = _monitor()
    linear = light[source]
    linear *= -1
    linear += 2 * (-linear @ _LUMINANCE)[:, :, None]
    return np.searchsorted(between_levels, linear, side="left").astype(np.uint8)


@cache
def _monitor() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The light (0 to 1) of the 256 levels, and where the nearest level changes (255)."""
    values = np.arange(256) / 255
    light = np.polynomial.Polynomial((0.0, *_MONITOR))(values) ** 2
    light /= light[-1]
    middles = (light[1:] + light[:-1]) / 2
    light.flags.writeable = middles.flags.writeable = False
    return light, middles


SHIFTS = (
    Shift(
        "geirhos.opponent_colour",
        "opponent colours at the same luminance",
        False,
        "",
        opponent_colour,
        no_number,
        family=FAMILY,
        group="distortion",
        kind="opponent_colour",
    ),
)
