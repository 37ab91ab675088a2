"""Shards of WebDataset: tar files whose members share a key, 0001.jpg with 0001.cls or .json.

The index is read once, from the headers. From plain tars a picture is then read where it lies.
From compressed ones (.tar.gz, .tgz) the stream has to be unpacked up to the picture: a thread
keeps its stream open, so that rows in ascending order unpack each shard once.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import lzma
import posixpath
import tarfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.images.decode import Unreadable
from heldout.testsets.class_list import labelled_by_name, labelled_by_number
from heldout.testsets.place import (
    Place,
    existing,
    is_image,
    is_pattern,
    matching,
    place,
    shared_folders,
)
from heldout.testsets.reader import Listing, checked, duplicates

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("label", "classes")
ENDINGS = (".tar", ".tar.gz", ".tgz")
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)


@dataclass(slots=True)
class _Index:
    """What the shards hold: per picture its key, shard, first byte and length; labels by key."""

    keys: list[str] = field(default_factory=list)
    shard: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    ignored: int = 0


def open_tar(source: Source) -> TarSet:
    """One .tar, a pattern such as `val-{000..063}.tar`, or a folder of them; ids are the keys.

    A key is a member's path up to the first dot of its name. Its label is in KEY.cls, in KEY.json
    under 'label' (or the option label), or else the first folder in the key is its class, once
    those that all keys share are left out. Raises BadInput for damage, for names that lead out of
    the archive, and for keys that come twice.
    """
    shards = _shards(source.path)
    what = f"'{source.path}'"
    index = _Index()
    for number, shard in enumerate(shards):
        _read_index(shard, number, index, source.options.get("label", "label"))
    if not index.keys:
        raise BadInput(f"{what} holds no pictures.")
    if len(set(index.keys)) != len(index.keys):
        raise BadInput(
            f"{what} has {duplicates(index.keys, 'key')}: two pictures cannot share a name up to"
            " its first dot, in one shard or in two."
        )
    label, classes, class_names, notes = _labels(index, what, source.options)
    if index.ignored:
        notes.append(f"{index.ignored:,} members that are not pictures or labels were ignored.")
    if any(s.name.endswith("gz") for s in shards):
        notes.append("Compressed shards are read from their start; plain .tar is faster.")
    listing = Listing(index.keys, label, classes, class_names, notes=tuple(notes))
    return TarSet(checked(listing, what), shards, index)


class TarSet:
    """A test set in tar files; the pictures are read where the index says."""

    def __init__(self, listing: Listing, shards: Sequence[Place], index: _Index) -> None:
        self._listing = listing
        self._shards = shards
        self._shard = np.array(index.shard, np.int32)
        self._start = np.array(index.start, np.int64)
        self._size = np.array(index.size, np.int64)
        self._kept = threading.local()

    @property
    def listing(self) -> Listing:
        """Ids, labels and classes."""
        return self._listing

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        """The pictures' bytes, in the order asked."""
        stream: _Stream | None = None
        try:
            for row in rows:
                number = int(self._shard[row])
                if stream is not None and stream.number != number:
                    self._done_with(stream)
                    stream = None
                try:
                    stream = stream or self._stream(number)
                    yield stream.read(int(self._start[row]), int(self._size[row]))
                except _DAMAGE as error:
                    yield Unreadable(f"its shard is damaged or cut off: {error}")
        finally:
            self._done_with(stream)

    def _stream(self, number: int) -> _Stream:
        """The thread's open stream of a compressed shard, or a new one."""
        kept: _Stream | None = self._kept.__dict__.pop("stream", None)
        if kept is not None and kept.number == number:
            return kept
        if kept is not None:
            kept.close()
        return _Stream(self._shards[number], number)

    def _done_with(self, stream: _Stream | None) -> None:
        if stream is not None and stream.compressed:
            self._kept.stream = stream
        elif stream is not None:
            stream.close()


class _Stream:
    """The plain bytes of one shard."""

    def __init__(self, shard: Place, number: int) -> None:
        self.number = number
        self.compressed = shard.name.endswith("gz")
        self._closing = contextlib.ExitStack()
        file = self._closing.enter_context(shard.open())
        self._bytes: IO[bytes] = file
        if self.compressed:
            unpacked = self._closing.enter_context(gzip.GzipFile(fileobj=file))
            self._bytes = cast(IO[bytes], unpacked)

    def read(self, start: int, size: int) -> bytes:
        self._bytes.seek(start)
        content = self._bytes.read(size)
        if len(content) != size:
            raise EOFError(f"{len(content):,} of {size:,} bytes are there")
        return content

    def close(self) -> None:
        self._closing.close()

    __del__ = close  # a thread that ends leaves its stream behind


def _shards(path: str) -> list[Place]:
    where = place(path)
    kind = where.kind()
    if kind is None and is_pattern(path):
        return matching(path)
    if (kind or existing(where)) == "file":
        return [where]
    there = [n for n, folder in where.entries() if n.lower().endswith(ENDINGS) and not folder]
    if not there:
        raise BadInput(f"The folder '{path}' has no tar files.")
    return [where.under(n) for n in there]


def _read_index(shard: Place, number: int, index: _Index, label_key: str) -> None:
    try:
        with shard.open() as file:
            opened: IO[bytes] = file
            if shard.name.endswith("gz"):
                opened = cast(IO[bytes], gzip.GzipFile(fileobj=file))
            with opened, tarfile.open(fileobj=opened, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # millions would stay in memory
                    _note(member, tar, number, index, label_key, shard)
                opened.seek(tar.offset)
                if any(opened.read(tarfile.BLOCKSIZE)):  # where tarfile stops without a word
                    raise tarfile.ReadError(f"no valid header at byte {tar.offset:,}")
    except _DAMAGE as error:
        raise BadInput(
            f"The shard '{shard.said}' is damaged, cut off or no tar file: {error}. Get it again."
        ) from error


def _note(
    member: tarfile.TarInfo,
    tar: tarfile.TarFile,
    number: int,
    index: _Index,
    label_key: str,
    shard: Place,
) -> None:
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/"):
        raise BadInput(
            f"The shard '{shard.said}' has a member '{member.name}', which leads out of the"
            " archive; such archives are not read."
        )
    if member.isdir():
        return
    folder, base = posixpath.split(name)
    if not member.isfile() or base.startswith("."):
        index.ignored += 1
        return
    stem, _, ending = base.partition(".")
    key = posixpath.join(folder, stem)
    if is_image(base):
        index.keys.append(key)
        index.shard.append(number)
        index.start.append(member.offset_data)
        index.size.append(member.size)
    elif ending in ("cls", "json"):
        label = _label(tar, member, ending, label_key, shard)
        if label is not None and (ending == "cls" or key not in index.labels):
            index.labels[key] = label
    else:
        index.ignored += 1


def _label(
    tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, label_key: str, shard: Place
) -> str | None:
    file = tar.extractfile(member)
    assert file is not None
    content = file.read()
    try:
        if ending == "cls":
            return content.decode().strip()
        found = json.loads(content).get(label_key)
        return None if found is None else str(found)
    except (ValueError, AttributeError) as error:
        raise BadInput(
            f"'{member.name}' in the shard '{shard.said}' is not what its ending says: {error}."
        ) from error


def _labels(
    index: _Index, what: str, options: Any
) -> tuple[NDArray[np.int32], list[str], list[str], list[str]]:
    option, n = options.get("classes"), len(index.keys)
    values: list[str | None] = [index.labels.get(k) for k in index.keys]
    notes = []
    if all(v is None for v in values):
        notes = _without_shared_folders(index)
        values = [k.partition("/")[0] if "/" in k else None for k in index.keys]
        if all(v is None for v in values):
            note = f"{what} has no labels: neither .cls nor .json files, nor folders of classes."
            return np.full(n, -1, np.int32), [], [], [note]
        notes.append("The labels are the folders in the members' names.")
    elif all(v is None or v.removeprefix("-").isdigit() for v in values):
        numbers = np.array([-1 if v is None else int(v) for v in values], np.int64)
        label, classes, names, more = labelled_by_number(numbers, what, option)
        return label, classes, names, more + _missing(values)
    label, classes, names, more = labelled_by_name(values, what, option)
    return label, classes, names, notes + more + _missing(values)


def _without_shared_folders(index: _Index) -> list[str]:
    """Takes off the folders that all keys begin with, but for a last one that is a class; notes."""
    shared = shared_folders(index.keys)
    if all(key.count("/") == len(shared) for key in index.keys):
        shared = shared[:-1]
    if not shared:
        return []
    start = "/".join(shared) + "/"
    index.keys = [key.removeprefix(start) for key in index.keys]
    return [f"All members lie in '{start}', which is left out of the ids and the classes."]


def _missing(values: Sequence[str | None]) -> list[str]:
    n = sum(v is None for v in values)
    return [f"{n:,} of {len(values):,} pictures have no label."] if n else []
