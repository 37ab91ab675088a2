"""The distortions of Geirhos et al. (2018), "Generalisation in humans and deep neural networks".

Each is a function of (image, number, generator), (h, w, 3) uint8 in and out. All but the opponent
colours work on the image in grey. The levels are those of the paper's experiments; any number
between them works as well. What is as published and what differs: docs/distortions.md.
"""

from __future__ import annotations

from heldout.shifts.geirhos import colour, eidolon, filters, grey, noise, rotation, spectrum
from heldout.shifts.shift import Group, Shift, number_text

LEVELS: dict[str, tuple[float, ...]] = {
    "contrast": (100, 50, 30, 15, 10, 5, 3, 1),
    "low_pass": (0, 1, 3, 5, 7, 10, 15, 40),
    "high_pass": (0, 3, 1.5, 1, 0.7, 0.55, 0.45, 0.4),
    "phase_noise": (0, 30, 60, 90, 120, 150, 180),
    "rotation": (0, 90, 180, 270),
    "uniform_noise": (0, 0.03, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9),
    "salt_and_pepper": (0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
    "eidolon1": (1, 2, 4, 8, 16, 32, 64, 128),
    "eidolon2": (1, 2, 4, 8, 16, 32, 64, 128),
    "eidolon3": (1, 2, 4, 8, 16, 32, 64, 128),
}
"""The published numbers of each distortion that has any, the weakest first."""

SHIFTS: tuple[Shift, ...] = (
    *grey.SHIFTS,
    *colour.SHIFTS,
    *filters.SHIFTS,
    *spectrum.SHIFTS,
    *rotation.SHIFTS,
    *noise.SHIFTS,
    *eidolon.SHIFTS,
)

GROUPS: tuple[Group, ...] = (
    Group(
        "geirhos2018",
        "the distortions of Geirhos et al. (2018) at all of their levels",
        tuple(
            f"{shift.name}:{number_text(level)}" if shift.numbered else shift.name
            for shift in SHIFTS
            for level in LEVELS.get(shift.kind, (0,))
        ),
    ),
)
