"""mCE of what there is: no clean set, fewer severities, rows of a part of the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corrupted import ORIGIN, answers, labels, row, run, tabled
from heldout.analysis.alexnet import ERRORS
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS
from heldout.analysis.corruption_severity import by_severity
from heldout.analysis.corruption_tables import by_corruption
from heldout.errors import BadInput
from heldout.stats.weighted import weighted_mean
from heldout.store.read import Store
from heldout.store.write import write_settings
from heldout.table import Table

N = 60
IMAGENET = "imagenet-val"
CIFAR = "cifar10-test"
LIMITS = ("error", "error_low", "error_high")


def _store(where: Path, test_set: str = IMAGENET, classes: int = 1000) -> Store:
    store = Store.create(str(where))
    labels(store, test_set, N, classes)
    return store


def _said(table: Table) -> str:
    return " ".join(table.notes)


def test_without_the_clean_set(tmp_path: Path) -> None:
    """No row of it in the store: everything but clean error and relative mCE, and a sentence."""
    store = Store.create(str(tmp_path / "s"))
    labels(store, "labels-only", N, 1000)
    wrong = answers(1, N, 0.3)
    run(store, "labels-only", {"one": wrong})
    known = store.settings()
    rows = [{**r, "baseline": "elsewhere"} for s, r in known.items() if "/" in s]
    write_settings(store, rows, ORIGIN)
    store.forget()
    table = mce(store, "elsewhere")
    (row,) = table.rows()
    value = np.mean([5 * wrong[c].mean() / sum(e) for c, e in enumerate(ERRORS.values())])
    assert row["mce"] == pytest.approx(value)
    assert row["method"] == "examples"
    assert (row["clean_error"], row["relative_mce"], row["relative_mce_low"]) == (None,) * 3
    assert "No clean error and no relative mCE" in _said(table)
    assert "heldout run elsewhere=PATH -m MODEL" in _said(table)
    for by in (by_corruption, by_severity):
        assert len(by(store)) in (15, 5)


def test_the_advice_is_a_command(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"heldout run SET=PATH -m MODEL --shift imagenet-c"):
        mce(_store(tmp_path / "s"))


def test_one_severity_alone(tmp_path: Path) -> None:
    """mce says what to do; by severity and by corruption there are means with intervals."""
    store = _store(tmp_path / "s")
    wrong = answers(1, N, 0.3)
    run(store, IMAGENET, {"one": wrong}, severities=[3])
    with pytest.raises(BadInput, match=r"There is severity 3\..*--by severity.*--shift imagenet-c"):
        mce(store)
    (row,) = by_severity(store).rows()
    assert row["severity"] == 3
    expected = [float(v) for v in weighted_mean(wrong[:, 2].mean(axis=0))]
    assert [row[k] for k in LIMITS] == pytest.approx(expected)
    table = by_corruption(store)
    assert "severity 3" in table.title
    for c, r in enumerate(table.rows()):
        expected = [float(v) for v in weighted_mean(wrong[c, 2].astype(float))]
        assert [r[k] for k in LIMITS] == pytest.approx(expected)
        assert (r["ce"], r["severities"]) == (None, "3")
    assert "no CE" in _said(table)


def test_different_severities_of_different_corruptions(tmp_path: Path) -> None:
    """Fog at all five, snow at two: each mean says what it is over."""
    store = _store(tmp_path / "s")
    fog, snow = answers(1, N, 0.3, 1), answers(2, N, 0.3, 1)
    run(store, IMAGENET, {"one": fog}, ["fog"])
    run(store, IMAGENET, {"one": snow}, ["snow"], severities=[2, 3])
    rows = {r["corruption"]: r for r in by_corruption(store).rows()}
    assert {k: r["severities"] for k, r in rows.items()} == {"fog": "1-5", "snow": "2-3"}
    assert rows["snow"]["error"] == pytest.approx(snow[0, 1:3].mean())
    assert rows["fog"]["ce"] == pytest.approx(5 * fog.mean() / sum(ERRORS["fog"]))
    assert rows["snow"]["ce"] is None
    table = by_severity(store)
    seen = {r["severity"]: (r["corruptions"], r["error"]) for r in table.rows()}
    assert seen[1] == (1, pytest.approx(fog[0, 0].mean()))
    assert seen[2] == (2, pytest.approx((fog[0, 1].mean() + snow[0, 1].mean()) / 2))
    assert "do not compare severities" in _said(table)
    assert mce(store)["mce"][0] == pytest.approx(rows["fog"]["ce"])


def test_rows_of_different_examples_are_scored_on_the_common_ones(tmp_path: Path) -> None:
    """Cells, counts, intervals and clean errors over the same examples, and the number said."""
    store = _store(tmp_path / "s", CIFAR, 10)
    a, b = answers(1, N, 0.2), answers(2, N, 0.5)
    clean = np.random.default_rng(0).random(N) < 0.2
    run(store, CIFAR, {"a": a}, keep=range(50), clean={"a": clean})
    run(store, CIFAR, {"b": b}, keep=range(30, 60), clean={"b": ~clean})
    with pytest.raises(BadInput, match="heldout mce"):
        mce(store)
    table = mce(store, incomplete=True)
    at = slice(30, 50)
    for r in table.rows():
        mine, base = {"a": (a, clean), "b": (b, ~clean)}[r["model"]]
        expected = [float(v) for v in weighted_mean(mine[..., at].mean(axis=(0, 1)))]
        assert [r["mean_error" + k] for k in ("", "_low", "_high")] == pytest.approx(expected)
        assert (r["n"], r["method"]) == (20, "examples")
        assert r["clean_error"] == pytest.approx(base[at].mean())
    assert "Scored over 20 of the 60 examples" in _said(table)
    assert "left out" not in _said(table)
    for r in by_severity(store, incomplete=True).rows():
        mine = {"a": a, "b": b}[r["model"]]
        assert r["error"] == pytest.approx(mine[:, r["severity"] - 1, at].mean())
        assert r["n"] == 20
    parts = by_corruption(store, incomplete=True, against="b")
    assert {r["n"] for r in parts.rows()} == {20}
    assert {r["ce"] for r in parts.rows() if r["model"] == "b"} == {1.0}
    alone = mce(store, models=["a"], incomplete=True)
    assert alone["mean_error"][0] == pytest.approx(a[..., :50].mean())
    assert "the rows that there are" in _said(alone)
    assert " b " not in _said(by_severity(store, models=["a"], incomplete=True))


def test_a_clean_error_of_other_examples_is_left_out(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    wrong = answers(1, N, 0.3)
    run(store, IMAGENET, {"one": wrong}, keep=range(40))
    run(store, IMAGENET, {"one": wrong[:0]}, [], keep=range(20), clean={"one": wrong[0, 0]})
    table = mce(store, incomplete=True)
    (row,) = table.rows()
    assert row["mean_error"] == pytest.approx(wrong[..., :40].mean())
    assert (row["clean_error"], row["relative_mce"]) == (None, None)
    assert "No clean error and relative mCE of one" in _said(table)


def test_nothing_in_common_says_what_to_run(tmp_path: Path) -> None:
    store = _store(tmp_path / "s", CIFAR, 10)
    run(store, CIFAR, {"a": answers(1, N, 0.2)}, keep=range(30))
    run(store, CIFAR, {"b": answers(2, N, 0.5)}, keep=range(30, 60))
    with pytest.raises(BadInput, match=r"a: 30 rows, b: 30 rows.*--limit N.*-m"):
        mce(store, incomplete=True)
    assert len(mce(store, models=["b"], incomplete=True)) == 1


def test_one_image_has_an_interval_from_counts(tmp_path: Path) -> None:
    store = _store(tmp_path / "s", CIFAR, 10)
    run(store, CIFAR, {"a": answers(1, N, 0.2)}, keep=[7])
    (row,) = mce(store, incomplete=True).rows()
    assert (row["n"], row["method"]) == (1, "counts")


def test_counts_against_a_model_need_no_clean_results(tmp_path: Path) -> None:
    """Published accuracies under corruption alone: mCE against a model of the table."""
    store = _store(tmp_path / "s")
    error = {"a": answers(1, 100, 0.3).mean(axis=2), "base": answers(2, 100, 0.5).mean(axis=2)}
    texts = [(f"{k}:{s + 1}", c, s) for c, k in enumerate(KINDS) for s in range(5)]
    write_settings(store, [row(IMAGENET, t, KINDS[c], s + 1) for t, c, s in texts], ORIGIN)
    for clean in ({}, {"base": 0.8}, {"a": 0.9, "base": 0.8}):
        cells = [(m, IMAGENET, v, round(100 * v), 100) for m, v in clean.items()]
        for m, e in error.items():
            for text, c, s in texts:
                k = round(100 * (1 - e[c, s]))
                cells.append((m, f"{IMAGENET}/{text}", k / 100, k, 100))
        there = Store.create(str(tmp_path / f"{len(clean)}"))
        labels(there, IMAGENET, 100, 1000)
        write_settings(there, [row(IMAGENET, t, KINDS[c], s + 1) for t, c, s in texts], ORIGIN)
        tabled(there, cells)
        table = mce(there, against="base")
        value = {r["model"]: r["mce"] for r in table.rows()}
        expected = np.mean(error["a"].sum(axis=1) / error["base"].sum(axis=1))
        assert value == {"a": pytest.approx(expected), "base": 1.0}
        assert table.verdict[0].startswith("Of 2 models, a has the lowest mCE:")


def test_a_reference_without_an_error_divides_nothing(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    wrong = {"a": answers(1, N, 0.4), "base": answers(2, N, 0.3)}
    wrong["base"][KINDS.index("brightness")] = False
    run(store, IMAGENET, wrong)
    table = mce(store, against="base")
    assert "mce" not in [c.name for c in table.columns]
    assert "no error under brightness" in _said(table)
    assert "Of 2 models, base has the lowest mean error" in table.verdict[0]


def test_no_interval_without_width(tmp_path: Path) -> None:
    """Models that are always right, or always wrong, may be otherwise on other images."""
    store = _store(tmp_path / "s")
    wrong = {"base": answers(2, N, 0.3), "right": np.zeros((15, 5, N), bool)}
    wrong["never"] = ~wrong["right"]
    run(store, IMAGENET, wrong, clean={m: w[0, 0] for m, w in wrong.items()})
    for against in ("published", "base"):
        for one in mce(store, against=against).rows():
            for name in ("mce", "relative_mce", "mean_error"):
                if name == "relative_mce" and one[f"{name}_low"] is None:
                    continue  # counts may leave it open
                width = one[f"{name}_high"] - one[f"{name}_low"]
                assert (width == 0) == (one["model"] == against and "mce" in name), (one, name)
                assert one[f"{name}_low"] <= one[name] <= one[f"{name}_high"]


def test_other_models_change_no_interval(tmp_path: Path) -> None:
    """Relative mCE of a model is the same beside one that has no clean answers."""
    store = _store(tmp_path / "s")
    wrong = {"a": answers(1, N, 0.4), "b": answers(2, N, 0.3)}
    run(store, IMAGENET, wrong, clean={"a": wrong["a"][0, 0]})
    alone = mce(store, models=["a"]).rows()[0]
    beside = next(r for r in mce(store).rows() if r["model"] == "a")
    assert beside == alone
    assert alone["relative_mce_low"] is not None


def test_two_settings_of_one_severity_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    run(store, IMAGENET, {"one": answers(1, N, 0.3)})
    write_settings(store, [row(IMAGENET, "my_fog:3", "fog", 3)], ORIGIN)
    store.forget()
    with pytest.raises(BadInput, match=r"fog:3' and '.*my_fog:3' are both fog of severity 3"):
        mce(store)
