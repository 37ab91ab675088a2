"""Shards of WebDataset: keys, labels from four places, one pass of headers, hostile archives."""

from __future__ import annotations

import gc
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import Unreadable
from heldout.testsets.opening import Source
from heldout.testsets.place import braces
from heldout.testsets.tar import TarSet, open_tar

CATS = {"a.jpg": b"A", "a.cls": b"2", "b.c.jpg": b"BB", "b.cls": b"0\n"}


def shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def opened(path: Path | str, **options: str) -> TarSet:
    return open_tar(Source(str(path), options))


@pytest.mark.parametrize(
    ("name", "mode"), [("s.tar", "w"), ("s.tar.gz", "w:gz"), ("s.tgz", "w:gz")]
)
def test_one_shard(tmp_path: Path, name: str, mode: str) -> None:
    """Ids are keys, labels from .cls, bytes as they were put in, in the order asked."""
    found = opened(shard(tmp_path / name, CATS, mode))
    assert found.listing.examples == ["a", "b"]
    assert found.listing.classes == ["0", "2"]
    assert found.listing.label.tolist() == [1, 0]
    for rows in ([0, 1], [1, 0, 1], [0]):
        assert list(found.fetch(rows)) == [[b"A", b"BB"][r] for r in rows]
    assert ("Compressed" in " ".join(found.listing.notes)) == (mode == "w:gz")
    del found
    gc.collect()  # a stream left open would be a warning, which is an error here


def test_labels_by_number_in_a_list(tmp_path: Path) -> None:
    """The class list gives names to the numbers of .cls; one beyond it is refused."""
    path = shard(tmp_path / "s.tar", CATS)
    listing = opened(path, classes="cat,bird,dog").listing
    assert listing.classes == ["cat", "bird", "dog"]
    assert listing.label.tolist() == [2, 0]
    with pytest.raises(BadInput, match="label 2, but 'cat,dog' has 2 classes"):
        opened(path, classes="cat,dog")


def test_labels_in_json(tmp_path: Path) -> None:
    """Under 'label' or as named; words are classes; .cls comes first; some may be missing."""
    members = {
        "a.json": json.dumps({"label": "dog", "species": 7}).encode(), "a.png": b"1",
        "b.png": b"2", "b.json": json.dumps({"label": "cat", "species": 9}).encode(),
        "c.png": b"3", "c.json": b"{}",
    }  # fmt: skip
    path = shard(tmp_path / "s.tar", members)
    listing = opened(path).listing
    assert (listing.classes, listing.label.tolist()) == (["cat", "dog"], [1, 0, -1])
    assert "1 of 3 pictures have no label" in " ".join(listing.notes)
    assert opened(path, label="species").listing.classes == ["7", "9"]
    both = shard(tmp_path / "t.tar", {**members, "a.cls": b"bird"})
    assert opened(both).listing.classes == ["bird", "cat"]


def test_classes_are_folders(tmp_path: Path) -> None:
    """A tar of a folder of classes; the key has the class in it."""
    members = {"./10/a.JPEG": b"1", "./9/a.JPEG": b"2", "./9/notes.md": b"", "./9/.x.png": b""}
    found = opened(shard(tmp_path / "s.tar", members))
    assert found.listing.examples == ["10/a", "9/a"]
    assert found.listing.classes == ["9", "10"]
    assert found.listing.label.tolist() == [1, 0]
    assert "2 members that are not pictures or labels" in " ".join(found.listing.notes)
    none = opened(shard(tmp_path / "t.tar", {"a.png": b"1"}))
    assert none.listing.label.tolist() == [-1]
    assert "no labels" in none.listing.notes[0]


def test_folders_that_all_share(tmp_path: Path) -> None:
    """`tar cf x.tar small`: the folder around the classes is no class; one class alone is one."""
    for folder in ("cat", "dog"):
        (tmp_path / "small" / folder).mkdir(parents=True)
        (tmp_path / "small" / folder / "1.png").write_text(folder)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "small", "small")
    found = opened(tmp_path / "x.tar")
    assert found.listing.examples == ["cat/1", "dog/1"]
    assert (found.listing.classes, found.listing.label.tolist()) == (["cat", "dog"], [0, 1])
    assert "All members lie in 'small/', which is left out" in " ".join(found.listing.notes)
    assert list(found.fetch([1])) == [b"dog"]
    one = opened(shard(tmp_path / "y.tar", {"a/b/cat/1.png": b"", "a/b/cat/2.png": b""})).listing
    assert (one.examples, one.classes) == (["cat/1", "cat/2"], ["cat"])
    some = opened(shard(tmp_path / "z.tar", {"s/cat/1.png": b"", "s/2.png": b""})).listing
    assert (some.examples, some.label.tolist()) == (["cat/1", "2"], [0, -1])
    keyed = opened(shard(tmp_path / "k.tar", {"s/1.png": b"", "s/1.cls": b"3"})).listing
    assert (keyed.examples, keyed.classes) == (["s/1"], ["3"])


def test_many_shards(tmp_path: Path) -> None:
    """A folder, braces and a star are the same set in the same order; rows cross the shards."""
    for i in range(11):
        shard(tmp_path / f"v-{i:02d}.tar", {f"{i:02d}{c}.jpg": f"{i}{c}".encode() for c in "abc"})
    sets = [opened(tmp_path), opened(f"{tmp_path}/v-{{00..10}}.tar"), opened(f"{tmp_path}/v-*.tar")]
    for found in sets:
        assert found.listing.examples == [f"{i:02d}{c}" for i in range(11) for c in "abc"]
        assert list(found.fetch([32, 0, 31])) == [b"10c", b"0a", b"10b"]
    with pytest.raises(NotFound, match=r"no file or folder 'v-11\.tar'"):
        opened(f"{tmp_path}/v-{{10..11}}.tar")
    with pytest.raises(NotFound, match="No file matches"):
        opened(f"{tmp_path}/x-*.tar")
    assert braces("a{x,y}-{9..11}") == [f"a{c}-{i}" for c in "xy" for i in (9, 10, 11)]


def test_keys_that_come_twice(tmp_path: Path) -> None:
    """In one shard or in two: the labels would be anybody's."""
    with pytest.raises(BadInput, match="the key 'a' 2 times"):
        opened(shard(tmp_path / "s.tar", {"a.jpg": b"1", "a.png": b"2"}))
    shard(tmp_path / "s.tar", {"a.jpg": b"1"})
    shard(tmp_path / "t.tar", {"a.jpg": b"1"})
    with pytest.raises(BadInput, match="the key 'a' 2 times"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "x/../../a.jpg"])
def test_members_that_lead_out(tmp_path: Path, name: str) -> None:
    """Refused by name, though nothing is ever written."""
    with pytest.raises(BadInput, match="leads out of the archive"):
        opened(shard(tmp_path / "s.tar", {"b.jpg": b"1", name: b"2"}))


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link is no picture."""
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BadInput, match="no pictures"):
        opened(tmp_path / "s.tar")


@pytest.mark.parametrize("cut", [100, 600, 1030, 1500, 1700])
@pytest.mark.parametrize(("name", "mode"), [("s.tar", "w"), ("s.tar.gz", "w:gz")])
def test_cut_off(tmp_path: Path, cut: int, name: str, mode: str) -> None:
    """Noticed wherever it happens, and named."""
    noise = np.random.default_rng(0)
    path = shard(tmp_path / name, {"a.jpg": noise.bytes(900), "b.jpg": noise.bytes(900)}, mode)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadInput, match=r"'.*s\.tar.*' is damaged, cut off or no tar file"):
        opened(path)


def test_damage(tmp_path: Path) -> None:
    """No tar at all; a header overwritten; labels that are none; shards that went away."""
    (tmp_path / "s.tar").write_bytes(b"x" * 2000)
    with pytest.raises(BadInput, match="no tar file"):
        opened(tmp_path / "s.tar")
    content = bytearray(shard(tmp_path / "s.tar", CATS).read_bytes())
    content[1024 + 150] ^= 1
    (tmp_path / "s.tar").write_bytes(content)
    with pytest.raises(BadInput, match="no valid header at byte 1,024"):
        opened(tmp_path / "s.tar")
    for label in ({"a.json": b"{"}, {"a.json": b"[1]"}, {"a.cls": b"\xff\xfe"}):
        path = shard(tmp_path / "s.tar", {"a.jpg": b"1", **label})
        with pytest.raises(BadInput, match="is not what its ending says"):
            opened(path)
    found = opened(shard(tmp_path / "s.tar", CATS))
    (tmp_path / "s.tar").unlink()
    assert [isinstance(x, Unreadable) for x in found.fetch([0, 1])] == [True, True]


@pytest.mark.parametrize(("name", "mode"), [("s.tar", "w"), ("s.tar.gz", "w:gz")])
def test_threads(tmp_path: Path, name: str, mode: str) -> None:
    """Threads that read other rows at once get their own bytes."""
    found = opened(shard(tmp_path / name, {f"{i}.jpg": str(i).encode() for i in range(300)}, mode))
    chunks = [range(i, i + 20) for i in range(0, 300, 20)] * 3
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda rows: list(found.fetch(rows)), chunks))
    assert got == [[str(i).encode() for i in rows] for rows in chunks]


def test_any_file_system(tmp_path: Path) -> None:
    """The same through fsspec, patterns too."""
    files = fsspec.filesystem("memory")
    for i in range(2):
        path = shard(tmp_path / "s.tar", {f"{i}.jpg": str(i).encode(), f"{i}.cls": b"0"})
        files.pipe(f"/tar-test/s-{i}.tar", path.read_bytes())
    for path_or_pattern in ("memory://tar-test", "memory://tar-test/s-*.tar",
                            "memory://tar-test/s-{0..1}.tar"):  # fmt: skip
        found = opened(path_or_pattern)
        assert found.listing.examples == ["0", "1"]
        assert list(found.fetch([1, 0])) == [b"1", b"0"]
