"""Rows without an answer count as wrong; models that lack rows are named, not denied."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.cli.main import main
from heldout.store.block import NO_ANSWER, Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_predictions, write_settings

N = 1200
IDS = [f"e{i}" for i in range(N)]
LABEL = np.arange(N) % 4


def _store(path: Path, rows: dict[str, dict[str, int]], *, silent: int = 0) -> str:
    """Models with their first so many rows of settings mine and mine/blur:1, which share examples.

    The models are wrong on every 5th example of the first and every 3rd of the second; the first
    model has no answer on `silent` examples of mine, all of which it would get right.
    """
    here, origin = Store.create(str(path)), Provenance("a test")
    write_labels(here, "mine", IDS, LABEL, list("abcd"), origin)
    write_settings(here, [
        {"setting": "mine", "label_set": "mine", "n": N},
        {"setting": "mine/blur:1", "label_set": "mine", "n": N, "baseline": "mine"},
    ], origin)  # fmt: skip
    for place, (model, sizes) in enumerate(rows.items()):
        for setting, n in sizes.items():
            step = 5 + place if setting == "mine" else 3 + place
            guess = np.where(np.arange(n) % step == 0, (LABEL[:n] + 1) % 4, LABEL[:n])
            if silent and setting == "mine" and not place:
                guess[np.flatnonzero(np.arange(n) % step)[:silent]] = NO_ANSWER
            write_predictions(here, Block(setting, [model], IDS[:n], guess[None]), origin)
    return str(path)


def _run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, with folded lines joined."""
    monkeypatch.setattr(sys, "argv", ["heldout", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, " ".join(out.err.split())


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


BOTH = {"mine": N, "mine/blur:1": N}


def test_rows_without_an_answer_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """n stays whole, k loses exactly those rows, and results, gap and compare say so."""
    url = _store(tmp_path / "s", {"a": BOTH, "b": BOTH}, silent=7)
    form = ("--store", url, "--format", "json")
    said = "7 of 1,200 rows of a have no answer and count as wrong"
    _, out, _ = _run(capsys, monkeypatch, "results", "mine", *form)
    table = _json(out)
    row = next(r for r in table["rows"] if r["model"] == "a")
    assert (row["k"], row["n"]) == (N - N // 5 - 7, N)
    assert said in table["notes"][0]
    for words in (("gap", "mine", "mine/blur:1"), ("compare", "mine")):
        code, out, _ = _run(capsys, monkeypatch, *words, *form)
        assert code == 0
        assert said in " ".join(_json(out)["notes"])
        assert _json(out)["facts"]["models"] == 2


def test_a_model_without_any_answer_has_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only NaNs: 0 of n, also for a model imported from a CSV with empty predictions."""
    url = _store(tmp_path / "s", {"a": {"mine": N}}, silent=N - N // 5)
    preds = tmp_path / "p.csv"
    preds.write_text("id,pred\n" + "".join(f"{e},\n" for e in IDS[1:]) + "e0,0\n")
    words = ("import", str(preds), "--setting", "mine", "--model", "c", "--label-set", "mine")
    code, _, err = _run(capsys, monkeypatch, *words, "--store", url)
    assert code == 0, err
    _, out, _ = _run(capsys, monkeypatch, "results", "--store", url, "--format", "json")
    found = {r["model"]: (r["k"], r["n"]) for r in _json(out)["rows"] if r["value"] is not None}
    assert found == {"a": (0, N), "c": (1, N)}
    # 960 rows of the one (of the others it was wrong anyway), all but one of the other.
    said = "2,159 of 2,400 rows of 2 models (a: 960, c: 1,199) have no answer"
    assert said in " ".join(_json(out)["notes"])


HALF = "'ours' has 1,000 of the 1,200 examples of 'mine'"


@pytest.mark.parametrize(
    "words",
    [
        ("results",),
        ("results", "-m", "ours"),
        ("results", "mine", "--metric", "mean-per-class"),
        ("results", "mine", "--per-class"),
        ("gap", "mine", "mine/blur:1"),
        ("gap", "mine", "mine/blur:1", "-m", "ours"),
        ("line", "mine", "mine/blur:1"),
        ("robustness", "mine", "mine/blur:1"),
        ("compare", "mine"),
        ("similarity", "mine"),
        ("report",),
    ],
    ids=" ".join,
)
def test_a_model_with_some_rows_is_named(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Exit 2 with the numbers and what to do, never 'there is no model'."""
    url = _store(tmp_path / "s", {"ours": {"mine": 1000, "mine/blur:1": 1000}})
    more = (str(tmp_path / "r.html"),) if words == ("report",) else ()
    code, _, err = _run(capsys, monkeypatch, *words, *more, "--store", url)
    assert code == 2
    assert f"odel {HALF}" in err
    assert "--incomplete" in err
    assert "There is no model" not in err


def test_one_whole_model_beside_one_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """compare names who lacks rows; results -m does, and shows it when it is asked to."""
    url = _store(tmp_path / "s", {"whole": BOTH, "ours": {"mine": 1000}})
    code, _, err = _run(capsys, monkeypatch, "compare", "mine", "--store", url)
    assert code == 2
    assert "there is 1, 'whole'" in err
    assert HALF in err
    code, _, err = _run(capsys, monkeypatch, "results", "-m", "ours", "--store", url)
    assert (code, HALF in err) == (2, True)
    words = ("results", "-m", "ours", "--incomplete", "--store", url)
    code, out, _ = _run(capsys, monkeypatch, *words)
    assert code == 0
    assert "ours has 1,000 of the 1,200 examples and is scored over the rows it has" in " ".join(
        out.split()
    )
    code, _, err = _run(capsys, monkeypatch, "line", "mine", "mine/blur:1", "--store", url)
    assert (code, "there is 1." in err, HALF in err) == (2, True, True)
    code, _, err = _run(capsys, monkeypatch, "results", "-m", "oursx", "--store", url)
    assert "There is no model 'oursx'" in err


def test_the_gap_of_a_single_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row with a paired interval, no fits, and a sentence why; a shift is no replicate."""
    url = _store(tmp_path / "s", {"a": BOTH})
    words = ("gap", "mine", "mine/blur:1", "--store", url)
    code, out, err = _run(capsys, monkeypatch, *words, "--format", "json")
    assert code == 0, err
    table = _json(out)
    (row,) = table["rows"]
    wrong = (len(range(0, N, 5)), len(range(0, N, 3)))
    assert row["gap"] == pytest.approx((wrong[1] - wrong[0]) / N)
    assert row["gap_low"] < row["gap"] < row["gap_high"]
    assert table["facts"]["mean_gap_low"] == row["gap_low"]
    assert table["facts"]["shared_examples"] == N
    assert table["facts"]["replication"] is False
    assert table["parts"]["fits"]["rows"] == []
    assert "a loses 13.33 percentage points" in table["verdict"][0]
    assert "at least two models" in table["verdict"][1]
    code, out, _ = _run(capsys, monkeypatch, *words)
    assert code == 0
    assert "1 models" not in out


def test_rows_never_run_are_counted_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal has no rows of –; CSV, also by the file's ending, has every row."""
    rows = {"a": BOTH, "b": {"mine": N}, "c": {"mine": N}}
    url = _store(tmp_path / "s", rows)
    _, out, _ = _run(capsys, monkeypatch, "results", "--store", url)
    assert "–" not in out
    assert out.count("mine/blur:1") == 1
    assert "2 rows are not shown" in out
    _, out, _ = _run(capsys, monkeypatch, "results", "--store", url, "--format", "csv")
    assert len(out.splitlines()) == 1 + 6
    path = tmp_path / "r.csv"
    _run(capsys, monkeypatch, "results", "--store", url, "--output", str(path))
    assert path.read_text() == out


def test_a_report_of_own_runs_takes_the_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """x is the baseline, the gap is shown, and models that lack rows are a note."""
    url = _store(tmp_path / "s", {"a": BOTH, "ours": {"mine": 1000, "mine/blur:1": N}})
    path = tmp_path / "r.html"
    code, _, err = _run(capsys, monkeypatch, "report", str(path), "--store", url)
    assert code == 0, err
    assert "Setting 'mine': ours has 1,000 of the 1,200 examples and is left out" in err
    page = path.read_text()
    assert '"x":"mine","y":"mine/blur:1"' in page
    assert "mine → mine/blur:1" in page
    assert "No setting of this store says" not in page
