"""OpenCV, which the corruptions need and the core install does not bring."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from heldout.errors import BadInput


@cache
def opencv() -> Any:
    """The module cv2. Raises BadInput that says how to install it."""
    try:
        return import_module("cv2")
    except ImportError as error:
        raise BadInput(
            "This shift needs the package opencv-python-headless, which cannot be imported here"
            f" ({error}). Install it: pip install 'heldout[shifts]'"
        ) from error


def version() -> str:
    """'OpenCV 5.0.0' where it is installed, else ''. Another one may differ in a grey level."""
    return f"OpenCV {opencv().__version__}" if find_spec("cv2") is not None else ""


def one_thread() -> None:
    """Let OpenCV, where it is installed, use no threads of its own in this process.

    For programs that run many images side by side. The results are the same.
    """
    if find_spec("cv2") is not None:
        opencv().setNumThreads(1)
