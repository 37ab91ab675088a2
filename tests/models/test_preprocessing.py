"""Preprocessing: options change what they name, and the numbers are those of the usual recipe."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from heldout.errors import BadInput, NotFound
from heldout.images.geometry import Geometry
from heldout.models.preprocessing import (
    NORMS,
    Preprocessing,
    normalised,
    with_channels,
    with_options,
)

USUAL = Preprocessing(Geometry(256, (224, 224)), *NORMS["imagenet"], origin="a recipe")
SQUASH = Preprocessing(Geometry((384, 384), (384, 384)), *NORMS["half"])


@pytest.mark.parametrize(
    ("start", "options", "geometry"),
    [
        (USUAL, {"size": "384"}, Geometry(438, (384, 384))),
        (
            USUAL,
            {"size": "112", "interpolation": "Bilinear"},
            Geometry(128, (112, 112), "bilinear"),
        ),
        (SQUASH, {"size": "224"}, Geometry((224, 224), (224, 224))),
        (USUAL, {"resize": "232"}, Geometry(232, (224, 224))),
        (USUAL, {"resize": "232x232"}, Geometry((232, 232), (224, 224))),
        (USUAL, {"resize": "240x320", "crop": "none"}, Geometry((240, 320))),
        (USUAL, {"crop": "200x100"}, Geometry(256, (200, 100))),
        (USUAL, {"size": "448", "resize": "448"}, Geometry(448, (448, 448))),
        (USUAL, {"resize": "none", "crop": "none"}, None),
        (Preprocessing(None), {"size": "32"}, Geometry(32, (32, 32))),
        (Preprocessing(Geometry((64, 64))), {"size": "32"}, Geometry((32, 32))),
        (Preprocessing(Geometry(64)), {"size": "32"}, Geometry(32)),
        (
            USUAL,
            {"antialias": "no", "interpolation": "bilinear"},
            Geometry(256, (224, 224), "bilinear", False),
        ),
    ],
)
def test_geometry_options(
    start: Preprocessing, options: dict[str, str], geometry: Geometry | None
) -> None:
    """Each option of geometry does what its help says, and leaves the numbers alone."""
    made = with_options(start, options)
    assert made.geometry == geometry
    assert (made.mean, made.std, made.scale) == (start.mean, start.std, start.scale)


def test_numbers() -> None:
    """A named norm sets both numbers; fractions, lists and single numbers are read."""
    assert with_options(USUAL, {"mean": "cifar10"}).std == NORMS["cifar10"][1]
    assert with_options(USUAL, {"std": "half"}).mean == (0.5, 0.5, 0.5)
    both = with_options(USUAL, {"mean": "half", "std": "imagenet"})
    assert (both.mean, both.std) == (NORMS["half"][0], NORMS["imagenet"][1])
    assert with_options(USUAL, {"mean": "127/255"}).mean == (127 / 255,) * 3
    assert with_options(USUAL, {"mean": "127/255"}).std == USUAL.std
    assert with_options(USUAL, {"mean": "0,.25,1e-1"}).mean == (0.0, 0.25, 0.1)
    assert with_options(USUAL, {"scale": "1/128"}).scale == 1 / 128
    grey = with_options(Preprocessing(None), {"channels": "l", "mean": "0.1307", "std": ".3081"})
    assert (grey.channels, grey.mean, grey.std) == ("L", (0.1307,), (0.3081,))


def test_typed_values_mean_what_their_text_means() -> None:
    """A mapping in Python code may hold numbers and tuples."""
    typed = {"resize": (240, 320), "crop": 224, "mean": (0.1, 0.2, 0.3), "antialias": True}
    text = {"resize": "240x320", "crop": "224", "mean": "0.1,0.2,0.3", "antialias": "yes"}
    assert with_options(USUAL, typed).geometry == with_options(USUAL, text).geometry
    assert with_options(USUAL, typed).mean == with_options(USUAL, text).mean


def test_nothing_said_changes_nothing() -> None:
    """Options of the adapter itself are none of preprocessing's business."""
    assert with_options(USUAL, {"checkpoint": "x", "name": "y"}) is USUAL


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"size": "0"}, BadInput, "size=0 is not a number of pixels"),
        ({"size": "224x224"}, BadInput, "size=224x224"),
        ({"resize": "1x2x3"}, BadInput, "height x width"),
        ({"crop": "big"}, BadInput, "crop=big"),
        ({"interpolation": "bicubc"}, NotFound, "Did you mean 'bicubic'"),
        ({"antialias": "maybe"}, BadInput, "neither yes nor no"),
        ({"mean": "imagnet"}, NotFound, "Did you mean 'imagenet'"),
        ({"mean": "0.5,0.5"}, BadInput, "mean has 2 numbers"),
        ({"std": "0.5,0,0.5"}, BadInput, "not above 0"),
        ({"std": "1/0"}, BadInput, "not a number"),
        ({"mean": "nan"}, NotFound, "nan"),
        ({"mean": "1e999"}, BadInput, "not finite"),
        ({"scale": "0"}, BadInput, "scale=0"),
        ({"channels": "RGBA"}, BadInput, "RGB, BGR, L"),
        ({"channels": "L"}, BadInput, "needs 1"),
    ],
)
def test_wrong_values(options: dict[str, str], error: type[Exception], words: str) -> None:
    """Each is refused in a sentence that names it."""
    with pytest.raises(error, match=words):
        with_options(USUAL, options)


@settings(max_examples=30, deadline=None)
@given(
    norm=st.sampled_from(sorted(NORMS)),
    channels=st.sampled_from(["RGB", "BGR"]),
    shape=st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_numbers_are_those_of_the_formula(
    norm: str, channels: str, shape: tuple[int, int, int], seed: int
) -> None:
    """(x*scale - mean) / std in float64, to float32's precision."""
    images = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    how = Preprocessing(None, *NORMS[norm], channels=channels)
    made = normalised(how, images)
    seen = images[..., ::-1] if channels == "BGR" else images
    wanted = (seen / 255 - np.array(how.mean)) / np.array(how.std)
    assert made.dtype == np.float32
    assert made.shape == images.shape
    np.testing.assert_allclose(made, wanted, rtol=1e-6, atol=1e-6)


def test_grey_is_pillows() -> None:
    """channels=L gives what Pillow's convert("L") gives, on every one of 100,000 colours."""
    image = np.random.default_rng(0).integers(0, 256, (250, 400, 3), np.uint8)
    assert np.array_equal(
        with_channels(image[None], "L")[0, ..., 0], np.asarray(Image.fromarray(image).convert("L"))
    )


def test_record_and_words() -> None:
    """The record is complete JSON; the words name geometry, numbers and origin."""
    record = json.loads(json.dumps(USUAL.record()))
    assert record["geometry"] == {
        "resize": 256,
        "crop": [224, 224],
        "interpolation": "bicubic",
        "antialias": True,
    }
    assert (record["mean"], record["scale"]) == ([0.485, 0.456, 0.406], 1 / 255)
    assert (record["channels"], record["origin"]) == ("RGB", "a recipe")
    assert Preprocessing(None).record()["geometry"] is None
    words = with_options(USUAL, {"size": "384", "mean": "0.5"}).in_words()
    assert words == (
        "shorter side to 438 (bicubic), centre crop 384 x 384; RGB, x/255, mean 0.5 0.5 0.5, std"
        " 0.229 0.224 0.225 (a recipe; changed by size=384 mean=0.5)"
    )
    assert "imagenet mean and std" in USUAL.in_words()
    assert Preprocessing(None, scale=1.0).in_words() == "pictures as they come; RGB, x"
