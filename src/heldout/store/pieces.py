"""Pieces: one model's rows in one part, which of them count, and where they came from.

A piece is one leaf (rows as they were written at once) or, in a merged part, several, one after the
other. All that decides whether rows count is said of leaves, by digest and time of writing, and a
merged part carries it on: so rows that were replaced stay replaced, in whatever part they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Record = Mapping[str, Any]
SEE = "$shared"  # {"$shared": 3} stands for value 3 of a merged part's list "shared"
_ABOUT_ROWS = ("pieces", "replaces", "named")  # keys of a part's record that say nothing of origins
_SHORT = 100  # characters of JSON from which a value that several records have is kept once


class Leaf(NamedTuple):
    """Rows of one model that were written at once: rows [start, start + rows) of its piece."""

    digest: str
    start: int
    rows: int
    created: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One model's rows in one part: `rows` of them count, of `of` that are there."""

    model: str
    setting: str
    rows: int
    digest: str
    part: str
    record: Record
    leaves: tuple[Leaf, ...]
    of: int

    def only(self, leaves: Iterable[Leaf]) -> Piece:
        """The piece with some of its leaves; with all of them it is the piece itself."""
        kept = tuple(leaves)
        if len(kept) == len(self.leaves):
            return self
        joined = "".join(leaf.digest for leaf in kept)
        digest = joined if len(kept) == 1 else hashlib.blake2b(joined.encode()).hexdigest()[:24]
        return replace(self, leaves=kept, rows=sum(leaf.rows for leaf in kept), digest=digest)


class Ending(NamedTuple):
    """What a part put other rows in the place of: these digests of these models, at that time."""

    created: str
    models: tuple[str, ...]
    digests: tuple[str, ...]


def origins(piece: Piece) -> list[Record]:
    """Where a piece's rows came from: the record of every write behind it, in the rows' order.

    A record has what the writer said (created, by, source, format, hashes, repairs, notes, setting
    and any further keys), the same before and after parts are merged.
    """
    seen: dict[int, Record] = {}
    for leaf in piece.leaves:
        for record in leaf.records:
            seen.setdefault(id(record), record)
    return list(seen.values())


def pieces_in(part: str, setting: str, record: Record) -> list[Piece]:
    """The pieces that a part's record names."""
    found = []
    if "merged_from" not in record:
        own: Record = {k: v for k, v in record.items() if k not in _ABOUT_ROWS}
        created = str(record.get("created", ""))
        for p in record.get("pieces", ()):
            leaf = Leaf(p["digest"], 0, p["rows"], created, (own,))
            found.append(
                Piece(p["model"], setting, p["rows"], p["digest"], part, record, (leaf,), p["rows"])
            )
        return found
    sources = unpacked(record["merged_from"], record.get("shared", ()))
    times = [str(s.get("created", "")) for s in sources]
    for p in record["pieces"]:
        leaves, start = [], 0
        for digest, rows, *which in p["merged"]:
            last = max(times[i] for i in which)
            leaves.append(Leaf(digest, start, rows, last, tuple(sources[i] for i in which)))
            start += rows
        found.append(
            Piece(
                p["model"], setting, p["rows"], p["digest"], part, record, tuple(leaves), p["rows"]
            )
        )
    return found


def counting(pieces: Sequence[Piece]) -> list[Piece]:
    """Without the leaves that a later part replaced and the tasks that are in a merged part."""
    over: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for ending in endings(pieces):
        models = frozenset(ending.models)
        for digest in ending.digests:
            over.setdefault(digest, []).append((ending.created, models))
    tasks = merged_tasks(pieces)
    found = []
    for p in pieces:
        if p.record.get("named") and task_of(p.part) in tasks:
            continue
        kept = p.leaves
        if over:
            kept = tuple(
                leaf
                for leaf in p.leaves
                if not any(
                    leaf.created < when and p.model in models
                    for when, models in over.get(leaf.digest, ())
                )
            )
        if kept:
            found.append(p.only(kept))
    return found


def alive(pieces: Sequence[Piece]) -> list[Piece]:
    """The rows that count, each once, by model, oldest first.

    Of identical leaves the one in the piece with the most leaves stands for all, then one in a
    merged part, which is there to stay, then the oldest.
    """
    return each_once(counting(pieces))


def each_once(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces without the leaves that another of them has as well."""
    taken: set[tuple[str, str]] = set()
    kept = []
    for p in sorted(pieces, key=_rank):
        mine = [leaf for leaf in p.leaves if (p.model, leaf.digest) not in taken]
        taken.update((p.model, leaf.digest) for leaf in mine)
        if mine:
            kept.append(p.only(mine))
    return sorted(kept, key=lambda p: (p.model, _born(p)))


def endings(pieces: Iterable[Piece]) -> list[Ending]:
    """All that was replaced, as far as these parts know."""
    found: set[Ending] = set()
    for record, models in _by_part(pieces):
        for e in record.get("ended", ()):
            found.add(Ending(e["created"], tuple(e["models"]), tuple(e["digests"])))
        if record.get("replaces"):
            digests = tuple(sorted(set(record["replaces"])))
            found.add(Ending(str(record["created"]), tuple(sorted(models)), digests))
    return sorted(found)


def merged_tasks(pieces: Iterable[Piece]) -> set[str]:
    """The names of the tasks whose parts were merged; a part of that name counts no more."""
    return {name for record, _ in _by_part(pieces) for name in record.get("tasks", ())}


def task_of(part: str) -> str:
    """The name of a task from that of its part.

    >>> task_of("predictions/setting=s/part-run-7.parquet")
    'part-run-7'
    """
    return part.rsplit("/", 1)[-1].removesuffix(".parquet")


def holding(pieces: Iterable[Piece], wanted: Piece) -> list[Piece]:
    """Where the rows of a piece are now that its part has been merged with others."""
    digests = {leaf.digest for leaf in wanted.leaves}
    found = []
    for p in pieces:
        mine = [leaf for leaf in p.leaves if p.model == wanted.model and leaf.digest in digests]
        if mine:
            found.append(p.only(mine))
    return found


def packed(records: Sequence[Record]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Records with long values that several of them have put aside: the records, those values.

    Values of a record and values of a dictionary in it are looked at; `unpacked` is the inverse.
    """
    times: dict[str, int] = {}
    for record in records:
        for text in {t for v in _values(record) if len(t := _text(v)) > _SHORT}:
            times[text] = times.get(text, 0) + 1
    place: dict[str, int] = {}

    def short(value: Any, inner: bool) -> Any:
        text = _text(value)
        if times.get(text, 0) > 1:
            return {SEE: place.setdefault(text, len(place))}
        if inner and isinstance(value, Mapping):
            return {k: short(v, False) for k, v in value.items()}
        return value

    put = [{k: short(v, True) for k, v in record.items()} for record in records]
    return put, [json.loads(text) for text in place]


def unpacked(records: Sequence[Record], shared: Sequence[Any]) -> list[Record]:
    """The records as they were before `packed`."""

    def full(value: Any, inner: bool) -> Any:
        if isinstance(value, Mapping):
            if len(value) == 1 and SEE in value:
                return shared[value[SEE]]
            if inner:
                return {k: full(v, False) for k, v in value.items()}
        return value

    return [{k: full(v, True) for k, v in record.items()} for record in records]


def _values(record: Record) -> Iterable[Any]:
    for value in record.values():
        yield value
        if isinstance(value, Mapping):
            yield from value.values()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rank(piece: Piece) -> tuple[int, bool, str, str]:
    return -len(piece.leaves), "merged_from" not in piece.record, _born(piece), piece.part


def _born(piece: Piece) -> str:
    return min(leaf.created for leaf in piece.leaves)


def _by_part(pieces: Iterable[Piece]) -> Iterable[tuple[Record, list[str]]]:
    found: dict[str, tuple[Record, list[str]]] = {}
    for p in pieces:
        found.setdefault(p.part, (p.record, []))[1].append(p.model)
    return found.values()
