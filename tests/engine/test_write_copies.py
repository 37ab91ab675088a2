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
from heldout.engine import write_copies as write_module
from heldout.engine.copier import Order, encoded, names_of
from heldout.engine.copies_record import RECORD, Copies, agree, folders_of
from heldout.engine.processes import in_processes
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.engine.write_copies import write_copies
from heldout.errors import BadInput, HeldoutError
from heldout.images.geometry import Geometry
from heldout.shifts.catalogue import parse, shifted
from heldout.testsets.opening import Source, open_test_set
from realdata import published

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
    assert (record["covers"], record["source"]) == (60, str(tmp_path / "images"))
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
    kept.write_bytes(whole["blur/1/blue/0005.png"])
    done = write_copies(wanted)
    assert (done.copies, done.there) == (1, 239)
    assert kept.read_bytes() == whole["blur/1/blue/0005.png"]
    kept.write_bytes(whole["blur/1/blue/0004.png"])
    assert files(tmp_path / "undisturbed") == whole


@pytest.mark.parametrize("jpeg", [0, 85])
def test_copies_that_are_not_whole_are_made_again(tmp_path: Path, jpeg: int) -> None:
    """Emptied, cut, with zeros at the end: what a power cut or a full disk may leave."""
    wanted = order(tmp_path, jpeg=jpeg, shifts=("blur:1",))
    write_copies(wanted)
    before = files(tmp_path / "out")
    paths = [tmp_path / "out" / name for name in images_of(before)][:5]
    for path, damaged in zip(
        paths, (lambda b: b"", lambda b: b"x", lambda b: b[: len(b) // 2], lambda b: b[:-1],
                lambda b: b[:-40] + bytes(40)), strict=True
    ):  # fmt: skip
        path.write_bytes(damaged(path.read_bytes()))
    done = write_copies(wanted)
    assert (done.copies, done.there) == (5, 55)
    assert files(tmp_path / "out") == before


def test_more_images_and_more_shifts_join(tmp_path: Path, whole: dict[str, bytes]) -> None:
    few = order(tmp_path, limit=10, shifts=SHIFTS[:1])
    assert write_copies(few).copies == 10
    classes = {name.split("/")[2] for name in images_of(files(tmp_path / "out"))}
    assert classes == {"blue", "green", "red"}  # spread over a set that is sorted by class
    assert write_copies(order(tmp_path)).copies == 230
    assert images_of(files(tmp_path / "out")) == images_of(whole)
    assert list(json.loads((tmp_path / "out" / RECORD).read_text())["shifts"]) == list(SHIFTS)


def test_all_shifts_of_a_folder_have_the_same_images(tmp_path: Path) -> None:
    few = order(tmp_path, limit=6, shifts=("blur:1", "blur:2"))
    write_copies(few)
    before = files(tmp_path / "out")
    for changes, says in (
        ({"limit": 4}, "copies of 6 of the 60 images, .* make them of 4; .* Give --limit 6, or"),
        (
            {"limit": 8},
            "Those 6 are not among them: give --limit 6, a multiple of it or no --limit",
        ),
        ({"limit": 0, "shifts": ("blur:1", "blur:3")}, "Give --limit 6; .* is there, too: blur:2"),
    ):
        with pytest.raises(BadInput, match=says):
            write_copies(replace(few, **changes))
        assert files(tmp_path / "out") == before
    assert write_copies(replace(few, shifts=("blur:3",))).copies == 6
    every = replace(few, shifts=("blur:1", "blur:2", "blur:3"))
    assert write_copies(replace(every, limit=12)).copies == 18
    assert write_copies(replace(every, limit=0)).copies == 180 - 36
    with pytest.raises(BadInput, match="Leave out --limit, or"):
        write_copies(few)


def _adds(out: Path, text: str, state: str = "") -> None:
    agree(str(out), Copies({}, {text: (folders_of([text])[text], state)}, {}))


def test_frost_of_one_origin_in_a_folder(tmp_path: Path) -> None:
    """Textures of our own, or photographs, or other photographs: never side by side."""
    _adds(tmp_path, "frost:1")
    _adds(tmp_path, "imagecorruptions.frost:1")
    _adds(tmp_path, "fog:1")
    before = (tmp_path / RECORD).read_bytes()
    for text in ("frost_photographs:4", "imagecorruptions.frost_photographs:2",
                 "frost_photographs:4+jpeg:85"):  # fmt: skip
        with pytest.raises(BadInput, match=r"'frost:1' from textures .* from photographs one"):
            _adds(tmp_path, text, "one")
        assert (tmp_path / RECORD).read_bytes() == before
    other = tmp_path / "other"
    other.mkdir()
    _adds(other, "frost_photographs:1", "one")
    _adds(other, "frost_photographs:2", "one")
    with pytest.raises(BadInput, match=r"from photographs one and .* photographs two"):
        _adds(other, "frost_photographs:3", "two")
    with pytest.raises(BadInput, match="photographs one and 'frost:3' from textures"):
        _adds(other, "frost:3")


@pytest.mark.data
def test_frost_of_two_origins_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setenv("HELDOUT_FROST", str(published("frost")))
    wanted = order(tmp_path, shifts=("frost:3", "frost_photographs:2"))
    with pytest.raises(BadInput, match="frost of two origins"):
        write_copies(wanted)
    assert not (tmp_path / "out" / RECORD).exists()


def test_our_own_copies_are_not_taken_for_published_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_copies(order(tmp_path, shifts=("blur:1",), jpeg=85, set_name="squares", limit=1))
    single = (f"imagenet-c.fog.3_on-disk={out}/blur/1", f"cifar10-c.fog.3={out}/blur")
    for target in (f"imagenet-c={out}", f"imagenet-c={out}/", f"cifar10-c={out}", *single):
        with pytest.raises(BadInput) as refused:
            merged([parse_target(target)])
        said = str(refused.value)
        assert "copies that heldout wrote (JPEG of quality 85, 4:2:0, size as it comes, of" in said
        assert f"`heldout run squares={tmp_path}/images --shift imagenet-c --jpeg 85`" in said
        assert f"`heldout run blur1={out}/blur/1 -m URI`" in said
    (wanted,) = merged([parse_target(f"blur1={out}/blur/1")])
    assert wanted.source.path == f"{out}/blur/1"
    (out / RECORD).unlink()
    (out / "fog" / "3").mkdir(parents=True)
    (wanted,) = merged([parse_target(f"imagenet-c={out}")])
    assert wanted.name == "imagenet-c.fog.3_on-disk"


def test_a_run_on_copies_sees_them_as_they_are(tmp_path: Path) -> None:
    """A model of the copies' size, with resize=none, gets what a run under the shift gives it."""
    shift, size = "noise:0.2", "crop=10&interpolation=bilinear"
    write_copies(order(tmp_path, shifts=(shift,), geometry=Geometry(12, (10, 10), "bilinear")))
    seen = []
    for name, target, resize, shifts in (
        ("one", f"squares={tmp_path / 'images'}", "12", [shift]),
        ("two", f"noise02={tmp_path / 'out' / 'noise' / '0.2'}", "none", []),
    ):
        watching = tmp_path / name
        watching.mkdir()
        (watching / "watcher.py").write_text(WATCHER.replace("1000", "3"))
        uri = f"python:{watching}/watcher.py:watcher?name=w&resize={resize}&{size}"
        sets = merged([parse_target(target)], shifts)
        run(Study((WantedModel(uri),), sets, f"{watching}/rows", workers=1, batch_size=60))
        arrays = [np.load(p) for p in watching.glob("*.npy")]
        seen.append({a.tobytes() for a in arrays if len(a) == 60})
    assert len(seen[1]) == 1
    assert seen[1] < seen[0]


def test_clean_copies(tmp_path: Path) -> None:
    done = write_copies(order(tmp_path, shifts=("clean", "blur:1")))
    assert (done.copies, done.folders["clean"]) == (120, "clean")
    for name in ("blue/0003.png", "red/0019.png"):
        assert np.array_equal(
            pixels(tmp_path / "out/clean" / name), pixels(tmp_path / "images" / name)
        )
    with pytest.raises(BadInput, match="are not clean"):
        write_copies(order(tmp_path, shifts=("clean",), jpeg=85, out=str(tmp_path / "other")))


def test_what_is_said_of_a_folder_is_counted(tmp_path: Path) -> None:
    """Shifts of earlier calls count, and their copies that are not there are told."""
    tinyset.folder(tmp_path / "images")
    tinyset.damaged(tmp_path / "images", ["red/0002.png", "green/0000.png"])
    write_copies(order(tmp_path))
    for i in range(3):  # as if it had been stopped
        (tmp_path / f"out/noise/0.2/blue/000{i}.png").unlink()
    done = write_copies(order(tmp_path, shifts=("blur:3",)))
    assert done.shifts == (*SHIFTS, "blur:3")
    assert (done.images, done.lacking) == (55, {"noise:0.2": 3})
    done = write_copies(order(tmp_path, shifts=("noise:0.2",)))
    assert (done.copies, done.images, done.lacking) == (3, 58, {})


def test_the_pace_is_that_of_this_call(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another call makes half of all copies meanwhile: less is left, and the pace stays."""
    clock = iter(range(10_000))
    fake = type("Clock", (), {"monotonic": staticmethod(lambda: next(clock))})
    monkeypatch.setattr(write_module, "time", fake)
    steps: list[tuple[str, float]] = []

    def progress(what: str, part: float) -> None:
        steps.append((what, part))
        if len(steps) == 3:  # after the first image
            for name in images_of(whole):
                if "/red/" in name or "/green/" in name:
                    path = tmp_path / "out" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(whole[name])

    done = write_copies(order(tmp_path), progress)
    assert (done.copies, done.there) == (80, 160)
    parts = [part for _, part in steps]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    paces = [float(what.split()[1]) for what, _ in steps[2:]]
    assert steps[21][0].startswith("80/240, 4 ")
    assert steps[21][1] == pytest.approx(80 / 240)
    assert max(paces) <= 4
    assert steps[-1][0] == f"240/240, {80 / 60:.3g} copies/s"


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


def test_small_images_among_large_ones_are_listed(tmp_path: Path) -> None:
    """They have no copies until the enlarging is asked for; then the same folder goes on."""
    wanted = order(tmp_path, geometry=Geometry(14, (12, 12), "bilinear"))
    small = tmp_path / "images/red/0007.png"
    Image.fromarray(pixels(small)[:11]).save(small)
    done = write_copies(wanted)
    assert done.small == [("red/0007.png", "12 x 11 pixels")]
    assert (done.copies, done.images, done.lacking, done.unreadable) == (59 * 4, 59, {}, [])
    done = write_copies(replace(wanted, enlarge=True))
    assert (done.copies, done.images, done.small) == (4, 60, [])
    assert {p.shape for p in map(pixels, (tmp_path / "out").rglob("0007.png"))} == {(12, 12, 3)}


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


class _Odd(Exception):
    """An exception that cannot be pickled back."""

    def __init__(self, a: str, b: str) -> None:
        super().__init__(f"{a} {b}")


def _raise_odd(_: int) -> None:
    raise _Odd("a", "b")


def test_names_that_would_be_the_same_stay_apart() -> None:
    paths = ["a/1.jpg", "a/1.png", "a/2.JPEG", "a/3", "b/1.webp"]
    assert names_of(paths, 0) == ["a/1.jpg.png", "a/1.png.png", "a/2.png", "a/3.png", "b/1.png"]
    assert names_of(paths, 85) == ["a/1.jpg.jpg", "a/1.png.jpg", "a/2.JPEG", "a/3.jpg", "b/1.jpg"]
    paths = ["a.png", "a.gif", "a.png.jpg", "b.jpg", "b.gif", "b.jpg.png"]
    for jpeg in (0, 85):
        names = names_of(paths, jpeg)
        assert len(set(names)) == len(names) == len(paths)


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

    def opened(path: str, mode: str, **how: Any) -> Any:
        return Full(path, mode) if "x" in mode else open(path, mode, **how)

    monkeypatch.setattr(copier, "open", opened, raising=False)
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
    with pytest.raises(HeldoutError, match="_Odd: a b"):
        dict(in_processes(_raise_odd, [1], 2))


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
