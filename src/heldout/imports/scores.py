"""What a matrix of class scores says: its kind, the best classes, the confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, ImportFailed
from heldout.store.block import ABSENT, NO_ANSWER
from heldout.store.schema import SCORE_KINDS

NAN_SCORE = "NaN score"
_TOLERANCE = 0.01  # of a sum of probabilities; half precision is off by less
_CHUNK = 4_096

Scores = NDArray[np.floating[Any]]


def usable(scores: Scores) -> NDArray[np.bool_]:
    """(n,) whether a row of (n, classes) scores has a best class: no NaN, and a finite highest."""
    return np.asarray(np.isfinite(scores.max(axis=1)))


def kind_of(scores: Scores, hint: str, asked: str, where: str) -> tuple[str, str]:
    """What the scores are, and a sentence saying so.

    hint: the kind that a column's name promises, or ''; asked: what the user says, or ''. Where
    neither decides, rows that lie in [0, 1] and sum to 1 are probabilities; rows that do so after
    exp are log-probabilities; anything else is logits. Raises ImportFailed when values contradict.
    """
    if asked and asked not in SCORE_KINDS:
        raise BadInput(f"--score-kind '{asked}' is not one of {', '.join(SCORE_KINDS)}.")
    rows = np.flatnonzero(usable(scores))
    if not rows.size:
        return asked or hint or "logits", f"{where}: no row of scores is complete."
    low, high, sums = _ranges(scores, rows)
    seen = "probabilities" if _distributions(low, high, sums) else ""
    if high <= 1e-6:
        _, _, exp_sums = _ranges(scores, rows, np.exp)
        if _distributions(0, 1, exp_sums):
            seen = "log-probabilities"
    claimed = asked or hint
    found = f"values {low:.4g} … {high:.4g}, rows sum to {sums.min():.4g} … {sums.max():.4g}"
    if claimed in ("probabilities", "log-probabilities") and seen != claimed:
        raise ImportFailed(
            f"{where}: these should be {claimed}, but they are not ({found}). Say what they are"
            " with --score-kind logits or --score-kind scores."
        )
    why = "as you said" if asked else found
    kind = asked or seen or hint or "logits"
    return kind, f"{where}: the scores were taken for {kind} ({why})."


def _ranges(
    scores: Scores, rows: NDArray[np.int64], change: Any = None
) -> tuple[float, float, NDArray[np.float64]]:
    """Lowest and highest value, and every row's sum."""
    low, high, sums = np.inf, -np.inf, np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = scores[rows[start : start + _CHUNK]]
        part = part if change is None else change(part)
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        sums[start : start + len(part)] = part.sum(axis=1, dtype=np.float64)
    return low, high, sums


def _distributions(low: float, high: float, sums: NDArray[np.float64]) -> bool:
    inside = low >= -1e-6 and high <= 1 + 1e-6
    return inside and bool((np.abs(sums - 1) <= _TOLERANCE).all())


def best(scores: Scores, k: int) -> NDArray[np.int32]:
    """(n, k) classes with the highest scores, best first, ties to the lower index.

    A row without a best class has -1 in the first place and -2 in the others.

    >>> best(np.array([[0.1, 0.7, 0.2], [0.5, np.nan, 0.5]]), 2).tolist()
    [[1, 2], [-1, -2]]
    """
    n, classes = scores.shape
    out = np.full((n, min(k, classes)), ABSENT, np.int32)
    good = usable(scores)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        # Minus infinity marks places already taken, so a score of it becomes the lowest number.
        left = np.maximum(scores[rows], np.finfo(scores.dtype).min)
        at = np.arange(len(left))
        for place in range(out.shape[1]):
            first = left.argmax(axis=1)
            out[rows, place] = first
            left[at, first] = -np.inf
    out[~good] = ABSENT
    out[~good, 0] = NO_ANSWER
    return out


def confidence(scores: Scores, kind: str, predicted: NDArray[Any]) -> NDArray[np.float32] | None:
    """(n,) probability of the predicted class; NaN without one; None where scores say none."""
    if kind == "scores":
        return None
    out = np.full(len(scores), np.nan, np.float32)
    rows = np.flatnonzero(usable(scores) & (predicted >= 0))
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        values = scores[part].astype(np.float64)
        mine = values[np.arange(len(part)), predicted[part]]
        if kind == "logits":
            highest = values.max(axis=1)
            values -= highest[:, None]
            out[part] = np.exp(mine - highest) / np.exp(values, out=values).sum(axis=1)
        else:
            out[part] = np.clip(np.exp(mine) if kind == "log-probabilities" else mine, 0, 1)
    return out
