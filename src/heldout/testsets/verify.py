"""Is a test set what it should be? Counts, classes, readable images, known traps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heldout.testsets.checks import Finding, listing_findings
from heldout.testsets.image_checks import image_findings
from heldout.testsets.looks import Progress, look
from heldout.testsets.opening import Source, open_test_set
from heldout.testsets.published import known
from heldout.testsets.spaces import recognise, space

__all__ = ["Finding", "Verification", "verify"]


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """All findings on a test set; looked: images that were looked into, of `n`."""

    set_name: str
    path: str
    n: int
    looked: int
    full: bool
    rows: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return all(row.ok is not False for row in self.rows)


def verify(
    source: Source,
    set_name: str = "",
    how_many: int | None = None,
    progress: Progress | None = None,
    *,
    full: bool = False,
) -> Verification:
    """A test set held against what the catalogue knows of its name, and its images read.

    how_many: only so many images, evenly spread. full: every pixel is decoded, else only headers
    are read. Raises what opening it raises; what is found is never an error.
    """
    opened = open_test_set(source, set_name=set_name)
    listing = opened.listing
    entry = known(set_name) if set_name else None
    there = space(entry.space) if entry else recognise(listing.classes)
    n = len(listing.examples)
    rows = listing_findings(listing, entry, there)
    count = n if how_many is None else min(how_many, n)
    chosen = (np.arange(count) * n // max(count, 1)).tolist()
    looks = look(opened, chosen, full=full, progress=progress)
    rows += image_findings(looks, listing, entry)
    more = () if full or not looks else ("Only headers were read: a cut-off image may pass.",)
    return Verification(
        entry.name if entry else set_name, source.path, n, len(looks), full, tuple(rows),
        (*listing.notes, *more, *(entry.defects if entry else ())),
    )  # fmt: skip
