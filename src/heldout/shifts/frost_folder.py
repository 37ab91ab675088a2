"""Which folder the photographs of `frost_photographs:3` come from, in this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from heldout.errors import BadInput

if TYPE_CHECKING:
    from heldout.shifts.corruptions.frost import Photographs

VARIABLE = "HELDOUT_FROST"
_folder = ""
_read: Photographs | None = None  # once read, they stay: a folder may change during a run


def use(folder: str) -> None:
    """From now on take the photographs from that folder; '': from $HELDOUT_FROST.

    A run sets it once in every process before the first image. Raises BadInput where the folder has
    not the six photographs.
    """
    global _folder, _read
    _folder, _read = folder, None
    if folder:
        photographs()


def photographs() -> Photographs:
    """The photographs. Raises BadInput where no folder was named, or it lacks some of them."""
    from heldout.shifts.corruptions.frost import read_photographs

    global _read
    if _read is not None:
        return _read
    folder = _folder or os.environ.get(VARIABLE, "")
    if not folder:
        raise BadInput(
            "frost_photographs needs the folder with the six photographs frost1.png to frost6.jpg"
            " of the authors' code (github.com/hendrycks/robustness, ImageNet-C/create_c): give"
            f" --frost FOLDER or set {VARIABLE}. Without them, frost:3 uses textures of our own."
        )
    _read = read_photographs(folder)
    return _read
