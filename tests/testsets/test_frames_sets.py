"""Frames around anchors: the published layouts, the example folders, and tables of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import decode
from heldout.testsets.anchors import vid_sets
from heldout.testsets.frames import open_frames, recognised
from heldout.testsets.opening import Source, open_test_set
from heldout.testsets.place import place
from realdata import published


def _testbed() -> Path:
    return published("imagenet-testbed") / "imagenet-testbed"


def _source(path: Path, **options: str) -> Source:
    return Source(str(path), options)


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def _vid(root: Path) -> Path:
    """Two anchors: one with two neighbours, one with a neighbour of two classes and a gap."""
    metadata = root / "metadata"
    metadata.mkdir(parents=True)
    sets = {
        "val/a/000010.JPEG": ["val/a/000011.JPEG", "val/a/000009.JPEG"],
        "val/b/000005.JPEG": ["val/b/000002.JPEG"],
    }
    labels = {k: [26] for a, ns in sets.items() for k in (a, *ns)}
    labels["val/b/000002.JPEG"] = [4, 8]
    (metadata / "pmsets.json").write_text(json.dumps(sets))
    (metadata / "labels.json").write_text(json.dumps(labels))
    return root


@pytest.mark.data
def test_the_testbeds_example_of_vid_robust() -> None:
    metadata = _testbed() / "src/eval_settings/imagenet-vid-robust_metadata"
    found = open_frames(
        _source(
            _testbed() / "images/vid_robust_examples",
            metadata=str(metadata),
            frames="val/ILSVRC2015_val_00000000:.",
            missing="skip",
        )
    )
    listing = found.listing
    anchor = "val/ILSVRC2015_val_00000000/000442.JPEG"
    assert listing.examples == [anchor.replace("442", str(i)) for i in range(432, 453)]
    assert listing.groups["offset"] == list(range(-10, 11))
    assert set(listing.groups["anchor"]) == {anchor}
    assert {listing.classes[i] for i in listing.label} == {"turtle"}
    assert len(listing.classes) == 30
    assert "1,108 of 1,109 anchors were left out" in listing.notes[0]
    first = next(found.fetch([10]))
    assert isinstance(first, bytes)
    assert decode(first).size == (1280, 720)


@pytest.mark.data
def test_the_testbeds_example_of_ytbb_robust() -> None:
    metadata = _testbed() / "src/eval_settings/ytbb-robust_metadata"
    options = {"metadata": str(metadata), "frames": "8pBTddH5J-E_24400:.", "missing": "skip"}
    folder = _testbed() / "images/ytbb_robust_examples"
    if not (metadata / "pmk_labels.json").exists():
        with pytest.raises(BadInput, match=r"has no pmk_labels\.json"):
            open_frames(_source(folder, **options))
    listing = open_frames(_source(folder, reviewed="no", **options)).listing
    assert len(listing.examples) == 21
    assert listing.examples[10] == "8pBTddH5J-E_24400/frame-732.jpg"
    assert {listing.classes[i] for i in listing.label} == {"cat"}
    assert listing.label.tolist() == [7] * 21
    assert "not comparable with published ones" in listing.notes[0]
    assert "2,168 of 2,169 anchors were left out" in listing.notes[1]


@pytest.mark.data
def test_the_whole_of_vid_robust() -> None:
    metadata = _testbed() / "src/eval_settings/imagenet-vid-robust_metadata"
    sets = vid_sets(place(str(metadata)))
    frames = {f.key: f for one in sets for f in one.frames}
    assert (len(sets), len(frames), sum(len(s.frames) for s in sets)) == (1_109, 22_179, 22_179)
    labels = json.loads((metadata / "labels.json").read_text())
    assert {key: list(f.labels) for key, f in frames.items()} == labels
    pmsets = json.loads((metadata / "pmsets.json").read_text())
    assert {s.anchor: {f.key for f in s.frames} - {s.anchor} for s in sets} == {
        a: set(ns) for a, ns in pmsets.items()
    }
    assert sum(len(frames[s.anchor].labels) > 1 for s in sets) == 79
    assert all(frames[s.anchor].offset == 0 for s in sets)
    assert {f.offset for f in frames.values()} == set(range(-10, 11))
    assert sum(len(s.frames) == 21 for s in sets) == 889


@pytest.mark.data
def test_some_of_vid_robust_and_what_is_missing(tmp_path: Path) -> None:
    metadata = _testbed() / "src/eval_settings/imagenet-vid-robust_metadata"
    sets = vid_sets(place(str(metadata)))[:3]
    names = [f.key for one in sets for f in one.frames]
    _touch(tmp_path, *names)
    source = _source(tmp_path, metadata=str(metadata))
    skip = _source(tmp_path, metadata=str(metadata), missing="skip")
    gone = 22_179 - len(names)
    with pytest.raises(BadInput, match=rf"{gone:,} of 22,179 frames are not in .*missing=skip"):
        open_frames(source)
    listing = open_frames(skip).listing
    assert listing.examples == names
    note = f"1,106 of 1,109 anchors were left out: {gone:,} of their frames are missing."
    assert listing.notes == (note,)
    # One frame of an anchor's is lost, and the anchor with it.
    (tmp_path / names[0]).unlink()
    assert open_frames(skip).listing.examples == names[len(sets[0].frames) :]


def test_metadata_beside_the_frames_and_frames_without_val(tmp_path: Path) -> None:
    root = _vid(tmp_path)
    frames = _touch(root / "frames", "a/000009.JPEG", "a/000010.JPEG", "a/000011.JPEG",
                    "b/000002.JPEG", "b/000005.JPEG")  # fmt: skip
    found = open_frames(_source(frames))
    listing = found.listing
    assert listing.examples == ["val/a/000009.JPEG", "val/a/000010.JPEG", "val/a/000011.JPEG",
                                "val/b/000002.JPEG", "val/b/000005.JPEG"]  # fmt: skip
    assert listing.groups["offset"] == [-1, 0, 1, -3, 0]
    assert listing.any_of == [[26], [26], [26], [4, 8], [26]]
    assert listing.label.tolist() == [26, 26, 26, 4, 26]
    assert list(found.fetch([3])) == [b"b/000002.JPEG"]
    assert recognised(place(str(frames)))
    assert not recognised(place(str(tmp_path / "frames/a")))
    same = open_test_set(_source(frames, kind="frames"), set_name="imagenet-vid-robust")
    assert same.listing.examples == listing.examples


def test_one_folder_elsewhere(tmp_path: Path) -> None:
    root = _vid(tmp_path)
    _touch(root, "val/a/000009.JPEG", "val/a/000010.JPEG", "val/a/000011.JPEG",
           "other/000002.JPEG", "other/000005.JPEG")  # fmt: skip
    found = open_frames(_source(root, frames="val/b:other"))
    assert list(found.fetch([4])) == [b"other/000005.JPEG"]
    with pytest.raises(NotFound, match="no published folder of frames 'val/c'"):
        open_frames(_source(root, frames="val/c:other"))
    with pytest.raises(BadInput, match="PUBLISHED:FOLDER"):
        open_frames(_source(root, frames="val/b"))


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"neither pmsets\.json .* or beside it"):
        open_frames(_source(_touch(tmp_path / "x" / "y", "a.jpg")))
    root = _vid(tmp_path / "vid")
    with pytest.raises(BadInput, match="not one anchor is complete"):
        open_frames(_source(root, missing="skip"))
    with pytest.raises(NotFound, match="the option missing"):
        open_frames(_source(root, missing="skp"))
    (root / "metadata/labels.json").write_text("{}")
    with pytest.raises(BadInput, match=r"no label for 'val/a/000009\.JPEG'"):
        open_frames(_source(root))
    (root / "metadata/labels.json").write_text("{")
    with pytest.raises(BadInput, match="not readable JSON"):
        open_frames(_source(root))


def _ytbb(root: Path, pairs: list[dict[str, Any]] | None = None) -> Path:
    """Anchors 1 (cow by its table, which has bus and car the wrong way round, and person by
    people), 2 (judged bad), 3 (car), 4 (found bad with its neighbours)."""
    words = ["good", "unsure", "bad", "person", "car"]
    said = {"v1_100": [0, 3], "v2_200": [2, 3], "v3_300": [0], "v4_400": [0]}
    anchors = [{"key": f"/data/{v}/frame-10.jpg", "notes": "", "labels": ls}
               for v, ls in said.items()]  # fmt: skip
    # The latest of two annotations counts.
    anchors.insert(0, {"key": "v1_100/frame-10.jpg", "notes": "", "labels": [2]})
    metadata = root / "metadata"
    metadata.mkdir(parents=True)
    called = {"0": "person", "6": "cow", "22": "none", "23": "car"}
    (metadata / "ytbb_class_index.json").write_text(json.dumps(called))
    (metadata / "anchor_labels.json").write_text(
        json.dumps({"annotations": anchors, "labels": words})
    )
    (metadata / "ytbb_robustness_test_anchors_full.csv").write_text(
        "ytid,time_ms,label\nv1,100,6\nv2,200,0\nv3,300,22\nv4,400,0\n"
    )
    if pairs is not None:
        kinds = ["similar", "dissimilar", "blur-increase", "bad-anchor", "correct"]
        (metadata / "pmk_labels.json").write_text(
            json.dumps({"annotations": pairs, "labels": kinds})
        )
    return root


def _pair(video: str, number: int, *labels: int) -> dict[str, Any]:
    key = f"/x/{video}/frame-10.jpg,/x/{video}/frame-{number}.jpg"
    return {"key": key, "notes": "", "labels": list(labels)}


def test_ytbbs_rules_of_what_counts(tmp_path: Path) -> None:
    pairs = [
        _pair("v1_100", 9, 0, 4),
        _pair("v1_100", 11, 0, 2),  # similar, but blurred
        _pair("v1_100", 12, 1),
        _pair("v1_100", 25, 0),  # further than 10 frames
        _pair("v3_300", 20, 0),
        _pair("v4_400", 11, 0, 3),
    ]
    root = _ytbb(tmp_path, pairs)
    _touch(root, *(f"v{i}_{i}00/frame-{j}.jpg" for i in (1, 3, 4) for j in range(1, 26)))
    listing = open_frames(_source(root)).listing
    assert listing.examples == ["v1_100/frame-9.jpg", "v1_100/frame-10.jpg",
                                "v3_300/frame-10.jpg", "v3_300/frame-20.jpg"]  # fmt: skip
    # The neighbours have the anchor's labels: the table's first, then what people added.
    assert listing.any_of == [[6, 0], [6, 0], [23], [23]]
    assert listing.classes[23] == "car"
    assert listing.groups["offset"] == [-1, 0, 0, 10]
    assert listing.notes == ()


def test_ytbb_without_the_reviews(tmp_path: Path) -> None:
    root = _ytbb(tmp_path)
    _touch(root, "v1_100/frame-10.jpg", "v1_100/frame-20.jpg", "v3_300/frame-10.jpg")
    with pytest.raises(BadInput, match="reviewed=no"):
        open_frames(_source(root))
    with pytest.raises(BadInput, match="1 of 3 anchors"):
        open_frames(_source(root, reviewed="no"))
    listing = open_frames(_source(root, reviewed="no", missing="skip")).listing
    assert listing.examples == ["v1_100/frame-10.jpg", "v1_100/frame-20.jpg", "v3_300/frame-10.jpg"]


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    _touch(tmp_path, "x/1.jpg", "x/2.jpg", "x/3.jpg", "y/7.png")
    table = tmp_path / "frames.csv"
    table.write_text(
        "file,anchor,labels\nx/3.jpg,x/2.jpg,\nx/2.jpg,x/2.jpg,dog;cat\nx/1.jpg,x/2.jpg,cat\n"
        "y/7.png,y/7.png,ship\n"
    )
    for source in (_source(table, kind="frames"), _source(tmp_path, table="frames.csv")):
        listing = open_frames(source).listing
        assert listing.examples == ["x/1.jpg", "x/2.jpg", "x/3.jpg", "y/7.png"]
        assert listing.groups == {
            "anchor": ["x/2.jpg"] * 3 + ["y/7.png"],
            "offset": [-1, 0, 1, 0],
        }
        assert listing.classes == ["cat", "dog", "ship"]
        assert listing.any_of == [[0], [1, 0], [1, 0], [2]]
        assert listing.notes == ("1 frames have the label of their anchor.",)


def test_the_examples_as_a_table_with_the_classes_of_the_catalogue(tmp_path: Path) -> None:
    names = [f"{i:06d}.JPEG" for i in range(432, 453)]
    _touch(tmp_path, *names)
    rows = [f"{n},000442.JPEG,{i - 10},26" for i, n in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["file,anchor,offset,label", *rows]))
    source = _source(tmp_path, table="t.csv", classes="imagenet-vid-robust")
    listing = open_frames(source).listing
    assert {listing.classes[i] for i in listing.label} == {"turtle"}
    assert listing.any_of is None
    assert listing.groups["offset"] == list(range(-10, 11))


def test_a_frame_of_two_anchors_is_run_for_each(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text(
        "file,anchor,label\n1.jpg,1.jpg,cat\n2.jpg,1.jpg,cat\n2.jpg,2.jpg,dog\n1.jpg,2.jpg,dog\n"
    )
    found = open_frames(_source(tmp_path, table="t.csv"))
    listing = found.listing
    assert listing.examples == ["1.jpg,1.jpg", "1.jpg,2.jpg", "2.jpg,1.jpg", "2.jpg,2.jpg"]
    assert listing.groups["anchor"] == ["1.jpg,1.jpg"] * 2 + ["2.jpg,2.jpg"] * 2
    assert listing.label.tolist() == [0, 0, 1, 1]
    assert list(found.fetch([0, 2])) == [b"1.jpg", b"1.jpg"]
    assert "2 frames belong to more than one anchor" in listing.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,label\n1.jpg,a\n", "There is no column 'anchor'"),
        ("file,anchor\n1.jpg,1.jpg\n", "There is no column 'label'"),
        ("file,anchor,label\n2.jpg,1.jpg,a\n", "'1.jpg', which needs one row .* no row"),
        ("file,anchor,offset,label\n1.jpg,1.jpg,2,a\n", "it has offset 2"),
        ("file,anchor,offset,label\n1.jpg,1.jpg,x,a\n", "not a whole number"),
        ("file,anchor,offset,label\n1.jpg,1.jpg,0,a\n2.jpg,1.jpg,0,a\n", "offset 0 for '2.jpg'"),
        ("file,anchor,label\n1.jpg,1.jpg,a\n2.jpg,1.jpg,a\n2.jpg,1.jpg,a\n", "'2.jpg' twice"),
        ("file,anchor,label\n1.jpg,1.jpg,\n", "no label for '1.jpg'"),
        ("file,anchor,label\n../1.jpg,../1.jpg,a\n", "leads out of the folder"),
        ("file,anchor,label\na.jpg,a.jpg,a\n", "has no number"),
        ("file,anchor,label\n1.jpg,1.jpg,a\n3.jpg,1.jpg,a\n", "1 of 2 frames are not in"),
    ],
)
def test_tables_that_cannot_be(text: str, says: str, tmp_path: Path) -> None:
    _touch(tmp_path, "1.jpg", "2.jpg", "a.jpg")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises((BadInput, NotFound), match=says):
        open_frames(_source(tmp_path, table="t.csv"))


def test_an_unknown_class_of_a_table(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_text("file,anchor,label\n1.jpg,1.jpg,tutle\n")
    with pytest.raises(NotFound, match="Did you mean 'turtle'"):
        open_frames(_source(tmp_path, table="t.csv", classes="imagenet-vid-robust"))
    shutil.rmtree(tmp_path)
    with pytest.raises(NotFound):
        open_frames(_source(tmp_path, table="t.csv"))
