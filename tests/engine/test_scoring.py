"""Scores to rows: ties, restricted classes, super-classes, scores that are not numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heldout.engine.scoring import PLACES, rows_of
from heldout.testsets.class_map import ClassMap


def each(n: int, keep: list[int] | None = None) -> ClassMap:
    keep = keep or list(range(n))
    names = tuple(f"c{i}" for i in keep)
    return ClassMap(names, names, tuple((i,) for i in keep))


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(2, 60)), elements=st.integers(0, 6))
)
def test_the_first_of_equals_wins_as_argmax_does(small: np.ndarray) -> None:
    scores = small.astype(np.float32)
    found = rows_of(scores, "logits", each(scores.shape[1]))
    k = min(PLACES, scores.shape[1])
    whole = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert found.predicted.tolist() == scores.argmax(axis=1).tolist()
    assert np.column_stack([found.predicted, found.runners_up]).tolist() == whole.tolist()


def test_confidence_is_the_softmax_over_the_classes_that_count() -> None:
    scores = np.array([[1.0, 3.0, 2.0, 9.0]], np.float32)
    found = rows_of(scores, "logits", each(4, [0, 1, 2]))
    expected = np.exp(3) / np.exp([1, 3, 2]).sum()
    assert found.predicted.tolist() == [1]
    assert found.confidence[0] == pytest.approx(expected, rel=1e-6)
    shares = np.array([[0.1, 0.3, 0.2, 0.4]], np.float32)
    some = rows_of(shares, "probabilities", each(4, [0, 1, 2]))
    assert some.confidence[0] == pytest.approx(0.3 / 0.6, rel=1e-6)
    assert np.isnan(rows_of(scores, "scores", each(4)).confidence[0])


def test_huge_logits_do_not_overflow() -> None:
    scores = np.array([[3e38, -3e38, 1.0]], np.float32)
    found = rows_of(scores, "logits", each(3))
    assert found.predicted.tolist() == [0]
    assert found.confidence[0] == pytest.approx(1.0)


def test_a_super_class_has_its_best_member_or_the_sum() -> None:
    scores = np.log(np.array([[0.35, 0.3, 0.3, 0.05]], np.float32))
    maps = [
        ClassMap(("one", "two"), ("one", "two"), ((0,), (1, 2)), reduction)
        for reduction in ("max", "sum")
    ]
    best, total = (rows_of(scores, "logits", m) for m in maps)
    assert best.predicted.tolist() == [0]
    assert total.predicted.tolist() == [1]
    assert total.confidence[0] == pytest.approx(0.6 / 0.95, rel=1e-5)


def test_a_class_nobody_can_mean_is_never_predicted() -> None:
    scores = np.array([[-5.0, -7.0]], np.float32)
    found = rows_of(scores, "logits", ClassMap(("a", "b", "c"), ("a", "b", "c"), ((1,), (), (0,))))
    assert found.predicted.tolist() == [2]


def test_scores_that_are_not_numbers_are_no_answer() -> None:
    scores = np.array([[1.0, np.nan, 0.0], [0.0, 1.0, 2.0]], np.float32)
    found = rows_of(scores, "logits", each(3))
    assert found.bad.tolist() == [True, False]
    assert found.predicted.tolist() == [-1, 2]
    assert np.isnan(found.confidence[0])
