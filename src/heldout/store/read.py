"""Reading a store: what it holds, and predictions, labels and tables as arrays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heldout.errors import ConflictError, StoreError, not_found
from heldout.store import schema
from heldout.store.block import Block
from heldout.store.files import Files
from heldout.store.layout import assemble
from heldout.store.pieces import Piece, alive, holding, pieces_in
from heldout.store.provenance import from_metadata, origin_in_words

_LISTINGS = 5  # how often a listing is made again when parts are merged meanwhile
T = TypeVar("T")


class Vanished(StoreError):
    """A part was there when the folder was listed and is no more: it was merged with others."""


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
        self._footers: dict[str, dict[str, Any]] = {}  # of parts, which never change
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
            self._pieces[setting] = alive(self.parts_of(setting)[1])
        return self._pieces[setting]

    def pieces_of(self, setting: str, model: str) -> list[Piece]:
        """The pieces of one model in a setting."""
        return [p for p in self.pieces(setting) if p.model == model]

    def parts_of(self, setting: str) -> tuple[list[str], list[Piece]]:
        """The files of a setting and all pieces that they name, replaced ones too.

        The folder is listed again afterwards. What was deleted meanwhile, or while it was listed,
        is in a merged part: in one of the first listing, or in one that the second listing has.
        """
        folder = f"predictions/setting={quote(setting, safe='')}"

        def read() -> tuple[list[str], list[Piece]]:
            parts, found = [], []
            listed = self.files.names(folder)
            for part in listed:
                try:
                    if part not in self._footers:
                        self._footers[part] = self.record(part)
                    found += pieces_in(part, setting, self._footers[part])
                    parts.append(part)
                except Vanished:
                    continue
            new = set(self.files.names(folder)) - set(listed)
            if any(f"/{schema.MERGED}" in part for part in new):
                raise Vanished(f"Parts of setting '{setting}' are being merged; try again.")
            return parts, found

        return self._steady(setting, read)

    def _steady(self, setting: str, read: Callable[[], T]) -> T:
        """What `read` gives, on a new listing where parts vanish because they are merged."""
        for i in range(_LISTINGS):
            try:
                return read()
            except (Vanished, FileNotFoundError):
                self._pieces.pop(setting, None)
                time.sleep(0.01 * 2**i)
        return read()

    def record(self, part: str) -> dict[str, Any]:
        """The provenance of a file. Raises StoreError; Vanished when it is no longer there."""
        try:
            return from_metadata(pq.read_metadata(self.files.source(part)).metadata)
        except FileNotFoundError as error:
            raise Vanished(
                f"{self.files.path(part)} is gone, merged with others; try again."
            ) from (error)
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

        def read() -> Block:
            pieces = self.pieces(setting)
            names = sorted({p.model for p in pieces})
            for m in models or ():
                if m not in names:
                    raise not_found("model", m, names, f"the predictions of '{setting}'")
            wanted = list(models) if models is not None else names
            mine = [p for p in pieces if p.model in set(wanted)]
            return assemble(self.files, setting, mine, wanted, columns)

        return self._steady(setting, read)

    def read_piece(self, setting: str, piece: Piece) -> Block:
        """The rows of one piece with all their columns."""
        everything = ("runners_up", "confidence", "scores", "error")
        try:
            return assemble(self.files, setting, [piece], [piece.model], everything)
        except FileNotFoundError:
            self._pieces.pop(setting, None)

        def read() -> Block:
            now = holding(self.pieces(setting), piece)
            return assemble(self.files, setting, now, [piece.model], everything)

        return self._steady(setting, read)

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
