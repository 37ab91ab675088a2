"""What the documentation shows is what the commands print."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import realdata
from heldout.store.schema import document

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import examples  # noqa: E402  (a script beside the documents, not a package)


@pytest.mark.data
@pytest.mark.parametrize("name", examples.FILES)
def test_examples(name: str) -> None:
    """Every command of these documents runs, and prints what is shown."""
    pytest.importorskip("skops", reason="the guide runs a classifier of scikit-learn")
    _runs_as_shown(name)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", examples.SLOW_FILES)
def test_examples_that_run_models(name: str) -> None:
    """The same for the documents whose examples run networks for some minutes."""
    for module in ("torch", "onnx", "onnxruntime", "efficientnet_lite_pytorch"):
        pytest.importorskip(module, reason=f"the examples of {name} run its models")
    _runs_as_shown(name)


def _runs_as_shown(name: str) -> None:
    text = (ROOT / name).read_text()
    for wanted in examples.downloads(text):
        realdata.published(wanted)
    here = examples.folder(realdata.ROOT.resolve())
    found = examples.examples(text)
    assert found
    for example in found:
        code, printed = examples.run(example, here)
        assert code == example.code, f"{example.command}\n" + "\n".join(printed)
        shown = "\n".join(example.shown)
        assert examples.agrees(example.shown, printed), (
            f"{example.command}\nshown:\n{shown}\nprinted:\n" + "\n".join(printed)
        )


def test_the_comparison_can_fail() -> None:
    """The comparison accepts elided lines and refuses changed ones."""
    assert examples.agrees(("a", "…", "d"), ["a", "b", "c", "d"])
    assert examples.agrees(("a", "…"), ["a", "b"])
    assert not examples.agrees(("a", "…", "d"), ["a", "b", "c"])
    assert not examples.agrees(("a",), ["a", "b"])


def test_lines_of_progress_are_left_out(tmp_path: Path) -> None:
    """A slow machine prints more of them."""
    for line in ("Run: 13 predictions/s, 8%, about 201 s left", "Run: loading lite:1, 0%"):
        said = examples.Example(f"echo '{line}'; echo 'Gap: 8 %, of 9 %'", ())
        assert examples.run(said, tmp_path) == (0, ["Gap: 8 %, of 9 %"])


def test_the_data_of_a_document_is_found() -> None:
    """What a document's commands need is read from them."""
    text = (
        "```console\n$ cat downloads/a-b.csv \\\n    downloads/c/d && ls downloads/a-b.csv\n```\n"
    )
    assert examples.downloads(text) == ["a-b.csv", "c"]


def test_schema_document_is_current() -> None:
    """docs/store.md is what `heldout schema` prints."""
    assert (ROOT / "docs/store.md").read_text() == document()


def test_every_command_is_in_the_guide() -> None:
    """No command without a place in the documentation."""
    import typer

    from heldout.cli import commands

    app = typer.Typer()
    commands.add(app)
    text = (ROOT / "docs/guide.md").read_text() + (ROOT / "README.md").read_text()
    names = [c.name for c in (*app.registered_commands, *app.registered_groups)]
    assert len(names) >= 13
    assert [n for n in names if f"heldout {n}" not in text] == []
