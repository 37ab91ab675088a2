"""Opening: what lies there is recognised, what cannot be is said, and options are checked."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heldout.errors import BadInput, HeldoutError, NotFound
from heldout.testsets import opening
from heldout.testsets.opening import Source, kinds, open_test_set, parse_options
from realdata import published


def content(path: str, **options: str) -> list[Any]:
    found = open_test_set(Source(path, options))
    return [np.asarray(c).tolist() if isinstance(c, np.ndarray) else c
            for c in found.fetch(range(len(found.listing.examples)))]  # fmt: skip


def test_every_kind_is_recognised(tmp_path: Path) -> None:
    """One picture of one class in each layout, opened without saying what it is."""
    (tmp_path / "folder/cat").mkdir(parents=True)
    (tmp_path / "folder/cat/a.png").write_bytes(b"A")
    (tmp_path / "folder.csv").write_text("file,label\nfolder/cat/a.png,0\n")
    pixels = np.full((1, 2, 2, 3), 9, np.uint8)
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy/fog.npy", pixels)
    np.save(tmp_path / "npy/labels.npy", np.zeros(1, int))
    np.savez(tmp_path / "a.npz", images=pixels)
    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars/a.tar", "w") as tar:
        info = tarfile.TarInfo("cat/a.png")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"A"))
    (tmp_path / "hub/data").mkdir(parents=True)
    pq.write_table(pa.table({"image": [b"A"], "label": [0]}), tmp_path / "hub/data/a.parquet")
    pq.write_table(
        pa.table({"file": ["folder/cat/a.png"], "label": [0]}), tmp_path / "paths.parquet"
    )
    for path in ("folder", "folder.csv", "tars", "tars/a.tar", "tars/*.tar", "hub",
                 "hub/data/a.parquet", "hub/data/*.parquet", "paths.parquet"):  # fmt: skip
        assert content(f"{tmp_path}/{path}") == [b"A"], path
    for path in ("npy", "npy/fog.npy", "a.npz"):
        assert content(f"{tmp_path}/{path}") == pixels.tolist(), path
    table = str(tmp_path / "folder.csv")
    assert content(str(tmp_path), table=table) == [b"A"]


def test_nothing_to_recognise(tmp_path: Path) -> None:
    """A picture, archives that are not read, anything else; an empty folder; nothing."""
    for name, words in {
        "a.png": "is a single picture",
        "a.zip": "unpack it and give the folder",
        "a.tar.xz": "compressed in a way",
        "a.xyz": "the option kind says what it is: folder, table",
    }.items():
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(BadInput, match=words):
            open_test_set(Source(str(tmp_path / name)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="is empty"):
        open_test_set(Source(str(tmp_path / "empty")))
    with pytest.raises(NotFound, match=r"no file or folder 'emtpy' in '.*'\. Did you mean 'empty'"):
        open_test_set(Source(str(tmp_path / "emtpy")))
    with pytest.raises(NotFound, match=r"no file or folder 'emtpy'.* Did you mean 'empty'"):
        open_test_set(Source(str(tmp_path / "emtpy/deep/er")))
    with pytest.raises(NotFound, match=r"nothing|no file or folder"):
        open_test_set(Source("memory://not-there/at-all"))
    with pytest.raises(BadInput, match="The address 'nosuch://x' cannot be opened"):
        open_test_set(Source("nosuch://x"))


def test_options_are_checked(tmp_path: Path) -> None:
    """Unknown ones with near matches; another kind's with the kind; unknown kinds."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.png").write_bytes(b"A")
    path = str(tmp_path)
    with pytest.raises(
        NotFound, match=r"no option 'clases' in .*'folder'\. Did you mean 'classes'"
    ):
        open_test_set(Source(path, {"clases": "a"}))
    with pytest.raises(NotFound, match=r"no option 'tabel' .* Did you mean 'table'"):
        open_test_set(Source(path, {"tabel": "a"}))
    with pytest.raises(BadInput, match="'severity' is for test sets of the kind 'arrays'"):
        open_test_set(Source(path, {"severity": "1"}))
    with pytest.raises(NotFound, match="Did you mean 'folder'"):
        open_test_set(Source(path, {"kind": "fodler"}))
    with pytest.raises(
        BadInput, match=r"^The test set 'mine' cannot be opened\. The option 'severity'"
    ):
        open_test_set(Source(path, {"severity": "1"}), set_name="mine")


def test_the_option_kind_wins(tmp_path: Path) -> None:
    """Text files and arrays beside pictures do not hide them when the kind is said."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.png").write_bytes(b"A")
    np.save(tmp_path / "features.npy", np.zeros((2, 2)))
    with pytest.raises(HeldoutError):
        content(str(tmp_path))
    assert content(str(tmp_path), kind="folder") == [b"A"]


@pytest.mark.parametrize(
    ("text", "path", "options"),
    [
        ("a/b", "a/b", {}),
        ("a?kind=tar", "a", {"kind": "tar"}),
        ("a?id=x-{index:05d}&where=part:a=b", "a", {"id": "x-{index:05d}", "where": "part:a=b"}),
        ("a?classes=x%26y&name=", "a", {"classes": "x&y", "name": ""}),
        ("shard-?.tar", "shard-?.tar", {}),
        ("shard-?.tar?label=l", "shard-?.tar", {"label": "l"}),
        ("s3://b/k?image=x", "s3://b/k", {"image": "x"}),
    ],
)
def test_options_in_a_path(text: str, path: str, options: dict[str, str]) -> None:
    """After the last question mark, when KEY= follows."""
    source = parse_options(text)
    assert (source.path, dict(source.options)) == (path, options)


def test_a_path_with_a_question_mark(tmp_path: Path) -> None:
    """One that exists is a path; nonsense after the mark is an error."""
    folder = tmp_path / "a?kind=x"
    folder.mkdir()
    assert parse_options(str(folder)).path == str(folder)
    with pytest.raises(BadInput, match="'tar' in"):
        parse_options("a?kind=x&tar")
    with pytest.raises(BadInput, match="'kind' comes twice"):
        parse_options("a?kind=x&kind=y")


def test_another_packages_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package's kind is opened by name and recognised; a broken one is named."""
    package = tmp_path / "site"
    (package / "heldout_rawset-1.0.dist-info").mkdir(parents=True)
    (package / "heldout_rawset-1.0.dist-info/METADATA").write_text("Name: heldout-rawset\n")
    (package / "heldout_rawset-1.0.dist-info/entry_points.txt").write_text(
        "[heldout.testsets]\nrawset = heldout_rawset\nbroken = heldout_not_there\n"
    )
    (package / "heldout_rawset.py").write_text(
        "from heldout.testsets.folder import open_folder\n"
        "OPTIONS = ('colour',)\n"
        "def open_set(source):\n"
        "    return open_folder(type(source)(source.path))\n"
        "def recognise(source):\n"
        "    return source.path.endswith('.raw')\n"
    )
    monkeypatch.syspath_prepend(str(package))
    (tmp_path / "set/cat").mkdir(parents=True)
    (tmp_path / "set/cat/a.png").write_bytes(b"A")
    assert kinds() == [*opening.KINDS, "broken", "rawset"]
    assert content(str(tmp_path / "set"), kind="rawset", colour="red") == [b"A"]
    (tmp_path / "set").rename(tmp_path / "set.raw")
    assert content(str(tmp_path / "set.raw"), colour="red") == [b"A"]
    (tmp_path / "set.raw").rename(tmp_path / "set")
    assert content(str(tmp_path / "set")) == [b"A"]
    with pytest.raises(NotFound, match=r"no option 'color' .* Did you mean 'colour'"):
        content(str(tmp_path / "set"), kind="rawset", color="red")
    with pytest.raises(BadInput, match=r"'broken' .* cannot be loaded: ModuleNotFoundError"):
        content(str(tmp_path / "set"), kind="broken")
    sys.modules.pop("heldout_rawset", None)


def test_ids_of_published_predictions(tmp_path: Path) -> None:
    """A set of the field gets the ids under which published predictions are kept, or a note."""
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 2, 2, 3), np.uint8), labels=[0, 1, 2])
    named = open_test_set(Source(str(tmp_path / "a.npz")), set_name="cifar10-test")
    assert named.listing.examples[1] == "cifar10-test-00001"
    assert "Ids are those of published predictions" in named.listing.notes[-1]
    assert len(list(named.fetch([0, 2]))) == 2
    own = open_test_set(Source(str(tmp_path / "a.npz"), {"id": "x"}), set_name="cifar10-test")
    assert own.listing.examples[1] == "x00001"
    other = open_test_set(Source(str(tmp_path / "a.npz")), set_name="mine")
    assert other.listing.examples[1] == "00001"


def test_names_and_stems_of_published_predictions(tmp_path: Path) -> None:
    """File names for the original validation set, unless two are the same."""
    for path in ("n01440764/ILSVRC2012_val_00000293.JPEG", "n01443537/b.JPEG"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(b"A")
    named = open_test_set(Source(str(tmp_path)), set_name="imagenet-val")
    assert named.listing.examples == ["ILSVRC2012_val_00000293.JPEG", "b.JPEG"]
    (tmp_path / "n01440764/b.JPEG").write_bytes(b"B")
    same = open_test_set(Source(str(tmp_path)), set_name="imagenet-val")
    assert same.listing.examples[1] == "n01440764/b.JPEG"
    assert "cannot be told from these files" in same.listing.notes[-1]


@pytest.mark.data
def test_cifar10_under_its_name() -> None:
    """By the table, ids are the published ones; by folders, the order is lost and it is said."""
    folder = published("cifar10-test-png")
    options = {"table": str(published("cifar10-test-labels.csv.gz"))}
    listing = open_test_set(Source(str(folder), options), set_name="cifar10-test").listing
    assert listing.examples[9_999] == "cifar10-test-09999"
    assert listing.label[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    by_folder = open_test_set(Source(str(folder)), set_name="cifar10-test").listing
    assert by_folder.examples[0] == "airplane/aeroplane_s_000002.png"
    assert "cannot be told from these files" in by_folder.notes[-1]


def test_any_file_system() -> None:
    """Recognised by content through fsspec too."""
    files = fsspec.filesystem("memory")
    files.pipe("/opening-test/cat/a.png", b"A")
    assert content("memory://opening-test") == [b"A"]
