"""Laying the rows of parts out as arrays of models and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heldout.errors import ConflictError
from heldout.store.block import ABSENT, NO_ANSWER, Block
from heldout.store.files import Files
from heldout.store.pieces import Piece
from heldout.store.provenance import origin_in_words


def assemble(
    files: Files,
    setting: str,
    pieces: Sequence[Piece],
    models: Sequence[str],
    columns: Sequence[str],
) -> Block:
    """Read the parts behind some pieces and lay their rows out as (models, examples)."""
    parts: dict[str, list[Piece]] = {}
    for p in pieces:
        parts.setdefault(p.part, []).append(p)
    tables = [(ps, _read_part(files, part, ps, columns)) for part, ps in sorted(parts.items())]
    row_of = {m: i for i, m in enumerate(models)}
    which = [_rows_of(table, owners, row_of) for owners, table in tables]
    examples = [_dictionary(table["example"]) for _, table in tables]
    ids = _union_of_ids(examples, which)
    layout = _Layout(len(models), len(ids))
    value_set = pa.array(ids, pa.string())
    for (owners, table), row, example in zip(tables, which, examples, strict=True):
        where = pc.fill_null(pc.index_in(example.dictionary, value_set=value_set), -1).to_numpy()
        flat = row * len(ids) + where[example.indices.to_numpy()]
        keep = None if np.all(row >= 0) else row >= 0
        layout.put(flat if keep is None else flat[keep], table, keep, owners)
    return layout.block(setting, models, ids, columns)


def lay_out(setting: str, models: Sequence[str], examples: Sequence[str], table: pa.Table) -> Block:
    """The block of a table with all columns whose rows are models one after the other."""
    layout = _Layout(len(models), len(examples))
    layout.put(np.arange(len(table)), table, None, [_NOBODY])
    return layout.block(setting, models, list(examples), ())


def _read_part(
    files: Files, part: str, pieces: Sequence[Piece], columns: Sequence[str]
) -> pa.Table:
    """The wanted columns of the row groups that can hold the wanted models."""
    wanted = sorted(p.model for p in pieces)
    extra = [*columns, *(["score_kind"] if "scores" in columns else [])]
    with pq.ParquetFile(files.source(part), read_dictionary=["model", "example"]) as file:
        names = file.schema_arrow.names
        groups = [g for g in range(file.metadata.num_row_groups) if _may_hold(file, g, wanted)]
        return file.read_row_groups(
            groups, columns=["model", "example", "predicted", *(c for c in extra if c in names)]
        )


def examples_of(files: Files, piece: Piece) -> list[str]:
    """The example ids of a piece in the order of its rows, those that count no more included."""
    table = _read_part(files, piece.part, [piece], ())
    mine = pc.equal(_dictionary(table["model"]).cast(pa.string()), piece.model)
    ids: list[str] = table["example"].filter(mine).to_pylist()
    return ids


def may_share(files: Files, part: str, low: str, high: str) -> bool:
    """Whether a part can have an example id from `low` to `high`, by the statistics in its footer.

    Ids that count up with the shards of a run make this an answer without reading a row.
    """
    metadata = pq.read_metadata(files.source(part))
    column = metadata.schema.names.index("example") if metadata.num_row_groups else 0
    for g in range(metadata.num_row_groups):
        stats = metadata.row_group(g).column(column).statistics
        if stats is None or not stats.has_min_max or not (stats.max < low or high < stats.min):
            return True
    return False


def _ended(places: NDArray[np.intp], piece: Piece) -> NDArray[np.intp]:
    """Which of a piece's rows, by their places in the part, count no more."""
    counts = np.zeros(len(places), bool)
    for leaf in piece.leaves:
        counts[leaf.start : leaf.start + leaf.rows] = True
    return places[~counts]


def _may_hold(file: pq.ParquetFile, group: int, wanted: Sequence[str]) -> bool:
    column = file.metadata.row_group(group).column(file.schema_arrow.names.index("model"))
    stats = column.statistics if column.path_in_schema == "model" else None
    if stats is None or not stats.has_min_max:
        return True
    return any(stats.min <= m <= stats.max for m in wanted)


def _dictionary(column: pa.ChunkedArray) -> Any:
    unified = column.unify_dictionaries().combine_chunks()
    if isinstance(unified, pa.ChunkedArray):
        unified = unified.chunk(0) if unified.num_chunks else pa.array([], column.type)
    return unified


def _rows_of(
    table: pa.Table, owners: Sequence[Piece], row_of: Mapping[str, int]
) -> NDArray[np.int64]:
    """For every row of a part the number of its model, or -1 when it is not wanted."""
    model = _dictionary(table["model"])
    mine = {p.model for p in owners}
    numbers = [row_of[m] if m in mine else -1 for m in model.dictionary.to_pylist()]
    rows: NDArray[np.int64] = np.array(numbers, np.int64)[model.indices.to_numpy()]
    for p in owners:
        if p.rows != p.of:
            rows[_ended(np.flatnonzero(rows == row_of[p.model]), p)] = -1
    return rows


def _union_of_ids(examples: Sequence[Any], which: Sequence[NDArray[np.int64]]) -> list[str]:
    """The example ids of all wanted rows, in the order in which the parts have them."""
    seen: dict[str, None] = {}
    for example, rows in zip(examples, which, strict=True):
        names = example.dictionary.to_pylist()
        if np.all(rows >= 0):
            seen.update(dict.fromkeys(names))
        else:
            used = np.zeros(len(names), bool)
            used[example.indices.to_numpy()[rows >= 0]] = True
            seen.update(dict.fromkeys(n for n, u in zip(names, used, strict=True) if u))
    return list(seen)


_NOBODY = Piece("", "", 0, "", "", {}, (), 0)


class _Layout:
    """Arrays of shape (models, examples) that fill up part by part."""

    def __init__(self, m: int, n: int) -> None:
        self.shape = (m, n)
        self.predicted = np.full(m * n, ABSENT, np.int32)
        self.wide: dict[str, Any] = {}
        self.score_kind: str | None = None
        self.first: Piece | None = None

    def put(self, flat: Any, table: pa.Table, keep: Any, owners: Sequence[Piece]) -> None:
        """Rows of a part go to their places; a place filled before must hold the same."""
        new = _numbers(table["predicted"], NO_ANSWER, np.int32)
        new = new if keep is None else new[keep]
        if self.first is None:
            self.first = owners[0]
        else:
            self._refuse_contradiction(flat, new, owners[0])
        self.predicted[flat] = new
        for name in ("runners_up", "scores"):
            if name in table.column_names:
                values = _matrix(table[name])
                values = values if keep is None else values[keep]
                store = self._array(name, values.shape[1], values.dtype)
                store[flat, : values.shape[1]] = values
        if "confidence" in table.column_names:
            values = _numbers(table["confidence"], np.nan, np.float32)
            self._array("confidence", 1, np.dtype(np.float32))[flat, 0] = (
                values if keep is None else values[keep]
            )
        if "error" in table.column_names:
            texts = np.array(table["error"].to_pylist(), dtype=object)
            self._array("error", 1, np.dtype(object))[flat, 0] = (
                texts if keep is None else texts[keep]
            )
        if "score_kind" in table.column_names and len(table):
            self.score_kind = table["score_kind"][0].as_py()

    def _array(self, name: str, width: int, dtype: Any) -> Any:
        fill: Any = {"runners_up": ABSENT, "error": None}.get(name, np.nan)
        if name not in self.wide:
            self.wide[name] = np.full((self.shape[0] * self.shape[1], width), fill, dtype)
        elif self.wide[name].shape[1] < width:
            old = self.wide[name]
            self.wide[name] = np.full((len(old), width), fill, dtype)
            self.wide[name][:, : old.shape[1]] = old
        return self.wide[name]

    def _refuse_contradiction(self, flat: Any, new: Any, piece: Piece) -> None:
        there = self.predicted[flat]
        if np.any((there != ABSENT) & (there != new)):
            assert self.first is not None
            raise ConflictError(
                f"Two parts of setting '{piece.setting}' disagree about the same rows (model"
                f" '{piece.model}' or others): {origin_in_words(self.first.record)} in"
                f" {self.first.part}, and {origin_in_words(piece.record)} in {piece.part}. Import"
                " the right one again with --replace."
            )

    def block(
        self, setting: str, models: Sequence[str], ids: list[str], columns: Sequence[str]
    ) -> Block:
        """What was laid out, as a block."""
        m, n = self.shape

        def matrix(name: str) -> Any:
            array = self.wide.get(name)
            return None if array is None else array.reshape(m, n, -1)

        def flat(name: str) -> Any:
            array = self.wide.get(name)
            return None if array is None else array.reshape(m, n)

        return Block(
            setting,
            list(models),
            ids,
            self.predicted.reshape(m, n),
            matrix("runners_up"),
            flat("confidence"),
            matrix("scores"),
            self.score_kind if "scores" in self.wide else None,
            flat("error"),
        )


def _numbers(column: pa.ChunkedArray, missing: Any, dtype: Any) -> Any:
    if column.null_count:
        column = pc.fill_null(column.cast(pa.from_numpy_dtype(dtype)), missing)
    return column.to_numpy().astype(dtype, copy=False)


def _matrix(column: pa.ChunkedArray) -> Any:
    """A list column as (rows, width); shorter lists are padded with -2 (or NaN)."""
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], column.type)
    values = lists.flatten().to_numpy(zero_copy_only=False)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    width = int(sizes.max()) if len(sizes) else 0
    if len(values) == len(sizes) * width:
        return values.reshape(len(sizes), width)
    fill: Any = np.nan if values.dtype.kind == "f" else ABSENT
    out = np.full((len(sizes), width), fill, values.dtype)
    out[np.arange(width) < sizes[:, None]] = values
    return out
