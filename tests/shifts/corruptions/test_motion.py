"""Motion blur against ImageMagick's own, the reference's outputs and a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("cv2")

from heldout.shifts.corruptions import motion
from heldout.shifts.corruptions.constants import constants
from shifts.corruptions.measured import neighbours, off_by, statistics, stored

Image = NDArray[np.uint8]
ANGLES = st.floats(-180, 180)


def looped(
    values: NDArray[np.float32], radius: int, sigma: float, angle: float, stops: bool
) -> NDArray[np.float64]:
    """The sum over the trail in float64, one step at a time, places beyond an edge on the edge."""
    height, width = values.shape[:2]
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    total = np.zeros(values.shape)
    for i, weight in enumerate(weights):
        down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        if stops and (abs(down) >= height or abs(right) >= width):
            break
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        total += weight * values[rows][:, columns]
    return total


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.floats(0.5, 20), ANGLES,
       st.booleans(), st.sampled_from([(), (1,), (3,), (4,)]), st.integers(0, 9))  # fmt: skip
@settings(max_examples=100, deadline=None, derandomize=True)
def test_moved_is_the_plain_loop(
    height: int, width: int, radius: int, sigma: float, angle: float,
    stops: bool, channels: tuple[int, ...], seed: int,
) -> None:  # fmt: skip
    """Planes and images of any size, under any direction, trails longer than the image included."""
    values = np.random.default_rng(seed).random((height, width, *channels), dtype=np.float32)
    before = values.copy()
    out = motion.moved(values, radius, sigma, angle, stops=stops)
    assert out.dtype == np.float32
    assert out.shape == values.shape
    assert out.flags.c_contiguous
    assert np.array_equal(values, before)
    ends = (i * f(math.radians(angle)) % 1 for i in range(41) for f in (math.sin, math.cos))
    if all(abs(end - 0.5) > 1e-9 for end in ends):  # otherwise a step's place is a tie
        assert np.abs(out - looped(values, radius, sigma, angle, stops)).max() < 1e-5


def test_a_spot_trails_to_the_left_and_upwards() -> None:
    """At 0 degrees what is on the right moves in, at 90 what is below, at 30 more of the former."""
    spot = np.zeros((21, 21), np.float32)
    spot[10, 10] = 1
    for angle, ahead in ((0, (0, -4)), (90, (-4, 0)), (30, (-2, -3)), (-30, (2, -3))):
        out = motion.moved(spot, 4, 3, angle)
        assert out[10, 10] == out.max()
        assert out[10 + ahead[0], 10 + ahead[1]] > 0
        assert out[10 - ahead[0], 10 - ahead[1]] == 0
        assert out.sum() == pytest.approx(1, abs=1e-6)


def small() -> Image:
    y, x, c = np.mgrid[:6, :7, :3]
    return ((7 * y * y + 13 * x * y + 29 * x + 61 * c) % 256).astype(np.uint8)


@pytest.mark.parametrize(
    ("radius", "sigma", "angle", "red"),
    [
        (3, 2, 17, [[53, 83, 104, 108, 83, 101, 111],
                    [78, 113, 131, 123, 161, 112, 40],
                    [81, 89, 148, 203, 176, 125, 144],
                    [83, 144, 112, 43, 102, 145, 167],
                    [142, 124, 72, 152, 146, 112, 139],
                    [110, 91, 131, 144, 137, 196, 227]]),
        (10, 3, -40, [[49, 78, 105, 131, 154, 167, 174],
                      [51, 83, 113, 142, 168, 184, 134],
                      [67, 107, 146, 183, 169, 74, 87],
                      [96, 146, 195, 134, 86, 114, 130],
                      [144, 159, 88, 86, 140, 114, 133],
                      [161, 56, 105, 127, 75, 115, 137]]),
    ],
)  # fmt: skip
def test_imagenet_c_is_imagemagick(
    radius: int, sigma: float, angle: float, red: list[list[int]]
) -> None:
    """The red channel of what ImageMagick 7.1.2 makes with -motion-blur, edges included."""
    out = motion._blurred(small(), radius, sigma, angle, "imagenet-c")
    assert out[..., 0].tolist() == red


@pytest.mark.data
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference_with_its_own_draws(severity: int) -> None:
    """Within a level of what the package makes after np.random.seed(0)."""
    radius, sigma = constants("motion_blur", severity, 224)
    angle = np.random.RandomState(0).uniform(-45, 45)
    out = motion._blurred(stored("clean")[0], radius, sigma, angle, "imagecorruptions")
    largest, share = off_by(out, stored("seed0/motion_blur")[severity - 1])
    assert largest <= 1
    assert share <= 3e-4


@pytest.mark.data
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference_at_its_angles(severity: int) -> None:
    """Its outputs have the statistics of ours at their angles; with no neighbouring constant do."""
    for image in range(3):
        clean = stored("clean")[image]

        def gap(
            row: tuple[float, ...], seed: int, clean: Image = clean, image: int = image
        ) -> float:
            angle = np.random.RandomState(seed).uniform(-45, 45)
            ours = statistics(motion._blurred(clean, *row, angle, "imagecorruptions"), clean)
            theirs = (stored(f"stat/motion_blur/{name}") for name in ours)
            pairs = zip(ours.values(), theirs, strict=True)
            return max(
                float(np.abs(mine / other[image, severity - 1, seed] - 1).max())
                for mine, other in pairs
            )

        seeds = (0, 7 + image, 19)
        assert max(gap(constants("motion_blur", severity, 224), seed) for seed in seeds) < 1e-4
        own = constants("motion_blur", severity, 224)
        near = neighbours("motion_blur", severity)
        for row in {*near, *((own[0], row[1]) for row in near)} - {own}:
            assert gap(row, seeds[1]) > 1e-3, row


def test_the_angle_is_uniform_up_to_45_degrees() -> None:
    """One draw a call, the same for both references, which differ by half a level on average."""
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint8)
    row = constants("motion_blur", 3, 64)
    angle = np.random.default_rng(5).uniform(-45, 45)
    out = motion.motion_blur(image, 3, np.random.default_rng(5))
    assert np.array_equal(out, motion._blurred(image, *row, angle, "imagenet-c"))
    row = constants("motion_blur", 3, 224)
    rounded = motion._blurred(image, *row, angle, "imagenet-c").astype(int)
    other = motion.motion_blur(image, 3, np.random.default_rng(5), reference="imagecorruptions")
    assert set(np.unique(rounded - other)) == {0, 1}
    assert (rounded - other).mean() == pytest.approx(0.5, abs=0.02)


def test_imagecorruptions_darkens_images_shorter_than_the_trail() -> None:
    """Steps that are a whole image away are left out there, but not by ImageMagick."""
    white = np.full((32, 32, 3), 255, np.uint8)
    dark = motion._blurred(white, 20, 15, 0.0, "imagecorruptions")
    weights = np.exp(-(np.arange(41) ** 2) / (2 * 15**2))
    assert np.unique(dark).tolist() == [int(255 * weights[:32].sum() / weights.sum())]
    assert motion._blurred(white, 20, 15, 0.0, "imagenet-c").min() == 255
