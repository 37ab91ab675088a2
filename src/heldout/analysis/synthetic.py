"""Does robustness to synthetic shifts go with robustness to natural ones? (Taori et al. 2020)

For every pair of a synthetic and a natural shift: the correlation, over models outside the baseline
population, of their effective robustness to the one and to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Cells, accuracies
from heldout.analysis.fits import fit
from heldout.analysis.lacking import how_many
from heldout.analysis.line import knee_of, predict, predict_knee
from heldout.analysis.population import select
from heldout.errors import BadInput
from heldout.stats.rank import spearman
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


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
) -> Table:
    """One row per (synthetic average, natural setting): Pearson's r with Fisher's interval, n.

    population: SQL condition of the baseline; models: of the models that are correlated (default:
    those outside the population). Synthetic averages are made from the settings' metadata: the
    mean over corruptions of the mean over severities ('corruptions'), and over attacks
    ('adversarial'); a model that lacks one setting is left out. natural: the natural settings
    (default: all with a baseline). pivots: natural setting to the model at its knee. Raises
    BadInput where there is nothing to correlate.
    """
    settings = store.settings()
    wanted = [store.resolve(s) for s in natural] if natural else _natural(store)
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
    knees = {store.resolve(s): m for s, m in (pivots or {}).items()}
    rows: list[tuple[str, str, int, float, float, float, float]] = []
    for word, (baseline, mean) in averages.items():
        er_synthetic = _beyond(cells, base, cells.of(baseline)[0], mean, scale, None)
        for name in wanted:
            x = cells.of(store.resolve(settings[name]["baseline"]))[0]
            er = _beyond(cells, base, x, cells.of(name)[0], scale, knees.get(name))
            at = [cells.models.index(m) for m in tested]
            u, v = er_synthetic[at], er[at]
            both = np.isfinite(u) & np.isfinite(v)
            n = int(both.sum())
            if n < 4:
                continue
            r = float(np.corrcoef(u[both], v[both])[0, 1])
            low, high = _fisher(r, n, level)
            rows.append((word, name, n, r, low, high, spearman(u[both], v[both])))
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
        choices={
            "scale": scale,
            "population": population,
            "models": models or "all outside the population",
            "interval": f"Fisher's z, level {level:g}; treats models as independent draws",
        },
    )


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
    """Name to (baseline setting, mean accuracy of every model, NaN where one is missing)."""
    found: dict[str, tuple[str, FloatArray]] = {}
    for word, group in (("corruptions", "corruption"), ("adversarial", "adversarial")):
        kinds: dict[tuple[str, str], list[str]] = {}
        baselines: set[str] = set()
        for name, row in store.settings().items():
            if row.get("group") == group and row.get("baseline"):
                key = (str(row.get("corruption", name)), str(row.get("medium", "")))
                kinds.setdefault(key, []).append(name)
                baselines.add(store.resolve(row["baseline"]))
        if kinds and len(baselines) == 1:
            means = [np.mean([cells.of(s)[0] for s in names], axis=0) for names in kinds.values()]
            found[word] = (baselines.pop(), np.mean(means, axis=0))
    return found


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
