"""Predictions or labels that number the classes in another order; see `reading` for the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heldout.analysis.doctor.case import Case, IntArray, Ints, accuracy, scored, translated, vote
from heldout.analysis.doctor.confusion import added, confusion
from heldout.analysis.doctor.finding import Finding, percent
from heldout.analysis.doctor.orders import INVERSE, MEANING, known_orders
from heldout.analysis.doctor.reading import Context, Reading, other_reading
from heldout.analysis.doctor.row_search import by_labels

_SEVERAL = 4
_LABELS_SHARE = 0.75
_BETTER = 0.005


def of_labels(case: Case) -> list[Finding]:
    """Another order of the labels' classes: the models agree with each other, not with them."""
    if not case.labelled or case.n_classes < 2 or len(case.models) < 2:
        return []
    common = vote(case.predicted)
    reading = other_reading(common, case.label, _context(case))
    found = None if reading is None else _of_labels(case, common, reading)
    return [] if found is None else [found]


def of_models(case: Case) -> list[Finding]:
    """Another order of single models' class indices."""
    if not case.labelled or case.n_classes < 2:
        return []
    contexts = [_context(case)] * len(case.models)
    common = vote(case.predicted)
    if len(case.models) >= _SEVERAL and not other_reading(common, case.label, contexts[0]):
        width = 1 + max(int(case.predicted.max(initial=0)), int(case.label.max()))
        tables = [confusion(p, case.label, width) for p in case.predicted]
        pooled = added(tables)
        contexts = [replace(contexts[0], common=common, pooled=pooled, own=own) for own in tables]
    found = []
    for i, context in enumerate(contexts):
        r = other_reading(case.predicted[i], case.label, context)
        if r is not None and not _rather_rows(case, case.predicted[i], r):
            found.append(_of_model(case, i, r))
    return found


def _context(case: Case) -> Context:
    """What every reading is judged against."""
    present = np.unique(case.label[case.label >= 0]).tolist()
    orders = known_orders(case.n_classes, case.classes, case.class_names, present)
    return Context(orders, case.n_classes, case.classes)


def _rather_rows(case: Case, predicted: Ints, r: Reading) -> bool:
    """Whether moving rows explains more: of rows that are sorted by class, a shift by a class is
    nearly another order of classes."""
    move = by_labels(predicted, case.label, case.examples)
    return move is not None and accuracy(predicted[move.rows], case.label) > r.mended + _BETTER


def _of_labels(case: Case, common: Ints, found: Reading) -> Finding | None:
    """The finding, when enough models call for the reading that their vote calls for."""
    m = len(case.models)
    if found.name == "subset-index" or _rather_rows(case, common, found):
        return None
    agree = 0
    for p in case.predicted:
        read, plain = translated(p, found.means) == case.label, p == case.label
        agree += int((read & ~plain).sum()) >= 3 * max(int((plain & ~read).sum()), 1)
    if agree < _LABELS_SHARE * m or agree < 2:
        return None
    back = np.full(max(len(found.means), case.n_classes), -1, np.int64)
    good = found.means >= 0
    back[found.means[good]] = np.flatnonzero(good)
    label = translated(case.label, back)
    now = float(np.mean([accuracy(p, case.label) for p in case.predicted]))
    mended = float(np.mean([accuracy(p, label) for p in case.predicted]))
    name = INVERSE.get(found.name, found.name)
    return Finding(
        f"labels:{name}",
        "error",
        "certain" if found.clear else "likely",
        f"{_told(name, 'The labels')}: {agree} of {m} models agree on that. Read so, the models are"
        f" right on {percent(mended)} on average, as stored on {percent(now)}."
        f"{_moves(case, back) if _argument(name) == 'FILE' else ''}",
        found.p,
        (),
        now,
        mended,
        f"label-order={_argument(name)}",
        label_means=back,
    )


def _of_model(case: Case, i: int, r: Reading) -> Finding:
    n = int(scored(case.predicted[i], case.label).sum())
    alone = ""
    if len(case.models) == 1:
        other = INVERSE.get(r.name)
        alone = " With one model the labels may as well be to blame" + (
            f" (then --mend label-order={_argument(other)})." if other else "."
        )
    return Finding(
        f"class-order:{r.name}",
        "error",
        "certain" if r.clear else "likely",
        f"{_told(r.name, 'The class indices')}. Read so, {case.model(i)} is right on"
        f" {percent(r.mended)} of {n} examples, as stored on {percent(r.now)}."
        f"{_moves(case, r.means) if _argument(r.name) == 'FILE' else ''}{alone}",
        r.p,
        (i,),
        r.now,
        r.mended,
        f"class-order={_argument(r.name)}",
        means=r.means,
    )


def _told(name: str, who: str) -> str:
    if name == "swapped":
        return f"{who} of some classes have changed places in pairs"
    if name == "unknown":
        return f"{who} are in another order than the label set's, none of the known ones"
    return f"{who} are in the order '{name}' ({MEANING[name]})"


def _argument(name: str | None) -> str:
    return "FILE" if name in (None, "unknown", "swapped") or "devkit" in name else name


def _moves(case: Case, means: IntArray) -> str:
    """How many indices mean another class, with examples."""
    size = min(len(means), case.n_classes)
    moved = np.flatnonzero((means[:size] != np.arange(size)) & (means[:size] >= 0))
    shown = ", ".join(f"{j} means {case.said(int(means[j]))}" for j in moved[:3])
    return f" {len(moved)} of {case.n_classes} indices mean another class: {shown}" + (
        " …" if len(moved) > 3 else ""
    ) + "; FILE lists the class of every index, one a line."  # fmt: skip
