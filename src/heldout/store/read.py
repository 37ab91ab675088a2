"""Reading a store: what it holds, and predictions, labels and tables as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heldout.errors import ConflictError, StoreError, not_found
from heldout.store import schema
from heldout.store.block import ABSENT, NO_ANSWER, Block
from heldout.store.files import Files
from heldout.store.provenance import from_metadata, origin_in_words


@dataclass(frozen=True, slots=True)
class Piece:
    """One model's rows in one part."""

    model: str
    setting: str
    rows: int
    digest: str
    part: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class LabelSet:
    """The ordered classes and the labels of the examples.

    label: (n,) class index of every example; any_of: per example all right classes, or None;
    groups: columns such as 'writer', one entry an example.
    """

    name: str
    classes: list[str]
    class_names: list[str]
    examples: list[str]
    label: NDArray[np.int32]
    any_of: list[list[int]] | None
    groups: Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Published accuracies without examples, as parallel arrays; k and n are -1 where unknown."""

    model: NDArray[np.object_]
    setting: NDArray[np.object_]
    metric: NDArray[np.object_]
    value: NDArray[np.float64]
    k: NDArray[np.int64]
    n: NDArray[np.int64]
    source: NDArray[np.object_]


class Store:
    """A store on a disk or at any fsspec URL. It reads; `heldout.store.write` writes."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._pieces: dict[str, list[Piece]] = {}
        self._settings: dict[str, dict[str, Any]] | None = None
        self._results: Results | None = None
        self._labels: dict[str, LabelSet] = {}

    @classmethod
    def open(cls, url: str) -> Store:
        """The store at `url`. Raises StoreError when there is none or it is newer than this."""
        files = Files(url)
        if not files.exists(schema.MARK):
            raise StoreError(
                f"There is no store at '{url}'. `heldout import` makes one, `heldout demo` too;"
                " name another with --store or the variable HELDOUT_STORE."
            )
        try:
            version = int(json.loads(files.read(schema.MARK))["schema"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{files.path(schema.MARK)} is damaged: {error}.") from error
        if version > schema.VERSION:
            raise StoreError(
                f"The store at '{url}' has schema version {version}; this program knows"
                f" {schema.VERSION}. Install a newer heldout to read it."
            )
        return cls(files)

    @classmethod
    def create(cls, url: str) -> Store:
        """The store at `url`, made when it is not there."""
        from heldout.store.write import init

        init(Files(url))
        return cls.open(url)

    def forget(self) -> None:
        """Read the listing again next time (a writer has added a part)."""
        self._pieces.clear()
        self._settings = self._results = None
        self._labels.clear()

    # What there is

    def settings_with_predictions(self) -> list[str]:
        """Names of settings with at least one part of predictions."""
        folders = {p.split("/")[1] for p in self.files.names("predictions")}
        return sorted(unquote(f.removeprefix("setting=")) for f in folders)

    def pieces(self, setting: str) -> list[Piece]:
        """All pieces of a setting that have not been replaced, by model, oldest first."""
        if setting not in self._pieces:
            self._pieces[setting] = _alive(self._all_pieces(setting))
        return self._pieces[setting]

    def pieces_of(self, setting: str, model: str) -> list[Piece]:
        """The pieces of one model in a setting."""
        return [p for p in self.pieces(setting) if p.model == model]

    def _all_pieces(self, setting: str) -> list[Piece]:
        from urllib.parse import quote

        folder = f"predictions/setting={quote(setting, safe='')}"
        found = []
        for part in self.files.names(folder):
            record = self.record(part)
            for p in record.get("pieces", ()):
                found.append(Piece(p["model"], setting, p["rows"], p["digest"], part, record))
        return found

    def record(self, part: str) -> dict[str, Any]:
        """The provenance of a file."""
        try:
            return from_metadata(pq.read_metadata(self.files.source(part)).metadata)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.files.path(part), error) from error

    def tables(self, kind: schema.Kind, folder: str) -> list[tuple[dict[str, Any], pa.Table]]:
        """All tables of a kind with their provenance, oldest first; replaced ones are gone."""
        found = []
        for part in self.files.names(folder):
            try:
                with pq.ParquetFile(self.files.source(part)) as file:
                    record, table = from_metadata(file.metadata.metadata), file.read()
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(self.files.path(part), error) from error
            lacking = [k for k in kind.key if k not in table.column_names]
            if lacking:
                raise StoreError(
                    f"{self.files.path(part)} has no column '{lacking[0]}', so it is no part of"
                    f" {kind.folder}; move it out of the store."
                )
            found.append((record, table))
        found.sort(key=lambda pair: str(pair[0].get("created", "")))
        return found

    def settings(self) -> dict[str, dict[str, Any]]:
        """Every setting with its metadata, from its table or merely from its predictions."""
        if self._settings is None:
            merged = self._merged(schema.SETTINGS)
            for name in self.settings_with_predictions():
                merged.setdefault(name, {"setting": name})
            for name in sorted(set(self.results().setting.tolist())):
                merged.setdefault(name, {"setting": name})
            self._settings = merged
        return self._settings

    def models(self) -> dict[str, dict[str, Any]]:
        """Every model that has metadata, with it."""
        return self._merged(schema.MODELS)

    def _merged(self, kind: schema.Kind) -> dict[str, dict[str, Any]]:
        merged: dict[str, dict[str, Any]] = {}
        key = kind.key[0]
        for _, table in self.tables(kind, kind.folder):
            for row in table.to_pylist():
                known = merged.setdefault(row[key], {})
                there = {k: v for k, v in row.items() if v is not None}
                if "aliases" in there and "aliases" in known:
                    both = f"{known['aliases']} {there['aliases']}".split()
                    there["aliases"] = " ".join(dict.fromkeys(both))
                known.update(there)
        return merged

    def resolve(self, name: str) -> str:
        """The setting with that name or alias. Raises NotFound with near matches."""
        settings = self.settings()
        if name in settings:
            return name
        aliases = {a: s for s, row in settings.items() for a in str(row.get("aliases", "")).split()}
        if name in aliases:
            return aliases[name]
        raise not_found("setting", name, [*settings, *aliases], f"the store '{self.files.url}'")

    # Labels

    def label_sets(self) -> list[str]:
        """Names of all label sets."""
        folders = {p.split("/")[1] for p in self.files.names("labels")}
        return sorted(unquote(f.removeprefix("label_set=")) for f in folders)

    def label_set(self, name: str) -> LabelSet:
        """A label set. Raises NotFound."""
        if name not in self._labels:
            self._labels[name] = self._read_labels(name)
        return self._labels[name]

    def _read_labels(self, name: str) -> LabelSet:
        from urllib.parse import quote

        below = f"label_set={quote(name, safe='')}"
        labels = self.tables(schema.LABELS, f"labels/{below}")
        classes = self.tables(schema.CLASSES, f"classes/{below}")
        if not labels or not classes:
            raise not_found("label set", name, self.label_sets(), f"the store '{self.files.url}'")
        table = _newest_rows(labels, "example", "label")
        named = _newest_rows(classes, "index", "class").sort_by("index")
        columns = {c: table[c].to_pylist() for c in table.column_names if c != "label"}
        examples = columns.pop("example")
        any_of = columns.pop("any_of", None)
        label = table["label"].to_numpy().astype(np.int32)
        return LabelSet(
            name,
            named["class"].to_pylist(),
            named["name"].to_pylist(),
            examples,
            label,
            any_of,
            columns,
        )

    def label_set_of(self, setting: str) -> LabelSet | None:
        """The label set that scores a setting, if the store has it."""
        name = self.settings()[setting].get("label_set")
        return self.label_set(name) if name and name in self.label_sets() else None

    # Rows

    def predictions(
        self,
        setting: str,
        models: Sequence[str] | None = None,
        columns: Sequence[str] = (),
    ) -> Block:
        """The predictions of a setting, all models aligned on the union of their examples.

        columns: which of 'runners_up', 'confidence', 'scores', 'error' are wanted besides the
        predicted class. Raises NotFound for a model without predictions there, ConflictError when
        two parts disagree about the same row.
        """
        pieces = self.pieces(setting)
        names = sorted({p.model for p in pieces})
        for m in models or ():
            if m not in names:
                raise not_found("model", m, names, f"the predictions of '{setting}'")
        wanted = list(models) if models is not None else names
        return _assemble(self.files, setting, [p for p in pieces if p.model in set(wanted)],
                         wanted, columns)  # fmt: skip

    def read_piece(self, setting: str, piece: Piece) -> Block:
        """The rows of one piece with all their columns."""
        everything = ("runners_up", "confidence", "scores", "error")
        return _assemble(self.files, setting, [piece], [piece.model], everything)

    def results(self) -> Results:
        """Published accuracies without examples. Raises ConflictError where files disagree."""
        if self._results is None:
            self._results = _read_results(self.tables(schema.RESULTS, "results"))
        return self._results


def _unreadable(path: str, error: Exception) -> StoreError:
    if isinstance(error, PermissionError):
        return StoreError(f"{path} may not be read; mend its permissions.")
    return StoreError(
        f"{path} cannot be read as Parquet ({error}). It was not written by heldout or has been"
        " damaged since; delete it and import that part again."
    )


def _alive(pieces: list[Piece]) -> list[Piece]:
    """Without the pieces that a later part replaced, and without identical copies."""
    ended: dict[tuple[str, str], str] = {}
    for p in pieces:
        for digest in p.record.get("replaces", ()):
            key = (p.model, digest)
            ended[key] = max(ended.get(key, ""), str(p.record["created"]))
    kept: dict[tuple[str, str], Piece] = {}
    for p in sorted(pieces, key=lambda p: (p.model, str(p.record["created"]))):
        if str(p.record["created"]) >= ended.get((p.model, p.digest), ""):
            kept.setdefault((p.model, p.digest), p)
    return list(kept.values())


def _assemble(
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
    ids = _union_of_ids([t for _, t in tables])
    row_of = {m: i for i, m in enumerate(models)}
    layout = _Layout(len(models), len(ids))
    value_set = pa.array(ids, pa.string())
    for owners, table in tables:
        example = _dictionary(table["example"])
        where = pc.index_in(example.dictionary, value_set=value_set).to_numpy()
        model = _dictionary(table["model"])
        mine = {p.model for p in owners}
        rows = np.array([row_of[m] if m in mine else -1 for m in model.dictionary.to_pylist()])
        flat_row = rows[model.indices.to_numpy()] if len(rows) else np.zeros(0, np.int64)
        flat = flat_row * len(ids) + where[example.indices.to_numpy()]
        keep = None if np.all(flat_row >= 0) else flat_row >= 0
        layout.put(flat if keep is None else flat[keep], table, keep, owners)
    return layout.block(setting, models, ids, columns)


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


def _union_of_ids(tables: Sequence[pa.Table]) -> list[str]:
    """All example ids, in the order in which the parts have them."""
    seen: dict[str, None] = {}
    for table in tables:
        seen.update(dict.fromkeys(_dictionary(table["example"]).dictionary.to_pylist()))
    return list(seen)


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


def _newest_rows(tables: list[tuple[dict[str, Any], pa.Table]], key: str, value: str) -> pa.Table:
    """One table of several: a file that replaces hides the ones before it; others must agree."""
    start = max((i for i, (r, _) in enumerate(tables) if r.get("replace")), default=0)
    table = pa.concat_tables([t for _, t in tables[start:]], promote_options="default")
    if len(tables) - start == 1:
        return table
    seen: dict[Any, tuple[int, Any]] = {}
    for i, (name, what) in enumerate(
        zip(table[key].to_pylist(), table[value].to_pylist(), strict=True)
    ):
        if name in seen and seen[name][1] != what:
            origins = " and ".join(sorted({origin_in_words(r) for r, _ in tables[start:]}))
            raise ConflictError(
                f"Two files disagree about the {value} of '{name}': {seen[name][1]} or {what}"
                f" ({origins}). Import the right labels again with --replace."
            )
        seen[name] = (i, what)
    return table.take(sorted(i for i, _ in seen.values()))


def _read_results(tables: list[tuple[dict[str, Any], pa.Table]]) -> Results:
    rows: dict[tuple[str, str, str], tuple[float, int, int, str]] = {}
    for record, table in tables:
        source = str(record.get("source", "unknown"))
        cols = [table[c].to_pylist() for c in ("model", "setting", "metric", "value", "k", "n")]
        for model, setting, metric, value, k, n in zip(*cols, strict=True):
            key = (model, setting, metric)
            new = (value, -1 if k is None else k, -1 if n is None else n, source)
            old = rows.get(key)
            if old is not None and old[:3] != new[:3] and not record.get("replace"):
                raise ConflictError(
                    f"Two tables disagree about {' / '.join(key)}: {old[0]:.6g} in '{old[3]}' and"
                    f" {value:.6g} in '{source}'. Import the right one again with --replace."
                )
            rows[key] = new
    keys, values = list(rows), list(rows.values())

    def text(items: list[str]) -> NDArray[np.object_]:
        out = np.empty(len(items), dtype=object)
        out[:] = items
        return out

    return Results(
        text([k[0] for k in keys]),
        text([k[1] for k in keys]),
        text([k[2] for k in keys]),
        np.array([v[0] for v in values], np.float64),
        np.array([v[1] for v in values], np.int64),
        np.array([v[2] for v in values], np.int64),
        text([v[3] for v in values]),
    )
