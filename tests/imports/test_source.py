"""Folders, files and archives as sources; every refusal says what is wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from heldout.errors import BadInput, HeldoutError, ImportFailed, NotFound
from heldout.imports.source import is_archive, opened

CONTENT = os.urandom(200_000)


def _zst(raw: bytes) -> bytes:
    return bytes(pa.compress(raw, codec="zstd", asbytes=True))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "x.tar": bytes,
    "x.tar.gz": gzip.compress,
    "x.tgz": gzip.compress,
    "x.tar.bz2": bz2.compress,
    "x.tar.xz": lzma.compress,
    "x.tar.zst": _zst,
}


def _tar(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(CONTENT) if member.isfile() else None)
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
    return member


PLAIN = _tar(_member("root/a.bin"), _member("root/b.bin"))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made during a test."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def _refused(path: Path | str, kind: type[HeldoutError]) -> str:
    with pytest.raises(kind) as caught, opened(str(path)):
        pytest.fail("it was opened")
    return str(caught.value)


@pytest.mark.parametrize("name", PACKERS)
def test_archives_are_unpacked_for_the_time_being(tmp_path: Path, scratch: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKERS[name](PLAIN))
    assert is_archive(tmp_path / name)
    with opened(str(tmp_path / name)) as place:
        assert (place / "root/a.bin").read_bytes() == CONTENT
        assert (place / "root/b.bin").read_bytes() == CONTENT
        assert place.parent == scratch
    assert list(scratch.iterdir()) == []


def test_zip(tmp_path: Path, scratch: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("root/a.bin", CONTENT)
    with opened(str(tmp_path / "x.zip")) as place:
        assert (place / "root/a.bin").read_bytes() == CONTENT
    assert list(scratch.iterdir()) == []


def test_an_archive_goes_by_its_content_where_its_name_lies(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(PLAIN)  # not compressed at all
    with opened(str(tmp_path / "x.tar.gz")) as place:
        assert (place / "root/b.bin").is_file()


def _zst_with_window(raw: bytes, log: int) -> bytes:
    """A zstd frame of raw blocks that declares a window of 2^log bytes (RFC 8878, 3.1.1)."""
    frame = b"\x28\xb5\x2f\xfd" + bytes([0, (log - 10) << 3])
    blocks = [raw[i : i + 100_000] for i in range(0, len(raw), 100_000)]
    for i, block in enumerate(blocks):
        frame += (len(block) << 3 | (i == len(blocks) - 1)).to_bytes(3, "little") + block
    return frame


def test_zstd_with_a_long_window(tmp_path: Path) -> None:
    """What `zstd --long=27` makes is unpacked without a zstd program; a longer one is refused."""
    (tmp_path / "x.tar.zst").write_bytes(_zst_with_window(PLAIN, 27))
    with opened(str(tmp_path / "x.tar.zst")) as place:
        assert (place / "root/a.bin").read_bytes() == CONTENT
    (tmp_path / "y.tar.zst").write_bytes(_zst_with_window(PLAIN, 31))
    assert "too much memory" in _refused(tmp_path / "y.tar.zst", ImportFailed)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("keep", [0.5, 0.02])
def test_cut_off_archives(tmp_path: Path, scratch: Path, name: str, keep: float) -> None:
    """A truncated archive is an error whatever its compression, and leaves nothing behind."""
    whole = PACKERS[name](PLAIN)
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    said = _refused(tmp_path / name, ImportFailed)
    assert f"{name}' is damaged or cut off" in said
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_changed_bytes_fail_the_checksum(tmp_path: Path, name: str) -> None:
    content = bytearray(PACKERS[name](PLAIN))
    content[len(content) // 2] ^= 255
    (tmp_path / name).write_bytes(content)
    assert "is damaged or cut off" in _refused(tmp_path / name, ImportFailed)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.zst", "x.zip"])
def test_something_else_with_an_archives_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<html>not found</html>" * 100)
    assert "is damaged or cut off" in _refused(tmp_path / name, ImportFailed)


@pytest.mark.parametrize(
    "member",
    [
        _member("../evil"),
        _member("root/../../evil"),
        _member("link", tarfile.SYMTYPE, "../../outside"),
        _member("device", tarfile.FIFOTYPE),
    ],
)
def test_a_tar_that_reaches_outside_is_refused(
    tmp_path: Path, scratch: Path, member: tarfile.TarInfo
) -> None:
    (tmp_path / "x.tar").write_bytes(_tar(_member("fine"), member))
    assert "was not unpacked" in _refused(tmp_path / "x.tar", ImportFailed)
    assert not (scratch.parent / "evil").exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path: Path, scratch: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("fine", "x")
        zipped.writestr(name, "x")
    assert "outside its folder" in _refused(tmp_path / "x.zip", ImportFailed)
    assert list(scratch.iterdir()) == []


def test_empty_things(tmp_path: Path) -> None:
    assert "is empty" in _refused(tmp_path, BadInput)
    (tmp_path / "x.csv").touch()
    assert "is empty (0 bytes)" in _refused(tmp_path / "x.csv", ImportFailed)
    (tmp_path / "x.tar").write_bytes(_tar())
    assert "archive" in _refused(tmp_path / "x.tar", ImportFailed)


def test_folders_and_single_files_are_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n")
    with opened(str(tmp_path)) as place:
        assert place == tmp_path
    with opened(str(tmp_path / "x.csv")) as place:
        assert place == tmp_path / "x.csv"
    assert (tmp_path / "x.csv").exists()


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    """The first part that is missing is named, with what is near it."""
    (tmp_path / "predictions.csv").write_text("a\n")
    said = _refused(tmp_path / "prediction.csv", NotFound)
    assert f"'prediction.csv' in '{tmp_path}'. Did you mean 'predictions.csv'?" in said
    said = _refused(tmp_path / "missing/deep/x.csv", NotFound)
    assert "There is no file or folder 'missing'" in said
    assert "is an address" in _refused("https://example.org/x.csv", BadInput)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n")
    (tmp_path / "x.csv").chmod(0)
    assert "cannot be read" in _refused(tmp_path / "x.csv", BadInput)
