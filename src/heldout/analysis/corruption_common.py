"""Rows of a part of the examples: the examples that all models and settings have in common."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from heldout.analysis.cells import correctness
from heldout.analysis.corruption_cells import BoolArray, Errors
from heldout.analysis.corruption_settings import run_words
from heldout.analysis.lacking import Lacking, how_many, lacking_notes, named, only
from heldout.errors import BadInput
from heldout.store.read import Store


def lacking_words(every: Errors, models: Collection[str] | None = None) -> list[str]:
    """Which models (default: all) have no error somewhere since rows are missing."""
    settings = every.variant.settings
    scored = {(m, every.variant.baseline) for m, v in zip(every.models, every.clean, strict=True)
              if not np.isnan(v)}  # fmt: skip
    for i, c, s in np.argwhere(every.there).tolist():
        scored.add((every.models[i], settings[every.kinds[c], every.severities[s]]))
    gone = {key: v for key, v in only(every.lacking, models).items() if key not in scored}
    return lacking_notes(gone)


def on_common(store: Store, some: Errors) -> Errors:
    """The errors on the examples that all models have under all settings.

    some: the models, kinds and severities that are shown together. Where no rows are missing it
    comes back as it is. A clean error of other examples is left out. Notes say how many examples
    they are. Raises BadInput where no example is common to all.
    """
    base, mine = some.variant.baseline, set(some.models)
    asked = _asked(some)
    short = only(some.lacking, mine, {setting for setting, *_ in asked})
    if not asked or not (short or only(some.lacking, mine, [base])):
        return some
    labels = store.label_set_of(asked[0][0])
    if labels is None:
        return some
    some = replace(some, error=some.error.copy(), k=some.k.copy(), n=some.n.copy(),
                   clean=some.clean.copy(), clean_k=some.clean_k.copy(),
                   clean_n=some.clean_n.copy())  # fmt: skip
    notes = list(some.notes)
    at = np.ones(len(labels.examples), bool)
    if short:
        for setting, who, *_ in asked:
            at &= correctness(store, setting, models=who).present.all(axis=0)
        if not at.any():
            raise BadInput(_nothing(some, short))
        for setting, who, rows, c, s in asked:
            right = correctness(store, setting, models=who).rows(who)[:, at]
            some.k[rows, c, s] = (~right).sum(axis=1)
            some.n[rows, c, s] = at.sum()
            some.error[rows, c, s] = some.k[rows, c, s] / at.sum()
        total = how_many(len(labels.examples), "example")
        same = {n for n, _ in short.values()} == {int(at.sum())}
        whose = "the rows that there are" if same else "those that all models and corruptions have"
        notes.append(f"Scored over {int(at.sum()):,} of the {total} of '{base}': {whose}.")
    notes += _clean(store, some, asked[0][0], at)
    few = some.examples & (int(at.sum()) > 1)
    return replace(some, examples=few, notes=tuple(notes), common=at if short else None)


def _asked(some: Errors) -> list[tuple[str, list[str], list[int], int, int]]:
    """Every setting with per-example answers: its name, models, and place in the arrays."""
    out = []
    for c, kind in enumerate(some.kinds):
        for s, severity in enumerate(some.severities):
            rows = np.flatnonzero(some.examples[:, c, s]).tolist()
            if rows:
                name = some.variant.settings[kind, severity]
                out.append((name, [some.models[i] for i in rows], rows, c, s))
    return out


def _nothing(some: Errors, short: Lacking) -> str:
    """That no example is common to all, and what to do."""
    have = {m: n for (m, _), (n, _) in short.items()}
    base = some.variant.baseline
    return (
        f"No example of '{base}' has rows of all models under all corruptions"
        f" ({named([f'{m}: {n:,} rows' for m, n in have.items()])}). Run them all on the same:"
        f" `{run_words(base)} --limit N` with the same N. Or name models that have the"
        " same with -m."
    )


def _clean(store: Store, some: Errors, first: str, at: BoolArray) -> list[str]:
    """Fill in the clean errors on the same examples; a note where a model has them not.

    first: one of the settings that are scored.
    """
    base = some.variant.baseline
    if base not in store.settings_with_predictions():
        return []
    labels, other = store.label_set_of(base), store.label_set_of(first)
    same = labels is not None and other is not None and labels.examples == other.examples
    there = {p.model for p in store.pieces(base)}
    gone = []
    for i in np.flatnonzero(some.examples.any(axis=(1, 2))).tolist():
        model = some.models[i]
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
