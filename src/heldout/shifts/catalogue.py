"""The table of shifts, and the texts that name them: `noise:0.1+jpeg:30`, `blur:1-3`.

Further shifts come from installed packages, as entry points of the group `heldout.shifts`: the name
is the shift's and the value a `heldout.shifts.shift.Shift`.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from heldout.errors import BadInput, not_found
from heldout.shifts.shift import Image, Shift, checked, generator

GROUP = "heldout.shifts"
_MODULES = {
    "resize": "heldout.shifts.size",
    "jpeg": "heldout.shifts.jpeg",
    "greyscale": "heldout.shifts.colour",
    "brightness": "heldout.shifts.colour",
    "contrast": "heldout.shifts.colour",
    "rotate": "heldout.shifts.rotation",
    "blur": "heldout.shifts.blur",
    "noise": "heldout.shifts.noise",
}
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})-({_NUMBER})")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One shift of a chain with its number; `text` is the chain up to and with it."""

    shift: Shift
    number: float
    text: str


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


def names() -> list[str]:
    """The names of all shifts, those of this package first. Nothing is imported."""
    return [*_MODULES, *sorted(set(_plugins()) - set(_MODULES))]


def find(name: str) -> Shift:
    """The shift of that name. Raises NotFound with near matches, BadInput for a broken plugin."""
    if name in _MODULES:
        module = import_module(_MODULES[name])
        shifts: tuple[Shift, ...] = module.SHIFTS
        return next(s for s in shifts if s.name == name)
    plugins = _plugins()
    if name not in plugins:
        raise not_found("shift", name, names(), "heldout")
    where = f"The shift '{name}' ({plugins[name].value}), which another package brings,"
    try:
        shift = plugins[name].load()
    except Exception as error:
        raise BadInput(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Update or remove that"
            " package."
        ) from error
    if not isinstance(shift, Shift) or shift.name != name:
        raise BadInput(f"{where} is not a Shift of that name. Update or remove that package.")
    return shift


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
        steps.append(Step(shift, number, before + shift.text(number)))
    return Applied(steps[-1].text, tuple(steps))


def expand(text: str) -> list[str]:
    """The canonical texts of all shifts that a text means, each once, in order.

    `blur:1-3` are all whole numbers from 1 to 3, `jpeg:10,30` two numbers; after a comma a further
    shift may stand as well. In a chain every combination is meant. Raises what `parse` raises.

    >>> expand("blur:1-3,jpeg:30")
    ['blur:1', 'blur:2', 'blur:3', 'jpeg:30']
    >>> expand("noise:0.1+jpeg:10,30")
    ['noise:0.1+jpeg:10', 'noise:0.1+jpeg:30']
    """
    found: dict[str, None] = {}
    for chain in _alternatives(text):
        if math.prod(len(step) for step in chain) > _MOST:
            raise BadInput(f"'{text}' means more than {_MOST} shifts; name fewer at once.")
        for one in itertools.product(*chain):
            found[parse("+".join(one)).text] = None
    return list(found)


def shifted(image: Image, applied: Applied, seed: int, example: str) -> Image:
    """The image (h, w, 3) uint8 under a shift: a new array of the same shape, C-contiguous.

    The result depends on the image, the shift's text, the seed and the example's id; not on the
    images beside it, their order or the process. Raises BadInput for anything but such an image.
    """
    now = checked(image)
    for step in applied.steps:
        rng = generator(seed, step.text, example)
        new = step.shift.apply(now, step.number, rng)
        if new.dtype != now.dtype or new.shape != now.shape:
            raise BadInput(
                f"The shift '{step.shift.name}' made an image of {new.shape} {new.dtype} from one"
                f" of {now.shape} uint8; shifts keep both. Update the package that brings it."
            )
        now = new
    return now.copy() if now is image else checked(now)


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
    for item in text.split(","):
        one = item.strip()
        if chains and (re.fullmatch(_NUMBER, one) or _RANGE.fullmatch(one)):
            last = chains[-1][-1]
            last += _numbers(last[0].partition(":")[0], one, text)
            continue
        steps = []
        for part in _chain(one, text):
            name, _, number = part.partition(":")
            ranged = _RANGE.fullmatch(number.strip())
            steps.append(_numbers(name, number.strip(), text) if ranged else [part])
        chains.append(steps)
    return chains


def _numbers(name: str, number: str, text: str) -> list[str]:
    """`blur` and `1-3` as blur:1, blur:2, blur:3."""
    ends = _RANGE.fullmatch(number)
    if ends is None:
        return [f"{name}:{number}"]
    low, high = (float(e) for e in ends.groups())
    if low != int(low) or high != int(high) or low > high:
        raise BadInput(
            f"'{text}': {number} is no range; a range goes from a whole number up to another, such"
            " as 1-3. Other numbers are listed with commas between them."
        )
    if high - low >= _MOST:
        raise BadInput(f"'{text}' means more than {_MOST} shifts; name fewer at once.")
    return [f"{name}:{i}" for i in range(int(low), int(high) + 1)]


def _plugins() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=GROUP)}
