"""`heldout-shifts.json`: what the corrupted copies in a folder are, so that no others join them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
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
    libraries, by name. source: the images as they were named. covers: of how many images there are
    copies, evenly spread over all `of` of them.
    """

    choices: Mapping[str, str]
    shifts: Mapping[str, tuple[str, str]]
    made_with: Mapping[str, str]
    source: str = ""
    covers: int = 0
    of: int = 0


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


def spread(covers: int, of: int) -> list[int]:
    """Positions of so many images, evenly spread over all of them.

    >>> spread(3, 7), spread(7, 7)
    ([0, 2, 4], [0, 1, 2, 3, 4, 5, 6])
    """
    return [i * of // covers for i in range(covers)]


def agree(out: str, wanted: Copies) -> list[str]:
    """Write the record of a folder, or add shifts to the one that is there; notes, a sentence each.

    Raises BadInput, and changes nothing, where the folder holds copies made otherwise, or folders
    of that name without a record. Several processes may call it at once.
    """
    _must_be_apart(wanted.shifts)
    _must_be_one_frost({t: state for t, (_, state) in wanted.shifts.items()})
    with _locked(out):
        there = read_record(out)
        if there is None:
            _must_be_free(out, wanted)
            shifts: dict[str, Any] = {}
            source = wanted.source
            made_with = dict(wanted.made_with)
        else:
            _must_be_same(out, there, wanted)
            _must_cover_the_same(out, there, wanted)
            shifts = dict(there["shifts"])
            source = there.get("source", wanted.source)
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
        _must_be_one_frost({t: s.get("state", "") for t, s in shifts.items()}, out)
        content = {
            "about": _ABOUT,
            "heldout": __version__,
            **wanted.choices,
            "source": source,
            "covers": wanted.covers,
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


def _must_be_one_frost(states: Mapping[str, str], out: str = "") -> None:
    """Severities of one frost from other pictures would look like one series, and be two."""
    found: dict[str, str] = {}
    for text, state in states.items():
        for origin in _frosts(text, state):
            found.setdefault(origin, text)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        what = f"'{out}' would hold" if out else "That is"
        raise BadInput(
            f"{what} frost of two origins: '{first}' from {one} and '{second}' from {other}. The"
            " copies of one folder have one: give the same --frost FOLDER in every call or in none,"
            " or write one of them to another folder."
        )


def _frosts(text: str, state: str = "") -> list[str]:
    """Where the frost of a shift's text comes from; none for other shifts."""
    kinds = [step.partition(":")[0].rpartition(".")[2] for step in text.split("+")]
    known = {
        "frost": "textures of our own",
        "frost_photographs": f"photographs {state[:8]}".strip(),
    }
    return [known[kind] for kind in kinds if kind in known]


def _must_cover_the_same(out: str, there: Mapping[str, Any], wanted: Copies) -> None:
    """All shifts have the same images: accuracies of different ones cannot be compared."""
    old, new = int(there.get("covers", wanted.covers)), wanted.covers
    if old == new:
        return
    said = (
        f"'{out}' holds copies of {old:,} of the {wanted.of:,} images, and this call would make"
        f" them of {new:,}; all shifts of one folder have the same images."
    )
    if new < old:
        how = f"Give --limit {old}" if old < wanted.of else "Leave out --limit"
        raise BadInput(f"{said} {how}, or take another folder.")
    if not set(spread(old, wanted.of)) <= set(spread(new, wanted.of)):
        raise BadInput(
            f"{said} Those {old:,} are not among them: give --limit {old}, a multiple of it or no"
            " --limit, or take another folder."
        )
    missing = [t for t in there["shifts"] if t not in wanted.shifts]
    if missing:
        few = ", ".join(missing[:5]) + (
            f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        )
        raise BadInput(
            f"{said} Give --limit {old}; or, for more images, name in the same call what is there,"
            f" too: {few}."
        )


def must_be_published(name: str, path: str, family: str) -> None:
    """Raises BadInput where a set by the name of published files is, or lies in, our own copies.

    Their results would stand under the published files' names, and be none of theirs.
    """
    found = _record_above(path)
    if found is None:
        return
    out, record = found
    source = str(record.get("source") or "NAME=FOLDER")
    source = source if "=" in source else f"NAME={source}"
    jpeg = str(record.get("format", "")).partition(" quality ")[2].partition(",")[0]
    flags = f" --jpeg {jpeg}" if jpeg else ""
    flags += " --frost FOLDER" if "photographs" in in_words(record) else ""
    text, shift = next(iter(record.get("shifts", {}).items()), ("fog:3", {"folder": "fog/3"}))
    own = f"{re.sub(r'[^a-z0-9]', '', text)}={os.path.join(out, shift['folder'])}"
    model = "'URI?resize=none'" if "crop" in str(record.get("size")) else "URI"
    raise BadInput(
        f"'{path}' holds copies that heldout wrote ({in_words(record)}), not the published files"
        f" of {family}, so they cannot be run as '{name}'. `heldout run {shlex.quote(source)}"
        f" --shift imagenet-c{flags}` gives models such images without"
        " files, each at its own size. A single folder runs under a name of its own, by models of"
        f" the copies' size: `heldout run {shlex.quote(own)} -m {model}`."
    )


def _record_above(path: str) -> tuple[str, dict[str, Any]] | None:
    """The folder with our record, and the record, for a path such as OUT or OUT/fog/3."""
    folder = os.path.expanduser(path).rstrip("/") or "/"
    for _ in range(3):
        if os.path.isfile(os.path.join(folder, RECORD)):
            with contextlib.suppress(BadInput):
                return folder, read_record(folder) or {}
            return folder, {}
        folder = os.path.dirname(folder) or "."
    return None


def in_words(record: Mapping[str, Any]) -> str:
    """What copies are, in a phrase: their format, size, frost and images."""
    frosts = {f for t in record.get("shifts", {}) for f in _frosts(t)}
    parts = [str(record[name]) for name in ("format", "size") if name in record]
    parts += [f"frost from {' and '.join(sorted(frosts))}"] if frosts else []
    parts += [f"of '{record['source']}'"] if record.get("source") else []
    return ", ".join(parts)


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


def read_record(out: str) -> dict[str, Any] | None:
    """The record of a folder, None where there is none. Raises BadInput for another file."""
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
