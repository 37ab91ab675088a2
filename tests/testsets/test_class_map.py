"""From outputs to classes: against a loop that takes one row and one class at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from heldout.errors import BadInput, NotFound
from heldout.testsets.class_map import ClassMap, apply, home, of_classes, restriction, supers, whole
from heldout.testsets.spaces import space


def _slow(
    members: list[list[int]], reduction: str, scores: NDArray[np.float32], kind: str
) -> list[list[float]]:
    out = []
    for row in scores.tolist():
        values = row
        if reduction == "sum" and kind == "logits":
            top = max(row)
            total = math.fsum(math.exp(v - top) for v in row)
            values = [math.exp(v - top) / total for v in row]
        elif reduction == "sum" and kind == "log-probabilities":
            values = [math.exp(v) for v in row]
        pick = max if reduction == "max" else math.fsum
        out.append([pick(values[m] for m in ms) if ms else -math.inf for ms in members])
    return out


@given(data=st.data())
def test_every_reduction_and_kind_against_the_loop(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 6))
    members = data.draw(st.lists(st.lists(st.integers(0, width - 1), unique=True), min_size=1,
                                 max_size=5))  # fmt: skip
    kind = data.draw(st.sampled_from(["logits", "probabilities", "log-probabilities"]))
    reduction = data.draw(st.sampled_from(["max", "sum"]))
    rows = data.draw(st.integers(0, 3))
    values = st.floats(-50, 50, width=32) if kind == "logits" else st.floats(0, 1, width=32)
    flat = data.draw(st.lists(values, min_size=rows * width, max_size=rows * width))
    scores = np.array(flat, np.float32).reshape(rows, width)
    if kind == "log-probabilities":
        scores = -scores
    names = tuple(f"c{i}" for i in range(len(members)))
    found = apply(ClassMap(names, names, tuple(map(tuple, members)), reduction), scores, kind)
    assert found.dtype == np.float32
    expected = np.array(_slow(members, reduction, scores, kind)).reshape(rows, len(members))
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)


def test_a_class_without_members_never_wins_where_zero_would() -> None:
    yt = supers({"cat": [0], "cow": []})
    scores = np.array([[-3.0]], np.float32)
    assert apply(yt, scores, "logits").tolist() == [[-3.0, -math.inf]]


def test_the_sum_of_probabilities_is_not_the_softmax_of_the_members() -> None:
    two = supers({"a": [0, 1], "b": [2]}, reduction="sum")
    scores = np.array([[1.0, 1.0, 1.5, 9.0]], np.float32)  # output 3 belongs to no class
    found = apply(two, scores, "logits")[0]
    z = sum(math.exp(v) for v in (1, 1, 1.5, 9))
    assert found.tolist() == pytest.approx([2 * math.e / z, math.exp(1.5) / z], rel=1e-6)
    assert found.sum() < 0.01
    # The maximum chooses the other class.
    biggest = apply(supers({"a": [0, 1], "b": [2]}), scores, "logits")[0]
    assert found.argmax() == 0
    assert biggest.argmax() == 1


def test_a_restriction_keeps_scores_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((7, 10)).astype(np.float32)
    some = restriction(space("cifar10"), [9, 0, 3])
    assert some.classes == ("truck", "airplane", "cat")
    np.testing.assert_array_equal(apply(some, scores, "logits"), scores[:, [9, 0, 3]])
    assert apply(whole(space("cifar10")), scores, "logits") is not None
    np.testing.assert_array_equal(apply(whole(space("cifar10")), scores, "logits"), scores)


def test_too_few_outputs_are_named() -> None:
    some = of_classes(["truck"], space("cifar10"))
    with pytest.raises(BadInput, match=r"'truck' is output 9 .* only 4 outputs"):
        apply(some, np.zeros((2, 4), np.float32), "logits")


def test_scores_without_a_meaning_cannot_be_summed() -> None:
    two = supers({"a": [0, 1]}, reduction="sum")
    with pytest.raises(BadInput, match="'scores' cannot be summed"):
        apply(two, np.zeros((1, 2), np.float32), "scores")
    assert apply(supers({"a": [0, 1]}), np.ones((1, 2), np.float32), "scores").tolist() == [[1.0]]


def test_names_become_a_list_in_the_spaces_order() -> None:
    some = of_classes(["dog", "car", "0"], space("cifar10"))
    assert some.classes == ("airplane", "automobile", "dog")
    assert some.members == ((0,), (1,), (5,))
    with pytest.raises(BadInput, match="'car' and 'automobile' are the same class"):
        of_classes(["car", "automobile"], space("cifar10"))
    with pytest.raises(NotFound, match="no class 'dgo'"):
        of_classes(["dgo"], space("cifar10"))
    with pytest.raises(BadInput, match="no classes"):
        of_classes([], space("cifar10"))
    with pytest.raises(BadInput, match="no class 10"):
        restriction(space("cifar10"), [10])


def test_where_a_class_of_the_space_goes() -> None:
    two = supers({"a": [4, 1], "none": [], "b": [0]})
    assert home(two, 6).tolist() == [2, 0, -1, -1, 0, -1]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ((("a",), ("a",), ()), "numbers must agree"),
        ((("a", "a"), ("a", "a"), ((0,), (1,))), "'a' twice"),
        ((("a",), ("a",), ((-1,),)), "count from 0"),
        ((("a",), ("a",), ((0,),), "mean"), "max or sum"),
    ],
)
def test_impossible_maps_are_refused(parts: tuple[object, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        ClassMap(*parts)  # type: ignore[arg-type]
