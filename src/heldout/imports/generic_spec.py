"""What a user says about a file of predictions, and which of its columns is what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heldout.errors import BadInput, ImportFailed, not_found
from heldout.imports.generic_files import header_looks_like_data

# Role: column names that mean it, best first. Compared without case, spaces and punctuation.
NAMES = {
    "example": ("example", "exampleid", "sampleid", "imageid", "id", "image", "img", "filename",
                "file", "imagepath", "filepath", "path", "key", "uid", "index", "idx"),
    "predicted": ("predicted", "prediction", "pred", "ypred", "predictedclass", "predictedlabel",
                  "predclass", "predlabel", "yhat", "argmax", "top5", "topk"),
    "label": ("label", "target", "ytrue", "truth", "groundtruth", "gt", "truelabel", "trueclass",
              "y", "true"),
    "confidence": ("confidence", "conf", "maxprob", "prob", "probability"),
    "model": ("model", "modelname", "classifier", "network"),
    "setting": ("setting", "testset", "dataset"),
    "scores": ("logits", "probs", "probabilities", "logprobs", "scores", "softmax"),
}  # fmt: skip
FLAGS = {
    "example": "--example",
    "predicted": "--predicted",
    "label": "--label",
    "confidence": "--confidence",
    "model": "--model-column",
    "setting": "--setting-column",
    "scores": "--scores",
}
_NUMBERED = re.compile(r"(?P<stem>.*?[^\d])[_.\- ]?(?P<number>\d+)")
_PLACE_STEMS = ("top", "pred", "predicted", "prediction")
_HINTS = {
    "logit": "logits",
    "logits": "logits",
    "prob": "probabilities",
    "probs": "probabilities",
    "probability": "probabilities",
    "probabilities": "probabilities",
    "softmax": "probabilities",
    "p": "probabilities",
    "logprob": "log-probabilities",
    "logprobs": "log-probabilities",
    "score": "scores",
    "scores": "scores",
}


@dataclass(frozen=True, slots=True)
class GenericSpec:
    """How to read a file that is in no published format; empty means: find out from the file.

    model, setting, label_set: names for what the file holds (a model column, a setting column win).
    example, predicted, label, confidence, model_column, setting_column: column names by role.
    scores: what the names of score columns start with, or the columns in class order.
    wide: the columns that each are a model's predicted classes; ('*',) means all unused ones.
    score_kind: logits, probabilities, log-probabilities or scores.
    labels: a file of labels, joined by example id. classes: a file, their number, or the list.
    class_numbers: 'position' or 'name', where classes are called by numbers.
    keep_scores: store all scores, not only the `top` best classes and the confidence.
    drop_repeats: of rows with the same model, setting and example keep the first (padding).
    """

    model: str = ""
    setting: str = ""
    label_set: str = ""
    example: str = ""
    predicted: str = ""
    label: str = ""
    confidence: str = ""
    model_column: str = ""
    setting_column: str = ""
    scores: str | tuple[str, ...] = ""
    wide: tuple[str, ...] = ()
    score_kind: str = ""
    labels: str = ""
    classes: str | int | Sequence[str] = ""
    class_numbers: str = ""
    delimiter: str = ""
    keep_scores: bool = False
    drop_repeats: bool = False
    top: int = 5


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of a file by role; '' or () where there is none.

    scores: one list column or one column a class. places: columns for places 2, 3, … hint: what
    the names of the score columns promise. unused: all others.
    """

    example: str
    predicted: str
    label: str
    confidence: str
    model: str
    setting: str
    scores: tuple[str, ...]
    places: tuple[str, ...]
    wide: tuple[str, ...]
    hint: str
    unused: tuple[str, ...]

    def wanted(self) -> list[str]:
        """All columns with a role."""
        single = (self.example, self.predicted, self.label, self.model, self.setting)
        names = (*single, self.confidence, *self.scores, *self.places, *self.wide)
        return list(dict.fromkeys(n for n in names if n))

    def numeric(self) -> set[str]:
        """Those that hold measurements rather than names."""
        return {self.confidence, *self.scores} - {""}


def roles(header: Sequence[str], spec: GenericSpec, path: Path) -> Roles:
    """Which column is what. Raises NotFound for a column named in vain, ImportFailed when the
    predictions cannot be told; the message lists the columns and says which flag names them."""
    said = {
        "example": spec.example,
        "predicted": spec.predicted,
        "label": spec.label,
        "confidence": spec.confidence,
        "model": spec.model_column,
        "setting": spec.setting_column,
    }
    for name in (*said.values(), *(n for n in spec.wide if n != "*")):
        if name and name not in header:
            raise not_found("column", name, header, f"'{path}'")
    taken = {name for name in said.values() if name}
    found = {role: said[role] or _by_name(header, role, taken) for role in said}
    taken |= {name for name in found.values() if name}
    if said["predicted"] == "" and spec.wide:
        taken.discard(found["predicted"])
        found["predicted"] = ""
    places = _places(header, found["predicted"], spec)
    if places and not found["predicted"]:
        found["predicted"], *rest = places
        places = tuple(rest)
    taken |= {found["predicted"], *places}
    scores, hint = _score_columns([h for h in header if h not in taken], spec, path)
    taken |= set(scores)
    free = [h for h in header if h not in taken]
    wide = tuple(free) if spec.wide == ("*",) else spec.wide
    if not (found["predicted"] or scores or wide):
        raise ImportFailed(_nothing_predicted(header, path))
    unused = tuple(h for h in free if h not in wide)
    return Roles(**found, scores=scores, places=places, wide=wide, hint=hint, unused=unused)


def plain(name: str) -> str:
    """A column name for comparison.

    >>> plain("Image ID"), plain("y_pred")
    ('imageid', 'ypred')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _by_name(header: Sequence[str], role: str, taken: set[str]) -> str:
    there = {plain(h): h for h in reversed(header) if h not in taken}
    return next((there[name] for name in NAMES[role] if name in there), "")


def _places(header: Sequence[str], predicted: str, spec: GenericSpec) -> tuple[str, ...]:
    """Columns such as top1 … top5 in order; beside a predicted class, from the second place on."""
    if spec.predicted or spec.wide:
        return ()
    for stem in _PLACE_STEMS:
        columns = _numbered(header, stem)
        second = bool(columns) and columns[0].endswith("2")
        if columns and second == bool(predicted) and (second or len(columns) > 1):
            return columns
    return ()


def _score_columns(
    free: Sequence[str], spec: GenericSpec, path: Path
) -> tuple[tuple[str, ...], str]:
    if isinstance(spec.scores, tuple):
        for name in spec.scores:
            if name not in free:
                raise not_found("column", name, free, f"'{path}'")
        return spec.scores, ""
    if spec.scores:
        if spec.scores in free:
            return (spec.scores,), _HINTS.get(plain(spec.scores), "")
        columns = _numbered(free, plain(spec.scores)) or tuple(
            h for h in free if h.startswith(spec.scores)
        )
        if len(columns) < 2:
            raise ImportFailed(
                f"{path}: fewer than two columns start with '{spec.scores}' (--scores); there are"
                f" {', '.join(free[:12])}."
            )
        return columns, _HINTS.get(plain(spec.scores).rstrip("0123456789"), "")
    for name in free:
        if plain(name) in NAMES["scores"]:
            return (name,), _HINTS.get(plain(name), "")
    for stem, hint in _HINTS.items():
        columns = _numbered(free, stem)
        if len(columns) > 1:
            return columns, hint
    return (), ""


def _numbered(header: Sequence[str], stem: str) -> tuple[str, ...]:
    """The columns STEM0, STEM1, … (or from 1 on) in order; () when numbers are missing."""
    found = {}
    for name in header:
        parts = _NUMBERED.fullmatch(name)
        if parts and plain(parts["stem"]) == stem:
            found[int(parts["number"])] = name
    numbers = sorted(found)
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return ()
    return tuple(found[i] for i in numbers) if numbers[0] in (0, 1, 2) else ()


def _nothing_predicted(header: Sequence[str], path: Path) -> str:
    shown = ", ".join(header[:20]) + (" …" if len(header) > 20 else "")
    text = f"{path}: no column says what was predicted. Columns: {shown}."
    if len(header) == 1 and not header_looks_like_data(header):
        text += " It has only one: is the delimiter another one (--delimiter)?"
    if header_looks_like_data(header):
        text += " Is the line with the column names missing?"
    return text + (
        " Name the column with --predicted, columns of scores with --scores PREFIX, or use --wide"
        " where each column is a model; the ids with --example."
    )


def check_top(spec: GenericSpec) -> int:
    """How many places to keep. Raises BadInput below 1."""
    if spec.top < 1:
        raise BadInput(f"--top {spec.top}: at least the first place must be kept.")
    return spec.top
