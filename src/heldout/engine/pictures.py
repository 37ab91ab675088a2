"""A batch of pictures: decoded once, resized and cropped once for every geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.images.decode import Decoding, Unreadable, decode
from heldout.images.geometry import Geometry, fit
from heldout.shifts.catalogue import parse, shifted
from heldout.testsets.reader import TestSet

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of some positions of a test set.

    readable: positions, in order; pixels: per geometry (n, h, w, 3) of those; errors: position ->
    why there is no picture.
    """

    readable: tuple[int, ...]
    pixels: Mapping[Geometry | None, Pixels]
    errors: Mapping[int, str]


def pictures(
    test_set: TestSet,
    rows: Sequence[int],
    geometries: Sequence[Geometry | None],
    how: Decoding,
) -> Pictures:
    """Read, decode, resize and crop. A picture that cannot be read is an error, not an end."""
    fitted: dict[Geometry | None, list[Pixels]] = {g: [] for g in geometries}
    readable: list[int] = []
    errors: dict[int, str] = {}
    for row, content in zip(rows, test_set.fetch(rows), strict=True):
        try:
            if isinstance(content, Unreadable):
                raise content
            image = decode(content, how)
            views = [fit(image, g if g is not None else _AS_IT_IS) for g in geometries]
        except Unreadable as error:
            errors[row] = str(error)
            continue
        sizes = [f[0].shape for f in fitted.values() if f]
        if sizes and any(v.shape != s for v, s in zip(views, sizes, strict=True)):
            v, s = next((v, s) for v, s in zip(views, sizes, strict=True) if v.shape != s)
            errors[row] = (
                f"it has {v.shape[1]} x {v.shape[0]} pixels and others {s[1]} x {s[0]}; the model"
                " says no size: give one with ?size="
            )
            continue
        readable.append(row)
        for g, view in zip(geometries, views, strict=True):
            fitted[g].append(view)
    pixels = {g: np.stack(f) for g, f in fitted.items() if f}
    return Pictures(tuple(readable), pixels, errors)


def under(pixels: Pixels, shift: str, seed: int, examples: Sequence[str]) -> Pixels:
    """The pictures (n, h, w, 3) under a shift; each one depends on its own id alone."""
    if not shift:
        return pixels
    applied = parse(shift)
    out = np.empty_like(pixels)
    for i, (image, example) in enumerate(zip(pixels, examples, strict=True)):
        out[i] = shifted(image, applied, seed, example)
    return out


_AS_IT_IS = Geometry()
