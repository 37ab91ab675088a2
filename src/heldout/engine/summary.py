"""Tables of a plan and of what came of it."""

from __future__ import annotations

from heldout.analysis.results import results
from heldout.engine.plan import Plan
from heldout.store.read import Store
from heldout.table import Column, Table


def plan_table(plan: Plan) -> Table:
    """One row a setting."""
    settings = plan.settings
    return Table(
        f"Plan: models {len(plan.abouts)}, settings {len(settings)}, into {plan.study.store}",
        (
            Column("setting", "text", [s.name for s in settings], "name in the store"),
            Column("n", "int", [len(s.rows) for s in settings], "examples"),
            Column("classes", "int", [len(s.scale.map.classes) for s in settings],
                   "classes among which the best is taken"),
            Column("baseline", "text", [s.row.get("baseline") for s in settings], "clean setting",
                   wide=True),
        ),
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
