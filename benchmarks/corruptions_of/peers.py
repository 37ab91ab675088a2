"""The two packages of image corruptions, made to run: in libraries of their time, and in ours.

Both packages import as `imagecorruptions`, so each lies in a folder of its own. The libraries of
their time are in a virtual environment of Python 3.11; `here` has what our own Python lacks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {"package": "imagecorruptions==1.1.2", "fork": "imagecorruptions-imaug==1.1.5"}
THEN = (
    "numpy==1.23.5", "scipy==1.10.1", "scikit-image==0.20.0", "opencv-python-headless==4.7.0.72",
    "pillow==9.5.0", "numba==0.57.1", "setuptools==65.5.0",
)  # fmt: skip
NOW = {"package": ("scikit-image", "lazy-loader"), "fork": ("numba", "llvmlite")}


class NotThere(Exception):
    """A peer cannot be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A package under some libraries. folders: what joins the path of that Python."""

    name: str
    python: str
    folders: tuple[str, ...]


def cache() -> Path:
    """Where the peers are kept between runs: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heldout" / "peers"


def peers(place: Path) -> Iterator[Peer | str]:
    """Each peer under each set of libraries, installed into `place`; a text where it cannot be."""
    for name in PACKAGES:
        try:
            yield Peer(name, then(place), (package(place, name),))
        except NotThere as error:
            yield f"{PACKAGES[name]} is left out: {error}"
    for name in PACKAGES:
        try:
            yield here(place, name)
        except NotThere as error:
            yield f"{PACKAGES[name]} under our libraries is left out: {error}"


def here(place: Path, name: str) -> Peer:
    """A package under our own Python, NumPy and OpenCV. Raises NotThere."""
    wanted = NOW["package"] + (NOW["fork"] if name == "fork" else ())
    folders = [package(place, name)]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for library in wanted:
        folders.append(_into(place / f"here-{version}-{library}", library))
    return Peer(f"{name}, here", sys.executable, tuple(folders))


def package(place: Path, name: str) -> str:
    """The folder of a package without its dependencies."""
    return _into(place / name, PACKAGES[name])


def then(place: Path) -> str:
    """The Python of the environment with the libraries of the packages' time."""
    target = place / "then"
    python = target / "bin" / "python"
    if not (target / "ready").exists():
        found = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
        if found is None:
            raise NotThere("there is no Python 3.11, the newest that NumPy 1.23 was built for.")
        shutil.rmtree(target, ignore_errors=True)
        _do([found, "-m", "venv", str(target)])
        _do([str(python), "-m", "pip", "install", "-q", *THEN])
        (target / "ready").touch()
    return str(python)


def _into(target: Path, wanted: str) -> str:
    if not (target / "ready").exists():
        shutil.rmtree(target, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        _do([*pip, "--target", str(target), wanted])
        (target / "ready").touch()
    return str(target)


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "?")
        raise NotThere(f"`{Path(command[0]).name} {' '.join(command[1:4])} …` says: {why}")
