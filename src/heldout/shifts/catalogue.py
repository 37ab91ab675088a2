"""The texts that name shifts: `noise:0.1+jpeg:30`, `blur:1-3`, `imagenet-c`."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from heldout.errors import BadInput
from heldout.shifts.families import find, groups, names
from heldout.shifts.shift import Group, Image, Shift, checked, generator, number_text

__all__ = [
    "Applied",
    "Step",
    "expand",
    "find",
    "groups",
    "names",
    "on_disk",
    "parse",
    "shifted",
    "with_photographs",
]

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})-({_NUMBER})")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One shift of a chain with its number.

    text: the chain up to and with it. stream: what names its random numbers; shifts that share them
    at every number leave the number out.
    """

    shift: Shift
    number: float
    text: str
    stream: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A shift with its number, or a chain of them; `text` is the one way to spell it."""

    text: str
    steps: tuple[Step, ...]

    @property
    def random(self) -> bool:
        """Whether the result depends on the seed."""
        return any(step.shift.random for step in self.steps)

    def in_words(self) -> str:
        """What is done to an image, for people."""
        return ", then ".join(step.shift.says(step.number) for step in self.steps)


def parse(text: str) -> Applied:
    """One shift or a chain of them, from its text.

    Raises NotFound for an unknown shift, BadInput for a number that is missing, superfluous, out of
    range or no number, and for a text that means several shifts (see `expand`).

    >>> parse("noise:0.10 + jpeg:30").text
    'noise:0.1+jpeg:30'
    """
    steps: list[Step] = []
    for part in _chain(text, text):
        shift, number = _step(part, text)
        before = f"{steps[-1].text}+" if steps else ""
        stream = before + (shift.name if shift.shares else shift.text(number))
        steps.append(Step(shift, number, before + shift.text(number), stream))
    return Applied(steps[-1].text, tuple(steps))


def expand(text: str) -> list[str]:
    """The canonical texts of all shifts that a text means, each once, in order.

    `blur:1-3` are all whole numbers from 1 to 3, `jpeg:10,30` two numbers; after a comma a further
    shift may stand as well. A word such as `imagenet-c` are its members, and `imagenet-c:3` those
    with that number. In a chain every combination is meant. Raises what `parse` raises.

    >>> expand("blur:1-3,jpeg:30")
    ['blur:1', 'blur:2', 'blur:3', 'jpeg:30']
    >>> expand("noise:0.1+jpeg:10,30")
    ['noise:0.1+jpeg:10', 'noise:0.1+jpeg:30']
    >>> len(expand("imagenet-c")), expand("imagenet-c-extra:3")[0]
    (75, 'speckle_noise:3')
    """
    found: dict[str, None] = {}
    for chain in _alternatives(text):
        if math.prod(len(step) for step in chain) > _MOST:
            raise BadInput(f"'{text}' means more than {_MOST} shifts; name fewer at once.")
        for one in itertools.product(*chain):
            found[parse("+".join(one)).text] = None
    return list(found)


def on_disk(texts: Iterable[str], quality: int) -> list[str]:
    """The texts with JPEG compression after every corruption, as published files have it.

    What is no corruption stays as it is, and so does what ends in JPEG compression already.

    >>> on_disk(["clean", "fog:3", "blur:1", "fog:3+jpeg:50"], 85)
    ['clean', 'fog:3+jpeg:85', 'blur:1', 'fog:3+jpeg:50']
    """
    return [f"{t}+jpeg:{quality}" if _corrupts(t) else t for t in texts]


def with_photographs(texts: Iterable[str]) -> list[str]:
    """The texts with `frost_photographs` in the place of `frost`.

    >>> with_photographs(["frost:3", "imagecorruptions.frost:1+jpeg:85", "fog:3"])
    ['frost_photographs:3', 'imagecorruptions.frost_photographs:1+jpeg:85', 'fog:3']
    """
    return [
        re.sub(r"(^|\+)(imagecorruptions\.|)frost:", r"\1\2frost_photographs:", t) for t in texts
    ]


def _corrupts(text: str) -> bool:
    """Whether a text is of a corruption, and does not end in JPEG compression anyway."""
    if text == "clean":
        return False
    steps = parse(text).steps
    return any(s.shift.group == "corruption" for s in steps) and steps[-1].shift.name != "jpeg"


def shifted(image: Image, applied: Applied, seed: int, example: str) -> Image:
    """The image (h, w, 3) uint8 under a shift: a new array of the same shape, C-contiguous.

    The result depends on the image, the shift's text, the seed and the example's id; not on the
    images beside it, their order or the process. Raises BadInput for anything but such an image.
    """
    now = checked(image)
    for step in applied.steps:
        rng = generator(seed, step.stream, example)
        given = now.view()
        given.flags.writeable = False  # other shifts see the same pixels
        new = step.shift.apply(given, step.number, rng)
        if new.dtype != now.dtype or new.shape != now.shape:
            raise BadInput(
                f"The shift '{step.shift.name}' made an image of {new.shape} {new.dtype} from one"
                f" of {now.shape} uint8; shifts keep both. Update the package that brings it."
            )
        now = new
    return now.copy() if np.shares_memory(now, image) else checked(now)


def _chain(chain: str, text: str) -> list[str]:
    parts = [part.strip() for part in chain.split("+")]
    if not all(parts):
        raise BadInput(
            f"'{text}' is no shift: write NAME:NUMBER, such as jpeg:30, and a + between shifts that"
            " follow each other."
        )
    return parts


def _step(part: str, text: str) -> tuple[Shift, float]:
    name, colon, number = part.partition(":")
    if name.strip() in groups():
        raise BadInput(f"'{text}' means several shifts, and one is wanted here.")
    shift = find(name.strip())
    number = number.strip()
    if not shift.numbered:
        if colon:
            raise BadInput(f"Shift '{part}': '{shift.name}' takes no number.")
        return shift, 0.0
    if not number:
        raise BadInput(
            f"Shift '{part}': a number is missing, as in {shift.name}:NUMBER. It is the"
            f" {shift.severities}."
        )
    if _RANGE.fullmatch(number) or "," in number:
        raise BadInput(f"'{text}' means several shifts, and one is wanted here.")
    if not re.fullmatch(_NUMBER, number):
        raise BadInput(
            f"Shift '{part}': '{number}' is no number. The number is the {shift.severities}."
        )
    value = float(number) + 0.0
    shift.check(value)
    return shift, value


def _alternatives(text: str) -> list[list[list[str]]]:
    """For every chain in a text, for every one of its steps, all texts that it means."""
    chains: list[list[list[str]]] = []
    last = ""  # the shift or group that a further number after a comma belongs to
    for item in text.split(","):
        one = item.strip()
        if chains and (re.fullmatch(_NUMBER, one) or _RANGE.fullmatch(one)):
            chains[-1][-1] += _meant(last, one, text)
            continue
        steps = []
        for part in _chain(one, text):
            last, colon, number = (piece.strip() for piece in part.partition(":"))
            several = last in groups() or _RANGE.fullmatch(number)
            steps.append(_meant(last, number, text, colon) if several else [part])
        chains.append(steps)
    return chains


def _meant(name: str, number: str, text: str, colon: str = ":") -> list[str]:
    """`blur` and `1-3` as blur:1, blur:2, blur:3; `imagenet-c` and `3` as its members at 3."""
    numbers = _numbers(number, text) if colon else []
    group = groups().get(name)
    if group is None:
        return [f"{name}:{n}" for n in numbers]
    if not colon:
        return list(group.members)
    there = [(member, member.partition(":")[2]) for member in group.members]
    found = []
    for wanted in numbers:
        at = [member for member, own in there if own and _same(own, wanted)]
        if not at:
            raise BadInput(
                f"'{text}': no shift of the group '{name}' has the number '{wanted}'; the numbers"
                f" go from {_ends(group)}."
            )
        found += at
    return found


def _ends(group: Group) -> str:
    """The smallest and the largest number of a group: '1 to 5'."""
    numbers = [float(n) for member in group.members if (n := member.partition(":")[2])]
    return f"{number_text(min(numbers))} to {number_text(max(numbers))}"


def _same(own: str, wanted: str) -> bool:
    return bool(re.fullmatch(_NUMBER, wanted)) and float(own) == float(wanted)


def _numbers(number: str, text: str) -> list[str]:
    """`1-3` as 1, 2, 3; any other number as it is."""
    ends = _RANGE.fullmatch(number)
    if ends is None:
        return [number]
    low, high = (float(e) for e in ends.groups())
    if low != int(low) or high != int(high) or low > high:
        raise BadInput(
            f"'{text}': {number} is no range; a range goes from a whole number up to another, such"
            " as 1-3. Other numbers are listed with commas between them."
        )
    if high - low >= _MOST:
        raise BadInput(f"'{text}' means more than {_MOST} shifts; name fewer at once.")
    return [str(i) for i in range(int(low), int(high) + 1)]
