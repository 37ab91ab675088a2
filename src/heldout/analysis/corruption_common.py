"""Rows of a part of the examples: the examples that all models and settings have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heldout.analysis.cells import correctness
from heldout.analysis.corruption_cells import BoolArray, Errors
from heldout.analysis.corruption_settings import run_words
from heldout.analysis.lacking import how_many, lacking_notes, named, only
from heldout.errors import BadInput
from heldout.store.read import Store


def lacking_words(some: Errors) -> list[str]:
    """Which of these models are left out, or lack settings, since rows are missing."""
    return lacking_notes(only(some.lacking, models=set(some.models)))


def on_common(store: Store, some: Errors) -> Errors:
    """The errors on the examples that all models have under all settings.

    some: the models, kinds and severities that are shown together. Where no rows are missing it
    comes back as it is. A clean error of other examples is left out. Notes say how many examples
    they are. Raises BadInput where no example is common to all.
    """
    variant, mine = some.variant, set(some.models)
    settings = {s for k in some.kinds for s in some.names(k)}
    base = variant.baseline
    short = only(some.lacking, mine, settings)
    if not short and not only(some.lacking, mine, [base]):
        return some
    labels = store.label_set_of(some.names(some.kinds[0])[0])
    if labels is None or not some.by_examples.any():
        return some
    some = replace(some, error=some.error.copy(), k=some.k.copy(), n=some.n.copy(),
                   clean=some.clean.copy(), clean_k=some.clean_k.copy(),
                   clean_n=some.clean_n.copy())  # fmt: skip
    rows = np.flatnonzero(some.by_examples)
    who = [some.models[i] for i in rows]
    notes = list(some.notes)
    at = np.ones(len(labels.examples), bool)
    if short:
        at = _common(store, some, who)
        if not at.any():
            have = {m: n for (m, _), (n, _) in short.items()}
            raise BadInput(
                f"No example of '{base}' has rows of all models under all corruptions"
                f" ({named([f'{m}: {n:,} rows' for m, n in have.items()])}; {variant.words}). Run"
                f" them on the same examples: `{run_words(base)} --limit N` takes the same ones"
                " for every model. Or name models with the same examples with -m."
            )
        _score(store, some, who, rows, at)
        total = how_many(len(labels.examples), "example")
        same = len(set(short.values())) == 1 and next(iter(short.values()))[0] == at.sum()
        whose = "the rows that there are" if same else "those that all models and corruptions have"
        notes.append(f"Scored over {int(at.sum()):,} of the {total} of '{base}': {whose}.")
    notes += _clean(store, some, who, rows, at)
    few = some.examples & (int(at.sum()) > 1)
    return replace(some, examples=few, notes=tuple(notes), common=at if short else None)


def _common(store: Store, some: Errors, who: list[str]) -> BoolArray:
    """The examples that all models have under all settings."""
    at: BoolArray | None = None
    for kind in some.kinds:
        for setting in some.names(kind):
            seen = correctness(store, setting, models=who)
            there = np.asarray(seen.present.all(axis=0), bool)
            at = there if at is None else at & there
    assert at is not None
    return at


def _score(
    store: Store, some: Errors, who: list[str], rows: np.ndarray[tuple[int], np.dtype[np.intp]],
    at: BoolArray,
) -> None:  # fmt: skip
    """Fill in counts over the common examples."""
    for c, kind in enumerate(some.kinds):
        for s, setting in enumerate(some.names(kind)):
            right = correctness(store, setting, models=who).rows(who)[:, at]
            some.k[rows, c, s] = (~right).sum(axis=1)
    some.n[rows] = at.sum()
    some.error[rows] = some.k[rows] / at.sum()


def _clean(
    store: Store, some: Errors, who: list[str], rows: np.ndarray[tuple[int], np.dtype[np.intp]],
    at: BoolArray,
) -> list[str]:  # fmt: skip
    """Fill in the clean errors on the same examples; a note where a model has them not."""
    base = some.variant.baseline
    if base not in store.settings_with_predictions():
        return []
    labels = store.label_set_of(base)
    first = store.label_set_of(some.names(some.kinds[0])[0])
    same = labels is not None and first is not None and labels.examples == first.examples
    there = {p.model for p in store.pieces(base)}
    gone = []
    for model, i in zip(who, rows, strict=True):
        if model not in there:
            continue
        seen = correctness(store, base, models=[model]) if same else None
        if seen is not None and seen.present[0, at].all():
            some.clean_n[i] = at.sum()
            some.clean_k[i] = (~seen.right[0, at]).sum()
            some.clean[i] = some.clean_k[i] / at.sum()
        else:
            some.clean[i], some.clean_k[i], some.clean_n[i] = np.nan, -1, -1
            gone.append(model)
    if not gone:
        return []
    return [
        f"No clean error and relative mCE of {named(gone)}: the rows of '{base}' are of other"
        " examples."
    ]
