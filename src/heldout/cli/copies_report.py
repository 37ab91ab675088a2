"""What `heldout shifts write` says when it is done, and words that `shifts show` shares."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from heldout.cli.show import say

if TYPE_CHECKING:
    from heldout.engine.copier import Order
    from heldout.engine.write_copies import Written

_LISTED = 5


def counted(n: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "picture"), counted(2000, "copy")
    ('1 picture', '2,000 copies')
    """
    if n != 1:
        what = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{n:,} {what}"


def frost_said(texts: Iterable[str]) -> tuple[str, ...]:
    """Which frost was used, where any was.

    >>> frost_said(["fog:3", "imagecorruptions.frost_photographs:2", "frost:1"])
    ('frost: photographs and own textures',)
    """
    found = {m for t in texts for m in re.findall(r"(?:^|[+.])(frost(?:_photographs)?):", t)}
    kinds = {"frost_photographs": "photographs", "frost": "own textures"}
    said = " and ".join(words for name, words in kinds.items() if name in found)
    return (f"frost: {said}",) if said else ()


def medium_said(texts: Iterable[str]) -> str:
    """Where shifted images are as in memory, and where as read from JPEG files.

    >>> medium_said(["fog:3"]), medium_said(["fog:3+jpeg:85", "snow:1+jpeg:85"])
    ('in memory', 'on disk (JPEG 85)')
    >>> medium_said(["fog:3", "fog:3+jpeg:85"])
    'in memory, and where +jpeg follows on disk'
    """
    ends = {m[1] if (m := re.search(r"\+jpeg:([\d.]+)$", t)) else "" for t in texts}
    if ends <= {""}:
        return "in memory"
    return (
        f"on disk (JPEG {ends.pop()})"
        if len(ends) == 1
        else "in memory, and where +jpeg follows on disk"
        if "" in ends
        else "on disk (JPEG)"
    )


def report(order: Order, done: Written) -> None:
    """What was written, what the folder holds, and what it is good for."""
    pace = done.copies / done.seconds if done.seconds > 0 else 0
    say(
        f"Wrote {counted(done.copies, 'copy')} ({done.bytes / 1e6:,.1f} MB) in {done.seconds:.1f} s"
        f" ({pace:,.0f} a second)."
        if done.copies
        else "Nothing was left to write."
        if done.there or not (done.unreadable or done.small)
        else "Nothing was written."
    )
    if done.there:
        say(f"{counted(done.there, 'copy')} {_were(done.there)} there already.")
    how = (
        order.geometry.in_words(),
        f"seed {order.seed}",
        f"JPEG {order.jpeg}, on disk" if order.jpeg else f"PNG, as {medium_said(done.shifts)}",
        *frost_said(done.shifts),
    )
    say(
        f"{order.out} now has {counted(done.images, 'image')} under"
        f" {counted(len(done.shifts), 'shift')}: {', '.join(how)}."
    )
    _lacking(done)
    for note in done.notes:
        say(f"Note: {note.rstrip('.')}.")
    _left_out(done.unreadable, "could not be read, and {} no copies")
    if crop := order.geometry.crop:
        _left_out(
            done.small,
            f"{{}} fewer than {min(crop)} pixels on the shorter side, and no copies; the same"
            f" command with --size {min(crop)} enlarges such images",
        )
    if done.images:
        _next(order, done)


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _lacking(done: Written) -> None:
    """Shifts of which copies are not there yet: another call's, stopped or still at work."""
    if not done.lacking:
        return
    few = [f"{t} ({n:,})" for t, n in list(done.lacking.items())[:_LISTED]]
    more = len(done.lacking) - len(few)
    say(
        f"Copies are lacking under {', '.join(few)}{f' and {more:,} more shifts' if more else ''}:"
        " a call for them was stopped, or is at work. The same call again goes on."
    )


def _left_out(examples: Sequence[tuple[str, str]], why: str) -> None:
    n = len(examples)
    if not n:
        return
    say(f"{counted(n, 'image')} {why.format('has' if n == 1 else 'have')}:")
    for example, said in examples[:_LISTED]:
        say(f"  {example}: {said}")
    if n > _LISTED:
        say(f"  and {n - _LISTED:,} more")


def _next(order: Order, done: Written) -> None:
    """A run on one of the folders, by models of the copies' size that take them as they are."""
    text, folder = next(iter(done.folders.items()))
    name = re.sub(r"[^a-z0-9]", "", text)
    target = shlex.quote(f"{name}={os.path.join(order.out, folder)}")
    crop = order.geometry.crop
    if crop is None:
        say(f"Next: heldout run {target} -m URI")
    else:
        size = " x ".join(str(side) for side in dict.fromkeys(crop))
        say(f"Next, for models of {size} pixels: heldout run {target} -m 'URI?resize=none'")
