"""What the images of a test set look like, one by one: size, mode, format, digest, or why not."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.images.decode import Decoding, Unreadable, decode
from heldout.testsets.reader import TestSet

Progress = Callable[[str, float], None]
_CHUNK = 64
_THREADS = 8
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Look:
    """One image. size: (height, width); turned: the EXIF orientation asks for a turn; trouble: why
    it cannot be read, '' where it can."""

    row: int
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    format: str = ""
    turned: bool = False
    digest: bytes = b""
    trouble: str = ""


def look(
    opened: TestSet, rows: Sequence[int], *, full: bool = False, progress: Progress | None = None
) -> list[Look]:
    """A look at the images in some rows, in their order. full: every pixel is decoded, else only
    the header is read. Threads read and decode at once."""
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    found: list[Look] = []

    def one(chunk: Sequence[int]) -> list[Look]:
        contents = zip(chunk, opened.fetch(chunk), strict=True)
        return [_look(row, content, full) for row, content in contents]

    threads = min(_THREADS, os.cpu_count() or 1)
    # The filter is the process's, not the thread's: it is set here once for all of them.
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")
        for part in pool.map(one, chunks):
            found += part
            if progress is not None:
                progress("images", len(found) / len(rows))
    return found


def _look(row: int, content: bytes | NDArray[np.uint8] | Unreadable, full: bool) -> Look:
    if isinstance(content, Unreadable):
        return Look(row, trouble=str(content))
    raw = content.tobytes() if isinstance(content, np.ndarray) else content
    digest = hashlib.blake2b(raw, digest_size=16).digest()
    try:
        if full or isinstance(content, np.ndarray):
            decode(content)
        if isinstance(content, np.ndarray):
            mode = "L" if content.ndim == 2 or content.shape[2] == 1 else "RGB"
            return Look(row, (content.shape[0], content.shape[1]), mode, "array", False, digest)
        return _header(row, content, digest)
    except Unreadable as error:
        return Look(row, digest=digest, trouble=str(error))


def _header(row: int, content: bytes, digest: bytes) -> Look:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            turned = 2 <= _orientation(image) <= 8
            size = (image.height, image.width)
            return Look(row, size, image.mode, image.format or "", turned, digest)
    except Exception:
        decode(content, Decoding())  # says why in words, or reads what the other would not
        return Look(row, digest=digest)


def _orientation(image: Any) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data say nothing
        return 1
    return value if isinstance(value, int) else 1
