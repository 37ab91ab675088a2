"""The engine from folders of images to rows: the same rows however they are made."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import tinyset
from heldout.engine.loading import passes, planned
from heldout.engine.resume import shards_to_do
from heldout.engine.run import Done, computed, run, size_of
from heldout.engine.study import Study, WantedModel, WantedSet, merged, parse_target
from heldout.errors import BadInput, ConflictError, NotFound
from heldout.store.compact import compact
from heldout.store.read import Store
from tinyset import SHIFTS, rows, study


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Study, dict[tuple[str, str, str], tuple[object, ...]]]:
    wanted = study(tmp_path)
    run(wanted)
    return wanted, rows(wanted.store)


def test_every_model_on_every_setting(whole: tuple[Study, dict]) -> None:
    wanted, found = whole
    assert len(found) == 2 * 4 * 60
    assert {s for s, _, _ in found} == {"squares", *(f"squares/{s}" for s in SHIFTS)}
    clean = Store.open(wanted.store).label_set_of("squares")
    assert clean is not None
    assert clean.classes == ["blue", "green", "red"]
    right = sum(
        found["squares", "one", e][0] == label
        for e, label in zip(clean.examples, clean.label, strict=True)
    )
    assert 40 <= right < 60  # a fifth of the squares has another class's colour


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 1},
        {"batch_size": 7, "workers": 3},
        {"shard_size": 5, "workers": 1},
        {"shard_size": 1000, "batch_size": 60},
    ],
)
def test_batches_shards_and_workers_change_nothing(
    tmp_path: Path, whole: tuple[Study, dict], changes: dict[str, int]
) -> None:
    other = replace(whole[0], store=str(tmp_path / "other"), **changes)
    run(other)
    assert rows(other.store) == whole[1]


def test_another_seed_changes_random_shifts_only(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    other = replace(whole[0], store=str(tmp_path / "other"), seed=1)
    run(other)
    differing = {key[0] for key, row in rows(other.store).items() if row != whole[1][key]}
    assert differing == {"squares/noise:0.2", "squares/noise:0.1+jpeg:30"}


def test_what_is_there_is_not_run_again(whole: tuple[Study, dict]) -> None:
    _, done = run(whole[0])
    assert (done.predictions, done.there, done.images) == (0, 480, 0)
    assert rows(whole[0].store) == whole[1]


def test_a_limit_then_the_rest(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    part = replace(whole[0], store=str(tmp_path / "part"), limit=10)
    _, first = run(part)
    assert first.predictions == 10 * 8
    examples = {e.split("/")[0] for _, _, e in rows(part.store)}
    assert examples == {"blue", "green", "red"}  # spread over a set that is sorted by class
    _, second = run(replace(part, limit=0))
    assert (second.predictions, second.there) == (480 - 80, 80)
    assert rows(part.store) == whole[1]


def test_parts_of_an_array_job_make_the_whole(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    part = replace(whole[0], store=str(tmp_path / "parts"))
    sizes = [run(part, only=(i, 3))[1].predictions for i in (1, 2, 3)]
    assert sum(sizes) == 480
    assert min(sizes) > 0
    assert rows(part.store) == whole[1]


def test_one_more_model_and_one_more_shift_run_alone(whole: tuple[Study, dict]) -> None:
    more = replace(
        whole[0],
        models=(*whole[0].models, WantedModel(whole[0].models[0].uri, "third")),
        sets=merged(whole[0].sets, ["jpeg:10"]),
    )
    _, done = run(more)
    assert done.predictions == 4 * 60 + 3 * 60
    found = rows(more.store)
    assert {k: v for k, v in found.items() if k in whole[1]} == whole[1]
    assert all(found["squares", "third", e] == v for (s, m, e), v in whole[1].items()
               if (s, m) == ("squares", "one"))  # fmt: skip


def test_the_same_name_for_another_model_is_refused_then_replaced(
    tmp_path: Path, whole: tuple[Study, dict]
) -> None:
    tinyset.model(tmp_path / "models", "one", 5.0)
    with pytest.raises(ConflictError, match="other weights"):
        run(whole[0])
    assert rows(whole[0].store) == whole[1]
    run(whole[0], replace_rows=True)
    found = rows(whole[0].store)
    assert len(found) == 480
    assert {k[1] for k, v in found.items() if v != whole[1][k]} == {"one"}
    _, again = run(whole[0])
    assert again.predictions == 0


def test_an_unreadable_image_is_an_error_row(tmp_path: Path) -> None:
    wanted = study(tmp_path)
    tinyset.damaged(tmp_path / "images", ["blue/0003.png", "red/0019.png"])
    (tmp_path / "images/green/0000.png").write_bytes(b"")
    _, done = run(wanted)
    assert sorted(e for _, e, _ in done.unreadable) == [
        "blue/0003.png", "green/0000.png", "red/0019.png",
    ]  # fmt: skip
    found = rows(wanted.store)
    assert len(found) == 480
    broken = found["squares/blur:1", "two", "green/0000.png"]
    assert broken[0] == -1
    assert "empty" in str(broken[3])
    _, again = run(wanted)
    assert again.predictions == 0


def test_scores_that_are_not_numbers_are_counted(tmp_path: Path) -> None:
    uri = tinyset.model(tmp_path / "models", "hollow", before="images = images * np.nan")
    tinyset.folder(tmp_path / "images")
    sets = merged([parse_target(f"squares={tmp_path}/images")])
    wanted = Study((WantedModel(uri),), sets, str(tmp_path / "rows"))
    _, done = run(wanted)
    assert done.not_numbers == {"hollow": 60}
    assert all(row[0] == -1 for row in rows(wanted.store).values())


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("squares={}/nowhere", BadInput, "nowhere"),
        ("squares@purple={}/images", NotFound, "purple"),
        ("imagenet-val={}/images", BadInput, "class 'blue'|classes"),
    ],
)
def test_sets_that_do_not_fit(
    tmp_path: Path, target: str, error: type[Exception], says: str
) -> None:
    wanted = study(tmp_path)
    sets = merged([parse_target(target.format(tmp_path))])
    with pytest.raises((error, NotFound), match=says):
        run(replace(wanted, sets=sets))
    assert not Path(wanted.store).exists()


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    wanted = study(tmp_path)
    (tmp_path / "images/yellow").mkdir()
    source = tmp_path / "images/blue/0000.png"
    (tmp_path / "images/yellow/0000.png").write_bytes(source.read_bytes())
    with pytest.raises(BadInput, match="yellow"):
        run(wanted)


def test_restricted_to_some_classes(tmp_path: Path) -> None:
    wanted = study(tmp_path)
    sets = merged([parse_target(f"squares@blue,red={tmp_path}/images")])
    run(replace(wanted, sets=sets))
    found = rows(wanted.store)
    assert {k[0] for k in found} == {"squares@blue,red"}
    assert len(found) == 2 * 40
    assert {row[0] for row in found.values()} == {0, 1}


def test_fed_from_threads_or_whole_in_each_thread(whole: tuple[Study, dict]) -> None:
    """The order of work that a GPU wants gives what the order that a CPU wants gives."""
    plan, models = planned(whole[0])
    shards = shards_to_do(plan, None)
    found = []
    for feed in (False, True):
        rows_of: dict[tuple[str, str], list[int]] = {}
        for collected, _ in computed(plan, models, shards, feed=feed):
            for key, parts in (collected.rows if collected else {}).items():
                for positions, answer in parts:
                    pairs = zip(positions, answer.predicted.tolist(), strict=True)
                    rows_of.setdefault(key, []).extend(int(1000 * p + a) for p, a in pairs)
        found.append(rows_of)
    assert found[0] == found[1]
    assert sum(map(len, found[0].values())) == 480


def test_a_store_at_a_url(whole: tuple[Study, dict]) -> None:
    remote = replace(whole[0], store="memory://engine-at-a-url")
    run(replace(remote, limit=7))
    _, done = run(remote)
    assert done.there == 7 * 8
    assert rows(remote.store) == whole[1]


def test_models_that_do_not_fit_together_run_in_passes(whole: tuple[Study, dict]) -> None:
    plan, _ = planned(whole[0])
    heavy = {n: replace(a, bytes=60) for n, a in plan.abouts.items()}
    assert passes(heavy, 100) == [["one"], ["two"]]
    assert passes(heavy, 120) == [["one", "two"]]
    assert passes(heavy, 1) == [["one"], ["two"]]
    for shard in shards_to_do(plan, None):
        halves = [shard.of_models([name]) for name in plan.abouts]
        assert sum(size_of(h) for h in halves if h) == size_of(shard)
        assert shard.of_models(["none"]) is None


def start(wanted: Study, tmp_path: Path) -> subprocess.Popen[bytes]:
    """The study in a process of its own, by the command line."""
    command = [sys.executable, "-m", "heldout", "run", f"squares={tmp_path}/images",
               "--store", wanted.store, "--shard-size", "16", "--batch-size", "4"]  # fmt: skip
    for m in wanted.models:
        command += ["-m", m.uri]
    for s in SHIFTS:
        command += ["--shift", s]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(wanted: Study) -> int:
    """Rows that are in a store now, whatever its state."""
    try:
        return len(rows(wanted.store))
    except Exception:
        return 0


def test_killed_at_random_moments_then_resumed(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    """kill -9 again and again; what is resumed repeats at most a shard and ends with the same."""
    slow = study(tmp_path, "killed")
    for name, sharpness in (("one", 0.05), ("two", 0.5)):
        tinyset.model(tmp_path / "models", name, sharpness, before="time.sleep(0.04)")
    rng = random.Random(7)
    seen = []
    for _ in range(4):
        process = start(slow, tmp_path)
        before, deadline = finished(slow), time.monotonic() + 30
        while finished(slow) <= before and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        seen.append(finished(slow))
    assert seen == sorted(seen)
    assert 0 < seen[0] < 480
    last = start(slow, tmp_path)
    _, said = last.communicate(timeout=120)
    assert last.returncode == 0, said
    assert rows(slow.store) == whole[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this test mounts a small file system, which needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_in_the_middle(
    tmp_path: Path, small_disk: Path, whole: tuple[Study, dict]
) -> None:
    """A sentence and exit code 2; what was finished stays, and with room again it goes on."""
    full = study(tmp_path, "disk/rows")
    run(replace(full, limit=2))  # the small tables
    there = sum(f.stat().st_size for f in small_disk.rglob("*") if f.is_file())
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (256 * 1024 - there - 60 * 1024))
    process = start(full, tmp_path)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert b"No space left" in said
    assert b"Traceback" not in said
    kept = rows(full.store)
    assert 0 < len(kept) < 480
    assert all(whole[1][k] == v for k, v in kept.items())
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    _, done = run(full)
    assert done.there == len(kept)
    assert rows(full.store) == whole[1]


def test_two_runs_at_once_end_with_the_same_rows(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    both = study(tmp_path, "both")
    processes = [start(both, tmp_path) for _ in range(2)]
    for p in processes:
        _, said = p.communicate(timeout=120)
        assert p.returncode == 0, said
    assert rows(both.store) == whole[1]


def test_what_a_run_did_can_be_added_up() -> None:
    a = Done(1, 2, 3, 1, unreadable=[("s", "e", "why")], not_numbers={"m": 1})
    a.add(Done(4, 0, 5, 1, unreadable=[("s", "e", "why")], not_numbers={"m": 2, "k": 1}))
    assert (a.predictions, a.there, a.images, a.shards) == (5, 2, 8, 2)
    assert a.unreadable == [("s", "e", "why")]
    assert a.not_numbers == {"m": 3, "k": 1}


def test_back_and_forth_with_replace(tmp_path: Path) -> None:
    """Rows that were replaced and come back are the rows that count, whatever the shards."""
    wanted = study(tmp_path)
    one = replace(wanted, models=wanted.models[:1])
    versions = {}
    for sharpness in (0.05, 5.0):
        tinyset.model(tmp_path / "models", "one", sharpness)
        apart = replace(one, store=str(tmp_path / f"apart-{sharpness}"))
        run(apart)
        versions[sharpness] = rows(apart.store)
    steps = [(0.05, 7), (5.0, 5), (0.05, 4), (5.0, 5), (0.05, 7), (5.0, 60)]
    for i, (sharpness, size) in enumerate(steps):
        tinyset.model(tmp_path / "models", "one", sharpness)
        run(replace(one, shard_size=size), replace_rows=i > 0)
        assert rows(one.store) == versions[sharpness], (i, sharpness, size)
        if i == 3:
            compact(Store.open(one.store))
    _, done = run(one)
    assert done.predictions == 0


def test_other_images_of_no_labels_are_not_taken_for_the_same(tmp_path: Path) -> None:
    wanted = study(tmp_path)
    for name, colour in (("old", "blue"), ("new", "red")):
        (tmp_path / name).mkdir()
        for i in range(5):
            source = tmp_path / f"images/{colour}/{i:04d}.png"
            (tmp_path / name / f"{name}-{i}.png").write_bytes(source.read_bytes())
    for name in ("old", "new"):
        sets = merged([parse_target(f"plain={tmp_path}/{name}")])
        run(replace(wanted, sets=sets, store=str(tmp_path / "plain")), replace_rows=name == "new")
    examples = {k[2] for k in rows(str(tmp_path / "plain"))}
    assert {f"new-{i}.png" for i in range(5)} <= examples


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    """A model without a size sees each as it is; batches and other models change nothing."""
    wanted = study(tmp_path)
    tinyset.folder(tmp_path / "large", per_class=5, size=20, seed=1)
    for path in sorted((tmp_path / "large").rglob("*.png")):
        path.rename(tmp_path / "images" / path.parent.name / f"large-{path.name}")
    Image.new("RGB", (20000, 1)).save(tmp_path / "images/red/flat.png")
    as_it_is, sized = wanted.models[0], WantedModel(f"{wanted.models[1].uri}&size=8")
    found = []
    for models, size in (((as_it_is,), 1), ((as_it_is,), 16), ((as_it_is, sized), 64)):
        store = str(tmp_path / f"store-{len(models)}-{size}")
        run(replace(wanted, models=models, batch_size=size, store=store))
        found.append({k: v for k, v in rows(store).items() if k[1] == "one"})
    assert found[0] == found[1] == found[2]
    assert sum(row[0] >= 0 for row in found[0].values()) == 4 * (60 + 15 + 1)


def test_two_settings_of_one_name_are_refused(tmp_path: Path) -> None:
    wanted = study(tmp_path)
    for place, classes in (("x", "blue\nred\n"), ("y", "green\nred\n")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "some.txt").write_text(classes)
    images = wanted.sets[0].source
    pairs = tuple((f"{tmp_path}/{p}/some.json", "clean") for p in "xy")
    for p, names in (("x", ["blue", "red"]), ("y", ["green", "red"])):
        content = {n: [i] for i, n in enumerate(names)}
        (tmp_path / p / "some.json").write_text(json.dumps(content))
    sets = (WantedSet("squares", images, pairs),)
    with pytest.raises(BadInput):
        run(replace(wanted, sets=sets))
    with pytest.raises(BadInput, match="cannot be the name"):
        replace(wanted, sets=(WantedSet("squares/blur:1", images),))
    with pytest.raises(NotFound, match="precision"):
        replace(wanted, precision="float8")


def test_images_may_be_added_with_replace(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    source = tmp_path / "images/red/0000.png"
    (tmp_path / "images/red/more.png").write_bytes(source.read_bytes())
    with pytest.raises(ConflictError, match="other examples"):
        run(whole[0])
    run(whole[0], replace_rows=True)
    found = rows(whole[0].store)
    assert len(found) == 8 * 61
    assert {k: v for k, v in found.items() if k in whole[1]} == whole[1]
