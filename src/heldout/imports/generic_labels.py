"""Labels for anybody's predictions: from a column beside them, or from a file of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heldout.errors import BadInput, ImportFailed
from heldout.imports.class_names import Values, values
from heldout.imports.generic_files import ARRAYS, kind, read_arrays, read_columns
from heldout.imports.generic_rows import Names, Rows, names
from heldout.imports.generic_spec import NAMES, GenericSpec, plain
from heldout.imports.tables import find_repeated

_LABEL_NAMES = (*NAMES["label"], "class", "classid", "wnid", "synset", "category")


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """Labels of n examples; example: None where the file gives them by position only.

    groups: further columns, such as writer or video.
    """

    example: list[str] | None
    label: Values
    groups: Mapping[str, Sequence[Any]]
    notes: tuple[str, ...] = ()


def read_labels(path: Path, spec: GenericSpec) -> LabelRows:
    """A label file: CSV, Parquet, JSON with ids and labels, or an NPY, NPZ array by position."""
    if not path.is_file():
        raise BadInput(f"--labels '{path}' is not a file.")
    if kind(path) in ARRAYS:
        found = read_arrays(path)
        label = found.label if found.label is not None else found.predicted
        if label is None or label.ndim != 1:
            raise ImportFailed(f"{path}: labels must be one array of shape (n,).")
        ids = None if found.example is None else names(pa.array(found.example), "id", path).texts()
        return LabelRows(ids, values(label), {})
    table = read_columns(path, spec.delimiter, lambda header: dict.fromkeys(header, pa.string()))
    header = table.column_names
    example = _named(header, (spec.example,), NAMES["example"])
    label_column = _named(header, (spec.label,), _LABEL_NAMES)
    if not label_column and kind(path) in (".json", ".jsonl", ".ndjson"):
        label_column = "predicted" if "predicted" in header else ""  # {id: class} without names
    if not label_column:
        raise ImportFailed(
            f"{path}: no column says the label. Columns: {', '.join(header[:20])}. Name it with"
            " --label, the ids with --example."
        )
    try:
        label_values = values(table[label_column])
    except (ImportFailed, pa.ArrowException) as error:
        raise ImportFailed(
            f"{path}, column '{label_column}': {error}; one class a row is meant."
        ) from error
    # A column without a name is the index that pandas writes.
    others = [h for h in header if h and h not in (example, label_column)]
    groups = {h: _group(table[h]) for h in others}
    ids = names(table[example], "example id", path).texts() if example else None
    if twice := find_repeated(ids or ()):
        raise ImportFailed(f"{path}: the example '{twice}' has more than one label row.")
    return LabelRows(ids, label_values, groups)


def own_labels(rows: Rows, example: Names, chosen: NDArray[np.int64]) -> LabelRows:
    """The labels beside some rows, one an example. Raises ImportFailed where rows disagree."""
    assert rows.label is not None
    here = example.take(chosen)
    if here.unique():
        return _labelled(here.texts(), rows.label.take(chosen), {}, rows.where)
    ids, first, inverse = np.unique(example.codes[chosen], return_index=True, return_inverse=True)
    codes = rows.label.codes[chosen]
    differs = np.flatnonzero(codes[first][inverse] != codes)
    if differs.size:
        row = int(chosen[differs[0]])
        raise ImportFailed(
            f"{rows.where}, row {row + 1}: the example"
            f" '{example.distinct[int(example.codes[row])]}' has another label than in row"
            f" {int(chosen[first[inverse[differs[0]]]]) + 1}."
        )
    order = np.argsort(first, kind="stable")
    label = rows.label.take(chosen[first[order]])
    return _labelled([example.distinct[int(i)] for i in ids[order]], label, {}, rows.where)


def joined(labels: LabelRows, ids: Sequence[str], setting: str, where: str) -> LabelRows:
    """The labels of a file for the examples `ids` of a setting.

    By id; by position where the file has none. Raises ImportFailed when nothing or the wrong
    number fits.
    """
    if labels.example is None:
        if len(labels.label) != len(ids):
            raise ImportFailed(
                f"{where} holds {len(labels.label)} labels without ids, but setting '{setting}' has"
                f" {len(ids)} examples: they cannot be joined by position."
            )
        note = f"Labels were joined to '{setting}' by position: the label file has no ids."
        rows = _labelled(list(ids), labels.label, labels.groups, where)
        return LabelRows(rows.example, rows.label, rows.groups, (note, *rows.notes))
    known = set(labels.example)
    without = [i for i in ids if i not in known]
    if len(without) == len(ids):
        raise ImportFailed(
            f"{where}: none of the {len(ids)} examples of setting '{setting}' has a label. Ids"
            f" there: {', '.join(labels.example[:3])}; in the predictions: {', '.join(ids[:3])}."
            " They must be spelt alike; --example names another column of ids."
        )
    rows = _labelled(labels.example, labels.label, labels.groups, where)
    notes = list(rows.notes)
    if without:
        notes.append(
            f"{len(without)} of {len(ids)} predicted examples of '{setting}' have no label (such as"
            f" {without[0]}); they cannot be scored."
        )
    return LabelRows(rows.example, rows.label, rows.groups, tuple(notes))


def _labelled(
    ids: list[str], label: Values, groups: Mapping[str, Sequence[Any]], where: str
) -> LabelRows:
    """Without the examples whose label is empty, which a note counts."""
    there = label.codes >= 0
    if there.all():
        return LabelRows(ids, label, groups)
    if not there.any():
        raise ImportFailed(f"{where}: every label is empty.")
    keep = np.flatnonzero(there).tolist()
    note = f"{int((~there).sum())} examples have an empty label and are left out of the label set."
    return LabelRows(
        [ids[i] for i in keep],
        label.take(keep),
        {name: [column[i] for i in keep] for name, column in groups.items()},
        (note,),
    )


def _named(header: Sequence[str], said: Sequence[str], usual: Sequence[str]) -> str:
    for name in said:
        if name and name in header:
            return name
    there = {plain(h): h for h in reversed(header)}
    return next((there[name] for name in usual if name in there), "")


def _group(column: Any) -> list[Any]:
    """A group's values: integers where all are, else texts."""
    try:
        found = values(column)
    except (ImportFailed, pa.ArrowException):
        return [str(v) for v in column.to_pylist()]
    return [None if c < 0 else found.distinct[c] for c in found.codes.tolist()]
