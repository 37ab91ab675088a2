"""`heldout doctor`: what is wrong with predictions, from predictions and labels alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq

from heldout.analysis.doctor import (
    chance,
    class_order,
    coverage,
    row_ids,
    row_order,
    scores,
    subset,
    swaps,
    topk,
    tune,
    twins,
)
from heldout.analysis.doctor.case import Case, Ints, from_block, past
from heldout.analysis.doctor.finding import Finding
from heldout.analysis.doctor.told import Row, advice, command, listed, named, table
from heldout.errors import not_found
from heldout.store.block import Block
from heldout.store.read import Store
from heldout.store.schema import LABELS
from heldout.table import Table

_LAST = ("topk:sorted-by-class", "topk:unsorted")
"""Findings after which the predicted class means nothing, so that no other is looked for."""
_KEPT = (
    "topk:repeated-class",
    "topk:sorted-by-class",
    "topk:worst-first",
    "chance:constant",
    "chance:filled-rows",
)
"""Findings that filtered examples do not cause: believed of models that are in tune as well."""


def examine(
    store: Store, settings: Sequence[str] | None = None, models: Sequence[str] | None = None
) -> Table:
    """Every finding in some settings (default: all that have predictions), one a row.

    models: only these (the others still serve for comparison). Raises NotFound for an unknown
    setting or model.
    """
    names = [store.resolve(s) for s in settings] if settings else store.settings_with_predictions()
    rows: list[Row] = []
    notes: list[str] = []
    cells = 0
    seen: set[str] = set()
    known: set[str] = set()
    for name in names:
        case, n = _read(store, name)
        wanted = set(case.models) if models is None else set(models)
        known |= set(case.models)
        found = examine_case(case, n) + _of_each_score(store, case) + _published(store, case)
        for f in found:
            if not f.models or {case.models[i] for i in f.models} & wanted:
                rows.append(_row(store, case, f))
        notes += _unchecked(case)
        cells += len([m for m in case.models if m in wanted])
        seen |= {m for m in case.models if m in wanted}
    for m in models or ():
        if m not in known:
            raise not_found("model", m, known, "these settings")
    return table(rows, cells, len(seen), len(names), notes)


def examine_case(case: Case, n: int | None = None) -> list[Finding]:
    """All findings in one setting's arrays. n: how many examples a complete run has.

    A finding that says how predictions are to be read is believed by the checks after it, so that
    one defect is reported once.
    """
    if not case.predicted.size:
        return []
    found = coverage.check(case, n) + scores.check(case)
    if single := chance.one_label(case):
        return [*found, single]
    for about_labels in (class_order.of_labels, row_order.of_labels, swaps.of_labels):
        new = about_labels(case)
        found += new
        case = past(case, new)
    tuned = tune.in_tune(case)
    new = tune.check(case, tuned)
    found += new
    if any(f.code == "labels:no-relation" for f in new):
        case = replace(case, label=np.full_like(case.label, -1))
    steps: tuple[Callable[[Case], list[Finding]], ...] = (
        topk.check,
        class_order.of_models,
        row_order.of_models,
        swaps.of_models,
        topk.unsorted,
        chance.check,
    )
    moved: set[int] = set(tuned)
    for step in steps:
        new = [f for f in step(case) if f.code in _KEPT or not moved & set(f.models)]
        found += new
        case = past(case, new)
        moved |= {i for f in new if f.code in _LAST or f.code[:5] == "rows:" for i in f.models}
    same = {i for f in found if f.code == "chance:constant" for i in f.models}
    found += [f for f in twins.check(case) if not same & set(f.models)]
    return found + subset.check(case)


def examine_arrays(
    predicted: Ints,
    label: Ints | None,
    n_classes: int,
    *,
    setting: str = "these predictions",
    models: Sequence[str] | None = None,
    examples: Sequence[str] | None = None,
    classes: Sequence[str] = (),
    class_names: Sequence[str] = (),
    runners_up: Ints | None = None,
    confidence: Any = None,
    scores: Any = None,
    score_kind: str | None = None,
) -> Table:
    """The same for plain arrays of m models and n examples; see `Case` for their shapes."""
    guess = np.atleast_2d(np.asarray(predicted))
    m, n = guess.shape
    block = Block(
        setting,
        [f"model {i + 1}" for i in range(m)] if models is None else models,
        [str(i) for i in range(n)] if examples is None else examples,
        guess, runners_up, confidence, scores, score_kind,
    )  # fmt: skip
    case = replace(
        from_block(block, None),
        label=np.full(n, -1, np.int64) if label is None else np.asarray(label),
        n_classes=n_classes,
        classes=classes or [str(i) for i in range(n_classes)],
        class_names=class_names,
    )
    rows = [Row(setting, named(case, f), f, advice(f), listed(case, f)) for f in examine_case(case)]
    return table(rows, m, m, 1, _unchecked(case))


def examine_rows(
    examples: Sequence[str] | None,
    predicted: Ints,
    label_examples: Sequence[str],
    label: Ints | None = None,
    *,
    n_classes: int | None = None,
    reported: float | None = None,
    source: str = "",
) -> Table:
    """Raw rows of one model, before they are stored: repeated, missing and unknown ids, padding,
    and a reported accuracy over a wrong total; then all other checks on the rows that fit.

    examples: (r,) ids, or None where row i is the label set's example i. predicted: (r,).
    label_examples, label: (n,). Raises BadInput where lengths do not fit.
    """
    rows = row_ids.rows_of(examples, predicted, label_examples, label)
    name = source or "these rows"
    found = row_ids.check(rows, reported)
    notes: list[str] = []
    if label is not None and len(rows.ids):
        guess = np.full((1, rows.n), -2, np.int64)
        use = np.flatnonzero((rows.at >= 0) & rows.first)
        guess[0, rows.at[use]] = rows.predicted[use]
        top = max(int(np.max(label, initial=0)), int(rows.predicted.max(initial=0)))
        block = Block(name, [name], list(label_examples), guess)
        case = replace(from_block(block, None), label=np.asarray(label),
                       n_classes=n_classes or top + 1)  # fmt: skip
        found += [f for f in examine_case(case) if not f.code.startswith("coverage:")]
        notes = _unchecked(case)
    told = [Row(name, "", f, command(source, "", "", f) if source else advice(f)) for f in found]
    return table(told, 1, 1, 1, notes)


def _read(store: Store, setting: str) -> tuple[Case, int | None]:
    """A setting without its scores, which may be many, and the size of a complete run."""
    block = store.predictions(setting, None, ("runners_up", "confidence"))
    n = store.settings()[setting].get("n")
    return from_block(block, store.label_set_of(setting)), None if n is None else int(n)


def _of_each_score(store: Store, case: Case) -> list[Finding]:
    """The checks of scores, one model in memory at a time."""
    found = []
    parts = {p.part: p for p in store.pieces(case.setting)}
    holding = {part for part in parts if "scores" in pq.read_schema(store.files.source(part)).names}
    for i, model in enumerate(case.models):
        if not any(p.part in holding for p in store.pieces_of(case.setting, model)):
            continue
        block = store.predictions(case.setting, [model], ("scores", "confidence"))
        one = replace(
            case, models=[model], predicted=case.predicted[[i]], runners_up=None,
            confidence=None, scores=block.scores, score_kind=block.score_kind,
        )  # fmt: skip
        if block.scores is not None:
            found += [replace(f, models=(i,)) for f in scores.check(one)]
            if block.confidence is not None:
                own = replace(one, confidence=block.confidence)
                extra = scores.against_scores(own, 0, np.asarray(block.confidence[0], np.float64))
                found += [replace(f, models=(i,)) for f in extra]
    return found


def _published(store: Store, case: Case) -> list[Finding]:
    """Published accuracies of the same cells that have the right count over a wrong total."""
    if not case.labelled:
        return []
    table = store.results()
    others = {int(row["n"]) for name, row in store.settings().items() if row.get("n") and name} | {
        case.predicted.shape[1]
    }
    found = []
    for j in np.flatnonzero((table.setting == case.setting) & (table.metric == "top-1")):
        if table.model[j] in case.models:
            i = list(case.models).index(table.model[j])
            use = (case.predicted[i] != -2) & (case.label >= 0)
            k, n = int(((case.predicted[i] == case.label) & use).sum()), int(use.sum())
            if n:
                f = row_ids.wrong_denominator(float(table.value[j]), k, n, sorted(others))
                found += [replace(f, models=(i,))] if f else []
    return found


def _row(store: Store, case: Case, f: Finding) -> Row:
    """A finding with the command that mends it, from where the rows or labels came from."""
    model = case.models[f.models[0]] if f.models else case.models[0]
    if f.code.startswith("labels:"):
        record = _origin_of_labels(store, case.setting)
    else:
        pieces = store.pieces_of(case.setting, model)
        record = dict(pieces[-1].record) if pieces else {}
    # What a known format's importer repairs by itself was not repaired in rows that show it.
    again = ["--no-repairs"] if record.get("format", "table") not in ("", "table") else []
    again = [] if record.get("repairs") else again
    name = model if len(f.models) == 1 else ""
    text = command(str(record.get("source", "")), case.setting, name, f)
    return Row(
        case.setting, named(case, f), f, " ".join([text, *again]) if text else "", listed(case, f)
    )


def _origin_of_labels(store: Store, setting: str) -> dict[str, Any]:
    """The provenance of the newest file of a setting's labels."""
    name = store.settings()[setting].get("label_set")
    folder = f"{LABELS.folder.split('/')[0]}/label_set={quote(str(name), safe='')}"
    found = store.tables(LABELS, folder)
    return found[-1][0] if found else {}


def _unchecked(case: Case) -> list[str]:
    """What could not be looked at in a setting, and why."""
    m, n = case.predicted.shape
    notes = []
    if not case.labelled:
        notes.append("no labels: class order, top-k order, rows and accuracy were not checked")
    if m == 1:
        notes.append("only one model: rows mixed up within classes, twins and whether the labels or"
                     " the model is to blame cannot be told")  # fmt: skip
    if case.labelled and m > 1 and n - len(np.unique(case.label)) < row_order.LEAST_ROWS:
        notes.append(f"only {n} examples: rows mixed up within classes were not looked for")
    if case.runners_up is None:
        notes.append("top-1 only: the order of the top k was not checked")
    return [f"{case.setting}: {x}." for x in notes] + scores.saturated(case)
