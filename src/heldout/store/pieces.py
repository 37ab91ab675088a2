"""Pieces: one model's rows in one part, and which of them count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """One model's rows in one part."""

    model: str
    setting: str
    rows: int
    digest: str
    part: str
    record: Mapping[str, Any]


def alive(pieces: Sequence[Piece]) -> list[Piece]:
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
