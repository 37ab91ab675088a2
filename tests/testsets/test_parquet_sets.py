"""Pictures in Parquet and Arrow files: Hugging Face's layouts, as pyarrow writes them here."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import Unreadable
from heldout.testsets.opening import Source, open_test_set
from heldout.testsets.parquet import ParquetSet, open_parquet

NAMES = ["airplane", "cat", "dog"]
NUMBERED = {"0": "airplane", "2": "dog", "1": "cat"}
FEATURES: Any = {
    "image": {"_type": "Image"},
    "label": {"names": NAMES, "_type": "ClassLabel"},
}


def table(
    n: int, first: int = 0, paths: bool = True, features: Any = None, **more: Any
) -> pa.Table:
    """Pictures b"0", b"1", …, labels 0 1 2 0 1 2 …, and the metadata that datasets writes."""
    rows = range(first, first + n)
    images = [{"bytes": str(i).encode(), "path": f"p{i}.png" if paths else None} for i in rows]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "image": pa.array(images, kind),
        "label": pa.array([i % 3 for i in rows], pa.int64()),
    }
    made = pa.table({**columns, **more})
    if features is None:
        return made
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def written(path: Path, content: pa.Table, rows: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path, row_group_size=rows)
    return path


def opened(path: Path | str, **options: str) -> ParquetSet:
    return open_parquet(Source(str(path), options))


def test_hugging_face(tmp_path: Path) -> None:
    """Names of classes from the schema, ids from the paths, pictures across row groups."""
    found = opened(written(tmp_path / "t.parquet", table(10, features=FEATURES)))
    listing = found.listing
    assert listing.examples == [f"p{i}.png" for i in range(10)]
    assert listing.classes == listing.class_names == NAMES
    assert listing.label.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert listing.notes == ()
    assert list(found.fetch([9, 0, 4, 5])) == [b"9", b"0", b"4", b"5"]


@pytest.mark.parametrize(
    "features",
    [
        json.dumps(FEATURES),
        [{"name": "image", "dtype": "image"},
         {"name": "label", "dtype": {"class_label": {"names": NAMES}}}],
        [{"name": "label", "dtype": {"class_label": {"names": NUMBERED}}}],
    ],
)  # fmt: skip
def test_features_in_other_spellings(tmp_path: Path, features: Any) -> None:
    """As a string in the string, as the list of a data set's card, as numbered names."""
    found = opened(written(tmp_path / "t.parquet", table(3, features=features)))
    assert found.listing.classes == NAMES


@pytest.mark.parametrize("features", [None, {}, [], "nonsense", {"label": {"dtype": "int64"}}])
def test_labels_without_names(tmp_path: Path, features: Any) -> None:
    """Numbers are then the classes, or a class list says what they are."""
    path = written(tmp_path / "t.parquet", table(4, features=features))
    assert opened(path).listing.classes == ["0", "1", "2"]
    assert opened(path, classes="a,b,c,d").listing.classes == ["a", "b", "c", "d"]


def test_class_list_beside_the_names(tmp_path: Path) -> None:
    """The same list is welcome; another order would give other labels and is refused."""
    path = written(tmp_path / "t.parquet", table(4, features=FEATURES))
    assert opened(path, classes="airplane,cat,dog").listing.classes == NAMES
    with pytest.raises(BadInput, match="in another order"):
        opened(path, classes="cat,airplane,dog")
    with pytest.raises(BadInput, match="'airplane', which is not one of"):
        opened(path, classes="aeroplane,cat,dog")


def test_labels_of_other_kinds(tmp_path: Path) -> None:
    """Words, none at all, one that no class has, and those of test sets that are kept secret."""
    words = table(3).set_column(1, "label", pa.array(["b", "a", None]))
    assert opened(written(tmp_path / "a.parquet", words)).listing.label.tolist() == [1, 0, -1]
    none = opened(written(tmp_path / "b.parquet", table(3).drop_columns(["label"])))
    assert none.listing.label.tolist() == [-1, -1, -1]
    assert "no column of labels" in none.listing.notes[0]
    beyond = table(3, features=FEATURES).set_column(1, "label", pa.array([0, 1, 3]))
    with pytest.raises(BadInput, match=r"label 3 for 'p2\.png'"):
        opened(written(tmp_path / "c.parquet", beyond))
    secret = table(2, features=FEATURES).set_column(1, "label", pa.array([-1, -1]))
    assert opened(written(tmp_path / "d.parquet", secret)).listing.label.tolist() == [-1, -1]


def test_ids(tmp_path: Path) -> None:
    """Paths when each is its own, else positions, which is said; or a column, or a format."""
    plain = opened(written(tmp_path / "a.parquet", table(3, paths=False)))
    assert plain.listing.examples == ["00000", "00001", "00002"]
    assert "ids are positions" in " ".join(plain.listing.notes)
    path = written(tmp_path / "b.parquet", table(2, key=pa.array([7, 8]), year=pa.array([1, 2])))
    assert opened(path, id="key").listing.examples == ["7", "8"]
    assert opened(path, id="x-{key:03d}-{index}").listing.examples == ["x-007-0", "x-008-1"]
    assert opened(path, id="key").listing.groups == {"year": [1, 2]}


def test_plain_bytes(tmp_path: Path) -> None:
    """A column of bytes without paths, under any name."""
    made = pa.table({"photo": pa.array([b"x", b"y", None]), "target": [1, 0, 1]})
    found = opened(written(tmp_path / "a.parquet", made))
    assert found.listing.label.tolist() == [1, 0, 1]
    x, y, nothing = found.fetch([0, 1, 2])
    assert (x, y) == (b"x", b"y")
    assert str(nothing) == "the table has no picture"
    two = made.append_column("image", pa.array([b"1", b"2", b"3"]))
    assert next(opened(written(tmp_path / "b.parquet", two)).fetch([0])) == b"1"
    assert next(opened(tmp_path / "b.parquet", image="photo").fetch([0])) == b"x"


def test_only_the_path(tmp_path: Path) -> None:
    """A picture that lies elsewhere is unreadable, and its place is said."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    made = pa.table({"image": pa.array([{"bytes": None, "path": "/far/a.png"}], kind)})
    (item,) = opened(written(tmp_path / "a.parquet", made)).fetch([0])
    assert isinstance(item, Unreadable)
    assert "'/far/a.png'" in str(item)


def test_many_files_and_splits(tmp_path: Path) -> None:
    """Files in order; a folder 'data' within; a split has to be named where there are several."""
    for i in range(3):
        name = f"data/test-{i:05d}-of-00003.parquet"
        written(tmp_path / name, table(5, 5 * i, features=FEATURES), 2)
    found = opened(tmp_path)
    assert found.listing.examples == [f"p{i}.png" for i in range(15)]
    assert list(found.fetch(range(15))) == [str(i).encode() for i in range(15)]
    assert opened(f"{tmp_path}/data/test-*.parquet").listing.examples == found.listing.examples
    written(tmp_path / "data/train-00000-of-00001.parquet", table(2))
    with pytest.raises(BadInput, match="the splits test, train; name one"):
        opened(tmp_path)
    assert len(opened(tmp_path, split="train").listing.examples) == 2
    with pytest.raises(NotFound, match="Did you mean 'test'"):
        opened(tmp_path, split="tests")


def test_save_to_disk(tmp_path: Path) -> None:
    """The Arrow streams that datasets' save_to_disk writes, and Arrow's own files."""
    made = table(2500, features=FEATURES)
    for kind, name in (
        (pa.ipc.new_stream, "data-00000-of-00001.arrow"),
        (pa.ipc.new_file, "x.arrow"),
    ):
        folder = tmp_path / name[:1]
        folder.mkdir()
        with kind(folder / name, made.schema) as writer:
            writer.write_table(made, max_chunksize=300)
        (folder / "state.json").write_text("{}")
        found = open_test_set(Source(str(folder)))
        assert found.listing.classes == NAMES
        assert list(found.fetch([0, 999, 1000, 2499])) == [b"0", b"999", b"1000", b"2499"]


def test_threads(tmp_path: Path) -> None:
    """Threads on other row groups at once get their own pictures."""
    found = opened(written(tmp_path / "a.parquet", table(300), 7))
    chunks = [range(i, i + 20) for i in range(0, 300, 20)] * 3
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda rows: list(found.fetch(rows)), chunks))
    assert got == [[str(i).encode() for i in rows] for rows in chunks]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Damage, no pictures, other columns in the second file, columns that are not there."""
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" + bytes(50))
    with pytest.raises(BadInput, match="damaged or not Parquet"):
        opened(tmp_path / "bad.parquet")
    (tmp_path / "bad.arrow").write_bytes(bytes(50))
    with pytest.raises(BadInput, match="damaged or not an Arrow file"):
        opened(tmp_path / "bad.arrow")
    plain = written(tmp_path / "plain.parquet", pa.table({"file": ["a.png"], "label": [0]}))
    with pytest.raises(BadInput, match=r"no pictures in its columns: file \(string\), label"):
        opened(plain)
    with pytest.raises(BadInput, match="no pictures in column 'label'"):
        opened(plain, image="label")
    for option in ("image", "label", "id"):
        with pytest.raises(NotFound, match="Did you mean 'label'"):
            opened(written(tmp_path / "c.parquet", table(2)), **{option: "labell"})
    written(tmp_path / "two/a.parquet", table(2))
    written(tmp_path / "two/b.parquet", table(2).rename_columns(["image", "other"]))
    with pytest.raises(BadInput, match=r"'.*b\.parquet' is damaged, or has other columns than"):
        opened(tmp_path / "two")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no Parquet or Arrow files"):
        opened(tmp_path / "empty")


def test_any_file_system(tmp_path: Path) -> None:
    """The same through fsspec."""
    path = written(tmp_path / "a.parquet", table(9, features=FEATURES), 2)
    fsspec.filesystem("memory").pipe("/parquet-test/data/a.parquet", path.read_bytes())
    found = opened("memory://parquet-test")
    assert found.listing.classes == NAMES
    assert list(found.fetch([8, 3])) == [b"8", b"3"]
