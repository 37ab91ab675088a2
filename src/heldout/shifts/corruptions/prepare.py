"""What every corruption does first: check the image and the severity, look up its constants."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from heldout.errors import BadInput, not_found
from heldout.shifts.corruptions.constants import SIZES, Row, column, constants
from heldout.shifts.shift import Image, checked

IMAGENET_C = "imagenet-c"
IMAGECORRUPTIONS = "imagecorruptions"
REFERENCES = (IMAGENET_C, IMAGECORRUPTIONS)


NO_DRAWS = np.random.default_rng(0)  # for corruptions that draw nothing


def prepared(
    kind: str, image: Any, severity: Any, reference: str, rng: Any = NO_DRAWS
) -> tuple[Image, Row]:
    """The image, C-contiguous, and the constants of a corruption for an image of its size.

    The package imagecorruptions has the constants for 224 pixels at every size. Raises BadInput for
    anything but an (h, w, 3) uint8 image, a severity from 1 to 5 and a Generator, NotFound for
    another reference.
    """
    source = checked(image)
    if not isinstance(rng, np.random.Generator):
        raise BadInput(
            f"Corruption '{kind}' draws from a numpy.random.Generator, such as"
            f" numpy.random.default_rng(0), not from {type(rng).__name__}."
        )
    whole = isinstance(severity, numbers.Real) and not isinstance(severity, bool)
    if not whole or severity not in (1, 2, 3, 4, 5):
        raise BadInput(f"Corruption '{kind}': the severity is 1, 2, 3, 4 or 5, not {severity!r}.")
    if reference not in REFERENCES:
        raise not_found("reference", reference, REFERENCES, "the corruptions")
    size = column(*source.shape[:2]) if reference == IMAGENET_C else SIZES[0]
    return source, constants(kind, int(severity), size)
