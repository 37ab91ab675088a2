"""heldout shifts, shifts show and shifts write as people meet them; the sheet itself."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import tinyset
from heldout.cli.main import main
from heldout.engine.copies_record import RECORD
from heldout.images.geometry import Geometry, fit
from heldout.shifts.catalogue import groups, names, parse, shifted
from heldout.shifts.corruptions.constants import KINDS
from heldout.shifts.sheet import sheet
from realdata import published

SHIFTS = ["noise:0.1", "noise:0.2", "blur:1", "blur:2"]


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, each on one line."""
    monkeypatch.setattr(sys, "argv", ["heldout", "shifts", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr()
    assert "csv" in words or max(map(len, out.out.splitlines()), default=0) <= 80
    return int(ended.value.code or 0), out.out, " ".join(out.err.split())


def picture(height: int, width: int) -> NDArray[np.uint8]:
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(large)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(300, 400)).save(tmp_path / "bird.png")
    return tmp_path


# The list.


def test_every_shift_and_group_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, plain, _ = run(capsys, monkeypatch)
    words = plain.replace(",", " ").split()
    assert code == 0
    for name in (*names(), *groups()):
        assert name in words, name
    assert "75 settings" in plain
    _, table, _ = run(capsys, monkeypatch, "list", "--format", "csv")
    listed = {row["shift"] for row in csv.DictReader(io.StringIO(table))}
    assert listed == {*names(), *groups()}


def test_one_shift_with_its_constants(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said, _ = run(capsys, monkeypatch, "fog")
    rows = [line.split("  ") for line in said.splitlines() if line.lstrip()[:1].isdigit()]
    assert [c.strip() for c in rows[2] if c.strip()] == ["3", "2.5, 1.7", "1, 2.5", "0.75, 2.5"]
    for part in ("severity, a whole number from 1 to 5", "Random", "strength", "imagenet-c"):
        assert part in said
    _, said, _ = run(capsys, monkeypatch, "jpeg")
    assert "Not random" in said
    assert "pixels" not in said
    _, said, _ = run(capsys, monkeypatch, "imagenet-c")
    assert all(kind in said for kind in KINDS)
    _, said, _ = run(capsys, monkeypatch, "noise:0.1+jpeg:10,30")
    assert "JPEG at quality 30" in said


def test_a_shift_at_some_numbers_has_their_constants(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(name: str) -> list[list[str]]:
        _, said, _ = run(capsys, monkeypatch, name)
        split = [[c.strip() for c in line.split("  ") if c.strip()] for line in said.splitlines()]
        return [cells for cells in split if len(cells) > 1 and ":" in cells[0]]

    assert lines("fog:3")[0] == ["fog:3", "2.5, 1.7", "1, 2.5", "0.75, 2.5"]
    assert [cells[:2] for cells in lines("fog:4-5")[:2]] == [["fog:4", "2.5, 1.5"],
                                                             ["fog:5", "3, 1.4"]]  # fmt: skip
    assert lines("blur:2")[0] == ["blur:2", "Gaussian blur, sigma 2 pixels"]


@pytest.mark.parametrize(
    ("name", "shift"),
    [("fog", "fog:1-5"), ("fog:3", "fog:1-5"), ("imagenet-p.tilt", "imagenet-p.tilt:0-30"),
     ("jpeg", "jpeg:NUMBER"), ("greyscale", "greyscale")],
)  # fmt: skip
def test_a_shift_names_the_next_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, shift: str
) -> None:
    _, said, _ = run(capsys, monkeypatch, name)
    assert said.endswith(f"heldout shifts show IMAGE --shift {shift}\n")


@pytest.mark.parametrize("words", [[], ["list"], ["fog"], ["list", "--format", "csv"]])
def test_a_reader_that_has_gone_is_no_news(words: list[str]) -> None:
    """As under `heldout shifts | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from heldout.cli.main import main; main()", "shifts", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_clean_is_a_word_here_as_in_study_files(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said, _ = run(capsys, monkeypatch, "clean")
    assert "the image as it is" in said
    words = ("show", "bird.png", "--shift", "clean", "--shift")
    _, said, _ = run(capsys, monkeypatch, *words, "blur:1,clean,2")
    assert "2 pictures" in said
    tinyset.folder(here / "images", per_class=1)
    words = ("write", "images", "out", "--shift", "clean,blur:1", "--size", "0")
    code, said, _ = run(capsys, monkeypatch, *words)
    assert code == 0
    assert "3 images under 2 shifts" in said
    assert len(list((here / "out" / "clean").rglob("*.png"))) == 3


@pytest.mark.parametrize("command", ["", "list", "show", "write"])
def test_help(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch, *command.split(), "--help")
    assert code == 0
    assert f"Example:  heldout shifts {command if command != 'list' else ''}" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fgo"], "Did you mean 'fog'"),
        (["fog:6"], "from 1 to 5"),
        (["shwo", "bird.png"], "Did you mean 'show'"),
        (["shows"], "Did you mean `heldout shifts show`"),
        (["imagenet-c.fog:3"], "Did you mean 'fog'"),
        (["show", "bird.png", "--shift", "clean"], "begins with the clean image by itself"),
        (["show", "bird.png", "-o", "there.png", "--shift", "fgo:1"], "Did you mean 'fog'"),
        (["show", "nothing.png"], "'nothing.png' cannot be read: No such file"),
        (["show", "no-image.png"], "is no image that can be read: not a picture"),
        (["show", "bird.png", "-o", "sheet.txt"], "has to end in one of .png"),
        (["show", "bird.png", "-o", "no/such/sheet.png"], "Could not write 'no/such/sheet.png'"),
        (["show", "bird.png", "-o", "bird.png", "--force"], "is the image itself"),
        (["show", "bird.png", "-o", "there.png"], "is there already; name another"),
        (["show", "bird.png", "--shift", "blurr:1"], "Did you mean"),
        (["show", "bird.png", "--shift", "blur:0"], "sigma"),
        (["show", "bird.png", "--size", "0", "--resize", "256"], "does not go with it"),
        (["show", "bird.png", "--interpolation", "cubic"], "Did you mean 'bicubic'"),
        (["show", "bird.png", "--frost", "nowhere"], "nowhere"),
        (["write", "imagse", "out", "--shift", "blur:1"], "Did you mean 'images'"),
        (["write", "images", "out", "--shift", "blur:1"], "--size 0 keeps them"),
        (["write", "images", "images/out", "--shift", "blur:1", "--size", "0"], "lies in 'images'"),
        (["write", "images", "s3://bucket/x", "--shift", "blur:1"], "written to a disk"),
        (["write", "images", "there.png", "--shift", "blur:1", "--size", "0"], "is a file"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    says: str,
) -> None:
    tinyset.folder(here / "images", per_class=1)
    (here / "no-image.png").write_text("hello")
    (here / "there.png").write_bytes(b"kept")
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert (here / "there.png").read_bytes() == b"kept"
    assert not list(here.glob("**/*unfinished*"))


# The sheet.


def cell(done: Image.Image, x: int, y: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.array(done)[y : y + height, x : x + width]


def test_a_sheet_shows_what_a_run_feeds_to_models() -> None:
    """The clean image first, then a row a shift: at 224 pixels each is halved by a box."""
    image = picture(224, 224)
    done = sheet(image, SHIFTS, seed=5, example="bird")
    found = {}
    for text in ("", *SHIFTS):
        pixels = shifted(image, parse(text), 5, "bird") if text else image
        small = np.array(Image.fromarray(pixels).resize((112, 112), Image.Resampling.BOX))
        found[text] = places(done, small)
    assert found[""] == [(12, 12)]
    (x1, y1), (x2, y2) = found["noise:0.1"][0], found["noise:0.2"][0]
    (x3, y3), (x4, y4) = found["blur:1"][0], found["blur:2"][0]
    assert y1 == y2 < y3 == y4
    assert x1 == x3 < x2 == x4
    assert x1 > 12 + 112
    other = sheet(image, SHIFTS, seed=6, example="bird")
    assert np.array_equal(*(cell(d, x3, y3, 112, 112) for d in (done, other)))
    assert not np.array_equal(*(cell(d, x1, y1, 112, 112) for d in (done, other)))


def places(done: Image.Image, small: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Where on a sheet a picture stands, (x, y)."""
    pixels = np.array(done)
    corners = np.argwhere((pixels[: -small.shape[0] + 1] == small[0, 0]).all(axis=2))
    return [
        (int(x), int(y))
        for y, x in corners
        if np.array_equal(cell(done, x, y, *small.shape[:2]), small)
    ]


@pytest.mark.parametrize(
    ("shifts", "pictures"),
    [
        (["greyscale"], 1),
        ([f"blur:{n}" for n in range(1, 42)], 41),
        ([f"rotate:{n}" for n in (10, 20, 30)] + ["greyscale", "noise:0.1+jpeg:30"], 5),
    ],
)
def test_nothing_overlaps_and_nothing_is_cut(shifts: list[str], pictures: int) -> None:
    """Pictures of one colour: as many rectangles of it as there should be, with paper between."""
    image = np.full((90, 60, 3), 128, np.uint8)
    done = np.array(sheet(image, shifts, side=45, title=("a title that is wider than the rest",)))
    grey = (done == 128).all(axis=2) & (np.ptp(done, axis=2) == 0)
    near = np.abs(done.astype(int) - 128).max(axis=2) < 60
    assert near.sum() >= (pictures + 1) * 45 * 30 * 0.9
    assert grey.any()
    edge = np.concatenate([done[0], done[-1], done[:, 0], done[:, -1]])
    assert (edge == 255).all()
    assert done.shape[1] < 800


@pytest.mark.parametrize("shape", [(20, 2000), (2000, 20), (3, 3000), (3000, 3)])
def test_labels_of_very_wide_and_tall_pictures_do_not_overlap(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text and picture has a rectangle of its own."""
    boxes: list[tuple[float, ...]] = []
    image = np.full((*shape, 3), 128, np.uint8)

    def drawn(self: ImageDraw.ImageDraw, at: Any, text: str, **how: Any) -> None:
        boxes.append(self.textbbox(at, text, font=how["font"], anchor=how.get("anchor", "la")))

    def pasted(self: Image.Image, other: Image.Image, at: tuple[int, int]) -> None:
        boxes.append((*at, at[0] + other.width, at[1] + other.height))
        assert max(other.size) == 112

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", drawn)
    monkeypatch.setattr(Image.Image, "paste", pasted)
    shifts = [f"rotate:{n}" for n in (-120, -110, 130)] + [
        "blur:1+jpeg:30", "blur:2+noise:0.2+jpeg:35", "brightness-factor:0.5+contrast-factor:0.25",
    ]  # fmt: skip
    done = sheet(image, shifts, title=("a title", "of several", "lines"))
    assert len(boxes) > 2 * len(shifts)
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert (right <= done.width) & (bottom <= done.height)
        for other in boxes[:i]:
            apart = left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
            assert apart, (boxes[i], other)


def test_small_images_are_enlarged_by_a_whole_number() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    done = sheet(image, ["greyscale"])
    assert places(done, np.kron(image, np.ones((3, 3, 1), np.uint8))) == [(12, 12)]


def test_show_writes_the_sheet_and_says_what_it_is(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "bird.png", "--shift", "noise:0.1,0.2,blur:1-2", "--seed", "3")
    code, said, err = run(capsys, monkeypatch, *words)
    assert (code, err) == (0, "")
    said = " ".join(said.split())
    for part in ("Wrote bird-shifts.png: 4 pictures of 224 x 224", "bilinear", "seed 3",
                 "in memory"):  # fmt: skip
        assert part in said
    image = fit(Image.open(here / "bird.png"), Geometry(256, (224, 224), "bilinear"))
    title = ("bird.png", "224 x 224 pixels, seed 3, in memory")
    expected = sheet(image, SHIFTS, seed=3, example="bird.png", title=title)
    first = (here / "bird-shifts.png").read_bytes()
    with Image.open(here / "bird-shifts.png") as shown:
        assert np.array_equal(shown, expected)
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 2
    assert "--force" in err
    code, _, _ = run(capsys, monkeypatch, *words, "--force")
    assert code == 0
    assert (here / "bird-shifts.png").read_bytes() == first


def test_small_images_are_kept_by_show(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture(32, 32)).save(here / "small.png")
    _, said, _ = run(capsys, monkeypatch, "show", "small.png", "--shift", "blur:1")
    assert "of 32 x 32 pixels" in said
    assert "so it was kept" in said
    words = ("show", "small.png", "--shift", "blur:1", "--size", "64", "-o", "large.png")
    _, said, _ = run(capsys, monkeypatch, *words)
    assert "of 64 x 64 pixels, shorter side to 73" in said


def test_all_corruptions_on_one_sheet(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    code, said, _ = run(capsys, monkeypatch, "show", "bird.png", "--jpeg", "85", "--side", "64")
    assert code == 0
    said = " ".join(said.split())
    assert "Wrote bird-shifts.png: 95 pictures" in said
    assert "on disk (JPEG 85), frost: own textures" in said
    with Image.open("bird-shifts.png") as done:
        assert done.width < done.height


def test_frost_from_the_photographs(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    words = ("show", "bird.png", "--shift", "frost:1-5", "-o", "frost.png")
    _, said, _ = run(capsys, monkeypatch, *words, "--frost", str(published("frost")))
    assert "frost: photographs" in said


# Copies.


def test_write_says_what_it_did(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tinyset.folder(here / "images", per_class=3)
    words = ("write", "images", "out", "--shift", "blur:1-2,noise:0.1", "--size", "0")
    code, said, _ = run(capsys, monkeypatch, *words)
    assert code == 0
    said = " ".join(said.split())
    for part in ("Wrote 27 copies", "9 images under 3 shifts", "seed 0", "PNG, as in memory",
                 "Next: heldout run blur1=out/blur/1 -m URI"):  # fmt: skip
        assert part in said
    assert (here / "out" / RECORD).exists()
    assert sorted(p.name for p in (here / "out" / "blur").iterdir()) == ["1", "2"]
    _, said, _ = run(capsys, monkeypatch, *words)
    assert "Nothing was left to write." in said
    assert "27 copies were there already." in said
    code, _, err = run(capsys, monkeypatch, *words, "--seed", "1")
    assert code == 2
    assert "seed is 0 there and 1 now" in err


def test_write_counts_what_there_is(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is no plural, earlier shifts count, and images without copies do not."""
    tinyset.folder(here / "images", per_class=2)
    tinyset.damaged(here / "images", ["red/0001.png"])
    words = ("write", "images", "out", "--size", "0", "--shift")
    code, said, _ = run(capsys, monkeypatch, *words, "blur:1")
    said = " ".join(said.split())
    assert code == 3
    assert "out now has 5 images under 1 shift: size" in said
    assert "1 image could not be read, and has no copies: red/0001.png" in said
    _, said, _ = run(capsys, monkeypatch, *words, "fog:2+jpeg:85")
    assert "out now has 5 images under 2 shifts: size" in " ".join(said.split())
    assert "PNG, as in memory, and where +jpeg follows on disk" in " ".join(said.split())
    (here / "out/blur/1/red/0000.png").unlink()
    _, said, _ = run(capsys, monkeypatch, *words, "blur:3")
    said = " ".join(said.split())
    assert "out now has 4 images under 3 shifts" in said
    assert "Copies are lacking under blur:1 (1):" in said
    _, said, _ = run(capsys, monkeypatch, *words, "blur:1")
    assert "Wrote 1 copy (" in said
    assert "4 copies were there already" in said
    assert "5 images under 3 shifts" in said
    assert "lacking" not in said


def test_the_medium_is_that_of_the_shifts(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "bird.png", "--shift", "fog:3+jpeg:85", "-o", "fog.png")
    _, said, _ = run(capsys, monkeypatch, *words)
    said = " ".join(said.split())
    assert "1 picture of 224" in said
    assert "seed 0, on disk (JPEG 85)." in said
    words = ("write", ".", "../fog", "--shift", "fog:3+jpeg:85")
    _, said, _ = run(capsys, monkeypatch, *words)
    assert "PNG, as on disk (JPEG 85)." in " ".join(said.split())


def test_small_images_are_never_enlarged_unasked(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "images").mkdir()
    for name, shape in (("large", (300, 240)), ("small", (100, 223))):
        Image.fromarray(picture(*shape)).save(here / "images" / f"{name}.png")
    words = ("write", "images", "out", "--shift", "blur:1")
    code, said, _ = run(capsys, monkeypatch, *words)
    said = " ".join(said.split())
    assert code == 3
    assert "1 image has fewer than 224 pixels on the shorter side, and no copies" in said
    assert "--size 224 enlarges such images: small.png: 223 x 100 pixels" in said
    assert "Next, for models of 224 pixels: heldout run blur1=out/blur/1 -m 'URI?" in said
    assert "resize=none'" in said
    assert [p.name for p in (here / "out/blur/1").iterdir()] == ["large.png"]
    code, said, _ = run(capsys, monkeypatch, *words, "--size", "224")
    assert code == 0
    assert "out now has 2 images under 1 shift" in said


def test_write_lists_unreadable_images_and_exits_with_3(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tinyset.folder(here / "images", per_class=5)
    tinyset.damaged(here / "images", [f"red/{i:04d}.png" for i in range(5)])
    tinyset.damaged(here / "images", ["blue/0001.png", "green/0004.png"])
    words = ("write", "squares=images", "out", "--shift", "blur:1", "--size", "0", "--jpeg", "85")
    code, said, _ = run(capsys, monkeypatch, *words)
    assert code == 3
    said = " ".join(said.split())
    assert "Wrote 8 copies" in said
    assert "7 images could not be read, and have no copies" in said
    assert "blue/0001.png: truncated" in said
    assert "and 2 more" in said
    assert "JPEG 85, on disk" in said
    assert len(list((here / "out").rglob("*.jpg"))) == 8
