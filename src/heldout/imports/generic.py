"""Anybody's predictions, logits or probabilities, in no published format, as a bundle to store.

CSV, TSV, Parquet, JSON, JSON lines, NPY and NPZ; one row an example, or one a (model, example), or
one column a model. Columns are recognised by their usual names; `GenericSpec` names the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, ImportFailed
from heldout.imports import scores as matrix
from heldout.imports.bundle import Bundle, Found, Labels
from heldout.imports.class_names import Classes, counted, given, seen_in
from heldout.imports.generic_labels import LabelRows, joined, own_labels, read_labels
from heldout.imports.generic_rows import Names, Rows, numbered, read_rows
from heldout.imports.generic_spec import GenericSpec, check_top
from heldout.imports.model_metadata import read_models
from heldout.imports.tables import sha256
from heldout.store.block import ABSENT, NO_ANSWER, Block

__all__ = ["FORMAT", "GenericSpec", "read_models", "read_table"]

FORMAT = "table"
EMPTY = "no prediction in the file"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What the rows of a file say, as class positions; see `heldout.store.block.Block`."""

    predicted: NDArray[np.int32]
    runners_up: NDArray[np.int32] | None
    confidence: NDArray[np.float32] | None
    scores: NDArray[np.floating[Any]] | None
    kind: str | None
    error: NDArray[np.object_] | None


def read_table(path: str | Path, spec: GenericSpec) -> Bundle:
    """The predictions of a file, with labels where it or `spec.labels` has them.

    Raises ImportFailed for a file that is malformed or does not fit its classes or labels,
    NotFound for a column that is not there, BadInput when something has to be said first.
    """
    path = Path(path)
    rows = read_rows(path, spec)
    labels = read_labels(Path(spec.labels), spec) if spec.labels else None
    rows, model, setting = _named(rows, spec)
    example, rows = _identified(rows, labels)
    if spec.drop_repeats:
        first = _first_rows(example, model, setting)
        dropped, rows = rows.n - len(first), rows.take(first)
        example, model, setting = (c.take(first) for c in (example, model, setting))
        rows.notes.append(f"{path.name}: {dropped} repeated rows were dropped, the first kept.")
    classes, said = _classes(rows, labels, spec)
    rows.notes.extend(said)
    answers = _answers(rows, classes, spec)
    label_sets: list[Labels] = []
    settings: list[dict[str, Any]] = []
    for s, name in enumerate(setting.distinct):
        chosen = np.flatnonzero(setting.codes == s)
        found = _label_rows(rows, labels, example, chosen, name, spec, len(setting.distinct))
        label_set = (spec.label_set or name) if len(setting.distinct) == 1 else name
        n = None
        if found is not None:
            assert found.example is not None
            rows.notes.extend(found.notes)
            where = spec.labels or rows.where
            label = classes.index(found.label, "label", where)
            label_sets.append(
                Labels(label_set, found.example, label, classes.ids, classes.names,
                       groups=found.groups)
            )  # fmt: skip
            n = len(found.example)
        named = label_set if found is not None or spec.label_set else None
        settings.append({"setting": name, "label_set": named, "n": n})
    blocks = list(_blocks(answers, rows, example, model, setting))
    files = [path] + ([Path(spec.labels)] if spec.labels else [])
    return Bundle(
        format=FORMAT,
        labels=label_sets,
        settings=settings,
        models=[{"model": m} for m in model.distinct],
        blocks=blocks,
        notes=rows.notes,
        hashes={p.name: sha256(p) for p in files},
    )


def _first_rows(example: Names, model: Names, setting: Names) -> NDArray[np.int64]:
    """The first row of every (model, setting, example)."""
    key = (setting.codes * len(model.distinct) + model.codes) * len(example.distinct)
    return np.sort(np.unique(key + example.codes, return_index=True)[1])


def _named(rows: Rows, spec: GenericSpec) -> tuple[Rows, Names, Names]:
    """Which model and which setting every row belongs to."""
    setting, model = rows.setting, rows.model
    if setting is None:
        if not spec.setting:
            raise BadInput(
                f"{rows.where} does not say which test set its predictions are for: name it with"
                " --setting, or the column that says it with --setting-column."
            )
        setting = Names(np.zeros(rows.n, np.int64), [spec.setting])
    if model is None:
        stem = rows.path.name.split(".")[0]
        if not spec.model:
            rows.notes.append(f"The model is called '{stem}', after the file; --model names it.")
        model = Names(np.zeros(rows.n, np.int64), [spec.model or stem])
    return rows, model, setting


def _identified(rows: Rows, labels: LabelRows | None) -> tuple[Names, Rows]:
    """The example ids: those of the file, else of a label file as long, else '0', '1', …"""
    if rows.example is not None:
        return rows.example, rows
    if rows.model is not None or rows.setting is not None:
        raise ImportFailed(
            f"{rows.where} has several rows an example (a model or setting column), but no example"
            " ids; name their column with --example."
        )
    if labels is not None and labels.example is not None:
        if len(labels.example) != rows.n:
            raise ImportFailed(
                f"{rows.where} has {rows.n} rows without ids, but the label file has"
                f" {len(labels.example)} examples: they cannot be joined by position."
            )
        rows.notes.append(
            f"{rows.path.name} has no example ids: its rows were taken to be in the label file's"
            " order. If they are not, every accuracy is wrong."
        )
        return Names(np.arange(rows.n), list(labels.example)), rows
    rows.notes.append(numbered(rows.path, rows.n))
    return Names(np.arange(rows.n), [str(i) for i in range(rows.n)]), rows


def _classes(rows: Rows, labels: LabelRows | None, spec: GenericSpec) -> tuple[Classes, list[str]]:
    """The classes that the user gave, or that the file shows, with a sentence about the latter."""
    columns = [c for c in (rows.predicted, *rows.places, rows.label) if c is not None]
    columns += [labels.label] if labels is not None else []
    width = 0 if rows.scores is None else rows.scores.shape[1]
    if spec.classes:
        classes = given(spec.classes, spec.class_numbers)
        if width and width != len(classes.ids):
            raise ImportFailed(
                f"{rows.where} has scores for {width} classes, but there are {len(classes.ids)}"
                " classes (--classes)."
            )
        return classes, []
    numeric = all(c.numeric for c in columns if len(c.distinct))
    if width and numeric:
        return counted(width), []
    found = seen_in(columns)
    if found is None or (width and not numeric):
        raise ImportFailed(
            f"{rows.where}: some classes are numbers or places of scores, others are names; say"
            " which name has which place with --classes FILE."
        )
    if numeric:
        return found, [f"{len(found.ids)} classes, 0 to {len(found.ids) - 1}: the highest number"
                       " in the files. --classes says it for certain."]  # fmt: skip
    if rows.label is None and labels is None:
        raise ImportFailed(
            f"{rows.where}: classes are given by name ({', '.join(found.ids[:3])} …) without"
            " labels; say which name has which place with --classes FILE."
        )
    return found, [f"{len(found.ids)} classes, sorted by name, as the files show them."
                   " --classes FILE says them for certain."]  # fmt: skip


def _answers(rows: Rows, classes: Classes, spec: GenericSpec) -> _Answers:
    """Predicted classes, runners-up, confidence and reasons for missing answers of all rows."""
    top = check_top(spec)
    ranked = kind = None
    if rows.scores is not None:
        kind, said = matrix.kind_of(rows.scores, rows.hint, spec.score_kind, rows.where)
        rows.notes.append(said)
        ranked = matrix.best(rows.scores, top)
    if rows.predicted is None:
        assert ranked is not None
        predicted = ranked[:, 0].copy()
    else:
        predicted = classes.index(rows.predicted, "predicted class", rows.where)
    runners = _runners_up(rows, classes, predicted, ranked, top)
    sure = rows.confidence
    if sure is None and rows.scores is not None and kind is not None:
        sure = matrix.confidence(rows.scores, kind, predicted)
    error = _errors(rows, predicted)
    keep = spec.keep_scores and rows.scores is not None
    return _Answers(
        predicted, runners, sure, rows.scores if keep else None, kind if keep else None, error
    )


def _runners_up(
    rows: Rows, classes: Classes, predicted: NDArray[np.int32], ranked: Any, top: int
) -> NDArray[np.int32] | None:
    """(n, k - 1) classes after the predicted one, from columns of places or from the scores."""
    if rows.places:
        found = [classes.index(p, "class", rows.where) for p in rows.places[: top - 1]]
        places = np.where(np.column_stack(found) < 0, ABSENT, np.column_stack(found))
        return places.astype(np.int32) if places.shape[1] else None
    if ranked is None or ranked.shape[1] < 2:
        return None
    places = ranked[:, 1:].copy()
    other = np.flatnonzero((ranked[:, 0] != predicted) & (predicted >= 0) & (ranked[:, 0] >= 0))
    for i in other:
        places[i] = [c for c in ranked[i] if c != predicted[i]][: places.shape[1]]
    if other.size:
        rows.notes.append(
            f"{rows.path.name}: in {other.size} of {rows.n} rows the predicted class is not the one"
            " with the highest score; the predicted class was kept."
        )
    places[predicted < 0] = ABSENT
    return np.asarray(places, np.int32)


def _errors(rows: Rows, predicted: NDArray[np.int32]) -> NDArray[np.object_] | None:
    """Why a row has no predicted class, or None when all have one."""
    none = predicted == NO_ANSWER
    if not none.any():
        return None
    why = matrix.NAN_SCORE if rows.predicted is None else EMPTY
    rows.notes.append(f"{rows.path.name}: {int(none.sum())} of {rows.n} rows: {why}; no answer.")
    error = np.full(rows.n, None, dtype=object)
    error[none] = why
    return error


def _label_rows(
    rows: Rows,
    labels: LabelRows | None,
    example: Names,
    chosen: NDArray[np.int64],
    setting: str,
    spec: GenericSpec,
    settings: int,
) -> LabelRows | None:
    if labels is None:
        return None if rows.label is None else own_labels(rows, example, chosen)
    ids = list(dict.fromkeys(example.take(chosen).texts()))
    found = joined(labels, ids, setting, spec.labels)
    if settings == 1 or labels.example is None:
        return found
    assert found.example is not None
    here = set(ids)
    keep = [i for i, e in enumerate(found.example) if e in here]
    groups = {name: [column[i] for i in keep] for name, column in found.groups.items()}
    return LabelRows(
        [found.example[i] for i in keep], found.label.take(np.array(keep)), groups, found.notes
    )


def _blocks(
    answers: _Answers, rows: Rows, example: Names, model: Names, setting: Names
) -> Iterator[Found]:
    """A block for every group of models with the same examples in the same order."""
    group = setting.codes * len(model.distinct) + model.codes
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    together: dict[tuple[int, bytes], list[tuple[int, NDArray[np.int64]]]] = {}
    for piece in np.split(order, starts[1:]):
        s, m = divmod(int(group[piece[0]]), len(model.distinct))
        mine = example.take(piece)
        if not mine.unique():
            raise ImportFailed(_twice(rows, mine, piece, model.distinct[m]))
        together.setdefault((s, mine.codes.tobytes()), []).append((m, piece))
    for (s, _), members in together.items():
        at = np.stack([piece for _, piece in members])
        yield Found(
            Block(
                setting.distinct[s],
                [model.distinct[m] for m, _ in members],
                example.take(at[0]).texts(),
                answers.predicted[at],
                None if answers.runners_up is None else answers.runners_up[at],
                None if answers.confidence is None else answers.confidence[at],
                None if answers.scores is None else answers.scores[at],
                answers.kind,
                None if answers.error is None else answers.error[at],
            )
        )


def _twice(rows: Rows, mine: Names, piece: NDArray[np.int64], model: str) -> str:
    repeated = np.flatnonzero(np.bincount(mine.codes) > 1)
    at = piece[mine.codes == repeated[0]]
    return (
        f"{rows.where}: the example '{mine.distinct[int(repeated[0])]}' occurs {len(at)} times"
        f" for model '{model}' (rows {int(at[0]) + 1} and {int(at[1]) + 1})"
        + (f", and {len(repeated) - 1} other examples repeat" if len(repeated) > 1 else "")
        + ". Every example must be there once. Several models in one file need a column that says"
        " which (--model-column); `heldout doctor` looks into such files."
    )
