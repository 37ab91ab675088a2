"""The page in a browser: it works by mouse, by keyboard, on a phone, and asks no network."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.analysis.line import line
from heldout.report.page import write_report
from heldout.stats.proportion import clopper_pearson
from heldout.store.read import Store

from .browser import LAPTOP, PHONE, browser, load, missing, wait
from .conftest import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def report(small_store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(small_store, str(path))
    return str(path)


@pytest.fixture(scope="module")
def laptop() -> Iterator[Any]:
    with browser(LAPTOP) as driver:
        yield driver


@pytest.fixture
def page(laptop: Any, report: str) -> Any:
    laptop.get_log("browser")
    load(laptop, report)
    return laptop


def _find(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def _press(page: Any, *keys: str) -> None:
    """Keys to whatever has the focus."""
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(page)
    for key in keys:
        actions.send_keys(key)
    actions.perform()


def _state(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.execute_script(
        "const s = heldout.current.state; return {x: s.x, y: s.y, scale: s.scale, pins: s.pins};"
    )
    return found


def test_loads_without_a_word_in_the_console(page: Any) -> None:
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByName('heldout-ready').length") == 1
    assert page.execute_script("return document.querySelectorAll('.canvas canvas').length") == 1


def test_asks_no_network(page: Any) -> None:
    asked = page.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)"
        ".filter((n) => !n.startsWith('data:'))"
    )
    assert asked == []
    refused = page.execute_async_script(
        "const done = arguments[0]; fetch('https://example.org/').then(() => done('went'),"
        " () => done('refused'));"
    )
    assert refused == "refused"


def test_names_from_data_stay_text(page: Any) -> None:
    assert page.execute_script("return document.images.length") == 0
    assert page.title == "From old to new"
    shown = page.execute_script(
        "return [...document.querySelectorAll('#gap tbody .first')].map((e) => e.textContent)"
    )
    assert HOSTILE in shown


def test_the_scripts_count_as_python_does(page: Any, small_store: Store) -> None:
    counts = [(0, 10), (38065, 50000), (3, 7), (49999, 50000)]
    found = page.execute_script(
        "return arguments[0].map(([k, n]) => heldout.stats.clopperPearson(k, n, 0.95));", counts
    )
    np.testing.assert_allclose(
        found, np.transpose(clopper_pearson(*np.array(counts).T)), atol=1e-12
    )
    facts = line(small_store, "old", "new").facts
    said = _find(page, "#explorer .fit-facts").text
    assert f"{facts['slope']:.3f}" in said
    assert f"{facts['r2']:.3f}" in said


def test_settings_are_chosen_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    field = _find(page, "#explorer-y")
    field.click()
    assert field.get_attribute("aria-expanded") == "true"
    _press(page, "ta", Keys.ENTER)
    assert field.get_attribute("aria-expanded") == "false"
    assert _state(page)["y"] == "table"
    wait(page, "return document.querySelector('.left-out').textContent.includes('at 0 %')")
    field.click()
    _press(page, "nothing-like-it", Keys.ESCAPE)
    assert _state(page)["y"] == "table"
    assert field.get_attribute("value") == "table"
    _find(page, "#explorer-swap").click()
    assert (_state(page)["x"], _state(page)["y"]) == ("table", "old")


def test_scales_are_switched(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    assert "probit" in _find(page, ".equation").text
    page.execute_script("document.querySelector('input[value=probit]').focus()")
    _press(page, Keys.ARROW_LEFT)
    assert _state(page)["scale"] == "logit"
    _press(page, Keys.ARROW_LEFT)
    assert _state(page)["scale"] == "linear"
    assert _find(page, ".equation").text.startswith("y = ")


def test_a_model_is_found_and_highlighted(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    _find(page, "#explorer-find").click()
    _press(page, "m03", Keys.ENTER)
    chips = page.find_elements("css selector", ".chips button")
    assert [c.text.split("\n")[0].rstrip("×").strip() for c in chips] == ["m03"]
    assert "models=m03" in page.current_url
    chips[0].click()
    assert _state(page)["pins"] == []


def test_an_address_brings_a_view_back(laptop: Any, report: str) -> None:
    load(laptop, report, "#x=new&y=table&scale=logit&models=m02%7Cm05")
    state = _state(laptop)
    assert (state["x"], state["y"], state["scale"]) == ("new", "table", "logit")
    assert len(state["pins"]) == 2


def test_the_plot_is_walked_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.querySelector('.walker').focus()")
    _press(page, Keys.HOME)
    option = _find(page, "#walker-option")
    first = option.get_attribute("textContent")
    assert option.get_attribute("aria-setsize") == "12"
    assert option.get_attribute("aria-posinset") == "1"
    assert "new" in first
    assert "[" in first  # the interval is said
    _press(page, Keys.ARROW_RIGHT)
    assert option.get_attribute("aria-posinset") == "2"
    assert option.get_attribute("textContent") != first
    assert _find(page, ".tip").is_displayed()
    _press(page, Keys.ENTER)
    assert len(_state(page)["pins"]) == 1
    _press(page, Keys.ESCAPE)
    assert not _find(page, ".tip").is_displayed()


def test_tab_reaches_everything_in_order(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.activeElement.blur(); window.scrollTo(0, 0);")
    order = []
    for _ in range(60):
        _press(page, Keys.TAB)
        here = page.execute_script(
            "const e = document.activeElement; return e.id || e.className || e.tagName;"
        )
        order.append(here)
    wanted = ["skip", "look", "explorer-x", "explorer-swap", "explorer-y", "walker",
              "explorer-svg", "explorer-find", "explorer-fit", "explorer-colour"]  # fmt: skip
    places = [order.index(w) for w in wanted]
    assert places == sorted(places)
    assert any(h == "TR" for h in order)  # a table is one stop


def test_the_focus_is_visible(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    _press(page, Keys.TAB, Keys.TAB)
    width = page.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
    assert float(width.rstrip("px")) >= 2


def test_families_are_hidden_and_shown(page: Any) -> None:
    drawn = "return document.querySelector('.fit-facts div:last-child dd').textContent"
    assert page.execute_script(drawn) == "12"
    _find(page, ".legend button").click()
    assert wait(page, f"{drawn} === '6'")
    assert "6 models in hidden families" in _find(page, ".left-out").text
    pressed = _find(page, ".legend button").get_attribute("aria-pressed")
    assert pressed == "false"


def test_tables_are_sorted_and_narrowed(page: Any) -> None:
    def gaps() -> list[float]:
        cells = page.execute_script(
            "return [...document.querySelectorAll('#gap .table tbody tr')]"
            ".map((r) => r.querySelectorAll('.number')[2].textContent)"
        )
        return [float(c.split(" %")[0]) for c in cells]

    head = _find(page, "#gap .table th[data-name=gap]")
    assert head.get_attribute("aria-sort") is None
    head.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert gaps() == sorted(gaps(), reverse=True)
    head.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert gaps() == sorted(gaps())
    _find(page, "#gap input[type=search]").send_keys("m0 3")
    assert _find(page, "#gap output").text == "1 of 12 rows"
    assert len(gaps()) == 1


def test_table_rows_are_walked_and_highlight(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.querySelector('#gap .table tbody tr').focus()")
    _press(page, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    name = page.execute_script("return document.activeElement.querySelector('.first').textContent")
    pinned = page.execute_script(
        "const c = heldout.current; return c.state.pins.map((i) => c.data.raw.models[i])"
    )
    assert pinned == [name]


def test_downloads_are_what_is_shown(page: Any) -> None:
    page.execute_script(
        "globalThis.saved = []; heldout.format.download.toString();"
        "URL.createObjectURL = (b) => { b.text().then((t) => saved.push(t)); return 'blob:x'; };"
        "HTMLAnchorElement.prototype.click = () => {};"
    )
    _find(page, "#gap input[type=search]").send_keys("m0")
    _find(page, "#gap [aria-label='Download as CSV']").click()
    text = wait(page, "return saved[0]")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {r["model"] for r in rows} == {f"m{i:02d}" for i in range(10)}
    assert float(rows[0]["gap"]) == pytest.approx(
        float(rows[0]["original"]) - float(rows[0]["new"])
    )
    _find(page, "#explorer-csv").click()
    assert wait(page, "return saved[1]").startswith("model,x,x_low")
    _find(page, "#explorer-svg").click()
    picture = wait(page, "return saved[2]")
    assert picture.startswith("<svg")
    assert "vit" in picture  # a figure that leaves the page has its legend


def test_similarity_is_walked_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    before = _find(page, ".pair").text
    page.execute_script("document.querySelector('#similarity canvas').focus()")
    _press(page, Keys.ARROW_RIGHT)
    assert _find(page, ".pair").text != before
    assert "of 400 examples" in _find(page, ".pair").text


def test_the_look_is_chosen_and_follows_the_system(page: Any, report: str) -> None:
    assert page.execute_script("return document.documentElement.dataset.look") == "light"
    _find(page, "#look").send_keys("Dark")
    assert page.execute_script("return document.documentElement.dataset.look") == "dark"
    _find(page, "#look").send_keys("Auto")
    with browser(LAPTOP, dark=True) as driver:
        load(driver, report)
        assert driver.execute_script("return document.documentElement.dataset.look") == "dark"
        assert driver.get_log("browser") == []


def test_a_phone_scrolls_in_one_direction_only(report: str) -> None:
    with browser(PHONE) as driver:
        load(driver, report)
        sizes = driver.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth,"
            " document.querySelector('.canvas canvas').getBoundingClientRect().width]"
        )
        assert sizes[0] == sizes[1] == PHONE[0]
        assert 300 < sizes[2] <= PHONE[0]
        stuck = driver.execute_script(
            "const s = document.querySelector('#gap .table .scroller'); s.scrollLeft = 300;"
            "return [s.scrollLeft > 0, s.querySelector('td.first, th.first')"
            ".getBoundingClientRect().left - s.getBoundingClientRect().left]"
        )
        assert stuck[0]
        assert abs(stuck[1]) <= 2


def test_a_large_table_is_drawn_as_it_is_scrolled(
    wide_store: Store, tmp_path: Path, laptop: Any
) -> None:
    path = tmp_path / "wide.html"
    write_report(wide_store, str(path))
    load(laptop, str(path))
    rows = "return document.querySelectorAll('#gap .table tbody tr').length"
    assert laptop.execute_script(rows) == 60
    laptop.execute_script(
        "const s = document.querySelector('#gap .table .scroller'); s.scrollTop = s.scrollHeight;"
    )
    assert wait(laptop, f"{rows} > 60")
    assert laptop.get_log("browser") == []
