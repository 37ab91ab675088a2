"""What the importers of accuracy tables share: finding and reading CSV files, counts, results."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heldout.errors import ImportFailed, not_found

UNKNOWN = -1
_DEEPEST = 3
_MOST_FOLDERS = 2_000


class Cell(NamedTuple):
    """One published accuracy; k and n are None where the value is not a known k/n."""

    model: str
    setting: str
    metric: str
    value: float
    k: int | None
    n: int | None


class Csv(NamedTuple):
    """A CSV file: its path, the header, the rows as text (each as long as the header)."""

    path: Path
    header: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """The cells of a column. Raises ImportFailed, listing the columns there are."""
        if name not in self.header:
            raise ImportFailed(
                f"{self.path} has no column '{name}'; it has {', '.join(self.header[:20])}."
            )
        at = self.header.index(name)
        return [row[at] for row in self.rows]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers ('1,014.45' too); NaN where a cell is empty or NaN."""
        out = np.full(len(self.rows), np.nan)
        for i, text in enumerate(self.column(name)):
            if text.strip():
                try:
                    out[i] = float(text.replace(",", ""))
                except ValueError:
                    raise ImportFailed(
                        f"{self.path}, row {i + 2}, column '{name}': '{text}' is not a number."
                    ) from None
        return out


def read_csv(path: Path) -> Csv:
    """A CSV file with a header. Raises ImportFailed for one that is missing, empty or ragged."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportFailed(f"{path} cannot be read as CSV: {error}.") from error
    if len(lines) < 2:
        raise ImportFailed(f"{path} holds no rows: it is empty or was cut off.")
    header, *rows = lines
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise ImportFailed(
                f"{path}, row {i + 2}: {len(row)} fields where the header has {len(header)}. The"
                " file was cut off or edited; get it again."
            )
    return Csv(path, header, rows)


def find(folder: Path, marker: str) -> Path | None:
    """The first folder, in or below `folder`, that holds the file `marker` (a relative path).

    The nearest is taken; hidden folders and anything more than three levels down are left out.
    `folder` may also be the marker file itself or a folder on the way to it.
    """
    parts = Path(marker).parts
    for i in range(len(parts), 0, -1):
        if folder.parts[-i:] == parts[:i] and (folder.parents[i - 1] / marker).is_file():
            return folder.parents[i - 1]
    if not folder.is_dir():
        return None
    level = [folder]
    seen = 0
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for place in level:
            if (place / marker).is_file():
                return place
            seen += 1
            if seen > _MOST_FOLDERS:
                return None
            below += _folders(place)
        level = below
    return None


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def find_repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def counts(value: Any, n: Any, half_width: Any) -> NDArray[np.int64]:
    """k of fractions k/n published with an error of at most `half_width`; -1 where not unique.

    >>> counts([0.7613, 0.7613], [10_000, 50_000], 0.00005).tolist()
    [7613, -1]
    """
    value, n = np.asarray(value, np.float64), np.asarray(n, np.float64)
    slack = np.asarray(half_width) * n + 1e-7
    low, high = np.ceil(value * n - slack), np.floor(value * n + slack)
    good = (low == high) & (low >= 0) & (high <= n)
    return np.where(good, low, UNKNOWN).astype(np.int64)


def results(cells: Iterable[Cell]) -> pa.Table:
    """Cells as the table that `heldout.store.write.write_results` takes."""
    columns = list(zip(*cells, strict=True)) or [()] * len(Cell._fields)
    types = (pa.string(), pa.string(), pa.string(), pa.float64(), pa.int64(), pa.int64())
    return pa.table(
        {
            name: pa.array(column, kind)
            for name, column, kind in zip(Cell._fields, columns, types, strict=True)
        }
    )


def as_cell(model: str, setting: str, metric: str, value: float, k: int, n: int) -> Cell:
    """A cell whose value is exactly k/n where k is known (not -1), else the value as published."""
    if k == UNKNOWN:
        return Cell(model, setting, metric, value, None, None)
    return Cell(model, setting, metric, k / n, k, n)


def chosen(
    rows: Sequence[Mapping[str, Any]], wanted: Sequence[str], where: str
) -> list[Mapping[str, Any]]:
    """The settings a user asked for, by name or alias; all when none is named. Raises NotFound."""
    names = {a: r for r in rows for a in str(r.get("aliases") or "").split()}
    names |= {r["setting"]: r for r in rows}
    for name in wanted:
        if name not in names:
            raise not_found("setting", name, names, where)
    picked = {names[w]["setting"] for w in wanted}
    return [r for r in rows if not wanted or r["setting"] in picked]


def sha256(path: Path) -> str:
    """A file's digest, as provenance records it."""
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
