"""Gaussian, shot, impulse and speckle noise: the law of the tables, and the reference's outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from heldout.shifts.corruptions import noise
from heldout.shifts.corruptions.constants import SIZES, constants
from shifts.corruptions.measured import distance, neighbours, off_by, stored

Image = NDArray[np.uint8]
KINDS = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
EVERY = [(s, size) for size in SIZES for s in (1, 2, 3, 4, 5)]
PART = 2.0**-16


def rendered(kind: str, clean: Image, constant: float, rng: np.random.Generator) -> Image:
    """A noise with any constant, through the module's own function for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "prepared", lambda *_: (clean, (constant,)))
        apply: Callable[..., Image] = getattr(noise, kind)
        return apply(clean, 3, rng)


@pytest.mark.parametrize(("severity", "size"), EVERY)
def test_the_law_of_gaussian_noise(severity: int, size: int) -> None:
    """Every level has its probability to within 2**-16, from each of the 256 values."""
    (sd,) = constants("gaussian_noise", severity, size)
    steps = noise._gaussian_steps(sd)
    for value in (0, 1, 128, 200, 255):
        out = noise._noised(np.full(steps.shape, value, np.uint8), steps)
        below = np.cumsum(np.bincount(out, minlength=256)) * PART
        exact = stats.norm.cdf((np.arange(1, 256) - value) / 255, scale=sd)
        assert np.abs(below[:255] - exact).max() <= PART


@pytest.mark.parametrize(("severity", "size"), EVERY)
def test_the_law_of_speckle_noise(severity: int, size: int) -> None:
    (sd,) = constants("speckle_noise", severity, size)
    factors = noise._speckle_factors(sd)
    for value in (0, 1, 77, 255):
        out = noise._speckled(np.full(factors.shape, value, np.uint8), factors)
        below = np.cumsum(np.bincount(out, minlength=256)) * PART
        if not value:
            assert below[0] == 1
            continue
        exact = stats.norm.cdf((np.arange(1, 256) - value) / value, scale=sd)
        assert np.abs(below[:255] - exact).max() <= 1.01 * PART


@pytest.mark.parametrize(("severity", "size"), EVERY)
def test_the_law_of_shot_noise(severity: int, size: int) -> None:
    """The two levels of every cell with their parts add up to the Poisson distribution."""
    (photons,) = constants("shot_noise", severity, size)
    cells = noise._shot_cells(photons).reshape(256, 256)
    parts, one, other = cells >> 16, cells >> 8 & 255, cells & 255
    counts = np.arange(3 * int(photons) + 60)
    levels = (np.clip(counts / photons, 0, 1) * 255).astype(int)
    for value in (0, 1, 30, 128, 254, 255):
        law = np.bincount(one[value], parts[value], minlength=256)
        law += np.bincount(other[value], 256 - parts[value].astype(int), minlength=256)
        exact = np.bincount(levels, stats.poisson.pmf(counts, photons * value / 255), minlength=256)
        gaps = np.cumsum(law) * PART - np.cumsum(exact)
        assert law.sum() == 2**16
        assert np.abs(gaps).max() <= 0.51 * PART


def test_shot_noise_reads_its_cells_as_they_are_meant() -> None:
    """With each of the 65,536 pairs of bytes once, a value's outputs are its law."""
    cells = noise._shot_cells(12)
    column, height = (part.ravel() for part in np.indices((256, 256)).astype(np.uint8))
    for value in (3, 200):
        source = np.full((256, 256, 1), value, np.uint8)
        out = np.bincount(noise._shot(source, column, height, cells).ravel(), minlength=256)
        cell = cells.reshape(256, 256)[value]
        law = np.bincount(cell >> 8 & 255, cell >> 16, minlength=256)
        law += np.bincount(cell & 255, 256 - (cell >> 16).astype(int), minlength=256)
        assert np.array_equal(out, law)


@pytest.mark.parametrize(("severity", "size"), EVERY)
def test_the_law_of_impulse_noise(severity: int, size: int) -> None:
    """Half of the share each becomes 255 and 0; draws are used in fours, each value its own."""
    (share,) = constants("impulse_noise", severity, size)

    class Counting:
        def integers(self, *_: object, **__: object) -> NDArray[np.uint64]:
            return np.arange(2**16, dtype="<u2").view("<u8")

    source = np.full((64, 1024, 1), 99, np.uint8)
    out = rendered("impulse_noise", source, share, Counting())  # type: ignore[arg-type]
    counts = np.bincount(out.ravel(), minlength=256) * PART
    assert set(np.flatnonzero(counts)) == {0, 99, 255}
    assert abs(counts[0] - share / 2) <= PART
    assert abs(counts[255] - share / 2) <= PART


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_struck_one_by_one(kind: str) -> None:
    """Neither channels nor neighbours share their noise."""
    source = np.full((200, 200, 3), 128, np.uint8)
    apply: Callable[..., Image] = getattr(noise, kind)
    rest = apply(source, 3, np.random.default_rng(0)).astype(float) - 128
    rest -= rest.mean()
    for a, b in (
        (rest[..., 0], rest[..., 1]),
        (rest[..., 0], rest[..., 2]),
        (rest[:, 1:], rest[:, :-1]),
        (rest[1:], rest[:-1]),
    ):
        assert abs((a * b).mean() / rest.var()) < 4.5 / np.sqrt(a.size)


def test_salt_and_pepper_go_where_they_are_put() -> None:
    source = np.array([[[10, 20, 30]]], np.uint8)
    salt = np.array([[[True, False, False]]])
    pepper = np.array([[[False, True, False]]])
    assert noise._struck(source, salt, pepper).tolist() == [[[255, 0, 30]]]


@pytest.mark.data
def test_the_reference_with_its_own_draws() -> None:
    """Equal to a level where the package's random numbers can be replayed."""
    clean = stored("clean")[0]
    (sd,) = constants("gaussian_noise", 3, 224)
    normals = np.random.RandomState(0).normal(size=clean.shape, scale=sd)
    out = noise._noised(clean, noise._steps(normals))
    largest, share = off_by(out, stored("seed0/gaussian_noise")[0])
    assert (largest <= 1, share < 1e-4) == (True, True)
    (sd,) = constants("speckle_noise", 3, 224)
    normals = np.random.RandomState(0).normal(size=clean.shape, scale=sd)
    out = noise._speckled(clean, (1 + normals).astype(np.float32))
    largest, share = off_by(out, stored("seed0/speckle_noise")[0])
    assert (largest <= 1, share < 1e-4) == (True, True)
    (photons,) = constants("shot_noise", 3, 224)
    counts = np.random.RandomState(0).poisson(clean / 255.0 * photons)
    assert off_by(noise._grey(counts, photons), stored("seed0/shot_noise")[0]) == (0, 0)


@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_the_reference_in_distribution(kind: str, severity: int) -> None:
    """As near to the 20 outputs of the reference as chance allows; no neighbouring constant is."""
    rng = np.random.default_rng([severity, KINDS.index(kind)])
    apply: Callable[..., Image] = getattr(noise, kind)
    for image in (0, 1):
        outs = [apply(stored("clean")[image], severity, rng) for _ in range(4)]
        assert distance(outs, kind, image, severity) < 5
    clean = stored("clean")[0]
    for (constant,) in neighbours(kind, severity):
        outs = [rendered(kind, clean, constant, rng) for _ in range(2)]
        assert distance(outs, kind, 0, severity) > 10
