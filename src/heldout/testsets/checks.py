"""What a test set's listing says about it, held against the catalogue: counts, classes, order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.errors import near_matches
from heldout.testsets.class_map import home, whole
from heldout.testsets.published import Known
from heldout.testsets.reader import Listing
from heldout.testsets.spaces import Space, recognise, space, spelling

_UNKNOWN, _IGNORED = -2, -1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. ok None: nothing to compare with, for information."""

    what: str
    expected: str
    found: str
    ok: bool | None
    do: str = ""
    """What to do about it."""


def listing_findings(listing: Listing, entry: Known | None, there: Space | None) -> list[Finding]:
    """Findings on images, labels, classes, images a class, and order."""
    seats = _seats(listing, entry, there)
    return [
        *_count(listing, entry, seats),
        *_labels(listing),
        *_classes(listing, entry, there, seats),
        *_per_class(listing, entry, seats),
        *_order(listing),
    ]


def _seats(listing: Listing, entry: Known | None, there: Space | None) -> NDArray[np.int64]:
    """Every class of the listing: its place among the set's classes, -1 one that does not count,
    -2 one that nobody knows."""
    if there is None:
        return np.arange(len(listing.classes))
    wanted = (entry.classes if entry else None) or whole(there)
    own = {c: i for i, c in enumerate(wanted.classes)}
    seat = home(wanted, len(there.classes))
    out = []
    for name in listing.classes:
        at = there.index(name)
        if at is None and name.isdigit() and int(name) < len(there.classes):
            at = int(name)
        if name in own:
            out.append(own[name])
        elif entry is not None and name in entry.ignored:
            out.append(_IGNORED)
        else:
            out.append(_UNKNOWN if at is None else int(seat[at]))
    return np.array(out, np.int64)


def _count(listing: Listing, entry: Known | None, seats: NDArray[np.int64]) -> list[Finding]:
    labelled = listing.label >= 0
    outside = int((seats[listing.label[labelled]] == _IGNORED).sum()) if len(seats) else 0
    n = len(listing.examples) - outside
    rows = [] if not outside else [
        Finding("outside the classes", "", f"{outside:,}", None,
                "They are not scored; leave them where they are.")
    ]  # fmt: skip
    if entry is None or not entry.n:
        rows.append(Finding("images", "", f"{n:,}", None))
    elif n in entry.also_n:
        rows.append(Finding("images", f"{entry.n:,}", f"{n:,}", None,
                            f"{n:,} are {entry.also_n[n]}."))  # fmt: skip
    else:
        do = "" if n == entry.n else (
            "Some are missing: unpack the archive again, and look at the classes below."
            if n < entry.n else "There are more than published: look for other files among them."
        )  # fmt: skip
        rows.append(Finding("images", f"{entry.n:,}", f"{n:,}", n == entry.n, do))
    if entry is not None and entry.anchors and "offset" in listing.groups:
        anchors = sum(o == 0 for o in listing.groups["offset"])
        rows.append(Finding("anchors", f"{entry.anchors:,}", f"{anchors:,}",
                            anchors == entry.anchors,
                            "" if anchors == entry.anchors else "pm-k is then over fewer anchors:"
                            " not comparable with published ones."))  # fmt: skip
    return rows


def _labels(listing: Listing) -> list[Finding]:
    without = int((listing.label < 0).sum())
    if not without:
        return []
    do = "They cannot be scored: put them into class folders, or give a table of labels."
    return [Finding("images without a label", "0", f"{without:,}", False, do)]


def _classes(
    listing: Listing, entry: Known | None, there: Space | None, seats: NDArray[np.int64]
) -> list[Finding]:
    used = np.unique(listing.label[listing.label >= 0])
    names = [listing.classes[i] for i in used]
    if there is None:
        near = {} if len(names) < 2 else _misspelt(names)
        hint = ", ".join(f"'{n}' looks like {s}" for n, s in list(near.items())[:3])
        return [Finding("classes", "", f"{len(names):,}", None, hint)]
    wanted = (entry.classes if entry else None) or whole(there)
    strange = [c for c, i in zip(listing.classes, seats, strict=True) if i == _UNKNOWN]
    kept = {int(seats[i]) for i in used if seats[i] >= 0}
    lacking = [c for i, c in enumerate(wanted.classes) if i not in kept and wanted.members[i]]
    rows = []
    if entry is not None:
        some = f": {', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}" if lacking else ""
        total = sum(1 for m in wanted.members if m)
        inside = sum(1 for i in kept if wanted.members[i])
        do = f"{len(lacking):,} have no images{some}." if lacking else ""
        rows.append(Finding("classes", f"{total:,}", f"{inside:,}", not lacking, do))
    else:
        rows.append(Finding("classes", f"of {there.name}", f"{len(names):,}", None))
    if strange:
        rows.append(_strange(strange, there))
    if entry is not None and names and all(c.isdigit() for c in names):
        rows += _numbers([int(c) for c in names], len(there.classes))
    return rows


def _strange(names: Sequence[str], there: Space) -> Finding:
    first = names[0]
    shared = there.shared.get(spelling(first))
    near = near_matches(first, [*there.classes, *there.aliases])
    other = recognise(names)
    if other is not None and other.name != there.name:
        do = f"These are classes of {other.name}, not of {there.name}: is it that test set?"
    elif shared:
        do = f"'{first}' is the name of {' and '.join(shared)}: call the folders by their ids."
    elif near:
        do = f"Did you mean '{near[0]}' by '{first}'? Rename the folder."
    else:
        do = f"'{first}' is no class of {there.name}: move that folder away."
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return Finding("unknown classes", "none", f"{len(names):,}: {shown}", False, do)


def _numbers(numbers: Sequence[int], size: int) -> list[Finding]:
    """Folders that are numbers: positions from 0, or something else?"""
    low, high = min(numbers), max(numbers)
    if (low, high) == (1, size):
        do = (
            "Numbers from 1 are not positions among the classes (ILSVRC's own numbers have another"
            " order): rename the folders to WordNet ids or class names."
        )
        return [Finding("class numbers", f"0 to {size - 1}", f"{low} to {high}", False, do)]
    do = "They were taken as positions among the classes, in the order of their values."
    return [Finding("class numbers", "", f"{low} to {high}", None, do)]


def _misspelt(names: Sequence[str]) -> dict[str, str]:
    """Classes that are not a label space's, though most of them are."""
    for there in (space("cifar10"), space("imagenet-1k")):
        off = [n for n in names if there.index(n) is None]
        if len(off) * 2 < len(names):
            near = {n: near_matches(n, [*there.classes, *there.aliases]) for n in off}
            return {n: f"'{m[0]}' of {there.name}" for n, m in near.items() if m}
    return {}


def _per_class(listing: Listing, entry: Known | None, seats: NDArray[np.int64]) -> list[Finding]:
    if not len(seats) or not (listing.label >= 0).any():
        return []
    places = seats[listing.label[listing.label >= 0]]
    places = places[places >= 0]
    if not len(places):
        return []
    if entry is None or entry.per_class is None:
        counts = np.bincount(places)
        counts = counts[counts > 0]
        return [Finding("images a class", "", _range(counts.min(), counts.max()), None)]
    counts = np.bincount(places, minlength=len(entry.per_class))
    wanted = np.array(entry.per_class)
    off = np.flatnonzero(counts != wanted)
    first = (entry.classes.classes if entry.classes else space(entry.space).classes)[
        off[0] if len(off) else 0
    ]
    do = "" if not len(off) else (
        f"{len(off):,} classes have another number of images: '{first}' has {counts[off[0]]:,}"
        f" instead of {wanted[off[0]]:,}."
    )  # fmt: skip
    return [Finding("images a class", _range(wanted.min(), wanted.max()),
                    _range(counts.min(), counts.max()), not len(off), do)]  # fmt: skip


def _order(listing: Listing) -> list[Finding]:
    label = listing.label[listing.label >= 0]
    if len(np.unique(label)) < 2 or (np.diff(label) < 0).any():
        return []
    do = (
        "Accuracy does not depend on it; whatever adapts to a batch must see them shuffled, and a"
        " sample has to be spread over all."
    )
    return [Finding("order", "", "sorted by class", None, do)]


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
