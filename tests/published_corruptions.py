"""The published outputs of the package imagecorruptions, and tests of samples against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.shifts.corruptions.constants import SIZES, Row, constants
from realdata import published

Image = NDArray[np.uint8]
NAMES = ("mean", "var", "ac", "rac", "mad", "rstd")
SEVERITIES = (1, 2, 3, 4, 5)
SEEDS = range(20)
# How far apart two samples may be, in standard errors: the largest of 80 numbers (which are not
# independent), of t distributions with about 20 to 40 degrees of freedom.
FAR = 5.5


@cache
def reference(name: str) -> NDArray[Any]:
    """One array of the published outputs; skips where they are absent."""
    with np.load(published("corruptions-reference.npz")) as arrays:
        return arrays[name]


def clean() -> NDArray[np.uint8]:
    """The three pictures, (3, 224, 224, 3)."""
    return reference("clean")


def difference(one: NDArray[Any], other: NDArray[Any]) -> tuple[int, float]:
    """The largest difference in levels, and the share of values that differ."""
    apart = np.abs(one.astype(int) - other)
    return int(apart.max()), float((apart > 0).mean())


def statistics(out: Image, source: Image) -> NDArray[np.float64]:
    """The published statistics of one output, in the order of NAMES: 3 + 3 + 2 + 2 + 1 + 1."""
    values = np.ascontiguousarray(out.transpose(2, 0, 1), np.float32)
    rest = values - source.transpose(2, 0, 1)
    means = values.mean((1, 2))
    variances, across, down = _moments(values - means[:, None, None])
    _, rest_across, rest_down = _moments(rest - rest.mean((1, 2))[:, None, None])
    return np.array(
        [
            *means,
            *variances,
            across,
            down,
            rest_across,
            rest_down,
            np.abs(rest).mean(),
            rest.std(),
        ]
    )


def _moments(planes: NDArray[np.float32]) -> tuple[NDArray[np.float64], float, float]:
    """The variances of centred planes; autocorrelations of lag 1 along x and y, their means."""
    variances = np.array([np.vdot(p, p) / p.size for p in planes])
    across = np.array([np.vdot(p[:, 1:].copy(), p[:, :-1].copy()) for p in planes])
    down = np.array([np.vdot(p[1:], p[:-1]) for p in planes])
    _, height, width = planes.shape
    across = across / (height * (width - 1)) / variances
    down = down / ((height - 1) * width) / variances
    return variances, float(across.mean()), float(down.mean())


def stated(kind: str, severity: int) -> NDArray[np.float64]:
    """The published statistics: (3 pictures, 20 seeds, 12 numbers)."""
    arrays = [reference(f"stat/{kind}/{name}")[:, severity - 1] for name in NAMES]
    return np.concatenate([a.reshape(3, len(SEEDS), -1) for a in arrays], axis=2, dtype=np.float64)


def sampled(render: Callable[[Image, int], Image]) -> NDArray[np.float64]:
    """The statistics of render(picture, seed): (3 pictures, 20 seeds, 12 numbers)."""
    return np.array([[statistics(render(x, s), x) for s in SEEDS] for x in clean()])


def strays(
    kind: str, severity: int, render: Callable[[Image, np.random.RandomState], Image], seed: int
) -> float:
    """How far the outputs for the published draws of one seed are from the published statistics.

    The largest difference over the three pictures, relative to 1 + the number itself. render: takes
    the package's own random numbers, those after np.random.seed(seed).
    """
    published_numbers = stated(kind, severity)[:, seed]
    legacy = [np.random.RandomState(seed) for _ in clean()]
    found = np.array([statistics(render(x, r), x) for x, r in zip(clean(), legacy, strict=True)])
    return float(np.max(np.abs(found - published_numbers) / (1 + np.abs(published_numbers))))


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The largest difference of two samples' means, in standard errors.

    Besides the numbers themselves: the power of the smallest details (variance times 1 less the
    autocorrelation), which varies less from seed to seed than its factors; and the differences
    between the pictures, where what they share (one seed, one draw) cancels.
    """
    z = []
    for a, b in zip(_columns(one), _columns(other), strict=True):
        error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
        z.append(np.abs(a.mean(0) - b.mean(0)) / (error + 1e-4 * (1 + np.abs(a.mean(0)))))
    return float(np.max(z))


def _columns(sample: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    rough = sample[:, :, 3:6].mean(2, keepdims=True) * (1 - sample[:, :, 6:8])
    rest = sample[:, :, 11:] ** 2 * (1 - sample[:, :, 8:10])
    first, second, third = np.concatenate([sample, rough, rest], axis=2)
    return [first, second, third, first - second, second - third]


def other_rows(kind: str, severity: int) -> list[Row]:
    """Every row of the table for that corruption but the one for 224 pixels at that severity."""
    own = constants(kind, severity, 224)
    rows: Sequence[Row] = [constants(kind, s, size) for size in SIZES for s in SEVERITIES]
    return [row for row in dict.fromkeys(rows) if row != own]
