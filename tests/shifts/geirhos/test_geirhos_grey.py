"""Greyscale, contrast, filters, quarter turns and noise against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from heldout.shifts.geirhos import LEVELS, filters, grey, noise
from heldout.shifts.geirhos.rotation import rotation

RNG = np.random.default_rng(0)


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def rounded(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(int)


def weighted(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    red, green, blue = (image[:, :, i] / 255.0 for i in range(3))
    return 0.2125 * red + 0.7154 * green + 0.0721 * blue


def test_greyscale_by_hand() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9], [10, 200, 31]]], np.uint8)
    out = grey.greyscale(image, 0, RNG)
    # 54.19, 182.43, 18.39; 10 x .2125 + 200 x .7154 + 31 x .0721 = 147.44
    assert out[0, :, 0].tolist() == [54, 182, 18, 9, 147]


@pytest.mark.parametrize("percent", [*LEVELS["contrast"], 42.5])
def test_contrast(percent: float) -> None:
    image = picture(40, 30)
    c = percent / 100
    want = rounded((1 - c) / 2 + c * weighted(image))
    assert np.abs(grey.contrast(image, percent, RNG)[:, :, 1] - want).max() <= 1
    assert np.array_equal(np.unique(grey.contrast(image, 0, RNG)), [128])


@pytest.mark.parametrize("sigma", sorted({*LEVELS["low_pass"], *LEVELS["high_pass"], 2.2}))
@pytest.mark.parametrize("size", [(47, 33), (1, 1), (5, 160)])
def test_filters_against_scipy(sigma: float, size: tuple[int, int]) -> None:
    image = picture(*size)
    values = weighted(image)
    low = gaussian_filter(values, sigma, mode="constant", cval=0.4423)
    high = values - low
    assert np.abs(filters.low_pass(image, sigma, RNG)[:, :, 0] - rounded(low)).max() <= 1
    want = rounded(high + 0.4423 - high.mean()) if sigma else rounded(values)
    assert np.abs(filters.high_pass(image, sigma, RNG)[:, :, 2] - want).max() <= 1


def test_filters_are_exact_before_rounding() -> None:
    values = np.random.default_rng(1).random((61, 50))
    for sigma in (0.4, 1, 7.3, 40):
        want = gaussian_filter(values, sigma, mode="constant", cval=0.4423)
        assert np.allclose(filters._blurred(values, sigma), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("degrees", LEVELS["rotation"])
def test_a_square_is_turned_exactly(degrees: float) -> None:
    image = picture(6, 6)
    values = grey.greyscale(image, 0, RNG)[:, :, 0]
    out = rotation(image, degrees, RNG)[:, :, 0]
    turns = int(degrees) // 90
    for row in range(6):
        for column in range(6):
            # Counter-clockwise: what was at the right comes to the top.
            r, c = row, column
            for _ in range(turns):
                r, c = c, 5 - r
            assert out[row, column] == values[r, c]


@pytest.mark.parametrize("size", [(6, 10), (10, 6), (7, 10), (30, 3), (1, 5), (2, 9)])
def test_a_long_image_keeps_its_shape_and_its_middle_is_turned(size: tuple[int, int]) -> None:
    image = picture(*size)
    values = grey.greyscale(image, 0, RNG)[:, :, 0]
    assert np.array_equal(rotation(image, 180, RNG)[:, :, 0], values[::-1, ::-1])
    side, (height, width) = min(size), size
    out = rotation(image, 90, RNG)[:, :, 0]
    assert out.shape == size
    if (height - width) % 2 == 0:
        top, left = (height - side) // 2, (width - side) // 2
        middle = (slice(top, top + side), slice(left, left + side))
        assert np.array_equal(out[middle], np.rot90(values[middle]))
    # Every value comes from the image, the longer side's ends mirrored.
    assert set(np.unique(out)) <= set(np.unique(values))


@pytest.mark.parametrize("width", LEVELS["uniform_noise"][1:])
def test_uniform_noise(width: float) -> None:
    """Middle grey gets uniform numbers of just that width; neighbouring levels do not fit."""
    flat = np.full((200, 200, 3), 128, np.uint8)
    made = noise.uniform_noise(flat, width, np.random.default_rng(3))
    assert (made == made[:, :, :1]).all()
    base = 0.35 + 0.3 * 128 / 255
    values = made[:, :, 0].astype(float) / 255
    inside = min(width, 1 - base, base) - 2 / 255

    def fits(level: float) -> bool:
        """Whether the share of values within half the visible range is that of the level."""
        share = (np.abs(values - base) < inside / 2).mean()
        step = 1 / 255  # of the rounding
        return abs(share - inside / 2 / level) < 4 * np.sqrt(0.25 / values.size) + step / level

    def variance(level: float) -> float:
        draws = np.random.default_rng(8).uniform(-level, level, 400_000)
        return float(np.var(np.clip(base + draws, 0, 1)))

    def agrees(level: float) -> bool:
        return fits(level) and abs(np.var(values) / variance(level) - 1) < 0.03

    levels = LEVELS["uniform_noise"]
    at = levels.index(width)
    assert agrees(width)
    for other in (levels[at - 1], *levels[at + 1 : at + 2]):
        assert other == 0 or not agrees(other)


def test_noise_of_given_draws_by_hand() -> None:
    values = np.array([[0.0, 0.5, 1.0, 0.5]])
    draws = np.array([[0.0, 0.25, 0.999, 0.951]])
    assert np.allclose(noise._noised(values, 0.2, draws), [[0.15, 0.4, 0.8496, 0.6804]])
    assert np.allclose(noise._peppered(values, 0.1, draws), [[-0.65, 0.5, 1.65, 1.5]])


@pytest.mark.parametrize("share", LEVELS["salt_and_pepper"][1:])
def test_salt_and_pepper(share: float) -> None:
    """Half of the share black, half white, the rest untouched; no neighbouring level fits."""
    image = picture(200, 200)
    made = noise.salt_and_pepper(image, share, np.random.default_rng(5))[:, :, 0]
    want = rounded(0.35 + 0.3 * weighted(image))
    n = made.size
    assert want.min() > 80
    assert want.max() < 170

    def fits(level: float) -> bool:
        spread = 4 * np.sqrt(level / 2 * (1 - level / 2) / n)
        return all(abs((made == v).mean() - level / 2) <= spread for v in (0, 255))

    assert fits(share)
    levels = LEVELS["salt_and_pepper"]
    at = levels.index(share)
    assert not any(fits(other) for other in (levels[at - 1], *levels[at + 1 : at + 2]))
    rest = (made != 0) & (made != 255)
    assert np.abs(made[rest] - want[rest]).max() <= 1
