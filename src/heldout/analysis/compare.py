"""Models on the same examples: who is really better than whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from heldout.analysis.cells import Correctness, correctness, pick_models
from heldout.analysis.lacking import (
    how_many,
    lacking_notes,
    lacking_of,
    unanswered_notes,
    why_missing,
)
from heldout.analysis.pairs import TESTS, Pairs, all_pairs, better_matrix, corrected_p
from heldout.analysis.results import groups_of
from heldout.errors import BadInput, not_found
from heldout.stats.bootstrap import bootstrap_limits
from heldout.stats.cluster import cluster_interval
from heldout.stats.paired import (
    agresti_min,
    mover_wilson_paired,
    newcombe_paired,
    tango,
    wald_paired,
)
from heldout.stats.proportion import clopper_pearson
from heldout.stats.rank import competition_rank, rank_intervals, significance_groups
from heldout.store.read import Store
from heldout.table import Column, Table

Limits = Callable[[Pairs, float], tuple[Any, Any]]


def _full(method: Callable[..., Any]) -> Limits:
    """For methods that need all four cells of the table."""

    def limits(p: Pairs, level: float) -> tuple[Any, Any]:
        low, high = method(p.both, p.b, p.c, p.n - p.both - p.b - p.c, level)
        return low, high

    return limits


INTERVALS: Mapping[str, Limits] = {
    "tango": lambda p, level: tango(p.b, p.c, p.n, level),
    "newcombe": _full(newcombe_paired),
    "mover-wilson": _full(mover_wilson_paired),
    "bootstrap": lambda p, level: bootstrap_limits(p.b, p.c, p.n, level),
    "agresti-min": lambda p, level: agresti_min(p.b, p.c, p.n, level),
    "wald": lambda p, level: wald_paired(p.b, p.c, p.n, level),
}
IN_WORDS = {
    "tango": "Tango's score interval",
    "newcombe": "Newcombe's hybrid score interval (method 10)",
    "mover-wilson": "MOVER with Wilson limits",
    "bootstrap": "percentile limits of the bootstrap's exact law (no resampling)",
    "agresti-min": "Agresti and Min's interval",
    "wald": "Wald's interval",
}


def compare(
    store: Store,
    setting: str,
    models: Sequence[str] | None = None,
    *,
    metric: str = "top-1",
    level: float = 0.95,
    interval: str = "tango",
    test: str = "exact",
    cluster: str | None = None,
) -> Table:
    """All pairs of models on one setting, best model first in each pair.

    Columns: difference (points, with its interval), examples that only one of the two gets right,
    McNemar's p and Holm's correction of it. parts['groups']: accuracy, rank with its simultaneous
    interval, and the letters of groups in which no two models differ significantly.
    Raises NotFound for unknown names, BadInput for fewer than two complete models.
    """
    if interval not in INTERVALS:
        raise not_found("interval", interval, INTERVALS, "compare")
    if test not in TESTS:
        raise not_found("test", test, TESTS, "compare")
    setting = store.resolve(setting)
    seen = correctness(store, setting, metric)
    if models is not None:
        pick_models(seen.models, models, f"the predictions of '{setting}'")
    names, right, notes = _complete(seen, models)
    order = np.argsort(-right.sum(axis=1), kind="stable")
    names, right = [names[i] for i in order], right[order]
    pairs = all_pairs(right)
    p, p_holm = corrected_p(pairs, test)
    choices = {
        "interval": f"{IN_WORDS[interval]}, level {level:g}",
        "test": "exact McNemar" if test == "exact" else "mid-p McNemar",
        "family": f"Holm over {how_many(len(pairs.i), 'comparison')}",
    }
    if cluster:
        group = groups_of(seen.labels, cluster)
        low, high = _clustered(right, pairs, group, level)
        # McNemar's test would treat the examples of a cluster as independent, so it is not used.
        strict = _clustered(right, pairs, group, 1 - (1 - level) / len(pairs.i))
        p = np.full(len(pairs.i), np.nan)
        p_holm = np.where((strict[0] > 0) | (strict[1] < 0), 0.0, 1.0)
        choices["interval"] = f"cluster-robust by '{cluster}', level {level:g}"
        choices["test"] = "none: decided by the clustered intervals"
        choices["family"] = f"Bonferroni over {how_many(len(pairs.i), 'interval')}"
    else:
        low, high = INTERVALS[interval](pairs, level)
    better = better_matrix(pairs, p_holm, len(names), 1 - level)
    if cluster:
        p_holm = p
    table = _pair_table(setting, names, pairs, (low, high), (p, p_holm), better)
    groups = _groups(setting, names, right, better, level)
    return Table(
        table.title,
        table.columns,
        notes=tuple(notes),
        verdict=_verdict(names, pairs, (low, high), p, p_holm, better, groups, level),
        facts={"models": len(names), "pairs": len(pairs.i), "n": pairs.n,
               "significant_pairs": int(better.sum())},
        choices=choices,
        parts={"groups": groups},
    )  # fmt: skip


def _complete(seen: Correctness, models: Sequence[str] | None) -> tuple[list[str], Any, list[str]]:
    wanted = list(dict.fromkeys(models)) if models is not None else seen.models
    whole = dict(zip(seen.models, seen.complete, strict=True))
    names = [m for m in wanted if whole[m]]
    lacking = lacking_of(seen, wanted)
    if len(names) < 2:
        there = f"is 1, '{names[0]}'" if names else "are none"
        raise BadInput(
            f"A comparison needs at least two models with all examples of '{seen.setting}';"
            f" there {there}. {why_missing(lacking)}".rstrip()
        )
    return names, seen.rows(names), lacking_notes(lacking) + unanswered_notes(seen, names)


def _clustered(right: Any, pairs: Pairs, group: Any, level: float) -> tuple[Any, Any]:
    low, high = np.empty(len(pairs.i)), np.empty(len(pairs.i))
    for i in np.unique(pairs.i):
        at = pairs.i == i
        difference = right[i].astype(np.int8) - right[pairs.j[at]].astype(np.int8)
        _, low[at], high[at], _ = cluster_interval(difference, group, level, bounds=(-1, 1))
    return low, high


def _pair_table(
    setting: str, names: list[str], pairs: Pairs, limits: Any, p: Any, better: Any
) -> Table:
    real = [
        "first" if better[i, j] else "second" if better[j, i] else "no difference shown"
        for i, j in zip(pairs.i, pairs.j, strict=True)
    ]
    return Table(
        f"Pairs of models on {setting}",
        (
            Column("first", "text", [names[i] for i in pairs.i], "the more accurate model"),
            Column("second", "text", [names[j] for j in pairs.j], "the other model"),
            Column("difference", "points", (pairs.b - pairs.c) / pairs.n,
                   "accuracy of first minus second", ("low", "high")),
            Column("low", "points", limits[0], "lower limit"),
            Column("high", "points", limits[1], "upper limit"),
            Column("only_first", "int", pairs.b, "examples that only the first gets right",
                   wide=True),
            Column("only_second", "int", pairs.c, "examples that only the second gets right",
                   wide=True),
            Column("p", "pvalue", p[0], "McNemar's p", wide=True),
            Column("p_holm", "pvalue", p[1], "p corrected by Holm"),
            Column("better", "text", real, "which is better at the family-wise level", wide=True),
            Column("n", "int", np.full(len(real), pairs.n), "examples", wide=True),
        ),
    )  # fmt: skip


def _groups(setting: str, names: list[str], right: Any, better: Any, level: float) -> Table:
    k = right.sum(axis=1)
    n = right.shape[1]
    low, high = clopper_pearson(k, n, level)
    best, worst = rank_intervals(better)
    members = significance_groups(range(len(names)), better | better.T)
    of: list[list[str]] = [[] for _ in names]
    for g, group in enumerate(members):
        for i in group:
            of[i].append(_letter(g))
    letters = [" ".join(found) for found in of]
    return Table(
        f"Groups on {setting}",
        (
            Column("model", "text", names, "the model"),
            Column("accuracy", "fraction", k / n, "top-1", ("low", "high")),
            Column("low", "fraction", low, "lower limit"),
            Column("high", "fraction", high, "upper limit"),
            Column("rank", "int", competition_rank(k), "1 + models strictly better"),
            Column("rank_low", "int", best, "best rank, simultaneous"),
            Column("rank_high", "int", worst, "worst rank, simultaneous"),
            Column("groups", "text", letters, "models that share a letter do not differ"),
        ),
        facts={"groups": len(members)},
    )


def _letter(g: int) -> str:
    """a, b, …, z, a1, b1, …

    >>> _letter(0), _letter(27)
    ('a', 'b1')
    """
    return chr(ord("a") + g % 26) + (str(g // 26) if g >= 26 else "")


def _verdict(
    names: list[str], pairs: Pairs, limits: Any, p: Any, p_holm: Any, better: Any,
    groups: Table, level: float,
) -> tuple[str, ...]:  # fmt: skip
    if len(names) == 2:
        d = 100 * (pairs.b[0] - pairs.c[0]) / pairs.n
        sure = better.any()
        test = "" if np.isnan(p[0]) else f", McNemar p = {p[0]:.3g}"
        says = (
            f"{names[0]} is better than {names[1]}"
            if sure
            else f"no difference between {names[0]} and {names[1]} is shown"
        )
        return (
            f"On {pairs.n:,} examples {says}: {d:+.2f} percentage points"
            f" [{100 * limits[0][0]:+.2f}, {100 * limits[1][0]:+.2f}]{test}.",
        )
    total = len(pairs.i)
    sure = int(better.sum())
    first = int((groups["rank_low"] == 1).sum())
    leaders = (
        f"{names[0]} is the best model"
        if first == 1
        else f"{first} models may be the best one (rank intervals that reach 1)"
    )
    return (
        f"{sure} of {total} pairs differ significantly (family-wise {1 - level:.2g}); {leaders}.",
    )
