"""Arrays of pictures: one .npz, or .npy with labels beside it, as in CIFAR-10.1 and CIFAR-10-C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.images.decode import Unreadable
from heldout.testsets.array_file import Array, npy, npz
from heldout.testsets.class_list import labelled_by_name, labelled_by_number
from heldout.testsets.ids import from_positions
from heldout.testsets.place import Place, existing, place
from heldout.testsets.reader import Listing, checked

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("image", "label", "labels", "classes", "id", "corruption", "severity")
_IMAGES = ("images", "image", "data", "x", "x_test", "test_x", "test_images", "arr_0")
_LABELS = ("labels", "label", "targets", "target", "y", "y_test", "test_y", "test_labels", "arr_1")
_SEVERITIES = 5


def open_arrays(source: Source) -> ArraySet:
    """Pictures and labels from a .npz, a .npy with labels beside it, or the folder of CIFAR-10-C.

    Pictures are uint8, (n, h, w), (n, h, w, 1 | 3 | 4) or (n, 1 | 3 | 4, h, w). A .npy, and a .npz
    that is not compressed, stay on disk; a compressed .npz is held in memory. Ids are positions,
    "00000" and so on, with the option id before them. Raises BadInput for other arrays.
    """
    where = place(source.path)
    if existing(where) == "folder":
        return _from_folder(where, source)
    if where.name.lower().endswith(".npz"):
        arrays = npz(where)
        images = arrays[_key(arrays, source.options.get("image"), _IMAGES, "image", where)]
        key = _key(arrays, source.options.get("label"), _LABELS, "label", where)
        labels: NDArray[Any] | None
        if "labels" in source.options:
            labels = _labels_file(place(source.options["labels"]))
        else:
            labels = arrays[key].values() if key else None
        return _array_set(images, labels, source, where)
    return _array_set(npy(where), _labels_beside(where, source), source, where)


class ArraySet:
    """A test set of pixels that need no decoding."""

    def __init__(self, listing: Listing, images: Array, first: int, channels_first: bool) -> None:
        self._listing = listing
        self._images = images
        self._first = first
        self._channels_first = channels_first

    @property
    def listing(self) -> Listing:
        """Ids, labels and classes."""
        return self._listing

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        """(h, w) or (h, w, channels) arrays, in the order asked."""
        with self._images.rows() as read:
            for row in rows:
                try:
                    pixels = read(self._first + row)
                except (OSError, ValueError) as error:
                    yield Unreadable(f"the array is cut off or cannot be read: {error}")
                    continue
                yield pixels.transpose(1, 2, 0) if self._channels_first else pixels


def _array_set(
    images: Array, labels: NDArray[Any] | None, source: Source, where: Place
) -> ArraySet:
    what = f"'{where.said}'"
    channels_first = _layout(images, what)
    total, severity = images.shape[0], _severity(source, images.shape[0], what)
    n, first = (total, 0) if severity is None else (total // _SEVERITIES, 0)
    if severity is not None:
        first = (severity - 1) * n
    notes = []
    values: NDArray[Any] = np.full(n, -1, np.int64)
    if labels is None:
        notes.append(f"{what} has no labels with it; the option labels names their file.")
    else:
        values = _one_each(labels, what)
        if severity is not None and len(values) == total:
            values = values[first : first + n]
        if len(values) != n:
            raise BadInput(f"{what} has {n:,} pictures, but {len(values):,} labels.")
    option = source.options.get("classes")
    if values.dtype.kind == "U":
        names = [str(v) or None for v in values]
        label, classes, class_names, more = labelled_by_name(names, what, option)
    else:
        label, classes, class_names, more = labelled_by_number(values, what, option)
    examples = from_positions(n, source.options.get("id"))
    listing = Listing(examples, label, classes, class_names, notes=(*notes, *more))
    return ArraySet(checked(listing, what), images, first, channels_first)


def _layout(images: Array, what: str) -> bool:
    """Whether the channels come before height and width. Raises BadInput for what is no picture."""
    shape = " x ".join(map(str, images.shape))
    if images.dtype != np.uint8:
        raise BadInput(
            f"The pictures in {what} are {images.dtype} ({shape}); they have to be uint8, 0 to 255."
            " Numbers from 0 to 1 become that by np.round(x * 255).astype(np.uint8); numbers that"
            " were normalised have to be brought back first."
        )
    if len(images.shape) == 3 or (len(images.shape) == 4 and images.shape[3] in (1, 3, 4)):
        return False
    if len(images.shape) == 4 and images.shape[1] in (1, 3, 4):
        return True
    raise BadInput(
        f"The array in {what} is {shape}; pictures are n x height x width, with 1, 3 or 4 channels"
        " last or before the height."
    )


def _severity(source: Source, n: int, what: str) -> int | None:
    text = source.options.get("severity")
    if text is None:
        return None
    if not text.isdigit() or not 1 <= int(text) <= _SEVERITIES:
        raise BadInput(f"The severity is '{text}'; it has to be 1 to {_SEVERITIES}.")
    if n % _SEVERITIES:
        raise BadInput(
            f"{what} has {n:,} pictures, which are not {_SEVERITIES} severities of the same number;"
            " leave the option severity out."
        )
    return int(text)


def _one_each(labels: NDArray[Any], what: str) -> NDArray[Any]:
    """The labels as (n,) int64, or as (n,) text where they are names of classes."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.ndim == 1 and labels.dtype.kind == "f":
        odd = labels[~(np.isfinite(labels) & (np.round(labels) == labels))]
        if len(odd) == 0:
            return labels.astype(np.int64)
        raise BadInput(
            f"The labels of {what} are {labels.dtype}, and {odd[0]} is none: they have to be whole"
            " numbers, or names of classes. (-1 stands for no label.)"
        )
    if labels.ndim == 1 and labels.dtype.kind in "US":
        return _from_text(labels, what)
    shape = " x ".join(map(str, labels.shape))
    raise BadInput(
        f"The labels of {what} are {labels.dtype} ({shape}); they have to be one whole number, or"
        " one name of a class, a picture."
    )


def _from_text(labels: NDArray[Any], what: str) -> NDArray[Any]:
    """Names of classes; whole numbers where all of them are written so."""
    try:
        names = [v.decode() if isinstance(v, bytes) else str(v) for v in labels.tolist()]
    except UnicodeDecodeError as error:
        raise BadInput(f"The labels of {what} are bytes that are no text: {error}.") from error
    names = [name.strip() for name in names]
    if all(n.isascii() and n.removeprefix("-").isdigit() for n in names):
        return np.array([int(n) for n in names], np.int64)
    return np.array(names, np.str_)


def _from_folder(where: Place, source: Source) -> ArraySet:
    """CIFAR-10-C and its like: fog.npy, jpeg_compression.npy, … and one labels.npy."""
    names = [n[:-4] for n, folder in where.entries() if n.endswith(".npy") and not folder]
    corruptions = [n for n in names if n != "labels" and not n.endswith("_labels")]
    if not corruptions:
        raise BadInput(f"The folder '{where.said}' has no arrays of pictures (.npy).")
    chosen = source.options.get("corruption")
    if chosen is None and len(corruptions) > 1:
        raise BadInput(
            f"The folder '{where.said}' has {len(corruptions)} arrays of pictures; name one with"
            f" the option corruption: {', '.join(corruptions)}."
        )
    if chosen is not None and chosen not in corruptions:
        raise not_found("corruption", chosen, corruptions, f"'{where.said}'")
    images = where.under(f"{chosen or corruptions[0]}.npy")
    array = npy(images)
    if chosen is not None and "labels" in names and "severity" not in source.options:
        raise BadInput(
            f"'{images.said}' holds {array.shape[0]:,} pictures of {_SEVERITIES} severities; name"
            f" one with the option severity, 1 to {_SEVERITIES}."
        )
    return _array_set(array, _labels_beside(images, source), source, images)


def _labels_beside(images: Place, source: Source) -> NDArray[Any] | None:
    if "labels" in source.options:
        named = place(source.options["labels"])
        beside = images.parent().under(source.options["labels"])
        return _labels_file(beside if named.kind() is None and beside.kind() else named)
    stem = images.name[: -len(".npy")]
    stems = [stem.removesuffix(end) for end in ("_data", "_images", "_x") if stem.endswith(end)]
    for name in [f"{s}_labels.npy" for s in (*stems, stem)] + ["labels.npy"]:
        candidate = images.parent().under(name)
        if candidate.kind() == "file" and candidate.path != images.path:
            return _labels_file(candidate)
    return None


def _labels_file(where: Place) -> NDArray[Any]:
    if existing(where) == "folder":
        raise BadInput(f"'{where.said}' is a folder; the option labels names a file (.npy).")
    return npy(where).values()


def _key(
    arrays: dict[str, Array], named: str | None, guesses: Sequence[str], role: str, where: Place
) -> str:
    """The name of the array of pictures or labels; "" for labels that are not there."""
    if named is not None:
        if named not in arrays:
            raise not_found("array", named, arrays, f"'{where.said}'")
        return named
    by_lower = {k.lower(): k for k in arrays}
    for guess in guesses:
        if guess in by_lower:
            return by_lower[guess]
    if role == "label":
        return ""
    shown = ", ".join(list(arrays)[:12]) + (", …" if len(arrays) > 12 else "")
    raise BadInput(
        f"'{where.said}' holds the arrays {shown}; name that of the pictures with the option image."
    )
