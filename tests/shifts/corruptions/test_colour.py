"""Brightness, saturation and contrast against the published outputs and a slow oracle."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from published_corruptions import SEVERITIES, clean, difference, other_rows, reference

pytest.importorskip("cv2")

from heldout.shifts.corruptions import brightness, contrast, saturate
from heldout.shifts.corruptions import colour as module
from heldout.shifts.corruptions.constants import Row, constants

FUNCTIONS = {"brightness": brightness, "contrast": contrast, "saturate": saturate}
MOST = {"brightness": 0.002, "contrast": 0.0, "saturate": 0.0}
Image = NDArray[np.uint8]


def outputs(kind: str, severity: int, pictures: Image) -> Image:
    made = [FUNCTIONS[kind](x, severity, reference="imagecorruptions") for x in pictures]
    return np.array(made)


@pytest.mark.data
@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_published_outputs(kind: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three pictures: in every bit, or one level in 0.2 % of the values; no other row is."""
    wanted = reference(f"det/{kind}")[:, severity - 1]
    most, share = difference(outputs(kind, severity, clean()), wanted)
    assert most <= 1
    assert share <= MOST[kind]
    for row in other_rows(kind, severity):
        monkeypatch.setattr(
            module, "prepared", lambda kind, image, severity, reference, row=row: (image, row)
        )
        most, share = difference(outputs(kind, severity, clean()[:1]), wanted[:1])
        assert share > 0.05, row


def slowly(kind: str, image: Image, row: Row) -> NDArray[np.float64]:
    """The corruption pixel by pixel in HSV, before it is cut to whole numbers."""
    out = np.empty(image.shape)
    for place in np.ndindex(*image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*(image[place] / 255))
        if kind == "brightness":
            v = min(1.0, v + row[0])
        else:
            s = min(1.0, s * row[0] + row[1])
        out[place] = colorsys.hsv_to_rgb(h, s, v)
    return out * 255


@pytest.mark.parametrize("kind", ["brightness", "saturate"])
@given(st.integers(0, 10_000), st.sampled_from(SEVERITIES), st.sampled_from([3, 64, 255]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_against_pixels_in_hsv(kind: str, seed: int, severity: int, levels: int) -> None:
    """Ties, greys, black and pure colours among them; cut off, not rounded."""
    image = np.random.default_rng(seed).integers(0, levels, (12, 15, 3), np.uint8)
    image = image * np.uint8(255 // (levels - 1) if levels < 255 else 1)
    exact = slowly(kind, image, constants(kind, severity, 32))
    own = FUNCTIONS[kind](image, severity)
    assert (own <= exact + 1e-6).all()
    assert (own > exact - 1 - 1e-6).all()


@given(st.integers(0, 10_000), st.sampled_from(SEVERITIES))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_contrast_by_the_formula(seed: int, severity: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (31, 17, 3), np.uint8)
    (factor,) = constants("contrast", severity, 32)
    x = image / 255
    mean = x.mean((0, 1), keepdims=True)
    exact = np.clip((x - mean) * factor + mean, 0, 1) * 255
    assert np.abs(contrast(image, severity) - np.floor(exact)).max() <= 1
    assert difference(contrast(image, severity), exact.astype(np.uint8))[1] < 0.01


def test_greys() -> None:
    """Brightness keeps them grey; saturation turns them reddish where it adds, as published."""
    grey = np.full((224, 224, 3), 128, np.uint8)
    assert saturate(grey, 4)[0, 0].tolist() == [128, 115, 115]
    assert saturate(grey, 5)[0, 0].tolist() == [128, 102, 102]
    assert saturate(grey, 3)[0, 0].tolist() == [128, 128, 128]
    assert brightness(grey, 3)[0, 0].tolist() == [204, 204, 204]
    assert brightness(np.zeros_like(grey), 1)[0, 0].tolist() == [25, 25, 25]


def test_large_images_go_in_parts() -> None:
    """More pixels than one part holds; an image wider than that."""
    rng = np.random.default_rng(0)
    for shape in ((700, 300, 3), (2, 70_000, 3)):
        image = rng.integers(0, 256, shape, np.uint8)
        own = saturate(image, 3, reference="imagecorruptions")
        some = own[-2:, -300:]
        assert np.array_equal(some, saturate(image[-2:, -300:], 3, reference="imagecorruptions"))
