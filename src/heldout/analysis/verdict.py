"""The verdict on a replication in words: what the numbers say and what they cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heldout.analysis.fits import Fit
from heldout.analysis.lacking import how_many
from heldout.table import Table

LEAST_MODELS = 6


def gap_verdict(
    facts: Mapping[str, Any], fits: Sequence[Fit], influential: Table
) -> tuple[str, ...]:
    """Sentences: the gap, the slope, the order, influence, adaptive overfitting, and its limits."""
    if facts["models"] == 1:
        return (
            _gap(facts),
            "One model makes no line and no order: both need at least two models, and a fit with"
            " its interval three.",
            "What this cannot say: how much of the gap is due to harder or different images rather"
            " than to overfitting."
            if facts["replication"]
            else f"{facts['new']} is a shift of {facts['original']}, not a replicate: the gap says"
            " nothing about overfitting.",
        )
    by_scale = {f.scale: f for f in fits}
    sentences = [_gap(facts)]
    sentences += [_slope(by_scale[s]) for s in ("linear", "probit") if s in by_scale]
    sentences.append(_order(facts))
    sentences += _influence(influential)
    sentences.append(_overfitting(by_scale, facts))
    sentences.append(
        "What this cannot say: how much of the gap is due to harder or different images rather"
        " than to overfitting that all models share; and the models are no independent draws (they"
        " share data, architectures and authors), so the intervals over models are a guide only."
    )
    return tuple(sentences)


def _gap(facts: Mapping[str, Any]) -> str:
    """The mean gap as a loss, or as a gain where models are better on the new set."""
    sign = 1 if facts["mean_gap"] >= 0 else -1
    mean = 100 * sign * facts["mean_gap"]
    ends = sorted(100 * sign * facts[k] for k in ("mean_gap_low", "mean_gap_high"))
    single = sorted(100 * sign * facts[k] for k in ("min_gap", "max_gap"))
    known = ends[0] == ends[0]
    between = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if known else ""
    what = "lose" if sign > 0 else "gain"
    if facts["models"] == 1:
        return (
            f"On {facts['new']} {facts['model']} {what}s {mean:.2f} percentage points{between}"
            f" against {facts['original']}."
        )
    return (
        f"On {facts['new']} the {facts['models']} models {what} {mean:.2f} percentage points"
        f"{between} on average against {facts['original']} (single models from {single[0]:.2f} to"
        f" {single[1]:.2f})."
    )


def _slope(f: Fit) -> str:
    low, high = f.slope_limits()
    least, most = f.certain_limits()
    scale = {"linear": "In raw accuracy", "probit": "On the probit scale"}[f.scale]
    says = (
        "so a better model keeps more than its whole lead"
        if least > 1
        else "so a better model is worse there"
        if most < 0
        else "so a better model keeps only part of its lead"
        if most < 1
        else "which does not exclude 1 (leads are kept whole)"
    )
    if f.scale == "probit":
        says = "above 1" if least > 1 else "below 1" if most < 1 else "which does not exclude 1"
    return (
        f"{scale} the slope is {f.line.slope:.3f} [{low:.3f}, {high:.3f}] (R² {f.line.r2:.3f}),"
        f" {says}."
    )


def _order(facts: Mapping[str, Any]) -> str:
    moved = facts["significant_rank_changes"]
    certain = (
        "how much of that is sampling error is unknown, as there are no rank intervals"
        if moved is None
        else "no change of rank is beyond sampling error"
        if moved == 0
        else f"{how_many(moved, 'model')} change{'s' * (moved == 1)} rank by more than sampling"
        " error explains"
    )
    return (
        f"The order of models: Spearman {facts['spearman']:.3f}, Kendall tau-b"
        f" {facts['kendall_tau_b']:.3f}; the largest rank change is"
        f" {facts['largest_rank_change']}; {certain}."
    )


def _influence(influential: Table) -> list[str]:
    out = []
    for scale, before in influential.facts.get("slope_with_all", {}).items():
        rows = [r for r in influential.rows() if r["scale"] == scale]
        if rows and scale == "linear":
            names = ", ".join(r["model"] for r in rows)
            out.append(
                f"{how_many(len(rows), 'influential model')}: without {names} the {scale} slope"
                f" goes from {before:.3f} to {rows[-1]['slope_without']:.3f}."
            )
    return out


def _overfitting(by_scale: Mapping[str, Fit], facts: Mapping[str, Any]) -> str:
    if not facts["replication"]:
        return (
            f"{facts['new']} is a shift of {facts['original']}, not a replicate: the slope says how"
            " robustness goes with accuracy, and nothing about adaptive overfitting."
        )
    linear = by_scale.get("linear")
    if linear is None or linear.line.n < LEAST_MODELS:
        return "Too few usable models for a line: nothing can be said about adaptive overfitting."
    low, high = linear.certain_limits()
    if low > 1:
        return (
            "Adaptive overfitting would make gains on the original shrink on the new set (a slope"
            " below 1): there is no sign of it; gains carry over in full or more."
        )
    if high < 1:
        probit = by_scale.get("probit")
        kept = probit is not None and probit.certain_limits()[1] >= 1
        also = (
            " On the probit scale the slope does not show it, so the evidence is weak."
            if kept
            else ""
        )
        return (
            "Gains on the original shrink on the new set (raw slope below 1): adaptive overfitting"
            " would look like this, and so would a new set on which good models saturate,"
            " or sampling noise in the accuracies on the original, which flattens every slope."
            + also
        )
    return (
        "Adaptive overfitting would make gains on the original shrink on the new set (a slope"
        " below 1): the interval includes 1, so there is no clear sign of it, and these models"
        " cannot exclude a small amount."
    )
