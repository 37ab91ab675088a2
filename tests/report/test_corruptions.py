"""Corruptions in the page: documents against the analyses, the section in a browser, the sheet."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from corrupted import answers, labels, run
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS
from heldout.analysis.corruption_severity import by_severity
from heldout.analysis.corruption_tables import by_corruption
from heldout.analysis.synthetic import synthetic_against_natural
from heldout.errors import BadInput, NotFound
from heldout.report.page import write_report
from heldout.store.read import Store
from heldout.store.write import write_settings

from .browser import LAPTOP, PHONE, browser, load, missing, wait
from .conftest import HOSTILE, ORIGIN

POPULATION = "family = 'standard'"


@pytest.fixture(scope="module")
def page(corrupted_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corruptions") / "report.html"
    write_report(corrupted_store, str(path), population=POPULATION)
    return path


def _document(page: Path, name: str) -> Any:
    found = re.search(
        rf'<script type="application/json" id="{name}">(.*?)</script>', page.read_text(), re.DOTALL
    )
    assert found is not None
    return json.loads(found[1])


def _variants(page: Path) -> list[dict[str, Any]]:
    return [_document(page, f"corruptions-{i}") for i in range(2)]


def test_one_document_for_each_variant(page: Path) -> None:
    """Media are never in one picture; the text of the section says why."""
    words = [d["variant"] for d in _variants(page)]
    assert words == [
        "cifar10-test, imagenet-c, in-memory",
        "cifar10-test, imagenet-c, on-disk",
    ]
    text = page.read_text()
    assert "cannot be compared" in text
    assert "own textures" in text


def test_numbers_are_those_of_the_analyses(page: Path, corrupted_store: Store) -> None:
    models = _document(page, "explorer-data")["models"]
    for medium, doc in zip(("in-memory", "on-disk"), _variants(page), strict=True):
        table = mce(corrupted_store, "cifar10-test", medium=medium)
        heat = doc["heat"]
        names = [models[i] for i in heat["models"]]
        assert names == list(table["model"])  # best first
        for r in by_corruption(corrupted_store, "cifar10-test", medium=medium).rows():
            i, j = names.index(r["model"]), doc["kinds"].index(r["corruption"])
            found = [heat[k][i][j] for k in ("error", "low", "high")]
            assert found == pytest.approx([r["error"], r["error_low"], r["error_high"]], abs=1e-6)
            assert heat["n"][i] == r["n"]
            assert doc["counted"][j] == r["counted"]
            assert len(doc["settings"][j]) == 5
        rows = by_severity(corrupted_store, "cifar10-test", medium=medium).rows()
        for r in rows:
            i = [models[p] for p in doc["severity"]["models"]].index(r["model"])
            value = doc["severity"]["error"][i][r["severity"] - 1]
            assert value == pytest.approx(r["error"], abs=1e-6)
    memory = _variants(page)[0]
    assert len(memory["kinds"]) == len(KINDS) + 1
    spatter = [row[memory["kinds"].index("spatter")] for row in memory["heat"]["error"]]
    assert [v is None for v in spatter] == [names != "net0" for names in (
        models[i] for i in memory["heat"]["models"])]  # fmt: skip


def test_synthetic_points_are_those_of_the_analysis(page: Path, corrupted_store: Store) -> None:
    doc = _document(page, "synthetic-0")
    models = _document(page, "explorer-data")["models"]
    table = synthetic_against_natural(corrupted_store, population=POPULATION)
    assert [(p["synthetic"], p["natural"], p["n"]) for p in doc["pairs"]] == [
        (r["synthetic"], r["natural"], r["n"]) for r in table.rows()
    ]
    for pair in doc["pairs"]:
        places, u, v = pair["points"]
        assert len({models[i] for i in places}) == pair["n"]
        assert np.corrcoef(u, v)[0, 1] == pytest.approx(pair["r"], abs=1e-4)


def test_without_a_baseline_there_is_a_sentence(corrupted_store: Store, tmp_path: Path) -> None:
    done = write_report(corrupted_store, str(tmp_path / "r.html"))
    assert any("name it with --population" in n for n in done.notes)


def test_other_metrics_and_stores_have_no_section(small_store: Store, tmp_path: Path) -> None:
    write_report(small_store, str(tmp_path / "r.html"))
    assert 'id="corruptions"' not in (tmp_path / "r.html").read_text()


def test_against_a_model(corrupted_store: Store, tmp_path: Path) -> None:
    """mCE in the page as `mce --against` has it; where a variant lacks the model, a sentence."""
    path = tmp_path / "r.html"
    write_report(corrupted_store, str(path), population=POPULATION, against="net2")
    table = mce(corrupted_store, "cifar10-test", medium="in-memory", against="net2")
    memory, disk = _variants(path)
    place = [c["name"] for c in memory["columns"]].index("mce")
    assert memory["columns"][place]["values"] == pytest.approx(list(table["mce"]), abs=1e-9)
    assert "against net2" in memory["title"]
    assert "mce" not in [c["name"] for c in disk["columns"]]
    assert any("net2" in n for n in disk["notes"])
    assert "--against net2" in path.read_text()
    for wrong in ("net22", "imagenet"):
        with pytest.raises(NotFound, match="net"):
            write_report(corrupted_store, str(path), against=wrong)


def test_against_without_corruptions_is_refused(small_store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--against"):
        write_report(small_store, str(tmp_path / "r.html"), against="m01")


def test_in_short_says_of_how_many_images(corrupted_store: Store, page: Path) -> None:
    text = page.read_text()
    start = text.index('class="verdict"')
    assert "Of 120 images; cifar10-test has 10,000." in text[start : text.index("</div>", start)]


def test_one_model_of_one_s_own(tmp_path: Path) -> None:
    """Predictions of one model: the page does not call them published accuracies."""
    store = Store.create(str(tmp_path / "s"))
    labels(store, "mine", 40)
    wrong = answers(1, 40, 0.3)
    run(store, "mine", {"Net": wrong}, clean={"Net": wrong[0, 0]})
    done = write_report(store, str(tmp_path / "r.html"))
    text = (tmp_path / "r.html").read_text()
    assert "published accuracies only" not in text
    assert any("those of more than one" in n for n in done.notes)
    assert "mine, imagenet-c, in-memory: Net has the mean error" in text


def test_a_store_without_the_clean_set_and_with_odd_severities(tmp_path: Path) -> None:
    """Corruptions that lack severities are in no picture; the rest is."""
    store = Store.create(str(tmp_path / "s"))
    labels(store, "mine", 40)
    run(store, "mine", {"net": answers(1, 40, 0.3, 2)}, ["fog", "snow"])
    run(store, "mine", {"net": answers(2, 40, 0.3, 1)}, ["frost"], severities=[3])
    rows = [{**r, "baseline": "gone"} for r in store.settings().values() if r.get("severity")]
    write_settings(store, rows, ORIGIN)
    store.forget()
    path = tmp_path / "r.html"
    write_report(store, str(path))
    assert "names its baseline" not in path.read_text()
    assert "not in this store (gone)" in path.read_text()
    document = _document(path, "corruptions-0")
    assert sorted(document["kinds"]) == ["fog", "snow"]
    assert len(document["heat"]["error"][0]) == 2
    assert all(v is not None for v in document["severity"]["error"][0])
    assert any("No clean error" in n for n in document["notes"])


def test_a_sheet_is_embedded(small_store: Store, tmp_path: Path) -> None:
    """A JPEG within the page, with words for those who do not see it, the same bytes each time."""
    pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(tmp_path / "a<b>.png")
    texts = []
    for name in ("r.html", "s.html"):
        write_report(small_store, str(tmp_path / name), image=str(tmp_path / "a<b>.png"))
        texts.append((tmp_path / name).read_text().replace(name, ""))
    assert texts[0] == texts[1]
    found = re.search(r'<img src="data:image/jpeg;base64,([^"]+)"[^>]* alt="([^"]+)"', texts[0])
    assert found is not None
    content = base64.b64decode(found[1])
    assert len(content) < 1_500_000
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "JPEG"
    assert picture.width > 5 * 48
    assert "a&lt;b&gt;.png under 19 corruptions" in found[2]
    assert "own textures" in texts[0]
    (tmp_path / "no.png").write_text("no picture")
    for wrong in ("no.png", "nowhere.png"):
        with pytest.raises(BadInput, match=wrong):
            write_report(small_store, str(tmp_path / "t.html"), image=str(tmp_path / wrong))


in_browser = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def laptop() -> Iterator[Any]:
    with browser(LAPTOP) as driver:
        yield driver


@pytest.fixture
def shown(laptop: Any, page: Path) -> Any:
    laptop.get_log("browser")
    load(laptop, str(page))
    wait(laptop, "return document.querySelector('.severity-figure canvas') !== null"
         " && document.querySelector('.synthetic-figure canvas') !== null")  # fmt: skip
    return laptop


def _keys(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def _choose(driver: Any, selector: str, index: int) -> None:
    driver.execute_script(
        "const s = document.querySelector(arguments[0]); s.selectedIndex = arguments[1];"
        "s.dispatchEvent(new Event('change'));", selector, index,
    )  # fmt: skip


def _names(driver: Any) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll('.heat-table tbody .first')]"
        ".map((e) => e.textContent)"
    )
    return found


@pytest.mark.browser
@in_browser
def test_the_heat_map_is_a_table_of_names_and_numbers(shown: Any, page: Path) -> None:
    doc = _variants(page)[0]
    assert _names(shown)[0] == "net0"
    assert HOSTILE in _names(shown)
    first = shown.execute_script(
        "return [...document.querySelectorAll('.heat-table tbody tr:first-child td')]"
        ".map((e) => e.textContent)"
    )
    errors = doc["heat"]["error"][0]
    assert [int(v) for v in first[1:]] == pytest.approx([100 * e for e in errors], abs=0.501)
    assert shown.get_log("browser") == []
    assert shown.execute_script("return document.images.length") == 0


@pytest.mark.browser
@in_browser
def test_cells_can_be_read_on_their_colours(shown: Any) -> None:
    """4.5:1 or more between number and ground, in both looks."""
    ratios = shown.execute_script(
        "const l = (t) => { const c = t.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)"
        ".map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);"
        "return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };"
        "return [...document.querySelectorAll('.heat-table td[style]')].map((e) => {"
        "const s = getComputedStyle(e); const [a, b] = [l(s.color), l(s.backgroundColor)];"
        "return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); });"
    )
    assert len(ratios) > 60
    assert min(ratios) >= 4.5


@pytest.mark.browser
@in_browser
def test_the_heat_map_is_walked_and_sorted_by_keyboard(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    shown.execute_script("document.querySelector('.heat-table [tabindex=\"0\"]').focus()")
    _keys(shown, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    said = shown.execute_script("return document.querySelector('.heat-said').textContent")
    assert "net1, gaussian noise" in said
    assert "[" in said
    assert "120 a setting" in said
    assert "in-memory" in said
    stops = "return document.querySelectorAll('.heat-table [tabindex=\"0\"]').length"
    assert shown.execute_script(stops) == 1
    before = _names(shown)
    _keys(shown, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ENTER, Keys.ENTER)
    assert _names(shown) == before[::-1]
    marked = "return document.querySelector('.heat-table [aria-sort]').getAttribute('aria-sort')"
    assert shown.execute_script(marked) == "descending"


@pytest.mark.browser
@in_browser
def test_models_are_drawn_against_severity(shown: Any, corrupted_store: Store) -> None:
    from selenium.webdriver.common.keys import Keys

    chips = "return [...document.querySelectorAll('.severity-chips button span:first-of-type')].map((e) => e.textContent)"  # noqa: E501
    assert len(shown.execute_script(chips)) == 4
    shown.find_element("css selector", ".severity-chips button").click()
    assert "net0" not in shown.execute_script(chips)
    shown.find_element("css selector", "#severity-find").click()
    _keys(shown, "net0", Keys.ENTER)
    assert shown.execute_script(chips)[-1] == "net0"
    _choose(shown, "#severity-kind", 1 + KINDS.index("fog"))
    wait(shown, "return document.querySelector('.severity-figure figcaption').textContent"
         ".includes('fog')")  # fmt: skip
    shown.execute_script("document.querySelector('.severity-figure .walker').focus()")
    _keys(shown, Keys.END)
    point = shown.execute_script("return document.querySelector('#severity-option').textContent")
    assert "severity 5" in point
    assert "[" in point
    shown.execute_script("document.querySelector('.severity-numbers').open = true")
    table = shown.find_element("css selector", ".severity-numbers table").text
    assert "clean" in table
    assert shown.get_log("browser") == []


@pytest.mark.browser
@in_browser
def test_another_medium_is_another_picture(shown: Any) -> None:
    _choose(shown, "#corruptions-which", 1)
    wait(shown, "return document.querySelector('.table-head').textContent.includes('on-disk')")
    assert _names(shown) == ["net0", "net1"]
    _choose(shown, "#synthetic-y", 1)
    wait(shown, "return document.querySelector('.synthetic-figure figcaption').textContent"
         ".includes('r = ')")  # fmt: skip
    assert shown.get_log("browser") == []


@pytest.mark.browser
@in_browser
def test_a_phone_scrolls_in_one_direction(page: Path) -> None:
    with browser(PHONE) as driver:
        load(driver, str(page))
        wait(driver, "return document.querySelector('.synthetic-figure canvas') !== null")
        assert driver.execute_script("return document.documentElement.scrollWidth") == PHONE[0]
        inside = driver.execute_script(
            "const s = document.querySelector('.heat-scroller'); s.scrollLeft = 200;"
            "return [s.scrollLeft > 0, Math.abs(s.querySelector('tbody .first')"
            ".getBoundingClientRect().left - s.getBoundingClientRect().left) <= 2]"
        )
        assert inside == [True, True]


@pytest.mark.browser
@in_browser
def test_the_sheet_can_be_read_on_a_phone(small_store: Store, tmp_path: Path) -> None:
    """The picture keeps a size at which its labels can be read, and scrolls within itself."""
    pytest.importorskip("cv2")
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    write_report(small_store, str(tmp_path / "r.html"), image=str(tmp_path / "a.png"))
    with browser(PHONE) as driver:
        load(driver, str(tmp_path / "r.html"))
        assert driver.execute_script("return document.documentElement.scrollWidth") == PHONE[0]
        wide, reached = driver.execute_script(
            "const s = document.querySelector('.contact-scroller'); s.scrollLeft = 100;"
            "return [s.querySelector('img').getBoundingClientRect().width, s.scrollLeft];"
        )
        assert wide > 650
        assert reached == 100
