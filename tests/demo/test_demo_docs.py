"""docs/demo.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from heldout.demo.data import Digits
from heldout.demo.measure import neighbours, order
from heldout.demo.models import CLASSIFIERS
from heldout.demo.shifts import SEVERITIES, SHIFTS, Shift

PAGE = (Path(__file__).parents[2] / "docs" / "demo.md").read_text(encoding="utf-8")


def test_what_it_says_of_the_order_is_what_the_command_measures(data: Digits) -> None:
    for part in (order, neighbours):
        assert "\n".join(part(data)) in PAGE


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda s: s.name)
def test_the_table_has_every_shift_with_its_strengths(shift: Shift) -> None:
    strengths = " | ".join(f"{s:g}" for s in shift.strengths)
    assert f"| {shift.name} | {strengths} |" in PAGE


def test_the_counts_are_right() -> None:
    assert f"trains {len(CLASSIFIERS)} small scikit-learn" in PAGE
    assert f"of {2 + len(SHIFTS) * len(SEVERITIES)} settings" in PAGE
