"""Study files: TOML with a [[model]] table a model and a [[test-set]] table a set.

Messages name the line, and near matches for a mistyped key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from heldout.engine.study import CLEAN, Study, WantedModel, WantedSet, merged, pairs_of
from heldout.errors import BadInput, near_matches
from heldout.testsets.opening import Source, parse_options


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
    "jpeg": _WHOLE,
    "frost": _TEXT,
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


def _set_of(row: Mapping[str, Any]) -> WantedSet:
    lists = _list(row.get("classes", "all"))
    shifts = _list(row.get("shifts", CLEAN))
    options = {str(k): str(v) for k, v in row.get("options", {}).items()}
    source = parse_options(row["path"])
    return WantedSet(
        row["name"],
        Source(source.path, {**source.options, **options}),
        pairs_of(row["name"], lists, shifts),
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
            if keys is not _TOP and name in _TOP:
                hint = " It belongs to the top of the file, before the first [[table]]."
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
