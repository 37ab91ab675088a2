"""What a person asks for: models × settings, from flags or from a study file (TOML)."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from heldout.errors import BadInput, near_matches
from heldout.shifts.catalogue import expand
from heldout.testsets.catalogue import known
from heldout.testsets.opening import Source, parse_options

CLEAN = "clean"
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

    def __post_init__(self) -> None:
        for name in ("limit", "shard_size", "batch_size", "workers", "seed"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name.replace('_', '-')} may not be negative; leave it out.")
        for what, names in (
            ("model", [m.name for m in self.models if m.name]),
            ("model URI", [f"{m.uri} {m.name}" for m in self.models]),
            ("test set", [s.name for s in self.sets]),
        ):
            twice = next((n for i, n in enumerate(names) if n in names[:i]), None)
            if twice is not None:
                raise BadInput(
                    f"The {what} '{twice.strip()}' is there twice; leave one out or rename it."
                )


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key of a study file may hold."""

    types: tuple[type, ...]
    says: str
    needed: bool = False


_TEXT = _Key((str,), "text in quotes")
_WHOLE = _Key((int,), "a whole number")
_YES = _Key((bool,), "true or false")
_TEXTS = _Key((str, list), "a text or a list of texts")
_TOP = {
    "store": _TEXT,
    "seed": _WHOLE,
    "limit": _WHOLE,
    "shard-size": _WHOLE,
    "batch-size": _WHOLE,
    "workers": _WHOLE,
    "device": _TEXT,
    "precision": _TEXT,
    "exif": _YES,
    "baselines": _YES,
    "scores": _YES,
    "model": _Key((list,), "one or more [[model]] tables"),
    "test-set": _Key((list,), "one or more [[test-set]] tables"),
}
_MODEL = {"uri": _Key((str,), "text in quotes", True), "name": _TEXT}
_SET = {
    "name": _Key((str,), "text in quotes", True),
    "path": _Key((str,), "text in quotes", True),
    "shifts": _TEXTS,
    "classes": _TEXTS,
    "options": _Key((dict,), "a table such as {kind = 'folder'}"),
}


def read_study(path: str, text: str | None = None) -> Study:
    """The study in a TOML file. Raises BadInput that names the line.

    Paths in it count from the folder in which heldout is started, as on the command line.
    """
    if text is None:
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"The study file '{path}' cannot be read: {error}.") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: this is not TOML: {error}.") from error
    where = _Places(path, text)
    _check(content, _TOP, where, ())
    for table, keys in (("model", _MODEL), ("test-set", _SET)):
        rows = content.get(table, [])
        if not rows or not all(isinstance(r, dict) for r in rows):
            raise BadInput(f"{where.of((table,))}: a study needs at least one [[{table}]].")
        for i, row in enumerate(rows):
            _check(row, keys, where, (table, i))
    plain = {k.replace("-", "_"): v for k, v in content.items() if k not in ("model", "test-set")}
    models = tuple(WantedModel(m["uri"], m.get("name", "")) for m in content["model"])
    sets: list[WantedSet] = []
    for i, row in enumerate(content["test-set"]):
        if row["name"] in [s.name for s in sets]:
            raise BadInput(
                f"{where.of(('test-set', i))}: the test set '{row['name']}' is there twice; put all"
                " its shifts and classes into one table, or rename it."
            )
        try:
            sets.append(_set_of(row))
        except BadInput as error:
            raise BadInput(f"{where.of(('test-set', i))}: {error}") from error
    try:
        return Study(models, merged(sets), **plain)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


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
    return WantedSet(name, source, _pairs(name, [chosen], [shift or CLEAN]))


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
        added = _pairs(name, s.lists, more) if more else ()
        kept[name] = replace(s, pairs=tuple(dict.fromkeys((*s.pairs, *added))))
    return tuple(kept.values())


def _members(wanted: WantedSet) -> list[WantedSet]:
    """A family of sets such as imagenet-c as its members that are there; else the set itself."""
    entry = known(wanted.name)
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
        from heldout.shifts.catalogue import names

        if not slash or tail not in names() or os.path.exists(plain):
            return path, ""
    return head + mark + options, tail


def _last_part(text: str) -> tuple[str, str]:
    head, slash, tail = text.rpartition("/")
    return (head, tail) if slash else (text, "")


def _pairs(
    set_name: str, lists: Sequence[str], shifts: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Every class list with every shift. 'all', or the set's name, is the set's own classes."""
    chosen = dict.fromkeys("" if n in ("all", set_name) else n for n in lists)
    texts: list[str] = []
    for text in shifts:
        texts += [CLEAN] if text in (CLEAN, "") else expand(text)
    return tuple((c, t) for c in chosen for t in dict.fromkeys(texts))


def _set_of(row: Mapping[str, Any]) -> WantedSet:
    lists = _list(row.get("classes", "all"))
    shifts = _list(row.get("shifts", CLEAN))
    options = {str(k): str(v) for k, v in row.get("options", {}).items()}
    source = parse_options(row["path"])
    return WantedSet(
        row["name"],
        Source(source.path, {**source.options, **options}),
        _pairs(row["name"], lists, shifts),
    )


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in value]


def _check(
    row: Mapping[str, Any], keys: Mapping[str, _Key], where: _Places, path: tuple[Any, ...]
) -> None:
    for name, value in row.items():
        at = where.of((*path, name))
        if name not in keys:
            near = near_matches(name, keys)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(keys)}."
            raise BadInput(f"{at}: there is no key '{name}' here.{hint}")
        key = keys[name]
        wrong = not isinstance(value, key.types) or (bool not in key.types and value is True)
        if wrong or (isinstance(value, bool) and bool not in key.types):
            raise BadInput(f"{at}: '{name}' should be {key.says}, not {value!r}.")
    for name, key in keys.items():
        if key.needed and name not in row:
            raise BadInput(f"{where.of(path)}: '{name}' is missing; it is {key.says}.")


@dataclass(frozen=True, slots=True)
class _Places:
    """Lines of a TOML file's tables and keys, found by reading it as a person would."""

    path: str
    text: str
    _lines: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts: dict[str, int] = {}
        table: tuple[Any, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            if found := re.match(r"\s*\[\[\s*([\w-]+)\s*\]\]", line):
                name = found[1]
                table = (name, counts.get(name, 0))
                counts[name] = counts.get(name, 0) + 1
                self._lines.setdefault((name,), number)
                self._lines[table] = number
            elif found := re.match(r"\s*\[\s*([\w-]+)", line):
                table = (found[1],)
                self._lines[table] = number
            elif found := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
                self._lines.setdefault((*table, found[1]), number)

    def of(self, path: tuple[Any, ...]) -> str:
        """'study.toml, line 7', or only the file where the line is not known."""
        line = self._lines.get(path)
        return f"{self.path}, line {line}" if line else self.path
