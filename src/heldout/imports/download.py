"""One file over HTTP: continued where it stopped, verified by its Git blob hash, then renamed.

An unfinished file is called NAME.part and locked while a process works on it, so that a second
process waits for the first and then finds the file finished.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from heldout.errors import ImportFailed

WAITS = (1.0, 3.0, 9.0)  # seconds before a further try, when a try brought nothing new
TIMEOUT = 30.0
_CHUNK = 1 << 17
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_OFFLINE = (
    "{address} cannot be reached ({reason}). Without a network, get the files on another machine"
    " (a clone of the repository will do) and name their folder with --mirror DIR."
)


def blob_sha1(path: Path) -> str:
    """The Git blob hash of a file: SHA-1 of 'blob SIZE', a zero byte and the content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def is_whole(path: Path, size: int, sha1: str) -> bool:
    """Whether a file is there with that size and blob hash."""
    try:
        return path.stat().st_size == size and blob_sha1(path) == sha1
    except OSError:
        return False


def download(
    address: str,
    target: Path,
    size: int,
    sha1: str,
    count: Callable[[int], None] = lambda more: None,
) -> None:
    """Bring a file here, or finish one begun earlier. count: told of bytes as they arrive.

    Raises ImportFailed when the network, the server, the disk or the content is not as it should
    be. A file whose hash is wrong is deleted and got once more before giving up.
    """
    found = ""
    for _ in range(2):
        with _claimed(target) as part:
            if is_whole(target, size, sha1):
                os.remove(part)
                count(size)
                return
            _complete(address, part, size, count)
            found = blob_sha1(part)
            if found == sha1:
                os.replace(part, target)
                return
            os.remove(part)
            count(-size)
    raise ImportFailed(
        f"{address} does not hold what it should: blob hash {found}, {sha1} expected, twice. It was"
        " deleted. A proxy or an incomplete mirror may have changed it; try another --mirror."
    )


@contextlib.contextmanager
def _claimed(target: Path) -> Iterator[Path]:
    """The unfinished file of a target, made if need be, and ours alone meanwhile."""
    try:
        import fcntl
    except ImportError:  # no locks on this system: every process for itself
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}.part")
        part.touch()
        yield part
        return
    part = target.with_name(target.name + ".part")
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Whoever held the lock may have renamed or removed the file that we opened.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(part)):
                break
        os.close(handle)
    try:
        yield part
    finally:
        os.close(handle)


def _complete(address: str, part: Path, size: int, count: Callable[[int], None]) -> None:
    """Append to `part` until it has `size` bytes; tries that bring something do not count."""
    if part.stat().st_size > size:
        os.truncate(part, 0)
    count(part.stat().st_size)
    waits = iter(WAITS)
    while (have := part.stat().st_size) < size:
        problem = _append(address, part, size, count)
        now = part.stat().st_size
        if now <= have:
            wait = next(waits, None)
            if wait is None:
                raise ImportFailed(
                    f"{address}: {problem}; {now:,} of {size:,} bytes are here. Run it again: it"
                    " continues where it stopped. Or name a folder with the files: --mirror DIR."
                )
            time.sleep(wait)


def _append(address: str, part: Path, size: int, count: Callable[[int], None]) -> str:
    """One try; returns what went wrong if it was something that may pass, else raises."""
    have = part.stat().st_size
    request = urllib.request.Request(address, headers=_headers(have))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            if have and answer.status != 206:  # the server sends the whole file again
                os.truncate(part, 0)
                count(-have)
                have = 0
            _write(answer, part, size - have, count)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            os.truncate(part, 0)
            count(-have)
        elif error.code not in _PASSING:
            raise ImportFailed(
                f"{address}: the server answers {error.code} ({error.reason}). The file has moved"
                " or the mirror lacks it; name another with --mirror."
            ) from error
        return f"the server answers {error.code} ({error.reason})"
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror | ConnectionRefusedError):
            raise ImportFailed(_OFFLINE.format(address=address, reason=error.reason)) from error
        return str(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return f"the connection broke ({error or type(error).__name__})"
    return "the connection ended early"


def _headers(have: int) -> dict[str, str]:
    from heldout import __version__

    headers = {"User-Agent": f"heldout/{__version__}", "Accept-Encoding": "identity"}
    return headers | ({"Range": f"bytes={have}-"} if have else {})


def _write(
    answer: http.client.HTTPResponse, part: Path, most: int, count: Callable[[int], None]
) -> None:
    """Append what comes, at most `most` bytes. Raises ImportFailed when the disk is at fault."""
    with open(part, "ab", buffering=0) as file:
        while most > 0 and (chunk := answer.read(min(_CHUNK, most))):
            rest = memoryview(chunk)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                raise ImportFailed(f"Could not write {part}: {error.strerror}.") from error
            most -= len(chunk)
            count(len(chunk))
