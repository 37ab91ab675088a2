"""Each shift against an oracle, and what all of them promise."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import kstest

from heldout.errors import BadInput
from heldout.shifts.catalogue import expand, find, names, parse, shifted
from heldout.shifts.shift import generator

ALL = ["resize:6", "jpeg:30", "greyscale", "brightness-factor:0.5", "contrast-factor:0.4",
       "rotate:10", "rotate:180", "blur:1.3", "noise:0.1", "noise:0.1+jpeg:30",
       "rotate:5+blur:1+noise:0.02"]  # fmt: skip
RNG = np.random.default_rng(0)


def picture(height: int, width: int, seed: int = 0, smooth: bool = False) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    if smooth:
        small = rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), np.uint8)
        return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def under(
    text: str, image: NDArray[np.uint8], seed: int = 0, example: str = "e"
) -> NDArray[np.uint8]:
    return shifted(image, parse(text), seed, example)


@pytest.mark.parametrize("text", ALL)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_what_all_shifts_promise(text: str, height: int, width: int, seed: int) -> None:
    """Same shape, uint8, C-contiguous, the input unchanged; other strides give the same bits."""
    image = picture(height, width, seed)
    kept = image.copy()
    out = under(text, image, seed)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert not np.shares_memory(out, image)
    assert np.array_equal(image, kept)
    wide = np.zeros((height, 2 * width, 3), np.uint8)
    wide[:, ::2] = image
    for view in (wide[:, ::2], np.asfortranarray(image), image[::-1].copy()[::-1]):
        assert np.array_equal(under(text, view, seed), out)
    locked = image.copy()
    locked.flags.writeable = False
    assert np.array_equal(under(text, locked, seed), out)


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 4), np.uint8),
     np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8),
     np.zeros((4, 0, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8), [[[1, 2, 3]]],
     np.zeros((4, 4, 3), np.int64)],
)  # fmt: skip
def test_images_that_are_none(text: str, bad: NDArray[np.uint8]) -> None:
    """Grey, RGBA, floats, empty images, stacks and lists are refused in a sentence."""
    with pytest.raises(BadInput, match="A shift takes"):
        under(text, bad)
    for step in parse(text).steps:
        with pytest.raises(BadInput, match="A shift takes"):
            step.shift.apply(bad, step.number, RNG)


@pytest.mark.parametrize("text", ["noise:0.1", "noise:0.3+jpeg:30", "jpeg:50+noise:0.1+noise:0.1"])
@given(st.integers(0, 2**40), st.permutations(range(6)), st.text(max_size=5))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_random_shifts_depend_on_seed_text_and_example_only(
    text: str, seed: int, order: list[int], prefix: str
) -> None:
    """Whatever the order and the company, an example gets the same noise; others get another."""
    image = picture(9, 7)
    one = {i: under(text, image, seed, f"{prefix}{i}") for i in range(6)}
    np.random.default_rng(seed).random(17)
    for i in order:
        assert np.array_equal(under(text, image, seed, f"{prefix}{i}"), one[i])
    assert len({o.tobytes() for o in one.values()}) == 6
    assert not np.array_equal(under(text, image, seed + 1, f"{prefix}0"), one[0])


def test_the_stream_is_written_down() -> None:
    """The bits of the noise are part of what a setting means; a change of them must be seen."""
    drawn = generator(7, "noise:0.1", "img-1").standard_normal(3, dtype=np.float32)
    assert drawn.tolist() == pytest.approx(STREAM, abs=1e-6)
    assert parse("noise:0.1").random
    assert not parse("jpeg:30+blur:1").random


STREAM = [-0.7801966667, 1.9285219908, -0.3398879766]


def test_steps_of_a_chain_draw_independently() -> None:
    """The second noise of a chain is not the first one again, and the first is that of its own."""
    image = np.full((64, 64, 3), 128, np.uint8)
    first = under("noise:0.05", image).astype(int) - 128
    both = under("noise:0.05+noise:0.05", image).astype(int) - 128
    second = both - first
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    step = under("noise:0.05", image)
    assert np.array_equal(under("noise:0.05+jpeg:30", image), under("jpeg:30", step))


def test_noise_moments() -> None:
    """Mean 0, the stated standard deviation, Gaussian, channels and pixels independent."""
    image = np.full((256, 256, 3), 128, np.uint8)
    for sd in (0.02, 0.1):
        left = under(f"noise:{sd}", image).astype(float) - 128
        n = left.size
        expected = math.sqrt((255 * sd) ** 2 + 1 / 12)  # rounding adds 1/12
        assert abs(left.mean()) < 4 * expected / math.sqrt(n)
        assert abs(left.std() / expected - 1) < 4 / math.sqrt(2 * n)
        channels = np.corrcoef(left.reshape(-1, 3).T)
        assert np.abs(channels - np.eye(3)).max() < 4 / math.sqrt(n / 3)
        assert abs(np.corrcoef(left[:, :-1].ravel(), left[:, 1:].ravel())[0, 1]) < 0.02
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, left.size)
    assert kstest((left.ravel() + jitter) / expected, "norm").pvalue > 1e-4
    dark = under("noise:0.5", np.zeros((64, 64, 3), np.uint8))
    assert 0.45 < (dark == 0).mean() < 0.55  # clipped, not wrapped


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0.05, 12), st.integers(0, 9))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_blur_is_scipys(height: int, width: int, sigma: float, seed: int) -> None:
    """The same as scipy's Gaussian filter in double precision, mirrored edges, cut at 4 sigma."""
    image = picture(height, width, seed)
    expected = gaussian_filter(
        image.astype(np.float64), (sigma, sigma, 0), mode="mirror", truncate=4.0
    )
    out = under(f"blur:{sigma:.6f}", image).astype(np.float64)
    assert np.abs(out - expected).max() <= 0.5 + 1e-3


def test_blur_by_brute_force() -> None:
    """One pixel of a blurred image, summed by hand."""
    image = picture(7, 5)
    sigma, reach = 0.8, 3
    weights = {d: math.exp(-0.5 * (d / sigma) ** 2) for d in range(-reach, reach + 1)}
    total = sum(weights.values()) ** 2

    def mirrored(i: int, n: int) -> int:
        while not 0 <= i < n:
            i = -i if i < 0 else 2 * (n - 1) - i
        return i

    for y, x in ((0, 0), (3, 2), (6, 4)):
        value = sum(
            weights[dy] * weights[dx] * float(image[mirrored(y + dy, 7), mirrored(x + dx, 5), 1])
            for dy in weights for dx in weights
        ) / total  # fmt: skip
        assert abs(under("blur:0.8", image)[y, x, 1] - value) <= 0.5 + 1e-3


def test_jpeg_is_pillows() -> None:
    """The same bits as saving and reading with Pillow, at half the colour's resolution."""
    image = picture(33, 50, smooth=True)
    for quality in (1, 30, 75, 100):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
        with Image.open(buffer) as saved:
            assert saved.mode == "RGB"
            assert np.array_equal(under(f"jpeg:{quality}", image), np.asarray(saved))
    error = [np.abs(under(f"jpeg:{q}", image).astype(int) - image).mean() for q in (5, 30, 95)]
    assert error[0] > error[1] > error[2]
    with pytest.raises(BadInput, match="65,500 pixels a side"):
        under("jpeg:30", np.zeros((1, 65_501, 3), np.uint8))


def test_resize_is_pillows() -> None:
    """Shrunk to the shorter side, the longer one rounded down, enlarged back; small ones stay."""
    image = picture(50, 75, smooth=True)
    picture_ = Image.fromarray(image)
    for side in (1, 16, 49):
        small = picture_.resize((side * 75 // 50, side), Image.Resampling.BICUBIC)
        expected = np.asarray(small.resize((75, 50), Image.Resampling.BICUBIC))
        assert np.array_equal(under(f"resize:{side}", image), expected)
        turned = under(f"resize:{side}", image.transpose(1, 0, 2))
        assert np.abs(turned.transpose(1, 0, 2).astype(int) - expected).max() <= 2
    for side in (50, 64):
        assert np.array_equal(under(f"resize:{side}", image), image)
    assert under("resize:1", picture(3, 400)).shape == (3, 400, 3)


def test_greyscale_is_bt601() -> None:
    """0.299 R + 0.587 G + 0.114 B within a rounding, and Pillow's L to the bit."""
    image = picture(40, 40)
    out = under("greyscale", image)
    assert np.array_equal(out[..., 0], np.asarray(Image.fromarray(image).convert("L")))
    assert np.array_equal(out[..., 0], out[..., 1])
    assert np.array_equal(out[..., 0], out[..., 2])
    assert np.abs(out[..., 0] - image @ np.array([0.299, 0.587, 0.114])).max() <= 0.51
    assert np.array_equal(under("greyscale+greyscale", image), out)


@pytest.mark.parametrize("factor", [0, 0.25, 0.5, 1, 1.7])
def test_brightness_and_contrast_are_pillows(factor: float) -> None:
    """Within one grey level (Pillow cuts off where this rounds)."""
    image = picture(31, 17)
    pillow = Image.fromarray(image)
    for name, oracle in (
        ("brightness-factor", ImageEnhance.Brightness),
        ("contrast-factor", ImageEnhance.Contrast),
    ):
        expected = np.asarray(oracle(pillow).enhance(factor)).astype(int)
        assert np.abs(under(f"{name}:{factor}", image).astype(int) - expected).max() <= 1
        if factor == 1:
            assert np.array_equal(under(f"{name}:1", image), image)


@given(st.integers(1, 30), st.integers(-4, 4))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_quarter_turns_are_exact(side: int, turns: int) -> None:
    """Of a square every quarter turn, of any image every half turn, counter-clockwise."""
    square = picture(side, side)
    assert np.array_equal(under(f"rotate:{90 * turns}", square), np.rot90(square, turns))
    if turns % 2 == 0:
        oblong = picture(side, side + 3)
        assert np.array_equal(under(f"rotate:{90 * turns}", oblong), np.rot90(oblong, turns))


@given(st.integers(1, 40), st.integers(1, 40), st.floats(-200, 200), st.integers(0, 5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_rotation_is_scipys(height: int, width: int, degrees: float, seed: int) -> None:
    """Bilinear sampling of the reflected image, about the centre, counter-clockwise."""
    image = picture(height, width, seed)
    angle = math.radians(round(degrees, 3))
    y, x = np.mgrid[:height, :width].astype(float)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    at = [math.sin(angle) * x + math.cos(angle) * y + (height - 1) / 2,
          math.cos(angle) * x - math.sin(angle) * y + (width - 1) / 2]  # fmt: skip
    expected = np.stack(
        [
            map_coordinates(image[..., c].astype(float), at, order=1, mode="reflect")
            for c in range(3)
        ],
        axis=-1,
    )
    out = under(f"rotate:{round(degrees, 3)}", image).astype(float)
    assert np.abs(out - expected).max() <= 0.5 + 1e-2


def test_rotation_goes_the_way_of_a_quarter_turn() -> None:
    """Slightly less than 90 degrees is nearly np.rot90, and the corners are not grey or black."""
    image = picture(64, 64, smooth=True)
    near = under("rotate:89.9", image).astype(int)
    assert np.abs(near - np.rot90(image)).mean() < 2
    white = np.full((40, 60, 3), 255, np.uint8)
    assert np.array_equal(under("rotate:33", white), white)


def test_large_images_go_in_bands() -> None:
    """An image of more pixels than are rotated at once has no seam."""
    image = picture(300, 700, smooth=True)
    out = under("rotate:10", image).astype(int)
    part = under("rotate:10", image[100:200, 250:450].copy()).astype(int)
    assert np.abs(out[130:170, 330:370] - part[30:70, 80:120]).max() <= 1


def test_every_shift_says_what_it_is() -> None:
    """Names, words, severities; the catalogue has what it names."""
    for name in names():
        shift = find(name)
        assert shift.name == name
        assert shift.about
        assert shift.family
    assert parse("noise:0.1+jpeg:30").in_words() == (
        "Gaussian noise, sd 0.1 of 255, then JPEG at quality 30, 4:2:0"
    )
    assert expand("resize:64") == ["resize:64"]
