"""A file of predictions as it is, rows in order and ids as often as they occur: for `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.imports import scores as matrix
from heldout.imports.class_names import counted, given, seen_in
from heldout.imports.generic_labels import read_labels
from heldout.imports.generic_rows import read_rows
from heldout.imports.generic_spec import GenericSpec


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """One model's rows: ids (None: the file has none) and predicted classes, -1 for none."""

    model: str
    examples: list[str] | None
    predicted: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class RawFile:
    """The rows of a file by model, and the labels they should be scored by."""

    rows: list[Raw]
    label_examples: list[str]
    label: NDArray[np.int32]
    classes: list[str]


def read_raw(path: str | Path, spec: GenericSpec) -> RawFile:
    """The rows of a file with the labels of `spec.labels`, nothing joined, dropped or refused.

    Raises BadInput without labels, and what reading the files raises.
    """
    path = Path(path)
    rows = read_rows(path, spec)
    if not spec.labels:
        raise BadInput(f"{path}: give the labels with --labels, else little can be said.")
    labels = read_labels(Path(spec.labels), spec)
    columns: list[Any] = [c for c in (rows.predicted, labels.label) if c is not None]
    if spec.classes:
        classes = given(spec.classes, spec.class_numbers)
    elif rows.scores is not None:
        classes = counted(rows.scores.shape[1])
    else:
        # Names of classes are the labels' own: another spelling is a mistake, not another class.
        seen = seen_in(columns if labels.label.numeric else [labels.label])
        if seen is None:
            raise BadInput(f"{path}: the classes cannot be told from the files; give --classes.")
        classes = seen
    if rows.predicted is not None:
        predicted = classes.index(rows.predicted, "class", rows.where)
    else:
        assert rows.scores is not None
        predicted = matrix.best(rows.scores, 1)[:, 0].astype(np.int32)
    ids = labels.example or [str(i) for i in range(len(labels.label))]
    label = classes.index(labels.label, "label", spec.labels)
    codes = np.zeros(rows.n, np.int64) if rows.model is None else rows.model.codes
    names = [spec.model or path.stem] if rows.model is None else rows.model.distinct
    found = []
    for m, name in enumerate(names):
        at = np.flatnonzero(codes == m)
        texts = None if rows.example is None else rows.example.take(at).texts()
        found.append(Raw(name, texts, predicted[at]))
    return RawFile(found, ids, label, list(classes.ids))
