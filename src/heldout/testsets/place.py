"""Where a test set lies: a folder or file on this machine, or on any file system of fsspec."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, NotFound, not_found
from heldout.images.decode import Unreadable
from heldout.testsets.reader import Listing

IMAGES = tuple(
    f".{ending}"
    for ending in ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff",
                   "ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "avif", "qoi", "ico", "sgi", "pcx",
                   "mpo")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A path that exists or may exist; `system` is None for this machine's own disk."""

    said: str
    """As the user said it, for messages."""
    path: str
    """As its file system knows it."""
    system: Any = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path.rstrip("/"))

    def under(self, relative: str) -> Place:
        """A file or folder below this one."""
        join = os.path.join if self.system is None else posixpath.join
        return Place(f"{self.said.rstrip('/')}/{relative}", join(self.path, relative), self.system)

    def parent(self) -> Place:
        """The folder that this one lies in."""
        path = self.path.rstrip("/")
        said, _, _ = self.said.rstrip("/").rpartition("/")
        folder = posixpath.dirname(path)
        return Place(said or ("." if self.system is None else self.said), folder, self.system)

    def kind(self) -> str | None:
        """'folder', 'file', or None where there is nothing."""
        if self.system is None:
            if os.path.isdir(self.path or "."):
                return "folder"
            return "file" if os.path.exists(self.path) else None
        if self.system.isdir(self.path):
            return "folder"
        return "file" if self.system.exists(self.path) else None

    def open(self) -> BinaryIO:
        """For reading; it can seek. Raises OSError."""
        if self.system is None:
            return open(self.path, "rb")
        return cast(BinaryIO, self.system.open(self.path, "rb"))

    def read(self) -> bytes:
        """All of the file. Raises OSError."""
        if self.system is None:
            with open(self.path, "rb") as file:
                return file.read()
        return cast(bytes, self.system.cat_file(self.path))

    def entries(self) -> list[tuple[str, bool]]:
        """What a folder holds, sorted: name, and whether that is a folder. BadInput if barred."""
        try:
            if self.system is None:
                with os.scandir(self.path or ".") as there:
                    return sorted((e.name, e.is_dir()) for e in there)
            there_too = self.system.ls(self.path, detail=True)
        except OSError as error:
            raise BadInput(
                f"The folder '{self.said}' cannot be read: {error.strerror or error}."
            ) from error
        ours = self.path.rstrip("/")
        entries = [(e["name"].rstrip("/"), e["type"] == "directory") for e in there_too]
        return sorted((posixpath.basename(n), folder) for n, folder in entries if n != ours)


def place(path: str) -> Place:
    """The place that a path or address names. Raises BadInput for an unknown kind of address."""
    if "://" not in path:
        return Place(path, os.path.expanduser(path))
    from fsspec.core import url_to_fs

    try:
        system, inside = url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise BadInput(f"The address '{path}' cannot be opened: {error}.") from error
    if type(system).__name__ == "LocalFileSystem":
        return Place(path, inside)
    return Place(path, inside, system)


def existing(where: Place) -> str:
    """'folder' or 'file'. Raises NotFound with near matches from the folder it should be in."""
    kind = where.kind()
    if kind is not None:
        return kind
    missing, parent = where, where.parent()
    while parent.kind() != "folder":
        if parent.path in ("", "/", missing.path):
            raise NotFound(f"There is nothing at '{where.said}'.")
        missing, parent = parent, parent.parent()
    there = [name for name, _ in parent.entries() if not name.startswith(".")]
    raise not_found("file or folder", missing.name, there, f"'{parent.said}'")


def files_below(where: Place) -> Iterator[str]:
    """Paths of all files below a folder, relative, with '/', in no order; hidden ones included.

    Links to folders are followed, but for those that lead back above themselves.
    """
    if where.system is not None:
        root = where.path.rstrip("/") + "/"
        for path in where.system.find(where.path):
            yield path.removeprefix(root).lstrip("/")
        return
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(where.path, folder) or ".") as there:
                for entry in there:
                    relative = f"{folder}{entry.name}"
                    try:
                        is_folder = entry.is_dir()
                    except OSError:  # a link to itself: no folder, and no readable file either
                        is_folder = False
                    if not is_folder:
                        yield relative
                    elif not (entry.is_symlink() and _leads_back(entry.path)):
                        folders.append(relative + "/")
        except OSError as error:
            raise BadInput(
                f"The folder '{where.under(folder).said}' cannot be read:"
                f" {error.strerror or error}."
            ) from error


def _leads_back(link: str) -> bool:
    target = os.path.realpath(link)
    return (os.path.realpath(os.path.dirname(link)) + os.sep).startswith(target.rstrip("/") + "/")


def is_image(name: str) -> bool:
    """Whether the ending is that of a picture."""
    return name.lower().endswith(IMAGES)


def inside(relative: str) -> str | None:
    """The path without '.' and '..', or None when it leads out of its folder."""
    clean = posixpath.normpath(relative.replace("\\", "/") if "\\" in relative else relative)
    outside = clean.startswith(("../", "/")) or clean in ("..", ".") or "://" in relative
    return None if outside or re.match(r"[A-Za-z]:/", clean) else clean


def below(path: str, where: Place) -> str | None:
    """A path relative to a folder: as it stands, or absolute and below it; None leads out of it."""
    bases = [where.said, where.path]
    if where.system is None:
        bases = [os.path.abspath(where.path or "."), os.path.realpath(where.path or ".")]
    for base in bases:
        start = base.rstrip("/") + "/"
        if path.startswith(start) and (start.startswith("/") or "://" in start):
            return inside(path.removeprefix(start).lstrip("/"))
    return inside(path)


def shared_folders(paths: Sequence[str]) -> list[str]:
    """The folders that all paths begin with.

    >>> shared_folders(["val/cat/1.png", "val/dog/2.png"])
    ['val']
    """
    split = [path.split("/")[:-1] for path in paths]
    ends = zip(min(split), max(split), strict=False)  # what these share, all between them do
    return [a for a, _ in itertools.takewhile(lambda both: both[0] == both[1], ends)]


def is_pattern(path: str) -> bool:
    """Whether a path stands for several: braces, stars or question marks."""
    return any(c in path for c in "*?[") or re.search(r"\{.*(,|\.\.).*\}", path) is not None


def matching(pattern: str) -> list[Place]:
    """The files that a pattern stands for, in order: braces as in the shell, then *, ? and [].

    Raises NotFound for one that stands for nothing.
    """
    found = []
    for one in braces(pattern):
        if not any(c in one for c in "*?["):
            found.append(place(one))
            existing(found[-1])
            continue
        at = place(one)
        if at.system is None:
            found += [place(p) for p in sorted(glob.glob(at.path))]
        else:
            found += [Place(at.system.unstrip_protocol(p), p, at.system)
                      for p in sorted(at.system.glob(at.path))]  # fmt: skip
    if not found:
        raise NotFound(f"No file matches the pattern '{pattern}'.")
    return found


def braces(pattern: str) -> list[str]:
    """All that a pattern with {a,b} and {00..12} stands for.

    >>> braces("s-{08..10}.tar")
    ['s-08.tar', 's-09.tar', 's-10.tar']
    """
    parts: list[list[str]] = []
    for text, low, high, names in re.findall(r"([^{}]+)|\{(\d+)\.\.(\d+)\}|\{([^{}]*)\}", pattern):
        if text:
            parts.append([text])
        elif low:
            parts.append([str(i).zfill(len(low)) for i in range(int(low), int(high) + 1)])
        else:
            parts.append(names.split(","))
    return ["".join(p) for p in itertools.product(*parts)]


class FileSet:
    """A test set of one file an example; `paths` are relative to the place."""

    def __init__(self, listing: Listing, where: Place, paths: Sequence[str]) -> None:
        self._listing = listing
        self._where = where
        self._paths = paths

    @property
    def listing(self) -> Listing:
        """Ids, labels and classes."""
        return self._listing

    def sizes(self) -> NDArray[np.int64] | None:
        """(n,) bytes of every file, -1 where there is none; None where asking takes long."""
        if self._where.system is not None:
            return None
        out = np.full(len(self._paths), -1, np.int64)
        for i, path in enumerate(self._paths):
            with contextlib.suppress(OSError):
                out[i] = os.stat(os.path.join(self._where.path, path)).st_size
        return out

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        """The files' bytes, in the order asked."""
        for row in rows:
            try:
                yield self._where.under(self._paths[row]).read()
            except OSError as error:
                yield Unreadable(f"the file cannot be read: {error.strerror or error}")
