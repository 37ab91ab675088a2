"""Frost against the published outputs, its photographs, and heldout's own textures."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from published_corruptions import (
    FAR,
    SEVERITIES,
    apart,
    clean,
    difference,
    other_rows,
    reference,
    sampled,
    stated,
    strays,
)
from realdata import published

pytest.importorskip("cv2")

from heldout.errors import BadInput
from heldout.shifts.corruptions import frost
from heldout.shifts.corruptions.constants import Row, constants
from heldout.shifts.corruptions.frost import (
    Photographs,
    _covering,
    _frosted,
    own_photographs,
    photographs_of,
    read_photographs,
)
from heldout.shifts.corruptions.frost_textures import textures

Image = NDArray[np.uint8]
PACKAGE = "imagecorruptions"


def photographs() -> Photographs:
    return read_photographs(published("frost"))


def package(image: Image, row: Row, legacy: np.random.RandomState) -> Image:
    """The package's variant with its own random numbers."""
    index = legacy.randint(5)
    ice = _covering(photographs(), index, image.shape, PACKAGE)
    top = legacy.randint(0, ice.shape[0] - image.shape[0])
    left = legacy.randint(0, ice.shape[1] - image.shape[1])
    return _frosted(image, row, ice, top, left)


@pytest.mark.data
@pytest.mark.parametrize("severity", SEVERITIES)
def test_published_output(severity: int) -> None:
    """With the package's draws within one level; with any other row of the table far from it."""
    image, wanted = clean()[0], reference("seed0/frost")[severity - 1]
    row = constants("frost", severity, 224)
    most, share = difference(package(image, row, np.random.RandomState(0)), wanted)
    assert most <= 1
    assert share < 0.025
    for other in other_rows("frost", severity):
        most, share = difference(package(image, other, np.random.RandomState(0)), wanted)
        assert most > 3, other
        assert share > 0.5, other
    for seed in (3, 8, 14):
        assert strays("frost", severity, lambda x, r: package(x, row, r), seed) < 2e-3


@cache
def sample(severity: int) -> NDArray[np.float64]:
    def render(image: Image, seed: int) -> Image:
        rng = np.random.default_rng([seed, severity])
        return frost(image, severity, rng, reference=PACKAGE, photographs=photographs())

    return sampled(render)


@pytest.mark.data
@pytest.mark.parametrize("severity", SEVERITIES)
def test_distribution(severity: int) -> None:
    """Outputs with draws of our own: from the published distribution, further from all others.

    Which photograph is drawn outweighs the difference of neighbouring rows here; the test above,
    with the package's own draws, tells them apart.
    """
    own = apart(sample(severity), stated("frost", severity))
    assert own < FAR
    for other in SEVERITIES:
        if other != severity:
            assert apart(sample(other), stated("frost", severity)) > 1.2 * own


def flat(level: int, *shape: int) -> Image:
    return np.full((*shape, 3), level, np.uint8)


def numbered(rows: int, columns: int, count: int = 6) -> Photographs:
    """Photographs whose levels tell which and where: red 40 n, green 16 a row, blue 16 a column."""
    images = []
    for n in range(count):
        image = np.zeros((rows, columns, 3), np.uint8)
        image[..., 0] = 40 * n
        image[..., 1] = np.arange(rows)[:, None] * 16 % 256
        image[..., 2] = np.arange(columns) * 16 % 256
        images.append(image)
    return photographs_of(images)


def test_five_of_six_and_where() -> None:
    """The first five are drawn equally often, and the parts start anywhere but at the very end."""
    ice = numbered(230, 240)
    seen = []
    for seed in range(600):
        out = frost(flat(0, 224, 224), 5, np.random.default_rng(seed), photographs=ice)
        seen.append(out[0, 0] / 0.75)
    which, top, left = np.rint(np.array(seen).T / [[40], [16], [16]]).astype(int)
    counts = np.bincount(which)
    assert counts.size == 5
    assert counts.min() > 80
    assert set(top) == set(range(6))
    assert set(left) == set(range(16))


def test_weights_are_cut_off_exactly() -> None:
    """Every pair of levels at every row of the table: the sum of exact twentieths, truncated."""
    image = np.repeat(np.arange(256, dtype=np.uint8), 256).reshape(256, 256)
    source = np.stack([image] * 3, axis=2)
    ice = np.ascontiguousarray(source.transpose(1, 0, 2))
    for size in (224, 64, 32):
        for severity in SEVERITIES:
            row = constants("frost", severity, size)
            ours, theirs = (round(20 * weight) for weight in row)
            exact = (ours * source.astype(int) + theirs * ice.astype(int)) // 20
            assert np.array_equal(_frosted(source, row, ice, 0, 0), np.minimum(exact, 255))


def test_sizes_of_the_photographs() -> None:
    """As they are for 224 pixels, 0.3 and 0.2 for 64 and 32, enlarged where they do not cover."""
    ice = numbered(315, 560)

    def size(rows: int, columns: int, how: str = "imagenet-c") -> tuple[int, ...]:
        return _covering(ice, 0, (rows, columns, 3), how).shape[:2]

    assert size(224, 224) == (315, 560)
    assert size(64, 64) == (94, 168)
    assert size(32, 32) == (63, 112)
    assert size(96, 128) == (96, 171)
    assert size(630, 300) == (630, 1120)
    assert size(224, 224, PACKAGE) == (347, 616)
    assert size(32, 32, PACKAGE) == (347, 616)
    assert size(630, 300, PACKAGE) == (693, 1232)
    assert _covering(ice, 0, (224, 224, 3), "imagenet-c") is ice.images[0]


@given(st.integers(1, 90), st.integers(1, 90), st.integers(32, 60), st.integers(32, 60))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_it_always_covers(rows: int, columns: int, high: int, wide: int) -> None:
    ice = numbered(high, wide, 1)
    for how in ("imagenet-c", PACKAGE):
        shape = _covering(ice, 0, (rows, columns, 3), how).shape
        assert shape[0] >= rows
        assert shape[1] >= columns
        out = frost(
            flat(9, rows, columns), 2, np.random.default_rng(0), reference=how, photographs=ice
        )
        assert out.shape == (rows, columns, 3)


def folder(where: Path, *, without: str = "", alpha: bool = False) -> Path:
    for n, image in enumerate(numbered(40, 50).images, 1):
        if f"frost{n}" == without:
            continue
        picture = Pillow.fromarray(image)
        if alpha:
            picture.putalpha(n)
        picture.save(where / f"frost{n}.png")
    return where


def test_reading(tmp_path: Path) -> None:
    """By number, without transparency; again only when a file has changed; equal by content."""
    one, two = tmp_path / "one", tmp_path / "two"
    for where, alpha in ((one, False), (two, True)):
        where.mkdir()
        folder(where, alpha=alpha)
    first, second = read_photographs(one), read_photographs(str(two))
    assert [int(image[0, 0, 0]) for image in first.images] == [0, 40, 80, 120, 160, 200]
    assert first == second
    assert hash(first) == hash(second)
    assert first == numbered(40, 50)
    assert read_photographs(one) is first
    assert not first.images[0].flags.writeable

    Pillow.fromarray(flat(1, 40, 50)).save(one / "frost3.png")
    os.utime(one / "frost3.png", ns=(0, 0))
    changed = read_photographs(one)
    assert changed != first
    assert changed.digest != first.digest


def test_what_reading_refuses(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a folder"):
        read_photographs(tmp_path / "nowhere")
    folder(tmp_path, without="frost6")
    with pytest.raises(BadInput, match="has no frost6"):
        read_photographs(tmp_path)
    (tmp_path / "frost6.jpg").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=r"frost6\.jpg cannot be read"):
        read_photographs(tmp_path)
    Pillow.fromarray(flat(1, 31, 50)).save(tmp_path / "frost6.jpg")
    with pytest.raises(BadInput, match="smaller than 32"):
        read_photographs(tmp_path)
    Pillow.fromarray(flat(1, 40, 50)).save(tmp_path / "frost6.png")
    with pytest.raises(BadInput, match=r"both frost6\.jpg and frost6\.png"):
        read_photographs(tmp_path)


def test_textures_are_the_same_each_time() -> None:
    """The same bits in this process, and their digest on every machine."""
    ours = own_photographs()
    assert photographs_of(textures()) == ours
    assert own_photographs() is ours
    assert ours.digest == "f568876f0dfdd2eb244e352c439a49a1"


@pytest.mark.data
def test_textures_are_like_the_photographs() -> None:
    """Size, colours, contrast, neighbours and the power of every octave, texture by texture."""
    for ours, theirs in zip(own_photographs().images, photographs().images, strict=False):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.mean((0, 1)), theirs.mean((0, 1)), atol=1)
        np.testing.assert_allclose(ours.std((0, 1)), theirs.std((0, 1)), rtol=0.08)
        np.testing.assert_allclose(neighbours(ours), neighbours(theirs), atol=0.04)
        np.testing.assert_allclose(octaves(ours)[:7], octaves(theirs)[:7], rtol=0.06)
    assert not np.array_equal(own_photographs().images[1], own_photographs().images[2])


def neighbours(image: Image) -> float:
    grey = image.mean(2) - image.mean()
    return float((grey[:, 1:] * grey[:, :-1]).mean() / grey.var())


def octaves(image: Image) -> NDArray[np.float64]:
    """The variance of the grey levels by octave of frequency, from the highest."""
    grey = image.mean(2)
    power = np.abs(np.fft.fft2(grey - grey.mean()) / grey.size) ** 2
    down, across = np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])
    frequency = np.maximum(np.hypot(down, across), 1e-4)
    octave = np.log2(np.sqrt(0.5) / frequency).astype(int)
    return np.bincount(octave.ravel(), power.ravel())
