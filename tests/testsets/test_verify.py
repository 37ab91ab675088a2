"""Verification: whole sets pass; every defect planted in a small one is named."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heldout.testsets.opening import Source
from heldout.testsets.spaces import space
from heldout.testsets.verify import Finding, Verification, verify
from realdata import published


def _picture(seed: int, size: tuple[int, int] = (32, 32), form: str = "PNG", mode: str = "RGB",
             turned: bool = False) -> bytes:  # fmt: skip
    rng = np.random.default_rng(seed)
    shape = (*size, 3) if mode == "RGB" else size
    image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


def _set(root: Path, counts: dict[str, int], ending: str = ".png") -> Path:
    seed = 0
    for name, n in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            (root / name / f"{i:03d}{ending}").write_bytes(_picture(seed, (8, 8)))
            seed += 1
    return root


def _row(found: Verification, what: str) -> Finding:
    return next(row for row in found.rows if row.what == what)


def _bad(found: Verification) -> list[str]:
    return [row.what for row in found.rows if row.ok is False]


@pytest.mark.data
def test_the_real_test_set_of_cifar() -> None:
    steps: list[float] = []
    found = verify(
        Source(str(published("cifar10-test-png"))),
        "cifar10-test",
        progress=lambda what, part: steps.append(part),
        full=True,
    )
    assert found.ok
    assert (found.n, found.looked) == (10_000, 10_000)
    assert [r.what for r in found.rows if r.ok] == [
        "images", "classes", "images a class", "readable images", "sizes",
    ]  # fmt: skip
    assert _row(found, "order").found == "sorted by class"
    assert _row(found, "formats").found == "10,000 PNG RGB"
    assert steps == sorted(steps)
    assert steps[-1] == 1.0


@pytest.mark.data
def test_cifar_as_jpeg_is_not_the_test_set() -> None:
    found = verify(Source(str(published("cifar10-test-jpeg"))), "cifar10-test", 100)
    assert _bad(found) == ["formats"]
    assert "costs about 10 points" in _row(found, "formats").do
    assert found.looked == 100
    # A sample is spread over all classes, and says that headers were all that was read.
    assert any("Only headers were read" in n for n in found.notes)


@pytest.mark.data
def test_photographs_of_four_classes() -> None:
    found = verify(Source(str(published("natural-images-30px"))), "mine")
    assert found.ok
    assert _row(found, "classes") == Finding("classes", "of cifar10", "4", None)
    assert _row(found, "images a class").found == "702 to 968"
    assert _row(found, "same file twice").found == "2 images, 1 different"


@pytest.mark.data
def test_the_samples_of_imagenet() -> None:
    """206 training images: EXIF, grey ones, and far from the validation set."""
    source = Source(
        str(published("imagenet-samples")),
        {"table": str(published("imagenet-samples-labels.csv")), "class": "wnid"},
    )
    found = verify(source, "imagenet-val")
    assert _bad(found) == ["images", "classes", "images a class"]
    assert _row(found, "images").found == "206"
    assert "794 have no images" in _row(found, "classes").do
    assert _row(found, "turned by EXIF").found == "1"
    assert "can_opener" in _row(found, "turned by EXIF").do
    assert " JPEG L" in _row(found, "formats").found
    assert "Two classes are called crane" in found.notes[-1]


@pytest.mark.data
def test_the_frames_of_one_anchor() -> None:
    testbed = published("imagenet-testbed") / "imagenet-testbed"
    options = {
        "kind": "frames",
        "metadata": str(testbed / "src/eval_settings/imagenet-vid-robust_metadata"),
        "frames": "val/ILSVRC2015_val_00000000:.",
        "missing": "skip",
    }
    source = Source(str(testbed / "images/vid_robust_examples"), options)
    found = verify(source, "imagenet-vid-robust")
    assert _bad(found) == ["images", "anchors", "classes"]
    assert _row(found, "anchors").found == "1"
    assert _row(found, "sizes").found == "720 x 1280"


def test_planted_defects_are_found(tmp_path: Path) -> None:
    root = _set(tmp_path, dict.fromkeys(space("cifar10").classes, 3))
    cat = root / "cat"
    (cat / "000.png").write_bytes(b"")
    (cat / "001.png").write_bytes((root / "dog/001.png").read_bytes())
    (cat / "002.png").write_bytes(_picture(99, (9, 30), mode="L"))
    (root / "ship/002.png").unlink()
    found = verify(Source(str(root)), "cifar10-test")
    assert _bad(found) == ["images", "images a class", "readable images", "sizes",
                           "same file twice"]  # fmt: skip
    assert _row(found, "images").found == "29"
    assert "'airplane' has 3 instead of 1,000" in _row(found, "images a class").do
    assert "'cat/000.png': the file is empty" in _row(found, "readable images").do
    assert _row(found, "sizes").found == "8 x 8 to 9 x 30, shorter side 8 in the middle"
    assert "'cat/001.png' and 'dog/001.png'" in _row(found, "same file twice").do
    assert _row(found, "formats").found == "27 PNG RGB, 1 PNG L"


def test_a_cut_off_image_passes_by_its_header_only(tmp_path: Path) -> None:
    root = _set(tmp_path, {"cat": 2, "dog": 2})
    whole = (root / "cat/000.png").read_bytes()
    (root / "cat/000.png").write_bytes(whole[: len(whole) // 2])
    headers = verify(Source(str(root)), "mine")
    assert headers.ok
    assert any("cut-off" in n for n in headers.notes)
    every = verify(Source(str(root)), "mine", full=True)
    assert _bad(every) == ["readable images"]
    assert "truncated" in _row(every, "readable images").do


@pytest.mark.parametrize(
    ("classes", "name", "bad", "says"),
    [
        (["airplane", "automobil"], "cifar10-test", "unknown classes", "Did you mean 'automobile'"),
        (["0", "1"], "cifar10-test", "classes", "8 have no images"),
        (["1", "10"], "cifar10-test", "class numbers", "Numbers from 1 are not positions"),
        (["hen", "crane"], "imagenet-val", "unknown classes", "n02012849 and n03126707"),
        (["cat", "dog"], "imagenet-val", "unknown classes", "classes of cifar10, not of imagenet"),
        (["n01440764", "zz-backup"], "imagenet-val", "unknown classes", "no class of imagenet-1k"),
    ],
)
def test_class_folders_with_other_names(
    classes: Sequence[str], name: str, bad: str, says: str, tmp_path: Path
) -> None:
    found = verify(Source(str(_set(tmp_path, dict.fromkeys(classes, 1)))), name)
    assert bad in _bad(found)
    assert says in _row(found, bad).do


def test_numbers_with_and_without_zeros_are_positions(tmp_path: Path) -> None:
    for form in ("{}", "{:02d}"):
        root = _set(tmp_path / form.strip("{}:"), {form.format(i): 1 for i in range(10)})
        found = verify(Source(str(root)), "cifar10-test")
        assert _row(found, "classes") == Finding("classes", "10", "10", True)
        assert "in the order of their values" in _row(found, "class numbers").do


def test_a_near_miss_in_a_set_of_nobodys(tmp_path: Path) -> None:
    root = _set(tmp_path, {"cat": 1, "dog": 1, "frog": 1, "hores": 1})
    found = verify(Source(str(root)), "mine")
    assert found.ok
    assert "'hores' looks like 'horse' of cifar10" in _row(found, "classes").do


def test_objectnets_other_folders_do_not_count(tmp_path: Path) -> None:
    root = _set(tmp_path, {"alarm_clock": 2, "air_freshener": 3, "zzz": 1})
    found = verify(Source(str(root)), "objectnet-1.0-beta")
    assert _row(found, "outside the classes").found == "3"
    assert _row(found, "images").found == "3"
    assert _row(found, "classes").found == "1"
    assert _row(found, "unknown classes").found == "1: zzz"
    assert any("red border" in n for n in found.notes)


def test_images_without_labels(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(_picture(i))
    found = verify(Source(str(tmp_path)), "cifar10-test")
    assert "images without a label" in _bad(found)
    assert _row(found, "images without a label").found == "3"


def test_arrays_and_another_size_of_a_published_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x_data.npy", rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8))
    np.save(tmp_path / "x_labels.npy", np.repeat(np.arange(10), 2))
    found = verify(Source(str(tmp_path)), "cifar10.1-v6", full=True)
    assert _bad(found) == ["images", "images a class"]
    assert _row(found, "formats").found == "20 array RGB"
    assert _row(found, "order").found == "sorted by class"


def test_findings_are_plain_values(tmp_path: Path) -> None:
    found = verify(Source(str(_set(tmp_path, {"cat": 1, "dog": 1}))), "", 1)
    assert found.looked == 1
    text = json.dumps([[r.what, r.expected, r.found, r.ok, r.do] for r in found.rows])
    assert json.loads(text)[0] == ["images", "", "2", None, ""]
