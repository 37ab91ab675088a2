"""Every defect that `heldout doctor` names, planted; healthy predictions left in peace; mends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from heldout.analysis.doctor import examine, examine_arrays, examine_case, examine_rows, plant
from heldout.analysis.doctor.case import Case, from_block, vote
from heldout.analysis.doctor.finding import CERTAIN, sign_p, upper_tail
from heldout.analysis.doctor.mend import (
    Classes,
    apply,
    apply_to_labels,
    class_order_listed,
    without_repeats,
)
from heldout.analysis.doctor.mend_subset import class_subset
from heldout.analysis.doctor.orders import DEVKIT_START, known_orders, order_listed, order_named
from heldout.analysis.doctor.row_search import example_orders
from heldout.analysis.doctor.subset import closed_bounds, restricted
from heldout.analysis.doctor.words import meaning_of
from heldout.errors import BadInput, NotFound
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_predictions, write_results, write_settings

SKILLS = (0.92, 0.88, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)


def world(
    n_classes: int = 40, per_class: int = 50, skills: tuple[float, ...] = SKILLS, seed: int = 0
) -> tuple[Block, np.ndarray, Classes]:
    """Models that find the same examples hard and fall for the same wrong classes; a top 5.

    Where a model is wrong the label is its second choice half of the time.
    """
    rng = np.random.default_rng([seed, n_classes, per_class])
    label = rng.permutation(np.repeat(np.arange(n_classes), per_class))
    n, m = len(label), len(skills)
    hard = rng.random(n)
    tempting = (label + rng.integers(1, n_classes, n)) % n_classes
    right = 0.75 * hard + 0.25 * rng.random((m, n)) < np.array(skills)[:, None]
    stray = rng.integers(0, n_classes, (m, n))
    wrong = np.where(rng.random((m, n)) < 0.6, tempting, (label + 1 + stray % (n_classes - 1)))
    first = np.where(right, label, wrong % n_classes).astype(np.int32)
    second = np.where(right | (rng.random((m, n)) < 0.5), -1, label)
    order = rng.random((m, n, n_classes)).argsort(axis=2)
    np.put_along_axis(rank := np.empty_like(order), order, np.arange(n_classes), axis=2)
    score = rank.astype(float)
    np.put_along_axis(score, first[:, :, None], 3.0 * n_classes, axis=2)
    rows, cols = np.nonzero(second >= 0)
    score[rows, cols, second[rows, cols]] = 2.0 * n_classes
    score[np.arange(m)[:, None], np.arange(n), first] = 3.0 * n_classes
    top = np.argsort(-score, axis=2)[:, :, :5].astype(np.int32)
    block = Block(
        "synthetic", [f"net{i}" for i in range(m)], [f"img{i:05d}.png" for i in range(n)],
        top[:, :, 0], top[:, :, 1:],
    )  # fmt: skip
    ids = [f"n{i:04d}" for i in range(n_classes)]
    names = [f"{chr(97 + 7 * i % 26)}{i}" for i in range(n_classes)]
    return block, label, Classes(ids, names, label)


def case_of(block: Block, label: np.ndarray, classes: Classes) -> Case:
    return replace(
        from_block(block, None), label=label, n_classes=len(classes.ids),
        classes=classes.ids, class_names=classes.names,
    )  # fmt: skip


def codes(case: Case, model: int | None = None) -> list[str]:
    """Codes of the findings about one model, or of all."""
    found = examine_case(case)
    for f in found:
        assert meaning_of(f.code) is not None, f"{f.code} is not documented"
        assert f.says.endswith((".", ")"))
        assert f.certainty in ("certain", "likely", "possible")
        assert f.severity == "warning" or f.certainty != "possible"
    return [f.code for f in found if model is None or model in f.models]


BLOCK, LABEL, CLASSES = world()
N = len(LABEL)
MANY, MANY_LABEL, MANY_CLASSES = world(100, 10, (*SKILLS, 0.35))


# Quiet


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("n_classes", "per_class", "skills"),
    [
        (10, 200, SKILLS),
        (100, 10, SKILLS),
        (100, 10, (0.3, 0.25, 0.2, 0.2)),
        (2, 500, SKILLS),
        (40, 50, (0.9,)),
        (10, 30, (0.5, 0.9)),
        (40, 50, (0.99, 0.985, 0.98, 0.5)),
    ],
)
def test_healthy_predictions_are_left_in_peace(
    n_classes: int, per_class: int, skills: tuple[float, ...], seed: int
) -> None:
    """No finding, whatever the number of classes, models and their accuracy."""
    block, label, classes = world(n_classes, per_class, skills, seed)
    block = replace(block, runners_up=None) if n_classes < 5 else block
    assert codes(case_of(block, label, classes)) == []
    order = np.argsort(label, kind="stable")
    sorted_rows = replace(plant.some(block, order), setting="sorted")
    assert codes(case_of(sorted_rows, label[order], classes)) == []


def test_a_set_that_was_filtered_against_a_model_is_no_disorder() -> None:
    """Only what net3 gets wrong: nothing is out of order, and that is all that is said of it."""
    rows = np.flatnonzero(BLOCK.predicted[3] != LABEL)
    case = case_of(plant.some(BLOCK, rows), LABEL[rows], CLASSES)
    assert set(codes(case)) == {"chance:filtered"}
    assert codes(case, 3) == ["chance:filtered"]
    assert codes(case, 0) == []


def test_missing_answers_and_rows_are_counted_not_crashed_on() -> None:
    guess = BLOCK.predicted.copy()
    guess[0, :5], guess[1, :7] = -1, -2
    found = codes(case_of(replace(BLOCK, predicted=guess), LABEL, CLASSES))
    assert sorted(found) == ["coverage:missing-rows", "coverage:no-answer"]
    label = np.where(np.arange(N) < 3, -1, LABEL)
    assert codes(case_of(BLOCK, label, CLASSES)) == ["coverage:unlabelled-rows"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_arrays_can_be_examined(data: st.DataObject) -> None:
    """Whatever the values, examining ends with a table."""
    m, n = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 60))
    n_classes = data.draw(st.integers(1, 6))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    guess = rng.integers(-2, n_classes + 1, (m, n))
    label = rng.integers(-1, n_classes, n)
    if data.draw(st.booleans()):
        guess = np.where(rng.random((m, n)) < 0.8, label, guess)
    runners = rng.integers(-2, n_classes, (m, n, 2)) if data.draw(st.booleans()) else None
    sure = rng.random((m, n)) * 1.2 if data.draw(st.booleans()) else None
    table = examine_arrays(guess, label if data.draw(st.booleans()) else None, n_classes,
                           runners_up=runners, confidence=sure)  # fmt: skip
    assert len(table) == table.facts["n_errors"] + table.facts["n_warnings"]


# Class order


@pytest.mark.parametrize("name", sorted(known_orders(40, CLASSES.ids, CLASSES.names)))
def test_known_orders_of_one_model_are_named_and_mended(name: str) -> None:
    means = order_named(name, 40, CLASSES.ids, CLASSES.names)
    spoilt = plant.into(BLOCK, [2], lambda b: plant.class_order(b, means))
    case = case_of(spoilt, LABEL, CLASSES)
    (finding,) = examine_case(case)
    assert finding.code == f"class-order:{name}"
    assert (finding.severity, finding.certainty, finding.models) == ("error", "certain", (2,))
    assert finding.p < CERTAIN
    assert finding.mended == pytest.approx(float(np.mean(BLOCK.predicted[2] == LABEL)))
    mended = apply(spoilt.take([2]), finding.mend, CLASSES)
    assert np.array_equal(mended.predicted[0], BLOCK.predicted[2])


@pytest.mark.parametrize("name", ["string-sorted", "off-by-one", "reversed"])
def test_an_order_that_all_models_share_is_the_labels(name: str) -> None:
    """Labels in another order: one finding about the setting, none about models."""
    means = order_named(name, 40)[:40]
    label = np.argsort(means)[LABEL]
    (finding,) = examine_case(case_of(BLOCK, label, CLASSES))
    assert (finding.code, finding.models) == (f"labels:{name}", ())
    again = apply_to_labels(finding.mend, replace(CLASSES, label=label))
    assert np.array_equal(again, LABEL)


def test_an_unknown_order_is_estimated_and_its_file_mends() -> None:
    means = np.random.default_rng(1).permutation(40)
    spoilt = plant.into(BLOCK, [4], lambda b: plant.class_order(b, means))
    table = examine_arrays(
        spoilt.predicted, LABEL, 40, classes=CLASSES.ids, models=spoilt.models, setting="here"
    )
    assert list(table["finding"]) == ["class-order:unknown"]
    (part,) = table.parts.values()
    mended = class_order_listed(spoilt.take([4]), list(part["class"]), CLASSES)
    assert np.array_equal(mended.predicted[0], BLOCK.predicted[4])
    assert table["command"][0] == "heldout import SOURCE --mend class-order=FILE"


def test_labels_in_an_unknown_order() -> None:
    label = np.random.default_rng(2).permutation(40)[LABEL]
    assert codes(case_of(BLOCK, label, CLASSES)) == ["labels:unknown"]


@pytest.mark.parametrize("models", [[2], list(range(len(SKILLS)))])
def test_two_swapped_classes(models: list[int]) -> None:
    """In one model, or in the labels (all models)."""
    means = plant.cycle(40, 2, np.random.default_rng(3))
    spoilt = plant.into(BLOCK, models, lambda b: plant.class_order(b, means))
    expected = "class-order:swapped" if len(models) == 1 else "labels:swapped"
    assert codes(case_of(spoilt, LABEL, CLASSES)) == [expected]


def test_the_devkit_is_recognised_by_its_first_synsets() -> None:
    ids = [*DEVKIT_START, *(f"x{i:03d}" for i in range(90))]
    plain = sorted(ids)
    means = np.array([plain.index(i) for i in ids])
    spoilt = plant.into(MANY, [0], lambda b: plant.class_order(b, means))
    case = case_of(spoilt, MANY_LABEL, Classes(plain, plain, MANY_LABEL))
    assert codes(case) == ["class-order:ilsvrc-devkit"]


def test_predictions_keyed_by_class_name_lose_a_class() -> None:
    names = list(CLASSES.names)
    names[5] = names[20]
    block = replace(BLOCK, runners_up=None)
    spoilt = plant.into(block, [1], lambda b: plant.keyed_by_name(b, names))
    case = case_of(spoilt, LABEL, replace(CLASSES, names=names))
    assert codes(case) == ["class-order:merged-names"]


def test_a_few_images_of_many_classes_with_namesakes() -> None:
    """Class names that occur twice may lie beyond every class that the rows speak of."""
    names = [f"name {i}" for i in range(1000)]
    names[517] = names[134] = "crane"
    classes = [f"c{i}" for i in range(1000)]
    label = np.arange(12) % 5
    case = Case(
        "few", ["one"], [f"e{i}" for i in range(12)], label[None], label, 1000, classes, names
    )
    assert codes(case) == []


def test_orders_are_permutations_and_listed_orders_are_checked() -> None:
    for name, means in known_orders(1000, [f"c{i:04d}" for i in range(1000)]).items():
        assert np.array_equal(np.sort(means[:1000]), np.arange(1000)), name
    assert known_orders(10).keys() == {
        "string-sorted-from-one", "string-sorted-from-one-inverse", "reversed", "off-by-one",
        "minus-one",
    }  # fmt: skip
    with pytest.raises(NotFound, match="string-sorted"):
        order_named("string-sortd", 10)
    with pytest.raises(BadInput, match="line 2: 'z'"):
        order_listed(["a", "z"], ["a", "b"])
    with pytest.raises(BadInput, match="listed twice"):
        order_listed(["a", "a"], ["a", "b"])


# Top k


@pytest.mark.parametrize(
    ("defect", "code"),
    [
        (plant.worst_first, "topk:worst-first"),
        (plant.sorted_by_class, "topk:sorted-by-class"),
        (lambda b: plant.any_order(b, np.random.default_rng(5)), "topk:unsorted"),
    ],
)
def test_the_order_of_the_top_k(defect: Callable[[Block], Block], code: str) -> None:
    spoilt = plant.into(MANY, [1], defect)
    assert codes(case_of(spoilt, MANY_LABEL, MANY_CLASSES)) == [code]
    assert codes(case_of(spoilt, MANY_LABEL, MANY_CLASSES), 1) == [code]


def test_a_class_twice_in_a_top_k() -> None:
    assert BLOCK.runners_up is not None
    runners = BLOCK.runners_up.copy()
    runners[3, 17, 2] = BLOCK.predicted[3, 17]
    case = case_of(replace(BLOCK, runners_up=runners), LABEL, CLASSES)
    assert codes(case) == ["topk:repeated-class"]


# Rows


@pytest.mark.parametrize("places", [1, -1, 3, 700])
def test_shifted_rows_are_found_and_moved_back(places: int) -> None:
    spoilt = plant.into(BLOCK, [5], lambda b: plant.shift(b, places))
    (finding,) = examine_case(case_of(spoilt, LABEL, CLASSES))
    assert (finding.code, finding.models) == ("rows:shifted", (5,))
    assert np.array_equal(apply(spoilt, finding.mend, CLASSES).predicted[5], BLOCK.predicted[5])


def test_a_shift_within_sorted_classes_shows_in_the_errors() -> None:
    """Rows sorted by class and shifted by one: the accuracy barely moves."""
    order = np.argsort(LABEL, kind="stable")
    block, label = plant.some(BLOCK, order), LABEL[order]
    spoilt = plant.into(block, [5], lambda b: plant.shift(b, 1))
    (finding,) = examine_case(case_of(spoilt, label, CLASSES))
    assert (finding.code, finding.models) == ("rows:shifted", (5,))
    assert finding.mended - finding.now < 0.03
    assert np.array_equal(apply(spoilt, finding.mend, CLASSES).predicted[5], block.predicted[5])


@pytest.mark.parametrize("order", ["id-sorted", "id-numeric", "label-then-id"])
def test_rows_in_another_known_order(order: str) -> None:
    rng = np.random.default_rng(6)
    block = replace(BLOCK, examples=[f"img{i}.png" for i in rng.permutation(N)])
    made = example_orders(block.examples, LABEL)[order]
    spoilt = plant.into(block, [2], lambda b: plant.rows(b, made))
    (finding,) = examine_case(case_of(spoilt, LABEL, CLASSES))
    assert (finding.code, finding.mend) == (f"rows:{order}", f"row-order={order}")
    assert np.array_equal(apply(spoilt, finding.mend, CLASSES).predicted[2], block.predicted[2])


def test_rows_shuffled_within_classes_keep_their_accuracy_and_are_found() -> None:
    index = plant.shuffled(N, np.random.default_rng(7), LABEL)
    spoilt = plant.into(BLOCK, [3], lambda b: plant.rows(b, index))
    (finding,) = examine_case(case_of(spoilt, LABEL, CLASSES))
    assert (finding.code, finding.severity) == ("rows:shuffled-within-class", "warning")
    assert finding.now == finding.mended


def test_rows_shuffled_altogether() -> None:
    index = plant.shuffled(N, np.random.default_rng(8))
    spoilt = plant.into(BLOCK, [3], lambda b: plant.rows(b, index))
    assert codes(case_of(spoilt, LABEL, CLASSES)) == ["chance:no-relation"]


def test_labels_shifted_or_shuffled_against_all_models() -> None:
    label = np.roll(LABEL, 4)
    (finding,) = examine_case(case_of(BLOCK, label, CLASSES))
    assert (finding.code, finding.models) == ("labels:rows-shifted", ())
    again = apply_to_labels(finding.mend, replace(CLASSES, label=label))
    assert np.array_equal(again, LABEL)
    mixed = np.random.default_rng(9).permutation(LABEL)
    assert codes(case_of(BLOCK, mixed, CLASSES)) == ["labels:no-relation"]


# Chance, twins, subsets


def test_constant_filled_and_single_labels() -> None:
    block = replace(BLOCK, runners_up=None)
    constant = plant.into(block, [0], lambda b: plant.fill(b, 0, N, 3))
    assert codes(case_of(constant, LABEL, CLASSES)) == ["chance:constant"]
    filled = plant.into(block, [0], lambda b: plant.fill(b, 300, 100))
    assert codes(case_of(filled, LABEL, CLASSES)) == ["chance:filled-rows"]
    assert codes(case_of(BLOCK, np.zeros(N, int), CLASSES)) == ["labels:one-class"]


def test_two_models_that_are_one() -> None:
    guess = BLOCK.predicted.copy()
    guess[6] = guess[5]
    block = replace(BLOCK, predicted=guess, runners_up=None)
    assert codes(case_of(block, LABEL, CLASSES)) == ["twins:identical"]
    guess[6, 5] = (guess[6, 5] + 1) % 40
    assert codes(case_of(block, LABEL, CLASSES)) == ["twins:nearly-identical"]


def fifth() -> tuple[Block, np.ndarray, np.ndarray]:
    """The examples of ten of 100 classes, of many more rows than that."""
    block, label, _ = world(100, 100, SKILLS[2:])
    chosen = np.arange(3, 100, 10)
    return *plant.of_some_classes(block, label, chosen.tolist()), chosen


def test_classes_without_examples() -> None:
    """All models unmasked: a warning; some masked: an error; masked by index: an order."""
    block, label, chosen = fifth()
    case = case_of(block, label, MANY_CLASSES)
    assert codes(case) == ["subset:unmasked-classes"]
    assert [f.severity for f in examine_case(replace(case, setting="a@b"))] == ["error"]
    masked = class_subset(block, chosen.tolist()).predicted
    masked = np.where(masked < 0, chosen[0], masked)
    some = replace(block, predicted=block.predicted.copy(), runners_up=None)
    some.predicted[[1, 2]] = masked[[1, 2]]
    assert codes(case_of(some, label, MANY_CLASSES)) == ["subset:mixed"]
    index = replace(block, predicted=masked.copy(), runners_up=None)
    index.predicted[0] = np.searchsorted(chosen, masked[0])
    (finding,) = examine_case(case_of(index, label, MANY_CLASSES))
    assert (finding.code, finding.mend) == ("class-order:subset-index", "class-order=subset-index")
    again = apply(index.take([0]), finding.mend, replace(MANY_CLASSES, label=label))
    assert np.array_equal(again.predicted[0], masked[0])


def test_predictions_of_a_longer_class_list() -> None:
    """More classes than the labels have: said, and mapped where the rows tell."""
    spoilt = plant.into(BLOCK, [0], lambda b: replace(b, predicted=b.predicted + 100))
    found = codes(case_of(replace(spoilt, runners_up=None), LABEL, CLASSES), 0)
    assert found == ["class-order:unknown"]
    guess = BLOCK.predicted.copy()
    guess[0, :9] = 40
    case = case_of(replace(BLOCK, predicted=guess), LABEL, CLASSES)
    assert codes(case) == ["subset:no-such-class"]


def test_what_a_restriction_would_bring_is_bounded_by_the_top_k() -> None:
    top = np.array([[0, 2], [1, 0], [0, 3]])
    allowed = np.array([False, True, True, False])
    assert closed_bounds(top, np.array([2, 2, 1]), allowed) == (1 / 3, 2 / 3)
    assert not restricted(np.arange(5), 1000)


# Scores


def probabilities(n: int = 400) -> tuple[Block, np.ndarray, Classes]:
    rng = np.random.default_rng(11)
    block, label, classes = world(10, n // 10, (0.9,))
    logits = rng.normal(0, 1, (1, n, 10))
    logits[0, np.arange(n), block.predicted[0]] += 6
    p = softmax(logits, axis=2)
    return (
        replace(block, predicted=p.argmax(axis=2).astype(np.int32), runners_up=None,
                confidence=p.max(axis=2), scores=p, score_kind="probabilities"),
        label, classes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said", "code", "mend"),
    [
        (lambda p: np.log(p) + 5, "probabilities", "logits-as-probabilities", "scores=logits"),
        (lambda p: p, "logits", "probabilities-as-logits", "scores=probabilities"),
        (lambda p: 100 * p, "probabilities", "percent-as-probabilities", "scores=percent"),
        (np.log, "probabilities", "log-probabilities-as-probabilities", "scores=log-probabilities"),
        (lambda p: softmax(p, axis=2), "probabilities", "softmax-twice", "scores=softmax-twice"),
    ],
)
def test_scores_of_another_kind_are_named_and_mended(
    change: Callable[[np.ndarray], np.ndarray], said: str, code: str, mend: str
) -> None:
    block, label, classes = probabilities()
    assert block.scores is not None
    spoilt = replace(block, scores=change(block.scores), score_kind=said, confidence=None)
    (finding,) = examine_case(case_of(spoilt, label, classes))
    assert (finding.code, finding.mend) == (f"scores:{code}", mend)
    mended = apply(spoilt, mend, classes)
    assert codes(case_of(mended, label, classes)) == []
    assert mended.confidence is not None
    assert mended.confidence == pytest.approx(block.confidence, abs=1e-5)


def test_healthy_scores_are_left_in_peace() -> None:
    block, label, classes = probabilities()
    assert codes(case_of(block, label, classes)) == []
    logs = replace(block, scores=np.log(block.scores), score_kind="log-probabilities")
    assert codes(case_of(logs, label, classes)) == []
    logits = replace(logs, scores=logs.scores + 3, score_kind="logits")
    assert codes(case_of(logits, label, classes)) == []
    halves = replace(block, scores=block.scores.astype(np.float16))
    assert codes(case_of(replace(halves, confidence=None), label, classes)) == []


def test_scores_that_do_not_fit() -> None:
    block, label, classes = probabilities()
    holes = block.scores.copy()
    holes[0, 3, 2] = np.nan
    case = case_of(replace(block, scores=holes, confidence=None), label, classes)
    assert codes(case) == ["scores:not-finite"]
    turned = replace(block, scores=block.scores[:, :, ::-1], confidence=None)
    assert codes(case_of(turned, label, classes)) == ["scores:predicted-not-argmax"]
    sigmoid = replace(block, scores=0.9 * block.scores + 0.05, confidence=None)
    assert codes(case_of(sigmoid, label, classes)) == ["scores:do-not-sum-to-1"]
    other = replace(block, confidence=1 - 0.8 * block.confidence)
    assert codes(case_of(other, label, classes)) == ["confidence:not-from-scores"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: 100 * c, "percent"),
        (lambda c: 9 * c, "logits"),
        (np.log, "log-probabilities"),
        (lambda c: 0.12 + c / 100, "softmax-twice"),
        (lambda c: c / 20, "below-uniform"),
        (np.ones_like, "constant"),
        (lambda c: np.where(c == c.max(), np.inf, c), "not-finite"),
    ],
)
def test_confidences_that_are_none(change: Callable[[np.ndarray], np.ndarray], code: str) -> None:
    block, label, classes = probabilities()
    bare = replace(block, scores=None, score_kind=None)
    assert codes(case_of(bare, label, classes)) == []
    spoilt = replace(bare, confidence=change(bare.confidence))
    (finding,) = examine_case(case_of(spoilt, label, classes))
    assert finding.code == f"confidence:{code}"
    if finding.mend:
        assert codes(case_of(apply(spoilt, finding.mend, classes), label, classes)) == []


# Mends undo what was planted


def by_id(examples: Sequence[str]) -> np.ndarray:
    return np.array(sorted(range(len(examples)), key=examples.__getitem__))


def test_mending_undoes_planting_with_all_columns() -> None:
    """predicted, runners-up and scores come back bit for bit; a background column is dropped."""
    block, label, classes = probabilities()
    full = replace(block, runners_up=np.argsort(-block.scores, axis=2)[:, :, 1:4], confidence=None)
    for name, means in known_orders(10, classes.ids, classes.names).items():
        spoilt = plant.class_order(full, means)
        if name != "off-by-one":
            assert not np.array_equal(spoilt.scores, full.scores)
        else:
            background = np.zeros((*full.scores.shape[:2], 1))
            spoilt = replace(spoilt, scores=np.concatenate([background, full.scores], axis=2))
        again = apply(spoilt, f"class-order={name}", classes)
        for field in ("predicted", "runners_up", "scores"):
            assert np.array_equal(getattr(again, field), getattr(full, field)), (name, field)
    for how, defect in (
        ("worst-first", plant.worst_first),
        ("shift-rows=-3", lambda b: plant.shift(b, 3)),
        ("row-order=id-sorted", lambda b: plant.rows(b, by_id(b.examples))),
    ):
        mixed = replace(full, examples=[f"e{i % 97}-{i}" for i in range(len(full.examples))])
        again = apply(defect(mixed), how, replace(classes, label=label))
        for field in ("predicted", "runners_up", "scores"):
            assert np.array_equal(getattr(again, field), getattr(mixed, field)), (how, field)


def test_worst_first_leaves_short_lists_alone_at_the_end() -> None:
    block = Block("s", ["m"], ["a"], np.array([[4]]), np.array([[[7, -2]]]))
    again = apply(block, "worst-first", Classes(["c"] * 9))
    assert again.predicted.tolist() == [[7]]
    assert again.runners_up is not None
    assert again.runners_up.tolist() == [[[4, -2]]]


def test_a_subset_by_scores_is_exact_and_by_top_k_as_far_as_it_goes() -> None:
    block, _, classes = probabilities()
    exact = apply(block, "class-subset=1,4,7", classes)
    kept = block.scores[:, :, [1, 4, 7]]
    assert np.array_equal(exact.predicted, np.array([1, 4, 7])[kept.argmax(axis=2)])
    assert exact.confidence == pytest.approx((kept / kept.sum(axis=2, keepdims=True)).max(axis=2))
    logits = replace(block, scores=np.log(block.scores) + 2, score_kind="logits")
    assert apply(logits, "class-subset=1,4,7", classes).confidence == pytest.approx(
        exact.confidence, abs=1e-6
    )
    top = Block("s", ["m"], ["a", "b"], np.array([[0, 2]]), np.array([[[2, 1], [0, 3]]]))
    by_top = class_subset(top, [1, 3])
    assert by_top.predicted.tolist() == [[1, 3]]
    assert class_subset(replace(top, runners_up=None), [2]).predicted.tolist() == [[-1, 2]]


def test_mends_that_do_not_fit_say_so() -> None:
    bare = Block("s", ["m"], ["a"], np.array([[0]]))
    for how in ("worst-first", "scores=logits", "confidence=percent", "shift-rows=x"):
        with pytest.raises(BadInput):
            apply(bare, how, Classes(["a", "b"]))
    for how in ("clas-order=reversed", "class-order=sorted", "row-order=no"):
        with pytest.raises(NotFound):
            apply(bare, how, Classes(["a", "b"]))
    with pytest.raises(BadInput):
        apply_to_labels("shift-labels=1", Classes(["a"]))
    with pytest.raises(BadInput, match="no classes"):
        class_subset(bare, [])


# Raw rows


IDS = list(BLOCK.examples)


def raw(ids: list[str] | None, guess: np.ndarray, **more: float) -> list[str]:
    return list(examine_rows(ids, guess, IDS, LABEL, **more)["finding"])  # type: ignore[arg-type]


def test_raw_rows() -> None:
    guess = BLOCK.predicted[0]
    rng = np.random.default_rng(12)
    assert raw(IDS, guess, reported=round(float(np.mean(guess == LABEL)), 4)) == []
    padded = np.concatenate([guess, guess[:48]])
    assert raw(IDS + IDS[:48], padded) == ["rows:padded"]
    assert raw(None, padded) == ["rows:padded"]
    again = without_repeats(IDS + IDS[:48])
    assert np.array_equal(padded[again], guess)
    some = rng.choice(np.arange(100, N), 10, replace=False)
    twice = IDS + [IDS[i] for i in some]
    assert raw(twice, np.append(guess, guess[some])) == ["rows:repeated-ids"]
    assert raw(twice, np.append(guess, (guess[some] + 1) % 40)) == ["rows:conflicting-ids"]
    assert raw(IDS + IDS, np.append(guess, BLOCK.predicted[1])) == ["rows:conflicting-ids"]
    assert raw(IDS[9:], guess[9:]) == ["rows:missing-ids"]
    assert raw([e + "x" for e in IDS], guess) == ["rows:unknown-ids"]
    extra = np.append(guess, rng.integers(0, 40, 300))
    assert raw(None, extra) == ["rows:unknown-ids"]
    k, part = (int((guess == LABEL)[:r].sum()) for r in (N, 1500))
    found = raw(IDS[:1500], guess[:1500], reported=round(part / N, 5))
    assert found == ["rows:wrong-denominator", "rows:missing-ids"]
    assert raw(IDS, guess, reported=k / (-(-N // 256) * 256)) == ["rows:wrong-denominator"]
    assert raw(IDS, plant.shift(BLOCK.take([0]), 2).predicted[0]) == ["rows:shifted"]
    table = examine_rows(IDS + IDS[:48], padded, IDS, LABEL, source="my preds.csv")
    assert table["command"][0] == "heldout import 'my preds.csv' --mend drop-padding"
    with pytest.raises(BadInput, match="ids"):
        examine_rows(IDS[:3], guess, IDS, LABEL)
    with pytest.raises(BadInput, match="labels"):
        examine_rows(IDS, guess, IDS, LABEL[:4])


# The store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one model worst first, one with logits as probabilities."""
    store = Store.create(str(tmp_path))
    origin = Provenance("my preds.csv", "table")
    write_labels(store, "synthetic", BLOCK.examples, LABEL, CLASSES.ids, origin,
                 class_names=CLASSES.names)  # fmt: skip
    write_settings(store, [{"setting": "synthetic", "label_set": "synthetic", "n": N},
                           {"setting": "no labels", "n": 10}], origin)  # fmt: skip
    spoilt = plant.into(BLOCK, [1], plant.worst_first)
    write_predictions(store, spoilt, origin)
    block, label, _ = probabilities()
    logits = replace(
        block, setting="scored", scores=np.log(block.scores) + 5, confidence=None,
        predicted=block.predicted,
    )  # fmt: skip
    write_labels(store, "ten", block.examples, label, [str(i) for i in range(10)], origin)
    write_settings(store, [{"setting": "scored", "label_set": "ten", "n": len(label)}], origin)
    write_predictions(store, logits, origin)
    write_predictions(store, replace(BLOCK.take([0, 1]), setting="no labels"), origin)
    return store


def test_examining_a_store(store: Store) -> None:
    table = examine(store, ["synthetic", "scored"])
    assert list(zip(table["setting"], table["model"], table["finding"], strict=True)) == [
        ("scored", "net0", "scores:logits-as-probabilities"),
        ("synthetic", "net1", "topk:worst-first"),
    ]
    assert table.facts == {"n_errors": 2, "n_warnings": 0, "n_cells": 9}
    assert table["cost"][1] == pytest.approx(
        np.mean(BLOCK.runners_up[1, :, 3] == LABEL) - np.mean(BLOCK.predicted[1] == LABEL)
    )
    assert table["command"].tolist() == [
        "heldout import 'my preds.csv' --setting scored --model net0 --score-kind logits"
        " --keep-scores --replace",
        "heldout import 'my preds.csv' --setting synthetic --model net1 --mend worst-first"
        " --replace",
    ]
    assert "2 errors" in table.verdict[0]
    assert table.names == [
        "setting", "model", "finding", "severity", "certainty", "p", "cost", "says", "command",
    ]  # fmt: skip
    assert "only one model" in " ".join(table.notes)


def test_models_and_settings_can_be_picked(store: Store) -> None:
    table = examine(store, ["synthetic"], ["net0", "net2"])
    assert table.verdict == ("Nothing wrong was found in 2 cells of 2 models × 1 setting.",)
    with pytest.raises(NotFound, match="net22"):
        examine(store, ["synthetic"], ["net22"])
    with pytest.raises(NotFound):
        examine(store, ["synthetc"])


def test_without_labels_it_says_what_was_not_checked(store: Store) -> None:
    """And more rows than a complete run has are an error."""
    table = examine(store, ["no labels"])
    assert list(table["finding"]) == ["coverage:too-many-rows"]
    assert any("no labels" in note for note in table.notes)


def test_a_published_accuracy_over_a_wrong_total(store: Store) -> None:
    import pyarrow as pa

    k = int((BLOCK.predicted[0] == LABEL).sum())
    rows = pa.table({"model": ["net0", "net2"], "setting": ["synthetic"] * 2,
                     "metric": ["top-1"] * 2, "value": [k / 10000, 0.12345],
                     "k": pa.array([None, None], pa.int64()),
                     "n": pa.array([None, None], pa.int64())})  # fmt: skip
    write_results(store, rows, Provenance("paper"))
    write_settings(store, [{"setting": "other", "n": 10000}], Provenance("paper"))
    table = examine(store, ["synthetic"], ["net0"])
    assert list(table["finding"]) == ["rows:wrong-denominator"]
    assert table["cost"][0] == pytest.approx(k / 10000 - k / N)


def test_mended_rows_put_back_are_healthy(store: Store) -> None:
    """The circle: examine, mend, write in the old rows' place, examine."""
    stored = store.predictions("synthetic", ["net1"], ("runners_up",))
    write_predictions(store, apply(stored, "worst-first", CLASSES), Provenance("mended"),
                      replace=True)  # fmt: skip
    assert len(examine(store, ["synthetic"])) == 0


# The parts


def test_tails_are_those_of_the_binomial() -> None:
    """Against brute force."""
    from math import comb

    for n, p in ((7, 0.3), (20, 0.5)):
        for k in range(n + 2):
            brute = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
            assert upper_tail(k, n, p) == pytest.approx(brute if k <= n else 0.0)
    assert sign_p(5, 1, tried=3) == pytest.approx(3 * 7 / 64)


def test_the_vote_is_the_mode() -> None:
    rng = np.random.default_rng(13)
    guess = rng.integers(-2, 5, (7, 200))
    for column, v in zip(guess.T, vote(guess), strict=True):
        said = column[column >= 0]
        assert v == (np.bincount(said).argmax() if len(said) else -1)


# Real predictions


@pytest.mark.data
def test_cifar_as_published_is_healthy(cifar_store: Store) -> None:
    """30 models on CIFAR-10 and both CIFAR-10.1 sets: not one finding in 90 cells."""
    table = examine(cifar_store)
    assert len(table) == 0, table.to_markdown()
    assert table.facts["n_cells"] == 90


@pytest.mark.data
def test_imagenetv2_repaired_is_healthy(imagenetv2_store: Store) -> None:
    names = ["imagenetv2-matched-frequency", "imagenetv2-threshold0.7", "imagenetv2-topimages"]
    table = examine(imagenetv2_store, names)
    assert len(table) == 0, table.to_markdown()
    assert table.verdict == ("Nothing wrong was found in 201 cells of 67 models × 3 settings.",)


@pytest.mark.data
def test_the_published_defect_of_fv_16k_is_found_and_nothing_else(
    tmp_path: Path, imagenetv2_store: Store
) -> None:
    """Worst first in MatchedFrequency, as published; its mend is what the importer repairs."""
    from heldout.imports import formats
    from heldout.imports.bundle import Choices, put
    from realdata import published

    name = "imagenetv2-matched-frequency"
    module = formats.load("imagenetv2")
    root = module.recognise(published("imagenetv2-predictions"))
    assert root is not None
    choices = Choices("raw files", (name,), repairs=False)
    rawest = Store.create(str(tmp_path))
    put(rawest, module.read(root, choices), choices)
    table = examine(rawest)
    assert list(zip(table["model"], table["finding"], table["certainty"], strict=True)) == [
        ("fv_16k", "topk:worst-first", "certain")
    ]
    assert table["cost"][0] == pytest.approx(0.0247 - 0.1924)
    assert table["command"][0] == (
        f"heldout import 'raw files' --setting {name} --model fv_16k --mend worst-first --replace"
        " --no-repairs"
    )
    as_is = rawest.predictions(name, ["fv_16k"], ("runners_up",))
    repaired = imagenetv2_store.predictions(name, ["fv_16k"], ("runners_up",))
    mended = apply(as_is, "worst-first", Classes([str(i) for i in range(1000)]))
    assert mended.examples == repaired.examples
    assert np.array_equal(mended.predicted, repaired.predicted)
    assert np.array_equal(mended.runners_up, repaired.runners_up)


def swap(p: int, q: int) -> np.ndarray:
    means = np.arange(1000)
    means[[p, q]] = q, p
    return means


def in_order(means: np.ndarray) -> Callable[[Block], Block]:
    return lambda block: plant.class_order(block, means)


@pytest.mark.data
@pytest.mark.parametrize(
    ("defect", "code"),
    [
        (in_order(order_named("string-sorted", 1000)), "class-order:string-sorted"),
        (in_order(order_named("off-by-one", 1000)), "class-order:off-by-one"),
        (in_order(np.random.default_rng(0).permutation(1000)), "class-order:unknown"),
        (in_order(swap(1, 340)), "class-order:swapped"),
        (plant.worst_first, "topk:worst-first"),
        (lambda b: plant.shift(b, 1), "rows:shifted"),
        (lambda b: plant.rows(b, by_id(b.examples)), "rows:id-sorted"),
    ],
)
def test_defects_planted_in_imagenetv2(
    imagenetv2_store: Store, defect: Callable[[Block], Block], code: str
) -> None:
    """In ResNet-50 and in a Fisher vector (15 % right) among 14 models: both named, no other."""
    name = "imagenetv2-matched-frequency"
    every = sorted({p.model for p in imagenetv2_store.pieces(name)})
    models = [*every[::6], "resnet50", "fv_4k"]
    block = imagenetv2_store.predictions(name, list(dict.fromkeys(models)), ("runners_up",))
    labels = imagenetv2_store.label_set_of(name)
    rows = [block.models.index("resnet50"), block.models.index("fv_4k")]
    found = examine_case(from_block(plant.into(block, rows, defect), labels))
    named = {(block.models[i], f.code) for f in found for i in f.models}
    assert named == {("resnet50", code), ("fv_4k", code)}


@pytest.mark.data
def test_rows_mixed_up_within_classes_of_cifar(cifar_store: Store) -> None:
    """The trap of images in class folders: the same accuracy, other rows."""
    name = cifar_store.settings_with_predictions()[0]
    block = cifar_store.predictions(name)
    labels = cifar_store.label_set_of(name)
    case = from_block(block, labels)
    index = plant.shuffled(len(block.examples), np.random.default_rng(0), case.label)
    spoilt = plant.into(block, [4], lambda b: plant.rows(b, index))
    (finding,) = examine_case(from_block(spoilt, labels))
    assert (finding.code, finding.models) == ("rows:shuffled-within-class", (4,))
