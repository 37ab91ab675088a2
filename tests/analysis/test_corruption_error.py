"""mCE and its relatives: against loops over small stores, and what must never be mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corrupted import ORIGIN, answers, labels, row, run, tabled
from heldout.analysis.alexnet import CLEAN_ERROR, ERRORS
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS, variants
from heldout.analysis.corruption_severity import by_severity
from heldout.analysis.corruption_tables import by_corruption
from heldout.errors import BadInput, NotFound
from heldout.stats.proportion import clopper_pearson
from heldout.stats.weighted import mean_of_ratios, signed_mean, weighted_mean
from heldout.store.read import Store
from heldout.store.write import write_settings
from heldout.table import Table

N = 60
IMAGENET = "imagenet-val"


def _rows(table: Table) -> dict[str, dict[str, object]]:
    return {r["model"]: r for r in table.rows()}


def _store(where: Path, test_set: str = IMAGENET, classes: int = 1000, **more: object) -> Store:
    store = Store.create(str(where))
    labels(store, test_set, N, classes)
    rng = np.random.default_rng(5)
    clean = {m: rng.random(N) < p for m, p in (("good", 0.1), ("bad", 0.4))}
    run(
        store,
        test_set,
        {"good": answers(1, N, 0.2), "bad": answers(2, N, 0.5)},
        clean=clean,
        **more,
    )  # type: ignore[arg-type]
    return store


def _wrong() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    clean = {m: rng.random(N) < p for m, p in (("good", 0.1), ("bad", 0.4))}
    return {"good": answers(1, N, 0.2), "bad": answers(2, N, 0.5)}, clean


def test_against_the_published_errors_by_loops(tmp_path: Path) -> None:
    """Values and limits from every example's own weighted error, summed by loops."""
    table = mce(_store(tmp_path / "s"))
    wrong, clean = _wrong()
    rows = _rows(table)
    assert list(rows) == ["good", "bad"]  # best first
    for model, mine in wrong.items():
        ratios, relative = [], []
        each, signed = np.zeros(N), np.zeros(N)
        most = 0.0
        for c, kind in enumerate(KINDS):
            below = sum(ERRORS[kind])
            under = sum(e - CLEAN_ERROR for e in ERRORS[kind])
            ratios.append(sum(mine[c, s].mean() for s in range(5)) / below)
            relative.append(sum(mine[c, s].mean() - clean[model].mean() for s in range(5)) / under)
            for s in range(5):
                each += mine[c, s] / below / 15
                signed += (mine[c, s] * 1.0 - clean[model]) / under / 15
            most += 5 / below / 15
        got = rows[model]
        assert got["mce"] == pytest.approx(np.mean(ratios), abs=1e-12)
        assert got["relative_mce"] == pytest.approx(np.mean(relative), abs=1e-12)
        assert got["mean_error"] == pytest.approx(mine.mean(), abs=1e-12)
        assert got["clean_error"] == pytest.approx(clean[model].mean(), abs=1e-12)
        for name, limits in (
            ("mce", weighted_mean(each, most=most)),
            ("relative_mce", signed_mean(signed)),
            ("mean_error", weighted_mean(mine.mean(axis=(0, 1)))),
            ("clean_error", (0, *clopper_pearson(clean[model].sum(), N))),
        ):
            assert (got[f"{name}_low"], got[f"{name}_high"]) == pytest.approx(
                (float(limits[1]), float(limits[2])), abs=1e-10
            )
        assert (got["n"], got["method"], got["medium"]) == (N, "examples", "in-memory")
        assert got["corruptions"] == "15 of 15"
    assert "15 of 15 corruptions" in table.title
    said = " ".join(table.notes)
    assert "own textures" in said
    assert "from memory" in said
    assert "in memory, where errors are smaller" in said


def test_against_a_model_of_the_store(tmp_path: Path) -> None:
    """Ratios of sums, linearised on the same examples; the reference itself is 100 %, exactly."""
    table = mce(_store(tmp_path / "s"), IMAGENET, against="bad")
    wrong, clean = _wrong()
    got = _rows(table)["good"]
    top, below = wrong["good"].sum(axis=1), wrong["bad"].sum(axis=1)
    _, low, high = mean_of_ratios(top, below)
    assert got["mce"] == pytest.approx(np.mean(top.sum(1) / below.sum(1)), abs=1e-12)
    assert (got["mce_low"], got["mce_high"]) == pytest.approx((float(low), float(high)))
    relative = np.mean(
        (top - 5 * clean["good"]).sum(axis=1) / (below - 5 * clean["bad"]).sum(axis=1)
    )
    assert got["relative_mce"] == pytest.approx(relative, abs=1e-12)
    own = _rows(table)["bad"]
    for name in ("mce", "relative_mce"):
        assert [own[name], own[f"{name}_low"], own[f"{name}_high"]] == [1.0, 1.0, 1.0]
    assert "against bad" in table.title
    alone = _rows(mce(_store(tmp_path / "s"), IMAGENET, ["good"], against="bad"))
    assert list(alone) == ["good"]
    assert alone["good"]["mce_high"] == pytest.approx(float(high))


def test_other_classes_have_no_mce_but_against_a_model(tmp_path: Path) -> None:
    """CIFAR-10: the mean error under its own name, and a sentence; mCE only against a model."""
    store = _store(tmp_path / "s", "cifar10-test", 10)
    table = mce(store)
    assert "mce" not in table.names
    assert "relative_mce" not in table.names
    assert "mCE" not in table.title
    assert "Mean error under corruption" in table.title
    assert any("--against" in n for n in table.notes)
    assert "mce" in mce(store, against="bad").names
    with pytest.raises(BadInput, match="published errors are of ImageNet"):
        mce(store, against="published")
    with pytest.raises(BadInput, match="published errors are of ImageNet"):
        by_corruption(store, against="published")


def test_a_model_that_lacks_a_severity_is_left_out(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    some = {"short": answers(3, N, 0.3)[:3]}
    run(store, IMAGENET, some, KINDS[:3])
    table = mce(store)
    assert set(_rows(table)) == {"good", "bad"}
    assert any("short lacks defocus_blur" in n for n in table.notes)
    with pytest.raises(BadInput, match="short lacks"):
        mce(store, models=["short"])
    parts = by_corruption(store, models=["short"])
    assert set(parts["corruption"]) == set(KINDS[:3])
    with pytest.raises(NotFound, match="good"):
        mce(store, models=["goood"])
    with pytest.raises(NotFound, match="bad"):
        mce(store, against="badd")


def test_a_kind_that_all_lack_is_said_everywhere(tmp_path: Path) -> None:
    """14 of 15: in the title, the column and a note; the mean is over 14."""
    store = Store.create(str(tmp_path / "s"))
    labels(store, IMAGENET, N, 1000)
    kinds = [k for k in KINDS if k != "glass_blur"]
    wrong = answers(1, N, 0.3, 14)
    run(store, IMAGENET, {"one": wrong}, kinds)
    table = mce(store)
    got = _rows(table)["one"]
    assert "14 of 15" in table.title
    assert got["corruptions"] == "14 of 15"
    assert any("no glass_blur" in n for n in table.notes)
    value = np.mean([wrong[c].mean() * 5 / sum(ERRORS[k]) for c, k in enumerate(kinds)])
    assert got["mce"] == pytest.approx(value, abs=1e-12)
    assert (got["relative_mce"], got["clean_error"]) == (None, None)  # it was not run clean


def test_media_and_references_are_never_mixed(tmp_path: Path) -> None:
    """Each variant is a block of rows of its own; tables by corruption ask which is meant."""
    store = _store(tmp_path / "s")
    disk = answers(7, N, 0.4)
    run(store, IMAGENET, {"good": disk}, suffix="+jpeg:85")
    package = answers(8, N, 0.1)
    run(
        store, IMAGENET, {"good": package}, prefix="imagecorruptions.", reference="imagecorruptions"
    )
    table = mce(store)
    seen = {(r["model"], r["reference"], r["medium"]): r["mean_error"] for r in table.rows()}
    assert len(seen) == len(table) == 4
    assert seen["good", "imagenet-c", "on-disk"] == pytest.approx(disk.mean())
    assert seen["good", "imagenet-c", "in-memory"] == pytest.approx(answers(1, N, 0.2).mean())
    assert seen["good", "imagecorruptions", "in-memory"] == pytest.approx(package.mean())
    assert "3 variants" in table.title
    assert "cannot be compared" in table.verdict[-1]
    for by in (by_corruption, by_severity):
        with pytest.raises(BadInput, match="3 variants"):
            by(store)
    one = by_severity(store, medium="on-disk")
    assert [r["error"] for r in one.rows()] == pytest.approx(list(disk.mean(axis=(0, 2))))
    with pytest.raises(NotFound, match="on-disk"):
        mce(store, medium="on-disc")
    with pytest.raises(NotFound, match="imagecorruptions"):
        mce(store, reference="imagecorruption")
    with pytest.raises(NotFound, match="imagenet-val"):
        mce(store, "imagenet-vall")


def test_frost_from_photographs_is_told_apart(tmp_path: Path) -> None:
    """frost and frost_photographs are both the corruption 'frost', and never the same number."""
    store = _store(tmp_path / "s")
    photographs = answers(9, N, 0.5, 1)
    run(store, IMAGENET, {"good": photographs}, ["frost_photographs"])
    assert [v.frost for v in variants(store)] == ["own textures", "photographs"]
    table = mce(store)
    assert len(table) == 3  # textures: good and bad; photographs: good
    frost = KINDS.index("frost")
    for how, wrong in (("textures", answers(1, N, 0.2)[frost]), ("photographs", photographs[0])):
        one = by_corruption(store, models=["good"], frost=how)
        found = {r["corruption"]: r["error"] for r in one.rows()}
        assert found["frost"] == pytest.approx(wrong.mean())
        assert any(how in n for n in one.notes)


def test_counts_alone_give_a_wider_interval(tmp_path: Path) -> None:
    """From k and n: the same value, an interval that holds the one from examples."""
    store = _store(tmp_path / "s")
    exact = _rows(mce(store))["good"]
    bare = Store.create(str(tmp_path / "bare"))
    wrong, clean = _wrong()
    cells = [("good", IMAGENET, 1 - clean["good"].mean(), int((~clean["good"]).sum()), N)]
    rows = [{"setting": IMAGENET, "n": N}]
    for c, kind in enumerate(KINDS):
        for s in range(5):
            rows.append({**row(IMAGENET, f"{kind}:{s + 1}", kind, s + 1), "label_set": None})
            right = int((~wrong["good"][c, s]).sum())
            cells.append(("good", rows[-1]["setting"], right / N, right, N))
    write_settings(bare, rows, ORIGIN)
    tabled(bare, cells)
    got = _rows(mce(bare))["good"]
    assert got["method"] == "counts"
    for name in ("mce", "relative_mce", "mean_error"):
        assert got[name] == pytest.approx(exact[name], abs=1e-12)
        assert got[f"{name}_low"] <= exact[f"{name}_low"]
        assert got[f"{name}_high"] >= exact[f"{name}_high"]
    low, high = zip(*[
        (float(a), float(b))
        for c in range(15) for s in range(5)
        for a, b in [clopper_pearson(wrong["good"][c, s].sum(), N)]
    ], strict=True)  # fmt: skip
    assert got["mean_error_low"] == pytest.approx(np.mean(low))
    assert got["mean_error_high"] == pytest.approx(np.mean(high))


def test_by_corruption_and_severity_by_loops(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    run(store, IMAGENET, {"good": answers(4, N, 0.3, 1)}, ["spatter"])
    wrong, _ = _wrong()
    table = by_corruption(store)
    for r in table.rows():
        if r["corruption"] == "spatter":
            assert (r["model"], r["counted"]) == ("good", False)
            continue
        c = KINDS.index(r["corruption"])
        assert r["counted"]
        value, low, high = weighted_mean(wrong[r["model"]][c].mean(axis=0))
        expected = [float(v) for v in (value, low, high)]
        scale = 5 / sum(ERRORS[r["corruption"]])
        assert [r["error"], r["error_low"], r["error_high"]] == pytest.approx(expected, abs=1e-10)
        assert [r["ce"], r["ce_low"], r["ce_high"]] == pytest.approx(
            [scale * v for v in expected], abs=1e-10
        )
    for r in by_severity(store, models=["bad"]).rows():
        value, low, high = weighted_mean(wrong["bad"][:, r["severity"] - 1].mean(axis=0))
        assert [r["error"], r["error_low"], r["error_high"]] == pytest.approx(
            [float(v) for v in (value, low, high)], abs=1e-10
        )
    own = by_corruption(store, models=["good", "bad"], against="bad")
    assert {r["ce"] for r in own.rows() if r["model"] == "bad"} == {1.0}


def test_a_store_without_corruptions(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path / "s"))
    labels(store, IMAGENET, N, 10)
    with pytest.raises(BadInput, match="no settings under corruptions"):
        mce(store)
