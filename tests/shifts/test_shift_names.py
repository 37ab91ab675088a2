"""The texts that name shifts, and shifts of other packages."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heldout.errors import BadInput, NotFound
from heldout.shifts.catalogue import expand, find, names, parse, shifted


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("noise:0.10", "noise:0.1"),
        ("noise:.1", "noise:0.1"),
        (" jpeg : 030 ", "jpeg:30"),
        ("blur:2.0", "blur:2"),
        ("rotate:-0", "rotate:0"),
        ("rotate:-10.50", "rotate:-10.5"),
        ("greyscale", "greyscale"),
        ("noise:0.1 + jpeg:30", "noise:0.1+jpeg:30"),
        ("jpeg:30+noise:0.1+greyscale", "jpeg:30+noise:0.1+greyscale"),
        ("noise:0.0000001", "noise:0.0000001"),
    ],
)
def test_one_way_to_spell(text: str, canonical: str) -> None:
    """Every spelling has one canonical text, which is its own canonical text."""
    assert parse(text).text == canonical
    assert parse(canonical).text == canonical
    assert expand(text) == [canonical]


@given(st.floats(1e-6, 1, exclude_min=True))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_numbers_come_back(number: float) -> None:
    """The canonical text holds the number to the last bit."""
    text = f"noise:{np.format_float_positional(number)}"
    assert parse(text).steps[0].number == number
    assert parse(parse(text).text).steps[0].number == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blur:1-3", ["blur:1", "blur:2", "blur:3"]),
        ("jpeg:10,30,50", ["jpeg:10", "jpeg:30", "jpeg:50"]),
        ("jpeg:10,10,10.0", ["jpeg:10"]),
        ("blur:1-2,0.5", ["blur:1", "blur:2", "blur:0.5"]),
        ("rotate:-2--1,5", ["rotate:-2", "rotate:-1", "rotate:5"]),
        ("noise:0.1+jpeg:10,30", ["noise:0.1+jpeg:10", "noise:0.1+jpeg:30"]),
        ("blur:1-2+jpeg:5-6", ["blur:1+jpeg:5", "blur:1+jpeg:6", "blur:2+jpeg:5", "blur:2+jpeg:6"]),
        ("greyscale,blur:1", ["greyscale", "blur:1"]),
        ("jpeg:30,noise:0.1+blur:1,2", ["jpeg:30", "noise:0.1+blur:1", "noise:0.1+blur:2"]),
    ],
)
def test_ranges_and_lists(text: str, expected: list[str]) -> None:
    """Ranges, lists and chains of them are all that they mean, each once."""
    assert expand(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jpeg:0", "a whole number from 1 to 100"),
        ("jpeg:101", "a whole number from 1 to 100"),
        ("jpeg:30.5", "a whole number from 1 to 100"),
        ("resize:0", "a whole number from 1 to 10000"),
        ("blur:0", "a number above 0, up to 100"),
        ("noise:-0.1", "a number above 0, up to 10"),
        ("noise:0", "a number above 0, up to 10"),
        ("rotate:361", "from -360 to 360"),
        ("brightness-factor:-1", "from 0 to 100"),
        ("noise:" + "9" * 400, "a number above 0"),
        ("jpeg", "a number is missing"),
        ("jpeg:", "a number is missing"),
        ("jpeg:high", "'high' is no number"),
        ("noise:nan", "'nan' is no number"),
        ("noise:inf", "'inf' is no number"),
        ("noise:1e-3", "'1e-3' is no number"),
        ("greyscale:1", "takes no number"),
        ("", "is no shift"),
        ("noise:0.1+", "is no shift"),
        ("blur:1-3", "means several shifts"),
    ],
)
def test_numbers_that_make_no_sense(text: str, says: str) -> None:
    """Each is refused with what the number may be."""
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["blur:3-1", "noise:0.1-0.3", "blur:1-5000", "jpeg:10,", ",", "jpeg:10,,20", "blur:1-3,high"],
)
def test_ranges_that_are_none(text: str) -> None:
    """Ranges that run backwards, between fractions or for ever, and lists with holes."""
    with pytest.raises((BadInput, NotFound)):
        expand(text)


def test_unknown_shifts_get_near_names() -> None:
    """A mistyped name is answered with near ones, an unknown one with what there is."""
    with pytest.raises(NotFound, match="Did you mean 'greyscale'"):
        parse("grayscale")
    with pytest.raises(NotFound, match="blur") as caught:
        parse("mist:3")
    assert "mist" in str(caught.value)


_PLUGIN = """
import numpy as np
from heldout.shifts.shift import Shift, between

words, check = between("negative", "severity", 1, 5, whole=True)
negative = Shift("negative", "negative", False, words,
                 lambda image, number, rng: 255 - image, check, family="mine",
                 words=lambda n: f"negative at severity {n:g}")
crop = Shift("crop", "crop", False, "", lambda image, number, rng: image[:1],
             lambda number: None)
lazy = Shift("lazy", "nothing", False, "", lambda image, number, rng: image, lambda number: None)
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with entry points, as an installer leaves it."""
    (tmp_path / "some_shifts.py").write_text(_PLUGIN)
    info = tmp_path / "some_shifts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-shifts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[heldout.shifts]\nnegative = some_shifts:negative\ncrop = some_shifts:crop\n"
        "lazy = some_shifts:lazy\nother = some_shifts:negative\nlost = some_shifts:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_shifts", raising=False)


@pytest.mark.usefixtures("plugins")
def test_shifts_of_other_packages() -> None:
    """They are found by entry point, checked like ours, and cannot break what shifts promise."""
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert {"negative", "crop"} <= set(names())
    assert names()[0] == "resize"
    assert find("negative").family == "mine"
    assert expand("negative:1-5") == [f"negative:{i}" for i in range(1, 6)]
    assert parse("negative:3").in_words() == "negative at severity 3"
    assert np.array_equal(shifted(image, parse("negative:3"), 0, "e"), 255 - image)
    with pytest.raises(BadInput, match="whole number from 1 to 5"):
        parse("negative:6")
    with pytest.raises(BadInput, match="shifts keep both"):
        shifted(image, parse("crop"), 0, "e")
    out = shifted(image, parse("lazy"), 0, "e")
    assert np.array_equal(out, image)
    assert not np.shares_memory(out, image)
    with pytest.raises(BadInput, match="is not a Shift of that name"):
        find("other")
    with pytest.raises(BadInput, match="cannot be loaded"):
        find("lost")
