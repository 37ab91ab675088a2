"""Frost: a photograph of ice over the image, from a folder or one of heldout's own textures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from heldout.errors import BadInput
from heldout.shifts.corruptions.constants import SIZES, Row, column
from heldout.shifts.corruptions.frost_textures import textures
from heldout.shifts.corruptions.prepare import IMAGENET_C, prepared
from heldout.shifts.opencv import opencv
from heldout.shifts.shift import Image

_NAMES = tuple(f"frost{number}" for number in range(1, 7))
_SUFFIXES = (".png", ".jpg", ".jpeg")
_USED = 5  # both references draw among the first five of the six photographs
# Factors on the side of a photograph: of imagenet-c by the size of image, and of imagecorruptions.
_SHRUNK = dict(zip(SIZES, (1.0, 0.3, 0.2), strict=True))
_ENLARGED = 1.1
_KEPT = 1 << 21  # pixels of a photograph that is kept in another size
_drawing = Lock()
# All weights are multiples of 1/20, and so are their sums with levels. OpenCV rounds; with this
# added (1/40 more than -1/2) it truncates such sums, whatever the errors of its floats.
_TRUNCATES = -0.475


@dataclass(frozen=True, eq=False)
class Photographs:
    """The photographs that frost is drawn from. images: RGB uint8; digest: of all their pixels."""

    images: tuple[Image, ...]
    digest: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Photographs) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def photographs_of(images: Sequence[Image]) -> Photographs:
    """Those images (h, w, 3) uint8 as photographs; they are copied and locked."""
    digest = hashlib.blake2b(digest_size=16)
    kept = []
    for image in images:
        copy = np.array(image, np.uint8, order="C")
        copy.flags.writeable = False
        digest.update(repr(copy.shape).encode() + copy.tobytes())
        kept.append(copy)
    return Photographs(tuple(kept), digest.hexdigest())


def read_photographs(folder: str | Path) -> Photographs:
    """The photographs frost1 to frost6 (.png, .jpg, .jpeg) of a folder, as ImageNet-C has them.

    Transparency is dropped. Raises BadInput when the folder, or one of them, is missing, is there
    twice, is smaller than 32 pixels a side or cannot be read. Reads again when a file has changed.
    """
    where = Path(folder)
    if not where.is_dir():
        raise BadInput(f"Frost: {where} is not a folder. It should hold frost1.png to frost6.jpg.")
    found: dict[str, list[Path]] = {name: [] for name in _NAMES}
    try:
        paths = sorted(where.iterdir())
    except OSError as error:
        raise BadInput(f"Frost: the folder {where} cannot be read ({error}).") from error
    for path in paths:
        name = path.stem.lower()
        if name in found and path.suffix.lower() in _SUFFIXES and path.is_file():
            found[name].append(path)
    missing = [name for name, paths in found.items() if not paths]
    if missing:
        raise BadInput(
            f"Frost: {where} has no {', '.join(missing)} (.png or .jpg). The six photographs are in"
            " github.com/hendrycks/robustness, ImageNet-C/create_c. Without a folder, heldout's own"
            " textures of ice are used."
        )
    for same in found.values():
        if len(same) > 1:
            names = " and ".join(path.name for path in same)
            raise BadInput(f"Frost: {where} has both {names}; leave the one that counts.")
    files = [found[name][0] for name in _NAMES]
    stats = [path.stat() for path in files]
    return _read(tuple(files), tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))


@lru_cache(maxsize=4)
def _read(files: tuple[Path, ...], versions: tuple[tuple[int, int], ...]) -> Photographs:
    """The photographs in those files, whose times and sizes tell whether they have changed."""
    from PIL import Image as Pillow

    images = []
    for path in files:
        try:
            with Pillow.open(path) as picture:
                # An alpha channel is cut off, not blended: the colours below it count.
                image = np.array(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
            raise BadInput(f"Frost: {path} cannot be read as an image ({error}).") from error
        if min(image.shape[:2]) < SIZES[-1]:
            raise BadInput(f"Frost: {path} is smaller than {SIZES[-1]} pixels a side.")
        images.append(image)
    return photographs_of(images)


def own_photographs() -> Photographs:
    """heldout's own textures of ice, which stand in for the photographs."""
    with _drawing:  # threads that come first wait for one of them
        return _own()


@lru_cache(maxsize=1)
def _own() -> Photographs:
    return photographs_of(textures())


def frost(
    image: Image,
    severity: float,
    rng: np.random.Generator,
    *,
    reference: str = IMAGENET_C,
    photographs: Photographs | None = None,
) -> Image:
    """The image and a random part of a photograph of ice, added with weights; (h, w, 3) uint8.

    photographs: without them, heldout's own textures of ice. Only the first five are drawn from, as
    in both references, which differ in the size of the photograph: `imagenet-c` takes it as it is
    for 224 pixels, 0.3 and 0.2 times as large for 64 and 32; `imagecorruptions` 1.1 times as large.
    A photograph that does not cover the image is enlarged until it does. Draws: which photograph,
    the first row of the part, its first column.
    """
    source, row = prepared("frost", image, severity, reference, rng)
    if photographs is None:
        photographs = own_photographs()
    elif not isinstance(photographs, Photographs):
        raise BadInput(
            "Corruption 'frost': photographs are what read_photographs(folder) gives, not a"
            f" {type(photographs).__name__}."
        )
    index = int(rng.integers(min(_USED, len(photographs.images))))
    ice = _covering(photographs, index, source.shape, reference)
    top, left = (
        int(rng.integers(max(1, whole - part)))
        for whole, part in zip(ice.shape[:2], source.shape[:2], strict=True)
    )
    return _frosted(source, row, ice, top, left)


def _covering(
    photographs: Photographs, index: int, shape: tuple[int, ...], reference: str
) -> Image:
    """A photograph in the size that an image of that shape gets."""
    rows, columns = photographs.images[index].shape[:2]
    cover = max(shape[0] / rows, shape[1] / columns)
    if reference != IMAGENET_C:
        factor = _ENLARGED * max(1.0, cover)
        return _scaled(photographs, index, math.ceil(factor * rows), math.ceil(factor * columns))
    factor = _SHRUNK[column(*shape[:2])]
    shrunk = _shrunk(photographs, index, factor)
    if shrunk.shape[0] >= shape[0] and shrunk.shape[1] >= shape[1]:
        return shrunk
    size = (max(round(cover * rows), shape[0]), max(round(cover * columns), shape[1]))
    return _scaled(photographs, index, *size)


@lru_cache(maxsize=12)
def _shrunk(photographs: Photographs, index: int, factor: float) -> Image:
    """A photograph with its sides times that factor, linear, as the authors shrink it."""
    source = photographs.images[index]
    if factor == 1:
        return source
    cv2 = opencv()
    shrunk: Image = cv2.resize(source, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    shrunk.flags.writeable = False
    return shrunk


def _scaled(photographs: Photographs, index: int, rows: int, columns: int) -> Image:
    """A photograph of that size, cubic; kept where it is not large."""
    make = _resized if rows * columns <= _KEPT else _resized.__wrapped__
    return make(photographs, index, rows, columns)


@lru_cache(maxsize=12)
def _resized(photographs: Photographs, index: int, rows: int, columns: int) -> Image:
    cv2 = opencv()
    source = photographs.images[index]
    scaled: Image = cv2.resize(source, (columns, rows), interpolation=cv2.INTER_CUBIC)
    scaled.flags.writeable = False
    return scaled


def _frosted(source: Image, row: Row, ice: Image, top: int, left: int) -> Image:
    """The weighted sum of the image and the part of the ice that starts there."""
    height, width = source.shape[:2]
    part = ice[top : top + height, left : left + width]
    out: Image = opencv().addWeighted(source, row[0], part, row[1], _TRUNCATES)
    return out.reshape(source.shape)
