"""What every reader of test sets gives: a listing without pixels, and the pixels row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.images.decode import Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What a test set holds, without pixels."""

    examples: list[str]
    """Ids, unique, in the set's order."""
    label: NDArray[np.int32]
    """(n,) index into classes; -1 where there is no label."""
    classes: list[str]
    """Class ids in order (folder names, wnids, …), unique."""
    class_names: list[str]
    """For people; they may repeat."""
    any_of: list[list[int]] | None = None
    """All right classes of every example."""
    groups: Mapping[str, list[Any]] = field(default_factory=dict)
    """Further columns, one value an example: video, anchor, offset, …"""
    notes: tuple[str, ...] = ()
    """What was assumed or looks odd, a sentence each."""


class TestSet(Protocol):
    """Examples with labels, wherever they lie."""

    @property
    def listing(self) -> Listing:
        """Ids, labels and classes."""

    def fetch(self, rows: Sequence[int]) -> Iterator[bytes | NDArray[np.uint8] | Unreadable]:
        """One item a row in the order asked: encoded bytes, a pixel array, or why there is none.

        Threads may call it at once with other rows; rows in ascending order are cheap, and nothing
        but the asked rows is held in memory.
        """


setattr(TestSet, "__test__", False)  # noqa: B010 (the name begins as those of pytest's classes do)


def checked(listing: Listing, where: str) -> Listing:
    """The listing itself, when it is consistent: lengths agree, ids are unique, labels are classes.

    Raises BadInput that names the first offender; `where` is the set as people know it.
    """
    n = len(listing.examples)
    if n == 0:
        raise BadInput(f"{where} holds no examples.")
    if len(set(listing.examples)) != n:
        raise BadInput(f"{where} has {duplicates(listing.examples)}; ids must be unique.")
    lengths = {"label": len(listing.label)} | {k: len(v) for k, v in listing.groups.items()}
    if listing.any_of is not None:
        lengths["any_of"] = len(listing.any_of)
    for name, length in lengths.items():
        if length != n:
            raise BadInput(f"{where} has {n:,} examples, but {length:,} values of '{name}'.")
    if len(set(listing.classes)) != len(listing.classes):
        raise BadInput(f"{where} has {duplicates(listing.classes, 'class')}; ids must be unique.")
    if len(listing.class_names) != len(listing.classes):
        raise BadInput(
            f"{where} has {len(listing.classes):,} classes, but {len(listing.class_names):,} names"
            " for them."
        )
    wrong = np.flatnonzero((listing.label < -1) | (listing.label >= len(listing.classes)))
    if len(wrong):
        raise BadInput(
            f"{where} has the label {listing.label[wrong[0]]} for '{listing.examples[wrong[0]]}',"
            f" but the labels of {len(listing.classes):,} classes are"
            f" 0 to {len(listing.classes) - 1}."
        )
    return listing


def duplicates(ids: Sequence[str], what: str = "id") -> str:
    """Which ids come more than once, as a phrase: "the id 'a' 3 times and 2 others more than once".

    >>> duplicates(["a", "b", "a"])
    "the id 'a' 2 times"
    """
    times: dict[str, int] = {}
    for i in ids:
        times[i] = times.get(i, 0) + 1
    more = [(i, t) for i, t in times.items() if t > 1]
    if not more:
        return f"no {what} twice"
    rest = f" and {len(more) - 1:,} others more than once" if len(more) > 1 else ""
    return f"the {what} '{more[0][0]}' {more[0][1]} times{rest}"
