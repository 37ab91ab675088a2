"""Anybody's file of predictions as rows: ids, classes and scores with their roles settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heldout.errors import ImportFailed
from heldout.imports.class_names import Values, values
from heldout.imports.generic_files import ARRAYS, kind, read_arrays, read_columns, unread
from heldout.imports.generic_spec import GenericSpec, Roles, roles


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A column of names: codes (n,) index into `distinct`."""

    codes: NDArray[np.int64]
    distinct: list[str]

    def texts(self) -> list[str]:
        """(n,) names."""
        if np.array_equal(self.codes, np.arange(len(self.distinct))):
            return self.distinct
        return [self.distinct[i] for i in self.codes.tolist()]

    def take(self, rows: Any) -> Names:
        """Some of the rows."""
        return Names(self.codes[rows], self.distinct)

    def unique(self) -> bool:
        """Whether no name occurs twice."""
        return bool(np.bincount(self.codes, minlength=1).max() <= 1)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n rows, one a (model, setting, example). example: None where the file has no ids.

    predicted: None where only scores say it. places: the classes in places 2, 3, …
    scores: (n, classes); hint: what their name promises. notes: what to tell the reader.
    """

    path: Path
    n: int
    example: Names | None
    model: Names | None
    setting: Names | None
    predicted: Values | None
    places: Sequence[Values]
    label: Values | None
    confidence: NDArray[np.float32] | None
    scores: NDArray[np.floating[Any]] | None
    hint: str
    notes: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The file's name for messages."""
        return str(self.path)

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Some of the rows."""

        def some(column: Any) -> Any:
            return None if column is None else column.take(rows)

        return Rows(
            self.path, len(rows), some(self.example), some(self.model), some(self.setting),
            some(self.predicted), [p.take(rows) for p in self.places], some(self.label),
            None if self.confidence is None else self.confidence[rows],
            None if self.scores is None else self.scores[rows], self.hint, self.notes,
        )  # fmt: skip


def read_rows(path: Path, spec: GenericSpec) -> Rows:
    """The rows of a file. Raises ImportFailed, NotFound or BadInput (see `roles`)."""
    if kind(path) in ARRAYS:
        return _from_arrays(path)
    found: list[Roles] = []

    def types(header: list[str]) -> dict[str, pa.DataType]:
        found.append(roles(header, spec, path))
        numeric = found[0].numeric()
        return {c: pa.float64() if c in numeric else pa.string() for c in found[0].wanted()}

    table = read_columns(path, spec.delimiter, types)
    return _widened(table, found[0], path) if found[0].wide else _from_table(table, found[0], path)


def names(column: Any, what: str, path: Path) -> Names:
    """A column of names. Raises ImportFailed where a cell is empty."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_floating(array.type):
        array = array.cast(pa.int64())  # ids that were integers until a blank came among them
    encoded = array.cast(pa.string()).dictionary_encode()
    blank = pc.index(encoded.dictionary, "").as_py()
    if encoded.indices.null_count or blank >= 0:
        row = next(i for i, v in enumerate(encoded.to_pylist()) if not v) + 1
        raise ImportFailed(f"{path}, row {row}: the {what} is empty.")
    codes = encoded.indices.to_numpy().astype(np.int64)
    return Names(codes, encoded.dictionary.to_pylist())


def _column(table: pa.Table, name: str, path: Path) -> Values:
    try:
        return values(table[name])
    except (ImportFailed, pa.ArrowException) as error:
        raise ImportFailed(f"{path}, column '{name}': {error}; classes are meant.") from error


def _from_table(table: pa.Table, role: Roles, path: Path) -> Rows:
    scores = _score_matrix(table, role.scores, path)
    predicted, places = _predicted(table, role, path)
    return Rows(
        path,
        len(table),
        _names(table, role.example, "example id", path),
        _names(table, role.model, "model", path),
        _names(table, role.setting, "setting", path),
        predicted,
        places,
        _column(table, role.label, path) if role.label else None,
        _numbers(table, role.confidence, path) if role.confidence else None,
        scores,
        role.hint,
        [unread(path, role.unused)] if role.unused else [],
    )


def _widened(table: pa.Table, role: Roles, path: Path) -> Rows:
    """A column a model, laid out as one row a (model, example)."""
    n, models = len(table), list(role.wide)

    def repeated(column: Names | None) -> Names | None:
        return (
            None if column is None else Names(np.tile(column.codes, len(models)), column.distinct)
        )

    if role.example:
        example = _names(table, role.example, "example id", path)
    else:
        example = Names(np.arange(n), [str(i) for i in range(n)])
    columns = [table[m].combine_chunks() for m in models]
    kinds = {str(c.type) for c in columns}
    one = pa.concat_arrays(columns if len(kinds) == 1 else [c.cast(pa.string()) for c in columns])
    label = _column(table, role.label, path) if role.label else None
    notes = [unread(path, role.unused)] if role.unused else []
    notes.append(f"{path.name}: {len(models)} columns were taken for models.")
    if not role.example:
        notes.append(numbered(path, n))
    return Rows(
        path,
        n * len(models),
        repeated(example),
        Names(np.repeat(np.arange(len(models)), n), models),
        repeated(_names(table, role.setting, "setting", path)),
        _column(pa.table({"a model's column": one}), "a model's column", path),
        [],
        None if label is None else label.take(np.tile(np.arange(n), len(models))),
        None,
        None,
        "",
        notes,
    )


def numbered(path: Path, n: int) -> str:
    """The note for a file without example ids."""
    return (
        f"{path.name}: there are no example ids, so the rows were called 0 to {n - 1}. Files joined"
        " by position are wrong without a word when one of them has another order; ids are safer."
    )


def _names(table: pa.Table, column: str, what: str, path: Path) -> Names | None:
    return names(table[column], what, path) if column else None


def _numbers(table: pa.Table, column: str, path: Path) -> NDArray[np.float32]:
    try:
        found = table[column].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise ImportFailed(f"{path}, column '{column}': not numbers ({error}).") from error
    out = np.asarray(found, np.float32)
    if out.size and (np.nanmin(out, initial=0) < 0 or np.nanmax(out, initial=0) > 1):
        raise ImportFailed(
            f"{path}, column '{column}': a confidence lies in [0, 1]; it runs from"
            f" {np.nanmin(out):.4g} to {np.nanmax(out):.4g}."
        )
    return out


def _predicted(table: pa.Table, role: Roles, path: Path) -> tuple[Values | None, Sequence[Values]]:
    if not role.predicted:
        return None, []
    column = table[role.predicted]
    if not _is_list(column.type):
        first = _column(table, role.predicted, path)
        return first, [_column(table, c, path) for c in role.places]
    matrix = _list_matrix(column, role.predicted, path)
    split = [values(np.ascontiguousarray(matrix[:, i])) for i in range(matrix.shape[1])]
    return split[0], split[1:]


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _list_matrix(column: Any, name: str, path: Path) -> NDArray[Any]:
    array = column.combine_chunks()
    lengths = set(pc.unique(pc.list_value_length(array)).to_pylist())
    if len(lengths) != 1 or not lengths - {None, 0}:
        raise ImportFailed(f"{path}, column '{name}': the lists are empty or of unequal length.")
    return np.asarray(array.flatten().to_numpy(zero_copy_only=False)).reshape(len(array), -1)


def _score_matrix(
    table: pa.Table, columns: Sequence[str], path: Path
) -> NDArray[np.floating[Any]] | None:
    if not columns:
        return None
    if len(columns) == 1 and _is_list(table[columns[0]].type):
        matrix = _list_matrix(table[columns[0]], columns[0], path)
    elif len(columns) == 1:
        raise ImportFailed(f"{path}, column '{columns[0]}': a list of scores a row is expected.")
    else:
        matrix = np.empty((len(table), len(columns)))
        for j, name in enumerate(columns):
            try:
                matrix[:, j] = table[name].cast(pa.float64()).to_numpy()
            except pa.ArrowException as error:
                raise ImportFailed(f"{path}, column '{name}': not numbers ({error}).") from error
    if matrix.dtype.kind not in "fiu" or matrix.shape[1] < 2:
        raise ImportFailed(f"{path}: scores must be numbers, for at least two classes.")
    return _floats(matrix)


def _floats(matrix: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Integers as double precision, half precision as single."""
    if matrix.dtype.kind != "f":
        return matrix.astype(np.float64)
    return matrix.astype(np.float32) if matrix.dtype.itemsize < 4 else matrix


def _from_arrays(path: Path) -> Rows:
    found = read_arrays(path)
    predicted, places = None, []
    if found.predicted is not None:
        columns = found.predicted if found.predicted.ndim == 2 else found.predicted[:, None]
        predicted, *places = [
            _array(columns[:, i], "classes", path) for i in range(columns.shape[1])
        ]
    first = found.predicted if found.predicted is not None else found.scores
    assert first is not None
    if found.scores is not None and found.scores.dtype.kind not in "fiu":
        raise ImportFailed(f"{path}: scores must be numbers, not {found.scores.dtype}.")
    confidence = None
    if found.confidence is not None:
        table = pa.table({"confidence": np.asarray(found.confidence, np.float64)})
        confidence = _numbers(table, "confidence", path)
    return Rows(
        path,
        len(first),
        None if found.example is None else names(pa.array(found.example), "example id", path),
        None,
        None,
        predicted,
        places,
        None if found.label is None else _array(found.label, "labels", path),
        confidence,
        None if found.scores is None else _floats(found.scores),
        _hint(found.hint),
        [unread(path, found.unused)] if found.unused else [],
    )


def _array(array: NDArray[Any], what: str, path: Path) -> Values:
    try:
        return values(np.ascontiguousarray(array))
    except (ImportFailed, pa.ArrowException) as error:
        raise ImportFailed(
            f"{path}: {what} of type {array.dtype} cannot be used: {error}."
        ) from error


_HINTS: Mapping[str, str] = {
    "logits": "logits",
    "probs": "probabilities",
    "probabilities": "probabilities",
    "log_probs": "log-probabilities",
    "scores": "scores",
}


def _hint(name: str) -> str:
    return _HINTS.get(name.lower(), "")
