"""Textures of ice on a window, drawn by heldout: what frost is made of without photographs.

Five textures as large as the first five photographs of ImageNet-C (two of which are the same), with
their colours, their contrast and their power at each scale, so that frost is about as strong. The
pictures themselves are drawn here, from a fixed seed, and owe nothing to the photographs. All
arithmetic is in double precision or in whole numbers, so that machines agree on the bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Array]
Colour = tuple[float, float, float]

_SEED = 20190328
_SHIFT = 4  # bits of the fraction in the coordinates that OpenCV draws with
_SHARES = (0, 1, 10, 50, 90, 99, 100)  # percent; where the grey levels of a texture are fixed


# Rounds of setting the power by scale, then the grey levels, which disturbs the first a little.
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class _Ice:
    """What a texture is to be like.

    variances: of the grey levels, by octave of frequency from 0.71 cycles a pixel down. levels:
    grey levels at _SHARES. axis: what a grey level more adds to each colour.
    tint: the colour that a smooth cloud of unit deviation adds.
    """

    draw: Draw
    rows: int
    columns: int
    variances: tuple[float, ...]
    levels: tuple[float, ...]
    mean: Colour
    axis: Colour
    tint: Colour


def textures() -> list[Image]:
    """The five textures, (h, w, 3) uint8 RGB; the same at every call."""
    return [_texture(ice, np.random.default_rng([_SEED, n])) for n, ice in enumerate(_ICE)]


def _texture(ice: _Ice, rng: np.random.Generator) -> Image:
    """One texture: drawn, its scales weighted, its grey levels set, coloured."""
    grey = ice.draw(rng, ice.rows, ice.columns)
    grey /= grey.std()
    for _ in range(_ROUNDS):
        grey = _weighted(grey, ice.variances)
        grey = np.interp(grey, np.percentile(grey, _SHARES), ice.levels)
    grey -= grey.mean()
    cloud = _cloud(rng, ice.rows, ice.columns, 1.6)
    colours = [
        mean + axis * grey + tint * cloud
        for mean, axis, tint in zip(ice.mean, ice.axis, ice.tint, strict=True)
    ]
    return np.clip(np.rint(np.stack(colours, axis=2)), 0, 255).astype(np.uint8)


def _weighted(grey: Array, variances: tuple[float, ...]) -> Array:
    """The picture with that variance in every octave of frequency; all waves keep their phases."""
    rows, columns = grey.shape
    waves = np.fft.rfft2(grey)
    waves[0, 0] = 0
    frequency = _frequencies(rows, columns)
    octave = np.log2(np.sqrt(0.5) / frequency).astype(int)  # 0: 0.35 to 0.71 cycles a pixel
    octave = np.clip(octave, 0, len(variances) - 1)
    power = np.abs(waves / grey.size) ** 2
    power[:, 1 : (columns + 1) // 2] *= 2  # these waves stand for their mirror images too
    own = np.bincount(octave.ravel(), power.ravel(), minlength=len(variances))
    waves *= np.sqrt(np.asarray(variances) / own)[octave]
    return np.asarray(np.fft.irfft2(waves, s=grey.shape))


def _frequencies(rows: int, columns: int) -> Array:
    """The frequency of every wave of a real transform, in cycles a pixel; above 0."""
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
    return np.maximum(np.sqrt(down**2 + across**2), 1e-6)


def _cloud(rng: np.random.Generator, rows: int, columns: int, slope: float) -> Array:
    """Noise whose amplitude falls with that power of the frequency; mean 0, deviation 1."""
    waves = np.fft.rfft2(rng.random((rows, columns)))
    waves *= _frequencies(rows, columns) ** -slope
    waves[0, 0] = 0
    cloud = np.fft.irfft2(waves, s=(rows, columns))
    return np.asarray(cloud / cloud.std())


def _crumpled(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Thin sheets of ice with creases, lit from one side, over a cloudy ground."""
    height = np.zeros((rows, columns))
    for slope, share in ((1.9, 1.0), (1.6, 0.6), (1.3, 0.25)):
        height -= share * np.sqrt(np.abs(_cloud(rng, rows, columns, slope)))
    light = height - np.roll(height, (2, 1), (0, 1))
    light /= light.std()
    light *= 1 + 0.4 * _cloud(rng, rows, columns, 1.5)
    light *= 3
    light += _cloud(rng, rows, columns, 1.5)
    return light


def _needles(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Bundles of long blades, one side of each in the light."""
    canvas = np.full((rows, columns), 128, np.uint8)
    for _ in range(rows * columns // 330):
        root = rng.random(2) * (columns, rows)
        angle, spread = rng.random() * 2 * np.pi, 0.1 + 0.25 * rng.random()
        for _ in range(int(rng.integers(3, 9))):
            start = root + (rng.random(2) - 0.5) * 24
            length = 12 + 66 * rng.random() ** 2
            way = _way(angle + (rng.random() - 0.5) * 2 * spread)
            side = way[::-1] * (-1, 1) * (0.5 + length / 36)
            shade = int(rng.integers(70, 190))
            light = int(rng.integers(20, 66))
            tip, middle = start + way * length, start + way * length * 0.4
            _filled(canvas, (start, middle + side, tip), shade + light)
            _filled(canvas, (start, middle - side, tip), shade - light)
    return canvas + 30 * _cloud(rng, rows, columns, 1.2) + 6 * _cloud(rng, rows, columns, 0.2)


def _rosettes(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Small flowers of ice among frozen drops that have run down the pane."""
    canvas = np.full((rows, columns), 110, np.uint8)
    cv2 = opencv()
    for _ in range(rows * columns // 45):
        column = int(rng.integers(columns // 6)) * 6 + rng.random() * 3
        place = _fixed(np.array([column, rng.random() * rows]))
        radius = int((0.5 + 1.6 * rng.random() ** 2) * (1 << _SHIFT))
        shade = int(rng.integers(60, 230))
        cv2.circle(canvas, place.tolist(), radius, shade, -1, cv2.LINE_AA, _SHIFT)
    for _ in range(rows * columns // 330):
        root = rng.random(2) * (columns, rows)
        size, turn = 4 + 20 * rng.random() ** 2, rng.random() * 2 * np.pi
        petals = int(rng.integers(3, 8))
        for petal in range(petals):
            way = _way(turn + (petal + 0.5 * rng.random()) * 2 * np.pi / petals)
            length = size * (0.5 + 0.5 * rng.random())
            side = way[::-1] * (-1, 1) * length * 0.24
            tip, middle = root + way * length, root + way * length * 0.6
            shade = int(rng.integers(70, 200))
            light = int(rng.integers(20, 56))
            _filled(canvas, (root, middle + side, tip), shade + light)
            _filled(canvas, (root, middle - side, tip), shade - light)
    return canvas + 24 * _cloud(rng, rows, columns, 1.2) + 8 * _cloud(rng, rows, columns, 0.2)


def _ferns(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Ferns of ice, each a stem with branches on both sides, over dark glass."""
    canvas = np.full((rows, columns), 40, np.uint8)
    cv2 = opencv()
    for _ in range(rows * columns // 150):
        root = rng.random(2) * (columns, rows)
        length, bend = 12 + 80 * rng.random() ** 3, (rng.random() - 0.5) * 1.6
        along = np.arange(0.05, 1.0, 2.4 / length)
        angle = rng.random() * 2 * np.pi + bend * along
        stem = root + np.cumsum(_way(angle), axis=0) * 2.4
        wide = length * 0.26 * np.sqrt(along) * (1 - along) ** 0.6
        shade = int(rng.integers(70, 256))
        strokes = [_fixed(np.concatenate([root[None], stem]))]
        for turn in (0.8, -0.8):
            reach = wide * (0.4 + 1.0 * rng.random(along.size))
            ends = stem + _way(angle + turn) * reach[:, None]
            strokes.extend(_fixed(np.stack([stem, ends], axis=1)))
            edge = np.concatenate([stem, stem[::-1] + 0.6 * (ends - stem)[::-1]])
            cv2.fillPoly(canvas, [_fixed(edge)], 20 + shade // 4, cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, strokes, False, shade, 1, cv2.LINE_AA, _SHIFT)
    return canvas + 20 * _cloud(rng, rows, columns, 1.4) + 5 * _cloud(rng, rows, columns, 0.2)


def _way(angle: Any) -> Array:
    """The direction (x, y) of an angle, or of many."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _fixed(points: Array) -> NDArray[np.int32]:
    """Coordinates (x, y) in OpenCV's fixed point."""
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _filled(canvas: NDArray[np.uint8], corners: tuple[Array, ...], shade: int) -> None:
    """Draws a polygon."""
    cv2 = opencv()
    cv2.fillConvexPoly(canvas, _fixed(np.stack(corners)), shade, cv2.LINE_AA, _SHIFT)


_NEEDLES = _Ice(
    _needles,
    315,
    560,
    (20.7, 60.3, 52.8, 56.2, 43.0, 41.6, 45.1, 112.0, 50.7),
    (80, 141, 177, 210, 231, 245, 255),
    (200.8, 205.4, 214.5),
    (0.97, 1.0, 1.03),
    (-1.5, -0.2, 1.6),
)
_ICE = (
    _Ice(
        _crumpled,
        600,
        900,
        (20.5, 45.9, 22.0, 11.3, 12.7, 22.0, 34.6, 52.4, 101.6),
        (80, 97, 109, 129, 155, 177, 215),
        (77.7, 149.1, 165.7),
        (1.45, 0.88, 0.67),
        (-7.5, 5.1, 9.6),
    ),
    _NEEDLES,
    _NEEDLES,  # with other random numbers, another pane
    _Ice(
        _rosettes,
        350,
        527,
        (60.8, 162.7, 114.7, 77.0, 46.8, 25.9, 22.1, 66.6, 257.8),
        (30, 82, 116, 152, 186, 234, 255),
        (137.6, 152.8, 165.2),
        (0.98, 0.99, 1.03),
        (-1.4, -1.0, 2.3),
    ),
    _Ice(
        _ferns,
        495,
        660,
        (125.9, 199.1, 210.7, 208.9, 236.5, 172.1, 132.4, 116.2, 455.6),
        (25, 45, 71, 119, 183, 238, 255),
        (112.4, 123.4, 134.8),
        (1.03, 1.0, 0.97),
        (-1.4, -0.1, 1.5),
    ),
)
