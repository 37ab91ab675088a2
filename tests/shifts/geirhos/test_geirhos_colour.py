"""Opponent colours against the cone activations written out."""

from __future__ import annotations

import numpy as np

from heldout.shifts.geirhos.colour import _monitor, opponent_colour

RNG = np.random.default_rng(0)
# Published with the paper: activations of L, M and S by the monitor's primaries, and the way from
# differences of activations to luminance, L - M and S - luminance (Brainard 1996).
CONES = np.array(
    [[0.1619982647, 0.208049264, 0.0389347448],
     [0.0330275785, 0.2496504557, 0.0618343518],
     [0.0015524055, 0.0198861001, 0.1890224274]]
)  # fmt: skip
OPPONENT = np.array(
    [[9.27590805, 9.27590805, 0], [7.86421647, -9.33587662, 0], [-3.39709047, -3.39709047, 12.1623]]
)


def by_cones(light: np.ndarray) -> np.ndarray:
    """Light (n, 3) with both chromatic axes turned round, through the cones."""
    white = CONES @ np.full(3, 0.5)
    axes = (light @ CONES.T - white) @ OPPONENT.T
    axes[:, 1:] *= -1
    back = axes @ np.linalg.inv(OPPONENT).T + white
    return back @ np.linalg.inv(CONES).T


def test_against_the_cones() -> None:
    """Within a level for every colour; the closed form used is the whole way through the cones."""
    image = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    light, _ = _monitor()
    want = np.clip(by_cones(light[image].reshape(-1, 3)), 0, 1)
    nearest = np.abs(want[:, :, None] - light).argmin(axis=2)
    out = opponent_colour(image, 0, RNG).reshape(-1, 3)
    assert np.abs(out - nearest).max() <= 1
    assert (out == nearest).mean() > 0.999


def test_greys_stay() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    assert np.array_equal(opponent_colour(greys, 0, RNG), greys)


def test_twice_is_the_colour_again_where_nothing_was_clipped() -> None:
    image = np.random.default_rng(2).integers(0, 256, (80, 80, 3), np.uint8)
    once = opponent_colour(image, 0, RNG)
    inside = ((once > 0) & (once < 255)).all(axis=2)
    twice = opponent_colour(once, 0, RNG)
    light, _ = _monitor()
    assert 0.05 < inside.mean() < 0.6
    assert np.abs(light[twice] - light[image])[inside].max() < 0.02
    # Near black a level is little light; elsewhere the levels themselves come back.
    bright = inside & (image > 60).all(axis=2)
    assert bright.sum() > 100
    assert np.abs(twice.astype(int) - image)[bright].max() <= 3


def test_opponents() -> None:
    """Red becomes cyan, blue yellow, at the same luminance."""
    image = np.array([[[200, 80, 80], [80, 80, 200]]], np.uint8)
    red, blue = opponent_colour(image, 0, RNG)[0].astype(int)
    assert red[0] < red[1] == red[2]
    assert blue[2] < blue[0] == blue[1]


def test_the_monitor() -> None:
    """It rises all the way from 0 to 1, close to a power of 2.0 (the paper's monitor, measured)."""
    light, middles = _monitor()
    values = np.arange(256) / 255
    assert light[0] == 0
    assert light[-1] == 1
    assert (np.diff(light) > 0).all()
    assert ((light[:-1] < middles) & (middles < light[1:])).all()
    assert np.abs(light - values**1.99).max() < 0.045
    assert not light.flags.writeable
