"""Writing to a store: predictions, and the small tables beside them.

Parts are immutable and named after their content, so that writing the same thing twice, even at
the same moment from two processes, ends with one file.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
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
from heldout.store.overlap import Overlap, clash, has_all, names_of
from heldout.store.part import write_block
from heldout.store.pieces import Piece, merged_tasks
from heldout.store.provenance import Provenance, listed, origin_in_words, to_metadata
from heldout.store.read import Store, Vanished
from heldout.store.schema import (
    CLASSES,
    LABELS,
    MERGED,
    MODELS,
    PROVENANCE,
    RESULTS,
    SETTINGS,
    Kind,
)

_TRIES = 5  # how often a write looks again at what is there when parts are merged meanwhile


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: models newly stored, models whose rows were there already, the file."""

    stored: tuple[str, ...]
    unchanged: tuple[str, ...]
    part: str | None


def write_predictions(
    store: Store,
    block: Block,
    origin: Provenance,
    *,
    replace: bool = False,
    extra: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Written:
    """Store a block as one part.

    A model whose rows are all there already is left out. extra: further keys of the part's
    provenance, JSON-able. name: what the file is called instead of its content's hash, for the rows
    of a task that anyone may do again: of all parts with one name the first stays, and a later one
    is not written, even when its rows differ. Raises ConflictError when the store holds different
    rows for the same examples, unless `replace`: then the pieces with such examples count no more.
    BadInput for an extra key that means something else, or a name that cannot be one.
    """
    folder = f"predictions/setting={quote(block.setting, safe='')}"
    more = _checked(extra)
    if name is not None:
        _check_name(name)
    tried = 0
    while True:
        try:
            plan = _what_is_new(store, block, origin, replace, name, folder)
            break
        except (Vanished, FileNotFoundError):  # parts were merged meanwhile
            store.forget()
            tried += 1
            if tried == _TRIES:
                raise
    if not plan.fresh:
        return Written((), plan.unchanged, None)
    part = block.take(plan.fresh)
    pieces = [
        {"model": m, "rows": len(block.examples), "digest": d}
        for m, d in zip(part.models, plan.marks, strict=True)
    ]
    record: dict[str, Any] = {"setting": block.setting, "pieces": pieces, "replaces": plan.replaced}
    content = json.dumps([[p["digest"], p["model"]] for p in pieces] + plan.replaced)
    if name is None:
        path = _part_name(folder, content)
    else:
        # What replaces other rows, or comes back after others had replaced it, is a new event: it
        # may not be taken for the task done before, whose part counts no more.
        event = f"-{uuid.uuid4().hex[:8]}" if replace or plan.again else ""
        path = f"{folder}/{name}{event}.parquet"
        record["named"] = True
    metadata = to_metadata(origin, record | more)
    first = store.files.write(path, lambda f: write_block(f, part, metadata), keep=bool(name))
    store.forget()
    if not first:
        return Written((), tuple(block.models), None)
    return Written(tuple(part.models), plan.unchanged, path)


@dataclass(frozen=True, slots=True)
class _New:
    """Rows of the models to store, their digests, what they replace, the models without news."""

    fresh: list[int]
    marks: list[str]
    replaced: list[str]
    unchanged: tuple[str, ...]
    again: bool = False


def _what_is_new(
    store: Store, block: Block, origin: Provenance, replace: bool, name: str | None, folder: str
) -> _New:
    """What of a block the store lacks. Raises ConflictError as `write_predictions` says."""
    nothing = _New([], [], [], tuple(block.models))
    again = name is not None and not replace and _was_done(store, block.setting, folder, name)
    if again:
        store.forget()  # it may have been done since the last listing
        if has_all(store, block):
            return nothing
    marks = digests(block)
    present: dict[str, list[Piece]] = {}
    for p in store.pieces(block.setting):
        present.setdefault(p.model, []).append(p)
    overlap = Overlap(store, block)
    fresh: list[int] = []
    replaced: list[str] = []
    clashes: list[tuple[str, Piece]] = []
    for i, model in enumerate(block.models):
        pieces = present.get(model, [])
        same = any(marks[i] in names_of(p) for p in pieces)
        if same and not replace:
            continue
        touched = overlap.of([p for p in pieces if p.digest != marks[i]])
        if replace:
            others = [d for p in touched for d in names_of(p) if d != marks[i]]
            if same and not others:
                continue
            replaced += others
        elif found := clash(store, block, i, touched):
            clashes.append((model, found))
        fresh.append(i)
    if clashes:
        raise ConflictError(_clash_message(block.setting, clashes, origin))
    unchanged = tuple(m for i, m in enumerate(block.models) if i not in set(fresh))
    fresh.sort(key=lambda i: block.models[i])
    return _New(fresh, [marks[i] for i in fresh], replaced, unchanged, again)


def _was_done(store: Store, setting: str, folder: str, name: str) -> bool:
    """Whether a task's part was ever published, under its name or merged with others."""
    return store.files.exists(f"{folder}/{name}.parquet") or name in merged_tasks(
        store.parts_of(setting)[1]
    )


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


def _checked(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further keys for a part's provenance, as a reader will get them."""
    taken = sorted(({key for key, _ in PROVENANCE} - {"run"}) & set(extra or {}))
    if taken:
        raise BadInput(f"The provenance key '{taken[0]}' has a meaning already; choose another.")
    try:
        out: dict[str, Any] = json.loads(json.dumps(dict(extra or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInput(f"The further provenance of a part is no JSON: {error}.") from error
    return out


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,149}", name) or name.startswith(MERGED):
        raise BadInput(
            f"'{name}' cannot name a part: letters, digits and . _ = + - are allowed, 150 at most,"
            f" the first a letter or digit; names with '{MERGED}' are for merged parts."
        )


def _part_name(folder: str, content: str) -> str:
    return f"{folder}/part-{_mark(content)}.parquet"


def _mark(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
