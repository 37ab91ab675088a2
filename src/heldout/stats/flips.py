"""How often predictions change along a sequence: flip probability and top-5 distance.

Sequences are independent draws; the frames of one are not. So everything here has a value for each
sequence, and intervals are over sequences: `heldout.stats.weighted` has them. Hendrycks and
Dietterich (2019), section 3.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray

Reference = Literal["previous", "first"]
FARTHEST = 15.0  # the top-5 distance of two rankings whose first five have no class in common


def flip_rates(predicted: ArrayLike, reference: Reference = "previous") -> FloatArray:
    """The fraction of a sequence's frames, from the second, whose class is not the reference's.

    predicted: (…, n, frames) classes; the result is (…, n), and its mean is the flip probability.
    reference: "previous", the frame before; "first", the first frame, for noise, whose frames have
    no order. Raises BadInput for fewer than 2 frames.

    >>> flip_rates([[3, 3, 5, 3]]), flip_rates([[3, 3, 5, 3]], "first")
    (array([0.66666667]), array([0.33333333]))
    """
    seen = np.asarray(predicted)
    _check_frames("flip_rates", seen, -1, reference)
    before = seen[..., :-1] if reference == "previous" else seen[..., :1]
    rates: FloatArray = (seen[..., 1:] != before).mean(axis=-1)
    return rates


def top5_distances(top5: ArrayLike, reference: Reference = "previous") -> FloatArray:
    """The mean distance of a sequence's first five classes from those of the reference.

    top5: (…, n, frames, 5) classes, best first; the result is (…, n), from 0 to 15. The class in
    place i (1 to 5) of the reference has place s in the frame; the distance is
    Σ_i |min(i - 1, 5) - min(s - 1, 5)|: what lies beyond the fifth place counts as sixth. So the
    first five are all that must be known. Raises BadInput for fewer than 2 frames and other than 5
    places.

    >>> top5_distances([[[1, 2, 3, 4, 5], [2, 1, 3, 4, 6]]])
    array([3.])
    """
    seen = np.asarray(top5)
    _check_frames("top5_distances", seen, -2, reference)
    if seen.shape[-1] != 5:
        raise BadInput(
            f"top5_distances: the last axis must be the 5 best classes; it has {seen.shape[-1]}."
        )
    before = seen[..., :-1, :] if reference == "previous" else seen[..., :1, :]
    after = seen[..., 1:, :]
    total = np.zeros(after.shape[:-1], np.int64)
    for i in range(5):
        place = np.full(total.shape, 5, np.int64)
        for s in range(5):
            place[after[..., s] == before[..., i]] = s
        total += np.abs(place - i)
    distances: FloatArray = total.mean(axis=-1)
    return distances


def _check_frames(function: str, seen: NDArray[np.generic], axis: int, reference: str) -> None:
    if reference not in ("previous", "first"):
        raise BadInput(f"{function}: reference is '{reference}'; use previous or first.")
    if seen.ndim < 1 - axis or seen.shape[axis] < 2:
        raise BadInput(
            f"{function}: sequences of 2 or more frames are needed, not an array of {seen.shape}."
        )
