"""The table of importers: which there are, and which one reads a given folder.

Further ones come from installed packages, as entry points of the group `heldout.imports` whose
value is a module as `heldout.imports.bundle` describes it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

from heldout.errors import BadInput, ImportFailed, not_found
from heldout.imports.bundle import Bundle, Choices

GROUP = "heldout.imports"
_MODULES = {
    "imagenetv2": "heldout.imports.imagenetv2",
    "cifar10.1": "heldout.imports.cifar10_1",
    "imagenet-testbed": "heldout.imports.imagenet_testbed",
    "timm": "heldout.imports.timm_results",
    "open_clip": "heldout.imports.open_clip_results",
}


class Importer(Protocol):
    """What an importer's module has."""

    NAME: str
    ABOUT: str

    def recognise(self, folder: Path) -> Path | None:
        """The root of the published layout in or below a folder."""

    def read(self, root: Path, choices: Choices) -> Bundle:
        """All that the root holds."""


def names() -> list[str]:
    """The names of all importers, those of this package first. Nothing is imported."""
    return [*_MODULES, *sorted(set(_plugins()) - set(_MODULES))]


def load(name: str) -> Importer:
    """The importer of that name. Raises NotFound with near matches."""
    if name in _MODULES:
        return cast(Importer, import_module(_MODULES[name]))
    plugins = _plugins()
    if name not in plugins:
        raise not_found("format", name, names(), "heldout")
    try:
        return cast(Importer, plugins[name].load())
    except Exception as error:
        raise ImportFailed(
            f"The importer '{name}' ({plugins[name].value}), which another package brings, cannot"
            f" be loaded: {type(error).__name__}: {error}. Update or remove that package."
        ) from error


def recognise(path: Path) -> tuple[Importer, Path] | None:
    """The importer for a folder or file and the root of its layout; None when nobody knows it.

    Raises BadInput when several formats are there: then one has to be named.
    """
    found = []
    for name in names():
        importer = load(name)
        root = importer.recognise(path)
        if root is not None:
            found.append((importer, root))
    if len(found) > 1:
        there = ", ".join(f"{i.NAME} in '{root}'" for i, root in found)
        raise BadInput(
            f"'{path}' holds {len(found)} formats: {there}. Name the format, or give the folder of"
            " one of them."
        )
    return found[0] if found else None


def _plugins() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=GROUP)}
