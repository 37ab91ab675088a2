"""Figures and tables for papers: there, in the right size, and readable as what they claim."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from heldout.errors import BadInput
from heldout.report.figures import write_figures
from heldout.store.read import Store


@pytest.fixture(scope="module")
def written(small_store: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("figures")
    return [Path(p) for p in write_figures(small_store, str(folder))]


def test_every_figure_comes_in_every_format(written: list[Path]) -> None:
    stems = {p.stem for p in written if p.suffix == ".svg"}
    assert stems == {"scatter-new-given-old-probit", "gap-new", "similarity-old"}
    for ending in (".pdf", ".png"):
        assert {p.stem for p in written if p.suffix == ending} == stems
    assert all(p.stat().st_size > 0 for p in written)
    assert not list(written[0].parent.rglob("*.unfinished*"))


def test_figures_fit_a_column(written: list[Path]) -> None:
    """3.3 inches: 238 points, 992 pixels at 300 per inch."""
    for path in written:
        if path.suffix == ".svg":
            width = re.search(r'width="([\d.]+)pt"', path.read_text())
            assert width is not None
            assert float(width[1]) <= 242, path
        if path.suffix == ".png":
            wide, _ = struct.unpack(">II", path.read_bytes()[16:24])
            assert 700 <= wide <= 242 / 72 * 300 + 2, path
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")


def test_text_in_figures_is_legible(written: list[Path]) -> None:
    for path in written:
        if path.suffix == ".svg":
            sizes = {float(s) for s in re.findall(r'font-size="([\d.]+)px"', path.read_text())}
            assert sizes
            assert min(sizes) >= 6, path


def test_the_scatter_says_its_line(written: list[Path]) -> None:
    text = next(p for p in written if p.name == "scatter-new-given-old-probit.svg").read_text()
    assert re.search(r"slope \d\.\d{3} \[", text)
    assert "12 models" in text
    assert "<i>" not in text


def test_tables_are_booktabs(written: list[Path]) -> None:
    tables = {p.name: p.read_text() for p in written if p.suffix == ".tex"}
    assert {"gap-new.tex", "gap-new-fits.tex", "robustness-table.tex"} <= set(tables)
    for text in tables.values():
        assert r"\toprule" in text
        assert r"\bottomrule" in text
    assert tables["gap-new.tex"].count(r"\\") == 13


def test_formats_can_be_chosen_and_are_checked(small_store: Store, tmp_path: Path) -> None:
    paths = write_figures(small_store, str(tmp_path / "f"), x="old", y="table", scale="linear",
                          formats=("svg",))  # fmt: skip
    assert not [p for p in paths if p.endswith((".png", ".pdf"))]
    assert any("scatter-table-given-old-linear" in p for p in paths)
    with pytest.raises(BadInput, match="no figure format 'gif'"):
        write_figures(small_store, str(tmp_path), formats=("gif",))
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_figures(small_store, str(tmp_path / "file"), formats=("svg",))
