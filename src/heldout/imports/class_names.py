"""Classes as files give them, by position, id or name, turned into positions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heldout.errors import BadInput, ImportFailed, near_matches
from heldout.imports.tables import find_repeated, read_csv
from heldout.store.block import NO_ANSWER

_NUMBER = r"^-?(0|[1-9][0-9]*)(\.0+)?$"
_DECIMAL = r"^-?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?$"
_EMPTY = ("", "nan", "NaN")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A column of class values. codes: (n,) index into `distinct`, -1 where the cell is empty.

    distinct: integers when every value is one, else texts.
    """

    codes: NDArray[np.int64]
    distinct: Sequence[int] | Sequence[str]
    numeric: bool

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Any) -> Values:
        """Some of the rows."""
        return Values(self.codes[rows], self.distinct, self.numeric)


def values(column: Any) -> Values:
    """An Arrow or NumPy column of integers, of floats that are whole numbers, or of texts.

    Texts that all are whole numbers ('3', '3.0', but not '03') count as numbers.
    """
    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
        if not pc.all(pc.equal(array, pc.round(array))).as_py():
            raise ImportFailed("it holds numbers that are not whole")
        array = array.cast(pa.int64())
    elif pa.types.is_boolean(array.type):
        array = array.cast(pa.int64())
    elif not pa.types.is_integer(array.type):
        array = pc.utf8_trim_whitespace(array.cast(pa.string()))
        array = pc.if_else(pc.is_in(array, value_set=pa.array(_EMPTY)), None, array)
        all_numbers = pc.all(pc.match_substring_regex(array, _NUMBER)).as_py()
        if all_numbers and array.null_count < len(array):
            array = array.cast(pa.float64()).cast(pa.int64())
        elif _decimal(array):
            raise ImportFailed("it holds numbers that are not whole")
    encoded = array.dictionary_encode()
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    numeric = not pa.types.is_string(array.type)
    return Values(codes.astype(np.int64), encoded.dictionary.to_pylist(), numeric)


def _decimal(array: pa.Array) -> bool:
    """Whether texts are numbers, some of them with decimals: hardly names of classes."""
    numbers = pc.all(pc.match_substring_regex(array, _DECIMAL)).as_py()
    return bool(numbers and pc.any(pc.match_substring_regex(array, r"\.0*[1-9]")).as_py())


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The ordered classes: ids, and names for people. numbers: 'position', 'name' or '' (not said).

    It matters where ids are numbers in another order than their positions, as in folders
    '0', '1', '10', '100', … sorted as texts.
    """

    ids: list[str]
    names: list[str]
    numbers: str = ""

    def index(self, column: Values, what: str, where: str) -> NDArray[np.int32]:
        """(n,) positions of a column's classes, -1 for an empty cell.

        Raises ImportFailed for a number out of range and for a name that is no class.
        """
        table = self._positions(column, what, where)
        out = np.full(len(column), NO_ANSWER, np.int32)
        there = column.codes >= 0
        out[there] = np.array(table, np.int32)[column.codes[there]] if table else NO_ANSWER
        return out

    def _positions(self, column: Values, what: str, where: str) -> list[int]:
        if column.numeric and not self._named_by_number(what, where):
            return self._in_range([int(v) for v in column.distinct], what, where)
        times = Counter(self.names)
        by_name = {n: i for i, n in enumerate(self.names) if times[n] == 1}
        lookup = by_name | {c: i for i, c in enumerate(self.ids)}
        unknown = [str(v) for v in column.distinct if str(v) not in lookup]
        if unknown:
            near = near_matches(unknown[0], lookup)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            shown = ", ".join(self.ids[:8]) + (" …" if len(self.ids) > 8 else "")
            raise ImportFailed(
                f"{where}: {what} '{unknown[0]}' is not a class"
                + (f" (nor are {len(unknown) - 1} other values)" if len(unknown) > 1 else "")
                + f".{hint} There are {len(self.ids)} classes: {shown}."
            )
        return [lookup[str(v)] for v in column.distinct]

    def _named_by_number(self, what: str, where: str) -> bool:
        """Whether numbers are class ids here rather than positions."""
        if not all(c.lstrip("-").isdigit() for c in self.ids):
            return False
        if self.ids == [str(i) for i in range(len(self.ids))]:
            return False
        if self.numbers not in ("position", "name"):
            raise ImportFailed(
                f"{where}: {what} holds numbers, and the classes are called by numbers in another"
                f" order than their positions ({', '.join(self.ids[:5])} …). Say which is meant:"
                " --class-numbers position or --class-numbers name."
            )
        return self.numbers == "name"

    def _in_range(self, numbers: list[int], what: str, where: str) -> list[int]:
        if not numbers:
            return []
        low, high, count = min(numbers), max(numbers), len(self.ids)
        if low < 0 or high >= count:
            one = (
                " Do they count from 1? They must count from 0."
                if (low, high) == (1, count)
                else ""
            )
            raise ImportFailed(
                f"{where}: {what} runs from {low} to {high}, but there are {count} classes (0 to"
                f" {count - 1}).{one}"
            )
        return numbers


def given(classes: str | int | Sequence[str], numbers: str = "") -> Classes:
    """The classes that a user names: how many, a file, or the list itself."""
    if numbers not in ("", "position", "name"):
        raise BadInput(f"--class-numbers '{numbers}' is neither 'position' nor 'name'.")
    if isinstance(classes, str):
        classes = int(classes) if classes.isdigit() else classes
    if isinstance(classes, int):
        if classes < 2:
            raise BadInput(f"--classes {classes}: there must be at least two classes.")
        return counted(classes)
    ids, names = _read(Path(classes)) if isinstance(classes, str) else (list(classes), None)
    if twice := find_repeated(ids):
        raise ImportFailed(f"The class '{twice}' occurs twice in the list of classes.")
    if len(ids) < 2:
        raise ImportFailed(f"The list of classes holds {len(ids)}; there must be at least two.")
    return Classes(ids, names or list(ids), numbers)


MOST_COUNTED = 1_000_000


def counted(count: int) -> Classes:
    """Classes called '0', '1', …"""
    ids = [str(i) for i in range(count)]
    return Classes(ids, list(ids))


def seen_in(columns: Iterable[Values]) -> Classes | None:
    """The classes that columns themselves show: up to the highest number, or the sorted names.

    None when some columns hold numbers and others names.
    """
    there = [c for c in columns if len(c.distinct)]
    if all(c.numeric for c in there):
        highest = max((int(v) for c in there for v in c.distinct), default=0)
        if highest > MOST_COUNTED:
            raise BadInput(
                f"The highest class number is {highest:,}; that would be {highest + 1:,} classes."
                " If so, say it with --classes; else the column holds something other than classes."
            )
        return counted(max(highest + 1, 2))
    if any(c.numeric for c in there):
        return None
    ids = sorted({str(v) for c in there for v in c.distinct})
    return Classes(ids, list(ids))


def _read(path: Path) -> tuple[list[str], list[str] | None]:
    """A file of classes: one a line; a CSV with columns class and name; a JSON list or index."""
    if not path.is_file():
        raise BadInput(f"--classes '{path}' is neither a number nor a file.")
    if path.suffix == ".json":
        return _read_json(path)
    if path.suffix in (".csv", ".tsv"):
        table = read_csv(path)
        known = [c for c in ("class", "id", "wnid", "name", "label") if c in table.header]
        ids = table.column(known[0] if known else table.header[0])
        named = "name" in table.header and known[0] != "name"
        return ids, table.column("name") if named else None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFailed(f"{path} cannot be read as a list of classes: {error}.") from error
    return [line.strip() for line in lines if line.strip()], None


def _read_json(path: Path) -> tuple[list[str], list[str] | None]:
    """["cat", …], or {"0": "cat", …}, or {"0": ["n02123045", "tabby"], …}."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(found, dict):
            found = [found[str(i)] for i in range(len(found))]
    except (OSError, ValueError, KeyError) as error:
        raise ImportFailed(
            f"{path} is not a JSON list of classes, nor an object with the keys 0, 1, … ({error})."
        ) from error
    if found and isinstance(found[0], list):
        return [str(pair[0]) for pair in found], [str(pair[1]) for pair in found]
    return [str(c) for c in found], None
