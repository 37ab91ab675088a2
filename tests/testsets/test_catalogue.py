"""The catalogue against the published lists and the names under which results are imported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from heldout.cli.options import Format
from heldout.errors import BadInput, NotFound
from heldout.imports import cifar10_1, imagenet_sets
from heldout.imports.imagenetv2 import SETS as V2_SETS
from heldout.testsets.catalogue import (
    baseline_of,
    class_list,
    known,
    names,
    setting_name,
    setting_row,
    unknown,
)
from heldout.testsets.class_map import home
from heldout.testsets.spaces import space
from realdata import published

SUBSETS = (
    "val-on-imagenet-a-classes",
    "val-on-imagenet-r-classes",
    "val-on-objectnet-classes",
    "val-on-vid-robust-classes",
    "val-on-ytbb-robust-classes",
    "val_subsampled_class_1_8",
    "imagenetv2-matched-frequency-format-val_subsampled_class_1_8",
)


def _of_imagenet() -> list[str]:
    found = [n for n in names() if known(n).space == "imagenet-1k"]  # type: ignore[union-attr]
    return [n for n in found if n not in ("imagenet-c", "imagenet-vid-robust", "ytbb-robust")]


@pytest.mark.parametrize("name", [*_of_imagenet(), *SUBSETS, "imagenet-c.fog.3_on-disk"])
def test_a_row_is_the_one_that_results_are_imported_under(name: str) -> None:
    imported = imagenet_sets.setting(name)
    assert imported is not None
    mine = setting_row(name)
    assert mine.pop("label_set") == name
    assert {k: v for k, v in mine.items() if v is not None} == {
        k: v for k, v in imported.items() if v is not None
    }


@pytest.mark.parametrize("version", ["original", "v4", "v6"])
def test_cifars_rows_are_those_of_the_import(version: str) -> None:
    imported = cifar10_1._setting(version)
    mine = setting_row(imported["setting"])
    assert {k: v for k, v in mine.items() if v is not None} == {
        k: v for k, v in imported.items() if v is not None
    }


def test_every_set_that_is_imported_with_examples_is_known() -> None:
    imported = {v[0] for v in V2_SETS.values()} - {"imagenet-annotatedval20k"}
    assert imported | {v[0] for v in cifar10_1.SETS.values()} <= set(names())


def test_every_entry_is_whole() -> None:
    for name in [*names(), *SUBSETS]:
        entry = known(name)
        assert entry is not None
        assert entry.name == name
        assert entry.about
        assert len(entry.about) <= 40
        assert entry.row["setting"] == name
        assert "{" not in entry.row["description"]
        width = len(entry.classes.classes if entry.classes else space(entry.space).classes)
        if entry.per_class is not None:
            assert sum(entry.per_class) == entry.n
            assert len(entry.per_class) == width
        base = baseline_of(name)
        if base is not None:
            assert entry.row["baseline"] == setting_name(base[0], base[1])
            assert known(base[0]).space == entry.space  # type: ignore[union-attr]


@pytest.mark.data
def test_class_lists_are_the_testbeds() -> None:
    path = published("golden") / "testbed_class_lists.json"
    golden = json.loads(path.read_text())
    here = space("imagenet-1k")
    for name in ("imagenet-a", "imagenet-r"):
        assert [m for (m,) in class_list(name, here).members] == golden[name]
    assert [m for (m,) in class_list("class_1_8", here).members] == golden["class_sublist_1_8"]
    for name in ("imagenet-vid-robust", "ytbb-robust"):
        members = [i for m in class_list(name, here).members for i in m]
        assert sorted(members) == golden[name]
    objectnet = class_list("objectnet", here)
    folders = golden["objectnet_folder_to_imagenet"]
    assert dict(zip(objectnet.classes, map(list, objectnet.members), strict=True)) == folders
    metadata = published("imagenet-testbed") / "imagenet-testbed/src/eval_settings"
    every = json.loads((metadata / "objectnet_metadata/folder_to_objectnet_label.json").read_text())
    entry = known("objectnet")
    assert entry is not None
    assert set(every) == {*objectnet.classes, *entry.ignored}
    assert [every[c] for c in objectnet.classes] == list(objectnet.class_names)


@pytest.mark.data
def test_the_video_classes_keep_their_published_numbers() -> None:
    metadata = published("imagenet-testbed") / "imagenet-testbed/src/eval_settings"
    here = space("imagenet-1k")
    for name, classes in (("imagenet-vid-robust", 30), ("ytbb-robust", 24)):
        found = class_list(name, here)
        assert len(found.classes) == classes
        idx = json.loads((metadata / f"{name}_metadata/class_idx_map.json").read_text())
        expected = np.full(1000, -1)
        expected[[int(i) for i in idx]] = list(idx.values())
        np.testing.assert_array_equal(home(found, 1000), expected)
    called = json.loads((metadata / "ytbb-robust_metadata/ytbb_class_index.json").read_text())
    assert list(class_list("ytbb-robust", here).classes) == [called[str(i)] for i in range(24)]
    unmapped = [c for c, m in zip(found.classes, found.members, strict=True) if not m]
    assert unmapped == ["cow", "giraffe", "skateboard", "toilet", "none"]
    vid = class_list("imagenet-vid-robust", here)
    assert vid.classes[26] == "turtle"
    assert vid.members[26] == (33, 34, 35, 36, 37)
    # Every name is that of the animals and things under it.
    words = {"dog": "Chihuahua", "bird": "cock", "train": "bullet train", "zebra": "zebra"}
    for name, member in words.items():
        at = vid.classes.index(name)
        assert here.class_names[vid.members[at][0]] == member


def test_sizes_of_clean_subsets() -> None:
    sizes = {n: known(n).n for n in SUBSETS}  # type: ignore[union-attr]
    assert list(sizes.values()) == [10_000, 10_000, 6_250, 14_400, 11_550, 6_250, 1_250]
    objectnet = known("val-on-objectnet-classes")
    assert objectnet is not None
    assert objectnet.per_class is not None
    assert objectnet.classes is not None
    chair = objectnet.classes.classes.index("chair")
    assert objectnet.per_class[chair] == 150


def test_baselines() -> None:
    assert baseline_of("imagenet-a") == ("imagenet-val", "imagenet-a")
    assert baseline_of("objectnet") == ("imagenet-val", "objectnet-1.0-beta")
    assert baseline_of("ytbb-robust") == ("imagenet-val", "ytbb-robust")
    assert baseline_of("imagenet-sketch") == ("imagenet-val", "")
    assert baseline_of("imagenet-c.snow.5_on-disk") == ("imagenet-val", "")
    assert baseline_of("cifar10-c.snow.5") == ("cifar10-test", "")
    for none in ("imagenet-val", "cifar10-test", "val-on-imagenet-a-classes", "my-set"):
        assert baseline_of(none) is None


def test_names_of_settings() -> None:
    assert setting_name("imagenet-val", "imagenet-a") == "val-on-imagenet-a-classes"
    assert setting_name("imagenet-val", "objectnet") == "val-on-objectnet-classes"
    assert setting_name("imagenet-val", "imagenet-a", "fog:3") == "imagenet-val@imagenet-a/fog:3"
    assert setting_name("imagenet-a", "imagenet-a") == setting_name("imagenet-a", "own")
    assert setting_name("imagenet-a", "own") == "imagenet-a"
    assert setting_name("imagenet-a", "imagenet-1k") == "imagenet-a@imagenet-1k"
    assert setting_name("mine", "cat,dog", "jpeg:30") == "mine@cat,dog/jpeg:30"
    assert setting_name("objectnet") == "objectnet-1.0-beta"
    # Words that are aliases in a store, but common enough to be somebody's own set.
    for common in ("val", "original", "v4", "v6", "cifar10"):
        assert known(common) is None
        assert setting_name(common) == common


def test_rows_of_shifts() -> None:
    row = setting_row("imagenet-val", "imagenet-a", "fog:3", 10_000)
    assert row["setting"] == "imagenet-val@imagenet-a/fog:3"
    assert row["baseline"] == row["label_set"] == "val-on-imagenet-a-classes"
    assert (row["group"], row["corruption"], row["severity"]) == ("synthetic", "fog", 3)
    assert row["n"] == 10_000
    assert row["aliases"] == "val-on-imagenet-a-classes/fog:3"
    several = setting_row("mine", None, "noise:0.1+jpeg:30", 7)
    assert (several["corruption"], several["severity"]) == ("noise+jpeg", None)
    assert several["baseline"] == several["label_set"] == "mine"
    assert several["aliases"] is None
    assert setting_row("mine", None, "noise:0.1")["severity"] == 0.1
    assert setting_row("mine", None, "flip")["severity"] is None


def test_rows_of_other_sets_and_lists() -> None:
    assert setting_row("mine", None, None, 5) == {"setting": "mine", "label_set": "mine", "n": 5}
    some = setting_row("mine", "cat,dog", None, 5)
    assert (some["setting"], some["group"], some["baseline"]) == (
        "mine@cat,dog", "clean-subset", None,
    )  # fmt: skip
    v2 = setting_row("imagenetv2-matched-frequency", "imagenet-a", None, 2000)
    assert v2["baseline"] == "val-on-imagenet-a-classes"
    assert v2["group"] == "replicate"
    wide = setting_row("imagenet-a", "imagenet-1k")
    assert (wide["baseline"], wide["n"]) == ("imagenet-val", None)


def test_families() -> None:
    entry = known("imagenet-c")
    assert entry is not None
    assert len(entry.parts) == len(set(entry.parts)) == 95
    assert ("imagenet-c.glass_blur.1_on-disk", "glass_blur/1") in entry.parts
    for name, _ in entry.parts:
        part = known(name)
        assert part is not None
        assert part.parts == ()
    row = setting_row("cifar10-c.motion_blur.2")
    assert (row["corruption"], row["severity"], row["baseline"]) == (
        "motion_blur", 2, "cifar10-test",
    )  # fmt: skip
    assert row["description"] == "CIFAR-10-C: motion blur, severity 2"
    assert known("imagenet-c.fog.6_on-disk") is None
    assert known("imagenet-c.fog.3_in-memory") is None


def test_class_lists_of_every_kind(tmp_path: Path) -> None:
    cifar, imagenet = space("cifar10"), space("imagenet-1k")
    assert class_list("cat, car", cifar).classes == ("automobile", "cat")
    assert class_list("cat", cifar).classes == ("cat",)
    assert len(class_list("imagenet-1k", imagenet).classes) == 1000
    assert len(class_list("imagenet-val", imagenet).classes) == 1000
    assert class_list("mine", cifar, {"mine": ["dog", "plane"]}).classes == ("airplane", "dog")
    path = tmp_path / "some.txt"
    path.write_text("# two of them\nn01440764\n\ngoldfish\n")
    assert class_list(str(path), imagenet).members == ((0,), (1,))
    assert setting_name("imagenet-val", str(path)) == "imagenet-val@some"


def test_class_lists_that_cannot_be(tmp_path: Path) -> None:
    cifar, imagenet = space("cifar10"), space("imagenet-1k")
    with pytest.raises(BadInput, match="'imagenet-a' lists classes of imagenet-1k"):
        class_list("imagenet-a", cifar)
    with pytest.raises(NotFound, match="Did you mean 'imagenet-a'"):
        class_list("imagnet-a", imagenet)
    with pytest.raises(NotFound, match="no class 'dgo'"):
        class_list("cat,dgo", cifar)
    with pytest.raises(BadInput, match="name of 2 classes"):
        class_list("crane,hen", imagenet)
    empty = tmp_path / "none.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(BadInput, match="no classes in it"):
        class_list(str(empty), imagenet)


def test_the_command_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from heldout.cli.testsets import command

    command(None)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text.split("Use one by")[0]
    for name in names():
        assert name in text
    for name in [*names(), *SUBSETS, "cifar10-c.fog.3"]:
        command(name)
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        assert "On disk: " in text
    command("imagenet-a", Format.json)
    table = json.loads(capsys.readouterr().out)
    values = {r["what"]: r["value"] for r in table["rows"]}
    assert values["clean baseline"] == "val-on-imagenet-a-classes (imagenet-val@imagenet-a)"
    with pytest.raises(NotFound, match="Did you mean 'imagenet-a'"):
        command("imagnet-a")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("imagenet", "imagenet-val"), ("ImageNet-1k", "imagenet-val"),
        ("imagenet_val", "imagenet-val"), ("ilsvrc2012", "imagenet-val"),
        ("cifar10", "cifar10-test"), ("cifar-10", "cifar10-test"), ("CIFAR", "cifar10-test"),
        ("imagenetv2", "imagenetv2-matched-frequency"),
        ("imagenet-v2", "imagenetv2-matched-frequency"),
        ("imagnet-a", "imagenet-a"), ("imagenet-sketsh", "imagenet-sketch"),
        ("cifar10.1", "cifar10.1-v6"),
    ],
)  # fmt: skip
def test_the_set_that_is_meant_comes_first(name: str, meant: str) -> None:
    """What people call a set, and plain misspellings."""
    assert known(name) is None
    said = str(unknown(name)).partition("Did you mean ")[2]
    assert said.startswith(f"'{meant}'")
