"""Accuracies with their intervals: overall, mean per class, per class, by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heldout.analysis.cells import Cells, Correctness, accuracies, correctness, pick_models
from heldout.analysis.lacking import (
    how_many,
    lacking_notes,
    lacking_of,
    unanswered_notes,
    why_missing,
)
from heldout.errors import BadInput, HeldoutError, not_found
from heldout.stats.cluster import cluster_interval
from heldout.stats.proportion import clopper_pearson, mean_per_class
from heldout.store.read import Store
from heldout.table import Column, Table

MEAN_PER_CLASS = "mean-per-class"


def results(
    store: Store,
    settings: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    *,
    metric: str = "top-1",
    level: float = 0.95,
    cluster: str | None = None,
    incomplete: bool = False,
) -> Table:
    """One row per (model, setting): the metric's value with its interval, k and n.

    metric: 'top-1', 'top-5', 'mean-per-class' or, for video, 'pm-10'. cluster: a column of the
    label set (writer, video; or 'class') whose members are not independent. Rows are in order of
    setting, then value.
    Raises NotFound for unknown names, BadInput where a setting lacks what the metric needs.
    """
    if metric == MEAN_PER_CLASS:
        if cluster:
            raise BadInput("mean-per-class has no clustered interval; leave out --cluster.")
        return _mean_per_class(store, settings, models, level, incomplete)
    cells = accuracies(store, settings, metric, incomplete=incomplete)
    if models is not None:
        cells = cells.keep(pick_models(cells.models, models, "these settings", cells.lacking))
    low, high = _exact(cells, level)
    notes = list(cells.notes)
    choices = {"interval": f"Clopper-Pearson (exact), level {level:g}", "metric": metric}
    if cluster:
        low, high, said = _clustered(store, cells, cluster, level)
        notes += said
        choices["interval"] = (
            f"cluster-robust by '{cluster}' (effective sample size, Clopper-Pearson), level"
            f" {level:g}"
        )
    unknown = int(((cells.n < 0) & ~np.isnan(cells.value)).sum())
    if unknown:
        notes.append(
            f"Published without a recoverable count, so without interval: {unknown}"
            f" accurac{'y' if unknown == 1 else 'ies'}."
        )
    return _long(cells, low, high, notes, choices)


def _exact(cells: Cells, level: float) -> tuple[Any, Any]:
    known = cells.n > 0
    low = np.full(cells.value.shape, np.nan)
    high = low.copy()
    low[known], high[known] = clopper_pearson(cells.k[known], cells.n[known], level)
    return low, high


def _long(cells: Cells, low: Any, high: Any, notes: list[str], choices: dict[str, str]) -> Table:
    rows = [
        (j, i)
        for j in range(len(cells.settings))
        for i in np.argsort(-np.nan_to_num(cells.value[:, j], nan=-1.0), kind="stable")
    ]
    at = (np.array([i for _, i in rows], int), np.array([j for j, _ in rows], int))
    counts = {
        name: [None if v < 0 else int(v) for v in array[at]]
        for name, array in (("k", cells.k), ("n", cells.n))
    }
    return Table(
        "Accuracy",
        (
            Column("model", "text", [cells.models[i] for i in at[0]], "the model"),
            Column("setting", "text", [cells.settings[j] for j in at[1]], "the setting"),
            Column("value", "fraction", cells.value[at], cells.metric, ("low", "high")),
            Column("low", "fraction", low[at], "lower limit"),
            Column("high", "fraction", high[at], "upper limit"),
            Column("k", "int", counts["k"], "right answers", wide=True),
            Column("n", "int", counts["n"], "examples"),
        ),
        notes=tuple(notes),
        choices=choices,
        facts={"models": len(cells.models), "settings": len(cells.settings)},
    )


def _clustered(
    store: Store, cells: Cells, cluster: str, level: float
) -> tuple[Any, Any, list[str]]:
    low = np.full(cells.value.shape, np.nan)
    high = low.copy()
    notes = []
    for j, setting in enumerate(cells.settings):
        rows = np.flatnonzero(cells.examples[:, j])
        if not len(rows):
            notes.append(f"Setting '{setting}' has no per-example predictions: no clusters.")
            continue
        models = [cells.models[i] for i in rows]
        seen = correctness(store, setting, cells.metric, models)
        group = groups_of(seen.labels, cluster)
        whole = seen.present.all(axis=1)
        found = cluster_interval(seen.right[whole], group, level)
        low[rows[whole], j], high[rows[whole], j] = found[1], found[2]
        notes.append(
            f"Setting '{setting}': {how_many(len(np.unique(group)), 'cluster')} of '{cluster}'."
        )
    return low, high, notes


def groups_of(labels: Any, cluster: str) -> Any:
    """The cluster of every example as integers. 'class' is always there. Raises NotFound."""
    if cluster == "class":
        return labels.label
    if cluster not in labels.groups:
        raise not_found("cluster", cluster, ["class", *labels.groups], f"'{labels.name}'")
    values = [str(v) for v in labels.groups[cluster]]
    return np.unique(np.array(values, dtype=object), return_inverse=True)[1]


def _mean_per_class(
    store: Store,
    settings: Sequence[str] | None,
    models: Sequence[str] | None,
    level: float,
    incomplete: bool,
) -> Table:
    predicted = set(store.settings_with_predictions())
    names = [store.resolve(s) for s in settings or store.settings()]
    out: list[tuple[str, str, float, float, float, int]] = []
    notes = []
    lacking: dict[tuple[str, str], tuple[int, int]] = {}
    for setting in names:
        out += _published_means(store, setting, models)
        if setting not in predicted:
            continue
        try:
            seen, k, n = _class_counts(store, setting, models)
        except HeldoutError as error:
            notes.append(str(error))
            continue
        notes += unanswered_notes(seen)
        lacking |= lacking_of(seen)
        whole = seen.complete
        value, low, high = mean_per_class(k, n, level)
        for i in np.argsort(-value, kind="stable"):
            if whole[i] or incomplete:
                row = (float(value[i]), float(low[i]), float(high[i]))
                out.append((seen.models[i], setting, *row, int(n[i].sum())))
    if not out:
        why = " ".join([*notes, *([why_missing(lacking)] if lacking else [])])
        raise BadInput(why or "There is no mean per-class accuracy here.")
    notes += lacking_notes(lacking, scored=incomplete)
    return Table(
        "Mean per-class accuracy",
        (
            Column("model", "text", [r[0] for r in out], "the model"),
            Column("setting", "text", [r[1] for r in out], "the setting"),
            Column("value", "fraction", [r[2] for r in out], "mean over classes", ("low", "high")),
            Column("low", "fraction", [r[3] for r in out], "lower limit"),
            Column("high", "fraction", [r[4] for r in out], "upper limit"),
            Column("n", "int", [r[5] or None for r in out], "examples"),
        ),
        notes=tuple(notes),
        choices={
            "metric": MEAN_PER_CLASS,
            "interval": f"Clopper-Pearson at the stratified effective size, level {level:g}",
        },
    )


def _published_means(
    store: Store, setting: str, models: Sequence[str] | None
) -> list[tuple[str, str, float, float, float, int]]:
    """Published values of the metric: they have no interval."""
    table = store.results()
    rows = np.flatnonzero((table.setting == setting) & (table.metric == MEAN_PER_CLASS))
    nan = float("nan")
    found = [(str(table.model[i]), setting, float(table.value[i]), nan, nan, 0) for i in rows]
    kept = [f for f in found if models is None or f[0] in models]
    return sorted(kept, key=lambda f: -f[2])


def _class_counts(
    store: Store, setting: str, models: Sequence[str] | None
) -> tuple[Correctness, Any, Any]:
    """Which are right; per class how many, (m, classes), and of how many, (m, classes)."""
    seen = correctness(store, setting, "top-1", models)
    classes = len(seen.labels.classes)
    label = seen.labels.label
    k = np.stack([np.bincount(label[row], minlength=classes) for row in seen.right])
    n = np.stack([np.bincount(label[row], minlength=classes) for row in seen.present])
    return seen, k, n


def per_class(
    store: Store, setting: str, models: Sequence[str] | None = None, *, level: float = 0.95
) -> Table:
    """One row per (model, class): accuracy of a class with its exact interval.

    Raises NotFound when the setting has no predictions or labels.
    """
    setting = store.resolve(setting)
    seen, k, n = _class_counts(store, setting, models)
    labels, names, lacking = seen.labels, seen.models, lacking_of(seen)
    if lacking and models is None:
        keep = np.flatnonzero(seen.complete)
        names, k, n = [names[i] for i in keep], k[keep], n[keep]
    if not names:
        raise BadInput(f"No model has all examples of '{setting}'. {why_missing(lacking)}")
    used = np.flatnonzero(n.max(axis=0) > 0)
    k, n = k[:, used], n[:, used]
    low, high = clopper_pearson(k, n, level)
    m, c = k.shape
    value = np.divide(k, n, out=np.full(k.shape, np.nan), where=n > 0)
    return Table(
        f"Accuracy per class on {setting}",
        (
            Column("model", "text", list(np.repeat(np.array(names, object), c)), "the model"),
            Column("class", "text", [labels.classes[i] for i in used] * m, "the class's id"),
            Column("name", "text", [labels.class_names[i] for i in used] * m, "its name"),
            Column("value", "fraction", value.ravel(), "top-1", ("low", "high")),
            Column("low", "fraction", low.ravel(), "lower limit"),
            Column("high", "fraction", high.ravel(), "upper limit"),
            Column("k", "int", k.ravel(), "right answers", wide=True),
            Column("n", "int", n.ravel(), "examples"),
        ),
        notes=(*lacking_notes(lacking, scored=models is not None), *unanswered_notes(seen, names)),
        choices={"interval": f"Clopper-Pearson (exact), level {level:g}"},
        facts={"classes": c, "models": m},
    )
