"""Corrupted copies on disk: the bits of a run, whole or not there, whoever is killed."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tinyset
from heldout.engine import copier
from heldout.engine.copier import Order, encoded, names_of
from heldout.engine.copies_record import RECORD, folders_of
from heldout.engine.processes import in_processes
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.engine.write_copies import write_copies
from heldout.errors import BadInput, HeldoutError
from heldout.images.geometry import Geometry
from heldout.shifts.catalogue import parse, shifted
from heldout.testsets.opening import Source, open_test_set

SHIFTS = ("blur:1", "noise:0.2", "noise:0.1+jpeg:30", "greyscale")
WATCHER = """
import os
import numpy as np
def watcher(images):
    np.save(os.path.join(os.path.dirname(__file__), f"{len(os.listdir(os.path.dirname(__file__)))}"
            ".npy"), images)
    return np.zeros((len(images), 1000), np.float32)
"""


def order(tmp_path: Path, **changes: Any) -> Order:
    """60 small images under four shifts, kept at their size."""
    images = tmp_path / "images"
    if not images.exists():
        tinyset.folder(images)
    made = Order(Source(str(images)), str(tmp_path / "out"), SHIFTS, geometry=Geometry(), workers=1)
    return replace(made, **changes)


def files(out: str | Path) -> dict[str, bytes]:
    """Every file below a folder but the lock, and what is not finished."""
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(Path(out).rglob("*"))
        if p.is_file() and p.name[0] != "." and p.parent.name != ".unfinished"
    }


def pixels(path: str | Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.array(image)


def images_of(found: dict[str, bytes]) -> dict[str, bytes]:
    return {k: v for k, v in found.items() if k != RECORD}


def made_in(out: Path) -> dict[str, bytes]:
    """The copies, while others may be writing more."""
    return images_of(files(out))


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """What an undisturbed call makes."""
    write_copies(order(tmp_path, out=str(tmp_path / "undisturbed")))
    return files(tmp_path / "undisturbed")


@pytest.mark.parametrize("named", ["squares", "imagenet-val"])
def test_a_copy_has_the_bits_that_a_run_gives_to_the_model(tmp_path: Path, named: str) -> None:
    """The same ids, seed and geometry; a set that is known by name has ids of its own."""
    rng = np.random.default_rng(0)
    for i in range(9):
        path = tmp_path / "images" / f"n0144{('0764', '3537')[i % 2]}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 40 + i, 3), np.uint8)).save(path)
    watching = tmp_path / "watching"
    watching.mkdir()
    (watching / "watcher.py").write_text(WATCHER)
    uri = f"python:{watching}/watcher.py:watcher?name=w&resize=20&crop=16&interpolation=bilinear"
    target = f"{named}={tmp_path / 'images'}"
    sets = merged([parse_target(target)], SHIFTS)
    run(Study((WantedModel(uri),), sets, str(tmp_path / "rows"), seed=7, workers=1, batch_size=9))
    seen = {
        np.load(p).astype(np.uint8).tobytes()
        for p in watching.glob("*.npy")
        if len(np.load(p)) == 9
    }
    made = order(tmp_path, seed=7, set_name=named if named == "imagenet-val" else "",
                 geometry=Geometry(20, (16, 16), "bilinear"), enlarge=True)  # fmt: skip
    done = write_copies(made)
    ids = open_test_set(Source(str(tmp_path / "images"))).listing.examples
    for folder in done.folders.values():
        stack = np.stack([pixels(tmp_path / "out" / folder / e) for e in ids])
        assert stack.tobytes() in seen, folder
    assert len(seen) >= len(SHIFTS)
    other = write_copies(replace(made, seed=8, out=str(tmp_path / "other")))
    stack = np.stack([pixels(tmp_path / "other" / other.folders["noise:0.2"] / e) for e in ids])
    assert stack.tobytes() not in seen


def test_jpeg_copies_decode_to_what_the_chain_with_jpeg_makes(tmp_path: Path) -> None:
    """Colour at half resolution, quality 85, optimised, as the published files are."""
    done = write_copies(order(tmp_path, jpeg=85, seed=3))
    clean = {e: pixels(tmp_path / "images" / e) for e in ("blue/0003.png", "red/0019.png")}
    for text in SHIFTS:
        for example, image in clean.items():
            copy = tmp_path / "out" / done.folders[text] / example.replace(".png", ".jpg")
            chain = shifted(image, parse(f"{text}+jpeg:85"), 3, example)
            assert np.array_equal(pixels(copy), chain)
    content = copy.read_bytes()
    plain = io.BytesIO()
    Image.fromarray(clean[example]).save(plain, "JPEG", quality=85, subsampling="4:2:0")
    with Image.open(io.BytesIO(content)) as ours, Image.open(plain) as same:
        assert vars(ours)["quantization"] == vars(same)["quantization"]
        assert vars(ours)["layer"][0][1:3] == (2, 2)
    assert len(encoded(clean[example], 85)) < len(plain.getvalue())


def test_layout_is_that_of_imagenet_c(tmp_path: Path, whole: dict[str, bytes]) -> None:
    top = {name.split("/")[0] for name in images_of(whole)}
    assert top == {"blur", "noise", "noise-0.1+jpeg-30", "greyscale"}
    below = {name for name in whole if name.startswith("noise/0.2/")}
    ids = open_test_set(Source(str(tmp_path / "images"))).listing.examples
    assert below == {f"noise/0.2/{e}" for e in ids}
    folder = tmp_path / "undisturbed" / "noise/0.2"
    assert open_test_set(Source(str(folder))).listing.classes == ["blue", "green", "red"]
    record = json.loads(whole[RECORD])
    assert record["seed"] == "0"
    assert record["medium"] == "in-memory"
    assert record["shifts"]["noise:0.2"] == {"folder": "noise/0.2"}
    assert folders_of(["frost_photographs:3", "imagecorruptions.fog:1"]) == {
        "frost_photographs:3": "frost/3",
        "imagecorruptions.fog:1": "imagecorruptions.fog/1",
    }


def test_processes_change_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    more = order(tmp_path, workers=3)
    done = write_copies(replace(more, shifts=(*SHIFTS, "blur:2", "blur:3")))  # 360: enough for 3
    assert done.copies == 360
    made = files(tmp_path / "out")
    assert {k: v for k, v in made.items() if k in whole and k != RECORD} == images_of(whole)


def test_what_is_there_is_not_made_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    wanted = order(tmp_path, out=str(tmp_path / "undisturbed"))
    gone = tmp_path / "undisturbed/noise/0.2/blue/0004.png"
    gone.unlink()
    kept = tmp_path / "undisturbed/blur/1/blue/0004.png"
    kept.write_bytes(b"kept")
    empty = tmp_path / "undisturbed/blur/1/blue/0005.png"
    empty.write_bytes(b"")  # what a power cut may leave
    done = write_copies(wanted)
    assert (done.copies, done.there) == (2, 238)
    assert kept.read_bytes() == b"kept"
    kept.write_bytes(whole["blur/1/blue/0004.png"])
    assert files(tmp_path / "undisturbed") == whole


def test_more_images_and_more_shifts_join(tmp_path: Path, whole: dict[str, bytes]) -> None:
    few = order(tmp_path, limit=10, shifts=SHIFTS[:1])
    assert write_copies(few).copies == 10
    classes = {name.split("/")[2] for name in images_of(files(tmp_path / "out"))}
    assert classes == {"blue", "green", "red"}  # spread over a set that is sorted by class
    assert write_copies(order(tmp_path)).copies == 230
    assert images_of(files(tmp_path / "out")) == images_of(whole)
    assert list(json.loads((tmp_path / "out" / RECORD).read_text())["shifts"]) == list(SHIFTS)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 1}, "seed is 0 there and 1 now"),
        ({"jpeg": 85}, "format is PNG there and JPEG of quality 85"),
        ({"geometry": Geometry(16, (16, 16)), "enlarge": True}, "size is size as it comes there"),
        ({"exif": True}, "turned as EXIF says now"),
    ],
)
def test_other_choices_are_refused(
    tmp_path: Path, whole: dict[str, bytes], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        write_copies(order(tmp_path, out=str(tmp_path / "undisturbed"), **changes))
    assert files(tmp_path / "undisturbed") == whole


def test_other_images_are_refused(tmp_path: Path, whole: dict[str, bytes]) -> None:
    tinyset.folder(tmp_path / "others", seed=1)
    wanted = order(tmp_path, out=str(tmp_path / "undisturbed"))
    with pytest.raises(BadInput, match="images is 60 images"):
        write_copies(replace(wanted, source=Source(str(tmp_path / "others"))))
    assert files(tmp_path / "undisturbed") == whole


def test_folders_that_nobody_knows_are_not_taken_for_copies(tmp_path: Path) -> None:
    (tmp_path / "out" / "blur" / "1").mkdir(parents=True)
    with pytest.raises(BadInput, match=f"but no {RECORD}"):
        write_copies(order(tmp_path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / RECORD).write_text('{"shifts": 3}')
    with pytest.raises(BadInput, match="not what heldout wrote"):
        write_copies(order(tmp_path, out=str(tmp_path / "broken")))


@pytest.mark.parametrize("inside", ["", "copies", "red/deeper"])
def test_copies_among_the_images_are_refused(tmp_path: Path, inside: str) -> None:
    with pytest.raises(BadInput, match="lies in"):
        write_copies(order(tmp_path, out=str(tmp_path / "images" / inside)))


def test_small_images_are_not_enlarged_unsaid(tmp_path: Path) -> None:
    large = Geometry(256, (224, 224), "bilinear")
    with pytest.raises(BadInput, match="have 12 pixels or fewer on their shorter side"):
        write_copies(order(tmp_path, geometry=large))
    done = write_copies(order(tmp_path, geometry=large, enlarge=True, limit=1, shifts=("blur:1",)))
    copy = next((tmp_path / "out" / "blur/1").rglob("*.png"))
    assert (done.copies, pixels(copy).shape) == (1, (224, 224, 3))


def test_unreadable_images_are_listed_and_skipped(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    tinyset.damaged(tmp_path / "images", ["red/0002.png", "green/0000.png"])
    (tmp_path / "images" / "red" / "0003.png").write_bytes(b"")
    done = write_copies(wanted)
    assert sorted(e for e, _ in done.unreadable) == ["green/0000.png", "red/0002.png",
                                                     "red/0003.png"]  # fmt: skip
    assert dict(done.unreadable)["red/0003.png"] == "the file is empty"
    assert done.copies == 57 * 4
    again = write_copies(wanted)
    assert (again.copies, again.there, len(again.unreadable)) == (0, 57 * 4, 3)


def test_names_that_would_be_the_same_stay_apart() -> None:
    paths = ["a/1.jpg", "a/1.png", "a/2.JPEG", "a/3", "b/1.webp"]
    assert names_of(paths, 0) == ["a/1.jpg.png", "a/1.png.png", "a/2.png", "a/3.png", "b/1.png"]
    assert names_of(paths, 85) == ["a/1.jpg.jpg", "a/1.png.jpg", "a/2.JPEG", "a/3.jpg", "b/1.jpg"]


def test_only_folders_of_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8, 3), np.uint8))
    for source in (Source(str(tmp_path / "x.npy")), Source(str(tmp_path), {"table": "t.csv"})):
        with pytest.raises(BadInput, match="folder"):
            write_copies(order(tmp_path, source=source))


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_done(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    class Full(io.FileIO):
        def write(self, content: object) -> int:
            nonlocal written
            written += 1
            if written > 33:
                super().write(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)  # type: ignore[arg-type]

    monkeypatch.setattr(copier, "open", lambda path, mode: Full(path, mode), raising=False)
    with pytest.raises(HeldoutError, match=r"is full; .* The \d+ copies of this call stay"):
        write_copies(order(tmp_path))
    monkeypatch.undo()
    made = images_of(files(tmp_path / "out"))
    assert 20 < len(made) <= 33
    assert made.items() <= whole.items()
    assert write_copies(order(tmp_path)).copies == 240 - len(made)
    assert images_of(files(tmp_path / "out")) == images_of(whole)


def test_a_disk_that_will_not_do_is_said_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(HeldoutError, match=r"need about .* GB, but the disk"):
        write_copies(order(tmp_path))
    assert len(images_of(files(tmp_path / "out"))) < 100


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        write_copies(order(tmp_path, out=str(tmp_path / "file")))
    with pytest.raises(HeldoutError, match="cannot be written"):
        write_copies(order(tmp_path, out=str(tmp_path / "file" / "below")))


SCRIPT = """
import sys
from heldout.engine.copier import Order
from heldout.engine.write_copies import write_copies
from heldout.images.geometry import Geometry
from heldout.testsets.opening import Source
if __name__ == "__main__":
    images, out, workers, *shifts = sys.argv[1:]
    print("begun", flush=True)
    done = write_copies(Order(Source(images), out, tuple(shifts), geometry=Geometry(),
                              workers=int(workers)))
    print(done.copies, done.there)
"""
MANY = (*SHIFTS, "blur:2", "blur:3", "rotate:5", "rotate:9")


def begun(tmp_path: Path, out: str, workers: int) -> subprocess.Popen[str]:
    """A process that writes copies; it says a line when it begins."""
    script = tmp_path / "script.py"
    if not script.exists():  # another process may be reading it
        script.write_text(SCRIPT)
    arguments = [str(script), str(tmp_path / "images"), out, str(workers), *MANY]
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_it_goes_on(tmp_path: Path, workers: int) -> None:
    """Every file that has its name is whole, and no worker outlives the one that began it."""
    images = tinyset.folder(tmp_path / "images", per_class=20)
    calm = Order(Source(str(images)), str(tmp_path / "calm"), MANY, geometry=Geometry(), workers=1)
    write_copies(calm)
    expected = images_of(files(tmp_path / "calm"))
    rng = random.Random(workers)
    out = tmp_path / "out"
    for done_before in (0, 120, 240):
        process = begun(tmp_path, str(out), workers)
        enough = done_before + rng.randrange(10, 110)
        while process.poll() is None and sum(len(f) for _, _, f in os.walk(out)) < enough + 2:
            time.sleep(0.005)
        children = _children(process.pid)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        end = time.monotonic() + 10
        while any(map(_alive, children)) and time.monotonic() < end:
            time.sleep(0.02)
        assert not any(map(_alive, children))
        assert done_before <= len(made_in(out)) < len(expected)
        assert made_in(out).items() <= expected.items()
    done = write_copies(replace(calm, out=str(out)))
    assert done.copies + done.there == len(expected)
    assert made_in(out) == expected


def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    images = tinyset.folder(tmp_path / "images", per_class=20)
    out = str(tmp_path / "out")
    both = [begun(tmp_path, out, 1), begun(tmp_path, out, 2)]
    counts = []
    for process in both:
        said, wrong = process.communicate(timeout=120)
        assert process.returncode == 0, wrong
        counts.append([int(n) for n in said.split()[1:]])
    write_copies(Order(Source(str(images)), str(tmp_path / "calm"), MANY, geometry=Geometry()))
    assert files(out) == files(tmp_path / "calm")
    assert all(copies + there == 480 for copies, there in counts)
    assert sum(copies for copies, _ in counts) >= 480


AGREE = """
import sys
from heldout.engine.copies_record import Copies, agree
print("begun", flush=True)
sys.stdin.readline()
for n in range(25):
    agree(sys.argv[1], Copies({}, {f"{sys.argv[2]}:{n}": (f"{sys.argv[2]}/{n}", "")}, {}))
"""


def test_shifts_that_several_add_at_once_are_all_on_record(tmp_path: Path) -> None:
    """The record is read and written under a lock."""
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(
            [sys.executable, "-c", AGREE, str(tmp_path), name], stdin=pipe, stdout=pipe, text=True
        )
        for name in "abc"
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=60)
        assert process.returncode == 0
    record = json.loads((tmp_path / RECORD).read_text())
    assert len(record["shifts"]) == 75


def test_what_a_killed_call_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    wanted = order(tmp_path)
    aside = tmp_path / "out" / ".unfinished"
    aside.mkdir(parents=True)
    (aside / "new").write_bytes(b"half")
    (aside / "old").write_bytes(b"half")
    os.utime(aside / "old", (time.time() - 7200,) * 2)
    write_copies(wanted)
    assert [p.name for p in aside.iterdir()] == ["new"]  # somebody may be writing it
    (aside / "new").unlink()
    write_copies(wanted)
    assert not aside.exists()


def test_processes_answer_raise_and_are_missed() -> None:
    roots = dict(in_processes(math.sqrt, [n * n for n in range(12)], 3))
    assert roots == {n * n: n for n in range(12)}
    with pytest.raises(ValueError, match="domain"):
        dict(in_processes(math.sqrt, [4, 9, -1, *range(20)], 2))
    with pytest.raises(HeldoutError, match="ended by itself"):
        dict(in_processes(os._exit, [3, 3, 3], 2))


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(p) for p in task.read_text().split()]
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
