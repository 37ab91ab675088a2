"""The corruptions of ImageNet-C (Hendrycks & Dietterich 2019), each a pure function.

`fog(image, severity, rng)` is the corrupted image: (h, w, 3) uint8 in and out, severity 1 to 5, a
`numpy.random.Generator`. `reference` is "imagenet-c" (the authors' own code, with the constants of
the nearest published size) or "imagecorruptions" (the package, with those for 224 pixels always).
They need OpenCV: pip install 'heldout[shifts]'.

>>> import numpy as np
>>> image = np.zeros((32, 32, 3), np.uint8)
>>> gaussian_noise(image, 3, np.random.default_rng(0)).shape
(32, 32, 3)
"""

from heldout.shifts.corruptions.blur import gaussian_blur
from heldout.shifts.corruptions.colour import brightness, contrast, saturate
from heldout.shifts.corruptions.constants import EXTRA_KINDS, KINDS
from heldout.shifts.corruptions.defocus import defocus_blur
from heldout.shifts.corruptions.digital import jpeg_compression, pixelate
from heldout.shifts.corruptions.elastic import elastic_transform
from heldout.shifts.corruptions.fog import fog
from heldout.shifts.corruptions.frost import frost, read_photographs
from heldout.shifts.corruptions.glass import glass_blur
from heldout.shifts.corruptions.motion import motion_blur
from heldout.shifts.corruptions.noise import (
    gaussian_noise,
    impulse_noise,
    shot_noise,
    speckle_noise,
)
from heldout.shifts.corruptions.snow import snow
from heldout.shifts.corruptions.spatter import spatter
from heldout.shifts.corruptions.zoom import zoom_blur

__all__ = [
    "EXTRA_KINDS",
    "KINDS",
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_blur",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "jpeg_compression",
    "motion_blur",
    "pixelate",
    "read_photographs",
    "saturate",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "zoom_blur",
]
