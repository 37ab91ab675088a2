"""Which shifts there are: those of this package by family, and those of other packages.

Further shifts come from installed packages, as entry points of the group `heldout.shifts`: the name
is the shift's and the value a `heldout.shifts.shift.Shift`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from heldout.errors import BadInput, NotFound, not_found
from heldout.shifts.shift import Group, Shift

ENTRY_POINTS = "heldout.shifts"
# Each has SHIFTS, and GROUPS where words stand for many of them.
_MODULES = (
    "heldout.shifts.size",
    "heldout.shifts.jpeg",
    "heldout.shifts.colour",
    "heldout.shifts.rotation",
    "heldout.shifts.blur",
    "heldout.shifts.noise",
    "heldout.shifts.imagenet_c",
    "heldout.shifts.geirhos",
    "heldout.shifts.perturbations.shifts",
)


def names() -> list[str]:
    """The names of all shifts, those of this package first."""
    return [*_own(), *sorted(set(_plugins()) - set(_own()))]


@cache
def groups() -> MappingProxyType[str, Group]:
    """The words that stand for many shifts, by name."""
    found = (g for m in _MODULES for g in getattr(import_module(m), "GROUPS", ()))
    return MappingProxyType({g.name: g for g in found})


def find(name: str) -> Shift:
    """The shift of that name. Raises NotFound with near matches, BadInput for a broken plugin."""
    if name in _own():
        return _own()[name]
    plugins = _plugins()
    if name not in plugins:
        plain = name.rpartition(".")[2]  # `imagenet-c.fog` is `fog`
        if plain != name and plain in _own():
            raise NotFound(f"There is no shift '{name}' in heldout. Did you mean '{plain}'?")
        raise not_found("shift", name, [*names(), *groups()], "heldout")
    where = f"The shift '{name}' ({plugins[name].value}), which another package brings,"
    try:
        shift = plugins[name].load()
    except Exception as error:
        raise BadInput(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Update or remove that"
            " package."
        ) from error
    if not isinstance(shift, Shift) or shift.name != name:
        raise BadInput(f"{where} is not a Shift of that name. Update or remove that package.")
    return shift


@cache
def _own() -> MappingProxyType[str, Shift]:
    found = (s for m in _MODULES for s in import_module(m).SHIFTS)
    return MappingProxyType({s.name: s for s in found})


def _plugins() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=ENTRY_POINTS)}
