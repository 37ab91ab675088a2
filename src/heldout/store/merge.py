"""Joining the rows of several parts in one, value for value: no row is computed, only moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heldout.errors import StoreError
from heldout.store.block import Order, digests, example_order
from heldout.store.files import Files
from heldout.store.layout import lay_out
from heldout.store.part import ROWS_PER_GROUP, part_writer
from heldout.store.schema import PREDICTIONS

_CODED = ["model", "example"]
_AGREE = {"predicted", "confidence", "runners_up", "error"}  # null where a part lacks the column


class Ids:
    """The example ids of a setting, numbered as they are met."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def of(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Their numbers; new ones are given the next."""
        return np.array([self.number.setdefault(n, len(self.number)) for n in names], np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Where the rows of every model are in a part, and of which examples they are.

    rows: model -> (first row, end, key of its examples); examples: key -> their numbers in order;
    groups: the first row of every row group, and the number of rows last; width: bytes of a row in
    memory, about; kind: what must be the same in parts that become one; flaw: why the part cannot
    be merged, or "".
    """

    part: str
    rows: Mapping[str, tuple[int, int, bytes]]
    examples: Mapping[bytes, NDArray[np.int32]]
    groups: NDArray[np.int64]
    width: float
    schema: pa.Schema
    kind: tuple[str, ...]
    flaw: str


def scan(files: Files, part: str, ids: Ids) -> Scan:
    """Look a part through without its values."""
    models: list[str] = []
    bounds: list[int] = []
    numbers: list[NDArray[np.int32]] = []
    with pq.ParquetFile(files.source(part), read_dictionary=_CODED) as file:
        meta, schema = file.metadata, file.schema_arrow
        sizes = [meta.row_group(g).num_rows for g in range(meta.num_row_groups)]
        done = 0
        for g in range(meta.num_row_groups):
            table = file.read_row_group(g, columns=_CODED)
            names, index = _coded(table["model"])
            starts = np.flatnonzero(np.diff(index, prepend=-1))
            for name, start in zip([names[i] for i in index[starts]], starts, strict=True):
                if not models or models[-1] != name:
                    models.append(name)
                    bounds.append(done + int(start))
            known, which = _coded(table["example"])
            numbers.append(ids.of(known)[which])
            done += len(table)
        kind = _kind(file, schema)
        width = 16.0 + 4 * _values(meta) / max(done, 1)
    flaw = "" if len(set(models)) == len(models) else "its rows are not sorted by model"
    every = np.concatenate(numbers) if numbers else np.zeros(0, np.int32)
    rows, examples = {}, {}
    for name, first, end in zip(models, bounds, [*bounds[1:], done], strict=True):
        mine = every[first:end]
        key = hashlib.blake2b(mine.tobytes(), digest_size=12).digest()
        rows[name] = (first, end, key)
        if key not in examples:
            examples[key] = mine.copy()
    groups = np.cumsum([0, *sizes])
    return Scan(part, rows, examples, groups, width, schema, kind, flaw)


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows [start, end) of a part, counted in the file, all of one model."""

    part: str
    start: int
    end: int


class Merging:
    """The rows of many parts as those of one: models sorted, the slices of each in their order."""

    def __init__(
        self,
        files: Files,
        setting: str,
        scans: Mapping[str, Scan],
        ids: Ids,
        slices: Mapping[str, Sequence[Slice]],
        memory: int,
    ) -> None:
        self.files, self.setting, self.scans, self.slices = files, setting, scans, slices
        self.names = list(ids.number)
        self.memory = memory
        self.schema = _joined([scans[p].schema for p in sorted(scans)])
        self.orders: dict[bytes, tuple[list[str], Order]] = {}
        self.digests: dict[str, str] = {}

    def chunks(self) -> Iterator[tuple[list[str], list[int], pa.Table]]:
        """Row groups: models, rows of each, table without the model's column; in order."""
        for models in self._passes():
            tables = self._read(models)
            chunk: list[str] = []
            count: list[int] = []
            for model in models:
                rows = sum(s.end - s.start for s in self.slices[model])
                if chunk and sum(count) + rows > ROWS_PER_GROUP:
                    yield chunk, count, self._table(chunk, tables)
                    chunk, count = [], []
                chunk.append(model)
                count.append(rows)
            if chunk:
                yield chunk, count, self._table(chunk, tables)

    def write(self, file: Any) -> pq.ParquetWriter:
        """All rows into an open file; the writer is left open for the metadata."""
        writer: pq.ParquetWriter | None = None
        for models, count, table in self.chunks():
            self.digests.update(self._digests(models, count, table))
            whole = _with_models(models, count, table, self.names)
            if writer is None:
                writer = part_writer(file, whole.schema)
            writer.write_table(whole, row_group_size=max(len(whole), 1))
        if writer is None:
            raise ValueError("nothing to merge")
        return writer

    def verify(self, source: Any) -> None:
        """Read what was written. Raises StoreError when a row is not what it was."""
        found: dict[str, str] = {}
        number = {n: i for i, n in enumerate(self.names)}
        with pq.ParquetFile(source, read_dictionary=_CODED) as file:
            for g in range(file.metadata.num_row_groups):
                table = file.read_row_group(g)
                names, index = _coded(table["model"])
                starts = np.flatnonzero(np.diff(index, prepend=-1))
                count = np.diff(np.append(starts, len(index))).tolist()
                known, which = _coded(table["example"])
                numbers = np.array([number[n] for n in known], np.int32)[which]
                plain = table.drop_columns(["model"]).set_column(0, "example", pa.array(numbers))
                found |= self._digests([names[i] for i in index[starts]], count, plain)
        if found != self.digests:
            raise StoreError(
                f"Setting '{self.setting}': the merged part does not read back as it was written,"
                " so nothing was merged and nothing is lost. Look at the disk, then try again."
            )

    def _passes(self) -> Iterator[list[str]]:
        """The models in order, as many at once as the memory allows."""
        width = max(s.width for s in self.scans.values())
        models: list[str] = []
        total = 0.0
        for model in sorted(self.slices):
            size = width * sum(s.end - s.start for s in self.slices[model])
            if models and total + size > self.memory:
                yield models
                models, total = [], 0.0
            models.append(model)
            total += size
        yield models

    def _read(self, models: Sequence[str]) -> dict[str, tuple[int, pa.Table]]:
        """Of every part the rows that lie between the first and the last that is wanted."""
        wanted: dict[str, list[Slice]] = {}
        for model in models:
            for s in self.slices[model]:
                wanted.setdefault(s.part, []).append(s)
        return {part: self._read_part(part, slices) for part, slices in wanted.items()}

    def _read_part(self, part: str, slices: Sequence[Slice]) -> tuple[int, pa.Table]:
        low, high = min(s.start for s in slices), max(s.end for s in slices)
        groups = self.scans[part].groups
        which = np.flatnonzero((groups[:-1] < high) & (groups[1:] > low)).tolist()
        columns = [n for n in self.scans[part].schema.names if n != "model"]
        with pq.ParquetFile(self.files.source(part), read_dictionary=["example"]) as file:
            table = file.read_row_groups(which, columns=columns)
        first = int(groups[which[0]]) if which else 0
        if high - low < len(table):  # a copy, so that the rest is not held in memory
            table = table.take(np.arange(low - first, high - first))
            first = low
        known, index = _coded(table["example"])
        number = {n: i for i, n in enumerate(self.names)}
        numbers = np.array([number[n] for n in known], np.int32)[index]
        arrays = [pa.array(numbers)]
        for field in list(self.schema)[1:]:
            if field.name in table.column_names:
                arrays.append(table[field.name].cast(field.type))
            else:
                arrays.append(pa.nulls(len(table), field.type))
        return first, pa.table(arrays, schema=self.schema)

    def _table(self, models: Sequence[str], tables: Mapping[str, tuple[int, pa.Table]]) -> pa.Table:
        found = []
        for model in models:
            for s in self.slices[model]:
                first, table = tables[s.part]
                found.append(table.slice(s.start - first, s.end - s.start))
        return pa.concat_tables(found).combine_chunks()

    def _digests(
        self, models: Sequence[str], count: Sequence[int], table: pa.Table
    ) -> dict[str, str]:
        """The digest of every model's rows; models with the same examples are taken together."""
        numbers = table["example"].to_numpy()
        ends = np.cumsum(count)
        keys = [numbers[e - n : e].tobytes() for e, n in zip(ends, count, strict=True)]
        out: dict[str, str] = {}
        at = 0
        for key, same in groupby(range(len(models)), key=lambda i: keys[i]):
            mine = [models[i] for i in same]
            n = len(key) // 4
            if key not in self.orders:
                ids = [self.names[i] for i in np.frombuffer(key, np.int32)]
                self.orders[key] = ids, example_order(ids)
            ids, order = self.orders[key]
            block = lay_out(self.setting, mine, ids, table.slice(at, n * len(mine)))
            out |= dict(zip(mine, digests(block, order), strict=True))
            at += n * len(mine)
        return out


def _with_models(
    models: Sequence[str], count: Sequence[int], table: pa.Table, names: Sequence[str]
) -> pa.Table:
    """The table of a row group as it is written: model and example as text by a dictionary."""
    which = np.repeat(np.arange(len(models), dtype=np.int32), count)
    numbers = table["example"].to_numpy()
    used, first = np.unique(numbers, return_index=True)
    used = used[np.argsort(first)]  # readers give examples in this order
    place = np.zeros(len(names), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    columns = {
        "model": pa.DictionaryArray.from_arrays(which, pa.array(models, pa.string())),
        "example": pa.DictionaryArray.from_arrays(
            place[numbers], pa.array([names[i] for i in used], pa.string())
        ),
    }
    return pa.table(columns | {n: table[n] for n in table.column_names if n != "example"})


def _joined(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all parts in the schema's order, the example as a number."""
    types: dict[str, pa.DataType] = {}
    for field in (f for schema in schemas for f in schema):
        if types.get(field.name) in (None, pa.int16(), pa.list_(pa.int16())):
            types[field.name] = _plain(field.type)
    order = [f.name for f in PREDICTIONS.fields]
    rest = [n for n in types if n not in (*order, "model", "example")]
    named = [n for n in order if n in types and n not in ("model", "example")]
    fields = [pa.field("example", pa.int32())]
    return pa.schema(fields + [pa.field(n, types[n]) for n in [*named, *sorted(rest)]])


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.list_(kind.value_type) if pa.types.is_list(kind) else kind


def _kind(file: pq.ParquetFile, schema: pa.Schema) -> tuple[str, ...]:
    """Columns that no part may lack, and what the scores are."""
    names = [f"{f.name} {f.type}" for f in schema if f.name not in {*_AGREE, *_CODED}]
    said = ""
    if "score_kind" in schema.names and file.metadata.num_rows:
        said = str(next(file.iter_batches(1, columns=["score_kind"]))[0][0].as_py())
    return (*sorted(names), said)


def _values(metadata: pq.FileMetaData) -> int:
    groups = (metadata.row_group(g) for g in range(metadata.num_row_groups))
    return sum(g.column(c).num_values for g in groups for c in range(g.num_columns))


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """A dictionary column as its values and, for every row, which it has."""
    unified = column.unify_dictionaries().combine_chunks()
    if isinstance(unified, pa.ChunkedArray):
        if not unified.num_chunks:
            return [], np.zeros(0, np.int32)
        unified = unified.chunk(0)
    return unified.dictionary.to_pylist(), unified.indices.to_numpy()
