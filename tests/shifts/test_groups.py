"""Words for many shifts, and the corruptions as shifts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.shifts import corruptions
from heldout.shifts.catalogue import (
    Applied,
    Step,
    expand,
    find,
    groups,
    on_disk,
    parse,
    shifted,
    with_photographs,
)
from heldout.shifts.corruptions.constants import EXTRA_KINDS, KINDS
from heldout.shifts.imagenet_c import DETERMINISTIC
from heldout.shifts.shift import Shift, generator, no_number

GREY = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)


def test_one_word_for_75_settings() -> None:
    """The 15 corruptions come in the papers' order, each with its five severities."""
    texts = expand("imagenet-c")
    assert texts == [f"{k}:{n}" for k in KINDS for n in range(1, 6)]
    assert expand("imagenet-c-extra") == [f"{k}:{n}" for k in EXTRA_KINDS for n in range(1, 6)]
    assert expand("imagecorruptions")[:2] == [
        "imagecorruptions.gaussian_noise:1",
        "imagecorruptions.gaussian_noise:2",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imagenet-c-extra:3", [f"{k}:3" for k in EXTRA_KINDS]),
        ("imagenet-c-extra:2-3", [f"{k}:{n}" for n in (2, 3) for k in EXTRA_KINDS]),
        ("imagenet-c-extra:1,5", [f"{k}:{n}" for n in (1, 5) for k in EXTRA_KINDS]),
        ("blur:1, imagenet-c-extra:3.0", ["blur:1", *(f"{k}:3" for k in EXTRA_KINDS)]),
        ("imagenet-c-extra:3+jpeg:85", [f"{k}:3+jpeg:85" for k in EXTRA_KINDS]),
        ("fog:1-2,4", ["fog:1", "fog:2", "fog:4"]),
    ],
)
def test_groups_take_numbers_and_chains(text: str, expected: list[str]) -> None:
    assert expand(text) == expected


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (
            "imagenet-c:6",
            BadInput,
            "no shift of the group 'imagenet-c' has the number '6'; the numbers go from 1 to 5",
        ),
        ("imagenet-c:x", BadInput, "has the number 'x'"),
        ("imagent-c", NotFound, "Did you mean 'imagenet-c'"),
        ("fog:0", BadInput, "from 1 to 5"),
        ("fog:6", BadInput, "from 1 to 5"),
        ("fog:2.5", BadInput, "whole number"),
        ("fog", BadInput, "a number is missing"),
        ("gausian_noise:3", NotFound, "Did you mean 'gaussian_noise'"),
        ("imagenet-c.fog:3", NotFound, "Did you mean 'fog'"),
    ],
)
def test_bad_texts(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        expand(text)


def test_a_group_is_not_one_shift() -> None:
    with pytest.raises(BadInput, match="several shifts"):
        parse("imagenet-c")


def test_every_member_of_every_group_is_a_shift_in_its_one_spelling() -> None:
    for name, group in groups().items():
        assert list(group.members) == expand(name)
        assert len(set(group.members)) == len(group.members) > 3
        assert group.about


@pytest.mark.parametrize("kind", [*KINDS, *EXTRA_KINDS])
@pytest.mark.parametrize("prefix", ["", "imagecorruptions."])
def test_every_corruption_by_seed_severity_and_example(kind: str, prefix: str) -> None:
    """The same again gives the same bits; seed, example and severity change what is random."""
    pytest.importorskip("cv2")
    first = shifted(GREY, parse(f"{prefix}{kind}:3"), 0, "a")
    assert first.shape == GREY.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, GREY)
    np.testing.assert_array_equal(shifted(GREY, parse(f"{prefix}{kind}:3"), 0, "a"), first)
    others = [
        shifted(GREY, parse(f"{prefix}{kind}:3"), seed, example)
        for seed, example in ((1, "a"), (0, "b"), (2, "c"))
    ]
    changed = any(not np.array_equal(other, first) for other in others)
    assert changed == find(prefix + kind).random == (kind not in DETERMINISTIC)
    worse = shifted(GREY, parse(f"{prefix}{kind}:5"), 0, "a")
    assert not np.array_equal(worse, first)


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_random_numbers_come_from_a_generator(rng: object) -> None:
    pytest.importorskip("cv2")
    for kind in (*KINDS, *EXTRA_KINDS):
        if kind not in DETERMINISTIC:
            with pytest.raises(BadInput, match="draws from a numpy"):
                getattr(corruptions, kind)(GREY, 3, rng)


def test_photographs_are_not_a_folder() -> None:
    pytest.importorskip("cv2")
    with pytest.raises(BadInput, match="read_photographs"):
        corruptions.frost(GREY, 3, np.random.default_rng(0), photographs="frost")  # type: ignore[arg-type]


def test_a_shift_cannot_change_what_others_see() -> None:
    """A plug-in that writes into its input is stopped; the pixels stay."""

    def spoil(image: np.ndarray, number: float, rng: np.random.Generator) -> np.ndarray:
        image[:] = 0
        return image

    spoiler = Shift("spoil", "writes into its input", False, "", spoil, no_number)
    before = GREY.copy()
    with pytest.raises(ValueError, match="read-only"):
        shifted(GREY, Applied("spoil", (Step(spoiler, 0.0, "spoil", "spoil"),)), 0, "a")
    np.testing.assert_array_equal(GREY, before)
    out = shifted(GREY, parse("geirhos.rotation:0"), 0, "a")
    assert out.flags.writeable
    assert not np.shares_memory(out, GREY)


def test_on_disk_and_photographs_by_text() -> None:
    texts = [
        "clean",
        "fog:3",
        "fog:3+jpeg:50",
        "fog:3+jpeg:50+brightness:2",
        "blur:1",
        "blur:1+fog:2",
    ]
    assert on_disk(texts, 85) == [
        "clean", "fog:3+jpeg:85", "fog:3+jpeg:50", "fog:3+jpeg:50+brightness:2+jpeg:85", "blur:1",
        "blur:1+fog:2+jpeg:85",
    ]  # fmt: skip
    texts = ["frost:3", "blur:1+frost:3", "imagecorruptions.frost:2", "my.frost:3", "frostier:1"]
    assert with_photographs(texts) == [
        "frost_photographs:3", "blur:1+frost_photographs:3", "imagecorruptions.frost_photographs:2",
        "my.frost:3", "frostier:1",
    ]  # fmt: skip


def test_shifts_that_share_their_random_numbers() -> None:
    """The frames of a sequence have one stream; other shifts have one for every number."""
    for name in ("noise", "fog"):
        assert not find(name).shares
    for text, step in ((t, parse(t).steps[-1]) for t in ("blur:1+noise:0.5", "fog:2")):
        assert step.stream == text
    a, b = generator(0, "fog:2", "x"), generator(0, "fog:3", "x")
    assert a.random() != b.random()


def test_without_opencv_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    """Names and help work without it; a corrupted image needs it."""
    (tmp_path / "cv2.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    code = (
        "import numpy as np\n"
        "from heldout.errors import BadInput\n"
        "from heldout.shifts.catalogue import names, parse, shifted\n"
        "assert 'fog' in names()\n"
        "try:\n"
        "    shifted(np.zeros((8, 8, 3), np.uint8), parse('fog:3'), 0, 'a')\n"
        "except BadInput as error:\n"
        "    print(error)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert "pip install 'heldout[shifts]'" in out.stdout
