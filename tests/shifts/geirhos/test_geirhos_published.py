"""The authors' own pictures of one bird, from their repository: what it takes to be as published.

The folder `geirhos2018` of the published data holds example_image.png and the pictures made of it
(figures/introduction/example_image_*.png) of rgeirhos/generalisation-humans-DNNs, and
mean_power_spectrum_grey.npy.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from heldout.shifts.geirhos import SHIFTS, grey, noise, spectrum
from realdata import published

pytestmark = pytest.mark.data

KINDS = {shift.kind: shift for shift in SHIFTS}
RNG = np.random.default_rng(0)


def bird(name: str) -> NDArray[np.uint8]:
    with Image.open(published("geirhos2018") / f"{name}.png") as image:
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "number", "name"),
    [("greyscale", 0, "grayscale"), ("contrast", 30, "low_contrast"), ("high_pass", 3, "highpass"),
     ("low_pass", 3, "lowpass"), ("rotation", 90, "rotation90"), ("rotation", 180, "rotation180"),
     ("rotation", 270, "rotation270")],
)  # fmt: skip
def test_equal_to_the_authors(kind: str, number: float, name: str) -> None:
    out = KINDS[kind].apply(bird("example_image"), number, RNG)
    assert np.array_equal(out, bird(f"example_image_{name}"))


def test_noise_from_the_authors_seed() -> None:
    """Their generator, seed 42: the uniform noise first, then salt and pepper."""
    draws = np.random.RandomState(42)
    values = grey.grey(bird("example_image"))
    out = grey.saved(noise._noised(values, 0.2, draws.random_sample(values.shape)))
    assert np.array_equal(out, bird("example_image_uniform_noise"))
    out = grey.saved(noise._peppered(values, 0.1, draws.random_sample(values.shape)))
    assert np.array_equal(out, bird("example_image_salt_and_pepper_noise"))


def test_opponent_colour_is_near() -> None:
    """The monitor's curve is a fit to the authors' measurements, so a level off now and then."""
    out = KINDS["opponent_colour"].apply(bird("example_image"), 0, RNG)
    off = np.abs(out.astype(int) - bird("example_image_false-colour"))
    assert off.mean() < 0.3
    assert (off <= 1).mean() > 0.98


def test_power_equalisation() -> None:
    """Equal with the authors' amplitude; near with the fit to it, which is what `fitted` makes."""
    image, want = bird("example_image"), bird("example_image_power_equalisation")
    amplitude = np.load(published("geirhos2018") / "mean_power_spectrum_grey.npy")
    assert np.array_equal(spectrum.power_equalisation(image, amplitude=amplitude), want)
    near = spectrum.power_equalisation(image)
    assert np.abs(near.astype(int) - want).mean() < 5.5
    assert np.corrcoef(near.ravel(), want.ravel())[0, 1] > 0.99
    mean, found = spectrum.fitted(amplitude)
    assert np.allclose(found, spectrum.SHAPE, atol=5e-5)
    assert round(mean, 4) == spectrum.MEAN


def test_the_law_of_published_phase_noise() -> None:
    """Their picture at 90 degrees: amplitudes fall as ours do, and not as paired shifts would."""
    values = grey.grey(bird("example_image"))
    before = np.fft.fft2(values)
    inner = np.abs(before) > 3
    inner[0, 0] = inner[112] = inner[:, 112] = False

    def fall(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        after = np.fft.fft2(image[:, :, 0] / 255)
        return np.quantile((np.abs(after) / np.abs(before))[inner], [0.1, 0.25, 0.5, 0.75])

    theirs = fall(bird("example_image_phase-scrambling"))
    ours, paired = (
        fall(spectrum.phase_noise(bird("example_image"), 90, np.random.default_rng(1), paired=p))
        for p in (False, True)
    )
    assert np.abs(theirs - ours).max() < 0.03
    assert np.abs(theirs - paired).max() > 0.3
