"""Importing the package, and its demo's tables, loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pandas", "sklearn", "matplotlib", "scipy", "pyarrow", "duckdb", "vl_convert")


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after running the code."""
    ask = f"{code}\nimport sys\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "code", ["import heldout", "import heldout.errors", "import heldout.demo.models"]
)
def test_an_import_is_light(code: str) -> None:
    assert loaded_by(code) == set()


def test_the_help_of_the_command_line_is_light() -> None:
    run = (
        "from heldout.cli import main\nimport sys\nsys.argv = ['heldout', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert loaded_by(run) == set()


def test_the_check_sees_what_is_loaded() -> None:
    assert loaded_by("import pyarrow") == {"pyarrow"}
