"""Parquet with the pictures in it, as Hugging Face's data sets have them, and their Arrow files.

Pictures are read a row group at a time; a thread holds the last one it read, and no other.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.images.decode import Unreadable
from heldout.testsets import ids
from heldout.testsets.columns import typed
from heldout.testsets.features import (
    class_names,
    guess_image,
    image_column,
    is_scalar,
    label_column,
    labels,
)
from heldout.testsets.place import Place, existing, is_pattern, matching, place
from heldout.testsets.reader import Listing, checked

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("image", "label", "id", "classes", "split")
_SPLIT = re.compile(r"^([A-Za-z_]+)-\d+(-of-\d+)?(-[0-9a-f]+)?\.parquet$")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A row group of a Parquet file, or a batch of an Arrow file."""

    file: Place
    number: int
    rows: int


def open_parquet(source: Source) -> ParquetSet:
    """A .parquet, a pattern or a folder of them, or a folder that datasets' save_to_disk wrote.

    The picture is a column of bytes, or of {bytes, path}; names of classes come from the schema.
    Ids are the option id's, or the paths, when every picture has its own, or positions. Raises
    BadInput for columns that are not there, and for several splits in one folder.
    """
    what = f"'{source.path}'"
    files = _files(source)
    schema = _schema(files[0])
    image, has_path = image_column(schema, source.options.get("image"), what)
    pieces, columns = _read_all(files, schema, image, has_path)
    label_name = label_column(schema, source.options.get("label"), image, what)
    of_ids: dict[str, Sequence[Any]] = {"index": range(sum(p.rows for p in pieces)), **columns}
    values = columns.pop(label_name) if label_name else None
    names = class_names(schema, label_name) if label_name else None
    label, classes, people, notes = labels(values, names, source.options.get("classes"), what)
    n = sum(p.rows for p in pieces)
    if label is None:
        label, notes = np.full(n, -1, np.int32), [f"{what} has no column of labels."]
    paths = columns.pop(image, None)
    option = source.options.get("id")
    if option is not None:
        examples = ids.from_columns(option, of_ids, what)
    elif paths and None not in paths and len(set(paths)) == n:
        examples = [str(p) for p in paths]
    else:
        examples = ids.from_positions(n, None)
        notes.append("The pictures have no names of their own, so ids are positions.")
    groups = {k: typed(v) for k, v in columns.items() if k != option}
    listing = Listing(examples, label, classes, people, groups=groups, notes=tuple(notes))
    return ParquetSet(checked(listing, what), pieces, image)


class ParquetSet:
    """A test set in the row groups of Parquet files."""

    def __init__(self, listing: Listing, pieces: Sequence[_Piece], image: str) -> None:
        self._listing = listing
        self._pieces = pieces
        self._image = image
        self._first = np.cumsum([0] + [p.rows for p in pieces])
        self._kept = threading.local()

    @property
    def listing(self) -> Listing:
        """Ids, labels and classes."""
        return self._listing

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        """The pictures' bytes, in the order asked."""
        import pyarrow as pa

        for row in rows:
            number = int(np.searchsorted(self._first, row, side="right")) - 1
            try:
                column = self._column(number)
            except (OSError, pa.ArrowException) as error:
                yield Unreadable(f"its row group cannot be read: {error}")
                continue
            value = column[row - int(self._first[number])].as_py()
            path = value.get("path") if isinstance(value, dict) else None
            content = value.get("bytes") if isinstance(value, dict) else value
            if content is None and path:
                yield Unreadable(f"the table has only its path, '{path}', and not the picture")
            else:
                yield content if content is not None else Unreadable("the table has no picture")

    def _column(self, number: int) -> Any:
        if getattr(self._kept, "number", None) != number:
            self._kept.__dict__.clear()  # before the next is read, or there would be two
            self._kept.column = _load(self._pieces[number], [self._image]).column(0)
            self._kept.number = number
        return self._kept.column


def has_images(file: Place) -> bool:
    """Whether a Parquet file has pictures in it, and not only their paths."""
    return guess_image(_schema(file)) is not None


def _files(source: Source) -> list[Place]:
    where = place(source.path)
    kind = where.kind()
    if kind is None and is_pattern(source.path):
        return matching(source.path)
    if (kind or existing(where)) == "file":
        return [where]
    for folder in (where, where.under("data")):
        if folder.kind() != "folder":
            continue
        names = [n for n, is_folder in folder.entries() if not is_folder]
        for ending in (".parquet", ".arrow"):
            there = [n for n in names if n.endswith(ending)]
            if there:
                there = _of_one_split(there, source)
                return [folder.under(n) for n in there]
    raise BadInput(f"The folder '{source.path}' has no Parquet or Arrow files.")


def _of_one_split(names: list[str], source: Source) -> list[str]:
    """The files of the split asked for; there has to be only one when none is."""
    of = {n: match.group(1) for n in names if (match := _SPLIT.match(n))}
    split, splits = source.options.get("split"), sorted(set(of.values()))
    if split is not None:
        if split not in splits:
            raise not_found("split", split, splits, f"'{source.path}'")
        return [n for n in names if of.get(n) == split]
    if len(splits) > 1:
        raise BadInput(
            f"'{source.path}' holds the splits {', '.join(splits)}; name one with the option split."
        )
    return names


def _arrow(file: Place) -> Any:
    """The table of an Arrow file; a local one is mapped, not read."""
    import pyarrow as pa

    opened = pa.memory_map(file.path) if file.system is None else file.open()
    try:
        return pa.ipc.open_stream(opened).read_all()
    except pa.ArrowInvalid:
        opened.seek(0)
        return pa.ipc.open_file(opened).read_all()


def _is_arrow(file: Place) -> bool:
    return file.name.endswith(".arrow")


def _schema(file: Place) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if _is_arrow(file):
            return _arrow(file).schema
        with file.open() as opened:
            return pq.read_schema(opened)
    except (OSError, pa.ArrowException) as error:
        kind = "an Arrow file" if _is_arrow(file) else "Parquet"
        raise BadInput(f"'{file.said}' is damaged or not {kind}: {error}.") from error


def _load(piece: _Piece, columns: list[str]) -> Any:
    import pyarrow.parquet as pq

    if _is_arrow(piece.file):
        return _arrow(piece.file).select(columns).slice(piece.number, piece.rows).combine_chunks()
    with piece.file.open() as opened:
        table = pq.ParquetFile(opened).read_row_group(piece.number, columns, use_threads=False)
        return table.combine_chunks()


def _read_all(
    files: Sequence[Place], schema: Any, image: str, has_path: bool
) -> tuple[list[_Piece], dict[str, list[Any]]]:
    """Where the rows lie, and all columns without pixels: scalars, and the pictures' paths."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scalars = [f.name for f in schema if f.name != image and is_scalar(f.type)]
    wanted = [*scalars, f"{image}.path"] if has_path else scalars
    columns: dict[str, list[Any]] = {c: [] for c in ([*scalars, image] if has_path else scalars)}
    pieces: list[_Piece] = []
    for file in files:
        try:
            if _is_arrow(file):
                table = _arrow(file)
                pieces += [_Piece(file, i, min(1000, table.num_rows - i))
                           for i in range(0, table.num_rows, 1000)]  # fmt: skip
            else:
                with file.open() as opened:
                    parquet = pq.ParquetFile(opened)
                    sizes = [parquet.metadata.row_group(i).num_rows
                             for i in range(parquet.num_row_groups)]  # fmt: skip
                    table = parquet.read(wanted, use_threads=False)
                pieces += [_Piece(file, i, rows) for i, rows in enumerate(sizes)]
            for name in scalars:
                columns[name] += table.column(name).to_pylist()
            if has_path:
                paths = pa.compute.struct_field(table.column(image), "path")
                columns[image] += paths.to_pylist()
        except (OSError, KeyError, pa.ArrowException) as error:
            raise BadInput(
                f"'{file.said}' is damaged, or has other columns than '{files[0].said}': {error}."
            ) from error
    return pieces, columns
