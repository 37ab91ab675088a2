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
_AS_IT_IS = Geometry()


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Pictures of one size in one geometry. rows: positions; pixels: (n, h, w, 3)."""

    rows: tuple[int, ...]
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of some positions of a test set.

    views: per geometry its pictures; several where they have several sizes, which only happens
    where a model says none. errors: per geometry, position -> why there is no picture.
    """

    views: Mapping[Geometry | None, tuple[View, ...]]
    errors: Mapping[Geometry | None, Mapping[int, str]]


def pictures(
    test_set: TestSet,
    rows: Sequence[int],
    geometries: Sequence[Geometry | None],
    how: Decoding,
) -> Pictures:
    """Read, decode, resize and crop. A picture that cannot be read is an error, not an end.

    What one geometry makes of a picture never depends on the other geometries or pictures.
    """
    found: dict[Geometry | None, dict[tuple[int, ...], tuple[list[int], list[Pixels]]]]
    found = {g: {} for g in geometries}
    errors: dict[Geometry | None, dict[int, str]] = {g: {} for g in geometries}
    for row, content in zip(rows, test_set.fetch(rows), strict=True):
        try:
            if isinstance(content, Unreadable):
                raise content
            image = decode(content, how)
        except Unreadable as error:
            for g in geometries:
                errors[g][row] = str(error)
            continue
        for g in geometries:
            try:
                view = fit(image, g if g is not None else _AS_IT_IS)
            except Unreadable as error:
                errors[g][row] = str(error)
                continue
            mine, pixels = found[g].setdefault(view.shape, ([], []))
            mine.append(row)
            pixels.append(view)
    views = {
        g: tuple(View(tuple(mine), np.stack(pixels)) for mine, pixels in sizes.values())
        for g, sizes in found.items()
    }
    return Pictures(views, errors)


def under(pixels: Pixels, shift: str, seed: int, examples: Sequence[str]) -> Pixels:
    """The pictures (n, h, w, 3) under a shift; each one depends on its own id alone."""
    if not shift:
        return pixels
    applied = parse(shift)
    out = np.empty_like(pixels)
    for i, (image, example) in enumerate(zip(pixels, examples, strict=True)):
        out[i] = shifted(image, applied, seed, example)
    return out
