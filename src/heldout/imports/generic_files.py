"""Anybody's file of predictions as named columns: CSV, TSV, Parquet, JSON, JSON lines, NPY, NPZ."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heldout.errors import BadInput, ImportFailed
from heldout.imports.tables import find_repeated

_PACKED = (".gz", ".bz2", ".zst")
_DELIMITERS = ",;\t|"
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".json", ".jsonl", ".ndjson")
ARRAYS = (".npy", ".npz")
FORMATS = "CSV, TSV, Parquet, JSON, JSON lines, NPY or NPZ"

# Role: the names that arrays go by in an NPZ file.
_ARRAY_NAMES = {
    "logits": "scores",
    "probs": "scores",
    "probabilities": "scores",
    "scores": "scores",
    "log_probs": "scores",
    "preds": "predicted",
    "predictions": "predicted",
    "predicted": "predicted",
    "pred": "predicted",
    "y_pred": "predicted",
    "labels": "label",
    "label": "label",
    "targets": "label",
    "target": "label",
    "y": "label",
    "y_true": "label",
    "ids": "example",
    "id": "example",
    "examples": "example",
    "filenames": "example",
    "paths": "example",
    "confidence": "confidence",
    "confidences": "confidence",
}


@dataclass(frozen=True, slots=True, eq=False)
class Arrays:
    """Arrays by role. predicted: (n,) or (n, k), best first; scores: (n, classes); hint: the
    array's name in the file, '' for a bare NPY file."""

    predicted: NDArray[Any] | None = None
    scores: NDArray[Any] | None = None
    label: NDArray[Any] | None = None
    example: NDArray[Any] | None = None
    confidence: NDArray[Any] | None = None
    hint: str = ""
    unused: list[str] = field(default_factory=list)


def kind(path: Path) -> str:
    """The ending that says the format, such as '.csv' for x.csv.gz. Raises BadInput for others."""
    endings = [s.lower() for s in path.suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    if not endings or endings[-1] not in TABLES + ARRAYS:
        raise BadInput(f"{path} is none of {FORMATS}, to judge by its ending.")
    return endings[-1]


def read_columns(
    path: Path, delimiter: str, types: Callable[[list[str]], dict[str, pa.DataType]]
) -> pa.Table:
    """A table with its columns as they are in the file.

    types: given the column names, the columns wanted, and the type that a CSV file's texts are
    read as. Raises ImportFailed, with the place, for a file that is malformed.
    """
    try:
        if kind(path) == ".parquet":
            return _read_parquet(path, types)
        if kind(path) in (".csv", ".tsv", ".txt"):
            return _read_csv(path, delimiter, types)
        table = _from_records(_read_json(path), path)
        wanted = types(table.column_names)
        return table.select([c for c in table.column_names if c in wanted])
    except pa.ArrowException as error:
        raise ImportFailed(f"{path} cannot be read: {_first_line(error)}") from error
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise ImportFailed(f"{path} cannot be read: {error}.") from error


def header_of(path: Path, delimiter: str = "") -> tuple[list[str], str]:
    """The column names of a CSV file and its delimiter: the one most frequent in the first line."""
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(1 << 20)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ImportFailed(f"{path} is UTF-16; save it as UTF-8.")
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    if not any(line.strip() for line in lines):
        raise ImportFailed(f"{path} is empty.")
    first = lines[0]
    if not delimiter:
        delimiter = "\t" if kind(path) == ".tsv" else max(_DELIMITERS, key=first.count)
    if len(delimiter) != 1:
        raise BadInput(f"--delimiter '{delimiter}': it must be one character, such as ';'.")
    header = [c.strip() for c in next(csv.reader(io.StringIO(first), delimiter=delimiter))]
    if twice := find_repeated(header):
        raise ImportFailed(f"{path}: the column '{twice}' occurs twice.")
    if all(_is_number(c) for c in header if c) and any(header):
        raise ImportFailed(
            f"{path}: the first line looks like data, not like column names:"
            f" {', '.join(header[:6])}. Add a line with the names, such as example,predicted."
        )
    return header, delimiter


def header_looks_like_data(header: Sequence[str]) -> bool:
    """Whether one of the column names is a number."""
    return any(_is_number(name) for name in header)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(
    path: Path, delimiter: str, types: Callable[[list[str]], dict[str, pa.DataType]]
) -> pa.Table:
    from pyarrow import csv as arrow

    header, delimiter = header_of(path, delimiter)
    wanted = types(header)
    read = arrow.ReadOptions(column_names=header, skip_rows=1)
    # In a file of one column, an empty line is a row without a value.
    parse = arrow.ParseOptions(delimiter=delimiter, ignore_empty_lines=len(header) > 1)
    convert = arrow.ConvertOptions(
        column_types=wanted,
        include_columns=[c for c in header if c in wanted],
        strings_can_be_null=False,
        null_values=["", "nan", "NaN", "NA", "null", "None"],
    )
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            table = arrow.read_csv(stream, read, parse, convert)
    except pa.ArrowInvalid as error:
        said = re.sub(r"^In CSV column #(\d+): ", lambda m: f"column '{header[int(m[1])]}': ",
                      _first_line(error))  # fmt: skip
        raise ImportFailed(f"{path} cannot be read: {said}") from error
    if not len(table):
        raise ImportFailed(f"{path} has a header but no rows.")
    return table


def _read_parquet(path: Path, types: Callable[[list[str]], dict[str, pa.DataType]]) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = types(file.schema_arrow.names)
        table = file.read(columns=[c for c in file.schema_arrow.names if c in wanted])
    if not len(table):
        raise ImportFailed(f"{path} has no rows.")
    return table


def _read_json(path: Path) -> Any:
    with pa.input_stream(str(path), compression="detect") as stream:
        text = stream.read().decode("utf-8-sig")
    if kind(path) == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise ImportFailed(f"{path} is not JSON: {error}.") from error
    records = []
    for i, line in enumerate(text.splitlines()):
        if line.strip():
            try:
                records.append(json.loads(line))
            except ValueError as error:
                raise ImportFailed(f"{path}, line {i + 1}: not JSON ({error}).") from error
    return records


def _from_records(found: Any, path: Path) -> pa.Table:
    """A list of objects; a list of classes by position; {id: class}; {column: list}."""
    if isinstance(found, dict) and found:
        columns = all(isinstance(v, list) for v in found.values())
        if columns and len({len(v) for v in found.values()}) == 1 and len(found) < 100:
            return pa.table(found)
        if not any(isinstance(v, dict | list) for v in found.values()):
            return pa.table({"example": list(found), "predicted": list(found.values())})
        if all(isinstance(v, dict) for v in found.values()):
            found = [{"example": k, **v} for k, v in found.items()]
    if isinstance(found, list) and found:
        if all(isinstance(row, dict) for row in found):
            names = dict.fromkeys(name for row in found for name in row)
            return pa.table({name: [row.get(name) for row in found] for name in names})
        if not any(isinstance(row, dict | list) for row in found):
            return pa.table({"predicted": found})
        if all(isinstance(row, list) for row in found):
            return pa.table({"scores": found})
    what = "empty" if not found else "neither a list of objects nor an object of columns"
    raise ImportFailed(
        f'{path} is {what}. Give a list of objects such as {{"example": "1.png", "predicted": 3}}.'
    )


def read_arrays(path: Path) -> Arrays:
    """The arrays of an NPY or NPZ file by role. Raises ImportFailed for one that is malformed."""
    try:
        with open(path, "rb") as file:
            if file.read(4) not in (b"\x93NUM", b"PK\x03\x04"):
                raise ImportFailed(f"{path} is no NPY or NPZ file, whatever its name says.")
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return _by_role(path, {"": found})
        with found:
            return _by_role(path, {name: found[name] for name in found.files})
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        said = str(error)
        if "allow_pickle" in said:
            said = "it holds Python objects; save plain arrays, texts as an array of type str"
        raise ImportFailed(f"{path} cannot be read: {said.rstrip('.')}.") from error


def _by_role(path: Path, found: dict[str, NDArray[Any]]) -> Arrays:
    roles: dict[str, str] = {}
    for name in found:
        role = _ARRAY_NAMES.get(name.lower(), "")
        if role and role not in roles:
            roles[role] = name
    shapes = ", ".join(f"{n or 'the array'} {a.dtype}{a.shape}" for n, a in found.items())
    if "" in found:
        floats = found[""].dtype.kind == "f" and found[""].ndim == 2
        roles["scores" if floats else "predicted"] = ""
    if not {"scores", "predicted"} & set(roles):
        raise ImportFailed(
            f"{path} holds {shapes}; none is called logits, probs, scores or preds. Rename one."
        )
    picked = {role: found[name] for role, name in roles.items()}
    if "scores" in picked and (picked["scores"].ndim != 2 or picked["scores"].shape[1] < 2):
        raise ImportFailed(f"{path}: scores must have shape (examples, classes); found {shapes}.")
    if "predicted" in picked and picked["predicted"].ndim not in (1, 2):
        raise ImportFailed(f"{path}: classes must have shape (n,) or (n, k); found {shapes}.")
    lengths = {len(a) for a in picked.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise ImportFailed(f"{path}: the arrays are empty or of unequal length: {shapes}.")
    unused = [n for n in found if n not in roles.values()]
    return Arrays(**picked, hint=roles.get("scores", ""), unused=unused)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") + "."


def unread(path: Path, columns: Sequence[str]) -> str:
    """A sentence on columns nothing was done with."""
    shown = ", ".join(columns[:8]) + (" …" if len(columns) > 8 else "")
    return f"{path.name}: columns without a use here, left out: {shown}."
