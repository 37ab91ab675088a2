"""Scores and confidences that are not what they are said to be.

Most of these cannot happen in healthy data at all (a probability above 1), so they carry no test.
`--mend scores=KIND` says what they really are; the confidence is then computed anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heldout.analysis.doctor.case import Case, Ints, accuracy
from heldout.analysis.doctor.finding import Finding, percent

_SUM_SLACK = 0.01
"""Rows of probabilities in float16, or printed with four digits, add up to 1 within this."""
_EDGE = 1e-6


def check(case: Case) -> list[Finding]:
    """Findings about scores, then about the confidence column."""
    found = []
    for i in range(len(case.models)):
        if case.scores is not None:
            found += of_scores(case, i, np.asarray(case.scores[i]))
        if case.confidence is not None:
            found += of_confidence(case, i, np.asarray(case.confidence[i], np.float64))
    return found


def kind_of(scores: NDArray[Any]) -> str:
    """What (n, C) finite scores can be: 'probabilities', 'percent', 'log-probabilities', 'logits'.

    >>> kind_of(np.log([[0.5, 0.5], [0.9, 0.1]])), kind_of(np.array([[3.0, -1.0]]))
    ('log-probabilities', 'logits')
    """
    sums = scores.sum(axis=1)
    if scores.min() >= -_EDGE:
        if scores.max() <= 1 + _EDGE and _nearly_all(np.abs(sums - 1) <= _SUM_SLACK):
            return "probabilities"
        if scores.max() <= 100 + 100 * _EDGE and _nearly_all(
            np.abs(sums - 100) <= 100 * _SUM_SLACK
        ):
            return "percent"
    if scores.max() <= _EDGE and _nearly_all(np.abs(logsumexp(scores, axis=1)) <= _SUM_SLACK):
        return "log-probabilities"
    return "logits"


def flat_limit(n_classes: int) -> float:
    """The largest confidence that a softmax of probabilities can reach: e / (e + C - 1).

    >>> round(flat_limit(10), 4), round(flat_limit(1000), 6)
    (0.232, 0.002714)
    """
    return math.e / (math.e + n_classes - 1)


def of_scores(case: Case, i: int, scores: NDArray[Any]) -> list[Finding]:
    """Findings about the (n, C) scores of one model."""
    present = case.predicted[i] >= 0
    values = np.asarray(scores[present], np.float64)
    if not len(values):
        return []
    who = case.model(i)
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        found = [_sure("scores:not-finite", i, f"{bad} of {len(values)} rows of {who} hold NaN or"
                       " infinite scores; their argmax means nothing.")]  # fmt: skip
        values, guess = _finite(values, case.predicted[i][present])
    else:
        found, guess = [], case.predicted[i][present]
    if not len(values):
        return found
    return found + _argmax(case, i, values, guess) + _kind(case, i, values)


def _finite(values: NDArray[Any], guess: Ints) -> tuple[NDArray[Any], Ints]:
    keep = np.isfinite(values).all(axis=1)
    return values[keep], guess[keep]


def _argmax(case: Case, i: int, values: NDArray[Any], guess: Ints) -> list[Finding]:
    """The predicted class is not the one with the highest score (ties allowed)."""
    rows = np.arange(len(values))
    inside = guess < values.shape[1]
    chosen = values[rows, np.where(inside, guess, 0)]
    off = ~inside | (chosen < values.max(axis=1))
    if not off.any():
        return []
    flipped = bool(np.all(inside & (chosen <= values.min(axis=1))))
    how = "has the lowest score" if flipped else "does not have the highest score"
    more = " Scores that mean 'less is better' must be negated." if flipped else ""
    subset = " (a restriction to some classes that the setting's name does not say would do that)"
    now = accuracy(case.predicted[i], case.label)
    mended = accuracy(_argmax_of(case, i), case.label)
    return [
        Finding(
            "scores:predicted-not-argmax",
            "error",
            "certain",
            f"In {int(off.sum())} of {len(values)} rows of {case.model(i)} the predicted class"
            f" {how}{'' if flipped else subset}.{more}",
            0.0,
            (i,),
            now,
            mended,
        )
    ]


def _argmax_of(case: Case, i: int) -> Ints:
    assert case.scores is not None
    best = np.asarray(case.scores[i]).argmax(axis=1)
    return np.asarray(np.where(case.predicted[i] >= 0, best, case.predicted[i]))


def _kind(case: Case, i: int, values: NDArray[Any]) -> list[Finding]:
    """The scores are of another kind than the one they are stored as."""
    said, seen = case.score_kind, kind_of(values)
    who = case.model(i)
    if said == "probabilities" and seen == "probabilities":
        return _softmax_twice(case, i, values)
    if said == "probabilities" and seen != said:
        if seen == "logits" and values.min() >= -_EDGE and values.max() <= 1 + _EDGE:
            off = values.sum(axis=1)
            return [Finding(
                "scores:do-not-sum-to-1", "warning", "certain",
                f"The probabilities of {who} lie in [0, 1] but a row adds up to"
                f" {np.median(off):.3f} (median): sigmoid outputs, or probabilities of fewer or"
                " more classes. Calibration needs rows that add up to 1.",
                0.0, (i,), mend="scores=scores",
            )]  # fmt: skip
        return [_sure(f"scores:{seen}-as-probabilities", i, f"The scores of {who} are stored as"
                      f" probabilities but are {_words(seen)} (from {values.min():.4g} to"
                      f" {values.max():.4g}).", f"scores={seen}")]  # fmt: skip
    if said == "logits" and seen in ("probabilities", "percent"):
        return [_sure(f"scores:{seen}-as-logits", i, f"The scores of {who} are stored as logits but"
                      f" are {_words(seen)}; a softmax of them is nearly flat (at most"
                      f" {percent(flat_limit(values.shape[1]))} for any class).",
                      f"scores={seen}")]  # fmt: skip
    if said == "log-probabilities" and seen != said:
        says = f"The scores of {who} are stored as log-probabilities but are {_words(seen)}."
        return [_sure(f"scores:{seen}-as-log-probabilities", i, says, f"scores={seen}")]
    return []


def _softmax_twice(case: Case, i: int, values: NDArray[Any]) -> list[Finding]:
    """No probability above e / (e + C - 1), while the model is right far more often than that."""
    limit = flat_limit(values.shape[1])
    found = _flat(case, i, values.max(axis=1), limit)
    if found is None:
        return []
    return [_sure("scores:softmax-twice", i, found, "scores=softmax-twice")]


def _flat(case: Case, i: int, top: NDArray[Any], limit: float) -> str | None:
    """The sentence about flat confidences, or None where they are not flat or not wrong."""
    right = accuracy(case.predicted[i], case.label) if case.labelled else math.nan
    known = not case.labelled or right > 2 * limit
    if top.max() > limit * (1 + 1e-4) or not known or len(top) < 20 or limit > 0.5:
        return None
    knows = f", yet it is right on {percent(right)}" if case.labelled else ""
    return (
        f"No confidence of {case.model(i)} is above {percent(float(top.max()))}{knows}: that is"
        f" what a second softmax makes of probabilities (it cannot exceed {percent(limit)})."
    )


def of_confidence(case: Case, i: int, confidence: NDArray[np.float64]) -> list[Finding]:
    """Findings about the (n,) confidences of one model; NaN where it has none."""
    values = confidence[np.isfinite(confidence) & (case.predicted[i] >= 0)]
    infinite = int(np.isinf(confidence).sum())
    who = case.model(i)
    if infinite:
        return [_sure("confidence:not-finite", i, f"{infinite} confidences of {who} are infinite.")]
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if high > 1 + _EDGE or low < -_EDGE:
        percents = 50 < high <= 100 * (1 + _EDGE) and low >= 0
        seen = "percent" if percents else "logits"
        seen = "log-probabilities" if high <= _EDGE else seen
        return [_sure(f"confidence:{seen}", i, f"The confidences of {who} run from {low:.4g} to"
                      f" {high:.4g}: they look like {_words(seen)}, not probabilities.",
                      f"confidence={seen}")]  # fmt: skip
    flat = _flat(case, i, values, flat_limit(case.n_classes))
    if flat is not None and low >= 1 / case.n_classes - _EDGE:
        return [_sure("confidence:softmax-twice", i, flat, "confidence=none")]
    below = int((values < 1 / case.n_classes - 1e-4 / case.n_classes - _EDGE).sum())
    if below:
        return [_sure("confidence:below-uniform", i, f"{below} of {len(values)} confidences of"
                      f" {who} are below 1/{case.n_classes}; the class with the highest of"
                      f" {case.n_classes} probabilities has at least that. They belong to another"
                      " class, or to another number of classes.", "confidence=none")]  # fmt: skip
    if low == high and len(values) >= 20 and case.n_classes > 1:
        return [Finding(
            "confidence:constant", "warning", "certain",
            f"Every confidence of {who} is {low:.4g}: one-hot predictions were taken for"
            " probabilities, or the column was filled in.",
            0.0, (i,), mend="confidence=none",
        )]  # fmt: skip
    return against_scores(case, i, confidence)


def against_scores(case: Case, i: int, confidence: NDArray[np.float64]) -> list[Finding]:
    """The confidence is not the predicted class's probability among the scores."""
    if case.scores is None or case.score_kind != "probabilities":
        return []
    scores = np.asarray(case.scores[i], np.float64)
    guess = case.predicted[i]
    rows = np.flatnonzero((guess >= 0) & (guess < scores.shape[1]) & np.isfinite(confidence))
    off = np.abs(scores[rows, guess[rows]] - confidence[rows]) > _SUM_SLACK
    if not off.any() or kind_of(scores[rows]) != "probabilities":
        return []
    return [_sure("confidence:not-from-scores", i, f"{int(off.sum())} of {len(rows)} confidences of"
                  f" {case.model(i)} differ from the predicted class's probability among the"
                  " scores.", "confidence=none")]  # fmt: skip


def saturated(case: Case) -> list[str]:
    """Notes on confidences of exactly 1 of wrong predictions: a log loss is infinite there."""
    if case.confidence is None or not case.labelled:
        return []
    rows = (case.confidence == 1) & (case.predicted >= 0) & (case.label >= 0)
    wrong = (rows & (case.predicted != case.label)).sum(axis=1)
    return [
        f"{case.setting}: {int(w)} wrong predictions of {case.model(i)} have a confidence of"
        " exactly 1 (rounded?); a log loss is infinite there."
        for i, w in enumerate(wrong)
        if w
    ]


def _nearly_all(rows: NDArray[np.bool_]) -> bool:
    return bool(rows.mean() >= 0.99)


def _words(kind: str) -> str:
    return {"percent": "percentages", "logits": "logits (unnormalised)"}.get(kind, kind)


def _sure(code: str, i: int, says: str, mend: str = "") -> Finding:
    return Finding(code, "error", "certain", says, 0.0, (i,), mend=mend)
