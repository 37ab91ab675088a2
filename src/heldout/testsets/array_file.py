"""The arrays in .npy and .npz files, read row by row from wherever they lie."""

from __future__ import annotations

import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.testsets.place import Place


class Array:
    """An array in a file; one that is compressed is unpacked into memory at its first use."""

    def __init__(self, where: Place, shape: tuple[int, ...], dtype: Any, start: int) -> None:
        self.where, self.shape, self.dtype, self.start = where, shape, np.dtype(dtype), start
        self.member: str | None = None
        self._held: NDArray[Any] | None = None
        self._lock = threading.Lock()

    def values(self) -> NDArray[Any]:
        """All of it. Raises BadInput for a file that is shorter than its header says."""
        if self.member is not None:
            return self._unpacked(self.member)
        with self.where.open() as file:
            file.seek(self.start)
            content = file.read(int(np.prod(self.shape)) * self.dtype.itemsize)
        try:
            return np.frombuffer(content, self.dtype).reshape(self.shape)
        except ValueError as error:
            raise BadInput(f"'{self.where.said}' is cut off: {error}.") from error

    @contextmanager
    def rows(self) -> Iterator[Any]:
        """A function from a row's number to the row, in memory of its own; OSError, ValueError."""
        if self.member is not None:
            held = self._unpacked(self.member)
            yield lambda row: held[row].copy()
            return
        shape, dtype = self.shape[1:], self.dtype
        size = int(np.prod(shape)) * dtype.itemsize
        with self.where.open() as file:

            def read(row: int) -> NDArray[Any]:
                file.seek(self.start + row * size)
                return np.frombuffer(bytearray(file.read(size)), dtype).reshape(shape)

            yield read

    def _unpacked(self, member: str) -> NDArray[Any]:
        with self._lock:
            if self._held is None:
                try:
                    with self.where.open() as file, np.load(file, allow_pickle=False) as arrays:
                        self._held = arrays[member]
                except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                    raise BadInput(f"'{self.where.said}' is damaged: {error}.") from error
            return self._held


def npy(where: Place) -> Array:
    """The array of a .npy file, with its header read. Raises BadInput for anything else."""
    try:
        with where.open() as file:
            return _array(where, file, 0)
    except OSError as error:
        raise BadInput(f"'{where.said}' cannot be read: {error.strerror or error}.") from error


def _array(where: Place, file: Any, start: int) -> Array:
    """What the header of an array says; `start` is where the header begins."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise BadInput(f"'{where.said}' is not an array of NumPy (.npy): {error}.") from error
    if dtype.hasobject:
        raise BadInput(
            f"'{where.said}' holds Python objects, which could run any program when they are read;"
            " save it as an array of numbers."
        )
    if fortran and len(shape) > 1:
        raise BadInput(
            f"'{where.said}' is in Fortran's order; np.save(path, np.ascontiguousarray(x)) mends"
            " it."
        )
    if len(shape) == 0:
        raise BadInput(f"'{where.said}' holds a single value, not an array.")
    return Array(where, shape, dtype, start + file.tell())


def npz(where: Place) -> dict[str, Array]:
    """The arrays of a .npz by their names, with their headers read. Raises BadInput."""
    found = {}
    try:
        with where.open() as file, zipfile.ZipFile(file) as zipped:
            for info in zipped.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                with zipped.open(info) as member:
                    array = _array(where, member, 0)
                if info.compress_type == zipfile.ZIP_STORED:
                    file.seek(info.header_offset + 26)
                    lengths = struct.unpack("<HH", file.read(4))
                    array.start += info.header_offset + 30 + sum(lengths)
                else:
                    array.member = info.filename[:-4]
                found[info.filename[:-4]] = array
    except (OSError, zipfile.BadZipFile, EOFError, struct.error) as error:
        raise BadInput(f"'{where.said}' cannot be read as .npz: {error}.") from error
    if not found:
        raise BadInput(f"'{where.said}' holds no arrays.")
    return found
