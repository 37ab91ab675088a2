"""Gaussian, defocus and zoom blur against the reference's outputs and plain convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

pytest.importorskip("cv2")

import cv2

from heldout.shifts.corruptions import blur, defocus, zoom
from heldout.shifts.corruptions.constants import SIZES, constants
from shifts.corruptions.measured import off_by, stored

Image = NDArray[np.uint8]
SIDES = st.integers(1, 45)
APPLY: dict[str, Callable[..., Image]] = {
    "gaussian_blur": blur.gaussian_blur,
    "defocus_blur": defocus.defocus_blur,
    "zoom_blur": zoom.zoom_blur,
}


def picture(height: int, width: int, seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.data
@pytest.mark.parametrize("kind", APPLY)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference(kind: str, severity: int) -> None:
    """Within one level everywhere, for both references, and other than that in few values."""
    for clean, expected in zip(
        stored("clean"), stored(f"det/{kind}")[:, severity - 1], strict=True
    ):
        for reference in ("imagenet-c", "imagecorruptions"):
            out = APPLY[kind](clean, severity, reference=reference)
            largest, share = off_by(out, expected)
            assert largest <= 1
            assert share < 1e-4


@pytest.mark.data
@pytest.mark.parametrize("kind", APPLY)
def test_no_other_severity_is_the_reference(kind: str) -> None:
    clean = stored("clean")[0]
    for severity in range(1, 6):
        for other in {severity - 1, severity + 1} & set(range(1, 6)):
            _, share = off_by(APPLY[kind](clean, other), stored(f"det/{kind}")[0, severity - 1])
            assert share > 0.3


@pytest.mark.data
def test_defocus_of_severity_1_is_the_reference_to_the_bit() -> None:
    """Its sums over 29 pixels are whole numbers, and so is one mean in 29."""
    for clean, expected in zip(stored("clean"), stored("det/defocus_blur")[:, 0], strict=True):
        assert np.array_equal(defocus.defocus_blur(clean, 1), expected)


@pytest.mark.parametrize("size", SIZES)
@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_gaussian_blur_is_a_convolution(
    size: int, height: int, width: int, severity: int, seed: int
) -> None:
    """At any size, kernels larger than the image included: scipy's filter in float64."""
    (sigma,) = constants("gaussian_blur", severity, size)
    image = picture(height, width, seed)
    exact = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest")
    assert np.abs(blur.smoothed(image, sigma) - (exact - 0.5)).max() < 0.501


@pytest.mark.parametrize("size", SIZES)
@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_defocus_blur_is_a_convolution(
    size: int, height: int, width: int, severity: int, seed: int
) -> None:
    """At any size: the published kernel, tap by tap, over the image mirrored as often as needed."""
    radius, rim = constants("defocus_blur", severity, size)
    image = picture(height, width, seed)
    grid = np.arange(-8, 9) if radius <= 8 else np.arange(-radius, radius + 1)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float32)
    blurred = (3, 3) if radius <= 8 else (5, 5)
    kernel = cv2.GaussianBlur(disk / disk.sum(), blurred, sigmaX=rim).astype(float)
    reach = len(grid) // 2
    padded = np.pad(image.astype(float), ((reach, reach), (reach, reach), (0, 0)), "reflect")
    exact = np.zeros(image.shape)
    for (y, x), weight in np.ndenumerate(kernel):
        exact += weight * padded[y : y + height, x : x + width]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defocus, "prepared", lambda *_: (image, (radius, rim)))
        out = defocus.defocus_blur(image, severity)
    assert np.abs(out - (np.minimum(exact, 255.5) - 0.5)).max() < 0.501


@pytest.mark.parametrize("size", SIZES)
@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_zoom_blur_is_a_mean_of_enlargements(
    size: int, height: int, width: int, severity: int, seed: int
) -> None:
    """At any size: scipy's zoom of the middle, in the published order of things.

    Except that the last sample, where it falls behind the last pixel by a rounding error (36 pixels
    a side, for one), is that pixel here ('nearest') and 0 there.
    """
    row = constants("zoom_blur", severity, size)
    image = picture(height, width, seed)
    total = image.astype(float)
    factors = np.arange(1, *row)
    for factor in factors:
        middle = [math.ceil(side / factor) for side in (height, width)]
        y, x = ((side - part) // 2 for side, part in zip((height, width), middle, strict=True))
        part = image[y : y + middle[0], x : x + middle[1]].astype(float)
        larger = ndimage.zoom(part, (factor, factor, 1), order=1, mode="nearest")
        total += larger[:height, :width]
    exact = total / (len(factors) + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoom, "prepared", lambda *_: (image, row))
        out = zoom.zoom_blur(image, severity)
    assert np.abs(out - (exact - 0.5)).max() < 0.502


def test_the_number_of_enlargements_is_that_of_floating_point() -> None:
    """Some stops are among the factors, by rounding errors."""
    counts = {
        size: [len(zoom._factors(*constants("zoom_blur", s, size))) for s in (1, 2, 3, 4, 5)]
        for size in SIZES
    }
    assert counts == {
        224: [12, 16, 11, 13, 11],
        64: [7, 12, 16, 21, 26],
        32: [7, 12, 16, 21, 26],
    }


@pytest.mark.parametrize("value", [0, 255])
def test_black_stays_black_and_white_white(value: int) -> None:
    """Truncating an error below 255 would make it 254; defocus's own kernels do, at first."""
    image = np.full((224, 224, 3), value, np.uint8)
    for kind, apply in APPLY.items():
        for severity in (1, 2, 3, 4, 5):
            out = apply(image, severity)
            darker = value and kind == "defocus_blur" and severity <= 3
            assert np.unique(out).tolist() == [254 if darker else value]
