"""Glass blur against a plain loop over the pixels, and against the reference's outputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, stats

pytest.importorskip("cv2")

from heldout.shifts.corruptions import glass
from heldout.shifts.corruptions.blur import smoothed
from heldout.shifts.corruptions.constants import SIZES, Row, constants
from shifts.corruptions.measured import distance, neighbours, off_by, stored

Image = NDArray[np.uint8]
Pairs = NDArray[np.int64]
SIDES = st.integers(1, 30)


def looped(image: Image, sigma: float, reach: int, pairs: Pairs) -> Image:
    """The corruption as it is published: pairs are (dx, dy) in the order of use."""
    out = smoothed(image, sigma)
    height, width = out.shape[:2]
    left = iter(pairs)
    for _ in range(len(pairs) // max(1, (height - 2 * reach) * (width - 2 * reach))):
        for h in range(height - reach, reach, -1):
            for w in range(width - reach, reach, -1):
                dx, dy = next(left)
                out[h, w] = out[h + dy, w + dx]
    return smoothed(out, sigma)


def numbered(pairs: Pairs, shape: tuple[int, ...], reach: int, iterations: int) -> Image:
    """(dx, dy) in the order of use as numbers of displacements, in the order of places."""
    rows, columns = (max(0, side - 2 * reach) for side in shape[:2])
    numbers = ((pairs[:, 1] + reach) * 2 * reach + pairs[:, 0] + reach).astype(np.uint8)
    return numbers.reshape(iterations, rows, columns)[:, ::-1, ::-1]


def rendered(clean: Image, row: Row, rng: np.random.Generator) -> Image:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glass, "prepared", lambda *_: (clean, row))
        return glass.glass_blur(clean, 3, rng)


@pytest.mark.parametrize("size", SIZES)
@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_it_is_the_plain_loop(size: int, height: int, width: int, severity: int, seed: int) -> None:
    """Copies, not swaps, from the last pixel to the first, whatever the size of the image."""
    sigma, reach, iterations = constants("glass_blur", severity, size)
    reach, iterations = int(reach), int(iterations)
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    count = iterations * max(0, height - 2 * reach) * max(0, width - 2 * reach)
    pairs = rng.integers(-reach, reach, (count, 2))
    drawn = numbered(pairs, image.shape, reach, iterations)
    out = glass._glassed(image, sigma, reach, drawn)
    assert np.array_equal(out, looped(image, sigma, reach, pairs))


@pytest.mark.parametrize("step", ["on", "back", "down"])
def test_the_longest_chains(step: str) -> None:
    """All pixels copied from the next one: the last value of all runs through the whole image."""
    image = np.random.default_rng(0).integers(0, 256, (20, 23, 3), np.uint8)
    pair = {"on": (1, 0), "back": (-2, 0), "down": (0, 1)}[step]
    pairs = np.tile(pair, (16 * 19, 1))
    drawn = numbered(pairs, image.shape, 2, 1)
    out = glass._glassed(image, 0.05, 2, drawn)
    assert np.array_equal(out, looped(image, 0.05, 2, pairs))
    if step == "on":
        assert np.array_equal(out[3:19, 3:22], np.repeat(image[3:19, 22:23], 19, axis=1))


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_displacements_are_uniform(reach: int) -> None:
    """Every pair from -d to d - 1, equally often; one draw does not tell the next."""
    count = 200_000
    drawn = glass._drawn(reach, count, np.random.default_rng(reach)).astype(int)
    choices = (2 * reach) ** 2
    assert drawn.max() == choices - 1
    assert stats.chisquare(np.bincount(drawn, minlength=choices)).pvalue > 1e-3
    pairs = np.bincount(drawn[:-1] * choices + drawn[1:], minlength=choices**2)
    assert stats.chisquare(pairs).pvalue > 1e-3
    steps = glass._steps(reach, 1000)
    dy = np.rint(steps / 1000).astype(int)
    assert set(zip(dy, steps - 1000 * dy, strict=True)) == {
        (y, x) for y in range(-reach, reach) for x in range(-reach, reach)
    }


def test_the_blurs_around_it_are_gaussian_and_truncated() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    out = image
    for _ in range(2):
        out = np.floor(ndimage.gaussian_filter(out.astype(float), (1.1, 1.1, 0), mode="nearest"))
    still = glass._glassed(image, 1.1, 3, np.full((2, 34, 44), 21, np.uint8))
    assert off_by(still, out.astype(np.uint8))[0] <= 1


@pytest.mark.data
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference_with_its_own_draws(severity: int) -> None:
    """Within a level of what the package makes after np.random.seed(0)."""
    clean = stored("clean")[0]
    sigma, reach, iterations = constants("glass_blur", severity, 224)
    reach, iterations = int(reach), int(iterations)
    count = iterations * (224 - 2 * reach) ** 2
    pairs = np.random.RandomState(0).randint(-reach, reach, size=(count, 2))
    out = glass._glassed(clean, sigma, reach, numbered(pairs, clean.shape, reach, iterations))
    largest, share = off_by(out, stored("seed0/glass_blur")[severity - 1])
    assert largest <= 1
    assert share < 2e-4


@pytest.mark.data
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference_in_distribution(severity: int) -> None:
    """As near to the reference's 20 outputs as chance allows; no neighbouring constant is.

    Nor is a row with only one constant of a neighbour.
    """
    rng = np.random.default_rng(severity)
    for image in (0, 1):
        outs = [
            glass.glass_blur(stored("clean")[image], severity, rng, reference="imagecorruptions")
            for _ in range(4)
        ]
        assert distance(outs, "glass_blur", image, severity) < 5
    own = constants("glass_blur", severity, 224)
    near = neighbours("glass_blur", severity)
    single = [(*own[:i], row[i], *own[i + 1 :]) for row in near for i in range(3)]
    for row in {*near, *single} - {own}:
        outs = [rendered(stored("clean")[0], row, rng) for _ in range(2)]
        assert distance(outs, "glass_blur", 0, severity) > 10, row
