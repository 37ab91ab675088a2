"""Tables of paths and labels: the published ones, guesses that are said, contradictions refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import fsspec
import numpy as np
import polars as pl
import pytest

from heldout.errors import BadInput, NotFound
from heldout.testsets import ids
from heldout.testsets.opening import Source
from heldout.testsets.place import FileSet, inside
from heldout.testsets.table import open_table
from realdata import published


def lay(folder: Path, table: str, name: str = "t.csv", files: str = "a b c d") -> Source:
    """Files a.png … in a folder 'set' and a table beside it."""
    (folder / "set").mkdir(exist_ok=True)
    for file in files.split():
        (folder / "set" / f"{file}.png").write_text(file)
    (folder / name).write_text(table)
    return Source(str(folder / "set"), {"table": str(folder / name)})


def opened(source: Source, **options: str) -> FileSet:
    return open_table(Source(source.path, {**source.options, **options}))


def said(found: FileSet) -> str:
    return " ".join(found.listing.notes)


def test_everything_guessed(tmp_path: Path) -> None:
    """Columns by their names, in the table's order; all else is a group; the guesses are said."""
    source = lay(
        tmp_path,
        "path,label,class,name,camera,year\nb.png,1,n2,dog,x,2001\na.png,0,n1,cat,y,1999\n"
        "c.png,1,n2,dog,x,01\n",
    )
    found = opened(source)
    listing = found.listing
    assert listing.examples == ["b.png", "a.png", "c.png"]
    assert listing.label.tolist() == [1, 0, 1]
    assert listing.classes == ["n1", "n2"]
    assert listing.class_names == ["cat", "dog"]
    assert listing.groups == {"camera": ["x", "y", "x"], "year": ["2001", "1999", "01"]}
    assert "image=path, label=label, class=class, name=name" in said(found)
    assert list(found.fetch([2, 0])) == [b"c", b"b"]


def test_everything_named(tmp_path: Path) -> None:
    """Named columns are not guessed, and nothing is said; whole numbers in groups are numbers."""
    source = lay(tmp_path, "p;q;r;s\na.png;0;x;7\nb.png;1;y;8\n")
    found = opened(source, image="p", label="q", **{"class": "r"}, id="{r}-{s:03d}-{row}")
    assert found.listing.examples == ["x-007-0", "y-008-1"]
    assert found.listing.classes == ["x", "y"]
    assert found.listing.groups == {"s": [7, 8]}
    assert found.listing.notes == ()


@pytest.mark.parametrize("name", ["t.tsv", "t.csv.gz", "t.parquet", "list.txt", "bom.csv"])
def test_the_same_table_in_every_format(tmp_path: Path, name: str) -> None:
    """Tabs, gzip, Parquet, a plain list without a header, and the mark that Excel writes."""
    source = lay(tmp_path, "", name)
    where = tmp_path / name
    rows = [("d.png", 0), ("a.png", 2), ("b.png", 1)]
    text = "file,label\n" + "".join(f"{p},{n}\n" for p, n in rows)
    if name == "t.tsv":
        where.write_text(text.replace(",", "\t"))
    elif name == "t.csv.gz":
        where.write_bytes(gzip.compress(text.encode()))
    elif name == "t.parquet":
        pl.DataFrame(rows, schema=["file", "label"], orient="row").write_parquet(where)
    elif name == "list.txt":
        where.write_text("".join(f"{p} {n}\n" for p, n in rows))
    else:
        where.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    listing = opened(source).listing
    assert listing.examples == ["d.png", "a.png", "b.png"]
    assert listing.label.tolist() == [0, 2, 1]
    assert listing.classes == ["0", "1", "2"]


def test_table_alone(tmp_path: Path) -> None:
    """A table as the path: pictures lie in its folder. A table named within the folder, too."""
    lay(tmp_path, "image,label\nset/a.png,0\n")
    found = open_table(Source(str(tmp_path / "t.csv")))
    assert list(found.fetch([0])) == [b"a"]
    assert open_table(Source(str(tmp_path), {"table": "t.csv"})).listing.examples == ["set/a.png"]


def test_class_without_number(tmp_path: Path) -> None:
    """Names of classes alone are ordered as folders are, or by a list."""
    source = lay(tmp_path, "file,label\na.png,dog\nb.png,cat\nc.png,dog\nd.png,\n")
    listing = opened(source).listing
    assert (listing.classes, listing.label.tolist()) == (["cat", "dog"], [1, 0, 1, -1])
    assert "1 of 4 examples have no label" in " ".join(listing.notes)
    listing = opened(source, classes="dog,bird,cat").listing
    assert (listing.classes, listing.label.tolist()) == (["dog", "bird", "cat"], [0, 2, 0, -1])
    with pytest.raises(BadInput, match="'dog', which is not one of the 2 classes"):
        opened(source, classes="dgo,cat")


def test_only_some_of_the_numbers(tmp_path: Path) -> None:
    """The occurring ones are the classes, in order, and it is said; a class list keeps them all."""
    source = lay(tmp_path, "file,label,class\na.png,8,x\nb.png,3,y\nc.png,8,x\n")
    found = opened(source)
    assert found.listing.classes == ["y", "x"]
    assert found.listing.label.tolist() == [1, 0, 1]
    assert "Only 2 of the class numbers 0 to 8 occur" in said(found)
    whole = opened(source, classes="a,b,c,y,d,e,f,g,x")
    assert whole.listing.label.tolist() == [8, 3, 8]
    assert len(whole.listing.classes) == 9
    plain = opened(lay(tmp_path, "file,label\na.png,8\nb.png,3\n"))
    assert plain.listing.classes == ["3", "8"]


def test_labels_and_classes_that_do_not_agree(tmp_path: Path) -> None:
    """One label with two classes, one class with two labels, another order than the list's."""
    source = lay(tmp_path, "file,label,class\na.png,0,x\nb.png,0,y\n")
    with pytest.raises(BadInput, match="row 2: label 0 is class 'y' here and 'x' before"):
        opened(source)
    assert opened(source, **{"class": ""}).listing.groups == {"class": ["x", "y"]}
    source = lay(tmp_path, "file,label,class\na.png,0,x\nb.png,1,x\n")
    with pytest.raises(BadInput, match="row 2: class 'x' has label 1 here and 0 before"):
        opened(source)
    source = lay(tmp_path, "file,label,class\na.png,0,x\nb.png,1,y\n")
    with pytest.raises(BadInput, match="class 'x' with label 0, but class 0 of 'y,x' is 'y'"):
        opened(source, classes="y,x")


def test_labels_that_cannot_be(tmp_path: Path) -> None:
    """Beyond the class list, below -1, no number beside a class column."""
    source = lay(tmp_path, "file,label\na.png,0\nb.png,3\n")
    with pytest.raises(BadInput, match="label 3, but 'a,b,c' has 3 classes, 0 to 2"):
        opened(source, classes="a,b,c")
    with pytest.raises(BadInput, match="label -2"):
        opened(lay(tmp_path, "file,label\na.png,0\nb.png,-2\n"))
    with pytest.raises(BadInput, match="label 'two' in column 'label'"):
        opened(lay(tmp_path, "file,label,class\na.png,1,x\nb.png,two,y\n"))


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    """Near matches; and where no column is like one of paths, all there are."""
    source = lay(tmp_path, "file,label,class\na.png,0,x\n")
    for option in ("image", "label", "class", "name"):
        with pytest.raises(NotFound, match=r"no column 'labell' in the table .* Did you mean 'lab"):
            opened(source, **{option: "labell"})
    for option, column in (("id", "flie"), ("id", "{flie}-x"), ("where", "flie:1")):
        with pytest.raises(NotFound, match="Did you mean 'file'"):
            opened(source, **{option: column})
    with pytest.raises(BadInput, match="no column of paths; its columns are a, b"):
        opened(lay(tmp_path, "a,b\n1,2\n"))


def test_duplicate_ids(tmp_path: Path) -> None:
    """The first is named, with how often it comes."""
    with pytest.raises(BadInput, match=r"the id 'a\.png' 2 times"):
        opened(lay(tmp_path, "file,label\na.png,0\nb.png,0\na.png,1\n"))


@pytest.mark.parametrize("path", ["../t.csv", "/etc/passwd", "x/../../t.csv", "s3://b/a.png", ""])
def test_paths_that_leave_the_folder(tmp_path: Path, path: str) -> None:
    """Refused with the row, before anything is read."""
    with pytest.raises(BadInput, match="row 2: the path"):
        opened(lay(tmp_path, f"file,label\na.png,0\n{path},0\n"))


def test_paths_inside() -> None:
    """Detours that stay inside are straightened; Windows' paths count as paths."""
    assert inside("./a//b/../c.png") == "a/c.png"
    assert inside("a\\b.png") == "a/b.png"
    assert inside("C:\\a.png") is None
    assert inside("..\\a.png") is None
    assert inside("..a.png") == "..a.png"


def test_the_wrong_folder(tmp_path: Path) -> None:
    """When none of the first files is there, the folder is wrong; one missing file is not."""
    with pytest.raises(BadInput, match=r"names 'x/a\.png', but there is no such file"):
        opened(lay(tmp_path, "file,label\nx/a.png,0\nx/b.png,0\n"))
    found = opened(lay(tmp_path, "file,label\ngone.png,0\nb.png,0\n"))
    assert [type(x).__name__ for x in found.fetch([0, 1])] == ["Unreadable", "bytes"]


def test_where(tmp_path: Path) -> None:
    """Some of the rows; a value that no row has is an error with those there are."""
    source = lay(tmp_path, "file,label,part\na.png,0,test\nb.png,1,train\nc.png,1,test\n")
    assert opened(source, where="part:test").listing.examples == ["a.png", "c.png"]
    with pytest.raises(NotFound, match=r"no value 'tset' in column 'part'\. Did you mean 'test'"):
        opened(source, where="part:tset")
    with pytest.raises(BadInput, match="COLUMN:VALUE"):
        opened(source, where="part")


def test_formats_of_ids() -> None:
    """What is not a column, or not a number where one is wanted, is refused; nothing is run."""
    columns = {"i": ["7", "x"]}
    with pytest.raises(BadInput, match="'x' in row 2"):
        ids.from_columns("{i:05d}", columns, "t")
    for bad in ("{i.__class__}", "{i[0]}", "{}", "{i", "}"):
        with pytest.raises((BadInput, NotFound)):
            ids.from_columns("a-{i}" + bad, columns, "t")
    assert ids.from_columns("{i:>3}", columns, "t") == ["  7", "  x"]


def test_broken_tables(tmp_path: Path) -> None:
    """Empty, rows of other lengths, columns named twice, not text."""
    for text, words in {
        "": "is empty",
        "file,label\na.png\n": "Row 2 .* has 1 values, but the header has 2",
        "file,file\na.png,0\n": "names a column twice",
        "file,label\n": "no examples",
    }.items():
        with pytest.raises(BadInput, match=words):
            opened(lay(tmp_path, text))
    source = lay(tmp_path, "x")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BadInput, match="cannot be read as text"):
        opened(source)
    (tmp_path / "t.csv").write_bytes(gzip.compress(b"file,label\na.png,0\n" * 99)[:40])
    with pytest.raises(BadInput, match="cannot be read as text"):
        opened(source)
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(BadInput, match="cannot be read"):
        opened(Source(source.path, {"table": str(tmp_path / "t.parquet")}))


def test_no_table(tmp_path: Path) -> None:
    """A folder needs the option, a table does not take another, a missing one has near names."""
    source = lay(tmp_path, "file,label\na.png,0\n", "labels.csv")
    with pytest.raises(BadInput, match="the option table has to name"):
        open_table(Source(source.path))
    with pytest.raises(BadInput, match="is a file, and the option table"):
        open_table(Source(source.options["table"], source.options))
    with pytest.raises(NotFound, match=r"Did you mean 'labels\.csv'"):
        opened(source, table=str(tmp_path / "label.csv"))


def test_any_file_system() -> None:
    """Table and pictures through fsspec."""
    files = fsspec.filesystem("memory")
    files.pipe("/table-test/t.csv", b"file,label\nb.png,0\na.png,1\n")
    files.pipe("/table-test/a.png", b"A")
    files.pipe("/table-test/b.png", b"B")
    found = open_table(Source("memory://table-test/t.csv"))
    assert list(found.fetch([0, 1])) == [b"B", b"A"]
    found = open_table(Source("memory://table-test", {"table": "memory://table-test/t.csv"}))
    assert found.listing.examples == ["b.png", "a.png"]


@pytest.mark.data
@pytest.mark.parametrize("column", ["png", "jpeg"])
def test_cifar10_in_its_original_order(column: str) -> None:
    """The labels begin 3 8 8 0 6 6 1 6 3 1; both encodings get the same ids in the same order."""
    folder = published(f"cifar10-test-{column}")
    options = {
        "table": str(published("cifar10-test-labels.csv.gz")),
        "image": column,
        "id": "cifar10-test-{index:05d}",
    }
    found = open_table(Source(str(folder), options))
    listing = found.listing
    assert listing.label[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert listing.examples == [f"cifar10-test-{i:05d}" for i in range(10_000)]
    assert (listing.classes[0], listing.classes[9]) == ("airplane", "truck")
    assert np.bincount(listing.label).tolist() == [1000] * 10
    start = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff"}[column]
    assert all(
        isinstance(c, bytes) and c.startswith(start) for c in found.fetch(range(0, 10_000, 99))
    )
    # Without the option the encoding is told by what lies in the folder.
    del options["image"]
    assert open_table(Source(str(folder), options)).listing.notes[0].count(f"image={column}") == 1


@pytest.mark.data
def test_imagenet_samples() -> None:
    """200 of 1,000 classes: their wnids in order, names of people's, and the note that says so."""
    options = {
        "table": str(published("imagenet-samples-labels.csv")), "image": "file", "label": "index",
        "class": "wnid", "where": "shipped:core",
    }  # fmt: skip
    listing = open_table(Source(str(published("imagenet-samples")), options)).listing
    assert len(listing.examples) == len(listing.classes) == 200
    assert listing.classes == sorted(listing.classes)
    assert listing.classes[0] == "n01443537"
    assert listing.class_names[0] == "goldfish"
    assert all(listing.examples[i].startswith(listing.classes[k])
               for i, k in enumerate(listing.label))  # fmt: skip
    assert "Only 200" in " ".join(listing.notes)
