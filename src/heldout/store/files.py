"""Files of a store, on a disk or any fsspec URL: atomic writes, listings, reads.

A write is never seen half done: on a local disk it goes to a temporary name in the same folder, is
flushed to the disk and renamed; on an object store it is one put. Temporary names do not end in
`.parquet`, so no reader of the store, ours or another's, ever picks one up after a kill.
"""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from collections.abc import Callable
from typing import Any

from heldout.errors import StoreError

TEMPORARY = ".unfinished-"


class Files:
    """A folder: a path on a local disk or any URL that fsspec understands."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.local = "://" not in url or url.startswith("file://")
        if self.local:
            self.root = os.path.abspath(os.path.expanduser(url.removeprefix("file://")))
            self._fs: Any = None
        else:
            from fsspec.core import url_to_fs

            self._fs, self.root = url_to_fs(url)

    def path(self, name: str) -> str:
        """The full path of a file of the store, as its file system spells it."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether that file or folder is there."""
        if self.local:
            return os.path.exists(self.path(name))
        return bool(self._fs.exists(self.path(name)))

    def names(self, folder: str, ending: str = ".parquet") -> list[str]:
        """Names (relative to the store) of all finished files below a folder, sorted."""
        top = self.path(folder)
        if self.local:
            found = [
                os.path.join(where, f)
                for where, _, files in os.walk(top)
                for f in files
                if f.endswith(ending)
            ]
        else:
            self._fs.invalidate_cache()
            try:
                found = [p for p in self._fs.find(top) if p.endswith(ending)]
            except FileNotFoundError:
                return []
        prefix = self.root.rstrip("/") + "/"
        return sorted(p.removeprefix(prefix).replace(os.sep, "/") for p in found)

    def unfinished(self) -> list[str]:
        """Temporary files that a killed writer left; harmless, they may be deleted."""
        if not self.local:
            return []
        return sorted(
            os.path.relpath(os.path.join(where, f), self.root)
            for where, _, files in os.walk(self.root)
            for f in files
            if TEMPORARY in f
        )

    def source(self, name: str) -> Any:
        """What PyArrow can read that file from: a path, or an open remote file."""
        return self.path(name) if self.local else self._fs.open(self.path(name), "rb")

    def size(self, name: str) -> int:
        """Bytes of a file."""
        if self.local:
            return os.path.getsize(self.path(name))
        return int(self._fs.size(self.path(name)))

    def read(self, name: str) -> bytes:
        """All bytes of a file."""
        if self.local:
            with open(self.path(name), "rb") as f:
                return f.read()
        return bytes(self._fs.cat_file(self.path(name)))

    def delete(self, name: str) -> None:
        """Delete a file; one that is gone already is none the worse."""
        with contextlib.suppress(FileNotFoundError):
            if self.local:
                os.remove(self.path(name))
            else:
                self._fs.rm_file(self.path(name))

    def write(self, name: str, fill: Callable[[Any], None], *, keep: bool = False) -> bool:
        """Make a file: `fill` writes it to the open binary file it is given; all or nothing.

        keep: a file of that name that is there first stays (on an object store up to the moment
        between looking and putting). Returns whether this call's content became the file.
        """
        if not self.local:
            buffer = io.BytesIO()
            fill(buffer)
            if keep and self.exists(name):
                return False
            self._fs.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self._fs.pipe_file(self.path(name), buffer.getvalue())
            return True
        final = self.path(name)
        folder = os.path.dirname(final)
        temporary = f"{final}{TEMPORARY}{uuid.uuid4().hex[:12]}"
        try:
            os.makedirs(folder, exist_ok=True)
            with open(temporary, "x+b") as f:
                fill(f)
                f.flush()
                os.fsync(f.fileno())
            done = _publish(temporary, final, keep)
            _sync_folder(folder)
            return done
        except OSError as error:
            _remove(temporary)
            raise StoreError(
                f"Could not write {final}: {error.strerror or error}. Nothing that was there"
                " before is lost; free some space or mend the permissions and run it again."
            ) from error
        except BaseException:
            _remove(temporary)
            raise


def _publish(temporary: str, final: str, keep: bool) -> bool:
    """Give a finished file its name; with keep only where no file has it."""
    if keep:
        try:
            os.link(temporary, final)
        except FileExistsError:
            _remove(temporary)
            return False
        except OSError:  # a file system without links: look, then rename
            if os.path.exists(final):
                _remove(temporary)
                return False
        else:
            _remove(temporary)
            return True
    os.replace(temporary, final)
    return True


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
