"""How alike models are: agreement in being right or wrong, and what it means for re-use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import correctness, pick_models
from heldout.analysis.lacking import (
    lacking_notes,
    lacking_of,
    unanswered_notes,
    why_missing,
)
from heldout.errors import BadInput
from heldout.stats.proportion import clopper_pearson
from heldout.stats.similarity import (
    agreement_matrix,
    expected_agreement,
    label_agreement,
    models_before_reuse,
    models_before_reuse_hoeffding,
    union_bound,
)
from heldout.store.read import Store
from heldout.table import Column, Table


def similarity(
    store: Store,
    setting: str,
    models: Sequence[str] | None = None,
    *,
    metric: str = "top-1",
    width: float = 0.01,
    alpha: float = 0.05,
    labels: bool = False,
    level: float = 0.95,
) -> Table:
    """One row a pair: how often both are right or both wrong, and what independence would give.

    labels: also how often they predict the same class. Facts: the means over pairs, the number
    of examples that all or none get right, and how many models this test set can compare within
    ± width before re-use bites (Mania et al. 2019; Bernstein's bound on paired differences, with
    the mean and the largest observed discordance, and Hoeffding's without similarity).
    parts['order']: models in the order of a dendrogram (average linkage). Raises NotFound for
    unknown names and BadInput for fewer than two models.
    """
    setting = store.resolve(setting)
    seen = correctness(store, setting, metric)
    wanted = pick_models(seen.models, models, setting) if models is not None else seen.models
    whole = dict(zip(seen.models, seen.complete, strict=True))
    names = [m for m in wanted if whole[m]]
    lacking = lacking_of(seen, wanted)
    if len(names) < 2:
        raise BadInput(
            f"Similarity needs at least two models with all examples of '{setting}'."
            f" {why_missing(lacking)}".rstrip()
        )
    right = seen.rows(names)
    n = right.shape[1]
    count = agreement_matrix(right)
    expected = expected_agreement(right.mean(axis=1))
    i, j = np.triu_indices(len(names), 1)
    agree = count[i, j] / n
    same = _same_class(store, setting, names, seen.labels.examples)[i, j] if labels else None
    low, high = clopper_pearson(count[i, j], n, level)
    order = np.argsort(-agree, kind="stable")
    facts = _facts(right, agree, expected[i, j], width, alpha)
    columns = [
        Column("first", "text", [names[k] for k in i], "a model"),
        Column("second", "text", [names[k] for k in j], "another model"),
        Column("agreement", "fraction", agree, "both right or both wrong", ("low", "high")),
        Column("low", "fraction", low, "lower limit"),
        Column("high", "fraction", high, "upper limit"),
        Column("expected", "fraction", expected[i, j], "under independence"),
        Column("agreeing", "int", count[i, j], "examples on which they agree", wide=True),
        Column("n", "int", np.full(len(i), n), "examples", wide=True),
    ]
    if same is not None:
        columns.append(Column("same_class", "fraction", same / n, "predict the same class"))
        facts["mean_same_class"] = float(np.mean(same / n))
    table = Table(f"Similarity of models on {setting}", tuple(columns)).take(order)
    return Table(
        table.title,
        table.columns,
        notes=(*lacking_notes(lacking), *unanswered_notes(seen, names)),
        verdict=_verdict(facts, setting, width, alpha),
        facts=facts,
        choices={
            "agreement": "share of examples on which both are right or both wrong;"
            f" Clopper-Pearson, level {level:g}",
            "re-use": f"all paired differences within ±{width:g} with probability {1 - alpha:g}:"
            " Bernstein's bound at the observed discordance, union over pairs",
            "metric": metric,
        },
        parts={"order": _order(names, count / n)},
    )


def _same_class(
    store: Store, setting: str, names: Sequence[str], examples: Sequence[str]
) -> NDArray[np.int64]:
    """On how many labelled examples two models predict the same class."""
    block = store.predictions(setting, names)
    wanted = set(examples)
    labelled = np.array([e in wanted for e in block.examples])
    return label_agreement(block.predicted[:, labelled])


def _facts(
    right: NDArray[np.bool_], agree: Any, expected: Any, width: float, alpha: float
) -> dict[str, Any]:
    n = right.shape[1]
    # The least alike pair decides, and its discordance is itself only known within an interval.
    most = round((1 - agree.min()) * n)
    psi = {"mean": float(1 - agree.mean()),
           "largest": float(clopper_pearson(most, n, 1 - alpha)[1])}  # fmt: skip
    return {
        "models": len(right),
        "pairs": len(agree),
        "n": n,
        "mean": float(agree.mean()),
        "mean_expected": float(expected.mean()),
        "min": float(agree.min()),
        "max": float(agree.max()),
        "all_right": int(right.all(axis=0).sum()),
        "all_wrong": int((~right).all(axis=0).sum()),
        "width": width,
        "log10_models_mean_similarity": _log10(models_before_reuse(n, width, psi["mean"], alpha)),
        "log10_models_least_similarity": _log10(
            models_before_reuse(n, width, psi["largest"], alpha)
        ),
        "log10_models_independent": _log10(
            models_before_reuse(n, width, float(1 - expected.mean()), alpha)
        ),
        "log10_models_worst_case": _log10(models_before_reuse_hoeffding(n, width, alpha)),
        "union_bound_half_width": float(union_bound(n, len(right), alpha)),
    }


def _log10(pair: tuple[Any, Any]) -> float:
    return float(pair[1])


def _verdict(facts: dict[str, Any], setting: str, width: float, alpha: float) -> tuple[str, ...]:
    return (
        f"On {setting} two models are both right or both wrong on {100 * facts['mean']:.1f} % of"
        f" the examples on average; their accuracies alone would give"
        f" {100 * facts['mean_expected']:.1f} %."
        f" {facts['all_right']:,} of {facts['n']:,} examples are right for all {facts['models']}"
        f" models, {facts['all_wrong']:,} wrong for all.",
        f"Before re-use bites (all differences within ±{100 * width:g} percentage points with"
        f" probability {1 - alpha:g}), this test set can rank"
        f" {_people(facts['log10_models_least_similarity'])} like these (the least alike pair"
        " decides). If every pair were as alike as the average one it would be"
        f" {_people(facts['log10_models_mean_similarity'])}; with independent errors"
        f" {_people(facts['log10_models_independent'])}; without any assumption"
        f" {_people(facts['log10_models_worst_case'])}.",
        "The bound holds for models fixed before the test set is seen; a model chosen by its score"
        " on it needs the argument of the literature, not this number.",
    )


def _people(log10: float) -> str:
    """A number of models that may be astronomically large.

    >>> _people(0.0), _people(4.603), _people(40.2)
    ('not even two models', 'about 40,000 models', 'about 10^40 models')
    """
    if log10 > 9:
        return f"about 10^{log10:.0f} models"
    k = 10**log10
    if k < 1.5:
        return "not even two models"
    if k < 1000:
        return f"{k:.0f} models"
    digits = int(log10) - 1
    return f"about {round(k / 10**digits) * 10**digits:,.0f} models"


def _order(names: list[str], agree: Any) -> Table:
    """Models in dendrogram order (average linkage on 1 - agreement), with the merge heights."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - agree
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    order = leaves_list(tree)
    nearest = np.array([np.delete(agree[i], i).max() for i in range(len(names))])
    twin = [names[int(np.argmax(np.where(np.arange(len(names)) == i, -1, agree[i])))]
            for i in range(len(names))]  # fmt: skip
    return Table(
        "Models in dendrogram order",
        (
            Column("model", "text", [names[i] for i in order], "the model"),
            Column("most_like", "text", [twin[i] for i in order], "the model it agrees with most"),
            Column("agreement", "fraction", nearest[order], "how often they agree"),
        ),
        facts={"linkage": tree.tolist()},
    )
