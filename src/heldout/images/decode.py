"""From a file's bytes to an RGB picture, the same on every thread, or the reason why not."""

from __future__ import annotations

import functools
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

# Pictures in pixels only: no PostScript (which would start an interpreter), no format without a
# signature (which would take any bytes for a picture). The likeliest come first.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "QOI", "ICO",
           "DIB", "SGI", "PCX")  # fmt: skip
_ORIENTATION = 0x0112
_TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
          6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip


class Unreadable(Exception):
    """A picture that cannot be read; the text is one clause, such as "the file is empty"."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What is done between a file's bytes and its picture."""

    exif: bool = False
    """Turn as the EXIF orientation says; evaluations in the field do not."""
    border: int = 0
    """Pixels cut from every side (ObjectNet: 2)."""
    max_pixels: int = 178_956_970
    """Larger pictures are refused from their header, before any memory is taken for them."""


_DEFAULT = Decoding()


def decode(content: bytes | NDArray[np.uint8], how: Decoding = _DEFAULT) -> Image:
    """The picture in mode RGB, from a file's bytes or an (h, w), (h, w, 1 | 3 | 4) uint8 array.

    Grey, palette and CMYK become RGB as Pillow converts them; alpha is dropped; 16 bits are scaled
    to 8, not clipped; of several frames the first is taken. Raises Unreadable, and nothing else;
    Pillow's warnings are not shown.
    """
    if isinstance(content, np.ndarray):
        return _finished(_from_array(content), None, how)
    if not content:
        raise Unreadable("the file is empty")
    with _silence():
        try:
            image = _opened(content)
            _must_be_small(image, how.max_pixels)
            image.load()
            return _finished(_rgb(image), image, how)
        except Unreadable:
            raise
        except MemoryError as error:
            raise Unreadable("there is not enough memory for it") from error
        except Exception as error:
            raise Unreadable(_reason(error, content)) from error


@functools.cache
def decoder() -> str:
    """What decodes here, with versions: "Pillow 13.0.0, libjpeg-turbo 3.1"."""
    from PIL import __version__, features

    turbo = features.version_feature("libjpeg_turbo")
    jpeg = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version_codec('jpg')}"
    return f"Pillow {__version__}, {jpeg}"


def _opened(content: bytes) -> Image:
    """The picture with its header read.

    As Image.open does it, but for the size: that has its limit in a global variable, and a warning
    between the limit and twice the limit.
    """
    from PIL import Image as pil

    pil.preinit()
    prefix = content[:16]
    damaged: Exception | None = None
    for name in FORMATS:
        if name not in pil.OPEN:
            pil.init()
        if name not in pil.OPEN:
            continue
        factory, accept = pil.OPEN[name]
        if not _accepted(accept, prefix):
            continue
        try:
            return factory(io.BytesIO(content), "")
        except pil.DecompressionBombError as error:
            raise Unreadable(f"its header says too many pixels: {error}") from error
        except MemoryError:
            raise
        except Exception as error:
            damaged = error
    if damaged is not None:
        raise Unreadable(f"the header is damaged, or cut off after {_bytes(content)}: {damaged}")
    raise Unreadable(_not_a_picture(content))


def _accepted(accept: Any, prefix: bytes) -> bool:
    """Whether a format takes a file that begins so; some stumble over a few bytes."""
    try:
        return accept is None or accept(prefix) is True
    except (SyntaxError, IndexError, TypeError, struct.error):
        return False


def _must_be_small(image: Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise Unreadable(
            f"its header says {image.width:,} x {image.height:,} pixels, more than the limit of"
            f" {max_pixels:,}"
        )


def _rgb(image: Image) -> Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise Unreadable("its pixels are floating-point numbers of unknown range, not 8 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        from PIL import Image as pil

        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise Unreadable("its pixels are 32-bit numbers of unknown range, not 8 or 16 bits")
        # 65,535 = 255 x 257; a plain conversion would clip at 255.
        image = pil.fromarray(((values + 128) // 257).astype(np.uint8))
    return image.convert("RGB")


def _from_array(pixels: NDArray[np.uint8]) -> Image:
    from PIL import Image as pil

    shape = pixels.shape
    known = pixels.ndim == 2 or (pixels.ndim == 3 and shape[2] in (1, 3, 4))
    if not known or pixels.dtype != np.uint8:
        raise Unreadable(
            f"an array of shape {' x '.join(map(str, shape))} and type {pixels.dtype} is not a"
            " picture (wanted: uint8, height x width, with 1, 3 or 4 channels last)"
        )
    if pixels.size == 0:
        raise Unreadable("the picture has no pixels")
    if pixels.ndim == 3 and shape[2] == 1:
        pixels = pixels[:, :, 0]
    elif pixels.ndim == 3:
        pixels = pixels[:, :, :3]
    image = pil.fromarray(np.ascontiguousarray(pixels))
    return image if image.mode == "RGB" else image.convert("RGB")


def _finished(image: Image, source: Image | None, how: Decoding) -> Image:
    if how.exif and source is not None:
        image = _turned(image, source)
    if how.border:
        width, height, b = image.width, image.height, how.border
        if min(width, height) <= 2 * b:
            raise Unreadable(f"{width} x {height} pixels are all border ({b} on every side)")
        image = image.crop((b, b, width - b, height - b))
    return image


def _turned(image: Image, source: Image) -> Image:
    """Turned as the EXIF orientation says; an invalid value, or damaged EXIF data, says nothing."""
    from PIL import Image as pil

    try:
        turn = _TURNS.get(source.getexif().get(_ORIENTATION, 1))
    except Exception:
        return image
    return image if turn is None else image.transpose(pil.Transpose[turn])


def _reason(error: Exception, content: bytes) -> str:
    text = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return f"truncated after {_bytes(content)}: {text}"
    return f"damaged: {text}"


def _not_a_picture(content: bytes) -> str:
    if content.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the picture; `git lfs pull` gets the picture"
    if content[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a page of HTML, not a picture; the download went wrong"
    if not any(content[:4096]):
        return "it begins with nothing but zeros; the file was not written or copied to its end"
    return f"not a picture in a format known here (it begins with {content[:8]!r})"


def _bytes(content: bytes) -> str:
    return f"{len(content):,} byte{'' if len(content) == 1 else 's'}"


class _Here(threading.local):
    """Matches every warning of the threads that are decoding, and none of the others."""

    decoding = False

    def match(self, text: str) -> bool:
        return self.decoding


_HERE = _Here()
_FILTER = ("ignore", _HERE, Warning, None, 0)


@contextmanager
def _silence() -> Iterator[None]:
    """No warnings from this thread. `warnings.catch_warnings` would change those of all threads.

    The filter is put first again when somebody has reset the filters, or added one, since.
    """
    filters = cast("list[Any]", warnings.filters)
    if not filters or filters[0] is not _FILTER:
        filters.insert(0, _FILTER)
    before, _HERE.decoding = _HERE.decoding, True
    try:
        yield
    finally:
        _HERE.decoding = before
