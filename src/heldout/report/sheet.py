"""A contact sheet in the report: one picture under every corruption and severity."""

from __future__ import annotations

import base64
import io
import os
from html import escape
from typing import TYPE_CHECKING

from heldout.errors import BadInput
from heldout.images.decode import Unreadable, decode
from heldout.images.geometry import Geometry, fit
from heldout.report.html import Section

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_GROUPS = ("imagenet-c", "imagenet-c-extra")
_SIZE = 224
_MOST_BYTES = 1_400_000
_QUALITIES = (85, 75, 60, 40)


def sheet_section(path: str, seed: int) -> Section:
    """The section of an image file, as `heldout shifts show` makes the sheet.

    The picture is embedded as a JPEG of at most 1.4 MB. Raises BadInput for a file that is no
    picture.
    """
    from heldout.shifts.catalogue import expand
    from heldout.shifts.sheet import sheet

    texts = [t for g in _GROUPS for t in expand(g)]
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            picture = decode(file.read())
        small = min(picture.size) < _SIZE
        geometry = Geometry() if small else Geometry(256, (_SIZE, _SIZE), "bilinear")
        pixels = fit(picture, geometry)
    except Unreadable as error:
        raise BadInput(f"--image '{path}' is no image that can be read: {error}.") from error
    except OSError as error:
        raise BadInput(f"--image '{path}' cannot be read: {error.strerror or error}.") from error
    size = f"{pixels.shape[1]} x {pixels.shape[0]}"
    how = f"{size} pixels, seed {seed}, in memory"
    done = sheet(pixels, texts, seed=seed, example=name, title=(name, how))
    kinds = list(dict.fromkeys(t.partition(":")[0] for t in texts))
    alt = (
        f"{name} under {len(kinds)} corruptions, a row each, at severity 1 to 5 from left to"
        f" right: {', '.join(k.replace('_', ' ') for k in kinds)}."
    )
    words = (
        f"{name}, {geometry.in_words()}; {how}; frost from our own textures. Each picture is what a"
        " model is shown, scaled down."
    )
    return Section(
        "sheet", "Contact sheet", "One image under every corruption and severity.", "text",
        body='<figure class="figure contact"><div class="contact-scroller" tabindex="0"'
        ' role="group" aria-label="the sheet, which scrolls on a narrow screen">'
        f'<img src="data:image/jpeg;base64,{_encoded(done)}" width="{done.width}"'
        f' height="{done.height}" alt="{escape(alt)}"></div>'
        f"<figcaption>{escape(words)}</figcaption></figure>",
    )  # fmt: skip


def _encoded(picture: Picture) -> str:
    """The picture as base64 JPEG of the best quality that is small enough."""
    content = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        content = buffer.getvalue()
        if len(content) * 4 / 3 <= _MOST_BYTES:
            break
    return base64.b64encode(content).decode()
