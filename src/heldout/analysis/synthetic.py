"""Does robustness to synthetic shifts go with robustness to natural ones? (Taori et al. 2020)

For every pair of a synthetic and a natural shift: the correlation, over models outside the baseline
population, of their effective robustness to the one and to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies
from heldout.analysis.corruption_settings import KINDS, variants
from heldout.analysis.fits import fit
from heldout.analysis.lacking import how_many
from heldout.analysis.line import knee_of, predict, predict_knee
from heldout.analysis.population import select
from heldout.errors import BadInput, NotFound
from heldout.stats.rank import spearman
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]
_WORDS = {"corruption": "corruptions", "adversarial": "adversarial"}  # group: its average


def synthetic_against_natural(
    store: Store,
    *,
    population: str,
    models: str | None = None,
    natural: Sequence[str] | None = None,
    scale: str = "logit",
    pivots: Mapping[str, str] | None = None,
    metric: str = "top-1",
    level: float = 0.95,
    cells: Cells | None = None,
) -> Table:
    """One row per (synthetic average, natural setting): Pearson's r with Fisher's interval, n.

    population: SQL condition of the baseline; models: of the models that are correlated (default:
    those outside the population). Synthetic averages are made from the settings' metadata, for
    each clean setting: the mean over corruptions of the mean over severities ('corruptions'), and
    over attacks ('adversarial'); settings that heldout itself corrupted have an average for each
    variant (`corruption_settings.Variant`). A model that lacks one setting is left out. natural:
    the natural settings (default: all with a baseline). pivots: natural setting to the model at
    its knee. cells: accuracies in all settings that are known already. Sub-table `points`: the
    effective robustness of every model to both. Raises BadInput where there is nothing to
    correlate.
    """
    settings = store.settings()
    wanted = [store.resolve(s) for s in natural] if natural else _natural(store)
    if cells is None:
        cells = accuracies(store, None, metric)
    base = select(store, cells, population)
    tested = select(store, cells, models) if models else _others(cells, base)
    if len(tested) < 4:
        raise BadInput(
            f"Only {how_many(len(tested), 'model')} outside the population; at least 4 are needed."
        )
    averages = _averages(store, cells)
    if not averages:
        raise BadInput("The store has no settings of group 'corruption' or 'adversarial'.")
    if not wanted:
        raise BadInput("The store has no natural shift that names its baseline.")
    knees = {store.resolve(s): m for s, m in (pivots or {}).items()}
    at = np.array([cells.models.index(m) for m in tested])
    notes: list[str] = []
    natural_er: dict[str, FloatArray] = {}
    for name in wanted:
        x = cells.of(store.resolve(settings[name]["baseline"]))[0]
        try:
            found = _beyond(cells, base, x, cells.of(name)[0], scale, knees.get(name))
        except BadInput as error:
            notes.append(f"{name}: no line. {error}")
            continue
        natural_er[name] = found[at]
    rows: list[tuple[str, str, int, float, float, float, float]] = []
    points: list[tuple[str, str, str, float, float]] = []
    for word, (baseline, mean) in averages.items():
        try:
            u = _beyond(cells, base, cells.of(baseline)[0], mean, scale, None)[at]
        except BadInput as error:
            notes.append(f"{word}: no line. {error}")
            continue
        for name, v in natural_er.items():
            both = np.flatnonzero(np.isfinite(u) & np.isfinite(v))
            n = len(both)
            if n < 4 or not (np.ptp(u[both]) > 0 and np.ptp(v[both]) > 0):
                notes.append(f"{word} with {name}: {how_many(n, 'model')}; at least 4 are needed.")
                continue
            r = float(np.corrcoef(u[both], v[both])[0, 1])
            low, high = _fisher(r, n, level)
            rows.append((word, name, n, r, low, high, spearman(u[both], v[both])))
            points += [(word, name, tested[i], float(u[i]), float(v[i])) for i in both]
    if not rows:
        raise BadInput(
            " ".join(["No synthetic shift can be correlated with a natural one.", *notes])
        )
    return Table(
        "Synthetic against natural robustness",
        (
            Column("synthetic", "text", [r[0] for r in rows], "the synthetic average"),
            Column("natural", "text", [r[1] for r in rows], "the natural setting"),
            Column("n", "int", [r[2] for r in rows], "models"),
            Column("r", "number", [r[3] for r in rows], "Pearson", ("low", "high")),
            Column("low", "number", [r[4] for r in rows], "lower limit"),
            Column("high", "number", [r[5] for r in rows], "upper limit"),
            Column("spearman", "number", [r[6] for r in rows], "Spearman", wide=True),
        ),
        notes=tuple(notes),
        verdict=_sentences(rows),
        choices={
            "scale": scale,
            "population": population,
            "models": models or "all outside the population",
            "interval": f"Fisher's z, level {level:g}; treats models as independent draws",
        },
        parts={"points": _points(points)},
    )


def _points(points: list[tuple[str, str, str, float, float]]) -> Table:
    return Table(
        "Effective robustness to synthetic and natural shifts",
        (
            Column("synthetic", "text", [p[0] for p in points], "the synthetic average"),
            Column("natural", "text", [p[1] for p in points], "the natural setting"),
            Column("model", "text", [p[2] for p in points], "the model"),
            Column("er_synthetic", "points", [p[3] for p in points], "beyond the line, synthetic"),
            Column("er_natural", "points", [p[4] for p in points], "beyond the line, natural"),
        ),
    )


def _sentences(rows: Sequence[tuple[str, str, int, float, float, float, float]]) -> tuple[str, ...]:
    """A sentence for each synthetic average: where r is lowest and highest."""
    out = []
    for word in dict.fromkeys(r[0] for r in rows):
        mine = sorted((r for r in rows if r[0] == word), key=lambda r: r[3])
        low, high = mine[0], mine[-1]
        sure = sum(r[4] > 0 for r in mine)
        what = "attacks" if word == "adversarial" else word
        out.append(
            f"Robustness to {what} goes with robustness to {how_many(len(mine), 'natural shift')}"
            f" at r from {low[3]:.2f} ({low[1]}) to {high[3]:.2f} ({high[1]}); {sure} of"
            f" {len(mine)} intervals lie above 0."
        )
    return tuple(out)


def _natural(store: Store) -> list[str]:
    groups = ("natural", "replicate")
    return [
        s for s, row in store.settings().items() if row.get("group") in groups
        and row.get("baseline") in store.settings()
    ]  # fmt: skip


def _others(cells: Cells, base: list[str]) -> list[str]:
    inside = set(base)
    return [m for m in cells.models if m not in inside]


def _averages(store: Store, cells: Cells) -> dict[str, tuple[str, FloatArray]]:
    """Name to (clean setting, mean accuracy of every model, NaN where one is missing).

    Settings of published tables are averaged over all media, as the ImageNet testbed does.
    """
    mine = [v for v in variants(store) if v.own]
    ours = {s for v in mine for s in v.settings.values()}
    tables: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for name, row in store.settings().items():
        if row.get("group") not in _WORDS or not row.get("baseline") or name in ours:
            continue
        try:
            baseline = store.resolve(row["baseline"])
        except NotFound:
            continue  # nothing was run without corruption
        key = (str(row.get("corruption", name)), str(row.get("medium", "")))
        kinds = tables.setdefault((_WORDS[row["group"]], baseline), {})
        kinds.setdefault(key, []).append(name)
    words = [word for word, _ in tables]
    found: dict[str, tuple[str, FloatArray]] = {}
    for (word, baseline), kinds in tables.items():
        said = word if words.count(word) == 1 else f"{word} ({baseline})"
        found[said] = (baseline, _mean(cells, list(kinds.values())))
    for v in mine:
        whole = [v.names(k) for k in v.whole(KINDS)]
        if whole and v.baseline in store.settings():
            found[f"corruptions ({v.words})"] = (v.baseline, _mean(cells, whole))
    order = [w for group in _WORDS.values() for w in found if w.startswith(group)]
    return {w: found[w] for w in order}


def _mean(cells: Cells, kinds: Sequence[Sequence[str]]) -> FloatArray:
    """The mean over kinds of the mean over their settings."""
    means = [np.mean([cells.of(s)[0] for s in names], axis=0) for names in kinds]
    return np.asarray(np.mean(means, axis=0))


def _beyond(
    cells: Cells, base: list[str], x: FloatArray, y: FloatArray, scale: str, pivot: str | None
) -> FloatArray:
    """Effective robustness of every model of `cells` on y given x."""
    at = {m: i for i, m in enumerate(cells.models)}
    index = [at[m] for m in base]
    f = fit(base, x[index], y[index], scale)
    if pivot is None:
        return np.asarray(y - predict(f, x))
    unknown = np.full((len(x), 2), -1, np.int64)
    some = Cells(cells.metric, cells.models, ["x", "y"], np.column_stack([x, y]), unknown, unknown,
                 unknown > 0, ())  # fmt: skip
    return np.asarray(y - predict_knee(knee_of(some, f, pivot), scale, x))


def _fisher(r: float, n: int, level: float) -> tuple[float, float]:
    from heldout.stats.arguments import two_sided_z

    z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    half = two_sided_z(level) / np.sqrt(max(n - 3, 1))
    return float(np.tanh(z - half)), float(np.tanh(z + half))
