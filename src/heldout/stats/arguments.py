"""What the functions of this folder accept: counts, levels, and what to say when they are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from heldout.errors import BadInput

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Interval = tuple[FloatArray, FloatArray]


def check_level(level: float, function: str) -> float:
    """The confidence level as a float strictly between 0 and 1."""
    value = float(level)
    if not 0.0 < value < 1.0:
        raise BadInput(
            f"The level must lie strictly between 0 and 1, but it is {level:g}; "
            f"write .95 for 95 % ({function})."
        )
    return value


def two_sided_z(level: float) -> float:
    """The normal quantile that leaves (1 - level)/2 above it."""
    return float(-ndtri((1.0 - level) / 2.0))


def check_counts(function: str, **named: ArrayLike) -> list[FloatArray]:
    """Whole, non-negative counts as float64 arrays of one broadcast shape, in the order given."""
    arrays: list[FloatArray] = []
    for name, value in named.items():
        array = as_float(function, name, value)
        bad = ~(np.isfinite(array) & (array >= 0.0) & (array == np.floor(array)))
        if bad.any():
            raise BadInput(
                f"{function}: {name} must hold whole numbers of 0 or more, but it has "
                f"{array[bad].flat[0]:g}{place(bad)}; pass counts, not accuracies."
            )
        arrays.append(array)
    return broadcast(function, tuple(named), arrays)


def check_at_most(function: str, part: FloatArray, whole: FloatArray, words: str) -> None:
    """Refuse a part that is larger than its whole; `words` names both ("k is larger than n")."""
    bad = part > whole
    if np.any(bad):
        raise BadInput(
            f"{function}: {words}: {part[bad].flat[0]:g} against {whole[bad].flat[0]:g}"
            f"{place(bad)}; check that both count the same examples."
        )


def as_float(function: str, name: str, value: ArrayLike) -> FloatArray:
    """A float64 array, or a sentence that names the argument that is not numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{function}: {name} must be numbers ({error}).") from error


def broadcast(function: str, names: tuple[str, ...], arrays: list[FloatArray]) -> list[FloatArray]:
    """The arrays in one shape, or a sentence with the shapes that do not fit."""
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, arrays, strict=True))
        raise BadInput(
            f"{function}: the shapes do not fit together: {shapes}; give arrays of one shape, "
            "or scalars."
        ) from error


def check_pair(function: str, x: ArrayLike, y: ArrayLike, least: int) -> tuple[Any, Any]:
    """Two finite vectors of the same length, at least `least` long."""
    a, b = as_float(function, "x", x), as_float(function, "y", y)
    if a.ndim != 1 or a.shape != b.shape:
        raise BadInput(
            f"{function}: x and y must be vectors of one length, but they have shapes "
            f"{a.shape} and {b.shape}."
        )
    if a.size < least:
        raise BadInput(f"{function}: at least {least} points are needed, but there are {a.size}.")
    bad = ~(np.isfinite(a) & np.isfinite(b))
    if bad.any():
        raise BadInput(
            f"{function}: {int(bad.sum())} of {a.size} points are not finite, the first"
            f"{place(bad)}; leave out models without both values (and accuracies of 0 or 1 on the "
            "logit and probit scales)."
        )
    return a, b


def check_unit(
    function: str, name: str, value: ArrayLike, *, open_ends: bool = False
) -> FloatArray:
    """Fractions in [0, 1] (or strictly inside) as a float64 array; NaN is refused."""
    array = as_float(function, name, value)
    inside = (array > 0.0) & (array < 1.0) if open_ends else (array >= 0.0) & (array <= 1.0)
    if not inside.all():
        ends = "strictly between 0 and 1" if open_ends else "between 0 and 1"
        raise BadInput(
            f"{function}: {name} must lie {ends}, but it has {array[~inside].flat[0]:g}"
            f"{place(~inside)}; pass fractions, not percent."
        )
    return array


def place(bad: NDArray[np.bool_]) -> str:
    """' at position 3' (or ' at position 1, 2'), the first true element; '' for a scalar."""
    if bad.ndim == 0:
        return ""
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return " at position " + ", ".join(str(int(i)) for i in first)
