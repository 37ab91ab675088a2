"""Geometry: the pixels that torchvision's transforms give, and the measured accuracies' sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from heldout.errors import BadInput, NotFound
from heldout.images.decode import Unreadable
from heldout.images.geometry import INTERPOLATIONS, Geometry, fit

SIDES = st.integers(1, 60)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def as_torchvision(image: Image.Image, size: int, crop: tuple[int, int]) -> NDArray[np.uint8]:
    """torchvision's steps one by one (functional.py, version 0.20): resize, pad, crop."""
    w, h = image.size
    short, long = (w, h) if w <= h else (h, w)
    new_short, new_long = size, int(size * long / short)
    new_w, new_h = (new_short, new_long) if w <= h else (new_long, new_short)
    if (new_h, new_w) != (h, w):
        image = image.resize((new_w, new_h), Image.Resampling.BICUBIC)
    crop_height, crop_width = crop
    w, h = image.size
    if crop_width > w or crop_height > h:
        left = (crop_width - w) // 2 if crop_width > w else 0
        top = (crop_height - h) // 2 if crop_height > h else 0
        right = (crop_width - w + 1) // 2 if crop_width > w else 0
        bottom = (crop_height - h + 1) // 2 if crop_height > h else 0
        image = ImageOps.expand(image, border=(left, top, right, bottom), fill=0)
        w, h = image.size
    top, left = round((h - crop_height) / 2.0), round((w - crop_width) / 2.0)
    return np.asarray(image.crop((left, top, left + crop_width, top + crop_height)))


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, SIDES)
def test_torchvision_for_every_size(h: int, w: int, size: int, crop_h: int, crop_w: int) -> None:
    """Whatever the sizes, odd or even, larger or smaller than the crop: the same pixels."""
    image = picture(h, w)
    got = fit(image, Geometry(size, (crop_h, crop_w)))
    np.testing.assert_array_equal(got, as_torchvision(image, size, (crop_h, crop_w)))


def test_torchvision_itself() -> None:
    """Where torchvision is installed, its own transforms give the same pixels."""
    T: Any = pytest.importorskip(
        "torchvision.transforms", reason="torchvision is the oracle here, and is not installed"
    )
    for h, w in [(375, 500), (500, 333), (100, 60), (257, 256), (31, 400)]:
        image = picture(h, w)
        for name in ("bicubic", "bilinear", "nearest"):
            mode = T.InterpolationMode(name)
            want = T.Compose([T.Resize(256, mode), T.CenterCrop((224, 227))])(image)
            got = fit(image, Geometry(256, (224, 227), name))
            np.testing.assert_array_equal(got, np.asarray(want))


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((375, 500), 256, (256, 341)),  # int(341.33)
        ((500, 375), 256, (341, 256)),
        ((400, 300), 224, (298, 224)),  # int(298.67): cut, not rounded
        ((375, 500), (224, 200), (224, 200)),
        ((375, 500), None, (375, 500)),
    ],
)
def test_sizes(size: tuple[int, int], resize: Any, expected: tuple[int, int]) -> None:
    """The longer side is cut to a whole number, a pair is taken as (height, width)."""
    assert fit(picture(*size), Geometry(resize)).shape == (*expected, 3)


@pytest.mark.parametrize(("height", "first"), [(229, 2), (231, 4), (230, 3)])
def test_halves_of_a_pixel_go_to_even(height: int, first: int) -> None:
    """Python's rounding, as torchvision has it: 2.5 is 2, 3.5 is 4."""
    rows = np.repeat(np.arange(height, dtype=np.uint8)[:, None, None], 224, 1).repeat(3, 2)
    assert fit(Image.fromarray(rows), Geometry(None, (224, 224)))[0, 0, 0] == first


def test_too_small_for_the_crop() -> None:
    """Black borders, the larger one at the bottom and at the right."""
    got = fit(Image.new("RGB", (2, 2), (9, 9, 9)), Geometry(None, (5, 5)))
    expected = np.zeros((5, 5), int)
    expected[1:3, 1:3] = 9
    np.testing.assert_array_equal(got[:, :, 0], expected)


def test_right_size_already() -> None:
    """No resampling where nothing changes: the pixels are those of the file, with any filter."""
    image = picture(32, 32)
    for name in INTERPOLATIONS:
        np.testing.assert_array_equal(fit(image, Geometry(32, (32, 32), name)), np.asarray(image))


def test_own_contiguous_memory() -> None:
    """The array can be written to, and changing it leaves the picture as it was."""
    image = picture(8, 8)
    before = image.tobytes()
    got = fit(image, Geometry(None, (4, 4)))
    assert got.flags.c_contiguous
    assert got.dtype == np.uint8
    got[:] = 0
    assert image.tobytes() == before


def test_other_modes_become_rgb() -> None:
    """A grey picture gives three equal channels."""
    got = fit(Image.new("L", (4, 4), 7), Geometry(2))
    assert got.shape == (2, 2, 3)
    assert (got == 7).all()


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(24, 31), (100, 10), (48, 48)])
def test_without_antialiasing_is_torch(name: str, size: tuple[int, int]) -> None:
    """Smaller, larger and both at once: torch's interpolate without antialias, rounded
    to whole numbers."""
    torch = pytest.importorskip("torch", reason="torch is the oracle here, and is not installed")
    image = picture(48, 64)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    want = torch.nn.functional.interpolate(tensor, size, mode=name, align_corners=False)
    want = want.clamp(0, 255)[0].permute(1, 2, 0).numpy()
    got = fit(image, Geometry(size, None, name, antialias=False)).astype(float)
    assert np.abs(got - want).max() < 0.501
    if size != (48, 48):
        filtered = fit(image, Geometry(size, None, name)).astype(float)
        assert np.abs(filtered - want).max() > 20


def test_a_line_is_no_picture() -> None:
    """1 x 60,000 would become 256 x 15,360,000, or 16 GB: refused before that."""
    with pytest.raises(Unreadable, match="longer side of 15,360,000"):
        fit(Image.new("RGB", (60_000, 1)), Geometry(256, (224, 224)))
    assert fit(Image.new("RGB", (600, 1)), Geometry(256, (224, 224))).shape == (224, 224, 3)


def test_nonsense_is_refused() -> None:
    """An unknown interpolation with near matches; sizes below 1; a filter without a filter."""
    with pytest.raises(NotFound, match="Did you mean 'bicubic'"):
        Geometry(interpolation="bicubik")
    with pytest.raises(BadInput, match="0 pixels"):
        Geometry(0)
    with pytest.raises(BadInput, match="-1 pixels"):
        Geometry(None, (224, -1))
    with pytest.raises(BadInput, match="lanczos"):
        Geometry(32, interpolation="lanczos", antialias=False)


def test_in_words() -> None:
    """All that changes the pixels is said."""
    words = Geometry((32, 40), None, "bilinear", antialias=False).in_words()
    assert words == "resized to 32 x 40 (bilinear, no antialiasing)"
    assert Geometry(None, (8, 9)).in_words() == "centre crop 8 x 9"
    assert Geometry().in_words() == "size as it comes"
