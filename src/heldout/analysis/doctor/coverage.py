"""Rows that are missing, without an answer, or about examples that have no label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from heldout.analysis.doctor.case import Case, accuracy
from heldout.analysis.doctor.finding import Finding, percent
from heldout.store.block import ABSENT, NO_ANSWER


def check(case: Case, n: int | None = None) -> list[Finding]:
    """Findings about coverage. n: how many examples a complete run has, where it is known."""
    found = []
    size = max(n or 0, case.predicted.shape[1])
    absent = (case.predicted == ABSENT).sum(axis=1)
    silent = (case.predicted == NO_ANSWER).sum(axis=1)
    for i in range(len(case.models)):
        there = case.predicted.shape[1] - int(absent[i])
        if there < size:
            found.append(_missing(case, i, there, size))
        if silent[i]:
            found.append(_silent(case, i, int(silent[i])))
    return found + _unlabelled(case) + _too_many(case, n)


def _missing(case: Case, i: int, there: int, size: int) -> Finding:
    now = accuracy(case.predicted[i], case.label)
    counted = now * there / size
    told = (
        f" Its accuracy over the rows that are there is {percent(now)}; with the others counted as"
        f" wrong it would be {percent(counted)}."
        if not math.isnan(now)
        else ""
    )
    return Finding(
        "coverage:missing-rows",
        "warning",
        "certain",
        f"{case.model(i)} has {there} of {size} rows.{told} Such a number is of another set of"
        " examples.",
        0.0,
        (i,),
    )


def _silent(case: Case, i: int, count: int) -> Finding:
    return Finding(
        "coverage:no-answer",
        "warning",
        "certain",
        f"{case.model(i)} gave no answer on {count} of {case.predicted.shape[1]} examples; they"
        " count as wrong. The column `error` may say why.",
        0.0,
        (i,),
    )


def _unlabelled(case: Case) -> list[Finding]:
    """Examples that the label set does not have."""
    if not case.labelled:
        return []
    rows = np.flatnonzero(case.label < 0)
    if not len(rows):
        return []
    shown: Sequence[str] = [f"'{case.examples[r]}'" for r in rows[:3]]
    return [
        Finding(
            "coverage:unlabelled-rows",
            "warning",
            "certain",
            f"{len(rows)} of {len(case.label)} examples have no label ({', '.join(shown)}"
            f"{' …' if len(rows) > 3 else ''}): they do not count. The ids may be spelled"
            " differently, or the rows be padding.",
            0.0,
        )
    ]


def _too_many(case: Case, n: int | None) -> list[Finding]:
    """More examples than a complete run has."""
    size = case.predicted.shape[1]
    if n is None or size <= n:
        return []
    return [
        Finding(
            "coverage:too-many-rows",
            "error",
            "certain",
            f"There are {size} examples, but a complete run of this setting has {n}.",
            0.0,
        )
    ]
