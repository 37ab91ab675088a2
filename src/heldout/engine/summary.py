"""Tables of a plan and of what came of it."""

from __future__ import annotations

from heldout.analysis.results import results
from heldout.engine.plan import Plan
from heldout.store.read import Store
from heldout.table import Column, Table


def plan_table(plan: Plan) -> Table:
    """One row a setting; parts['models']: one row a model with its preprocessing."""
    settings = plan.settings
    models = list(plan.abouts.values())
    shown = Table(
        "Models",
        (
            Column("model", "text", [a.name for a in models], "name in the store"),
            Column("outputs", "int", [a.outputs for a in models], "scores an image"),
            Column("parameters", "int", [a.parameters for a in models], "of the model", wide=True),
            Column("preprocessing", "text", [a.preprocessing.in_words() for a in models],
                   "what is done to an image"),
            Column("weights", "text", [a.weights[:12] for a in models], "sha256", wide=True),
        ),
    )  # fmt: skip
    return Table(
        f"Plan: {len(models)} models × {len(settings)} settings into {plan.study.store}",
        (
            Column("setting", "text", [s.name for s in settings], "name in the store"),
            Column("n", "int", [len(s.rows) for s in settings], "examples"),
            Column("classes", "int", [len(s.scale.map.classes) for s in settings],
                   "classes among which the best is taken"),
            Column("baseline", "text", [s.row.get("baseline") for s in settings], "clean setting",
                   wide=True),
        ),
        parts={"models": shown},
    )  # fmt: skip


def result_table(plan: Plan, url: str) -> Table | None:
    """Accuracies of the plan's models in its settings; None where no setting has labels."""
    store = Store.open(url)
    there = set(store.settings_with_predictions())
    known = set(store.label_sets())
    names = [
        s.name
        for s in plan.settings
        if s.name in there and store.settings()[s.name].get("label_set") in known
    ]
    have = {p.model for name in names for p in store.pieces(name)}
    models = [m for m in plan.abouts if m in have]
    if not names or not models:
        return None
    return results(store, names, models, incomplete=True)
