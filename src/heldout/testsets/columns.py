"""The columns of a table of paths and labels, as text: CSV, TSV, plain lists, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from typing import Any

from heldout.errors import BadInput
from heldout.testsets.place import Place, is_image, shared_folders

Columns = dict[str, list[Any]]
LISTED = "file"  # the column of paths of a list without a header


def read_columns(table: Place) -> Columns:
    """Every column by its name, text as it stands there. Raises BadInput for a broken table."""
    if table.name.lower().endswith((".parquet", ".pq")):
        return _parquet(table)
    try:
        content = table.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(f"The table '{table.said}' cannot be read as text: {error}.") from error
    if not text.strip():
        raise BadInput(f"The table '{table.said}' is empty.")
    first = text.partition("\n")[0].rstrip("\r")
    if _is_plain_list(first):
        return _plain_list(text, table)
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    return _separated(text, delimiter, table)


def _is_plain_list(first: str) -> bool:
    """`path number` on every line without a header, as Caffe's lists have it."""
    parts = first.split()
    return len(parts) == 2 and parts[1].isdigit() and not any(c in first for c in ",;\t")


def _plain_list(text: str, table: Place) -> Columns:
    rows = [line.rsplit(maxsplit=1) for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise BadInput(f"Line {number} of '{table.said}' is not a path and a label.")
    return {LISTED: [r[0] for r in rows], "label": [r[1] for r in rows]}


def _separated(text: str, delimiter: str, table: Place) -> Columns:
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if r]
    except csv.Error as error:
        raise BadInput(f"The table '{table.said}' is broken: {error}.") from error
    header = [name.strip() for name in rows[0]]
    if is_image(header[0]) and len(header) <= 2:  # a path, and perhaps a label: no header
        rows.insert(0, [LISTED, "label"][: len(header)])
        header = rows[0]
    if len(set(header)) != len(header):
        raise BadInput(f"The table '{table.said}' names a column twice: {', '.join(header)}.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise BadInput(
                f"Row {number} of '{table.said}' has {len(row)} values, but the header has"
                f" {len(header)}."
            )
    values = list(zip(*rows[1:], strict=True)) or [()] * len(header)
    return {name: list(column) for name, column in zip(header, values, strict=True)}


def _parquet(table: Place) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with table.open() as file:
            read = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"The table '{table.said}' cannot be read: {error}.") from error
    return {name: read.column(name).to_pylist() for name in read.column_names}


def class_folders(paths: Sequence[str]) -> list[str] | None:
    """The class folder in every path, below the folders that all share; None: no two differ.

    >>> class_folders(["val/cat/1.png", "val/dog/2.png"]), class_folders(["val/1.png", "2.png"])
    (['cat', 'dog'], None)
    """
    split = [path.split("/")[:-1] for path in paths]
    shared = len(shared_folders(paths))
    if any(len(folders) <= shared for folders in split):
        return None
    return [folders[shared] for folders in split]


def typed(values: Sequence[Any]) -> list[Any]:
    """Whole numbers where all values are written as such; otherwise the values as they are.

    >>> typed(["1", "20"]), typed(["01", "2"])
    ([1, 20], ['01', '2'])
    """
    if all(isinstance(v, str) and (v.isascii() and v.isdigit()) and str(int(v)) == v
           for v in values):  # fmt: skip
        return [int(v) for v in values]
    return list(values)
