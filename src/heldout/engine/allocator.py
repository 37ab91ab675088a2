"""Keeping memory between forward passes on a CPU.

glibc gives every large block back to the system when it is freed, and the system clears it page by
page when the next layer asks for it again. Blocks from one heap that is not trimmed cost nothing:
1.6 to 1.7 times the images a second of CPU (EfficientNet-Lite0, `benchmarks/allocator.py`), for
some hundred MB that stay with the process.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # malloc.h
_NEVER, _STEP = 2**31 - 1, 64 << 20


def keep_memory() -> bool:
    """Let glibc keep what is freed; whether this system has glibc. For the whole process."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = ((_ARENA_MAX, 1), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP), (_MMAP_MAX, 0))
    done = [mallopt(what, value) for what, value in settings]
    return all(done)
