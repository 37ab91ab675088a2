"""Which classes lose most from one setting to another, over all models."""

from __future__ import annotations

import numpy as np

from heldout.analysis.cells import Correctness, correctness
from heldout.analysis.lacking import how_many, lacking_of, unanswered_notes, why_missing
from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray
from heldout.stats.difference import mover_limits
from heldout.stats.proportion import wilson_limits
from heldout.store.read import Store
from heldout.table import Column, Table


def class_losses(
    store: Store, original: str, new: str, *, metric: str = "top-1", level: float = 0.95
) -> Table:
    """One row a class: accuracy on both settings, averaged over the models, and what is lost.

    The mean over models of an example is a number in [0, 1], so n examples say no less about a
    class than n right-or-wrong answers would: the limits are Wilson's (for the loss: MOVER's) at
    k = n × mean, wider than need be. Raises NotFound without predictions or labels, BadInput when
    the settings have different classes or no model has all examples of both.
    """
    sides = [correctness(store, s, metric) for s in (original, new)]
    if sides[0].labels.classes != sides[1].labels.classes:
        raise BadInput(f"'{original}' and '{new}' have different classes; they cannot be matched.")
    whole = [{m for m, c in zip(s.models, s.complete, strict=True) if c} for s in sides]
    models = [m for m in sides[0].models if m in whole[0] & whole[1]]
    if not models:
        short = why_missing({k: v for s in sides for k, v in lacking_of(s).items()})
        raise BadInput(f"No model has all examples of both '{original}' and '{new}'. {short}")
    (p, n), (q, m) = (_means(s, models) for s in sides)
    labels = sides[0].labels
    used = np.flatnonzero((n > 0) & (m > 0))
    p, n, q, m = p[used], n[used], q[used], m[used]
    limits = [wilson_limits(p * n, n, level), wilson_limits(q * m, m, level)]
    lost = mover_limits(p * n, n, q * m, m, np.zeros(len(used)), level)
    order = np.argsort(-(p - q), kind="stable")
    named = labels.class_names != labels.classes
    columns = [
        Column("class", "text", [labels.class_names[i] for i in used], "the class's name"),
        Column("original", "fraction", p, f"mean accuracy on {original}",
               ("original_low", "original_high")),
        Column("original_low", "fraction", limits[0][0], "lower limit"),
        Column("original_high", "fraction", limits[0][1], "upper limit"),
        Column("new", "fraction", q, f"mean accuracy on {new}", ("new_low", "new_high")),
        Column("new_low", "fraction", limits[1][0], "lower limit"),
        Column("new_high", "fraction", limits[1][1], "upper limit"),
        Column("lost", "points", p - q, "original minus new", ("lost_low", "lost_high")),
        Column("lost_low", "points", lost[0], "lower limit"),
        Column("lost_high", "points", lost[1], "upper limit"),
        Column("original_n", "int", n, "examples of the class in the original", wide=True),
        Column("new_n", "int", m, "examples of the class in the new set", wide=True),
        *([Column("id", "text", [labels.classes[i] for i in used], "the class's id", wide=True)]
          if named else []),
    ]  # fmt: skip
    table = Table(f"Accuracy per class, {original} and {new}", tuple(columns)).take(order)
    sure = int(np.count_nonzero(lost[0] > 0))
    worst, best = table.rows()[0], table.rows()[-1]
    return Table(
        table.title,
        table.columns,
        notes=(
            *(said for s in sides for said in unanswered_notes(s, models)),
            f"The first of {how_many(len(used), 'class')} are first partly by chance: with"
            f" {how_many(int(np.median(m)), 'example')} a class in the new set (median), the"
            " largest of many differences overstates itself.",
        ),
        verdict=(
            f"{_who(models)}, {_ends(worst['class'], worst['lost'], best['class'], best['lost'])}."
            f" {sure} of {how_many(len(used), 'class')} lose{'s' * (sure == 1)} more"
            f" than sampling of examples explains (each on its own, level {level:g}).",
        ),
        facts={"classes": len(used), "models": len(models), "classes_that_lose": sure},
        choices={
            "class accuracy": f"mean over the {how_many(len(models), 'model')} with all examples"
            " of both",
            "interval": f"Wilson at k = n × mean (conservative); loss by MOVER; level {level:g}",
        },
    )


def _who(models: list[str]) -> str:
    return f"For {models[0]}" if len(models) == 1 else f"Averaged over {len(models):,} models"


def _ends(worst: str, most: float, best: str, least: float) -> str:
    """The class that loses most and the one that loses least, or gains; or that none changes."""
    first, last = 100 * most, 100 * least
    if round(first, 1) <= 0 <= round(last, 1):
        return "no class loses or gains accuracy"
    if round(first, 1) > 0:
        start = f"“{worst}” loses most ({first:.1f} percentage points)"
    else:
        start = "no class loses accuracy"
    if worst == best:
        return start
    if round(last, 1) < 0:
        return f"{start} and “{best}” gains most ({-last:.1f} percentage points)"
    if round(last, 1) == 0:
        return f"{start} and “{best}” loses nothing"
    return f"{start} and “{best}” loses least ({last:.1f} percentage points)"


def _means(side: Correctness, models: list[str]) -> tuple[FloatArray, FloatArray]:
    """Per class: the mean over models and examples, and the number of examples."""
    classes = len(side.labels.classes)
    score = side.rows(models).mean(axis=0)
    n = np.bincount(side.labels.label, minlength=classes).astype(float)
    total = np.bincount(side.labels.label, weights=score, minlength=classes)
    return np.divide(total, n, out=np.full(classes, np.nan), where=n > 0), n
