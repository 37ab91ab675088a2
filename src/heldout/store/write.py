"""Writing to a store: predictions, and the small tables beside them.

Parts are immutable and named after their content, so that writing the same thing twice, even at
the same moment from two processes, ends with one file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heldout.errors import BadInput, ConflictError
from heldout.store.block import Block, digests
from heldout.store.files import Files
from heldout.store.pieces import Piece
from heldout.store.provenance import Provenance, listed, origin_in_words, to_metadata
from heldout.store.read import Store
from heldout.store.schema import CLASSES, LABELS, MODELS, RESULTS, SETTINGS, Kind

ROWS_PER_GROUP = 1 << 20
_ZSTD_LEVEL = 3
_BATCH = 1 << 16  # PyArrow's 1,024 spends as long on calls as on encoding
_DICTIONARY_BYTES = 8 << 20  # large enough for 50,000 example ids; else they fall back to plain


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: models newly stored, models whose rows were there already, the file."""

    stored: tuple[str, ...]
    unchanged: tuple[str, ...]
    part: str | None


def write_predictions(
    store: Store, block: Block, origin: Provenance, *, replace: bool = False
) -> Written:
    """Store a block as one part.

    A model whose rows are all there already is left out. Raises ConflictError when the store holds
    different rows for the same examples, unless `replace`.
    """
    marks = digests(block)
    present = {m: store.pieces_of(block.setting, m) for m in block.models}
    fresh: list[int] = []
    replaced: list[str] = []
    clashes: list[tuple[str, Piece]] = []
    for i, model in enumerate(block.models):
        pieces = present[model]
        others = [p.digest for p in pieces if p.digest != marks[i]]
        if len(others) < len(pieces) and not (replace and others):
            continue
        fresh.append(i)
        if replace:
            replaced += others
        elif pieces and (clash := _clash(store, block, i, pieces)):
            clashes.append((model, clash))
    if clashes:
        raise ConflictError(_clash_message(block.setting, clashes, origin))
    unchanged = tuple(m for i, m in enumerate(block.models) if i not in set(fresh))
    if not fresh:
        return Written((), unchanged, None)
    fresh.sort(key=lambda i: block.models[i])
    part = block.take(fresh)
    pieces_record = [
        {"model": block.models[i], "rows": len(block.examples), "digest": marks[i]} for i in fresh
    ]
    metadata = to_metadata(
        origin, {"setting": block.setting, "pieces": pieces_record, "replaces": replaced}
    )
    name = _part_name(
        f"predictions/setting={quote(block.setting, safe='')}",
        json.dumps([[p["digest"], p["model"]] for p in pieces_record] + replaced),
    )
    store.files.write(name, lambda f: _write_block(f, part, metadata))
    store.forget()
    return Written(tuple(part.models), unchanged, name)


def write_labels(
    store: Store,
    label_set: str,
    examples: Sequence[str],
    label: Any,
    classes: Sequence[str],
    origin: Provenance,
    *,
    class_names: Sequence[str] | None = None,
    any_of: Sequence[Sequence[int]] | None = None,
    groups: Mapping[str, Sequence[Any]] | None = None,
    replace: bool = False,
) -> None:
    """Store a label set: its classes in order and the label of every example.

    label: (n,) class indices. any_of: for every example all classes that count as right.
    groups: columns such as 'writer' or 'video', one entry an example.
    """
    values = np.asarray(label)
    if len(values) != len(examples):
        raise BadInput(
            f"Label set '{label_set}': {len(examples)} example ids but {len(values)} labels."
        )
    if len(set(examples)) != len(examples):
        raise BadInput(f"Label set '{label_set}': an example id occurs more than once.")
    if len(values) and (values.min() < 0 or values.max() >= len(classes)):
        raise BadInput(
            f"Label set '{label_set}': labels run from {values.min()} to {values.max()}, but there"
            f" are {len(classes)} classes (0 to {len(classes) - 1})."
        )
    columns: dict[str, Any] = {
        "example": pa.array(examples, pa.string()),
        "label": pa.array(values.astype(np.int32)),
    }
    if any_of is not None:
        columns["any_of"] = pa.array([list(a) for a in any_of], pa.list_(pa.int32()))
    for name, group in (groups or {}).items():
        if name in columns:
            raise BadInput(f"Label set '{label_set}': a group column may not be called '{name}'.")
        columns[name] = pa.array(list(group))
    named = pa.table(
        {
            "index": pa.array(range(len(classes)), pa.int32()),
            "class": pa.array([str(c) for c in classes], pa.string()),
            "name": pa.array([str(c) for c in class_names or classes], pa.string()),
        }
    )
    folder = f"label_set={quote(label_set, safe='')}"
    write_table(store, CLASSES, named, origin, below=folder, replace=replace)
    write_table(store, LABELS, pa.table(columns), origin, below=folder, replace=replace)


def write_models(store: Store, rows: Sequence[Mapping[str, Any]], origin: Provenance) -> None:
    """Store model metadata: a dictionary a model, with the key 'model'."""
    write_table(store, MODELS, _from_rows(rows, "model"), origin)


def write_settings(store: Store, rows: Sequence[Mapping[str, Any]], origin: Provenance) -> None:
    """Store settings: a dictionary a setting, with the key 'setting'; columns as in the schema."""
    write_table(store, SETTINGS, _from_rows(rows, "setting"), origin)


def write_results(
    store: Store, rows: pa.Table, origin: Provenance, *, replace: bool = False
) -> None:
    """Store accuracies without examples: model, setting, metric, value, k, n (see the schema)."""
    order = [f.name for f in RESULTS.fields]
    write_table(store, RESULTS, rows.select(order), origin, replace=replace)


def write_table(
    store: Store,
    kind: Kind,
    table: pa.Table,
    origin: Provenance,
    *,
    below: str = "",
    replace: bool = False,
) -> None:
    """Store a small table as one part; a table that is there already is not written again.

    Raises ConflictError when rows with the same key but other values are there, unless `replace`
    (models and settings never conflict: the file made last is believed).
    """
    folder = "/".join(p for p in (kind.folder.split("/")[0], below) if p)
    mark = _table_digest(table)
    older = [] if replace else store.tables(kind, folder)
    if any(_table_digest(t) == mark for _, t in older):
        return
    if kind in (LABELS, CLASSES, RESULTS):
        for record, there in older:
            _refuse_difference(kind, below, there, table, record, origin)
    metadata = to_metadata(origin, {"replace": replace})
    tagged = table.replace_schema_metadata(metadata)
    # A replacement is a new event even when its content was there before: it must be the newest.
    name = _part_name(folder, mark + (metadata[b"heldout"].decode() if replace else ""))
    store.files.write(name, lambda f: pq.write_table(tagged, f, compression="zstd"))
    store.forget()


def init(files: Files) -> None:
    """Make the mark of a store where there is none; two writers at once make the same mark."""
    from heldout.store.schema import MARK, VERSION

    if not files.exists(MARK):
        record = {"schema": VERSION, "about": "A store of heldout: plain Parquet; see its docs."}
        files.write(MARK, lambda f: f.write((json.dumps(record) + "\n").encode()))


def _write_block(file: Any, block: Block, metadata: Mapping[bytes, bytes]) -> None:
    """Row groups of whole models, so that one model can be read without the others."""
    n = len(block.examples)
    step = max(1, ROWS_PER_GROUP // max(n, 1))
    ids = pa.array(block.examples, pa.string())
    writer: pq.ParquetWriter | None = None
    for start in range(0, len(block.models), step):
        chunk = block.take(range(start, min(start + step, len(block.models))))
        table = _rows(chunk, ids)
        if writer is None:
            writer = pq.ParquetWriter(
                file,
                table.schema,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                use_dictionary=[c for c in table.column_names if c != "scores"],
                dictionary_pagesize_limit=_DICTIONARY_BYTES,
                write_batch_size=_BATCH,
                store_schema=False,  # else readers see Arrow dictionaries (categories), not text
            )
        writer.write_table(table, row_group_size=max(len(table), 1))
    if writer is not None:
        writer.add_key_value_metadata(dict(metadata))
        writer.close()


def _rows(block: Block, ids: pa.Array) -> pa.Table:
    """The Arrow table of a block, models one after the other."""
    m, n = block.predicted.shape
    kind = _class_type(block)
    top = block.predicted.reshape(-1)
    columns: dict[str, Any] = {
        "model": pa.DictionaryArray.from_arrays(
            pa.array(np.repeat(np.arange(m, dtype=np.int32), n)),
            pa.array(block.models, pa.string()),
        ),
        "example": pa.DictionaryArray.from_arrays(
            pa.array(np.tile(np.arange(n, dtype=np.int32), m)), ids
        ),
        "predicted": pa.array(top.astype(kind), mask=top < 0),
    }
    if block.confidence is not None:
        values = block.confidence.reshape(-1).astype(np.float32)
        columns["confidence"] = pa.array(values, mask=np.isnan(values))
    if block.runners_up is not None:
        columns["runners_up"] = _lists(block.runners_up, kind)
    if block.scores is not None:
        columns["scores"] = _lists(block.scores, np.float32)
        columns["score_kind"] = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(m * n, np.int32)), pa.array([block.score_kind])
        )
    if block.error is not None:
        columns["error"] = pa.array(list(block.error.reshape(-1)), pa.string())
    return pa.table(columns)


def _lists(array: Any, dtype: Any) -> pa.ListArray:
    """The last axis of (m, n, width) as a list column of m * n rows."""
    m, n, width = array.shape
    values = pa.array(np.ascontiguousarray(array, dtype=dtype).reshape(-1))
    offsets = pa.array(np.arange(0, (m * n + 1) * width, width, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, values)


def _class_type(block: Block) -> type[np.int16] | type[np.int32]:
    biggest = max(
        (int(a.max()) for a in (block.predicted, block.runners_up) if a is not None and a.size),
        default=0,
    )
    return np.int16 if biggest < 2**15 else np.int32


def _clash(store: Store, block: Block, i: int, pieces: Sequence[Piece]) -> Piece | None:
    """The first stored piece that has another prediction for an example of this block."""
    position = {e: j for j, e in enumerate(block.examples)}
    for piece in pieces:
        there = store.read_piece(block.setting, piece)
        both = [(position[e], j) for j, e in enumerate(there.examples) if e in position]
        if not both:
            continue
        ours, theirs = (np.array(x) for x in zip(*both, strict=True))
        if not _same_rows(block.take([i]), ours, there, theirs):
            return piece
    return None


def _same_rows(a: Block, ia: Any, b: Block, ib: Any) -> bool:
    if not np.array_equal(a.predicted[0, ia], b.predicted[0, ib]):
        return False
    for x, y in ((a.runners_up, b.runners_up), (a.confidence, b.confidence), (a.scores, b.scores)):
        if (x is None) != (y is None):
            return False
        if x is not None and y is not None:
            if x.shape[2:] != y.shape[2:]:
                return False
            left, right = x[0, ia].astype(np.float32), y[0, ib].astype(np.float32)
            if not np.array_equal(left, right, equal_nan=True):
                return False
    return True


def _clash_message(setting: str, clashes: list[tuple[str, Piece]], origin: Provenance) -> str:
    first, piece = clashes[0]
    models = listed([m for m, _ in clashes])
    count = f"{len(clashes)} models ({models}) have" if len(clashes) > 1 else f"'{first}' has"
    return (
        f"Setting '{setting}': {count} different rows in the store already. There:"
        f" {origin_in_words(piece.record)}; now: '{origin.source}'. Nothing was written. Use"
        " --replace to put the new rows in the old ones' place, or --prefix to store them under"
        " other model names."
    )


def _refuse_difference(
    kind: Kind,
    below: str,
    there: pa.Table,
    new: pa.Table,
    record: Mapping[str, Any],
    origin: Provenance,
) -> None:
    """Raise ConflictError when a key occurs in both tables with different values."""
    old = _by_key(kind, there)
    shared = [c for c in new.column_names if c in there.column_names and c not in kind.key]
    for key, row in _by_key(kind, new).items():
        before = old.get(key)
        if before is not None and any(before[c] != row[c] for c in shared):
            what = next(c for c in shared if before[c] != row[c])
            where = f" of {below.replace('label_set=', 'label set ')}" if below else ""
            raise ConflictError(
                f"{kind.name}{where}: {' / '.join(map(str, key))} has {what} {before[what]} in the"
                f" store, from {origin_in_words(record)}, but {row[what]} in '{origin.source}'."
                " Nothing was written. Use --replace to put the new values in the old ones'"
                " place, or --prefix to store them under other model names."
            )


def _by_key(kind: Kind, table: pa.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[k] for k in kind.key): row for row in table.to_pylist()}


def _from_rows(rows: Sequence[Mapping[str, Any]], key: str) -> pa.Table:
    names = [key, *sorted({k for row in rows for k in row} - {key})]
    columns = {n: pa.array([row.get(n) for row in rows]) for n in names}
    # A column that is empty everywhere has no type of its own; text is what readers expect.
    return pa.table(
        {n: c.cast(pa.string()) if pa.types.is_null(c.type) else c for n, c in columns.items()}
    )


def _table_digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    plain = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return hashlib.blake2b(sink.getvalue(), digest_size=12).hexdigest()


def _part_name(folder: str, content: str) -> str:
    mark = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    return f"{folder}/part-{mark}.parquet"
