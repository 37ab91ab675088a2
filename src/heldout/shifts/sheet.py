"""A contact sheet: one image under many shifts, a row each, their numbers from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heldout.errors import BadInput
from heldout.shifts.catalogue import Applied, Step, parse, shifted
from heldout.shifts.shift import Image, checked, number_text

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

SIDE = 112
_COLUMNS = 10  # pictures in a line; a shift with more goes on below
_GAP = 6
_MARGIN = 12
_TEXT = 13
_WIDEST_LABEL = 170
_INK, _GREY, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Row:
    """One shift at all its numbers. texts: of the shifts; numbers: what stands over each."""

    label: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]


def sheet(
    image: Image,
    shifts: Sequence[str],
    *,
    seed: int = 0,
    example: str = "",
    side: int = SIDE,
    title: Sequence[str] = (),
) -> Picture:
    """The image (h, w, 3) uint8 under every shift as one picture, itself at the top left.

    shifts: texts, each of one shift or chain; those that differ only in numbers share a row. Every
    picture is `shifted(image, …, seed, example)` at the image's own size, scaled down to fit `side`
    pixels, or up by a whole number. title: lines beside the clean image. Raises BadInput for no
    shifts, a side below 16, and what `parse` and `shifted` raise.
    """
    from PIL import Image as pil
    from PIL import ImageDraw

    source = checked(image)
    if not shifts or side < 16:
        raise BadInput("A sheet needs at least one shift, and pictures of at least 16 pixels.")
    lines, suffix = rows(shifts)
    size = _fitted(source, side)
    said = ("clean", *title, *((f"each then {suffix}",) if suffix else ()))
    plan = _Plan(lines, said, size)
    width, height = plan.cell
    done = pil.new("RGB", plan.size, _PAPER)
    draw = ImageDraw.Draw(done)
    _put(done, source, _MARGIN, _MARGIN, size)
    _say(draw, said, _MARGIN + size[1] + _GAP)
    for row, top in zip(lines, plan.tops, strict=True):
        _label(draw, row.label, top, height, plan)
        for i, text in enumerate(row.texts):
            line, place = divmod(i, _columns(row))
            x = plan.left + place * (width + _GAP)
            y = top + line * (height + plan.heading + _GAP)
            if plan.heading:
                _number(draw, row.numbers[i], x + width // 2, y)
            now = shifted(source, parse(text), seed, example)
            down, along = (height - size[0]) // 2, (width - size[1]) // 2
            _put(done, now, x + along, y + plan.heading + down, size)
    if not plan.heading:
        for i, number in enumerate(lines[0].numbers):
            x = plan.left + i * (width + _GAP) + width // 2
            _number(draw, number, x, plan.tops[0] - _TEXT - 4)
    return done


def rows(shifts: Sequence[str]) -> tuple[list[Row], str]:
    """The rows of a sheet, and the end that all shifts have in common ('' for none).

    >>> lines, end = rows(["fog:1+jpeg:85", "fog:2+jpeg:85", "snow:1+jpeg:85"])
    >>> [(line.label, line.numbers) for line in lines], end
    ([('fog', ('1', '2')), ('snow', ('1',))], 'jpeg:85')
    """
    applied = [parse(t) for t in dict.fromkeys(shifts)]
    end = _end(applied)
    found: dict[tuple[str, ...], list[Applied]] = {}
    for one in applied:
        found.setdefault(tuple(s.shift.name for s in one.steps), []).append(one)
    return [_row(group, len(end)) for group in found.values()], "+".join(end)


def _end(applied: Sequence[Applied]) -> list[str]:
    """The steps that all chains end with, if each has others before them."""
    chains = [[_text(s) for s in a.steps] for a in applied]
    end: list[str] = []
    while all(len(c) > len(end) + 1 for c in chains):
        last = {c[-1 - len(end)] for c in chains}
        if len(last) > 1 or len(chains) == 1:
            break
        end.insert(0, last.pop())
    return end


def _row(group: Sequence[Applied], cut: int) -> Row:
    """What differs between the chains of a row stands over the pictures, the rest beside them."""
    steps = [a.steps[: len(a.steps) - cut] for a in group]
    places = range(len(steps[0]))
    numbered = [i for i in places if steps[0][i].shift.numbered]
    differ = [i for i in numbered if len({s[i].number for s in steps}) > 1] or numbered[:1]
    label = "+".join(steps[0][i].shift.name if i in differ else _text(steps[0][i]) for i in places)
    numbers = tuple(", ".join(number_text(s[i].number) for i in differ) for s in steps)
    return Row(label, tuple(a.text for a in group), numbers)


def _text(step: Step) -> str:
    return step.shift.text(step.number)


class _Plan:
    """Where everything stands. heading: pixels over every picture for its number; 0: once on top.

    cell: width and height that a picture and what is said of it need; left: of the first column;
    tops: of every row; size: width and height of the sheet. picture: (height, width).
    """

    def __init__(self, lines: Sequence[Row], said: Sequence[str], picture: tuple[int, int]) -> None:
        words = max(_wide(number) for row in lines for number in row.numbers)
        tallest = max(len(_parts(row.label)) for row in lines) * (_TEXT + 3)
        width, height = self.cell = max(picture[1], words), max(picture[0], tallest)
        once = len({row.numbers for row in lines}) == 1 and len(lines[0].numbers) <= _COLUMNS
        self.heading = 0 if once else _TEXT + 4
        labels = [_wide(part) for row in lines for part in _parts(row.label)]
        self.left = _MARGIN + max(*labels, width) + 2 * _GAP
        top = _MARGIN + max(picture[0], len(said) * (_TEXT + 5))
        top += 2 * _GAP + (_TEXT + 6 if once else 0)
        self.tops = []
        for row in lines:
            self.tops.append(top)
            top += -(-len(row.texts) // _columns(row)) * (height + self.heading + _GAP)
        right = self.left + max(_columns(row) for row in lines) * (width + _GAP) - _GAP
        beside = _MARGIN + picture[1] + _GAP + max(map(_wide, said))
        self.size = max(right, beside) + _MARGIN, top - _GAP + _MARGIN


def _columns(row: Row) -> int:
    """Pictures in a line of a row: 31 are four lines of 8, not three of 10 and one more."""
    lines = -(-len(row.texts) // _COLUMNS)
    return -(-len(row.texts) // lines)


def _fitted(image: Image, side: int) -> tuple[int, int]:
    """(height, width) of the pictures: within the side, larger only by a whole number."""
    h, w = image.shape[:2]
    scale: float = side // max(h, w) if max(h, w) <= side else side / max(h, w)
    return max(1, round(h * scale)), max(1, round(w * scale))


def _put(done: Picture, image: Image, x: int, y: int, size: tuple[int, int]) -> None:
    from PIL import Image as pil

    height, width = size
    larger = height >= image.shape[0] and width >= image.shape[1]
    how = pil.Resampling.NEAREST if larger else pil.Resampling.BOX
    done.paste(pil.fromarray(image).resize((width, height), how), (x, y))


def _say(draw: ImageDraw, lines: Sequence[str], x: int) -> None:
    for i, line in enumerate(lines):
        ink = _GREY if i else _INK
        draw.text((x, _MARGIN + i * (_TEXT + 5)), line, fill=ink, font=_font())


def _label(draw: ImageDraw, label: str, top: int, height: int, plan: _Plan) -> None:
    """To the left of a row, at half the height of its first pictures."""
    parts = _parts(label)
    y = top + plan.heading + (height - len(parts) * (_TEXT + 3)) // 2
    for i, part in enumerate(parts):
        at = (plan.left - 2 * _GAP, y + i * (_TEXT + 3))
        draw.text(at, part, fill=_INK, font=_font(), anchor="ra")


def _number(draw: ImageDraw, number: str, x: int, y: int) -> None:
    draw.text((x, y), number, fill=_GREY, font=_font(), anchor="ma")


def _parts(label: str) -> list[str]:
    """A label in lines that are not too wide, broken after . + and _."""
    parts = [""]
    for i, letter in enumerate(label):
        if (
            i
            and label[i - 1] in "._+"
            and _wide(parts[-1] + label[i:].split("_")[0]) > _WIDEST_LABEL
        ):
            parts.append("")
        parts[-1] += letter
    return parts


def _wide(text: str) -> int:
    length: float = _font().getlength(text)
    return round(length) + 1


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_TEXT)
