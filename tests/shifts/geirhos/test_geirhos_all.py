"""What all distortions of Geirhos et al. (2018) promise, their levels and their group."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.shifts.geirhos import GROUPS, LEVELS, SHIFTS
from heldout.shifts.shift import Shift, generator

KINDS = {shift.kind: shift for shift in SHIFTS}
# One number between two published ones for each; rotation has none.
BETWEEN = {"contrast": 42.5, "low_pass": 2.2, "high_pass": 0.9, "phase_noise": 45, "rotation": 90,
           "uniform_noise": 0.15, "salt_and_pepper": 0.3, "eidolon1": 6, "eidolon2": 6.5,
           "eidolon3": 5}  # fmt: skip


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def under(shift: Shift, number: float, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    return shift.apply(image, number, generator(seed, shift.text(number), "e"))


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_what_all_promise(kind: str, height: int, width: int, seed: int) -> None:
    """Same shape, uint8, C-contiguous, the input unchanged; other strides give the same bits."""
    shift, number = KINDS[kind], BETWEEN.get(kind, 0.0)
    image = picture(height, width, seed)
    kept = image.copy()
    out = under(shift, number, image, seed)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert not np.shares_memory(out, image)
    assert np.array_equal(image, kept)
    wide = np.zeros((height, 2 * width, 3), np.uint8)
    wide[:, ::2] = image
    view = wide[:, ::2]
    view.flags.writeable = False
    assert np.array_equal(under(shift, number, view, seed), out)
    if kind != "opponent_colour":
        assert (out == out[:, :, :1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_random_or_not(kind: str) -> None:
    shift, number = KINDS[kind], BETWEEN.get(kind, 0.0)
    image = picture(30, 41)
    first, other = (under(shift, number, image, seed) for seed in (1, 2))
    assert np.array_equal(first, other) != shift.random


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)),
            np.zeros((0, 4, 3), np.uint8), [[[1, 2, 3]]]],
)  # fmt: skip
def test_images_that_are_none(kind: str, bad: NDArray[np.uint8]) -> None:
    with pytest.raises(BadInput, match="A shift takes"):
        under(KINDS[kind], BETWEEN.get(kind, 0.0), bad, 0)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [("contrast", -1), ("contrast", 101), ("low_pass", -0.5), ("high_pass", float("inf")),
     ("phase_noise", 181), ("rotation", 45), ("rotation", -90), ("rotation", 360),
     ("uniform_noise", -0.1), ("salt_and_pepper", 1.1), ("eidolon1", -1), ("eidolon3", 5000),
     ("low_pass", float("nan"))],
)  # fmt: skip
def test_numbers_that_make_no_sense(kind: str, bad: float) -> None:
    with pytest.raises(BadInput, match=rf"geirhos\.{kind}.*the number is the"):
        KINDS[kind].check(bad)


def test_the_group_has_every_published_level_once() -> None:
    (group,) = GROUPS
    assert group.name == "geirhos2018"
    members = group.members
    # Colour or grey, false colour, power: one setting each; levels x kinds for the others.
    assert len(members) == len(set(members)) == 3 + 8 + 8 + 8 + 7 + 4 + 8 + 8 + 3 * 8
    assert "geirhos.contrast:30" in members
    assert "geirhos.high_pass:0.55" in members
    assert "geirhos.eidolon3:128" in members
    by_name = {shift.name: shift for shift in SHIFTS}
    for text in members:
        name, _, number = text.partition(":")
        assert by_name[name].numbered == bool(number)
        assert by_name[name].group == "distortion"
        assert by_name[name].family == "geirhos2018"
        assert by_name[name].kind == name.removeprefix("geirhos.")
        if number:
            by_name[name].check(float(number))
            assert by_name[name].text(float(number)) == text
            assert by_name[name].says(float(number))
    assert set(LEVELS) == {shift.kind for shift in SHIFTS if shift.numbered}


def test_the_weakest_level_is_the_grey_image() -> None:
    image = picture(33, 20)
    grey = under(KINDS["greyscale"], 0, image, 0)
    for kind in ("contrast", "low_pass", "high_pass", "rotation"):
        assert np.array_equal(under(KINDS[kind], LEVELS[kind][0], image, 0), grey)
    noise = under(KINDS["phase_noise"], 0, image, 0)
    assert np.abs(noise.astype(int) - grey).max() <= 1


def test_the_module_is_light() -> None:
    """Neither OpenCV nor SciPy comes with the table of shifts."""
    code = (
        "import sys, heldout.shifts.geirhos;"
        "print([m for m in ('cv2', 'scipy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
