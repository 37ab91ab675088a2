"""Where a file of a store came from, carried in the file's own Parquet metadata."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from heldout.store.schema import METADATA_KEY


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a part was made from. `source` is a path, an address or a command."""

    source: str
    format: str = ""
    repairs: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def to_metadata(origin: Provenance, extra: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The Parquet key-value metadata for a new file."""
    from heldout import __version__

    record = {"created": now(), "by": f"heldout {__version__}"} | asdict(origin) | dict(extra)
    return {METADATA_KEY: json.dumps(record, ensure_ascii=False).encode()}


def from_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """The record of a file; an empty one for a file that heldout did not write."""
    raw = (metadata or {}).get(METADATA_KEY)
    if raw is None:
        return {"created": "", "by": "another program", "source": "unknown", "repairs": []}
    record: dict[str, Any] = json.loads(raw)
    return record


def now() -> str:
    """The present moment, UTC, to the microsecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def origin_in_words(record: Mapping[str, Any]) -> str:
    """A record as half a sentence.

    >>> origin_in_words({"source": "a.csv", "created": "2026-01-02T03:04:05.000006+00:00"})
    "'a.csv' (stored 2026-01-02 03:04)"
    """
    when = str(record.get("created", ""))[:16].replace("T", " ")
    return f"'{record.get('source', 'unknown')}'" + (f" (stored {when})" if when else "")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence, cut when there are many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return ", ".join(names[:most]) + f" and {len(names) - most} more"
