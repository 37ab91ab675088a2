"""Video frames around anchors: the published sets, and any folder of frames with a table.

Groups of the listing: 'anchor' (the id of the anchor frame) and 'offset' (frames after it; 0 for
the anchor itself). They are what pm-k accuracy is computed from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from heldout.errors import BadInput, not_found
from heldout.testsets import anchors
from heldout.testsets.anchors import AnchorSet, vid_sets, ytbb_sets
from heldout.testsets.class_list import listed
from heldout.testsets.frame_table import table_sets
from heldout.testsets.place import FileSet, Place, existing, files_below, place
from heldout.testsets.published import known
from heldout.testsets.reader import Listing, checked

if TYPE_CHECKING:
    from heldout.testsets.opening import Source

OPTIONS = ("metadata", "table", "frames", "missing", "reviewed", "classes")
VID, YTBB = "imagenet-vid-robust", "ytbb-robust"
_HERE = ("", "metadata", f"{VID}_metadata", f"{YTBB}_metadata")


def open_frames(source: Source) -> FileSet:
    """Frames with their anchors. Options:

    table: a CSV beside the frames with the columns file, anchor, offset and label (or labels); else
    the published metadata is read from the option metadata, or from the folder itself, the one it
    lies in, or a folder 'metadata' in either. frames=PUBLISHED:FOLDER,…: where the frames of a
    published folder lie. missing=skip leaves out anchors of which a frame is missing; without it
    that is an error. reviewed=no takes YTBB-Robust without pmk_labels.json. classes: for a table, a
    set of the catalogue, a file or a,b,c. Raises BadInput and NotFound.
    """
    where = place(source.path)
    _must_be("missing", source.options.get("missing", "error"), ("skip", "error"))
    _must_be("reviewed", source.options.get("reviewed", "yes"), ("yes", "no"))
    if existing(where) == "file" or "table" in source.options:
        folder, sets, classes, class_names, notes = table_sets(source, classes_named)
    else:
        folder = where
        sets, name, notes = _published(where, source)
        classes, class_names = classes_named(name)
    there = set(files_below(folder))
    find = _finder(there, source.options.get("frames", ""), sets)
    kept, more = _complete(sets, find, folder, source.options.get("missing") == "skip")
    listing, paths = _listing(kept, find, classes, class_names, (*notes, *more))
    return FileSet(checked(listing, f"The frames in '{folder.said}'"), folder, paths)


def recognised(where: Place) -> bool:
    """Whether the metadata of a published set of frames lies in the folder or beside it."""
    files = (anchors.PMSETS, anchors.ANCHOR_LABELS)
    return any(folder.under(f).kind() == "file" for folder in _near(where) for f in files)


def classes_named(option: str) -> tuple[list[str], list[str]]:
    """Class ids and names: a set of the catalogue, a file with one class a line, or a,b,c."""
    entry = known(option)
    if entry is not None and entry.classes is not None:
        return list(entry.classes.classes), list(entry.classes.class_names)
    return listed(option)


def _published(where: Place, source: Source) -> tuple[list[AnchorSet], str, list[str]]:
    """The anchor sets, the published set's name, and notes."""
    metadata = _metadata(where, source.options.get("metadata"))
    if metadata.under(anchors.PMSETS).kind() == "file":
        return vid_sets(metadata), VID, []
    reviewed = source.options.get("reviewed", "yes") == "yes"
    if reviewed and metadata.under(anchors.PMK_LABELS).kind() is None:
        raise BadInput(
            f"'{metadata.said}' has no {anchors.PMK_LABELS}, which says which frames of YTBB-Robust"
            " were reviewed; it comes with the set. Without it the option reviewed=no takes all"
            " frames, but accuracies are then not comparable with published ones."
        )
    notes = [] if reviewed else [
        f"Without {anchors.PMK_LABELS} every frame up to {anchors.REACH} before and after an anchor"
        " counts: the accuracies are not comparable with published ones."
    ]  # fmt: skip
    return ytbb_sets(metadata, reviewed), YTBB, notes


def _metadata(where: Place, named: str | None) -> Place:
    """The folder with the published JSON files."""
    if named is not None:
        candidates = [place(named)]
        existing(candidates[0])
    else:
        candidates = _near(where)
    for folder in candidates:
        if any(folder.under(f).kind() == "file" for f in (anchors.PMSETS, anchors.ANCHOR_LABELS)):
            return folder
    raise BadInput(
        f"There is neither {anchors.PMSETS} (ImageNet-Vid-Robust) nor {anchors.ANCHOR_LABELS}"
        f" (YTBB-Robust) in '{named or where.said}'{'' if named else ' or beside it'}. Name their"
        " folder with the option metadata; for other frames name a table with the option table."
    )


def _near(where: Place) -> list[Place]:
    bases = (where, where.parent())
    return [base.under(name) if name else base for base in bases for name in _HERE]


def _finder(there: set[str], option: str, sets: Sequence[AnchorSet]) -> Callable[[str], str | None]:
    """From a frame's published name to its path in the folder, None where it is not there."""
    moved: dict[str, str] = {}
    for part in (p for p in option.split(",") if p):
        published, colon, folder = part.partition(":")
        if not colon:
            raise BadInput(
                f"The option frames has '{part}'; it has to be PUBLISHED:FOLDER, such as"
                " val/ILSVRC2015_val_00000000:."
            )
        moved[published.strip("/")] = folder.strip("/")
    folders = {f.key.rpartition("/")[0] for one in sets for f in one.frames} if moved else set()
    for published in moved:
        if published not in folders:
            raise not_found("published folder of frames", published, folders, "the metadata")

    def find(key: str) -> str | None:
        folder, _, name = key.rpartition("/")
        if folder in moved:
            inside = moved[folder]
            path = name if inside in ("", ".") else f"{inside}/{name}"
            return path if path in there else None
        short = key.removeprefix("val/")  # the testbed keeps the frames without it
        return key if key in there else short if short in there else None

    return find


def _complete(
    sets: Sequence[AnchorSet], find: Callable[[str], str | None], folder: Place, skip: bool
) -> tuple[list[AnchorSet], list[str]]:
    """The anchor sets whose frames are there. Raises BadInput where some are not, unless `skip`."""
    kept: list[AnchorSet] = []
    missing: list[str] = []
    for one in sets:
        gone = [f.key for f in one.frames if find(f.key) is None]
        if one.loose and one.anchor not in gone:
            lost = set(gone)
            gone = []
            frames = tuple(f for f in one.frames if f.key not in lost)
            one = AnchorSet(one.anchor, frames, loose=True)
        missing += gone
        if not gone:
            kept.append(one)
    if not missing:
        return kept, []
    total = sum(len(s.frames) for s in sets)
    said = f"{len(missing):,} of {total:,} frames are not in '{folder.said}' ('{missing[0]}' first)"
    if not kept:
        raise BadInput(
            f"{said}, and not one anchor is complete. The option frames=PUBLISHED:FOLDER says where"
            " the frames of a published folder lie."
        )
    if not skip:
        raise BadInput(
            f"{said}. The option missing=skip leaves out the {len(sets) - len(kept):,} of"
            f" {len(sets):,} anchors they belong to."
        )
    return kept, [
        f"{len(sets) - len(kept):,} of {len(sets):,} anchors were left out: {len(missing):,} of"
        " their frames are missing."
    ]


def _listing(
    sets: Sequence[AnchorSet],
    find: Callable[[str], str | None],
    classes: list[str],
    class_names: list[str],
    notes: Sequence[str],
) -> tuple[Listing, list[str]]:
    """One example a frame, sets one after the other; a frame of two sets is there twice."""
    rows = [(one.anchor, frame) for one in sets for frame in one.frames]
    times = Counter(frame.key for _, frame in rows)
    ids = [f"{a},{f.key}" if times[f.key] > 1 else f.key for a, f in rows]
    anchor_ids = {a: i for (a, f), i in zip(rows, ids, strict=True) if f.key == a}
    wrong = next((k for _, f in rows for k in f.labels if not 0 <= k < len(classes)), None)
    if wrong is not None:
        raise BadInput(f"A frame has the label {wrong}, but there are {len(classes)} classes.")
    several = any(len(frame.labels) > 1 for _, frame in rows)
    shared = sum(n > 1 for n in times.values())
    more = [f"{shared:,} frames belong to more than one anchor and are run for each."]
    listing = Listing(
        ids,
        np.array([frame.labels[0] for _, frame in rows], np.int32),
        classes,
        class_names,
        any_of=[list(frame.labels) for _, frame in rows] if several else None,
        groups={
            "anchor": [anchor_ids[anchor] for anchor, _ in rows],
            "offset": [frame.offset for _, frame in rows],
        },
        notes=(*notes, *(more if shared else [])),
    )
    return listing, [find(frame.key) or "" for _, frame in rows]


def _must_be(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise not_found("value", value, allowed, f"the option {option}")
