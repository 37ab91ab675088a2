"""From a model's scores to rows: predicted class, the places after it, confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.testsets.class_map import ClassMap, apply

PLACES = 5
NO_ANSWER = -1
NOT_A_NUMBER = "the model gave a score that is not a number"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Answers for n images. predicted: (n,) int32, -1 for none; runners_up: (n, k - 1); confidence:
    (n,) float32, NaN where unknown; scores: (n, classes); bad: (n,) scores that are not numbers."""

    predicted: NDArray[np.int32]
    runners_up: NDArray[np.int32]
    confidence: NDArray[np.float32]
    scores: NDArray[np.float32]
    bad: NDArray[np.bool_]


def rows_of(scores: NDArray[np.float32], kind: str, classes: ClassMap) -> Rows:
    """Score images (n, outputs) on a setting's classes; ties go to the class that comes first.

    Confidence is the softmax of logits over the setting's classes (Taori et al. restrict the scores
    before the argmax), or the probabilities renormalised over them; none for other scores.
    """
    bad: NDArray[np.bool_] = np.asarray(np.isnan(scores).any(axis=1))
    safe = np.where(bad[:, None], np.float32(0), scores) if bad.any() else scores
    on = apply(classes, safe, kind)
    kind = "probabilities" if kind == "logits" and classes.reduction == "sum" else kind
    k = min(PLACES, on.shape[1])
    # A stable sort of the negated scores: the lowest index first among equals, as argmax does.
    if on.shape[1] <= 32:
        top = np.argsort(-on, axis=1, kind="stable")[:, :k]
    else:
        top = _top(on, k)
    predicted = top[:, 0].astype(np.int32)
    runners = top[:, 1:].astype(np.int32)
    confidence = _confidence(on, predicted, kind)
    predicted[bad], runners[bad], confidence[bad] = NO_ANSWER, NO_ANSWER, np.nan
    return Rows(predicted, runners, confidence, on, bad)


def _top(on: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k best columns of every row, best first; equal scores in column order.

    argpartition alone may pick any of several equal scores at the k-th place; the few rows in which
    that happens are sorted whole.
    """
    part = np.argpartition(-on, k, axis=1)[:, :k] if on.shape[1] > k else _whole(on)
    part.sort(axis=1)
    values = np.take_along_axis(on, part, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top = np.take_along_axis(part, order, axis=1)
    last = np.take_along_axis(values, order, axis=1)[:, -1:]
    tied = ((on == last).sum(axis=1) > (values == last).sum(axis=1)).nonzero()[0]
    for i in tied:
        top[i] = np.argsort(-on[i], kind="stable")[:k]
    return np.asarray(top, np.int64)


def _whole(on: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.tile(np.arange(on.shape[1]), (len(on), 1))


def _confidence(
    on: NDArray[np.float32], predicted: NDArray[np.int32], kind: str
) -> NDArray[np.float32]:
    best = np.take_along_axis(on, predicted[:, None].astype(np.int64), axis=1)[:, 0]
    if kind in ("logits", "log-probabilities"):
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.exp(on.astype(np.float64) - best[:, None]).sum(axis=1)
        return np.asarray(1.0 / total, np.float32)
    if kind == "probabilities":
        total = np.where(np.isfinite(on), on, 0).sum(axis=1, dtype=np.float64)
        share = np.divide(best, total, out=np.full(len(on), np.nan), where=total > 0)
        return np.asarray(np.clip(share, 0, 1), np.float32)
    return np.full(len(on), np.nan, np.float32)
