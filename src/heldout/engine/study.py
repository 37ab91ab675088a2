"""What a person asks for: models × settings, from flags or from a study file (TOML)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from heldout.engine.copies_record import must_be_published
from heldout.errors import BadInput, not_found
from heldout.shifts.catalogue import expand, groups, names, on_disk, with_photographs
from heldout.testsets.catalogue import known
from heldout.testsets.opening import Source, parse_options

CLEAN = "clean"
PRECISIONS = ("float32", "bfloat16", "float16")
_DEFAULT_STORE = "heldout-store"


@dataclass(frozen=True, slots=True)
class WantedModel:
    """A model by its URI; name: what the store calls it ('' for the adapter's choice)."""

    uri: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class WantedSet:
    """A test set and how it is run: pairs of a class list and a shift.

    A list is what stands after '@': '' for the set's own classes, 'present' for those that have
    examples. A shift is its canonical text, 'clean' for none.
    """

    name: str
    source: Source
    pairs: tuple[tuple[str, str], ...] = (("", CLEAN),)

    @property
    def lists(self) -> tuple[str, ...]:
        """The class lists, each once."""
        return tuple(dict.fromkeys(chosen for chosen, _ in self.pairs))


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that decides what is run and how; the same study gives the same rows anywhere.

    limit: so many examples of every test set, evenly spread (0: all). shard_size: examples a shard
    (0: chosen by the plan from the numbers of models and settings). workers: threads (0: one a
    core). batch_size: images a forward pass (0: 16 on a CPU, 64 of small images; 256 on a GPU).
    baselines: add the class-matched clean settings. scores: store every class's score, too.
    jpeg: corrupted images are compressed at that quality, as published files are (0: not). frost:
    the folder with the photographs for frost ('': textures of our own).
    """

    models: tuple[WantedModel, ...]
    sets: tuple[WantedSet, ...]
    store: str = _DEFAULT_STORE
    seed: int = 0
    limit: int = 0
    shard_size: int = 0
    batch_size: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "float32"
    exif: bool = False
    baselines: bool = True
    scores: bool = False
    jpeg: int = 0
    frost: str = ""

    def __post_init__(self) -> None:
        for name in ("limit", "shard_size", "batch_size", "workers", "seed"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name.replace('_', '-')} may not be negative; leave it out.")
        for s in self.sets:
            if not s.name or set(s.name) & set("/@="):
                raise BadInput(
                    f"'{s.name}' cannot be the name of a test set: it may not be empty, and / @ ="
                    " stand for shifts, class lists and paths."
                )
            if not s.source.path or not s.pairs:
                raise BadInput(f"Test set '{s.name}' has no {'path' if s.pairs else 'shift'}.")
        if not 0 <= self.jpeg <= 100:
            raise BadInput(f"jpeg is a quality from 1 to 100, not {self.jpeg}; leave it out.")
        if not self.store:
            raise BadInput("The store has no name: give --store, or leave it out.")
        if self.precision not in PRECISIONS:
            raise not_found("precision", self.precision, PRECISIONS, "heldout")
        for what, given in (
            ("model", [m.name for m in self.models if m.name]),
            ("model URI", [f"{m.uri} {m.name}" for m in self.models]),
            ("test set", [s.name for s in self.sets]),
        ):
            twice = next((n for i, n in enumerate(given) if n in given[:i]), None)
            if twice is not None:
                raise BadInput(
                    f"The {what} '{twice.strip()}' is there twice; leave one out or rename it."
                )


def shifts_of(study: Study, wanted: WantedSet, chosen: str) -> list[str]:
    """The shifts of a set's class list as they are run: on disk, with photographs, if asked."""
    texts = [shift for c, shift in wanted.pairs if c == chosen] or [CLEAN]
    if study.frost:
        texts = with_photographs(texts)
    if study.jpeg:
        texts = on_disk(texts, study.jpeg)
    return list(dict.fromkeys(texts))


def parse_target(text: str) -> WantedSet:
    """A test set from a flag: NAME[@LIST][/SHIFT]=PATH[?key=value&…], or NAME=PATH/SHIFT.

    >>> wanted = parse_target("val@imagenet-a/blur:2=/data/val")
    >>> wanted.name, wanted.pairs, wanted.source.path
    ('val', (('imagenet-a', 'blur:2'),), '/data/val')
    """
    name, equals, rest = text.partition("=")
    if not equals or not rest or not name:
        raise BadInput(
            f"'{text}' is no test set: write NAME=PATH, such as imagenet-val=/data/val, or"
            " NAME=PATH/blur:2 for a shift; a study file ends in .toml."
        )
    name, at, chosen = name.partition("@")
    if at:  # a class list may be a file in a folder
        chosen, shift = (chosen, "") if os.path.exists(chosen) else _last_part(chosen)
    else:
        name, _, shift = name.partition("/")
    if not shift:
        rest, shift = _trailing_shift(rest)
    source = parse_options(rest)
    return WantedSet(name, source, pairs_of(name, [chosen], [shift or CLEAN]))


def merged(sets: Sequence[WantedSet], shifts: Sequence[str] = ()) -> tuple[WantedSet, ...]:
    """One entry a test set; `shifts` are added to every class list of every set."""
    kept: dict[str, WantedSet] = {}
    for s in sets:
        old = kept.get(s.name)
        if old is not None and old.source != s.source:
            raise BadInput(
                f"The test set '{s.name}' is given at two places, '{old.source.path}' and"
                f" '{s.source.path}'; give them two names."
            )
        pairs = (*(old.pairs if old else ()), *s.pairs)
        kept[s.name] = replace(s, pairs=tuple(dict.fromkeys(pairs)))
    kept = {one.name: one for s in kept.values() for one in _members(s)}
    more = list(shifts)
    for name, s in kept.items():
        added = pairs_of(name, s.lists, more) if more else ()
        kept[name] = replace(s, pairs=tuple(dict.fromkeys((*s.pairs, *added))))
    return tuple(kept.values())


def _members(wanted: WantedSet) -> list[WantedSet]:
    """A family of sets such as imagenet-c as its members that are there; else the set itself."""
    entry = known(wanted.name)
    if entry is not None and entry.row.get("subgroup") in ("imagenet-c", "cifar10-c"):
        must_be_published(wanted.name, wanted.source.path, str(entry.row["subgroup"]))
    if entry is None or not entry.parts:
        return [wanted]
    out = []
    for name, below in entry.parts:
        source = parse_options(f"{wanted.source.path.rstrip('/')}/{below}")
        if "://" not in source.path and not os.path.exists(source.path):
            continue
        options = {**wanted.source.options, **source.options}
        out.append(replace(wanted, name=name, source=Source(source.path, options)))
    if not out:
        raise BadInput(
            f"'{wanted.source.path}' holds nothing of {wanted.name}: there is no"
            f" '{entry.parts[0][1].partition('?')[0]}' in it, nor any other of its"
            f" {len(entry.parts)} parts."
        )
    return out


def _trailing_shift(path: str) -> tuple[str, str]:
    """PATH/SHIFT taken apart where the path with the shift is no file of its own."""
    plain, mark, options = path.partition("?")
    head, slash, tail = plain.rpartition("/")
    looks = re.fullmatch(r"[a-z][\w.-]*(:[\d.,-]+)?(\+[a-z][\w.-]*(:[\d.]+)?)*", tail)
    if not slash or not looks or os.path.exists(plain) or (":" not in tail and "+" not in tail):
        word = tail in names() or (tail in groups() and os.path.exists(head))
        if not slash or not word or os.path.exists(plain):
            return path, ""
    return head + mark + options, tail


def _last_part(text: str) -> tuple[str, str]:
    head, slash, tail = text.rpartition("/")
    return (head, tail) if slash else (text, "")


def pairs_of(
    set_name: str, lists: Sequence[str], shifts: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Every class list with every shift. 'all', or the set's name, is the set's own classes."""
    chosen = dict.fromkeys("" if n in ("all", set_name) else n for n in lists)
    texts: list[str] = []
    for text in shifts:
        texts += [CLEAN] if text in (CLEAN, "") else expand(text)
    return tuple((c, t) for c in chosen for t in dict.fromkeys(texts))
