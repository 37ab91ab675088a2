"""Phase noise and power equalisation: brute force, known properties, the laws of their draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from heldout.errors import BadInput
from heldout.shifts.geirhos import LEVELS, grey, spectrum
from realdata import published

RNG = np.random.default_rng(0)


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture of middle greys, so that nothing is clipped."""
    rng = np.random.default_rng(seed)
    return rng.integers(118, 138, (height, width, 3)).astype(np.uint8)


def opposite(k: int, n: int) -> int:
    return (-k) % n


def slow(values: NDArray[np.float64], degrees: float, draws: NDArray[np.float64], paired: bool):  # type: ignore[no-untyped-def]
    """Frequency by frequency, from -highest to highest, row by row: the first half of the list gets
    the draws in order, the second half the same ones with the other sign (or in reverse)."""
    h, w = values.shape
    moved = np.fft.fft2(values)
    ys = range(-((h - 1) // 2), (h - 1) // 2 + 1)
    xs = range(-((w - 1) // 2), (w - 1) // 2 + 1)
    listed = [(y % h, x % w) for y in ys for x in xs]
    half = len(listed) // 2
    assert listed[half] == (0, 0)
    assert len(draws) == half
    for i in range(half):
        turn = np.deg2rad((2 * draws[i] - 1) * degrees)
        moved[listed[i]] *= np.exp(1j * turn)
        other = listed[-1 - i] if paired else listed[half + 1 + i]
        moved[other] *= np.exp(-1j * turn)
    return np.fft.ifft2(moved).real


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (8, 5), (1, 6), (1, 1), (2, 2), (6, 1)])
@pytest.mark.parametrize("paired", [False, True])
def test_phase_noise_by_brute_force(size: tuple[int, int], paired: bool) -> None:
    values = np.random.default_rng(4).random(size)
    draws = np.random.default_rng(5).random(spectrum._pairs(*size))
    got = spectrum._scrambled(values, 120, draws, paired)
    assert np.allclose(got, slow(values, 120, draws, paired), atol=1e-12)


@pytest.mark.parametrize("size", [(32, 48), (31, 45)])
def test_paired_phase_noise_leaves_every_amplitude(size: tuple[int, int]) -> None:
    values = np.random.default_rng(4).random(size)
    draws = np.random.default_rng(5).random(spectrum._pairs(*size))
    got = spectrum._scrambled(values, 180, draws, True)
    before, after = np.fft.fft2(values), np.fft.fft2(got)
    assert np.allclose(np.abs(before), np.abs(after))
    assert np.allclose(before[0, 0], after[0, 0])
    assert np.std(np.angle(after / before)) > 1


def test_phase_noise_as_published() -> None:
    """Frequency 0 and the highest of an even side stay; every other gets a mean of two phasors."""
    size = (64, 64)
    values = np.random.default_rng(4).random(size)
    draws = np.random.default_rng(5).random(spectrum._pairs(*size))
    ratio = np.fft.fft2(spectrum._scrambled(values, 90, draws, False)) / np.fft.fft2(values)
    assert np.allclose(ratio[32], 1)
    assert np.allclose(ratio[:, 32], 1)
    assert np.isclose(ratio[0, 0], 1)
    inner = np.delete(np.delete(ratio, 32, 0), 32, 1).ravel()
    inner = np.delete(inner, 0)
    assert np.abs(inner).max() <= 1 + 1e-9
    # E |(e^is + e^it) / 2|^2 = (1 + sinc^2) / 2, s and t uniform on +-90 degrees.
    assert abs(np.mean(np.abs(inner) ** 2) - (1 + (2 / np.pi) ** 2) / 2) < 0.01


@pytest.mark.parametrize("degrees", LEVELS["phase_noise"][1:])
@pytest.mark.parametrize("paired", [False, True])
def test_the_law_of_phase_noise(degrees: float, paired: bool) -> None:
    """The mean turn of a frequency is the level's, and no neighbouring level's."""
    image = smooth(128, 128, 3)
    before = np.fft.fft2(grey.grey(image))
    made = spectrum.phase_noise(image, degrees, np.random.default_rng(7), paired=paired)
    after = np.fft.fft2(made[:, :, 0] / 255)
    strong = np.abs(before) > np.median(np.abs(before))
    strong[0, 0] = strong[64] = strong[:, 64] = False
    mean = np.mean((after / before)[strong].real)

    def fits(level: float) -> bool:
        turn = np.deg2rad(level)
        return bool(abs(mean - np.sin(turn) / turn) < 0.025)

    assert fits(degrees)
    levels = LEVELS["phase_noise"]
    at = levels.index(degrees)
    assert not any(fits(other) for other in (*levels[1:at][-1:], *levels[at + 1 : at + 2]))
    assert abs(made.mean() - 255 * grey.grey(image).mean()) < 0.1


@pytest.mark.parametrize("size", [(24, 24), (17, 32)])
def test_power_equalisation_by_formula(size: tuple[int, int]) -> None:
    image = np.random.default_rng(6).integers(0, 256, (*size, 3), np.uint8)
    amplitude = spectrum.mean_amplitude(
        np.random.default_rng(s).integers(0, 256, (*size, 3), np.uint8) for s in range(4)
    )
    got = spectrum.power_equalisation(image, amplitude=amplitude)[:, :, 0]
    phases = np.angle(np.fft.fft2(grey.grey(image)))
    plane = np.fft.ifft2(np.fft.ifftshift(amplitude) * np.exp(1j * phases)).real
    want = np.floor(np.clip(plane, 0, 1) * 255 + 0.5)
    assert np.abs(got - want).max() <= 1


def test_its_own_amplitude_changes_nothing() -> None:
    image = smooth(20, 23)
    own = spectrum.mean_amplitude([image])
    got = spectrum.power_equalisation(image, amplitude=own)
    assert np.abs(got.astype(int) - grey.greyscale(image, 0, RNG)).max() <= 1


def test_the_result_has_the_amplitude() -> None:
    """For white noise, whose phases are all there, what comes out has the typical spectrum."""
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    out = spectrum.power_equalisation(image)[:, :, 0] / 255
    if out.min() > 0 and out.max() < 1:
        ratio = np.abs(np.fft.fftshift(np.fft.fft2(out))) / spectrum.typical_amplitude(64, 64)
        assert 0.9 < np.median(ratio) < 1.1


@pytest.mark.parametrize("level", [0, 77, 255])
def test_flat_images_become_the_mean_grey(level: int) -> None:
    flat = np.full((30, 41, 3), level, np.uint8)
    assert np.array_equal(np.unique(spectrum.power_equalisation(flat)), [116])


def test_the_mean_of_amplitudes() -> None:
    images = [smooth(12, 9, s) for s in range(3)]
    planes = [np.abs(np.fft.fftshift(np.fft.fft2(grey.grey(i)))) for i in images]
    assert np.allclose(spectrum.mean_amplitude(iter(images)), np.mean(planes, axis=0))
    with pytest.raises(BadInput, match="images of one size"):
        spectrum.mean_amplitude([smooth(12, 9), smooth(9, 12)])
    with pytest.raises(BadInput, match="there are none"):
        spectrum.mean_amplitude([])
    with pytest.raises(BadInput, match="shape"):
        spectrum.power_equalisation(smooth(12, 9), amplitude=np.ones((9, 12)))


@pytest.mark.parametrize("size", [(224, 224), (64, 96), (33, 32)])
def test_the_fit_finds_what_made_a_spectrum(size: tuple[int, int]) -> None:
    mean, found = spectrum.fitted(spectrum.typical_amplitude(*size))
    assert np.allclose(found, spectrum.SHAPE, atol=1e-6)
    assert np.isclose(mean, spectrum.MEAN)
    with pytest.raises(BadInput, match="8 pixels"):
        spectrum.fitted(np.ones((7, 30)))


def test_the_typical_spectrum_is_that_of_the_content() -> None:
    """Four times as many pixels, the same cycles an image: the same share of the amplitude."""
    small, large = spectrum.typical_amplitude(32, 32), spectrum.typical_amplitude(128, 128)
    middle = large[64 - 16 : 64 + 16, 64 - 16 : 64 + 16]
    assert np.allclose(small / small.size, middle / large.size)
    assert not small.flags.writeable


@pytest.mark.data
def test_the_typical_spectrum_beside_photographs() -> None:
    """Other photographs, reduced with a filter: near at low frequencies, weaker at high ones."""
    paths = sorted(published("imagenet-samples").glob("*.JPEG"))[:60]

    def cropped(path: object) -> NDArray[np.uint8]:
        image = Image.open(path).convert("RGB")  # type: ignore[arg-type]
        side = min(image.size)
        box = [(s - side) / 2 + d for d in (0, side) for s in image.size]
        return np.array(image.resize((224, 224), Image.Resampling.BILINEAR, tuple(box)))

    mean = spectrum.mean_amplitude(cropped(p) for p in paths)
    grey_level, found = spectrum.fitted(mean)
    assert abs(grey_level - spectrum.MEAN) < 0.06
    typical = spectrum.typical_amplitude(224, 224)
    y, x = np.indices(mean.shape) - 112
    rings = [(1, 4), (4, 12), (12, 30)]
    ratios = [np.median((mean / typical)[(np.hypot(y, x) >= a) & (np.hypot(y, x) < b)])
              for a, b in rings]  # fmt: skip
    assert all(0.6 < r < 1.7 for r in ratios)
    assert found[4] > 0.05  # more along the axes, as everywhere
