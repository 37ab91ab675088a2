"""One part of predictions as a Parquet file: its row groups and how they are encoded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heldout.store.block import Block

ROWS_PER_GROUP = 1 << 20
_ZSTD_LEVEL = 3
_BATCH = 1 << 16  # PyArrow's 1,024 spends as long on calls as on encoding
_DICTIONARY_BYTES = 8 << 20  # large enough for 50,000 example ids; else they fall back to plain
# Class indices and names repeat; confidences and scores hardly do, and a dictionary of them is
# larger than they are (5.4 bytes a confidence instead of 3.4).
_CODED = ("model", "example", "predicted", "runners_up.list.element", "score_kind", "error")
# A page is compressed by itself: the ids of 50,000 examples repeat with every model, but not within
# the 20,000 rows that a page has by default in newer PyArrow (1.9 bytes an id instead of 0.2).
_PAGE_BYTES = 4 << 20
_PAGE_ROWS = 1 << 20


def part_writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of row groups with the store's encodings."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=[c for c in _CODED if c.split(".")[0] in schema.names],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_batch_size=_BATCH,
        data_page_size=_PAGE_BYTES,
        store_schema=False,  # else readers see Arrow dictionaries (categories), not text
        **_rows_of_a_page(),
    )


def _rows_of_a_page() -> dict[str, int]:
    """The setting for the rows of a page, where this PyArrow has one (older ones have no limit)."""
    known = inspect.signature(pq.ParquetWriter).parameters
    return {"max_rows_per_page": _PAGE_ROWS} if "max_rows_per_page" in known else {}


def write_block(file: Any, block: Block, metadata: Mapping[bytes, bytes]) -> None:
    """Row groups of whole models, so that one model can be read without the others."""
    n = len(block.examples)
    step = max(1, ROWS_PER_GROUP // max(n, 1))
    ids = pa.array(block.examples, pa.string())
    writer: pq.ParquetWriter | None = None
    for start in range(0, len(block.models), step):
        chunk = block.take(range(start, min(start + step, len(block.models))))
        table = _rows(chunk, ids)
        if writer is None:
            writer = part_writer(file, table.schema)
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
