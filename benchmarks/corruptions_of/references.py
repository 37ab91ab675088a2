"""How far our two references differ, in the five kinds in which they do.

The authors' code made ImageNet-C; the package `imagecorruptions` is what most papers since used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from heldout.shifts import corruptions
from heldout.shifts.shift import generator

KINDS = ("motion_blur", "snow", "frost", "fog", "elastic_transform")
REFERENCES = ("imagenet-c", "imagecorruptions")
SEVERITIES = (1, 2, 3, 4, 5)
_MARGIN = 56  # pixels at the edges that a displacement may bring in from outside


def compare(images: Any, draws: int = 4) -> None:
    """Print, by kind and severity, how far each reference moves an image and the two from another.

    images: (n, h, w, 3) uint8. Every image is drawn `draws` times; both references get generators
    of the same state, but where they draw other numbers that does not make them alike.
    """
    n, h, w = images.shape[:3]
    print(f"Grey levels, mean over {n} images of {h} x {w} and {draws} draws: absolute difference")
    print("of each reference from the clean image, and of the two from each other; mean level")
    heads = ("ImageNet-C", "package", "between", "level C", "level pkg")
    print(f"{'kind':<18} sev " + " ".join(f"{head:>10}" for head in heads))
    for kind in KINDS:
        for severity in SEVERITIES:
            cells = " ".join(f"{x:10.2f}" for x in differences(kind, severity, images, draws))
            print(f"{kind:<18} {severity:>3} {cells}")
    print(
        f"elastic_transform, rms displacement along each axis, in pixels, {_MARGIN} from the edges:"
    )
    print(f"{'severity':<18}     " + " ".join(f"{s:>10}" for s in SEVERITIES))
    for reference in REFERENCES:
        cells = " ".join(f"{displacement(s, reference, h, w, 3 * draws):10.2f}" for s in SEVERITIES)
        print(f"{reference:<18}     {cells}")


def differences(kind: str, severity: int, images: Any, draws: int) -> Any:
    """Mean |C − clean|, |package − clean|, |C − package|, and the mean levels of both."""
    found = []
    for i, image in enumerate(images):
        for draw in range(draws):
            a, b = (_made(kind, image, severity, r, f"{i} {draw}") for r in REFERENCES)
            pairs = ((a, image), (b, image), (a, b))
            far = [np.abs(x.astype(int) - y).mean() for x, y in pairs]
            found.append([*far, a.mean(), b.mean()])
    return np.mean(found, axis=0)


def displacement(severity: int, reference: str, h: int, w: int, draws: int) -> float:
    """Root mean square displacement along an axis of elastic_transform, by a picture of positions.

    Red is the column and green the row (h, w up to 256), so the result says where each pixel is
    from, but for the truncation: half a level in the mean, a variance of 1/12.
    """
    rows, columns = np.mgrid[:h, :w]
    positions = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    inner = slice(_MARGIN, -_MARGIN)
    squares = []
    for draw in range(draws):
        made = _made("elastic_transform", positions, severity, reference, str(draw))
        moved = made[inner, inner, :2] + 0.5 - positions[inner, inner, :2]
        squares.append((moved**2).mean() - 1 / 12)
    return float(np.sqrt(max(np.mean(squares), 0.0)))


def _made(kind: str, image: Any, severity: int, reference: str, draw: str) -> Any:
    rng = generator(0, kind, draw)
    return getattr(corruptions, kind)(image, severity, rng, reference=reference)
