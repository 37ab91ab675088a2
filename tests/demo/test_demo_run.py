"""The demo as a whole: what it stores supports what the documentation says of it."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ndtri

from heldout.demo.data import NEW_WRITERS, SAME_WRITERS, Digits
from heldout.demo.models import CLASSIFIERS, Classifier, fit
from heldout.demo.run import DemoDone, run_demo
from heldout.demo.shifts import SEVERITIES, SHIFTS, Shift
from heldout.errors import ConflictError
from heldout.store.read import Store


@dataclass(frozen=True)
class Ran:
    """A store with the demo in it, what the run said, and the progress that it reported."""

    url: str
    done: DemoDone
    progress: list[tuple[str, float]]

    @property
    def store(self) -> Store:
        return Store.open(self.url)

    def files(self) -> dict[str, int]:
        """Every file of the store with the time of its last change."""
        return {
            os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_mtime_ns
            for folder, _, names in os.walk(self.url)
            for name in names
        }


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    url = str(tmp_path_factory.mktemp("demo") / "store")
    seen: list[tuple[str, float]] = []
    done = run_demo(url, progress=lambda what, part: seen.append((what, part)))
    return Ran(url, done, seen)


def accuracy(ran: Ran, setting: str) -> np.ndarray:
    """(models,) computed from the stored rows, joined by example id."""
    block = ran.store.predictions(setting)
    labels = ran.store.label_set_of(setting)
    assert labels is not None
    truth = dict(zip(labels.examples, labels.label, strict=True))
    return (block.predicted == [truth[e] for e in block.examples]).mean(axis=1)


def test_there_are_thirty_models_of_all_families_with_names_of_their_own() -> None:
    assert len(CLASSIFIERS) >= 30
    assert len({c.name for c in CLASSIFIERS}) == len(CLASSIFIERS)
    assert {c.family for c in CLASSIFIERS} >= {
        "linear", "neighbours", "tree", "forest", "boosting", "svm", "bayes", "network",
    }  # fmt: skip


def test_every_model_predicts_every_example_of_every_setting(ran: Ran) -> None:
    store = ran.store
    names = sorted(c.name for c in CLASSIFIERS)
    assert len(ran.done.settings) == 2 + len(SHIFTS) * len(SEVERITIES)
    assert set(store.settings_with_predictions()) == set(ran.done.settings)
    for setting, row in store.settings().items():
        block = store.predictions(setting)
        labels = store.label_set_of(setting)
        assert labels is not None
        assert block.models == names
        assert block.examples == labels.examples
        assert len(block.examples) == row["n"]
        assert block.predicted.min() >= 0


def test_the_settings_say_what_they_are(ran: Ran) -> None:
    settings = ran.store.settings()
    assert settings[SAME_WRITERS]["group"] == "original"
    assert settings[NEW_WRITERS]["group"] == "natural"
    assert settings[NEW_WRITERS]["original"] == SAME_WRITERS
    shift = settings[f"{SAME_WRITERS}/rotate:2"]
    assert (shift["group"], shift["baseline"]) == ("synthetic", SAME_WRITERS)
    assert shift["label_set"] == SAME_WRITERS
    assert shift["description"] == "digits-same-writers, rotated by 16 degrees, either way"


def test_the_models_say_what_they_are(ran: Ran) -> None:
    rows = ran.store.models()
    assert set(rows) == {c.name for c in CLASSIFIERS}
    assert rows["tree-depth-2"]["family"] == "tree"
    assert json.loads(rows["tree-depth-2"]["parameters"]) == {"max_depth": 2}
    assert rows["ridge-top"]["features"] == "top half"


def test_the_labels_carry_the_block(ran: Ran, data: Digits) -> None:
    labels = ran.store.label_set(NEW_WRITERS)
    assert labels.examples[0] == "digit-1114"
    assert labels.class_names[9] == "nine"
    assert np.array_equal(labels.label, data.label[1114:])
    assert set(labels.groups["block"]) == {8, 9, 10, 11, 12, 13}


def test_the_models_reach_from_guessing_to_almost_no_mistake(ran: Ran) -> None:
    same = accuracy(ran, SAME_WRITERS)
    assert 0 < same.min() < 0.15
    assert 0.98 < same.max() < 1
    assert np.ptp(np.sort(same)[5:-20]) > 0.3


def test_the_probit_line_from_same_to_new_writers_is_tight(ran: Ran) -> None:
    x, y = ndtri(accuracy(ran, SAME_WRITERS)), ndtri(accuracy(ran, NEW_WRITERS))
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    assert 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum() >= 0.95


def test_new_writers_are_harder(ran: Ran) -> None:
    assert (accuracy(ran, SAME_WRITERS) - accuracy(ran, NEW_WRITERS)).mean() > 0.02


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda s: s.name)
def test_accuracy_falls_with_severity(ran: Ran, shift: Shift) -> None:
    means = [accuracy(ran, f"{SAME_WRITERS}/{shift.name}:{s}").mean() for s in SEVERITIES]
    assert accuracy(ran, SAME_WRITERS).mean() > means[0]
    assert means == sorted(means, reverse=True)


def test_confidences_are_probabilities_or_absent(ran: Ran) -> None:
    block = ran.store.predictions(NEW_WRITERS, columns=("confidence",))
    assert block.confidence is not None
    absent = np.isnan(block.confidence).all(axis=1)
    assert not np.isnan(block.confidence[~absent]).any()
    assert {m for m, a in zip(block.models, absent, strict=True) if a} >= {"ridge", "svm-rbf"}
    assert absent.sum() < len(absent) / 4
    assert (block.confidence[~absent] >= 0.1 - 1e-6).all()
    assert (block.confidence[~absent] <= 1).all()


def test_scikit_learn_had_nothing_to_warn_of(ran: Ran) -> None:
    assert ran.done.notes == ()


def test_progress_goes_from_none_to_all(ran: Ran) -> None:
    parts = [part for _, part in ran.progress]
    assert parts[0] == 0
    assert parts[-1] == 1
    assert parts == sorted(parts)
    assert sum(what.startswith("training ") for what, _ in ran.progress) == len(CLASSIFIERS)


def test_a_second_run_changes_nothing(ran: Ran) -> None:
    before = ran.files()
    again = run_demo(ran.url)
    assert (again.stored, again.unchanged) == (0, ran.done.stored)
    assert ran.files() == before


def test_another_seed_does_not_mix_with_the_first(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = tuple(c for c in CLASSIFIERS if c.name in ("forest-10", "extra-tree"))
    monkeypatch.setattr("heldout.demo.run.CLASSIFIERS", some)
    before = {s: ran.store.pieces(s) for s in ran.done.settings}
    with pytest.raises(ConflictError, match=r"heldout demo --seed 0.*--seed 1.*another --store"):
        run_demo(ran.url, seed=1)
    assert {s: ran.store.pieces(s) for s in ran.done.settings} == before


def test_what_scikit_learn_warns_of_is_kept_and_not_printed(data: Digits) -> None:
    hasty = Classifier(
        "hasty", "network", "neural_network.MLPClassifier", "pixels", {"max_iter": 2}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit(hasty, data.images[:200], data.label[:200], seed=0)
    assert len(fitted.warnings) == 1
    assert fitted.warnings[0].startswith("hasty: Stochastic Optimizer: Maximum iterations (2)")
