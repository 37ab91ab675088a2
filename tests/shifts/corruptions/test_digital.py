"""Pixelate and JPEG against the published outputs and Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from published_corruptions import SEVERITIES, clean, difference, other_rows, reference

pytest.importorskip("cv2")

from heldout.errors import BadInput
from heldout.shifts.corruptions import digital as module
from heldout.shifts.corruptions import jpeg_compression, pixelate

FUNCTIONS = {"pixelate": pixelate, "jpeg_compression": jpeg_compression}


@pytest.mark.data
@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_published_outputs(kind: str, severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bit of all three pictures; with any other row of the table it is not."""
    wanted = reference(f"det/{kind}")[:, severity - 1]
    for image, out in zip(clean(), wanted, strict=True):
        own = FUNCTIONS[kind](image, severity, reference="imagecorruptions")
        assert difference(own, out) == (0, 0)
    for row in other_rows(kind, severity):
        monkeypatch.setattr(
            module, "prepared", lambda kind, image, severity, reference, row=row: (image, row)
        )
        assert difference(FUNCTIONS[kind](clean()[2], severity), wanted[2])[1] > 0.01, row


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (33, 47), (224, 224)])
def test_jpeg_is_pillows(shape: tuple[int, int]) -> None:
    """Quality as published, all else Pillow's defaults."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=80 if min(shape) < 45 else 25)
    assert np.array_equal(jpeg_compression(image, 1), np.array(Pillow.open(buffer)))


def test_jpeg_has_a_largest_side() -> None:
    with pytest.raises(BadInput, match="65,500"):
        jpeg_compression(np.zeros((1, 65_501, 3), np.uint8), 1)


def test_pixels_are_blocks() -> None:
    """At half the side (64 pixels, severity 5) every block of 2 x 2 has one colour, its mean."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    blocks = pixelate(image, 5).reshape(32, 2, 32, 2, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    means = image.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(blocks[:, 0, :, 0] - means).max() <= 1
