"""Original against new test set: the gap, the order of models, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Correctness, accuracies, correctness, pick_models
from heldout.analysis.fits import Fit, fit_table, fits_of, influence_table, shared_examples
from heldout.analysis.lacking import how_many, named, only, why_missing
from heldout.analysis.pairs import all_pairs, better_matrix, corrected_p
from heldout.analysis.population import select
from heldout.analysis.verdict import gap_verdict
from heldout.errors import BadInput
from heldout.stats.arguments import two_sided_z
from heldout.stats.difference import mover_difference, overlap_correlation
from heldout.stats.multiple import holm
from heldout.stats.proportion import clopper_pearson
from heldout.stats.rank import competition_rank, kendall_tau_b, rank_intervals, spearman
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One of the two settings: accuracies, counts and, where there are examples, correctness."""

    setting: str
    value: FloatArray
    k: NDArray[np.int64]
    n: NDArray[np.int64]
    seen: Correctness | None


def gap(
    store: Store,
    original: str,
    new: str,
    *,
    metric: str = "top-1",
    models: Sequence[str] | None = None,
    population: str | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Table:
    """Accuracy on original minus accuracy on new for every model, with ranks and fits.

    Two test sets that share examples (by id) are not treated as independent: the interval of the
    gap takes their covariance into account. parts: 'fits' (slope on each scale, models resampled
    and examples resampled), 'influential' (the models without which the slope moves most).
    models or population (an SQL condition) restrict the models. A single model has its gap and no
    fits. Raises NotFound for unknown names and BadInput where no model has both accuracies.
    """
    x_name, y_name = store.resolve(original), store.resolve(new)
    if x_name == y_name:
        raise BadInput(f"Original and new are the same setting, '{x_name}'; a gap needs two.")
    cells = accuracies(store, [x_name, y_name], metric)
    notes = list(cells.notes)
    names = select(store, cells, population)
    if models is not None:
        pick_models(cells.models, models, "these settings", cells.lacking)
        names = [m for m in names if m in set(models)]
    cells = cells.keep(names)
    both = np.asarray(~np.isnan(cells.value).any(axis=1))
    if not both.all():
        gone = [m for m, b in zip(cells.models, both, strict=True) if not b]
        notes.append(f"Left out, with only one of the two accuracies:"
                     f" {how_many(len(gone), 'model')} ({named(gone)}).")  # fmt: skip
    names = [m for m, b in zip(cells.models, both, strict=True) if b]
    if not names:
        short = why_missing(only(cells.lacking, models))
        raise BadInput(
            f"No model has an accuracy on both '{x_name}' and '{y_name}'."
            f" {short or '`heldout info` shows which cells there are.'}"
        )
    cells = cells.keep(names)
    x, y = (_side(store, cells, s, metric) for s in (x_name, y_name))
    shared, correlation = _overlap(x, y)
    if shared:
        notes.append(f"{shared} example{' is' if shared == 1 else 's are'} in both test"
                     " sets; the intervals of the gap take that into account.")  # fmt: skip
    low, high = _gap_limits(x, y, correlation, level)
    ranks = [_ranks(side, level, notes) for side in (x, y)]
    fits = fits_of(names, x.value, y.value, x.seen, y.seen, level=level, seed=seed)
    alone = len(names) == 1
    mean = (float(low[0]), float(high[0])) if alone else _mean_gap(x, y, level)
    facts = {
        "models": len(names),
        "original": x_name,
        "new": y_name,
        "mean_gap": float(np.mean(x.value - y.value)),
        "mean_gap_low": mean[0],
        "mean_gap_high": mean[1],
        "median_gap": float(np.median(x.value - y.value)),
        "min_gap": float(np.min(x.value - y.value)),
        "max_gap": float(np.max(x.value - y.value)),
        "spearman": float("nan") if alone else spearman(x.value, y.value),
        "kendall_tau_b": float("nan") if alone else kendall_tau_b(x.value, y.value),
        "shared_examples": shared,
        "largest_rank_change": int(np.abs(ranks[0][0] - ranks[1][0]).max()),
        "significant_rank_changes": _certain_moves(*ranks),
        "replication": _replication(store, x_name, y_name),
    }
    if alone:
        facts["model"] = names[0]
    influential = influence_table(names, x.value, y.value, fits)
    return Table(
        f"Gap from {x_name} to {y_name}",
        _columns(names, x, y, (low, high), ranks, level),
        notes=tuple(notes + [n for f in fits for n in f.notes]),
        verdict=gap_verdict(facts, fits, influential),
        facts=facts,
        choices=_choices(metric, level, shared, x, y, population),
        parts={"fits": fit_table(fits), "influential": influential},
    )


def _replication(store: Store, original: str, new: str) -> bool:
    """Whether new may be a replicate of original: not when the store says it is something else."""
    row = store.settings()[new]
    if row.get("original") == original:
        return True
    if row.get("baseline") == original and not row.get("group"):
        return False
    return str(row.get("group", "replicate")) in ("replicate", "original", "")


def _side(store: Store, cells: Any, setting: str, metric: str) -> _Side:
    value, k, n = cells.of(setting)
    j = cells.settings.index(setting)
    has_all = bool(cells.examples[:, j].all())
    seen = correctness(store, setting, metric, cells.models) if has_all else None
    return _Side(setting, value, k, n, seen)


def _overlap(x: _Side, y: _Side) -> tuple[int, FloatArray]:
    """Number of shared examples, and for every model the correlation of its two accuracies."""
    none = np.zeros(len(x.value))
    if x.seen is None or y.seen is None:
        return 0, none
    both = shared_examples(x.seen, y.seen)
    if both is None:
        return 0, none
    ix, iy = both
    a = x.seen.right[:, ix] - x.value[:, None]
    b = y.seen.right[:, iy] - y.value[:, None]
    covariance = (a * b).mean(axis=1)
    rho = overlap_correlation(x.n, y.n, len(ix), x.value, y.value, covariance)
    return len(ix), np.asarray(rho)


def _gap_limits(
    x: _Side, y: _Side, correlation: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    low = np.full(len(x.value), np.nan)
    high = low.copy()
    known = (x.n > 0) & (y.n > 0)
    low[known], high[known] = mover_difference(
        x.k[known], x.n[known], y.k[known], y.n[known], level, correlation[known]
    )
    return low, high


def _ranks(side: _Side, level: float, notes: list[str]) -> tuple[Any, Any, Any]:
    """Rank of every model with its simultaneous interval."""
    m = len(side.value)
    rank = competition_rank(side.value)
    if m == 1:
        return rank, rank, rank
    if side.seen is not None:
        pairs = all_pairs(side.seen.right)
        better = better_matrix(pairs, corrected_p(pairs)[1], m, 1 - level)
    elif (side.n > 0).all():
        better = _better_unpaired(side, level)
        notes.append(
            f"'{side.setting}' has no per-example predictions: its rank intervals treat models as"
            " independent, which makes them wider than they need to be."
        )
    else:
        notes.append(f"'{side.setting}' has accuracies without counts: no rank intervals.")
        return rank, np.full(m, -1), np.full(m, -1)
    best, worst = rank_intervals(better)
    return rank, best, worst


def _better_unpaired(side: _Side, level: float) -> NDArray[np.bool_]:
    """Two-sample z tests of all pairs, Holm-corrected."""
    from scipy.special import ndtr

    m = len(side.value)
    i, j = np.triu_indices(m, 1)
    pooled = (side.k[i] + side.k[j]) / (side.n[i] + side.n[j])
    se = np.sqrt(pooled * (1 - pooled) * (1 / side.n[i] + 1 / side.n[j]))
    z = np.divide(side.value[i] - side.value[j], se, out=np.zeros(len(i)), where=se > 0)
    sure = holm(2 * ndtr(-np.abs(z))) <= 1 - level
    better = np.zeros((m, m), bool)
    better[np.where(z > 0, i, j)[sure], np.where(z > 0, j, i)[sure]] = True
    return better


def _certain_moves(a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]) -> int | None:
    """Models whose two simultaneous rank intervals do not meet; None without rank intervals."""
    if (a[1] < 0).any() or (b[1] < 0).any():
        return None
    return int(((a[2] < b[1]) | (b[2] < a[1])).sum())


def _mean_gap(x: _Side, y: _Side, level: float) -> tuple[float, float]:
    """Interval of the mean gap of these models, examples resampled (normal limit)."""
    center = float(np.mean(x.value - y.value))
    z = two_sided_z(level)
    if x.seen is not None and y.seen is not None:
        a, b = x.seen.right.mean(axis=0), y.seen.right.mean(axis=0)
        variance = a.var() / len(a) + b.var() / len(b)
        both = shared_examples(x.seen, y.seen)
        if both is not None:
            ix, iy = both
            together = ((a[ix] - a.mean()) * (b[iy] - b.mean())).sum()
            variance -= 2 * together / (len(a) * len(b))
        half = z * float(np.sqrt(max(variance, 0.0)))
    elif (x.n > 0).all() and (y.n > 0).all():
        # The correlation between models is unknown; 1 gives the widest interval.
        sd = [np.sqrt(s.value * (1 - s.value) / s.n).mean() for s in (x, y)]
        half = z * float(np.hypot(*sd))
    else:
        return float("nan"), float("nan")
    return center - half, center + half


def _columns(
    names: list[str], x: _Side, y: _Side, limits: Any, ranks: list[Any], level: float
) -> tuple[Column, ...]:
    columns = [Column("model", "text", names, "the model")]
    for word, side in (("original", x), ("new", y)):
        low = np.full(len(names), np.nan)
        high = low.copy()
        known = side.n > 0
        low[known], high[known] = clopper_pearson(side.k[known], side.n[known], level)
        columns += [
            Column(word, "fraction", side.value, f"accuracy on {side.setting}",
                   (f"{word}_low", f"{word}_high")),
            Column(f"{word}_low", "fraction", low, "lower limit"),
            Column(f"{word}_high", "fraction", high, "upper limit"),
            Column(f"{word}_k", "int", _or_none(side.k), "right answers", wide=True),
            Column(f"{word}_n", "int", _or_none(side.n), "examples", wide=True),
        ]  # fmt: skip
    columns += [
        Column("gap", "points", x.value - y.value, "original minus new", ("gap_low", "gap_high")),
        Column("gap_low", "points", limits[0], "lower limit"),
        Column("gap_high", "points", limits[1], "upper limit"),
    ]
    for word, (rank, best, worst) in zip(("original", "new"), ranks, strict=True):
        columns += [
            Column(f"rank_{word}", "int", rank, f"1 + models strictly better on {word}", wide=True),
            Column(f"rank_{word}_low", "int", _or_none(best), "best rank, simultaneous", wide=True),
            Column(f"rank_{word}_high", "int", _or_none(worst), "worst rank, simultaneous",
                   wide=True),
        ]  # fmt: skip
    change = ranks[0][0] - ranks[1][0]
    columns.append(
        Column("rank_change", "int", change, "rank on original minus rank on new; negative falls")
    )
    order = np.argsort(-x.value, kind="stable")
    return tuple(Table("", tuple(columns)).take(order).columns)


def _or_none(values: Any) -> list[int | None]:
    return [None if v < 0 else int(v) for v in values]


def _choices(
    metric: str, level: float, shared: int, x: _Side, y: _Side, population: str | None
) -> dict[str, str]:
    kind = "with the covariance of shared examples" if shared else "as if independent samples"
    exact = "exact McNemar" if x.seen is not None and y.seen is not None else "two-sample z"
    return {
        "metric": metric,
        "accuracy": f"Clopper-Pearson (exact), level {level:g}",
        "gap": f"MOVER with Wilson limits ({kind}), level {level:g}",
        "ranks": f"simultaneous: {exact} on all pairs, Holm, family-wise {1 - level:.2g}",
        "models": population or "all models with both accuracies",
    }


__all__ = ["Fit", "gap"]
