"""What a look at a test set's images says about it: readable, sizes, formats, files twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from heldout.testsets.checks import Finding
from heldout.testsets.looks import Look
from heldout.testsets.published import Known
from heldout.testsets.reader import Listing


def image_findings(looks: Sequence[Look], listing: Listing, entry: Known | None) -> list[Finding]:
    """Findings on the images that were looked into; none where none were."""
    if not looks:
        return []
    good = [one for one in looks if not one.trouble]
    bad = [one for one in looks if one.trouble]
    do = "" if not bad else f"'{listing.examples[bad[0].row]}': {bad[0].trouble}. Get them again."
    rows = [
        Finding("readable images", f"{len(looks):,}", f"{len(good):,}", not bad, do),
        *_sizes([one for one in good if one.size != (0, 0)], entry),
        *_formats(good, entry),
    ]
    turned = [one for one in good if one.turned]
    if turned:
        do = (
            f"'{listing.examples[turned[0].row]}' asks to be turned or mirrored; evaluations ignore"
            " that, and so does heldout unless told."
        )
        rows.append(Finding("turned by EXIF", "", f"{len(turned):,}", None, do))
    return [*rows, *_doubles(good, listing)]


def _sizes(good: Sequence[Look], entry: Known | None) -> list[Finding]:
    if not good:
        return []
    sizes = Counter(one.size for one in good)
    by_area = sorted(sizes, key=lambda s: s[0] * s[1])
    found = _size(by_area[0])
    if len(sizes) > 1:
        middle = np.median([min(one.size) for one in good])
        found += f" to {_size(by_area[-1])}, shorter side {middle:.0f} in the middle"
    if entry is None or entry.size is None:
        return [Finding("sizes", "", found, None)]
    right = set(sizes) == {entry.size}
    do = "" if right else (
        f"{sum(n for s, n in sizes.items() if s != entry.size):,} have another size: the images"
        " were changed after publication."
    )  # fmt: skip
    return [Finding("sizes", _size(entry.size), found, right, do)]


def _formats(good: Sequence[Look], entry: Known | None) -> list[Finding]:
    kinds = Counter(f"{one.format} {one.mode}".strip() for one in good)
    found = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
    rows = [Finding("formats", "", found, None)]
    if any(one.mode not in ("RGB", "") for one in good):
        rows[0] = Finding("formats", "", found, None, "All become RGB before a model sees them.")
    if entry is not None and entry.space == "cifar10" and any(o.format == "JPEG" for o in good):
        do = "JPEG costs about 10 points of accuracy at 32 pixels: take the arrays, or PNG."
        rows[0] = Finding("formats", "no JPEG", found, False, do)
    return rows


def _doubles(good: Sequence[Look], listing: Listing) -> list[Finding]:
    """Files that are the same, byte for byte; worse where their labels differ."""
    groups: dict[bytes, list[int]] = {}
    for one in good:
        groups.setdefault(one.digest, []).append(one.row)
    doubles = [rows for rows in groups.values() if len(rows) > 1]
    if not doubles:
        return []
    found = f"{sum(map(len, doubles)):,} images, {len(doubles):,} different"
    odd = [rows for rows in doubles if len({int(listing.label[r]) for r in rows}) > 1]
    a, b = (odd or doubles)[0][:2]
    pair = f"'{listing.examples[a]}' and '{listing.examples[b]}'"
    if odd:
        do = f"{len(odd):,} groups have several labels, such as {pair}: one of them is wrong."
        return [Finding("same file twice", "none", found, False, do)]
    do = f"Such as {pair}: they count as often as they are there."
    return [Finding("same file twice", "none", found, None, do)]


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
