"""What a shift says of a setting in the store: its kind, severity, family and medium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heldout.engine.study import Study
from heldout.shifts.catalogue import Applied, parse

IN_MEMORY, ON_DISK = "in-memory", "on-disk"


def shift_facts(text: str) -> dict[str, Any]:
    """The columns of a setting under one corruption, distortion or perturbation; else none.

    `fog:3+jpeg:85` is the corruption fog as published files have it: on disk.

    >>> facts = shift_facts("imagecorruptions.fog:3+jpeg:85")
    >>> facts["corruption"], facts["severity"], facts["subgroup"], facts["medium"]
    ('fog', 3, 'imagecorruptions', 'on-disk')
    >>> shift_facts("blur:2")
    {}
    """
    if not text:
        return {}
    applied = parse(text)
    first = applied.steps[0]
    if first.shift.group == "synthetic" or not _alone(applied):
        return {}
    number = first.number if first.shift.numbered else None
    return {
        "group": first.shift.group,
        "subgroup": first.shift.family,
        "corruption": first.shift.kind or first.shift.name.rpartition(".")[2],
        "severity": int(number) if number is not None and number.is_integer() else number,
        "medium": IN_MEMORY if len(applied.steps) == 1 else ON_DISK,
    }


def state_of(text: str) -> str:
    """What decides a shift's result beside its text, such as a digest of photographs.

    Raises BadInput where something that the shift needs is missing.
    """
    if not text:
        return ""
    states = (step.shift.state() for step in parse(text).steps if step.shift.state is not None)
    return " ".join(s for s in states if s)


def without_effect(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each of --jpeg and --frost that changes nothing in these settings."""
    kinds = {row.get("corruption") for row in rows if row.get("group") == "corruption"}
    notes = []
    if study.jpeg and not kinds:
        notes.append("no shift of this run is a corruption, so --jpeg changes nothing")
    if study.frost and "frost" not in kinds:
        notes.append("frost is not among the shifts of this run, so --frost changes nothing")
    return notes


def _alone(applied: Applied) -> bool:
    """Whether a shift stands alone, or with only a JPEG compression after it."""
    steps = applied.steps
    return len(steps) == 1 or (len(steps) == 2 and steps[1].shift.name == "jpeg")
