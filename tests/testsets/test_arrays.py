"""Arrays: NPZ and NPY in every layout the field has, rows read where they lie, the rest refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import Unreadable
from heldout.testsets.arrays import ArraySet, open_arrays
from heldout.testsets.opening import Source

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
Y = np.arange(20) % 3


def opened(path: Path | str, **options: str) -> ArraySet:
    return open_arrays(Source(str(path), options))


def pixels(found: ArraySet, rows: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(item) for item in found.fetch(rows)]


def saved(path: Path, array: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("keys", [("images", "labels"), ("data", "targets"), ("x_test", "y_test")])
def test_npz(tmp_path: Path, save: Any, keys: tuple[str, str]) -> None:
    """Compressed or not, under the names that people give; rows in the order asked."""
    save(tmp_path / "s.npz", **{keys[0]: X, keys[1]: Y[:, None], "other": np.zeros(3)})
    found = opened(tmp_path / "s.npz")
    assert found.listing.examples[:2] == ["00000", "00001"]
    assert found.listing.label.tolist() == Y.tolist()
    assert found.listing.classes == ["0", "1", "2"]
    np.testing.assert_array_equal(pixels(found, [7, 0, 19, 7]), X[[7, 0, 19, 7]])


def test_npz_with_named_arrays(tmp_path: Path) -> None:
    """Options name them; unknown ones have near matches; labels may be in a file of their own."""
    np.savez(tmp_path / "s.npz", pictures=X, truth=Y)
    found = opened(tmp_path / "s.npz", image="pictures", label="truth")
    assert found.listing.label.tolist() == Y.tolist()
    with pytest.raises(BadInput, match="the arrays pictures, truth; name that of the pictures"):
        opened(tmp_path / "s.npz")
    with pytest.raises(NotFound, match="Did you mean 'pictures'"):
        opened(tmp_path / "s.npz", image="picture")
    labels = saved(tmp_path / "l.npy", 2 - Y)
    found = opened(tmp_path / "s.npz", image="pictures", labels=str(labels))
    assert found.listing.label.tolist() == (2 - Y).tolist()


@pytest.mark.parametrize(
    ("images", "labels"),
    [("cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy"), ("a.npy", "a_labels.npy"),
     ("a.npy", "labels.npy"), ("a_images.npy", "a_labels.npy")],
)  # fmt: skip
def test_labels_beside(tmp_path: Path, images: str, labels: str) -> None:
    """As CIFAR-10.1 has them, and other habits."""
    saved(tmp_path / labels, Y.astype(np.int32))
    found = opened(saved(tmp_path / images, X), id="v6-")
    assert found.listing.label.tolist() == Y.tolist()
    assert found.listing.examples[3] == "v6-00003"


def test_labels_named_or_absent(tmp_path: Path) -> None:
    """In the arrays' folder or anywhere; without any there are none, and it is said."""
    path = saved(tmp_path / "a.npy", X)
    found = opened(path)
    assert found.listing.label.tolist() == [-1] * 20
    assert "no labels with it" in found.listing.notes[0]
    saved(tmp_path / "truth.npy", Y)
    assert opened(path, labels="truth.npy").listing.label.tolist() == Y.tolist()
    assert opened(path, labels=str(tmp_path / "truth.npy")).listing.label.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (Y.astype(np.float64), ["0", "1", "2"]),
        (Y.astype(str), ["0", "1", "2"]),
        (np.array(["cat", "ant", "bee"])[Y], ["ant", "bee", "cat"]),
        (np.array([b"cat", b"ant", b"bee"])[Y], ["ant", "bee", "cat"]),
    ],
)
def test_labels_that_are_floats_or_text(tmp_path: Path, labels: Any, classes: list[str]) -> None:
    """0.0 is class 0, "cat" is a name; beside a .npy and within a .npz."""
    np.savez(tmp_path / "s.npz", x=X, y=labels)
    path = saved(tmp_path / "a.npy", X)
    saved(tmp_path / "labels.npy", labels)
    for listing in (opened(tmp_path / "s.npz").listing, opened(path).listing):
        assert listing.classes == classes
        expected = Y if classes[0] == "0" else [[2, 0, 1][y] for y in Y]
        assert listing.label.tolist() == list(expected)


@pytest.mark.parametrize("odd", [0.5, np.nan, np.inf])
def test_labels_that_are_no_classes(tmp_path: Path, odd: float) -> None:
    """The number that is none is named."""
    np.savez(tmp_path / "s.npz", x=X, y=np.where(Y == 2, odd, Y))
    with pytest.raises(BadInput, match=f"and {odd} is none"):
        opened(tmp_path / "s.npz")


def test_layouts(tmp_path: Path) -> None:
    """Channels last or first, grey without a channel; always height x width x channels."""
    first = opened(saved(tmp_path / "a.npy", np.ascontiguousarray(X.transpose(0, 3, 1, 2))))
    np.testing.assert_array_equal(pixels(first, range(20)), X)
    grey = opened(saved(tmp_path / "b.npy", X[..., 0]))
    np.testing.assert_array_equal(pixels(grey, [4]), X[4:5, ..., 0])
    for item in (*first.fetch([1]), *grey.fetch([1])):
        assert isinstance(item, np.ndarray)
        item[...] = 0  # memory of its own
    np.testing.assert_array_equal(pixels(first, [1]), X[1:2])


def corruptions(folder: Path, labels: int) -> np.ndarray[Any, Any]:
    """CIFAR-10-C in small: 5 severities of 4 pictures, each pixel the severity and picture."""
    x = np.zeros((20, 2, 2, 3), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None]
    for name in ("fog", "frost", "jpeg_compression"):
        saved(folder / f"{name}.npy", x)
    saved(folder / "labels.npy", np.tile([1, 0, 1, 2], 5)[:labels])
    return x


@pytest.mark.parametrize("labels", [20, 4])
def test_corruptions(tmp_path: Path, labels: int) -> None:
    """A severity is a slice, with the ids of the clean set; labels once or for all severities."""
    x = corruptions(tmp_path, labels)
    found = opened(tmp_path, corruption="fog", severity="3", id="cifar10-test-{index:05d}")
    assert found.listing.examples == [f"cifar10-test-0000{i}" for i in range(4)]
    assert found.listing.label.tolist() == [1, 0, 1, 2]
    np.testing.assert_array_equal(pixels(found, range(4)), x[8:12])
    alone = opened(tmp_path / "fog.npy", severity="5")
    np.testing.assert_array_equal(pixels(alone, [3]), x[19:])


def test_corruptions_must_be_named(tmp_path: Path) -> None:
    """None, an unknown one, no severity, a severity that is none."""
    corruptions(tmp_path, 20)
    with pytest.raises(BadInput, match=r"3 arrays of pictures; .* fog, frost, jpeg_compression"):
        opened(tmp_path)
    with pytest.raises(NotFound, match="Did you mean 'frost'"):
        opened(tmp_path, corruption="forst", severity="1")
    with pytest.raises(BadInput, match="20 pictures of 5 severities; name one"):
        opened(tmp_path, corruption="fog")
    for severity in ("0", "6", "two"):
        with pytest.raises(BadInput, match="has to be 1 to 5"):
            opened(tmp_path, corruption="fog", severity=severity)
    saved(tmp_path / "odd.npy", X[:19])
    with pytest.raises(BadInput, match="19 pictures, which are not 5 severities"):
        opened(tmp_path, corruption="odd", severity="1")


def test_only_some_classes(tmp_path: Path) -> None:
    """The numbers that occur are the classes; a class list has them all."""
    path = saved(tmp_path / "a.npy", X)
    saved(tmp_path / "labels.npy", Y * 4)
    found = opened(path)
    assert (found.listing.classes, found.listing.label.tolist()) == (["0", "4", "8"], Y.tolist())
    assert "Only 3 of the class numbers 0 to 8" in found.listing.notes[0]
    found = opened(path, classes="a,b,c,d,e,f,g,h,i")
    assert found.listing.label.tolist() == (Y * 4).tolist()
    with pytest.raises(BadInput, match="label 8, but"):
        opened(path, classes="a,b")


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (X.astype(np.float32) / 255, Y, r"are float32 .*np\.round\(x \* 255\)"),
        (X.astype(np.int64), Y, "are int64"),
        (X.reshape(20, -1), Y, "20 x 90; pictures are n x height x width"),
        (X, Y[:-1], "20 pictures, but 19 labels"),
        (X, np.eye(3)[Y], r"labels .* float64 \(20 x 3\); they have to be one whole number"),
        (X, Y - 5, "label -5"),
        (np.asfortranarray(X), Y, "Fortran"),
        (X[:0], Y[:0], "no examples"),
        (np.array([{}, 1], dtype=object), Y, "Python objects"),
        (np.uint8(3), Y, "single value"),
    ],
)
def test_arrays_that_cannot_be(tmp_path: Path, images: Any, labels: Any, words: str) -> None:
    """A sentence that says what is there and what is wanted."""
    saved(tmp_path / "labels.npy", labels)
    with pytest.raises(BadInput, match=words):
        opened(saved(tmp_path / "a.npy", images))


def test_damage(tmp_path: Path) -> None:
    """A file that is no array, an array cut off: those rows alone are lost."""
    path = tmp_path / "a.npy"
    path.write_bytes(b"not an array at all")
    with pytest.raises(BadInput, match="not an array of NumPy"):
        opened(path)
    saved(path, X)
    path.write_bytes(path.read_bytes()[:-100])
    found = opened(path)
    np.testing.assert_array_equal(pixels(found, [0]), X[:1])
    lost, kept = found.fetch([19, 17])
    assert isinstance(lost, Unreadable)
    assert "cut off" in str(lost)
    np.testing.assert_array_equal(kept, X[17])
    (tmp_path / "b.npz").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(BadInput, match=r"cannot be read as \.npz"):
        opened(tmp_path / "b.npz")
    with pytest.raises(NotFound, match=r"Did you mean 'a\.npy'"):
        opened(tmp_path / "aa.npy")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="no arrays of pictures"):
        opened(empty)


@pytest.mark.parametrize("name", ["big.npy", "big.npz"])
def test_the_array_stays_on_disk(tmp_path: Path, name: str) -> None:
    """30 MB of pictures, one row read: less than 3 MB are taken, at any moment."""
    path = tmp_path / name
    big = np.zeros((10_000, 32, 32, 3), np.uint8)
    big[9_999] = 7
    np.save(path, big) if name == "big.npy" else np.savez(path, images=big)
    tracemalloc.start()
    try:
        found = opened(path)
        assert (np.asarray(next(found.fetch([9_999]))) == 7).all()
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


def test_any_file_system(tmp_path: Path) -> None:
    """The same through fsspec, rows read by their place."""
    files = fsspec.filesystem("memory")
    files.pipe("/arrays-test/v4_data.npy", saved(tmp_path / "a.npy", X).read_bytes())
    files.pipe("/arrays-test/v4_labels.npy", saved(tmp_path / "b.npy", Y).read_bytes())
    found = opened("memory://arrays-test/v4_data.npy")
    assert found.listing.label.tolist() == Y.tolist()
    np.testing.assert_array_equal(pixels(found, [5, 2]), X[[5, 2]])
