"""What a report shows when nobody says: which settings, which pairs, which families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heldout.analysis.cells import Cells
from heldout.errors import BadInput, not_found
from heldout.store.read import Store

FAMILY_COLUMNS = ("family", "natural_shift_family", "pretraining", "training_data", "data")
MOST_LEVELS = 24
MOST_PAIRS = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """What to show. gaps: (original, new); shifts: (x, y) for effective robustness."""

    x: str
    y: str
    gaps: tuple[tuple[str, str], ...]
    shifts: tuple[tuple[str, str], ...]
    similar: tuple[str, ...]
    family: str | None


def choose(
    store: Store,
    cells: Cells,
    *,
    original: str | None = None,
    new: str | None = None,
    x: str | None = None,
    y: str | None = None,
    family: str | None = None,
) -> Choice:
    """Names resolved, gaps from the settings' `original` (or, where none has one,
    `baseline`), shifts from their `baseline`.

    Raises NotFound for unknown names and BadInput where the store has no accuracy at all.
    """
    if not cells.models or np.isnan(cells.value).all():
        raise BadInput(
            f"The store '{store.files.url}' has no accuracies to report: import predictions with"
            " their labels, or a table of results."
        )
    metadata = {s: m for s, m in store.settings().items() if _models(cells, s)}
    given = {k: store.resolve(v) if v else None
             for k, v in {"original": original, "new": new, "x": x, "y": y}.items()}  # fmt: skip
    # Where nobody names an original (own runs under shifts), the baseline is what is replicated.
    named = any(m.get("original") in metadata for m in metadata.values())
    field = "original" if named else "baseline"
    gaps = _pairs(metadata, cells, field, given["original"], given["new"])
    shifts = _shifts(metadata, cells)
    if given["x"] and given["y"]:
        pair = (given["x"], given["y"])
        shifts = (pair, *(p for p in shifts if p != pair))
    first = _first_view(metadata, cells, gaps, shifts, given["x"], given["y"])
    return Choice(
        *first,
        gaps=gaps[:MOST_PAIRS],
        shifts=shifts[:MOST_PAIRS],
        similar=_similar(store, cells, gaps),
        family=_family(store, cells, family),
    )


def _models(cells: Cells, setting: str) -> int:
    return int(np.count_nonzero(~np.isnan(cells.of(setting)[0])))


def _shared(cells: Cells, pair: tuple[str, str]) -> int:
    a, b = (~np.isnan(cells.of(s)[0]) for s in pair)
    return int(np.count_nonzero(a & b))


def _pairs(
    metadata: Mapping[str, Mapping[str, Any]],
    cells: Cells,
    field: str,
    first: str | None,
    second: str | None,
) -> tuple[tuple[str, str], ...]:
    """(metadata[field], setting) of every setting that names one.

    Pairs of the base that most settings name come first, those with few common models last.
    """
    pairs = [(str(m[field]), s) for s, m in metadata.items() if m.get(field) in metadata]
    if first:
        pairs = [p for p in pairs if p[0] == first]
    if second:
        base = first or next((p[0] for p in pairs if p[1] == second), None)
        if base is None:
            raise BadInput(
                f"Setting '{second}' does not say what it replicates; name the original too"
                " (--original)."
            )
        pairs = [(base, second), *(p for p in pairs if p != (base, second))]
    wanted = [p for p in pairs if p[0] != p[1] and _shared(cells, p)]
    head = wanted[:1] if second else []
    rest = wanted[len(head) :]
    most = max((_shared(cells, p) for p in rest), default=0)
    named = [p[0] for p in rest]
    rest.sort(key=lambda p: (_shared(cells, p) < most / 2, -named.count(p[0])))
    return tuple(head + rest)


def _shifts(metadata: Mapping[str, Mapping[str, Any]], cells: Cells) -> tuple[tuple[str, str], ...]:
    """Natural shifts with their baselines; replicates where there are none; else any shift."""
    everything = _pairs(metadata, cells, "baseline", None, None)
    for kind in ("natural", "replicate", ""):
        found = [p for p in everything if str(metadata[p[1]].get("group", "")).startswith(kind)]
        if found:
            return tuple(found)
    return ()


def _first_view(
    metadata: Mapping[str, Any],
    cells: Cells,
    gaps: Sequence[tuple[str, str]],
    shifts: Sequence[tuple[str, str]],
    x: str | None,
    y: str | None,
) -> tuple[str, str]:
    known = [*gaps, *shifts]
    if x and y:
        return x, y
    if y:
        return next((p for p in known if p[1] == y), (_fullest(metadata, cells, y), y))
    if x:
        return next((p for p in known if p[0] == x), (x, _fullest(metadata, cells, x)))
    if known:
        return known[0]
    first = max(metadata, key=lambda s: _models(cells, s))
    return first, _fullest(metadata, cells, first)


def _fullest(metadata: Mapping[str, Any], cells: Cells, partner: str) -> str:
    """The setting that shares most models with another; itself where there is no other."""
    others = [s for s in metadata if s != partner]
    return max(others, key=lambda s: _shared(cells, (partner, s))) if others else partner


def _similar(store: Store, cells: Cells, gaps: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Settings with per-example predictions of two models or more, those of the gaps first."""
    there = [
        s for s in store.settings_with_predictions()
        if np.count_nonzero(cells.examples[:, cells.settings.index(s)]) >= 2
    ]  # fmt: skip
    named = [s for pair in gaps for s in pair if s in there]
    return tuple(dict.fromkeys([*named, *there]))[:6]


def levels(values: Sequence[Any]) -> list[str] | None:
    """The distinct words of a metadata column, most frequent first; None for anything but words.

    >>> levels(["cnn", "vit", "cnn", None]), levels([0.1, 0.2]), levels([True, False])
    (['cnn', 'vit'], None, ['no', 'yes'])
    """
    there = [word(v) for v in values if isinstance(v, str | bool)]
    count: dict[str, int] = {}
    for v in there:
        count[v] = count.get(v, 0) + 1
    few = 2 <= len(count) <= min(MOST_LEVELS, max(2, len(there) // 2))
    if not few or len(there) < 0.3 * len(values):
        return None
    return sorted(count, key=lambda v: (-count[v], v))


def word(value: Any) -> str:
    """A level as people read it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _family(store: Store, cells: Cells, wanted: str | None) -> str | None:
    metadata = store.models()
    fields = list(dict.fromkeys(k for m in cells.models for k in metadata.get(m, {})))
    fields = [f for f in fields if f != "model"]
    if wanted:
        if wanted not in fields:
            raise not_found("metadata column", wanted, fields, f"the store '{store.files.url}'")
        return wanted
    usable = [f for f in fields if levels([metadata.get(m, {}).get(f) for m in cells.models])]
    liked = [f for f in FAMILY_COLUMNS if f in usable]
    return next(iter(liked + usable), None)
