"""What a store holds already of a plan: finished rows are never run again.

Every part that the engine writes says which positions of which test set it covers, and with what
fingerprint of model, preprocessing, shift and seed. A shard that was finished, here or elsewhere,
is recognised by that alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.engine.plan import Entry, Plan, Setting, Shard, digest_of
from heldout.errors import ConflictError
from heldout.store.pieces import origins
from heldout.store.provenance import listed, origin_in_words
from heldout.store.read import Store

RUN = "run"


def spans(rows: NDArray[np.int64]) -> list[list[int]]:
    """Ascending positions as [first, end, step] runs.

    >>> spans(np.array([0, 1, 2, 10, 20, 30]))
    [[0, 3, 1], [10, 31, 10]]
    """
    out: list[list[int]] = []
    i = 0
    rows = np.asarray(rows)
    while i < len(rows):
        step = int(rows[i + 1] - rows[i]) if i + 1 < len(rows) else 1
        breaks = np.flatnonzero(np.diff(rows[i:]) != step)
        j = i + int(breaks[0]) if len(breaks) else len(rows) - 1
        out.append([int(rows[i]), int(rows[j]) + 1, step])
        i = j + 1
    return out


def positions(runs: list[list[int]]) -> NDArray[np.int64]:
    """The positions behind `spans`.

    >>> positions([[0, 3, 1], [10, 31, 10]]).tolist()
    [0, 1, 2, 10, 20, 30]
    """
    if not runs:
        return np.zeros(0, np.int64)
    return np.concatenate([np.arange(a, b, s, dtype=np.int64) for a, b, s in runs])


def shards_to_do(
    plan: Plan, store: Store | None, *, replace: bool = False, only: tuple[int, int] | None = None
) -> list[Shard]:
    """The shards that are left, test set by test set.

    only: (i, n) takes every n-th shard beginning with the i-th (from 1), as an array job does.
    Raises ConflictError where the store has rows of the same name that were made otherwise.
    """
    out: list[Shard] = []
    number = 0
    for set_name in dict.fromkeys(s.set_name for s in plan.settings):
        lacking = _lacking(plan, store, set_name, replace)
        for rows in chunks(plan, set_name):
            if entries := _entries(rows, lacking):
                out.append(Shard(set_name, number, entries))
            number += 1
    if only is not None:
        i, n = only
        out = [s for s in out if s.number % n == i - 1]
    return spread(out)


def spread(shards: Sequence[Shard]) -> list[Shard]:
    """Shards in an order in which every beginning is spread over the whole (van der Corput's).

    Sets are sorted by class as a rule: of a run that is stopped, the rows so far should not be
    those of the first classes only.

    >>> spread(list("abcdefgh"))
    ['a', 'e', 'c', 'g', 'b', 'f', 'd', 'h']
    """
    bits = max(len(shards) - 1, 1).bit_length()
    turned = sorted(range(len(shards)), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [shards[i] for i in turned]


def chunks(plan: Plan, set_name: str) -> list[NDArray[np.int64]]:
    """The positions of a test set that its settings need, cut into shards."""
    needed = np.unique(np.concatenate([s.rows for s in plan.of_set(set_name)]))
    return [needed[i : i + plan.shard_size] for i in range(0, len(needed), plan.shard_size)]


@dataclass(frozen=True, slots=True, eq=False)
class _Lacking:
    """Models of a setting that lack the same examples; left: (n,), shared between settings."""

    setting: str
    models: tuple[str, ...]
    left: NDArray[np.bool_]


def _lacking(plan: Plan, store: Store | None, set_name: str, replace: bool) -> list[_Lacking]:
    """What every setting of a test set lacks; 300,000 pairs of model and setting share arrays."""
    n = len(plan.sets[set_name].listing.examples)
    mark = digest_of(plan.sets[set_name].listing)
    shared: dict[bytes, NDArray[np.bool_]] = {}
    found: list[_Lacking] = []
    for s in plan.of_set(set_name):
        there = {} if store is None else _there(s, store, mark, n, replace)
        wanted = np.zeros(n, bool)
        wanted[s.rows] = True
        groups: dict[bytes, list[str]] = {}
        whole = wanted.tobytes()
        for model in plan.abouts:
            left = wanted & ~there[model] if model in there else wanted
            key = left.tobytes() if model in there else whole
            shared.setdefault(key, left)
            groups.setdefault(key, []).append(model)
        found += [
            _Lacking(s.name, tuple(models), shared[key])
            for key, models in groups.items()
            if shared[key].any()
        ]
    return found


def _entries(rows: NDArray[np.int64], lacking: Sequence[_Lacking]) -> tuple[Entry, ...]:
    """What is left of a chunk."""
    keys: dict[int, tuple[int, ...]] = {}
    found: dict[tuple[str, tuple[int, ...]], tuple[str, ...]] = {}
    for some in lacking:
        if id(some.left) not in keys:
            keys[id(some.left)] = tuple(rows[some.left[rows]].tolist())
        key = keys[id(some.left)]
        if key:
            found[some.setting, key] = (*found.get((some.setting, key), ()), *some.models)
    return tuple(Entry(setting, models, key) for (setting, key), models in found.items())


def still_lacking(plan: Plan, store: Store, setting: Setting, entry: Entry) -> Entry | None:
    """What of an entry nobody else has stored since the plan was made; None when nothing is left.

    Another run of the same study may go on beside this one, with other shards.
    """
    store.forget()
    listing = plan.sets[setting.set_name].listing
    there = _there(setting, store, digest_of(listing), len(listing.examples), replace=False)
    rows = np.array(entry.rows, np.int64)
    covered = [there[m][rows] for m in entry.models if m in there]
    if len(covered) < len(entry.models):
        return entry
    left = rows[~np.logical_and.reduce(covered)]
    return replace(entry, rows=tuple(left.tolist())) if len(left) else None


def _there(
    setting: Setting, store: Store, mark: str, n: int, replace: bool
) -> dict[str, NDArray[np.bool_]]:
    """Per model the positions that the store has, made the same way."""
    covered: dict[str, NDArray[np.bool_]] = {}
    others: dict[str, Mapping[str, Any]] = {}
    for piece in store.pieces(setting.name):
        if piece.model not in setting.fingerprints:
            continue
        for record in origins(piece):
            run = record.get(RUN) or {}
            same = run.get("fingerprints", {}).get(piece.model)
            if run.get("set") == mark and same == setting.fingerprints[piece.model]:
                covered.setdefault(piece.model, np.zeros(n, bool))[positions(run["rows"])] = True
            else:
                others[piece.model] = record
    if others and not replace:
        raise ConflictError(_refusal(setting, others, mark))
    return covered


def _refusal(setting: Setting, others: Mapping[str, Mapping[str, Any]], mark: str) -> str:
    """What differs between rows that are there and those that would be made."""
    first, record = next(iter(others.items()))
    names = listed([f"'{m}'" for m in others])
    run = record.get(RUN) or {}
    if not run:
        why = "they were not made by a run"
    elif run.get("set") != mark:
        why = "the test set had other examples then, or the same in another order"
    else:
        old, new = run.get("facts", {}).get(first, {}), setting.facts[first]
        differing = [k for k in new if old.get(k) != new[k]]
        why = f"other {listed(differing)}" if differing else "they were made otherwise"
    return (
        f"Setting '{setting.name}' has rows of {names} in the store already, from"
        f" {origin_in_words(record)}, and they would not be the same now: {why}. Nothing was run."
        " Use --replace to put new rows in their place, give the model another name (?name=…), or"
        " use another --store."
    )
