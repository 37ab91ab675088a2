"""Tables of a plan and of what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from heldout.analysis.corruption_error import mce
from heldout.analysis.flips import flips
from heldout.analysis.results import results
from heldout.engine.plan import Plan, Setting
from heldout.errors import HeldoutError
from heldout.store.read import Store
from heldout.table import Column, Table

_MANY = 10


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
    """Accuracies of the plan's models in its settings; None where no setting has labels.

    Many corruptions and frames are left to the tables that sum them up.
    """
    store = Store.open(url)
    summed = {s.name for s in _summed(plan)}
    there = set(store.settings_with_predictions())
    known = set(store.label_sets())
    names = [
        s.name
        for s in plan.settings
        if s.name not in summed
        and s.name in there
        and store.settings()[s.name].get("label_set") in known
    ]
    have = {p.model for name in names for p in store.pieces(name)}
    models = [m for m in plan.abouts if m in have]
    if not names or not models:
        return None
    return results(store, names, models, incomplete=True)


def corruption_tables(plan: Plan, url: str) -> list[Table]:
    """What the plan's corruptions and perturbations come to, for every test set that has many.

    Mean errors under corruption, and flips along sequences; nothing where a kind is not whole.
    """
    store = Store.open(url)
    tables: list[tuple[tuple[str, str], Table]] = []
    for s in _summed(plan):
        key = (str(s.row["group"]), str(s.row["baseline"]))
        if key not in [k for k, _ in tables]:
            with contextlib.suppress(HeldoutError):
                tables.append((key, _MEANS[key[0]](store, key[1])))
    return [table for _, table in tables]


# How the settings of a group are summed up, from the store and the clean setting.
_MEANS: Mapping[str, Callable[[Store, str], Table]] = {
    "corruption": lambda store, baseline: mce(store, baseline, incomplete=True),
    "perturbation": lambda store, baseline: flips(store, baseline),
}


def _summed(plan: Plan) -> list[Setting]:
    """The settings of corruptions and sequences, where there are many."""
    found = [s for s in plan.settings if s.row.get("group") in _MEANS]
    return found if len(found) > _MANY else []
