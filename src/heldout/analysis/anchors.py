"""Accuracy within k frames of an anchor (pm-k): an anchor is right when all its frames are.

Shankar et al. 2019, "Do Image Classifiers Generalize Across Time?". Frames carry the groups
'anchor' (the id of their anchor frame) and 'offset' (frames after it, 0 for the anchor itself).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput

if TYPE_CHECKING:
    from heldout.analysis.cells import Correctness
    from heldout.store.read import LabelSet, Store

ANCHOR, OFFSET = "anchor", "offset"


def reach(metric: str) -> int | None:
    """K of 'pm-K'; None for another metric.

    >>> reach("pm-10"), reach("top-1")
    (10, None)
    """
    found = re.fullmatch(r"pm-(\d+)", metric)
    return int(found[1]) if found else None


def behind(store: Store, setting: str, metric: str) -> tuple[str, str]:
    """Where the predictions of a setting are: top-1 on X_pm10, a published name, is pm-10 on X.

    So it is where X has predictions and X_pm10 has none of its own.
    """
    found = re.fullmatch(r"(.+)_pm(\d+)", setting)
    if found is None or metric != "top-1":
        return setting, metric
    predicted = store.settings_with_predictions()
    if found[1] not in predicted or setting in predicted:
        return setting, metric
    return found[1], f"pm-{found[2]}"


def has_anchors(labels: LabelSet | None) -> bool:
    """Whether examples say which anchor they belong to."""
    return labels is not None and ANCHOR in labels.groups and OFFSET in labels.groups


def by_anchor(seen: Correctness, k: int) -> Correctness:
    """Right or wrong for every anchor: right when it and all frames within ±k are right.

    An anchor is there (present) when all those frames are. Raises BadInput where the
    label set has no anchors.
    """
    labels = seen.labels
    if not has_anchors(labels):
        raise BadInput(
            f"Metric pm-{k} is for video frames around anchors, but the labels of setting"
            f" '{seen.setting}' have no columns '{ANCHOR}' and '{OFFSET}'. Use top-1."
        )
    offset, owner, rows = _frames(seen.setting, labels)
    near = np.abs(offset) <= k
    m, n = len(seen.models), len(rows)
    wrong, missing = (
        np.array([np.bincount(owner[near & bad], minlength=n) for bad in cells]).reshape(m, n)
        for cells in (~seen.right, ~seen.present)
    )
    silent = None
    if seen.silent is not None:
        some = [np.bincount(owner[near & row], minlength=n) for row in seen.silent]
        silent = (np.array(some).reshape(m, n) > 0) & (missing == 0)
    kept = replace(
        labels,
        examples=[labels.examples[i] for i in rows],
        label=labels.label[rows],
        any_of=None if labels.any_of is None else [labels.any_of[i] for i in rows],
        groups={name: [values[i] for i in rows] for name, values in labels.groups.items()},
    )
    return replace(
        seen,
        metric=f"pm-{k}",
        right=wrong == 0,
        present=missing == 0,
        labels=kept,
        silent=silent,
    )


def neighbours(setting: str, labels: LabelSet, k: int) -> NDArray[np.int64]:
    """(anchors,) how many frames within ±k every anchor has, itself not counted."""
    offset, owner, rows = _frames(setting, labels)
    return np.bincount(owner[np.abs(offset) <= k], minlength=len(rows)) - 1


def _frames(
    setting: str, labels: LabelSet
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Offset and anchor (as a number) of every frame, and the rows that are anchors."""
    offset = np.array(labels.groups[OFFSET], np.int64)
    rows = np.flatnonzero(offset == 0).tolist()
    number = {labels.examples[i]: j for j, i in enumerate(rows)}
    named = labels.groups[ANCHOR]
    lost = next((a for a in named if a not in number), None)
    if lost is not None or not rows:
        raise BadInput(
            f"Setting '{setting}': the anchor '{lost}' of some frames is no example with offset 0;"
            " its labels are incomplete. Run or import it again."
        )
    return offset, np.array([number[a] for a in named], np.int64), rows
