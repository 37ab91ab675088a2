"""Scores restricted to some classes before the argmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from heldout.errors import BadInput
from heldout.store.block import NO_ANSWER, Block


def class_subset(block: Block, subset: Sequence[int]) -> Block:
    """Scores restricted to some classes before the argmax; exact with scores.

    With only the top k, the first allowed class among them is predicted, and where there is none
    there is no answer. Confidences are those of scores renormalised over the subset, else dropped.
    """
    if not len(subset):
        raise BadInput(
            "--mend class-subset: no classes are given, and there are no labels to tell."
        )
    size = 1 + max(int(block.predicted.max(initial=0)), max(subset))
    if block.scores is not None:
        return _subset_of_scores(block, sorted(set(subset)))
    if block.runners_up is not None:
        size = max(size, 1 + int(block.runners_up.max(initial=0)))
    allowed = np.zeros(size, bool)
    allowed[list(subset)] = True
    top = block.predicted[:, :, None]
    if block.runners_up is not None:
        top = np.concatenate([top, block.runners_up.astype(top.dtype)], axis=2)
    inside = (top >= 0) & allowed[np.maximum(top, 0)]
    order = np.argsort(~inside, axis=2, kind="stable")
    kept = np.where(np.take_along_axis(inside, order, 2), np.take_along_axis(top, order, 2), -2)
    first = np.where(block.predicted < 0, block.predicted,
                     np.where(kept[:, :, 0] >= 0, kept[:, :, 0], NO_ANSWER))  # fmt: skip
    unchanged = np.all(first == block.predicted)
    return replace(
        block,
        predicted=first.astype(block.predicted.dtype),
        runners_up=None if block.runners_up is None else kept[:, :, 1:],
        confidence=block.confidence if unchanged else None,
    )


def _subset_of_scores(block: Block, subset: Sequence[int]) -> Block:
    assert block.scores is not None
    scores = np.asarray(block.scores, np.float64)
    inside = np.zeros(scores.shape[2], bool)
    inside[list(subset)] = True
    logs = {"logits": log_softmax, "log-probabilities": _normalised}.get(str(block.score_kind))
    if block.score_kind == "probabilities":
        kept = np.where(inside, scores, 0.0)
        kept = kept / np.maximum(kept.sum(axis=2, keepdims=True), 1e-300)
        confidence: Any = kept.max(axis=2)
    elif logs is not None:
        kept = np.where(inside, scores, -np.inf)
        confidence = np.exp(logs(kept[:, :, inside], axis=2).max(axis=2))
    else:
        kept, confidence = np.where(inside, scores, -np.inf), None
    best = np.where(inside, kept, -np.inf).argmax(axis=2)
    return replace(
        block,
        predicted=np.where(block.predicted >= 0, best, block.predicted).astype(np.int32),
        runners_up=None,
        confidence=None if confidence is None else np.asarray(confidence, np.float32),
        scores=None,
        score_kind=None,
    )


def _normalised(scores: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.asarray(scores - logsumexp(scores, axis=axis, keepdims=True))
