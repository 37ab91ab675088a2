"""The corrupted copies of one image: read once, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from heldout.engine.allocator import keep_memory
from heldout.engine.study import CLEAN
from heldout.images.decode import Decoding, Unreadable, decode
from heldout.images.geometry import Geometry, fit
from heldout.shifts import frost_folder
from heldout.shifts.catalogue import parse, shifted
from heldout.shifts.opencv import one_thread
from heldout.testsets.catalogue import known
from heldout.testsets.opening import Source
from heldout.testsets.reader import TestSet

PUBLISHED = Geometry(256, (224, 224), "bilinear")  # the geometry of ImageNet-C's files
_UNFINISHED = ".unfinished"
_OLD = 3600.0  # seconds after which a temporary file has no process that still writes it
_JPEG = (".jpg", ".jpeg")  # what every reader of folders takes
_PNG_END, _JPEG_END = b"\0\0\0\0IEND\xaeB`\x82", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Order:
    """What copies of which images.

    source: a folder of images. shifts: texts without a compression that `jpeg` says; 'clean' for
    the images at the geometry's size. set_name: the test set's name, as in a run ('' for none):
    some sets have ids of their own. enlarge: whether images that are smaller than the geometry's
    crop may be enlarged. jpeg: quality of JPEG copies (0: PNG). frost: folder of the photographs
    for frost ('': textures of our own). limit: so many images, evenly spread (0: all). workers:
    processes (0: one a core).
    """

    source: Source
    out: str
    shifts: tuple[str, ...]
    set_name: str = ""
    geometry: Geometry = PUBLISHED
    enlarge: bool = False
    seed: int = 0
    jpeg: int = 0
    frost: str = ""
    exif: bool = False
    limit: int = 0
    workers: int = 0


@dataclass(slots=True)
class Made:
    """What was made of one image: new copies, their bytes, copies that were there.

    error: why it could not be read; small: its size, where it would have had to be enlarged.
    """

    copies: int = 0
    bytes: int = 0
    there: int = 0
    error: str = ""
    small: str = ""


class Maker:
    """Reads an image and writes its missing copies; it goes to the worker processes."""

    def __init__(
        self,
        order: Order,
        out: str,
        opened: TestSet,
        ids: Sequence[str],
        names: Sequence[str],
        folders: Mapping[str, str],
    ) -> None:
        entry = known(order.set_name) if order.set_name else None
        self.how = Decoding(exif=order.exif, border=entry.border if entry else 0)
        self.order, self.out, self.opened = order, out, opened
        self.ids, self.names, self.folders = ids, names, folders
        self.aside = os.path.join(out, _UNFINISHED)

    def __call__(self, row: int) -> Made:
        """All missing copies of the image at a position."""
        _prepare(self.order.frost)
        made = Made()
        finals = [(t, os.path.join(self.out, f, self.names[row])) for t, f in self.folders.items()]
        wanted = [(t, path) for t, path in finals if not is_whole(path)]
        made.there = len(finals) - len(wanted)
        if not wanted:
            return made
        try:
            (content,) = self.opened.fetch([row])
            if isinstance(content, Unreadable):
                raise content
            picture = decode(content, self.how)
            crop = self.order.geometry.crop
            if crop and not self.order.enlarge and min(picture.size) < min(crop):
                made.small = f"{picture.width:,} x {picture.height:,} pixels"
                return made
            image = fit(picture, self.order.geometry)
            for text, path in wanted:
                if is_whole(path):  # another call made it meanwhile
                    made.there += 1
                    continue
                pixels = image
                if text != CLEAN:
                    pixels = shifted(image, parse(text), self.order.seed, self.ids[row])
                made.bytes += self._put(path, encoded(pixels, self.order.jpeg))
                made.copies += 1
        except Unreadable as error:
            made.error = str(error)
        return made

    def _put(self, path: str, content: bytes) -> int:
        """Write a file whole or not at all; its bytes."""
        temporary = os.path.join(self.aside, uuid.uuid4().hex)
        for tried in range(3):
            try:
                with open(temporary, "xb") as file:
                    file.write(content)
                os.replace(temporary, path)
                return len(content)
            except FileNotFoundError:  # a folder is not there yet, or was tidied away
                if tried == 2:
                    raise
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.makedirs(self.aside, exist_ok=True)
                _remove(temporary)
            except BaseException:
                _remove(temporary)
                raise
        raise AssertionError

    def tidy(self) -> None:
        """Remove what a killed call left unfinished, if nobody can be writing it any more."""
        with contextlib.suppress(OSError):
            now = time.time()
            for entry in os.scandir(self.aside):
                if now - entry.stat().st_mtime > _OLD:
                    _remove(entry.path)
            os.rmdir(self.aside)


@cache
def _prepare(frost: str) -> None:
    """What a process does once. The processes are the threads, so OpenCV needs none."""
    frost_folder.use(frost)
    keep_memory()
    one_thread()


def encoded(pixels: NDArray[np.uint8], jpeg: int = 0) -> bytes:
    """The image (h, w, 3) as a PNG file, or as a JPEG file of that quality as ImageNet-C's are.

    Those have colour at half resolution and optimised Huffman tables, which change no pixel. PNG is
    written at its fastest level: a third of the time for 7 % more bytes.
    """
    from PIL import Image as pil

    buffer = io.BytesIO()
    picture = pil.fromarray(pixels)
    if not jpeg:
        picture.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    try:
        picture.save(buffer, "JPEG", quality=jpeg, optimize=True, subsampling="4:2:0")
    except OSError as error:
        raise Unreadable(f"its {pixels.shape[1]:,} x {pixels.shape[0]:,} pixels cannot be saved as"
                         f" JPEG ({error})") from error  # fmt: skip
    return buffer.getvalue()


def names_of(paths: Sequence[str], jpeg: int) -> list[str]:
    """The copies' paths below a shift's folder: those of the images, with their new ending.

    >>> names_of(["cat/1.jpg", "cat/2.png", "cat/2.gif"], 85)
    ['cat/1.jpg', 'cat/2.png.jpg', 'cat/2.gif.jpg']
    >>> names_of(["1.png.jpg", "1.png", "1.gif"], 85)
    ['1.png.jpg', '1.png_.jpg', '1.gif.jpg']
    """
    ending = ".jpg" if jpeg else ".png"
    fine = _JPEG if jpeg else (".png",)
    new = [p if p.lower().endswith(fine) else os.path.splitext(p)[0] + ending for p in paths]
    times = Counter(new)
    out: dict[str, None] = {}
    for path, name in zip(paths, new, strict=True):
        name = name if times[name] == 1 else path + ending
        while name in out:
            name = f"{os.path.splitext(name)[0]}_{ending}"
        out[name] = None
    return list(out)


def those_there(
    out: str, folders: Sequence[str], names: Sequence[str], look: bool = True
) -> NDArray[np.bool_]:
    """(images, shifts): which copies are there; look: and end as whole files do."""
    position = {name: i for i, name in enumerate(names)}
    there = np.zeros((len(names), len(folders)), bool)
    for column, folder in enumerate(folders):
        todo = [""]
        while todo:
            below = todo.pop()
            with contextlib.suppress(FileNotFoundError):
                for entry in os.scandir(os.path.join(out, folder, below)):
                    if entry.is_dir():
                        todo.append(f"{below}{entry.name}/")
                    elif (row := position.get(f"{below}{entry.name}")) is not None:
                        there[row, column] = is_whole(entry.path) if look else True
    return there


def is_whole(path: str) -> bool:
    """Whether a copy is there and ends as its format does.

    After a power cut some file systems have names without bytes, or with zeros for the last ones.
    """
    end = _JPEG_END if path.lower().endswith(_JPEG) else _PNG_END
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:  # not there, or shorter than that
        return False


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
