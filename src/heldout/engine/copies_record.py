"""`heldout-shifts.json`: what the corrupted copies in a folder are, so that no others join them."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heldout import __version__
from heldout.errors import BadInput, HeldoutError

RECORD = "heldout-shifts.json"
_LOCK = ".heldout-shifts.lock"
_ABOUT = "Corrupted copies of a folder of images, made by `heldout shifts write`."


@dataclass(frozen=True, slots=True)
class Copies:
    """What copies are, beside the images themselves.

    choices: what all copies of a folder have in common, by its name for people. shifts: for every
    shift's text the folder of its copies and what decides them besides ('' mostly). made_with: the
    libraries, by name.
    """

    choices: Mapping[str, str]
    shifts: Mapping[str, tuple[str, str]]
    made_with: Mapping[str, str]


def folders_of(texts: list[str]) -> dict[str, str]:
    """The folder of every shift's copies: that of ImageNet-C for corruptions.

    Frost from photographs is the published one, so it lies in `frost`. A chain is one folder.

    >>> folders_of(["fog:3", "frost_photographs:1", "greyscale", "blur:1+jpeg:30"])
    {'fog:3': 'fog/3', 'frost_photographs:1': 'frost/1', 'greyscale': 'greyscale',
     'blur:1+jpeg:30': 'blur-1+jpeg-30'}
    """
    found = {}
    for text in texts:
        if "+" in text:
            found[text] = text.replace(":", "-")
        else:
            name, _, number = text.partition(":")
            if name.endswith("frost_photographs"):
                name = name.removesuffix("_photographs")
            found[text] = f"{name}/{number}" if number else name
    return found


def agree(out: str, wanted: Copies) -> list[str]:
    """Write the record of a folder, or add shifts to the one that is there; notes, a sentence each.

    Raises BadInput, and changes nothing, where the folder holds copies made otherwise, or folders
    of that name without a record. Several processes may call it at once.
    """
    _must_be_apart(wanted.shifts)
    with _locked(out):
        there = _read(out)
        if there is None:
            _must_be_free(out, wanted)
            shifts: dict[str, Any] = {}
            made_with = dict(wanted.made_with)
        else:
            _must_be_same(out, there, wanted)
            shifts = dict(there["shifts"])
            made_with = there["made_with"]
        _must_be_apart({t: (s["folder"], "") for t, s in shifts.items()} | dict(wanted.shifts), out)
        for text, (folder, state) in wanted.shifts.items():
            old = shifts.get(text, {}).get("state", state)
            if old != state:
                raise BadInput(
                    f"'{out}' holds '{text}' made with other photographs than those named now."
                    " Name the same ones, or take another folder."
                )
            shifts[text] = {"folder": folder} | ({"state": state} if state else {})
        content = {
            "about": _ABOUT,
            "heldout": __version__,
            **wanted.choices,
            "made_with": made_with,
            "shifts": shifts,
        }
        if there != content:
            _write(out, content)
    return [
        f"The first copies in '{out}' were made with {name} {made_with[name]}, and these are made"
        f" with {version}: they may differ by a grey level"
        for name, version in wanted.made_with.items()
        if name in made_with and made_with[name] != version
    ]


def _must_be_apart(shifts: Mapping[str, tuple[str, str]], out: str = "") -> None:
    """Two shifts in one folder would take each other's copies for their own."""
    by_folder: dict[str, str] = {}
    for text, (folder, _) in shifts.items():
        other = by_folder.setdefault(folder, text)
        if other != text:
            where = f" of '{out}'" if out else ""
            raise BadInput(
                f"'{other}' and '{text}' would lie in the same folder '{folder}'{where}. Write one"
                " of them to another folder."
            )


def _must_be_free(out: str, wanted: Copies) -> None:
    for folder, _ in wanted.shifts.values():
        if os.path.lexists(os.path.join(out, folder)):
            raise BadInput(
                f"'{out}' holds '{folder}' already, but no {RECORD} that says how it was made. Take"
                " another folder."
            )


def _must_be_same(out: str, there: Mapping[str, Any], wanted: Copies) -> None:
    facts = {"heldout": __version__, **wanted.choices}
    differing = [
        f"{name} is {there.get(name)} there and {fact} now"
        for name, fact in facts.items()
        if there.get(name) != fact
    ]
    if differing:
        raise BadInput(
            f"'{out}' holds copies made otherwise: {'; '.join(differing)}. Choose as it was there,"
            " or take another folder."
        )


def _read(out: str) -> dict[str, Any] | None:
    path = os.path.join(out, RECORD)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if isinstance(content["shifts"], dict) and isinstance(content["made_with"], dict):
            return dict(content)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        pass
    raise BadInput(
        f"'{path}' is not what heldout wrote, so nobody knows what the copies beside it are. Take"
        " another folder."
    )


def _write(out: str, content: Mapping[str, Any]) -> None:
    temporary = os.path.join(out, f".{RECORD}.unfinished-{uuid.uuid4().hex[:12]}")
    with open(temporary, "x", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(out, RECORD))


@contextlib.contextmanager
def _locked(out: str) -> Iterator[None]:
    """One process at a time; a lock ends with the process that holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: two calls that begin in the same moment may lose a shift's row
        yield
        return
    with open(os.path.join(out, _LOCK), "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise HeldoutError(
                f"'{out}' lies on a file system that cannot lock files ({error.strerror}). Write to"
                " another one and copy it."
            ) from error
        yield
