"""`heldout mce`: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from corrupted import answers, labels, run
from heldout.analysis.corruption_settings import KINDS
from heldout.cli import mce
from heldout.store.read import Store

APP = typer.Typer(add_completion=False, rich_markup_mode=None)
APP.command()(mce.command)
N = 40


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("stores") / "s")
    store = Store.create(where)
    labels(store, "imagenet-val", N, 1000)
    wrong = {
        "a_rather_long_name_of_a_model_with_its_weights": answers(1, N, 0.2),
        "bad": answers(2, N, 0.5),
    }
    run(store, "imagenet-val", wrong, clean={m: w[0, 0] for m, w in wrong.items()})
    run(store, "imagenet-val", wrong, suffix="+jpeg:85")
    return where


def _run(place: str, *words: str) -> Result:
    return CliRunner().invoke(APP, [*words, "--store", place])


@pytest.mark.parametrize(
    "words",
    [
        ("imagenet-val", "--medium", "on-disk"),
        ("--medium", "in-memory", "--against", "bad"),
        ("--by", "corruption", "--medium", "in-memory"),
        ("--by", "severity", "--medium", "on-disk", "--model", "bad"),
        (),
    ],
)
def test_at_most_80_columns(place: str, words: tuple[str, ...]) -> None:
    done = _run(place, *words)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "%" in done.output
    if not words:
        assert "2 variants" in done.output


def test_the_answer_keeps_its_interval(place: str) -> None:
    done = _run(place, "--medium", "in-memory")
    head, _, first = done.output.splitlines()[2:5]
    assert head.split()[-1] == "mce"
    assert first.rstrip().endswith("]")


def test_files(place: str, tmp_path: Path) -> None:
    """CSV: fractions, a row a model and variant; JSON by the file's ending."""
    rows = list(csv.DictReader(_run(place, "--format", "csv").output.splitlines()))
    assert [r["medium"] for r in rows] == ["in-memory"] * 2 + ["on-disk"] * 2
    assert all(0 < float(r["mce"]) < 2 for r in rows)
    target = tmp_path / "by.json"
    done = _run(place, "--by", "corruption", "--medium", "on-disk", "-o", str(target))
    assert done.exit_code == 0, done.output
    made = json.loads(target.read_text())
    assert len(made["rows"]) == 2 * len(KINDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("imagenet-vall",), "imagenet-val"),
        (("--medium", "on-disc"), "on-disk"),
        (("--reference", "imagenetc"), "imagenet-c"),
        (("--model", "bed"), "bad"),
        (("--against", "bd"), "bad"),
        (("--by", "corruption"), "2 variants"),
        (("--by", "severity", "--against", "bad", "--medium", "on-disk"), "no --against"),
    ],
)
def test_refusals_name_what_there_is(place: str, words: tuple[str, ...], said: str) -> None:
    done = _run(place, *words)
    assert done.exit_code != 0
    assert said in str(done.exception)
