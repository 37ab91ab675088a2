"""The elastic transform against the published outputs and SciPy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from published_corruptions import (
    FAR,
    SEVERITIES,
    apart,
    clean,
    difference,
    reference,
    sampled,
    stated,
    strays,
)

pytest.importorskip("cv2")

import cv2

from heldout.shifts.corruptions import elastic_transform
from heldout.shifts.corruptions.constants import constants
from heldout.shifts.corruptions.elastic import _STRENGTH, _displaced, _mapped, _smoothed
from heldout.shifts.corruptions.fractions import fractions

Image = NDArray[np.uint8]
PACKAGE = "imagecorruptions"


def package(image: Image, strength: float, legacy: np.random.RandomState) -> Image:
    """The package's variant with its own random numbers."""
    height, width = image.shape[:2]
    largest = 0.005 * height
    noise = legacy.uniform(-largest, largest, (2, height, width)).astype(np.float32)
    return _displaced(fractions(image), noise, (0.01 * height, 0.01 * width), strength)


@pytest.mark.data
@pytest.mark.parametrize("severity", SEVERITIES)
def test_published_output(severity: int) -> None:
    """With the package's draws within one level; with another severity's strength far from it."""
    image, wanted = clean()[0], reference("seed0/elastic_transform")[severity - 1]
    for strength in _STRENGTH:
        most, share = difference(package(image, strength, np.random.RandomState(0)), wanted)
        if strength == _STRENGTH[severity - 1]:
            assert most <= 1
            assert share < 1e-4
        else:
            assert most > 20
            assert share > 0.1
    found = strays(
        "elastic_transform", severity, lambda x, r: package(x, _STRENGTH[severity - 1], r), 5
    )
    assert found < 1e-3


@cache
def sample(severity: int) -> NDArray[np.float64]:
    def render(image: Image, seed: int) -> Image:
        rng = np.random.default_rng([seed, severity])
        return elastic_transform(image, severity, rng, reference=PACKAGE)

    return sampled(render)


@pytest.mark.data
@pytest.mark.parametrize("severity", SEVERITIES)
def test_distribution(severity: int) -> None:
    """Outputs with draws of our own: from the published distribution, and no other's."""
    assert apart(sample(severity), stated("elastic_transform", severity)) < FAR
    for other in SEVERITIES:
        if other != severity:
            assert apart(sample(other), stated("elastic_transform", severity)) > 2 * FAR


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.1, 0.8, 2.44, 6.0, 9.0, 40.0]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_smoothing_is_scipys(height: int, width: int, sigma: float) -> None:
    """Short filters and long ones (by cosines), longer than the image too."""
    noise = np.random.default_rng(0).random((2, height, width), dtype=np.float32)
    wanted = [gaussian_filter(p, (sigma, 2 * sigma), mode="reflect", truncate=3) for p in noise]
    np.testing.assert_allclose(_smoothed(noise.copy(), (sigma, 2 * sigma)), wanted, atol=2e-6)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (224, 224), (48, 80)])
def test_the_authors_steps(shape: tuple[int, int], severity: int) -> None:
    """`imagenet-c` from its draws, step by step with SciPy: affine, two planes, displacement."""
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    image = cv2.blur(image, (5, 5))
    own = elastic_transform(image, severity, np.random.default_rng(2))

    side = min(shape)
    size = {32: 32, 64: 64, 224: 224, 48: 64}[side]
    alpha, sigma, affine = (side / size * c for c in constants("elastic_transform", severity, size))
    rng = np.random.default_rng(2)
    centre, reach = np.float32(shape) // 2, side // 3
    corners = np.float32([centre + reach, [centre[0] + reach, centre[1] - reach], centre - reach])
    moved = corners + rng.uniform(-affine, affine, (3, 2)).astype(np.float32)
    matrix = cv2.getAffineTransform(corners, moved)
    values = np.float32(image) / 255
    values = cv2.warpAffine(values, matrix, shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
    planes = 2 * rng.random((2, *shape), dtype=np.float32) - 1
    if alpha:
        dx, dy = (alpha * gaussian_filter(p, sigma, mode="reflect", truncate=3) for p in planes)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        places = (rows + dy, columns + dx)
        channels = [
            map_coordinates(values[..., c], places, order=1, mode="reflect") for c in range(3)
        ]
        values = np.stack(channels, axis=2)
    most, share = difference(own, (np.clip(values, 0, 1) * 255).astype(np.uint8))
    assert most <= 1
    assert share < 0.01


def test_affine_map_moves_the_points() -> None:
    """A spot at the third point goes where its draw says; the centre is (row, column) as (x, y)."""
    values = np.zeros((90, 120, 3), np.float32)
    x, y = 45 - 30, 60 - 30
    values[y - 2 : y + 3, x - 2 : x + 3] = 1
    moved = _mapped(values, np.array([[0.0, 0.0], [0.0, 0.0], [7.0, -4.0]]))
    rows, columns = np.nonzero(moved[..., 0] > 0.5)
    assert abs(columns.mean() - (x + 7)) < 0.6
    assert abs(rows.mean() - (y - 4)) < 0.6


def test_no_displacement_without_strength() -> None:
    """At 32 and 64 pixels severity 1 is an affine map alone."""
    assert constants("elastic_transform", 1, 32)[0] == 0
    flat = np.full((32, 32, 3), 77, np.uint8)
    assert (elastic_transform(flat, 1, np.random.default_rng(0)) == 77).all()
