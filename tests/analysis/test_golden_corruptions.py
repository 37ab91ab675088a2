"""mCE against published numbers: five ResNeXt, five models of the testbed, both media.

Source: the errors and mCE of the ResNeXt are those of github.com/eminorhan/resnext-wsl; the
testbed's mCE was computed from its table with NumPy, apart from this package.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from corrupted import ORIGIN, answers, labels, row, run, tabled
from heldout.analysis.alexnet import CLEAN_ERROR, ERRORS, EXTRA_MEANS, total_error
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS, variants
from heldout.analysis.synthetic import synthetic_against_natural
from heldout.imports import formats
from heldout.imports.bundle import Choices, put
from heldout.store.read import Store
from heldout.store.write import write_settings
from realdata import published

pytestmark = pytest.mark.data

# 100 mean_c(Σ_s err / Σ_s err_AlexNet): AlexNet as published and the testbed's, on disk (15
# corruptions), then in memory (14).
TESTBED = {
    "resnet50": (78.20, 76.51, 73.34, 74.05),
    "resnet18": (86.36, 84.47, 81.88, 82.71),
    "vgg19_bn": (83.61, 81.78, 78.26, 79.01),
    "resnet50_augmix": (67.13, 65.65, 60.33, 60.92),
    "alexnet": (102.29, 100.0, 99.01, 100.0),
}


def _constants() -> dict[str, dict[str, object]]:
    return json.loads(published("corruptions-constants.json").read_text())  # type: ignore[no-any-return]


def test_alexnet_is_as_published() -> None:
    known = _constants()
    assert {k: list(v) for k, v in ERRORS.items()} == known["alexnet_top1_error"]
    assert list(ERRORS) == known["order"][:15]
    assert known["alexnet_validation_mean_from_memory"] == EXTRA_MEANS
    for kind, mean in known["alexnet_top1_error_mean"].items():
        assert total_error(kind) / 5 == pytest.approx(mean, abs=1e-15)
    assert CLEAN_ERROR == 0.435


def test_five_resnext_to_all_digits(tmp_path: Path) -> None:
    """mCE from the stored mean errors, with no intervals as there are no counts."""
    store = Store.create(str(tmp_path / "s"))
    rows = [row("imagenet-val", f"{k}:{s}", k, s) for k in KINDS for s in range(1, 6)]
    write_settings(store, [{"setting": "imagenet-val"}, *rows], ORIGIN)
    errors = _constants()["golden_imagenet_c_error_percent"]
    tabled(
        store,
        [
            (m, r["setting"], 1 - errors[m][r["corruption"]] / 100, None, None)
            for m in errors
            for r in rows
        ],
    )
    found = {r["model"]: r for r in mce(store).rows()}
    golden = _constants()["golden_mce"]
    assert set(found) == set(golden)
    for model, value in golden.items():
        assert 100 * found[model]["mce"] == pytest.approx(value, abs=1e-11)
        assert found[model]["mce_low"] is None
        assert found[model]["n"] is None


@pytest.mark.parametrize("column", range(4))
def test_testbed(testbed_store: Store, column: int) -> None:
    """Four mCE of five models: both media, AlexNet as published and the testbed's own."""
    medium = ("on-disk", "in-memory")[column // 2]
    against = "alexnet" if column % 2 else None
    table = mce(testbed_store, "val", medium=medium, against=against)
    assert len(table) == 200
    kinds = (15, 14)[column // 2]
    assert f"{kinds} of 15" in table.title
    for r in table.rows():
        assert r["medium"] == medium
        if r["model"] in TESTBED:
            assert round(100 * r["mce"], 2) == TESTBED[r["model"]][column]
            assert r["mce_low"] <= r["mce"] <= r["mce_high"]
            assert r["relative_mce_low"] <= r["relative_mce"] <= r["relative_mce_high"]
    if against:
        own = next(r for r in table.rows() if r["model"] == "alexnet")
        assert [own[k] for k in ("mce", "mce_low", "mce_high")] == [1.0, 1.0, 1.0]
    elif medium == "on-disk":
        assert any("1.5 to 3 points" in n for n in table.notes)


def test_both_media_stay_apart(testbed_store: Store) -> None:
    """Without a choice there is a block for each; on disk is lower by about 5 points of error."""
    table = mce(testbed_store, models=["resnet50"])
    found = {r["medium"]: (r["corruptions"], r["mean_error"]) for r in table.rows()}
    assert {m: c for m, (c, _) in found.items()} == {
        "on-disk": "15 of 15",
        "in-memory": "14 of 15",
    }
    assert 0.02 < found["on-disk"][1] - found["in-memory"][1] < 0.08


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The testbed, and four models of our own on CIFAR-10 and on imagenet-val, two media."""
    where = tmp_path_factory.mktemp("stores") / "both"
    store = Store.create(str(where))
    testbed = formats.load("imagenet-testbed")
    root = testbed.recognise(published("imagenet-testbed"))
    assert root is not None
    choices = Choices("imagenet-testbed")
    put(store, testbed.read(root, choices), choices)
    n = 40
    for test_set, classes in (("cifar10-test", 10), ("imagenet-samples", 1000)):
        labels(store, test_set, n, classes)
        wrong = {f"own{i}": answers(i, n, 0.2 + 0.1 * i) for i in range(4)}
        clean = {m: w[0, 0] for m, w in wrong.items()}
        run(store, test_set, wrong, clean=clean)
        run(store, test_set, wrong, suffix="+jpeg:85")
    return store


def test_synthetic_beside_other_runs(both: Store, testbed_store: Store) -> None:
    """The testbed's correlations do not change when a store has other test sets under corruption.

    Both rows, corruptions and attacks, are those of the testbed alone; own runs get sentences.
    """
    how = {
        "population": "baseline_population",
        "models": "natural_shift_family <> 'standard' AND model NOT ILIKE '%subsample%'",
    }
    alone = synthetic_against_natural(testbed_store, **how)
    beside = synthetic_against_natural(both, **how)
    assert alone.rows() == beside.rows()
    assert {r["synthetic"] for r in alone.rows()} == {"corruptions", "adversarial"}
    said = " ".join(beside.notes)
    assert "cifar10-test, imagenet-c, in-memory" in said
    assert "cifar10-test, imagenet-c, on-disk" in said


def test_synthetic_points_give_the_correlation(testbed_store: Store) -> None:
    """The points are those behind r."""
    table = synthetic_against_natural(
        testbed_store, population="baseline_population", natural=["imagenet-r", "imagenet-sketch"]
    )
    points = table.parts["points"]
    for r in table.rows():
        mine = points.where(
            lambda p, r=r: (p["synthetic"], p["natural"]) == (r["synthetic"], r["natural"])
        )
        assert len(mine) == r["n"]
        u, v = mine["er_synthetic"], mine["er_natural"]
        assert np.corrcoef(u, v)[0, 1] == pytest.approx(r["r"], abs=1e-12)


def test_own_runs_beside_the_testbed(both: Store) -> None:
    """Own runs and the table are variants of their own, AlexNet only for ImageNet's classes."""
    words = {v.words for v in variants(both)}
    assert {
        "imagenet-val, published-files, on-disk",
        "imagenet-val, testbed, in-memory",
        "cifar10-test, imagenet-c, in-memory",
        "imagenet-samples, imagenet-c, on-disk",
    } < words
    table = mce(both, "imagenet-samples", medium="on-disk")
    assert any("not of imagenet-samples" in n for n in table.notes)
    assert "mce" not in mce(both, "cifar10-test", medium="on-disk").names
