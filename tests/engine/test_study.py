"""Study files and flags: what they mean, and messages that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from heldout.engine.study import merged, parse_target
from heldout.engine.study_file import read_study
from heldout.errors import BadInput, HeldoutError

GOOD = """\
store = "rows"
seed = 3
batch-size = 16

[[model]]
uri = "onnx:net.onnx?size=32"

[[model]]
uri = "onnx:other.onnx"
name = "other"

[[test-set]]
name = "cifar10-test"
path = "images?kind=folder"
shifts = ["clean", "blur:1-2"]
classes = ["all", "cat,dog"]
options = {label = "class"}
"""


def test_a_study_file_says_what_flags_say() -> None:
    study = read_study("study.toml", GOOD)
    assert [m.uri for m in study.models] == ["onnx:net.onnx?size=32", "onnx:other.onnx"]
    assert study.models[1].name == "other"
    assert (study.store, study.seed, study.batch_size) == ("rows", 3, 16)
    (only,) = study.sets
    shifts = ("clean", "blur:1", "blur:2")
    assert only.pairs == tuple((c, s) for c in ("", "cat,dog") for s in shifts)
    assert only.source.path == "images"
    assert dict(only.source.options) == {"kind": "folder", "label": "class"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("seed = 3", "sead = 3"), "study.toml, line 2: there is no key 'sead' here. Did you mean"),
        (("seed = 3", "seed = '3'"), "line 2: 'seed' should be a whole number"),
        (("seed = 3", "seed = true"), "line 2: 'seed' should be a whole number"),
        (("seed = 3", "seed = -3"), "seed may not be negative"),
        (("seed = 3", "seed = 3\nseed = 4"), "not TOML"),
        (("seed = 3", "seed ="), "not TOML"),
        (('name = "other"', 'nam = "other"'), "line 10: there is no key 'nam'"),
        (('uri = "onnx:other.onnx"', ""), "line 8: 'uri' is missing"),
        (("onnx:other.onnx", "onnx:net.onnx?size=32"), None),
        (('shifts = ["clean", "blur:1-2"]', 'shifts = ["blurr:1"]'), "blur"),
        (("path =", "paht ="), "line 14: there is no key 'paht' here. Did you mean 'path'"),
        (("[[test-set]]", "[[test-sets]]"), "Did you mean 'test-set'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(change: tuple[str, str], says: str | None) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    if says is None:
        assert read_study("study.toml", text)  # the same weights twice under two names
        return
    with pytest.raises(HeldoutError) as caught:
        read_study("study.toml", text)
    assert says in str(caught.value)


def test_the_same_model_twice_is_refused() -> None:
    twice = GOOD + '\n[[model]]\nuri = "onnx:net.onnx?size=32"\n'
    with pytest.raises(BadInput, match="there twice"):
        read_study("study.toml", twice)


def test_the_same_test_set_twice_is_refused_with_its_line() -> None:
    twice = GOOD + '\n[[test-set]]\nname = "cifar10-test"\npath = "images"\n'
    with pytest.raises(BadInput, match=r"line 19: the test set 'cifar10-test' is there twice"):
        read_study("study.toml", twice)


def test_a_family_is_its_members_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "fog/3").mkdir(parents=True)
    (tmp_path / "snow/1").mkdir(parents=True)
    sets = merged([parse_target(f"imagenet-c={tmp_path}")])
    assert {s.name for s in sets} == {"imagenet-c.fog.3_on-disk", "imagenet-c.snow.1_on-disk"}
    assert {s.source.path for s in sets} == {f"{tmp_path}/fog/3", f"{tmp_path}/snow/1"}
    with pytest.raises(BadInput, match="holds nothing of imagenet-c"):
        merged([parse_target(f"imagenet-c={tmp_path}/fog")])


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_study("/nowhere/study.toml")


@pytest.mark.parametrize(
    ("text", "name", "lists", "shifts", "path"),
    [
        ("val=/data/val", "val", ("",), ("clean",), "/data/val"),
        ("val=/data/val/blur:2", "val", ("",), ("blur:2",), "/data/val"),
        ("val=/data/val/greyscale", "val", ("",), ("greyscale",), "/data/val"),
        ("val=data/noise:0.1+jpeg:30", "val", ("",), ("noise:0.1+jpeg:30",), "data"),
        ("val@imagenet-a/blur:2=/d", "val", ("imagenet-a",), ("blur:2",), "/d"),
        ("val=/d/blur:1-3", "val", ("",), ("blur:1", "blur:2", "blur:3"), "/d"),
        ("val=memory://x/y", "val", ("",), ("clean",), "memory://x/y"),
    ],
)
def test_targets(
    text: str, name: str, lists: tuple[str, ...], shifts: tuple[str, ...], path: str
) -> None:
    wanted = parse_target(text)
    assert wanted.name == name
    assert wanted.pairs == tuple((c, s) for c in lists for s in shifts)
    assert wanted.source.path == path


def test_a_folder_that_is_called_like_a_shift_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "greyscale").mkdir()
    wanted = parse_target(f"val={tmp_path}/greyscale")
    assert wanted.pairs == (("", "clean"),)
    assert wanted.source.path == f"{tmp_path}/greyscale"


def test_a_class_list_may_be_a_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text("{}")
    file = str(tmp_path / "map.json")
    assert parse_target(f"val@{file}=/d").pairs == ((file, "clean"),)
    assert parse_target(f"val@{file}/blur:1=/d").pairs == ((file, "blur:1"),)


@pytest.mark.parametrize("text", ["val", "=path", "val=", "no equals sign"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(BadInput, match="is no test set"):
        parse_target(text)


def test_lists_and_shifts_of_one_set_are_put_together() -> None:
    sets = merged([parse_target("a=/x"), parse_target("a@cat,dog/blur:1=/x")], ["jpeg:30"])
    (only,) = sets
    assert only.pairs == (
        ("", "clean"), ("cat,dog", "blur:1"), ("", "jpeg:30"), ("cat,dog", "jpeg:30"),
    )  # fmt: skip
    with pytest.raises(BadInput, match="at two places"):
        merged([parse_target("a=/x"), parse_target("a=/y")])
