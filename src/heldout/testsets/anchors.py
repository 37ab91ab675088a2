"""Anchor frames and their neighbours as ImageNet-Vid-Robust and YTBB-Robust publish them.

Shankar et al. 2019, "Do Image Classifiers Generalize Across Time?"; the rules are those of
imagenet_vid_robust.py and ytbb_robust.py in github.com/modestyachts/imagenet-testbed.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heldout.errors import BadInput
from heldout.testsets.place import Place

REACH = 10
PMSETS, LABELS = "pmsets.json", "labels.json"
ANCHOR_LABELS, PMK_LABELS = "anchor_labels.json", "pmk_labels.json"
CLASS_INDEX, FIRST_LABELS = "ytbb_class_index.json", "ytbb_robustness_test_anchors_full.csv"
_SWAPPED = {22: 23, 23: 22}  # the table of anchors has car and none the wrong way round
_JUDGED = frozenset({"good", "bad", "unsure"})
_NOT_ALIKE = frozenset({
    "dissimilar", "problematic", "incorrect", "dont know", "deformation", "background-change",
    "occlusion-increased", "blur-increase", "bad-anchor",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its published name, frames after the anchor (before: negative), its classes."""

    key: str
    offset: int
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnchorSet:
    """An anchor frame with the frames around it, in the order of time. loose: frames beside the
    anchor may be missing on the disk (nobody has said which were reviewed)."""

    anchor: str
    frames: tuple[Frame, ...]
    loose: bool = False


def vid_sets(metadata: Place) -> list[AnchorSet]:
    """The 1,109 anchor sets of ImageNet-Vid-Robust; every frame has its own labels.

    pmsets.json lists the neighbours of an anchor without the anchor. Raises BadInput.
    """
    pmsets = _json(metadata.under(PMSETS))
    labels = _json(metadata.under(LABELS))
    sets = []
    for anchor, neighbours in pmsets.items():
        keys = sorted({anchor, *neighbours}, key=frame_number)
        lacking = next((k for k in keys if not labels.get(k)), None)
        if lacking is not None:
            raise BadInput(f"'{metadata.under(LABELS).said}' has no label for '{lacking}'.")
        start = frame_number(anchor)
        sets.append(
            AnchorSet(
                anchor,
                tuple(
                    Frame(k, frame_number(k) - start, tuple(dict.fromkeys(labels[k]))) for k in keys
                ),
            )
        )
    return sets


def ytbb_sets(metadata: Place, reviewed: bool) -> list[AnchorSet]:
    """The anchor sets of YTBB-Robust: good anchors and the neighbours reviewed as similar.

    All frames of a set have the anchor's labels: those of the table of anchors (22 and 23 swapped)
    and those added by people. reviewed False: every frame up to 10 before and after that is there,
    and no anchor left out as bad; for want of pmk_labels.json. Raises BadInput.
    """
    called = {str(name): int(i) for i, name in _json(metadata.under(CLASS_INDEX)).items()}
    first = _first_labels(metadata.under(FIRST_LABELS))
    people = _annotations(metadata.under(ANCHOR_LABELS))
    good = {
        k: said for k, said in people.items() if "good" in said and not said & {"bad", "unsure"}
    }
    alike: dict[str, set[str]] = {}
    if reviewed:
        pairs = _annotations(metadata.under(PMK_LABELS), pairs=True)
        bad = {key.split(",")[0] for key, said in pairs.items() if "bad-anchor" in said}
        good = {k: said for k, said in good.items() if k not in bad}
        for key, said in pairs.items():
            if "similar" in said and not said & _NOT_ALIKE:
                anchor, _, neighbour = key.partition(",")
                alike.setdefault(anchor, set()).add(neighbour)
    sets = []
    for anchor, said in good.items():
        video = anchor.split("/")[0]
        if video not in first:
            raise BadInput(f"'{metadata.under(FIRST_LABELS).said}' has no anchor '{video}'.")
        added = sorted(called[name] for name in said if name in called)
        labels = tuple(dict.fromkeys([first[video], *added]))
        frames = []
        for offset in range(-REACH, REACH + 1):
            key = _beside(anchor, offset)
            if offset == 0 or not reviewed or key in alike.get(anchor, ()):
                frames.append(Frame(key, offset, labels))
        sets.append(AnchorSet(anchor, tuple(frames), loose=not reviewed))
    return sets


def frame_number(path: str) -> int:
    """The last number in a file's name. Raises BadInput where there is none.

    >>> frame_number("val/clip_00000000/000442.JPEG"), frame_number("v_24400/frame-732.jpg")
    (442, 732)
    """
    found = re.findall(r"\d+", posixpath.splitext(posixpath.basename(path))[0])
    if not found:
        raise BadInput(f"The file name '{path}' has no number, so nothing says which frame it is.")
    return int(found[-1])


def _beside(anchor: str, offset: int) -> str:
    folder, _, name = anchor.partition("/")
    return f"{folder}/{name.partition('-')[0]}-{frame_number(name) + offset}.jpg"


def _annotations(path: Place, pairs: bool = False) -> dict[str, frozenset[str]]:
    """What people said of every anchor, or of every pair 'ANCHOR,NEIGHBOUR'; the latest counts."""
    content = _json(path)
    try:
        words: Sequence[str] = content["labels"]
        rows: Iterable[Mapping[str, Any]] = content["annotations"]
        found = {}
        for row in rows:
            keys = [_short(k) for k in row["key"].split(",")] if pairs else [_short(row["key"])]
            found[",".join(keys)] = frozenset(words[i] for i in row["labels"])
    except (KeyError, TypeError, IndexError) as error:
        raise BadInput(
            f"'{path.said}' is not a file of annotations: {error!r} is missing."
        ) from error
    return found


def _short(path: str) -> str:
    """FOLDER/FILE of a longer path."""
    return "/".join(path.split("/")[-2:])


def _first_labels(path: Place) -> dict[str, int]:
    """VIDEO_MILLISECONDS to class, from the table of anchors."""
    try:
        rows = list(csv.DictReader(io.StringIO(_read(path))))
        found = {f"{r['ytid']}_{r['time_ms']}": int(r["label"]) for r in rows}
    except (KeyError, ValueError) as error:
        raise BadInput(f"'{path.said}' is not the table of anchors: {error!r}.") from error
    return {video: _SWAPPED.get(label, label) for video, label in found.items()}


def _json(path: Place) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise BadInput(f"'{path.said}' is not readable JSON: {error}.") from error


def _read(path: Place) -> str:
    try:
        return path.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"'{path.said}' cannot be read: {reason}. The option metadata names its folder."
        ) from error
