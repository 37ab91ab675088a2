"""Colours keep the contrast that WCAG 2.2 AA asks for: 4.5:1 for text, 3:1 for marks and edges."""

from __future__ import annotations

import re

import pytest

from .conftest import asset


def _colours(look: str) -> dict[str, str]:
    blocks = re.findall(r":root(\[data-look=\"dark\"\])? \{(.*?)\}", asset("style.css"), re.DOTALL)
    block = next(body for dark, body in blocks if bool(dark) == (look == "dark"))
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_can_be_read(look: str) -> None:
    c = _colours(look)
    for text in ("ink", "muted", "accent"):
        for ground in ("paper", "panel"):
            assert _contrast(c[text], c[ground]) >= 4.5, (text, ground)
    assert _contrast(c["ink"], c["tint"]) >= 4.5
    assert _contrast(c["on-accent"], c["accent"]) >= 4.5
    assert _contrast(c["edge"], c["paper"]) >= 3


@pytest.mark.parametrize("look", ["light", "dark"])
def test_marks_stand_out_by_their_outline(look: str) -> None:
    paper = _colours(look)["paper"]
    block = re.search(rf"{look}: \[(.*?)\n    \]", asset("palette.js"), re.DOTALL)
    assert block is not None
    pairs = re.findall(r'\["(#[0-9a-f]{6})", "(#[0-9a-f]{6})"\]', block[1])
    assert len(pairs) == 8
    for fill, stroke in pairs:
        assert max(_contrast(fill, paper), _contrast(stroke, paper)) >= 3, fill


def test_every_family_has_its_own_shape() -> None:
    shapes = re.search(r"SHAPES = \[(.*?)\]", asset("palette.js"), re.DOTALL)
    assert shapes is not None
    names = re.findall(r'"([\w-]+)"', shapes[1])
    assert len(set(names[:-1])) == len(names) - 1
