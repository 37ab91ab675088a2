"""Folders of classes: order of classes, what is left out and said, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heldout.errors import BadInput, NotFound
from heldout.images.decode import Unreadable
from heldout.testsets.class_list import in_order
from heldout.testsets.folder import open_folder
from heldout.testsets.opening import Source
from realdata import published


def lay(folder: Path, *paths: str) -> Path:
    """Files whose content is their path."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return folder


def note(found: object, word: str) -> str:
    notes = [n for n in found.listing.notes if word in n]  # type: ignore[attr-defined]
    assert len(notes) == 1, (word, found.listing.notes)  # type: ignore[attr-defined]
    return notes[0]


def test_classes_files_and_bytes(tmp_path: Path) -> None:
    """Ids are paths, labels are the folders in order, and fetch gives what is asked."""
    lay(tmp_path, "dog/b.png", "cat/x/deep.JPG", "dog/a.jpeg", "cat/c.webp")
    found = open_folder(Source(str(tmp_path)))
    assert found.listing.examples == ["cat/c.webp", "cat/x/deep.JPG", "dog/a.jpeg", "dog/b.png"]
    assert found.listing.label.tolist() == [0, 0, 1, 1]
    assert found.listing.label.dtype == np.int32
    assert found.listing.classes == found.listing.class_names == ["cat", "dog"]
    assert found.listing.notes == ()
    assert list(found.fetch([3, 0, 3])) == [b"dog/b.png", b"cat/c.webp", b"dog/b.png"]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_numbers_are_ordered_by_value(tmp_path: Path, width: int) -> None:
    """0 to 11, never 0, 1, 10, 11, 2: that permutes the labels of ImageNetV2."""
    names = [str(i).zfill(width) for i in range(12)]
    found = open_folder(Source(str(lay(tmp_path, *(f"{n}/a.png" for n in names)))))
    assert found.listing.classes == names
    assert found.listing.label.tolist() == list(range(12))
    assert found.listing.examples[10] == f"{names[10]}/a.png"
    assert f"'{names[0]}' to '{names[11]}'" in note(found, "order of their values")


@given(st.sets(st.integers(0, 10**6), min_size=1))
def test_any_numbers(values: set[int]) -> None:
    """The order is that of the values, whatever they are."""
    assert in_order([str(v) for v in values], "here")[0] == [str(v) for v in sorted(values)]


def test_gaps_in_the_numbers_are_said(tmp_path: Path) -> None:
    """Class 7 is then not label 7."""
    found = open_folder(Source(str(lay(tmp_path, "3/a.png", "7/b.png"))))
    assert found.listing.label.tolist() == [0, 1]
    assert "not all of 0 to 7" in note(found, "not all")


def test_two_spellings_of_a_number(tmp_path: Path) -> None:
    """1 and 01 in one folder are an error, as nobody can tell whether they are one class."""
    lay(tmp_path, "1/a.png", "01/b.png", "2/c.png")
    with pytest.raises(BadInput, match="'01' and '1', which are the same number"):
        open_folder(Source(str(tmp_path)))


def test_one_name_among_numbers_is_by_the_alphabet(tmp_path: Path) -> None:
    """Then they are names, and 10 comes before 9."""
    lay(tmp_path, "9/a.png", "10/b.png", "other/c.png")
    assert open_folder(Source(str(tmp_path))).listing.classes == ["10", "9", "other"]


def test_what_is_ignored_is_counted(tmp_path: Path) -> None:
    """Hidden files, texts, nameless files; empty folders are no classes; strays have no class."""
    lay(tmp_path, "cat/a.png", "cat/.DS_Store", "cat/._a.png", "cat/list.txt", "dog/b.png",
        ".hidden/c.png", "README", "stray.png", "__MACOSX/cat/a.png")  # fmt: skip
    (tmp_path / "empty").mkdir()
    lay(tmp_path, "only-text/a.txt")
    found = open_folder(Source(str(tmp_path)))
    assert found.listing.examples == ["cat/a.png", "dog/b.png"]
    said = " ".join(found.listing.notes)
    assert "1 file without an ending" in said
    assert "2 .txt files" in said
    assert "4 hidden files" in said
    assert "1 pictures that lie in no class folder" in said
    assert "'empty', 'only-text'" in note(found, "not counted as classes")


def test_no_class_folders(tmp_path: Path) -> None:
    """Pictures without a class have no label; a table that lies with them is named."""
    found = open_folder(Source(str(lay(tmp_path, "b.png", "a.png", "labels.csv"))))
    assert found.listing.examples == ["a.png", "b.png"]
    assert found.listing.label.tolist() == [-1, -1]
    assert found.listing.classes == []
    assert "table=labels.csv" in note(found, "no labels")


def test_class_list(tmp_path: Path) -> None:
    """Gives the order and the names; classes without a folder stay and are counted."""
    lay(tmp_path / "set", "cat/a.png", "dog/b.png")
    order = tmp_path / "order.txt"
    order.write_text("dog\tDog, domestic\n\nbird\ncat\n")
    listing = open_folder(Source(str(tmp_path / "set"), {"classes": str(order)})).listing
    assert listing.classes == ["dog", "bird", "cat"]
    assert listing.class_names == ["Dog, domestic", "bird", "cat"]
    assert listing.label.tolist() == [0, 2]
    assert listing.examples == ["dog/b.png", "cat/a.png"]
    assert "1 of the 3 classes have no examples: bird" in " ".join(listing.notes)
    short = open_folder(Source(str(tmp_path / "set"), {"classes": "dog, cat"})).listing
    assert short.classes == ["dog", "cat"]


def test_one_unknown_class(tmp_path: Path) -> None:
    """A folder that the list does not have is named, with near ones: it would shift all labels."""
    lay(tmp_path, "cat/a.png", "dgo/b.png")
    with pytest.raises(BadInput, match=r"class 'dgo', .* the 3 classes .* Did you mean 'dog'\?"):
        open_folder(Source(str(tmp_path), {"classes": "bird,cat,dog"}))


def test_bad_class_lists(tmp_path: Path) -> None:
    """Doubles, nothing, not there."""
    lay(tmp_path, "cat/a.png")
    for option, words in {"cat,cat": "'cat' 2 times", "cat,,dog": "an empty class"}.items():
        with pytest.raises(BadInput, match=words):
            open_folder(Source(str(tmp_path), {"classes": option}))
    with pytest.raises(NotFound, match=r"no file or folder 'no\.txt'"):
        open_folder(Source(str(tmp_path), {"classes": str(tmp_path / "no.txt")}))


def test_splits_are_not_classes(tmp_path: Path) -> None:
    """A folder of train and val is not a set of two classes."""
    lay(tmp_path, "train/cat/a.png", "val/cat/a.png")
    with pytest.raises(BadInput, match="'train' and 'val', which are parts"):
        open_folder(Source(str(tmp_path)))
    lay(tmp_path / "fine", "train/a.png", "bus/a.png")  # the vehicle
    assert open_folder(Source(str(tmp_path / "fine"))).listing.classes == ["bus", "train"]


def test_ids(tmp_path: Path) -> None:
    """By path, name or stem; names that come twice are refused with the culprit."""
    lay(tmp_path, "cat/a.png", "dog/b.c.png")
    ids = {how: open_folder(Source(str(tmp_path), {"id": how})).listing.examples
           for how in ("path", "name", "stem")}  # fmt: skip
    assert ids == {
        "path": ["cat/a.png", "dog/b.c.png"],
        "name": ["a.png", "b.c.png"],
        "stem": ["a", "b.c"],
    }
    lay(tmp_path, "dog/a.png")
    with pytest.raises(BadInput, match=r"the id 'a\.png' 2 times"):
        open_folder(Source(str(tmp_path), {"id": "name"}))


def test_nothing_there(tmp_path: Path) -> None:
    """No pictures: what else there is, in words."""
    with pytest.raises(BadInput, match="it is empty"):
        open_folder(Source(str(tmp_path)))
    lay(tmp_path, "cat/a.txt", "cat/b.txt")
    with pytest.raises(BadInput, match=r"only 2 \.txt files"):
        open_folder(Source(str(tmp_path)))


def test_a_file_that_went_away(tmp_path: Path) -> None:
    """Unreadable, given and not raised; the others still come."""
    found = open_folder(Source(str(lay(tmp_path, "cat/a.png", "cat/b.png"))))
    (tmp_path / "cat/a.png").unlink()
    gone, there = found.fetch([0, 1])
    assert isinstance(gone, Unreadable)
    assert "No such file" in str(gone)
    assert there == b"cat/b.png"


def test_links(tmp_path: Path) -> None:
    """A linked class is followed; a link back to the top does not go round and round."""
    lay(tmp_path / "elsewhere", "a.png")
    lay(tmp_path / "set", "cat/b.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "set/dog")
    os.symlink(tmp_path / "set", tmp_path / "set/cat/again")
    listing = open_folder(Source(str(tmp_path / "set"))).listing
    assert listing.examples == ["cat/b.png", "dog/a.png"]


def test_any_file_system() -> None:
    """The same through fsspec."""
    files = fsspec.filesystem("memory")
    for path in ("set/2/a.png", "set/10/b.png", "set/10/.hidden", "set/10/n.txt"):
        files.pipe(f"/folder-test/{path}", path.encode())
    found = open_folder(Source("memory://folder-test/set"))
    assert found.listing.examples == ["2/a.png", "10/b.png"]
    assert list(found.fetch([1, 0])) == [b"set/10/b.png", b"set/2/a.png"]
    with pytest.raises(NotFound, match="Did you mean 'set'"):
        open_folder(Source("memory://folder-test/sett"))


@pytest.mark.data
def test_natural_images() -> None:
    """Real photographs: the published numbers a class."""
    found = open_folder(Source(str(published("natural-images-30px"))))
    assert found.listing.classes == ["airplane", "car", "cat", "dog"]
    assert np.bincount(found.listing.label).tolist() == [727, 968, 885, 702]


@pytest.mark.data
def test_cifar10_in_folders() -> None:
    """10,000 pictures, 1,000 a class, in the classes' order."""
    listing = open_folder(Source(str(published("cifar10-test-png")))).listing
    assert np.bincount(listing.label).tolist() == [1000] * 10
    assert (np.diff(listing.label) >= 0).all()
    assert listing.examples[0] == "airplane/aeroplane_s_000002.png"
