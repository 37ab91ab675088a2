"""Lists of paths without a header, and absolute paths in tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from heldout.errors import BadInput
from heldout.testsets.opening import Source, open_test_set
from heldout.testsets.place import Place, below
from heldout.testsets.reader import Listing


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("set/cat/1.png", "set/cat/2.PNG", "set/dog/1.png", "set/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def listing(here: Path, text: str, name: str = "list.txt", **options: str) -> Listing:
    """Of a table beside the folder's pictures."""
    (here / name).write_text(text)
    source = Source(str(here / "set"), {"table": str(here / name), **options})
    return open_test_set(source).listing


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_a_path_a_line(here: Path, name: str, end: str) -> None:
    """The first line is a picture and no header; the folders are the labels, and it is said."""
    found = listing(here, end.join(["cat/2.PNG", "dog/1.png", "cat/1.png", ""]), name)
    assert found.examples == ["cat/2.PNG", "dog/1.png", "cat/1.png"]
    assert (found.classes, found.label.tolist()) == (["cat", "dog"], [0, 1, 0])
    assert "The labels are the folders in the paths" in " ".join(found.notes)
    assert not found.groups
    none = listing(here, "cat/2.PNG\ndog/1.png\n", name, **{"class": ""})
    assert (none.classes, none.label.tolist()) == ([], [-1, -1])


def test_a_list_that_tells_no_classes(here: Path) -> None:
    """One folder for all, or a picture without one: unlabelled, and said."""
    for text in ("cat/1.png\ncat/2.PNG\n", "cat/1.png\n0.png\n"):
        found = listing(here, text)
        assert (len(found.examples), found.label.tolist()) == (2, [-1, -1])
        assert "there are no labels" in " ".join(found.notes)


def test_a_list_beside_its_pictures(here: Path) -> None:
    """Given alone; the folder around the classes is no class."""
    (here / "list.txt").write_text("set/cat/1.png\nset/dog/1.png\n")
    opened = open_test_set(Source(str(here / "list.txt")))
    assert opened.listing.examples == ["set/cat/1.png", "set/dog/1.png"]
    assert opened.listing.classes == ["cat", "dog"]
    assert list(opened.fetch([1])) == [b"set/dog/1.png"]


def test_path_and_label_without_a_header(here: Path) -> None:
    found = listing(here, "0.png,1\ncat/1.png,0\n", "t.csv")
    assert (found.examples, found.label.tolist()) == (["0.png", "cat/1.png"], [1, 0])


@pytest.mark.parametrize("text", ["file\n{}/set/dog/1.png\n{}/set/cat/1.png\n",
                                  "{}/set/dog/1.png\n{}/set/cat/1.png\n"])  # fmt: skip
def test_absolute_paths(here: Path, text: str) -> None:
    """Those below the folder are relative to it; all are below '/'; others are refused."""
    text = text.format(here, here)
    found = listing(here, text)
    assert found.examples == ["dog/1.png", "cat/1.png"]
    root = open_test_set(Source("/", {"table": str(here / "list.txt")}))
    assert root.listing.examples == [f"{here}/set/{n}"[1:] for n in ("dog/1.png", "cat/1.png")]
    assert list(root.fetch([0])) == [b"set/dog/1.png"]
    (here / "link").symlink_to(here / "set")
    linked = open_test_set(Source(str(here / "link"), {"table": str(here / "list.txt")}))
    assert linked.listing.examples == found.examples
    for bad in (f"{here}/sets/1.png", f"{here}/set/../other.png", "/etc/x.png"):
        with pytest.raises(BadInput, match=r"leaves the folder; .* the option table"):
            listing(here, f"file,label\n{bad},0\n")


def test_addresses() -> None:
    """The same on another file system."""
    bucket = Place("s3://bucket/set", "bucket/set", object())
    assert below("s3://bucket/set/a/b.png", bucket) == "a/b.png"
    assert below("s3://bucket/other/b.png", bucket) is None
    assert below("a/b.png", bucket) == "a/b.png"
