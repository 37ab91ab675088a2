"""Decoding: every kind of file becomes RGB or a reason: no warning, no other error."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from heldout.images import decode as room
from heldout.images.decode import Decoding, Unreadable, decode, decoder

NOISE = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)


STARTS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"II*\0",
    b"BM",
    b"P6 ",
    b"\0\0\1\0",
]


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = b"".join(more) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def reason(content: Any, how: Decoding | None = None) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(content, how or Decoding())
    return str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "QOI", "WEBP"])
def test_lossless_formats(format: str) -> None:
    """The pixels that were written."""
    image = decode(
        encoded(Image.fromarray(NOISE), format, **({"lossless": True} if format == "WEBP" else {}))
    )
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), NOISE)


def test_jpeg_is_pillows() -> None:
    """The same pixels as the field's `Image.open(...).convert("RGB")`."""
    content = encoded(Image.fromarray(NOISE), "JPEG")
    np.testing.assert_array_equal(
        np.asarray(decode(content)), np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    )


def test_cmyk_jpeg() -> None:
    """Four inks become RGB: no ink is white, full cyan has no red."""
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 0] = 255
    content = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    pixels = np.asarray(decode(content)).astype(int)
    assert pixels.shape == (16, 16, 3)
    assert (pixels[:, :6] > 245).all()
    assert (pixels[:, 10:, 0] < 10).all()
    assert (pixels[:, 10:, 1:] > 245).all()


def test_palette_with_transparency() -> None:
    """The palette's colours; the transparency is dropped, and no warning comes of it."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 10, 30])
    for transparency in (1, b"\xff\x80"):
        content = encoded(image, "PNG", transparency=transparency)
        assert np.asarray(decode(content)).reshape(-1, 3).tolist() == [[200, 10, 30]] * 16


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "1", "PA"])
def test_grey_and_alpha(mode: str) -> None:
    """Alpha is dropped, not blended; grey has three equal channels."""
    source = Image.new("RGBA", (4, 4), (255, 255, 255, 0)).convert(mode)
    content = (
        encoded(source, "TIFF" if mode == "PA" else "PNG")
        if mode != "PA"
        else encoded(Image.new("LA", (4, 4), (255, 0)), "PNG")
    )
    image = decode(content)
    assert image.mode == "RGB"
    assert (np.asarray(image) == 255).all()


def test_sixteen_bit_grey_is_scaled() -> None:
    """65,535 is 255 and 32,896 is 128: a plain conversion would clip all above 255."""
    values = np.array([[0, 128, 129, 257, 300, 32_896, 65_535]], dtype=np.uint16)
    content = png(7, 1, 16, 0, b"\0" + values.astype(">u2").tobytes())
    assert np.asarray(decode(content))[0, :, 0].tolist() == [0, 0, 1, 1, 1, 128, 255]
    tiff = encoded(Image.fromarray(values), "TIFF")
    assert np.asarray(decode(tiff))[0, :, 2].tolist() == [0, 0, 1, 1, 1, 128, 255]


def test_numbers_of_unknown_range() -> None:
    """Floating point and large whole numbers have no meaning as grey levels: said, not guessed."""
    floats = encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    assert "floating-point" in reason(floats)
    wide = encoded(Image.fromarray(np.full((2, 2), 100_000, np.int32)), "TIFF")
    assert "32-bit" in reason(wide)


def test_first_frame() -> None:
    """An animation is its first frame."""
    frames = [Image.new("RGB", (4, 4), c) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert np.asarray(decode(content))[0, 0].argmax() == 0, format
        assert np.asarray(decode(content))[0, 0, 1] < 10, format


def test_nothing_and_not_a_picture() -> None:
    """One clause each that says what lies there instead."""
    assert reason(b"") == "the file is empty"
    assert "not a picture" in reason(b"a,b,c\n1,2,3\n")
    assert "HTML" in reason(b"\n<!DOCTYPE html><html></html>")
    assert "git lfs pull" in reason(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "nothing but zeros" in reason(bytes(5000))
    # PostScript is a program; Pillow would run an interpreter for it.
    assert "not a picture" in reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_cut_off_anywhere(format: str) -> None:
    """Every length short of the whole is Unreadable, or, past the pixels, the whole picture."""
    content = encoded(Image.fromarray(NOISE), format)
    whole = np.asarray(decode(content))
    refused = 0
    for length in range(1, len(content)):
        try:
            np.testing.assert_array_equal(np.asarray(decode(content[:length])), whole)
        except Unreadable:
            refused += 1
    assert refused > len(content) * 0.8


def test_truncation_is_named() -> None:
    """How many bytes there were."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for format in ("JPEG", "PNG"):
        text = reason(encoded(Image.fromarray(noise), format)[:2345])
        assert text.startswith("truncated after 2,345 bytes: "), text
        assert "cut off after 30 bytes" in reason(encoded(Image.fromarray(noise), format)[:30])
    assert "cut off after 3 bytes" in reason(b"\xff\xd8\xff")
    assert "not a picture" in reason(b"\x89PN")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
)
def test_any_damage_is_unreadable_or_a_picture(
    format: str, changes: list[tuple[float, int]]
) -> None:
    """Whatever bytes are changed, no other exception and no warning comes out."""
    content = bytearray(encoded(Image.fromarray(NOISE), format))
    for where, value in changes:
        content[int(where * len(content))] = value
    with contextlib.suppress(Unreadable):
        assert decode(bytes(content), Decoding(max_pixels=10_000, exif=True)).mode == "RGB"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(STARTS))
def test_any_bytes(rest: bytes, start: bytes) -> None:
    """Nor does it from bytes that only begin like a picture."""
    with contextlib.suppress(Unreadable):
        decode(start + rest, Decoding(max_pixels=10_000))


def test_bomb_is_refused_from_its_header() -> None:
    """50,000 x 50,000 in a few hundred bytes: named with the limit, and no memory taken."""
    bomb = png(50_000, 50_000, 8, 2, bytes(10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = reason(bomb)
    assert "50,000 x 50,000" in text
    assert "178,956,970" in text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    # Between Pillow's limit and twice that, where it would warn; and a limit of one's own.
    assert "15,000 x 15,000" in reason(png(15_000, 15_000, 8, 2, bytes(10)))
    assert "limit of 99" in reason(png(10, 10, 8, 0, bytes(110)), Decoding(max_pixels=99))
    assert decode(png(10, 10, 8, 0, bytes(110)), Decoding(max_pixels=100)).size == (10, 10)


def test_pillows_own_limit_is_not_used() -> None:
    """A limit of one's own may be above Pillow's, and Pillow's global one stays as it was."""
    before = Image.MAX_IMAGE_PIXELS
    content = png(20_000, 10_000, 1, 0, bytes(2501 * 10_000))
    image = decode(content, Decoding(max_pixels=10**9))
    assert image.size == (20_000, 10_000)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("value", "first"),
    [(1, 0), (2, 1), (3, 3), (4, 2), (5, 0), (6, 2), (7, 3), (8, 1), (0, 0), (9, 0), (77, 0)],
)
def test_exif(value: int, first: int) -> None:
    """Ignored unless asked for; an invalid value says nothing. `first`: what comes top left."""
    corners = np.array([[10, 80], [150, 250]], np.uint8)
    exif = Image.Exif()
    exif[0x0112] = value
    content = encoded(Image.fromarray(corners.repeat(16, 0).repeat(24, 1)), "JPEG", exif=exif)
    plain = decode(content)
    assert plain.size == (48, 32)
    assert abs(int(np.asarray(plain)[2, 2, 0]) - 10) < 8
    turned = decode(content, Decoding(exif=True))
    assert turned.size == ((32, 48) if value in (5, 6, 7, 8) else (48, 32))
    assert abs(int(np.asarray(turned)[2, 2, 0]) - int(corners.ravel()[first])) < 8


def test_damaged_exif() -> None:
    """Says nothing, and stops nothing."""
    content = encoded(Image.fromarray(NOISE), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(content, Decoding(exif=True)).size == (10, 12)


def test_border() -> None:
    """Cut from every side, of arrays too; a picture that is all border is refused."""
    content = encoded(Image.fromarray(NOISE), "PNG")
    got = np.asarray(decode(content, Decoding(border=2)))
    np.testing.assert_array_equal(got, NOISE[2:-2, 2:-2])
    np.testing.assert_array_equal(np.asarray(decode(NOISE, Decoding(border=2))), got)
    assert reason(content, Decoding(border=5)) == "10 x 12 pixels are all border (5 on every side)"


def test_arrays() -> None:
    """Every shape that has a meaning, in any memory order; the others with their shape."""
    np.testing.assert_array_equal(np.asarray(decode(NOISE)), NOISE)
    np.testing.assert_array_equal(np.asarray(decode(NOISE[::-1, ::2])), NOISE[::-1, ::2])
    for grey in (NOISE[:, :, 0], NOISE[:, :, :1]):
        got = np.asarray(decode(grey))
        np.testing.assert_array_equal(got, NOISE[:, :, :1].repeat(3, 2))
    rgba = np.dstack([NOISE, np.zeros((12, 10), np.uint8)])
    np.testing.assert_array_equal(np.asarray(decode(rgba)), NOISE)
    assert "3 x 32 x 32" in reason(np.zeros((3, 32, 32), np.uint8))
    assert "float64" in reason(np.zeros((32, 32, 3)))
    assert "no pixels" in reason(np.zeros((0, 32, 3), np.uint8))


def test_warnings_are_silent_in_this_thread_only() -> None:
    """The file warns in Pillow, decode does not; the caller's own warnings still come."""
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([1, 2, 3])
    apng = png(2, 2, 8, 0, bytes(6), chunk(b"acTL", bytes(8)))
    with pytest.warns(UserWarning, match="APNG"):
        Image.open(io.BytesIO(apng)).load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(apng).size == (2, 2)
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)


def test_threads() -> None:
    """Eight threads on good, damaged and warning files: each gets its own picture, none warns."""
    files = [encoded(Image.new("RGB", (30, 30), (i, 0, 0)), "PNG") for i in range(50)]
    bad = files[0][:60]
    apng = png(2, 2, 8, 0, bytes(6), chunk(b"acTL", bytes(8)))

    def one(i: int) -> int:
        with pytest.raises(Unreadable):
            decode(bad)
        decode(apng)
        return int(np.asarray(decode(files[i % 50]))[3, 3, 0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(800))) == [i % 50 for i in range(800)]


def test_decoder_is_named() -> None:
    """With its version and the JPEG library's: they decide the pixels."""
    from PIL import __version__

    assert decoder().startswith(f"Pillow {__version__}, libjpeg")
    assert set(room.FORMATS) >= {"JPEG", "PNG", "WEBP", "GIF"}
