"""Opening what a user points at: a folder, a file, or an archive unpacked for the time being."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from heldout.errors import BadInput, HeldoutError, ImportFailed, not_found

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst",
            ".tzst", ".zip")  # fmt: skip
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError)


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that `opened` unpacks."""
    return path.name.lower().endswith(ARCHIVES)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Path]:
    """A folder or single file as it is; an archive as a temporary folder, removed at the end.

    Raises NotFound for a path that is not there, BadInput for an empty folder or a file that may
    not be read, ImportFailed for an archive that is damaged or would write outside its folder.
    """
    place = _existing(path)
    if place.is_dir():
        if not any(place.iterdir()):
            raise BadInput(f"The folder '{path}' is empty.")
        yield place
        return
    _must_be_readable(place)
    if not is_archive(place):
        yield place
        return
    target = Path(tempfile.mkdtemp(prefix="heldout-"))
    try:
        _unpack(place, target)
        if not any(target.iterdir()):
            raise ImportFailed(f"The archive '{path}' is empty.")
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _existing(path: str) -> Path:
    if "://" in path:
        raise BadInput(
            f"'{path}' is an address; download it and give the file, or name one of the formats"
            " that heldout fetches itself."
        )
    place = Path(path).expanduser()
    if place.exists():
        return place
    parent = place.parent
    while not parent.is_dir():
        place, parent = parent, parent.parent
    with contextlib.suppress(OSError):
        there = [p.name for p in parent.iterdir() if not p.name.startswith(".")]
        raise not_found("file or folder", place.name, there, f"'{parent}'")
    raise BadInput(f"'{path}' does not exist, and '{parent}' cannot be listed.")


def _must_be_readable(place: Path) -> None:
    try:
        with open(place, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise BadInput(f"'{place}' cannot be read: {error.strerror or error}.") from error
    if empty:
        raise ImportFailed(f"'{place}' is empty (0 bytes).")


def _unpack(archive: Path, target: Path) -> None:
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, target)
        else:
            with _plain(archive) as stream:
                # A stream is read once from start to end, whatever its compression; damage after
                # the last file is damage too, hence the rest is read as well.
                with tarfile.open(fileobj=stream, mode="r|") as tar:
                    _extract(tar, archive, target)
                while stream.read(1 << 20):
                    pass
    except HeldoutError:
        raise
    except OSError as error:
        raise ImportFailed(_not_unpacked(archive, target, error)) from error
    except _DAMAGE as error:
        raise ImportFailed(
            f"The archive '{archive}' is damaged or cut off ({error}); get it again."
        ) from error


def _extract(tar: tarfile.TarFile, archive: Path, target: Path) -> None:
    """Plain files and folders below the target, nothing else.

    By hand: `extractall` has its safe filter since Python 3.11.4, and Debian 12 has 3.11.2.
    """
    for member in tar:
        path = PurePosixPath(member.name)
        inside = not path.is_absolute() and ".." not in path.parts
        if not inside or not (member.isdir() or member.isfile()):
            what = "is a link or a device" if inside else "would be written outside its folder"
            raise ImportFailed(
                f"The archive '{archive}' was not unpacked: '{member.name}' {what}. An archive may"
                " only hold plain files and folders below its own."
            )
        place = target / path
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None
        with source, open(place, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        if place.stat().st_size != member.size:
            raise tarfile.ReadError(f"'{member.name}' ends too early")


@contextlib.contextmanager
def _plain(archive: Path) -> Iterator[Any]:
    """The decompressed bytes of a tar file; its first bytes say how it was compressed.

    PyArrow's decompressor copes with the long windows of `zstd --long=27`.
    """
    with open(archive, "rb") as file:
        start = file.read(6)
        file.seek(0)
        if start[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream
        elif start[:3] == b"BZh":
            with bz2.BZ2File(file) as stream:
                yield stream
        elif start == b"\xfd7zXZ\x00":
            with lzma.LZMAFile(file) as stream:
                yield stream
        elif start[:4] == b"\x28\xb5\x2f\xfd" or archive.name.lower().endswith("zst"):
            import pyarrow as pa

            with pa.CompressedInputStream(pa.PythonFile(file), "zstd") as stream:
                yield stream
        else:
            yield file


def _not_unpacked(archive: Path, target: Path, error: OSError) -> str:
    """PyArrow's and bz2's complaints about damage have no number; the system's have."""
    if error.errno is None:
        return f"The archive '{archive}' is damaged or cut off ({error}); get it again."
    return (
        f"The archive '{archive}' could not be unpacked to '{target}': {error.strerror}. The"
        " variable TMPDIR names another place."
    )


def _unpack_zip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            parts = PurePosixPath(info.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in info.filename[:2]:
                raise ImportFailed(
                    f"The archive '{archive}' was not unpacked: '{info.filename}' would be written"
                    " outside its folder."
                )
            if info.flag_bits & 1:
                raise ImportFailed(
                    f"The archive '{archive}' is encrypted; unpack it yourself and give the folder."
                )
        needed = sum(info.file_size for info in zipped.infolist())
        free = shutil.disk_usage(target).free
        if needed > free:
            raise ImportFailed(
                f"The archive '{archive}' needs {needed / 1e6:.0f} MB, but only {free / 1e6:.0f} MB"
                f" are free in '{target.parent}'. The variable TMPDIR names another place."
            )
        zipped.extractall(target)
