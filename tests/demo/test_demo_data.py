"""The digits: the split is disjoint, fixed and complete; the blocks are copies of one form."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from heldout.demo.data import BLOCK_STARTS, FORM, Digits, digits
from heldout.demo.measure import MARKS, agreement, put_between_marks, same_block_neighbours
from heldout.errors import BadInput, HeldoutError


def test_the_split_has_the_sizes_of_the_documentation(data: Digits) -> None:
    assert (len(data.train), len(data.same_writers), len(data.new_writers)) == (600, 514, 683)
    assert max(data.train.max(), data.same_writers.max()) == 1113
    assert data.new_writers.tolist() == list(range(1114, 1797))


def test_no_example_is_in_two_parts_and_none_is_lost(data: Digits) -> None:
    parts = np.concatenate([data.train, data.same_writers, data.new_writers])
    assert sorted(parts.tolist()) == list(range(1797))


def test_no_image_that_was_trained_on_is_tested_on(data: Digits) -> None:
    trained = {data.images[i].tobytes() for i in data.train}
    tested = {data.images[i].tobytes() for i in (*data.same_writers, *data.new_writers)}
    assert not trained & tested


def test_the_split_is_the_same_every_time(data: Digits) -> None:
    again = digits()
    assert np.array_equal(again.train, data.train)
    assert (again.ids[0], again.ids[-1]) == ("digit-0000", "digit-1796")


def test_every_writer_seen_is_trained_on_and_every_class_is_everywhere(data: Digits) -> None:
    assert set(data.block[data.train]) == set(data.block[data.same_writers]) == set(range(9))
    for part in (data.train, data.same_writers, data.new_writers):
        assert set(data.label[part]) == set(range(10))


def test_every_block_is_the_form_but_for_a_few_digits(data: Digits) -> None:
    assert len(FORM) == 130
    rows = agreement(data)
    assert [r[0] for r in rows] == list(BLOCK_STARTS)
    assert max(lacking for *_, lacking, _ in rows) == 8
    assert sum(differing for *_, differing in rows) == 1


def test_a_block_has_a_hand_of_its_own(data: Digits) -> None:
    share, chance = same_block_neighbours(data)
    assert share > 0.5
    assert chance < 0.07


def test_without_scikit_learn_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(HeldoutError, match=r"pip install 'heldout\[demo\]'"):
        digits()


def test_measurements_go_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    put_between_marks(page, "new\n")
    assert page.read_text() == f"before\n{MARKS[0]}\nnew\n{MARKS[1]}\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(BadInput, match="has no lines"):
        put_between_marks(page, "new\n")
    assert page.read_text() == "no marks\n"
