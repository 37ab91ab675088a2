"""Opening a test set: what the user said, and the reader that understands what lies there.

Further kinds come from installed packages, as entry points of the group `heldout.testsets`: the
name is the kind, the value a module with OPTIONS (a tuple of option names), `open_set(source)` and,
if it can tell, `recognise(source)`, which says whether a path without a kind is its own.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from heldout.errors import BadInput, HeldoutError, near_matches, not_found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heldout.images.decode import Unreadable
    from heldout.testsets.reader import Listing, TestSet

GROUP = "heldout.testsets"
KINDS = ("folder", "table", "arrays", "tar", "parquet", "frames")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a test set is, as the user said it."""

    path: str
    """Folder, file, or any fsspec URL."""
    options: Mapping[str, str] = field(default_factory=dict)
    """kind, table, id, image, label, class, classes, …: what the kind's reader understands."""


def parse_options(text: str) -> Source:
    """The source in "PATH?key=value&key=value"; a path that exists with its "?" is only a path.

    `%26` stands for "&" in a value, and so on. Raises BadInput for an option that has no "=".

    >>> parse_options("data/fog.npy?severity=3").options
    {'severity': '3'}
    """
    path, mark, query = text.rpartition("?")
    if not mark or not re.match(r"\w+=", query) or os.path.exists(text):
        return Source(text)
    options: dict[str, str] = {}
    for part in query.split("&"):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise BadInput(f"The option '{part}' in '{text}' has to be KEY=VALUE.")
        if key in options:
            raise BadInput(f"The option '{key}' comes twice in '{text}'.")
        options[key] = unquote(value)
    return Source(path, options)


def open_test_set(source: Source, *, set_name: str = "") -> TestSet:
    """The test set at a source, with its kind from the option or by what lies there.

    With the name of one of the field's sets, and no option id, examples get the ids that published
    predictions have. Raises NotFound and BadInput that say what, where, and what to do.
    """
    try:
        kind = source.options.get("kind") or _video(set_name, source) or _recognised(source)
        module, opener = _reader(kind)
        _must_be_known(source, kind, module)
        opened = cast("TestSet", opener(source))
    except HeldoutError as error:
        if not set_name:
            raise
        raise type(error)(f"The test set '{set_name}' cannot be opened. {error}") from error
    return opened if "id" in source.options else _published_ids(opened, set_name)


def kinds() -> list[str]:
    """The kinds of test sets, those of this package first. Nothing is imported."""
    return [*KINDS, *sorted(set(_plugins()) - set(KINDS))]


def _reader(kind: str) -> tuple[Any, Any]:
    """The kind's module and its function. Raises NotFound with near matches."""
    if kind in KINDS:
        module = import_module(f"heldout.testsets.{kind}")
        return module, getattr(module, f"open_{kind}")
    plugins = _plugins()
    if kind not in plugins:
        raise not_found("kind of test set", kind, kinds(), "heldout")
    try:
        module = plugins[kind].load()
        return module, module.open_set
    except Exception as error:
        raise BadInput(
            f"The kind '{kind}' ({plugins[kind].value}), which another package brings, cannot be"
            f" loaded: {type(error).__name__}: {error}. Update or remove that package."
        ) from error


def _plugins() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=GROUP)}


def _must_be_known(source: Source, kind: str, module: Any) -> None:
    known = {"kind", *getattr(module, "OPTIONS", ())}
    for option in source.options:
        if option in known:
            continue
        of_others = {o: k for k in KINDS for o in _reader(k)[0].OPTIONS if o not in known}
        if option in of_others:
            raise BadInput(
                f"The option '{option}' is for test sets of the kind '{of_others[option]}', but"
                f" '{source.path}' is of the kind '{kind}'. The option kind says otherwise, where"
                " that was mistaken."
            )
        near = near_matches(option, {*known, *of_others})
        if near and near[0] not in known:
            raise not_found("option", option, near, "heldout's test sets")
        raise not_found("option", option, known, f"test sets of the kind '{kind}'")


def _recognised(source: Source) -> str:
    """The kind by the options, the file's ending, or what the folder holds."""
    from heldout.testsets.place import existing, is_pattern, place

    where = place(source.path)
    if where.kind() is None and is_pattern(source.path):
        return _of_file(source.path.lower()) or "tar"
    kind = existing(where)
    for name in sorted(set(_plugins()) - set(KINDS)):
        with contextlib.suppress(BadInput):  # a broken package is no reason not to open others
            recognise = getattr(_reader(name)[0], "recognise", None)
            if recognise is not None and recognise(source):
                return name
    if "table" in source.options:
        return "table"
    if kind == "folder":
        return _of_folder(where)
    found = _of_file(where.name.lower())
    if found == "parquet" and not where.name.lower().endswith(".arrow"):
        from heldout.testsets.parquet import has_images

        return "parquet" if has_images(where) else "table"
    if found is None:
        raise BadInput(_not_a_set(where.name, source.path))
    return found


def _video(set_name: str, source: Source) -> str:
    """'frames' for the video sets of the field and for folders that lie as they are published."""
    from heldout.testsets.frames import recognised
    from heldout.testsets.place import place
    from heldout.testsets.published import known

    entry = known(set_name) if set_name else None
    published = entry is not None and entry.anchors is not None
    return "frames" if published or recognised(place(source.path)) else ""


def _of_file(name: str) -> str | None:
    endings = {
        "arrays": (".npy", ".npz"),
        "tar": (".tar", ".tar.gz", ".tgz"),
        "parquet": (".parquet", ".pq", ".arrow"),
        "table": (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt"),
    }
    return next((kind for kind, ends in endings.items() if name.endswith(ends)), None)


def _of_folder(where: Any) -> str:
    """Files for machines tell more than folders do; a folder of classes is what is left."""
    entries = where.entries()
    if not entries:
        raise BadInput(f"The folder '{where.said}' is empty.")
    names = {n.lower() for n, is_folder in entries if not is_folder}
    for kind in ("tar", "arrays", "parquet"):
        if any(_of_file(n) == kind for n in names):
            return kind
    if ("data", True) in entries and any(
        _of_file(n.lower()) == "parquet" for n, _ in where.under("data").entries()
    ):
        return "parquet"
    return "folder"


def _not_a_set(name: str, path: str) -> str:
    from heldout.testsets.place import is_image

    if is_image(name):
        return f"'{path}' is a single picture; a test set is a folder of them, or a table."
    if name.lower().endswith(".zip"):
        return f"'{path}' is a zip archive; unpack it and give the folder."
    if name.lower().endswith((".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".txz", ".tzst")):
        return (
            f"'{path}' is compressed in a way that is not read here; unpack it and give the folder."
        )
    return (
        f"'{path}' is no test set that is known by its ending; the option kind says what it is:"
        f" {', '.join(kinds())}."
    )


class _Renamed:
    """A test set with other ids."""

    def __init__(self, opened: TestSet, listing: Listing) -> None:
        self._opened = opened
        self._listing = listing

    @property
    def listing(self) -> Listing:
        return self._listing

    def sizes(self) -> NDArray[np.int64] | None:
        sizes = getattr(self._opened, "sizes", None)
        return None if sizes is None else cast("NDArray[np.int64] | None", sizes())

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        return self._opened.fetch(rows)


def _published_ids(opened: TestSet, set_name: str) -> TestSet:
    """With the ids of published predictions, where the set is known and they can be told."""
    from heldout.testsets.published import known

    entry = known(set_name) if set_name else None
    if entry is None or entry.id_format == "path":
        return opened
    listing = opened.listing
    examples = _ids(listing, entry.id_format)
    if examples is not None and len(set(examples)) == len(examples):
        note = f"Ids are those of published predictions, such as '{examples[0]}'."
    else:
        examples = listing.examples
        note = (
            f"Published predictions for '{set_name}' have ids as {entry.id_format}, which cannot be"
            " told from these files: own predictions cannot be compared with them example by"
            " example. A table with such a column, and the option id, gives them."
        )
    return _Renamed(opened, replace(listing, examples=examples, notes=(*listing.notes, note)))


def _ids(listing: Listing, how: str) -> list[str] | None:
    """Ids by a format of the catalogue: name, stem, or a text with {index}; None if impossible."""
    names = [e.rpartition("/")[2] for e in listing.examples]
    if how == "name":
        return names
    if how == "stem":
        return [os.path.splitext(n)[0] for n in names]
    if "{index" not in how:
        return None
    index = listing.groups.get("index")
    if index is None and listing.examples[0].isdigit():
        index = [int(e) if e.isdigit() else -1 for e in listing.examples]
        index = index if index == list(range(len(index))) else None
    if index is None or not all(isinstance(i, int) for i in index):
        return None
    return [how.format(index=i) for i in index]
