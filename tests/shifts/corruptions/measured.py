"""Outputs of imagecorruptions 1.1.2, and how far others are from them in distribution."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from heldout.shifts.corruptions.constants import SIZES, Row, constants
from realdata import published

Image = NDArray[np.uint8]
STATISTICS = ("mean", "var", "ac", "mad", "rstd", "rac")


@cache
def reference() -> NpzFile:
    return np.load(published("corruptions-reference.npz"))


@cache
def stored(name: str) -> NDArray[np.uint8]:
    """One array of the reference, such as `clean` (3, 224, 224, 3) or `seed0/shot_noise`."""
    return np.asarray(reference()[name])


def off_by(out: Image, expected: Image) -> tuple[int, float]:
    """The largest difference in grey levels, and the share of values that differ."""
    gaps = np.abs(out.astype(int) - expected)
    return int(gaps.max()), float((gaps > 0).mean())


def statistics(out: Image, clean: Image) -> dict[str, NDArray[np.float64]]:
    """What the reference stores of one output: moments, correlation with the next, residuals."""
    values = out.astype(np.float64)
    residual = values - clean
    return {
        "mean": values.mean((0, 1)),
        "var": values.var((0, 1)),
        "ac": _next(values),
        "mad": np.abs(residual).mean(keepdims=True)[0, 0],
        "rstd": residual.std(keepdims=True)[0, 0],
        "rac": _next(residual),
    }


def _next(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The autocorrelation at distance 1 along x and y, the mean of the channels."""
    rest = values - values.mean((0, 1))
    spread = (rest * rest).mean((0, 1))
    along_x = (rest[:, :-1] * rest[:, 1:]).mean((0, 1)) / spread
    along_y = (rest[:-1] * rest[1:]).mean((0, 1)) / spread
    return np.array([along_x.mean(), along_y.mean()])


def distance(outs: Iterable[Image], kind: str, image: int, severity: int) -> float:
    """How far outputs for one of the three images are from the reference's 20, in standard errors.

    The largest over all statistics and over the histograms (of which 20 bins, equally filled in the
    reference, are compared).
    """
    outs = list(outs)
    ours = [statistics(out, stored("clean")[image]) for out in outs]
    worst = 0.0
    for name in STATISTICS:
        theirs = stored(f"stat/{kind}/{name}")[image, severity - 1].astype(np.float64)
        theirs = theirs.reshape(20, -1)
        mine = np.stack([one[name].reshape(-1) for one in ours])
        spread = np.maximum(theirs.var(0, ddof=1), 1e-9)
        error = np.sqrt(spread / len(theirs) + spread / len(mine))
        worst = max(worst, float((np.abs(theirs.mean(0) - mine.mean(0)) / error).max()))
    for channel in range(3):
        before = stored(f"stat/{kind}/hist")[image, severity - 1, channel].astype(np.float64)
        bins = np.minimum(np.cumsum(before) / before.sum() * 20, 19).astype(int)
        before = np.bincount(bins, before, minlength=20)
        after = np.stack([np.bincount(bins[o[..., channel].ravel()], minlength=20) for o in outs])
        # Counts vary as Poisson's do, and more where neighbours are alike.
        spread = np.maximum(before, 1)
        spread *= max(1.0, float((after.var(0, ddof=1) / spread).mean()))
        error = np.sqrt(spread * (1 / 20 + 1 / len(outs)))
        worst = max(worst, float((np.abs(before - after.mean(0)) / error).max()))
    return worst


def neighbours(kind: str, severity: int) -> list[Row]:
    """The rows next to one in the table for 224 pixels, and those of the other two sizes."""
    own = constants(kind, severity, 224)
    near = [constants(kind, s, 224) for s in (severity - 1, severity + 1) if 1 <= s <= 5]
    rows = [*near, *(constants(kind, severity, size) for size in SIZES[1:])]
    return [row for row in rows if row != own]
