"""Eidolons against a slow program of their own: flattened convolutions on the whole plane."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from heldout.shifts.geirhos import LEVELS, eidolon
from heldout.shifts.geirhos.eidolon import COHERENCE, GRAIN, SIGMAS

Plane = NDArray[np.float64]
SIDE, WHOLE = 224, 512
INSIDE = slice(144, 368)
SIZE, SHAPE = (SIDE, SIDE), (WHOLE, WHOLE)


def picture(side: int = SIDE) -> NDArray[np.uint8]:
    y, x = np.indices((side, side))
    wave = 128 + 60 * np.sin(x / 9) * np.cos(y / 14) + 40 * ((x // 20 + y // 25) % 2)
    rng = np.random.default_rng(0)
    return np.clip(wave + rng.integers(-20, 20, (side, side)), 0, 255).astype(np.uint8)


def flat_blur(plane: Plane, sigma: float) -> Plane:
    """The kernel on a circle of the plane's size, both laid out as one line, convolved."""
    height, width = plane.shape
    y, x = (np.r_[0 : n // 2 + 1, n // 2 - n + 1 : 0].astype(float) for n in plane.shape)
    gauss = [np.exp(-(v**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma) for v in (y, x)]
    kernel = np.outer(*gauss).ravel()
    line = np.fft.irfft(np.fft.rfft(plane.ravel()) * np.fft.rfft(kernel), plane.size)
    return line.reshape(height, width)


def slow_field(sigma: float, rng: np.random.Generator) -> Plane:
    noise = rng.standard_normal(SHAPE)
    blurred = flat_blur(127.5 * noise / np.abs(noise).max(), sigma)
    return blurred - blurred.mean() / blurred.std()


def slow_eidolon(grey: NDArray[np.uint8], reach: float, moves: list[tuple[Plane, Plane]]) -> Plane:
    """The layers, fine to coarse, each displaced; moves in that order."""
    plane = np.pad(grey.astype(float), 144, mode="symmetric")
    blurs = [flat_blur(plane, sigma) for sigma in SIGMAS]
    layers = [a - b for a, b in itertools.pairwise(blurs)] + [blurs[-1]]
    rows, columns = np.indices(plane.shape)
    total = np.zeros(plane.shape)
    for layer, (down, right) in zip(layers, moves, strict=True):
        y = np.clip(rows + reach * down, 0, WHOLE - 1).astype(int)
        x = np.clip(columns + reach * right, 0, WHOLE - 1).astype(int)
        total += layer[y, x]
    return total[INSIDE, INSIDE]


@pytest.fixture(scope="module")
def planes() -> list[tuple[Plane, Plane]]:
    """Two blurred fields for every scale, drawn the slow way."""
    rng = np.random.default_rng(1)
    return [(slow_field(s, rng), slow_field(s, rng)) for s in SIGMAS]


@pytest.mark.parametrize("reach", [0, 8, 64])
def test_the_same_fields_give_the_same_picture(
    reach: float, planes: list[tuple[Plane, Plane]]
) -> None:
    """Coherent fields of the slow program, put into both."""
    scaled = [(a * s / 64, b * s / 64) for s, (a, b) in zip(SIGMAS, planes, strict=True)]
    moves = [
        (np.sum([a for a, _ in scaled[k:]], axis=0), np.sum([b for _, b in scaled[k:]], axis=0))
        for k in range(12)
    ]
    want = np.clip(slow_eidolon(picture(), reach, moves), 0, 255).astype(int)
    cut = [(a[INSIDE, INSIDE].astype(np.float32), b[INSIDE, INSIDE].astype(np.float32))
           for a, b in moves[::-1]]  # fmt: skip
    got = np.clip(eidolon._rearranged(picture(), reach, cut), 0, 255).astype(int)
    # A place that rounds to the other pixel, and a value that truncates to the other level.
    assert (np.abs(got - want) > 1).mean() < 1e-3
    assert (got != want).mean() < 3e-3
    if reach == 0:
        assert np.abs(got - want).max() <= 1


def test_without_reach_it_is_a_blur_one_row_askew() -> None:
    grey = picture()
    image = np.repeat(grey[:, :, None], 3, axis=2)
    rng = np.random.default_rng(0)
    out = eidolon.eidolon(image, 0, rng, coherence=0.3)[:, :, 0]
    plane = np.pad(grey.astype(float), 144, mode="symmetric")
    want = np.clip(flat_blur(plane, np.sqrt(0.5)), 0, 255)[INSIDE, INSIDE].astype(int)
    assert np.abs(out - want).max() <= 1


def statistics(fields: list[Plane]) -> list[float]:
    """Sd within a field, and correlations of neighbours; sd of the fields' means."""
    stack = np.stack(fields)
    means = stack.mean(axis=(1, 2))
    rest = stack - means[:, None, None]
    power = np.mean(rest**2)
    falling = np.mean(rest[:, 1:, 1:] * rest[:, :-1, :-1])
    rising = np.mean(rest[:, 1:, :-1] * rest[:, :-1, 1:])
    near = [falling, rising, np.mean(rest[:, 8:] * rest[:, :-8])]
    return [float(np.sqrt(power)), *(float(n / power) for n in near), float(means.std())]


def test_the_law_of_a_field_in_a_small_image() -> None:
    """Drawn for a part of the plane only, with the mean of the whole."""
    rng, sigma = np.random.default_rng(2), 2.0
    middle = slice(241, 271)
    assert eidolon._seen((30, 30), SHAPE, sigma) == (64, 64)
    slow = statistics([slow_field(sigma, rng)[middle, middle] for _ in range(40)])
    fast = statistics([eidolon._field((30, 30), SHAPE, sigma, rng) for _ in range(200)])
    assert abs(fast[0] / slow[0] - 1) < 0.1
    assert np.allclose(fast[1:4], slow[1:4], atol=0.1)
    assert 0.6 < fast[4] / slow[4] < 1.6


@pytest.mark.parametrize("sigma", [SIGMAS[0], SIGMAS[3], GRAIN])
def test_the_law_of_a_field(sigma: float) -> None:
    """Spread, correlations and the moving mean, against fields drawn whole."""
    rng = np.random.default_rng(2)
    slow = statistics([slow_field(sigma, rng)[INSIDE, INSIDE] for _ in range(24)])
    fast = statistics([eidolon._field(SIZE, SHAPE, sigma, rng) for _ in range(24)])
    assert abs(fast[0] / slow[0] - 1) < 0.06
    assert np.allclose(fast[1:4], slow[1:4], atol=0.06)
    assert 0.5 < fast[4] / slow[4] < 2
    # The next scale has another spread and other correlations.
    other = statistics([eidolon._field(SIZE, SHAPE, sigma * 2**0.5, rng) for _ in range(12)])
    assert abs(other[0] / slow[0] - 1) > 0.15


def test_the_mean_of_a_field_is_moved_by_mean_over_sd() -> None:
    """f = c - m / v has the mean m - m / v; m is that of white noise of sd 127.5 / 4.87."""
    rng = np.random.default_rng(6)
    fields = [eidolon._field(SHAPE, SHAPE, 32.0, rng) for _ in range(60)]
    means = [f.mean(dtype=float) / (1 - 1 / f.std(dtype=float)) for f in fields]
    assert abs(np.std(means) / (127.5 / 4.87 / WHOLE) - 1) < 0.35


@pytest.mark.parametrize("sigma", [2.0, 16.0])
def test_the_spread_of_tiny_fields(sigma: float) -> None:
    """Drawn for a part of the plane; all of c - m / v, with m the mean of the whole plane."""
    rng = np.random.default_rng(7)
    assert eidolon._seen((6, 6), SHAPE, sigma) < SHAPE
    values = [eidolon._field((6, 6), SHAPE, sigma, rng)[3, 3] for _ in range(600)]
    sd = 127.5 / 4.87 / (2 * np.sqrt(np.pi) * sigma)
    moved = 127.5 / 4.87 / WHOLE / sd
    want = np.sqrt(sd**2 + moved**2)  # less a little, as m and c go together
    assert abs(np.std(values) / want - 1) < 0.12


def test_the_highest_of_many() -> None:
    rng = np.random.default_rng(3)
    drawn = [eidolon._highest(rng, 4096) for _ in range(2000)]
    brute = np.abs(rng.standard_normal((2000, 4096), dtype=np.float32)).max(axis=1)
    assert np.allclose(np.quantile(drawn, [0.1, 0.5, 0.9]), np.quantile(brute, [0.1, 0.5, 0.9]),
                       atol=0.04)  # fmt: skip


@pytest.mark.parametrize("name", COHERENCE)
def test_fine_layers_follow_coarse_ones_as_coherence_says(name: str) -> None:
    rng = np.random.default_rng(4)
    moves = list(eidolon.fields(SIZE, SHAPE, rng, COHERENCE[name], GRAIN))
    assert len(moves) == 12
    down = np.stack([m[0] for m in moves])
    assert down.shape == (12, *SIZE)
    neighbours = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.pairwise(down)]
    spread = down.std(axis=(1, 2))
    if name == "eidolon1":
        assert np.mean(neighbours[4:]) > 0.85
        assert spread[-1] > 1.5 * spread[0]  # the finest layer adds all fields
        # Noise of 127.5 / 4.87, blurred by s (1 / (2 sqrt(pi) s)) and times s / 64.
        added = np.diff(down, axis=0).std(axis=(1, 2))[4:-1]
        assert np.abs(added / (127.5 / 4.87 / (2 * np.sqrt(np.pi)) / 64) - 1).max() < 0.12
    elif name == "eidolon3":
        assert abs(np.mean(neighbours)) < 0.2
        assert np.abs(spread / 0.74 - 1).max() < 0.35  # 127.5 / 4.87 / (2 sqrt(pi) 10)
    across = np.stack([m[1] for m in moves])
    assert abs(np.corrcoef(down[:4].ravel(), across[:4].ravel())[0, 1]) < 0.6


@pytest.mark.parametrize("coherence", [1, 0.7, 0.3, 0])
def test_how_fields_are_mixed(coherence: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """c times the sum of all fields from this scale up, each times its s / 64, and 1 - c of one."""
    asked = []

    def known(size: tuple[int, int], shape: object, sigma: float, rng: object) -> Plane:
        asked.append(sigma)
        return np.full(size, sigma, np.float32)

    monkeypatch.setattr(eidolon, "_field", known)
    moves = list(eidolon.fields((2, 3), SHAPE, np.random.default_rng(0), coherence, 5.0))
    for k, (down, right) in enumerate(reversed(moves)):
        want = coherence * sum(s * s / 64 for s in SIGMAS[k:]) + (1 - coherence) * 5
        assert np.allclose(down, want, rtol=1e-5)
        assert np.allclose(right, want, rtol=1e-5)
    assert len(asked) == 24 * ((coherence > 0) + (coherence < 1))


@pytest.mark.parametrize("name", COHERENCE)
def test_further_reach_moves_further(name: str) -> None:
    """A ramp shows the displacement: its spread goes with the reach, level by level."""
    ramp = np.clip(np.arange(SIDE), 0, 255).astype(np.uint8)[None, :].repeat(SIDE, axis=0)
    image = np.repeat(ramp[:, :, None], 3, axis=2)

    def spread(reach: float) -> float:
        rng = np.random.default_rng(5)
        out = eidolon.eidolon(image, reach, rng, coherence=COHERENCE[name])[:, :, 0]
        middle = (slice(None), slice(70, 154))
        return float(np.std(out[middle].astype(float) - ramp[middle]))

    spreads = [spread(reach) for reach in LEVELS[name][:6]]
    assert all(b > 1.25 * a for a, b in itertools.pairwise(spreads[1:]))


def test_planes() -> None:
    assert eidolon.plane_shape(224, 224) == (512, 512)
    assert eidolon.plane_shape(256, 341) == (512, 512)
    assert eidolon.plane_shape(342, 32) == (1024, 512)
    assert eidolon.plane_shape(1, 683) == (512, 2048)


def test_flat_stays_flat() -> None:
    flat = np.full((20, 30, 3), 90, np.uint8)
    out = eidolon.eidolon(flat, 64, np.random.default_rng(0), coherence=0.3)
    assert np.abs(out.astype(int) - 90).max() <= 1


def test_caches_are_read_only() -> None:
    assert not any(part.flags.writeable for part in eidolon._gaussian(64, 64, 2.0))
    assert not eidolon._row_down(64).flags.writeable
