"""The page as a file: safe, self-contained, small, repeatable, honest about what is absent."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from heldout.errors import BadInput, NotFound
from heldout.report.page import write_report
from heldout.store.read import Store

from .conftest import HOSTILE

LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background"}


class _Seen(HTMLParser):
    """Every element with its attributes, and the text of every script."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag == "script"
        if self._open:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = False


def _read(path: Path) -> tuple[str, _Seen]:
    text = path.read_text(encoding="utf-8")
    seen = _Seen()
    seen.feed(text)
    return text, seen


@pytest.fixture(scope="module")
def page(small_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    done = write_report(small_store, str(path), title=f"Title {HOSTILE}")
    assert done.bytes == path.stat().st_size
    assert done.notes == ()
    return path


def test_names_cannot_become_markup(page: Path) -> None:
    _, seen = _read(page)
    assert not [e for e in seen.elements if "onerror" in e[1]]
    assert not [e for e in seen.elements if e[0] in ("img", "b", "i", "iframe", "object")]
    data = _documents(seen)
    assert HOSTILE in data["explorer-data"]["models"]


def test_all_data_is_json(page: Path) -> None:
    _, seen = _read(page)
    documents = _documents(seen)
    assert {"explorer-data", "gap-0", "robustness-0", "similarity-0", "classes-0"} <= set(documents)


def test_nothing_is_loaded(page: Path) -> None:
    """No element names an address to load from; only links for people do."""
    _, seen = _read(page)
    for tag, attributes in seen.elements:
        assert not LOADING & set(attributes), (tag, attributes)
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes and tag != "a":
            pytest.fail(f"{tag} has an href")
    style = re.findall(r"<style>(.*?)</style>", page.read_text(), re.DOTALL)
    assert style
    assert not re.search(r"@import|url\(", "".join(style))


def test_the_policy_forbids_the_network_and_names_every_script(page: Path) -> None:
    _, seen = _read(page)
    policy = next(
        a["content"] for t, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(r.strip().split(" ", 1) for r in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert "connect-src" not in rules
    scripts = [
        text
        for (_, attributes), text in zip(
            [e for e in seen.elements if e[0] == "script"], seen.scripts, strict=True
        )
        if attributes.get("type") != "application/json"
    ]
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts
    }
    assert hashes == set(rules["script-src"].split())


def test_ids_are_unique_and_labels_lead_somewhere(page: Path) -> None:
    _, seen = _read(page)
    ids = [a["id"] for _, a in seen.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in seen.elements:
        for name in ("for", "aria-labelledby", "aria-activedescendant"):
            if name in attributes:
                assert attributes[name] in ids
        if str(attributes.get("href", "")).startswith("#"):
            assert str(attributes["href"])[1:] in ids


def test_methods_say_every_choice_source_and_version(page: Path) -> None:
    text, _ = _read(page)
    for word in (
        "Clopper-Pearson (exact), level 0.95", "made/up.csv", "one row was mended", "Vega-Lite",
        "numpy", "heldout report", "Models are not independent draws", "seed 0", "Recht",
    ):  # fmt: skip
        assert word in text, word


def test_findings_stand_in_the_page_without_scripts(page: Path) -> None:
    text, _ = _read(page)
    summary = text[text.index('id="summary"') : text.index('id="explorer"')]
    assert "the 12 models lose" in summary
    assert "given old: against the line" in summary


def test_the_same_store_gives_the_same_bytes(small_store: Store, tmp_path: Path) -> None:
    paths = [tmp_path / d / "report.html" for d in ("a", "b")]
    for path in paths:
        write_report(small_store, str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_large_table_stays_small(wide_store: Store, tmp_path: Path) -> None:
    """338 models in 213 settings: at most 10 MB."""
    done = write_report(wide_store, str(tmp_path / "wide.html"))
    assert done.bytes <= 10_000_000
    assert len(done.notes) == 2


def test_what_cannot_be_done_becomes_a_sentence(wide_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "wide.html"
    done = write_report(wide_store, str(path))
    text, seen = _read(path)
    for note in done.notes:
        assert note in text
    assert any("per-example predictions" in n for n in done.notes)
    assert "similarity-0" not in _documents(seen)


def test_a_population_restricts_the_line(small_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(small_store, str(path), population="family = 'vit'")
    data = _documents(_read(path)[1])
    population = data["explorer-data"]["population"]
    assert population["condition"] == "family = 'vit'"
    assert len(population["members"]) == 6
    assert data["robustness-0"]["facts"]["n"] == 5  # one of the six is not in the table


def test_mistakes_are_the_user_s(small_store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "report.html")
    with pytest.raises(BadInput, match="nothing to fit"):
        write_report(small_store, path, population="family = 'none'")
    with pytest.raises(NotFound):
        write_report(small_store, path, x="nowhere")
    with pytest.raises(BadInput, match="no scale"):
        write_report(small_store, path, scale="log")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_report(small_store, str(tmp_path / "file" / "report.html"))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def _documents(seen: _Seen) -> dict[str, Any]:
    elements = [a for t, a in seen.elements if t == "script"]
    return {
        str(a["id"]): json.loads(text)
        for a, text in zip(elements, seen.scripts, strict=True)
        if a.get("type") == "application/json"
    }
