"""Accuracy on video frames: of anchors alone, and of anchors with all frames around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.anchors import has_anchors, neighbours
from heldout.analysis.cells import Cells, accuracies, pick_models
from heldout.analysis.lacking import how_many
from heldout.errors import BadInput
from heldout.stats.difference import nested_drop
from heldout.stats.proportion import clopper_pearson
from heldout.store.read import Store
from heldout.table import Column, Table

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Anchors right alone (before) and with their frames (after), of n, for every model."""

    models: list[str]
    before: IntArray
    after: IntArray
    n: IntArray


def pm_k(
    store: Store,
    setting: str,
    k: int = 10,
    models: Sequence[str] | None = None,
    level: float = 0.95,
) -> Table:
    """One row per model: accuracy of anchors alone (pm-0), with all frames within ±k (pm-k), and
    the drop between the two.

    pm-k is nested in pm-0, so the drop is one binomial with an exact interval. Frames come from
    predictions; published counts (settings SETTING_pm0 and SETTING_pmK) are taken as well. Raises
    NotFound for unknown names and BadInput where the setting has no anchors. Shankar et al. 2019.
    """
    if k < 1:
        raise BadInput(f"The number of frames around an anchor must be at least 1, not {k}.")
    name = re.sub(r"_pm\d+$", "", setting)
    before, after, whole = _cells(store, name, k)
    notes = list(dict.fromkeys([*before.notes, *after.notes]))
    names = [m for m in after.models if m in set(before.models)]
    if models is not None:
        names = pick_models(names, models, f"'{name}'")
    counts, more = _counts(before.keep(names), after.keep(names), k)
    if not counts.models:
        raise BadInput(" ".join([*notes, *more]) or f"There are no accuracies on '{name}'.")
    facts = {"setting": name, "k": k, "models": len(counts.models), "anchors": _one(counts.n)}
    if whole is not None:
        facts |= _about_anchors(store, whole, k)
        more += _in_words(facts, k)
    drop = (counts.before - counts.after) / counts.n
    facts |= {"median_drop": float(np.median(drop))}
    return Table(
        f"Accuracy within {k} frames on {name}",
        _columns(counts, k, drop, level),
        notes=(*notes, *more),
        verdict=(_verdict(counts, drop, k, level),),
        facts=facts,
        choices={
            "interval": f"Clopper-Pearson (exact), level {level:g}; the drop is one proportion:"
            " anchors right alone but not with all their frames",
        },
    )


def _cells(store: Store, name: str, k: int) -> tuple[Cells, Cells, str | None]:
    """Accuracies of pm-0 and pm-k, and the setting whose frames are there, if any."""
    settings = store.settings()
    derived = [f"{name}_pm0", f"{name}_pm{k}"]
    framed = name if name in settings and has_anchors(store.label_set_of(name)) else None
    if all(d in settings for d in derived):
        return accuracies(store, derived[:1]), accuracies(store, derived[1:]), framed
    name = store.resolve(name)
    return accuracies(store, [name], "pm-0"), accuracies(store, [name], f"pm-{k}"), name


def _counts(before: Cells, after: Cells, k: int) -> tuple[_Counts, list[str]]:
    """The models whose counts are known and nested, best first; notes on the others."""
    k0, n0 = before.k[:, 0], before.n[:, 0]
    k1, n1 = after.k[:, 0], after.n[:, 0]
    known = (k0 >= 0) & (k1 >= 0) & (n0 > 0) & (n1 > 0)
    nested = known & (n0 == n1) & (k1 <= k0)
    notes = []
    if (known & ~nested).any():
        some = [m for m, bad in zip(before.models, known & ~nested, strict=True) if bad]
        notes.append(
            f"Left out: {how_many(len(some), 'model')} ({some[0]}{', …' * (len(some) > 1)}) whose"
            f" pm-0 and pm-{k} are not of the same anchors."
        )
    if not known.all():
        notes.append(
            f"Without one of the two accuracies: {how_many(int((~known).sum()), 'model')}."
        )
    rows = np.flatnonzero(nested)
    rows = rows[np.lexsort((-k0[rows], -k1[rows]))]
    return _Counts([before.models[i] for i in rows], k0[rows], k1[rows], n0[rows]), notes


def _columns(counts: _Counts, k: int, drop: Any, level: float) -> tuple[Column, ...]:
    columns = [Column("model", "text", counts.models, "the model")]
    for name, right, doc in (
        ("pm_0", counts.before, "anchors right"),
        (f"pm_{k}", counts.after, f"anchors right with all frames within {k}"),
    ):
        low, high = clopper_pearson(right, counts.n, level)
        columns += [
            Column(name, "fraction", right / counts.n, doc, (f"{name}_low", f"{name}_high")),
            Column(f"{name}_low", "fraction", low, "lower limit"),
            Column(f"{name}_high", "fraction", high, "upper limit"),
        ]
    low, high = nested_drop(counts.before, counts.after, counts.n, level)
    return (
        *columns,
        Column("drop", "fraction", drop, f"pm_0 minus pm_{k}", ("drop_low", "drop_high")),
        Column("drop_low", "fraction", low, "lower limit"),
        Column("drop_high", "fraction", high, "upper limit"),
        Column("k_0", "int", counts.before, "anchors right", wide=True),
        Column(f"k_{k}", "int", counts.after, f"anchors right within {k}", wide=True),
        Column("n", "int", counts.n, "anchors"),
    )


def _about_anchors(store: Store, setting: str, k: int) -> dict[str, int]:
    labels = store.label_set_of(setting)
    if labels is None:
        return {}
    count = neighbours(setting, labels, k)
    return {
        "frames": int(count.sum() + len(count)),
        "without_neighbours": int((count == 0).sum()),
        "with_all_neighbours": int((count == 2 * k).sum()),
        "in_label_set": len(count),
    }


def _in_words(facts: dict[str, Any], k: int) -> list[str]:
    if "in_label_set" not in facts:
        return []
    total = facts["in_label_set"]
    notes = [
        f"{facts['with_all_neighbours']:,} of {total:,} anchors have all {2 * k} frames within {k};"
        " the drop grows with the number of frames."
    ]
    if facts["without_neighbours"]:
        notes.append(
            f"{facts['without_neighbours']:,} of {total:,} anchors have no frame within {k}: they"
            " count as their anchor alone."
        )
    return notes


def _verdict(counts: _Counts, drop: Any, k: int, level: float) -> str:
    if len(counts.models) == 1:
        low, high = nested_drop(counts.before[0], counts.after[0], counts.n[0], level)
        return (
            f"{counts.models[0]} is right on {100 * counts.before[0] / counts.n[0]:.2f} % of"
            f" {counts.n[0]:,} anchors, and with all frames within {k} on"
            f" {100 * counts.after[0] / counts.n[0]:.2f} %: it loses {100 * drop[0]:.2f} points"
            f" [{100 * float(low):.2f}, {100 * float(high):.2f}]."
        )
    return (
        f"With all frames within {k} of an anchor, {len(counts.models)} models lose"
        f" {100 * np.median(drop):.2f} points in the median ({100 * drop.min():.2f} to"
        f" {100 * drop.max():.2f})."
    )


def _one(n: IntArray) -> int | None:
    """The number of anchors where all models have the same."""
    return int(n[0]) if len(set(n.tolist())) == 1 else None
