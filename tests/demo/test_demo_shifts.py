"""The shifts: images in, images out; what happens to one does not depend on those beside it."""

from __future__ import annotations

import numpy as np
import pytest

from heldout.demo.data import Digits
from heldout.demo.shifts import SEVERITIES, SHIFTS, Shift, find_shift, shifted
from heldout.errors import BadInput, NotFound

EVERY = pytest.mark.parametrize("shift", SHIFTS, ids=lambda s: s.name)


def some(data: Digits, n: int = 40) -> tuple[np.ndarray, list[str]]:
    part = data.same_writers[:n]
    return data.images[part], data.names(part)


def test_there_are_at_least_five() -> None:
    assert len(SHIFTS) >= 5
    assert len({s.name for s in SHIFTS}) == len(SHIFTS)


@EVERY
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_digit_shifted_alone_is_the_same_as_in_any_batch(
    data: Digits, shift: Shift, severity: int
) -> None:
    images, ids = some(data)
    together = shifted(images, shift, severity, ids, seed=0)
    backwards = shifted(images[::-1], shift, severity, ids[::-1], seed=0)[::-1]
    alone = [shifted(images[i : i + 1], shift, severity, ids[i : i + 1], 0)[0] for i in (0, 7, 39)]
    assert np.array_equal(together, backwards)
    assert np.array_equal(together[[0, 7, 39]], np.array(alone))


@EVERY
def test_what_comes_out_is_an_image_and_the_original_is_untouched(
    data: Digits, shift: Shift
) -> None:
    images, ids = some(data)
    before = images.copy()
    for severity in SEVERITIES:
        out = shifted(images, shift, severity, ids, seed=0)
        assert out.shape == images.shape
        assert out.dtype == np.uint8
        assert out.max() <= 16
    assert np.array_equal(images, before)


@EVERY
def test_a_higher_severity_changes_more(data: Digits, shift: Shift) -> None:
    images, ids = some(data, 200)
    change = [
        np.abs(shifted(images, shift, s, ids, seed=0).astype(int) - images.astype(int)).mean()
        for s in SEVERITIES
    ]
    assert change[0] > 0
    assert change == sorted(change)


@pytest.mark.parametrize("name", ["noise", "impulse", "rotate", "translate", "cutout"])
def test_another_seed_draws_anew(data: Digits, name: str) -> None:
    images, ids = some(data)
    first, second = (shifted(images, find_shift(name), 3, ids, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_translation_by_whole_pixels_moves_the_ink() -> None:
    image = np.zeros((8, 8))
    image[4, 4] = 16.0
    moved = find_shift("translate").apply(image, 2.0, np.random.default_rng(0))
    rows, columns = np.indices((8, 8))
    centre = np.array([(rows * moved).sum(), (columns * moved).sum()]) / moved.sum()
    assert np.hypot(*(centre - 4.0)) == pytest.approx(2.0, abs=0.35)


def test_a_rotation_by_a_quarter_turn_is_numpys() -> None:
    image = np.arange(64.0).reshape(8, 8)
    turned = find_shift("rotate").apply(image, 90.0, np.random.default_rng(0))
    assert any(np.allclose(turned, np.rot90(image, k)) for k in (1, 3))


def test_mistakes_are_named() -> None:
    with pytest.raises(NotFound, match="Did you mean 'rotate'"):
        find_shift("rotat")
    with pytest.raises(BadInput, match="1 to 5"):
        shifted(np.zeros((0, 8, 8)), find_shift("blur"), 6, [], seed=0)
