"""Compaction: many small parts of a setting become one, and no row is lost or changed.

There is no lock. A merged part is a function of the listing it was made from: its name is the hash
of what it says of its rows (which were joined, where they came from, what was replaced, which tasks
are in it), so two compactors of one listing make one file. Parts are deleted only when the part
that says all they said is on the disk and has been read back; what a listing did not have is never
deleted. A part that says more follows one that says less and never the other way round, so
compactors with different listings cannot delete each other's only copy. A kill leaves parts whose
rows are in the merged one as well; readers count them once and the next compaction deletes them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from heldout.errors import BadInput, ConflictError
from heldout.store.layout import assemble
from heldout.store.merge import Ids, Merging, Scan, Slice, scan
from heldout.store.pieces import (
    Leaf,
    Piece,
    Record,
    alive,
    counting,
    each_once,
    endings,
    merged_tasks,
    packed,
    task_of,
)
from heldout.store.provenance import Provenance, listed, origin_in_words, to_metadata
from heldout.store.read import Store, Vanished
from heldout.store.schema import MERGED

MEMORY = 1 << 30  # bytes of rows held at once, about
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a setting; left: why parts were left alone, a sentence each."""

    setting: str
    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int
    left: tuple[str, ...] = ()


def compact(
    store: Store,
    settings: Sequence[str] | None = None,
    *,
    delete: bool = True,
    min_parts: int = 2,
    progress: Callable[[str, float], None] | None = None,
    memory: int = MEMORY,
) -> list[Compacted]:
    """Merge the parts of every setting, or of those named, where there are `min_parts` or more.

    delete: delete the old parts once the merged one is safe. Rows of one model that are in several
    parts are joined; identical ones are kept once; parts whose rows overlap otherwise are left
    alone and named. memory: bytes of rows held at once; more rows are read in several passes.
    Raises NotFound for an unknown setting, StoreError when a part cannot be read or written.
    """
    if min_parts < 2:
        raise BadInput(f"min_parts is {min_parts}; merging takes at least 2 parts.")
    there = store.settings_with_predictions()
    names = there if settings is None else [store.resolve(s) for s in settings]
    out = []
    for i, name in enumerate(dict.fromkeys(names)):
        if progress is not None:
            progress(name, i / len(names))
        out.append(_setting(store, name, delete, min_parts, memory))
    return out


def _setting(store: Store, setting: str, delete: bool, min_parts: int, memory: int) -> Compacted:
    for i in range(_TRIES):
        try:
            return _once(store, setting, delete, min_parts, memory)
        except (Vanished, FileNotFoundError):  # someone else is merging this setting
            store.forget()
            time.sleep(0.05 * 2**i)
    return _once(store, setting, delete, min_parts, memory)


def _once(store: Store, setting: str, delete: bool, min_parts: int, memory: int) -> Compacted:
    parts, pieces = store.parts_of(setting)
    before = [_size(store, p) for p in parts]
    done = Compacted(setting, len(parts), len(parts), sum(before), sum(before))
    if len(parts) < min_parts:
        return done
    ids = Ids()
    needed = sorted({p.part for p in alive(pieces)})
    scans = {part: scan(store.files, part, ids) for part in needed}
    left = _left_alone(store, setting, pieces, scans)
    merged: set[str] = set()
    new: list[str] = []
    for group in _groups(pieces, scans, set(left), min_parts):
        name = _merge(store, setting, group, pieces, scans, ids, memory)
        new.append(name)
        merged |= group - {name}
    if delete:
        for part in sorted(merged):
            store.files.delete(part)
    store.forget()
    after = (set(parts) - (merged if delete else set())) | set(new)
    sizes = dict(zip(parts, before, strict=True))
    total = sum(sizes[p] if p in sizes else _size(store, p) for p in after)
    why = tuple(dict.fromkeys(left.values()))
    return Compacted(setting, len(parts), len(after), sum(before), total, why)


def _groups(
    pieces: Sequence[Piece], scans: dict[str, Scan], left: set[str], min_parts: int
) -> list[set[str]]:
    """The parts that become one, by the kind of their scores.

    Parts with nothing of their own, because it was replaced or is in other parts, go with those
    parts, unread; but what a part has is never left to a part outside its group, which another
    compactor might judge otherwise.
    """
    groups: dict[tuple[str, ...], set[str]] = {}
    for part in sorted(set(scans) - left):
        groups.setdefault(scans[part].kind, set()).add(part)
    found = list(groups.values())
    owner = {(p.model, f.digest): p.part for p in alive(pieces) for f in p.leaves}
    owners: dict[str, set[str]] = {p.part: set() for p in pieces if p.part not in scans}
    for p in counting(pieces):
        if p.part in owners:
            owners[p.part] |= {owner[p.model, f.digest] for f in p.leaves}
    grown = [set(g) for g in found]
    for part, others in owners.items():
        home = next((i for i, g in enumerate(found) if others <= g), None)
        if home is not None:
            grown[home].add(part)
    return [g for g in grown if len(g) >= min_parts]


def _merge(
    store: Store,
    setting: str,
    group: set[str],
    pieces: Sequence[Piece],
    scans: dict[str, Scan],
    ids: Ids,
    memory: int,
) -> str:
    """Write the merged part of a group, unless it is there; its name."""
    mine = each_once([p for p in counting(pieces) if p.part in group])
    said = _Said(setting, group, pieces, mine)
    name = f"predictions/setting={quote(setting, safe='')}/{said.stem}.parquet"
    if name in group:
        return name
    rows = {p.model for p in mine}
    slices: dict[str, list[Slice]] = {m: [] for m in sorted(rows)}
    for model, piece, leaf in said.leaves:
        first = scans[piece.part].rows[model][0] + leaf.start
        slices[model].append(Slice(piece.part, first, first + leaf.rows))
    merging = Merging(
        store.files, setting, {p.part: scans[p.part] for p in mine}, ids, slices, memory
    )

    def fill(file: Any) -> None:
        try:
            writer = merging.write(file)
        except FileNotFoundError as error:
            raise Vanished(f"A part of setting '{setting}' is gone; try again.") from error
        writer.add_key_value_metadata(said.metadata(merging.digests))
        writer.close()
        file.flush()
        merging.verify(file.name if store.files.local else _buffer(file))

    store.files.write(name, fill)
    return name


class _Said:
    """What a merged part says of its rows, without their digests; its name is the hash of that."""

    def __init__(
        self, setting: str, group: set[str], pieces: Sequence[Piece], mine: Sequence[Piece]
    ) -> None:
        behind: dict[tuple[str, str], list[Record]] = {}
        for p in (p for p in counting(pieces) if p.part in group):
            for leaf in p.leaves:
                behind.setdefault((p.model, leaf.digest), []).extend(leaf.records)
        keys = {id(r): _canonical(r) for records in behind.values() for r in records}
        by_key = {keys[id(r)]: r for records in behind.values() for r in records}
        order = sorted(by_key, key=lambda k: (_first(by_key[k]), str(by_key[k].get("created")), k))
        place = {key: i for i, key in enumerate(order)}
        self.records = [by_key[key] for key in order]
        self.setting = setting
        self.places = {
            cell: sorted({place[keys[id(r)]] for r in records}) for cell, records in behind.items()
        }
        self.leaves: list[tuple[str, Piece, Leaf]] = sorted(
            ((p.model, p, leaf) for p in mine for leaf in p.leaves),
            key=lambda x: (x[0], self.places[x[0], x[2].digest], x[2].digest),
        )
        own = {task_of(p.part) for p in pieces if p.part in group and p.record.get("named")}
        self.tasks = sorted(merged_tasks(pieces) | own)
        self.ended = [e._asdict() for e in endings(pieces)]
        self.pieces: dict[str, list[list[Any]]] = {}
        for model, _, leaf in self.leaves:
            cell = [leaf.digest, leaf.rows, *self.places[model, leaf.digest]]
            self.pieces.setdefault(model, []).append(cell)
        text = _canonical([setting, self.pieces, order, self.ended, self.tasks])
        self.stem = MERGED + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def metadata(self, digests: dict[str, str]) -> dict[bytes, bytes]:
        """The Parquet metadata of the merged part."""
        sources = list(dict.fromkeys(str(r.get("source", "")) for r in self.records))
        formats = {str(r.get("format", "")) for r in self.records}
        origin = Provenance(
            listed(sources, 3),
            formats.pop() if len(formats) == 1 else "",
            _union(self.records, "repairs"),
            {},
            _union(self.records, "notes"),
        )
        records, shared = packed(self.records)
        pieces = [
            {"model": m, "rows": sum(leaf[1] for leaf in leaves), "digest": digests[m]}
            | {"merged": leaves}
            for m, leaves in self.pieces.items()
        ]
        extra = {"setting": self.setting, "pieces": pieces, "merged_from": records}
        return to_metadata(
            origin, extra | {"shared": shared, "ended": self.ended, "tasks": self.tasks}
        )


def _left_alone(
    store: Store, setting: str, pieces: Sequence[Piece], scans: dict[str, Scan]
) -> dict[str, str]:
    """Parts that cannot be merged, with the reason as a sentence."""
    left = {part: f"{part} was left alone: {s.flaw}." for part, s in scans.items() if s.flaw}
    for p in (p for p in pieces if p.part in scans):
        start, end, _ = scans[p.part].rows.get(p.model, (0, 0, b""))
        if end - start != p.of and p.part not in left:
            left[p.part] = (
                f"{p.part} was left alone: it says that it has {p.of} rows of '{p.model}', and has"
                f" {end - start}."
            )
    by_model: dict[str, list[Piece]] = {}
    for p in alive(pieces):
        if p.part not in left:
            by_model.setdefault(p.model, []).append(p)
    known: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for model, mine in by_model.items():
        key = tuple(_spans(p, scans) for p in mine)
        if key not in known:
            known[key] = _overlaps([_numbers(p, scans) for p in mine])
        for i, j in known[key]:
            if mine[i].part in left and mine[j].part in left:
                continue
            why = _why(store, setting, model, mine[i], mine[j])
            for part in (mine[i].part, mine[j].part):
                left.setdefault(part, why)
    return left


def _spans(piece: Piece, scans: dict[str, Scan]) -> tuple[Any, ...]:
    key = scans[piece.part].rows[piece.model][2]
    return (piece.part, key, *((leaf.start, leaf.rows) for leaf in piece.leaves))


def _numbers(piece: Piece, scans: dict[str, Scan]) -> Any:
    every = scans[piece.part].examples[scans[piece.part].rows[piece.model][2]]
    return np.concatenate([every[f.start : f.start + f.rows] for f in piece.leaves])


def _overlaps(numbers: Sequence[Any]) -> list[tuple[int, int]]:
    """Which of several lists of examples have one in common."""
    every = np.concatenate(numbers)
    if len(np.unique(every)) == len(every):
        return []
    return [
        (i, j)
        for j in range(len(numbers))
        for i in range(j + 1)
        if (len(np.intersect1d(numbers[i], numbers[j])) if i != j else _repeats(numbers[i]))
    ]


def _repeats(numbers: Any) -> bool:
    return len(np.unique(numbers)) < len(numbers)


def _why(store: Store, setting: str, model: str, a: Piece, b: Piece) -> str:
    both = f"{origin_in_words(a.record)} in {a.part} and {origin_in_words(b.record)} in {b.part}"
    try:
        assemble(store.files, setting, [a, b], [model], ("runners_up", "confidence"))
    except ConflictError:
        return f"'{model}' has contradicting rows, left alone: {both}. --replace settles it."
    return f"'{model}' has the same examples twice, left alone: {both}."


def _size(store: Store, part: str) -> int:
    try:
        return store.files.size(part)
    except FileNotFoundError:
        return 0


def _first(record: Record) -> float:
    """The first position that a run's record covers, so that rows stand in the set's order."""
    run = record.get("run")
    try:
        return float(run["rows"][0][0]) if run else float("inf")
    except (KeyError, IndexError, TypeError, ValueError):
        return float("inf")


def _union(records: Iterable[Record], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(v) for r in records for v in r.get(key, ())))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _buffer(file: Any) -> Any:
    import pyarrow as pa

    return pa.BufferReader(file.getvalue())
