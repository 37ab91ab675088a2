"""Corrupted copies of a folder of images on disk: OUT/fog/3/CLASS/image.png, for other tools.

A copy has the bits that a run with the same ids, seed and geometry gives to a model. Copies that
are there are not made again; a copy gets its name only when it is whole. So a call may be killed at
any moment, and several may work on one folder at once and share the work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from heldout.engine.copier import Maker, Order, names_of, those_there
from heldout.engine.copies_record import (
    RECORD,
    Copies,
    agree,
    folders_of,
    read_record,
    spread,
)
from heldout.engine.corruption import state_of
from heldout.engine.loading import cores
from heldout.engine.plan import digest_of, pixels_of
from heldout.engine.processes import in_processes
from heldout.engine.study import CLEAN
from heldout.errors import BadInput, HeldoutError
from heldout.images.decode import Unreadable, decode, decoder
from heldout.shifts import frost_folder
from heldout.shifts.catalogue import parse, with_photographs
from heldout.testsets.folder import OPTIONS, open_folder
from heldout.testsets.opening import open_test_set
from heldout.testsets.place import FileSet
from heldout.testsets.reader import TestSet

Progress = Callable[[str, float], None]
_FEW = 300  # copies that are made sooner than further processes have begun
_LOOK = 16  # images after which the size of all copies is estimated


@dataclass(slots=True)
class Written:
    """What a call did. there: copies that needed no work; unreadable: ids, and why.

    small: ids and sizes of images that would have had to be enlarged. Of the whole folder: shifts,
    all on its record; images, those with copies under all of them; lacking: by shift, how many
    images that can have copies have none yet (other calls' work, unfinished).
    """

    out: str
    folders: dict[str, str]
    images: int = 0
    shifts: tuple[str, ...] = ()
    lacking: dict[str, int] = field(default_factory=dict)
    small: list[tuple[str, str]] = field(default_factory=list)
    copies: int = 0
    there: int = 0
    bytes: int = 0
    seconds: float = 0.0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write_copies(order: Order, progress: Progress = lambda what, part: None) -> Written:
    """Make the copies that are missing.

    Raises BadInput for what makes no sense, and for a folder that holds copies made otherwise;
    HeldoutError for a disk that is full or cannot be written: what is there stays and counts.
    """
    out = os.path.expanduser(order.out)
    _must_be_outside(out, order)
    frost_folder.use(order.frost)
    texts = with_photographs(order.shifts) if order.frost else list(order.shifts)
    texts = list(dict.fromkeys(t if t == CLEAN else parse(t).text for t in texts))
    if order.jpeg and CLEAN in texts:
        raise BadInput(
            f"JPEG copies of quality {order.jpeg} are not clean. Write clean ones to another folder"
            " without --jpeg; the shift jpeg:NUMBER is compression by itself."
        )
    folders = folders_of(texts)
    opened, ids = _opened(order)
    _must_be_large(opened, order)
    paths = opened.listing.examples
    names = names_of(paths, order.jpeg)
    rows = np.array(spread(min(order.limit or len(paths), len(paths)), len(paths)))
    done = Written(out, folders)
    start = time.monotonic()
    with _sentences(out, done):
        os.makedirs(out, exist_ok=True)
        again = os.path.exists(os.path.join(out, RECORD))
        done.notes += agree(out, _copies(order, opened, ids, len(rows), folders))
        progress("looking", 0.0)
        there = those_there(out, list(folders.values()), names)
        missing = [r for r in rows.tolist() if not there[r].all()]
        done.there = int(there[rows].sum())
        todo = len(rows) * len(folders) - done.there
        if again:  # beside another call, each begins elsewhere, so that they share the work
            turn = random.randrange(len(missing) or 1)
            missing = missing[turn:] + missing[:turn]
        known = {r: int(there[r].sum()) for r in missing}
        make = Maker(order, out, opened, ids, names, folders)
        workers = 1 if todo < _FEW else min(order.workers or cores(), len(missing))
        try:
            _all(make, known, todo, workers, done, progress)
        finally:
            make.tidy()
        _tally(done, [names[r] for r in rows.tolist()], [ids[r] for r in rows.tolist()])
    done.seconds = time.monotonic() - start
    return done


def _all(
    make: Maker,
    known: Mapping[int, int],
    todo: int,
    workers: int,
    done: Written,
    progress: Progress,
) -> None:
    """Make the copies of every image, and say how far that is. known: how many each has already.

    The pace is that of this call, whatever others do; what they have made is work that is not left.
    """
    begin = time.monotonic()
    behind = 0
    progress(f"0/{todo:,}", 0.0)  # so that the time it took to look is none of the work's
    for i, (row, made) in enumerate(in_processes(make, known, workers)):
        done.copies += made.copies
        done.bytes += made.bytes
        meanwhile = max(made.there - known[row], 0)  # by another call
        done.there += meanwhile
        behind += made.copies + meanwhile
        if made.error or made.small:
            left_out = done.unreadable if made.error else done.small
            left_out.append((make.ids[row], made.error or made.small))
            todo -= len(make.folders) - known[row] - made.copies - meanwhile
        pace = done.copies / max(time.monotonic() - begin, 1e-9)
        part = done.copies / max(done.copies + todo - behind, 1)
        progress(f"{behind:,}/{todo:,}, {pace:.3g} copies/s", part)
        if i == _LOOK and done.copies:
            _must_fit(done, todo - behind)


def _tally(done: Written, names: Sequence[str], ids: Sequence[str]) -> None:
    """Count what the folder holds of these images, under all shifts that it was ever told."""
    record = read_record(done.out) or {"shifts": {}}
    folders = {text: str(shift["folder"]) for text, shift in record["shifts"].items()}
    there = those_there(done.out, list(folders.values()), names, look=False)
    out = {example for example, _ in (*done.unreadable, *done.small)}
    possible = np.array([example not in out for example in ids], bool)
    none = (~there & possible[:, None]).sum(axis=0).tolist()
    done.shifts = tuple(folders)
    done.images = int(there.all(axis=1).sum())
    done.lacking = {text: n for text, n in zip(folders, none, strict=True) if n}


def _opened(order: Order) -> tuple[FileSet, list[str]]:
    """The folder with its files' paths as ids, and the ids that a run gives its examples."""
    source = order.source
    others = [o for o in source.options if o not in ("kind", *OPTIONS)]
    if others or source.options.get("kind", "folder") != "folder":
        raise BadInput(
            f"'{source.path}' is not taken as a folder of image files, and only of such a folder"
            " copies are written. A run takes every kind of test set."
        )
    folder = open_folder(replace(source, options={**source.options, "id": "path"}))
    options = {**source.options, "kind": "folder"}
    named = open_test_set(replace(source, options=options), set_name=order.set_name)
    return folder, named.listing.examples


def _must_be_large(opened: TestSet, order: Order) -> None:
    """Raises BadInput where the first images are all smaller than the crop: nobody can want it."""
    crop = order.geometry.crop
    if order.enlarge or crop is None:
        return
    sides = []
    for content in opened.fetch(range(min(len(opened.listing.examples), _LOOK))):
        with contextlib.suppress(Unreadable):
            if not isinstance(content, Unreadable):
                sides.append(min(decode(content).size))
    if sides and max(sides) < min(crop):
        raise BadInput(
            f"The images of '{order.source.path}' have {max(sides)} pixels or fewer on their"
            f" shorter side. --size 0 keeps them as they are, --size {crop[0]} enlarges them."
        )


def _copies(
    order: Order,
    opened: TestSet,
    ids: list[str],
    covers: int,
    folders: dict[str, str],
) -> Copies:
    """What the copies are, for the record."""
    listing = replace(opened.listing, examples=ids)
    with_what = dict(part.rsplit(" ", 1) for part in decoder().split(", "))
    with_what["NumPy"] = np.__version__
    with contextlib.suppress(ImportError):
        import cv2

        with_what["OpenCV"] = cv2.__version__
    choices = {
        "images": f"{len(ids):,} images with the digest {digest_of(listing)}-{pixels_of(opened)}",
        "ids": f"such as '{ids[0]}'",
        "seed": str(order.seed),
        "size": order.geometry.in_words() + (", turned as EXIF says" if order.exif else ""),
        "format": f"JPEG of quality {order.jpeg}, 4:2:0" if order.jpeg else "PNG",
    }
    states = {t: (f, state_of("" if t == CLEAN else t)) for t, f in folders.items()}
    source = f"{order.set_name}={order.source.path}" if order.set_name else order.source.path
    return Copies(choices, states, with_what, source, covers, len(ids))


def _must_be_outside(out: str, order: Order) -> None:
    if "://" in order.out:
        raise BadInput(f"Copies are written to a disk, not to '{order.out}'.")
    if "://" in order.source.path:
        return
    inside = os.path.realpath(os.path.expanduser(order.source.path))
    if os.path.commonpath([inside, os.path.realpath(out)]) == inside:
        raise BadInput(
            f"'{order.out}' lies in '{order.source.path}', so the next call would take the copies"
            " for images. Write them beside it."
        )
    if os.path.exists(out) and not os.path.isdir(out):
        raise BadInput(f"'{order.out}' is a file; the copies need a folder.")


def _must_fit(done: Written, left: int) -> None:
    """Raises HeldoutError where the copies that are left will not fit on the disk."""
    need, free = done.bytes / done.copies * left, shutil.disk_usage(done.out).free
    if need > 1.05 * free:
        raise HeldoutError(
            f"The copies that are left need about {need / 1e9:,.1f} GB, but the disk of"
            f" '{done.out}' has {free / 1e9:,.1f} GB. Take fewer shifts, a --limit, or --jpeg 85,"
            " whose files are smaller; what is written stays."
        )


@contextlib.contextmanager
def _sentences(out: str, done: Written) -> Iterator[None]:
    """A disk's refusal as a sentence."""
    try:
        yield
    except OSError as error:
        n = done.copies
        stays = f" The {n:,} copies of this call stay, and the same command goes on." if n else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HeldoutError(f"The disk of '{out}' is full; free some space.{stays}") from error
        raise HeldoutError(
            f"'{error.filename or out}' cannot be written: {error.strerror or error}.{stays}"
        ) from error
