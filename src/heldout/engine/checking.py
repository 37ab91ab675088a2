"""`heldout check`: a test set, and models on a sample of it, before hours are spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heldout.engine.diagnosis import better_normalisations, case_of, order_findings, sample
from heldout.engine.plan import Plan
from heldout.engine.study import Study
from heldout.store.block import Block
from heldout.table import Column, Table
from heldout.testsets.verify import Verification, verify

Progress = Callable[[str, float], None]
Row = tuple[str, str, str, str, str, str]
_FAR_BELOW = 3.0  # so many times chance is "near chance" for the words of a row


def check_sets(
    study: Study, *, how_many: int | None, full: bool, progress: Progress
) -> list[Verification]:
    """Every test set of a study held against what is known of it."""
    out = []
    for i, s in enumerate(study.sets):
        start = i / len(study.sets)

        def step(what: str, part: float, start: float = start) -> None:
            progress(what, start + part / len(study.sets))

        out.append(verify(s.source, s.name, how_many, step, full=full))
    return out


def check_models(study: Study, images: int, progress: Progress) -> Table:
    """Accuracy on a sample, class order and normalisation of every model of a study."""
    plan, blocks = sample(study, images, lambda what, part: progress(what, 0.2 * part))
    rows: list[Row] = []
    for s in plan.settings:
        case = case_of(plan, s, blocks[s.name])
        findings = order_findings(case)
        for i, model in enumerate(case.models):
            rows.append(_accuracy(plan, s.name, blocks[s.name], model))
            mine = [f for f in findings if i in f.models or not f.models]
            for f in mine:
                rows.append((s.name, model, "class order", "wrong", f.says, _order_advice(f.code)))
            if not mine:
                rows.append((s.name, model, "class order", "ok", "", ""))
    found, untried = better_normalisations(
        study, plan, blocks, images, lambda what, part: progress(what, 0.2 + 0.8 * part)
    )
    every = ", ".join(s.name for s in plan.settings)
    for model in plan.abouts:
        # The best alternative says it; the others that are better as well follow from it.
        best = next((b for b in found if b.model == model), None)
        if model in untried:
            rows.append((every, model, "normalisation", "", f"not tried: {untried[model]}", ""))
            continue
        if best is None:
            rows.append((every, model, "normalisation", "ok", "no usual other one does better", ""))
            continue
        says = (
            f"{best.right} of {best.n} right with {best.says}, {best.own} with its own"
            f" (p = {best.p:.1g})"
        )
        do = f"add ?{best.option}, or one near it"
        rows.append((best.setting, model, "normalisation", "wrong", says, do))
    return _table(rows, images)


def _accuracy(plan: Plan, setting: str, block: Block, model: str) -> Row:
    s = plan.setting(setting)
    label = s.scale.label[s.rows]
    row = list(block.models).index(model)
    scored = label >= 0
    right = int(((block.predicted[row] == label) & scored).sum())
    n = int(scored.sum())
    if not n:
        return (setting, model, "accuracy", "", "no labels", "")
    chance = 1 / max(len(s.scale.map.classes), 1)
    state = "low" if right / n < _FAR_BELOW * chance and right / n < 0.5 else "ok"
    return (setting, model, "accuracy", state, f"{right} of {n} right on the sample", "")


def _order_advice(code: str) -> str:
    if code.startswith("labels:"):
        return "rename the class folders, or name their order with ?classes=FILE on the test set"
    return "name the model's classes in the order of its outputs: add ?classes=FILE"


def set_table(done: Verification) -> Table:
    """The findings on one test set."""
    rows = [r for r in done.rows if r.ok is not None or r.found]
    state = {True: "ok", False: "wrong", None: ""}
    return Table(
        f"{done.set_name or 'Test set'} at {done.path}: {done.n:,} examples,"
        f" {done.looked:,} images {'decoded' if done.full else 'looked into'}",
        (
            Column("what", "text", [r.what for r in rows], "what was checked"),
            Column("expected", "text", [r.expected for r in rows], "as published"),
            Column("found", "text", [r.found for r in rows], "as it is here"),
            Column("state", "text", [state[r.ok] for r in rows], "ok, wrong or for information"),
            Column("do", "text", [r.do for r in rows], "what to do", wide=True),
        ),
        notes=done.notes,
        verdict=tuple(f"{r.what}: {r.do}" for r in rows if r.ok is False and r.do),
    )


def _table(rows: Sequence[Row], images: int) -> Table:
    columns = list(zip(*rows, strict=True))
    says = [f"{r[0] + ': ' if r[0] else ''}{r[1]}: {r[4]}; {r[5]}" for r in rows if r[3] == "wrong"]
    return Table(
        f"Models on a sample of {images} images a test set",
        (
            Column("setting", "text", list(columns[0]), "where"),
            Column("model", "text", list(columns[1]), "name in the store"),
            Column("check", "text", list(columns[2]), "what was checked"),
            Column("state", "text", list(columns[3]), "ok, low or wrong"),
            Column("found", "text", list(columns[4]), "what was found"),
            Column("do", "text", list(columns[5]), "what to do", wide=True),
        ),
        verdict=tuple(says),
        facts={"wrong": len(says)},
    )
