"""Corruptions in a run: settings that say what was done, the same rows however they are made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyset
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.engine.study_file import read_study
from heldout.errors import BadInput, ConflictError
from heldout.shifts.corruptions.constants import KINDS
from heldout.store.read import Store
from tinyset import rows

pytest.importorskip("cv2")


def study(path: Path, *shifts: str, per_class: int = 4, **choices: object) -> Study:
    if not (path / "images").exists():
        tinyset.folder(path / "images", per_class=per_class, size=24)
    uri = tinyset.model(path)
    sets = merged([parse_target(f"squares={path / 'images'}")], shifts)
    return Study((WantedModel(uri, "one"),), sets, str(path / "store"), **choices)  # type: ignore[arg-type]


def test_all_75_settings_by_one_word(tmp_path: Path) -> None:
    """One word runs 75 settings beside the clean one, and each says what it is."""
    plan, done = run(study(tmp_path, "imagenet-c"))
    assert done.predictions == 76 * 12
    settings = Store.open(plan.study.store).settings()
    assert len(settings) == 76
    row = settings["squares/snow:4"]
    assert row["group"] == "corruption"
    assert row["subgroup"] == "imagenet-c"
    assert row["corruption"] == "snow"
    assert row["severity"] == 4
    assert row["medium"] == "in-memory"
    assert row["baseline"] == "squares"
    assert {r.get("corruption") for r in settings.values()} == {None, *KINDS}


def test_batches_workers_and_parts_change_no_bit(tmp_path: Path) -> None:
    """Random corruptions of every family: by seed, corruption, severity and example alone."""
    shifts = ("imagenet-c:2,5", "imagenet-c-extra:4", "imagecorruptions.snow:3+jpeg:85")
    whole = study(tmp_path, *shifts)
    run(whole)
    first = rows(whole.store)
    other = replace(
        study(tmp_path, *reversed(shifts)), store=str(tmp_path / "other"), batch_size=5, workers=3,
        shard_size=7,
    )  # fmt: skip
    run(other, only=(1, 2))
    run(other)
    assert rows(other.store) == first
    seeded = replace(whole, store=str(tmp_path / "seeded"), seed=1)
    run(seeded)
    assert rows(seeded.store) != first


def test_on_disk_and_in_memory_are_told_apart(tmp_path: Path) -> None:
    plan, _ = run(study(tmp_path, "fog:3,imagecorruptions.fog:1,blur:1", jpeg=85))
    settings = Store.open(plan.study.store).settings()
    assert set(settings) == {
        "squares", "squares/blur:1", "squares/fog:3+jpeg:85",
        "squares/imagecorruptions.fog:1+jpeg:85",
    }  # fmt: skip
    assert settings["squares/fog:3+jpeg:85"]["medium"] == "on-disk"
    assert settings["squares/fog:3+jpeg:85"]["corruption"] == "fog"
    assert settings["squares/imagecorruptions.fog:1+jpeg:85"]["subgroup"] == "imagecorruptions"
    assert settings["squares/blur:1"].get("medium") is None


def photographs(path: Path, seed: int) -> Path:
    """A folder with six small pictures under the photographs' names."""
    path.mkdir()
    rng = np.random.default_rng(seed)
    for name in (
        "frost1.png",
        "frost2.png",
        "frost3.png",
        "frost4.jpg",
        "frost5.jpg",
        "frost6.jpg",
    ):
        pixels = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path / name)
    return path


def test_photographs_make_a_setting_of_their_own(tmp_path: Path) -> None:
    """Own textures and photographs are never taken for each other, nor two folders."""
    first = photographs(tmp_path / "a", 0)
    asked = study(tmp_path, "frost:2,imagecorruptions.frost:2", frost=str(first))
    plan, _ = run(asked)
    settings = Store.open(plan.study.store).settings()
    names = {"squares/frost_photographs:2", "squares/imagecorruptions.frost_photographs:2"}
    assert set(settings) == {"squares", *names}
    assert {settings[n]["corruption"] for n in names} == {"frost"}
    _, again = run(asked)
    assert again.predictions == 0
    with pytest.raises(ConflictError, match="materials of the shift"):
        run(replace(asked, frost=str(photographs(tmp_path / "b", 1))))


def test_photographs_stay_while_a_run_goes_on(tmp_path: Path) -> None:
    """A folder that changes after the plan was made changes no row."""
    folder = photographs(tmp_path / "a", 0)
    asked = study(tmp_path, "frost:4", frost=str(folder), shard_size=3, workers=1)
    run(asked)
    first = rows(asked.store)
    other = photographs(tmp_path / "b", 1)
    spoil = f"""
        import shutil
        for name in os.listdir({str(other)!r}):
            shutil.copy(os.path.join({str(other)!r}, name), {str(folder)!r})
    """
    uri = tinyset.model(tmp_path / "sly", before=spoil)
    sly = replace(asked, models=(WantedModel(uri, "one"),), store=str(tmp_path / "sly-store"))
    run(sly)
    assert rows(sly.store) == first


def test_flags_that_change_nothing_are_said(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "a", 0)
    plan, _ = run(study(tmp_path, "blur:1", jpeg=85, frost=str(folder)))
    assert [n for n in plan.notes if "changes nothing" in n] == [
        "no shift of this run is a corruption, so --jpeg changes nothing",
        "frost is not among the shifts of this run, so --frost changes nothing",
    ]
    plan, _ = run(study(tmp_path, "frost:1", jpeg=85, frost=str(folder)))
    assert not [n for n in plan.notes if "changes nothing" in n]


def test_without_the_photographs_nothing_is_begun(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("HELDOUT_FROST", raising=False)
    with pytest.raises(BadInput, match="--frost FOLDER"):
        run(study(tmp_path, "frost_photographs:2"))
    with pytest.raises(BadInput, match="frost"):
        run(study(tmp_path, "frost:2", frost=str(tmp_path)))
    assert not (tmp_path / "store" / "predictions").exists()


def test_a_study_file_says_the_same(tmp_path: Path) -> None:
    wanted = study(tmp_path, "imagenet-c:1")
    text = f"""
store = "{wanted.store}"
jpeg = 85
[[model]]
uri = "{wanted.models[0].uri}"
[[test-set]]
name = "squares"
path = "{tmp_path / "images"}"
shifts = ["clean", "imagenet-c:1"]
"""
    plan, _ = run(read_study("study.toml", text))
    assert [s.name for s in plan.settings][:2] == ["squares", "squares/gaussian_noise:1+jpeg:85"]
    assert len(plan.settings) == 16


@pytest.mark.parametrize("quality", [-1, 101])
def test_bad_qualities(tmp_path: Path, quality: int) -> None:
    with pytest.raises(BadInput, match="quality"):
        study(tmp_path, "fog:1", jpeg=quality)
