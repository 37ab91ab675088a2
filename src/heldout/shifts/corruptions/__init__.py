"""The corruptions of ImageNet-C (Hendrycks & Dietterich 2019), each a pure function.

`fog(image, severity, rng)` is the corrupted image: (h, w, 3) uint8 in and out, severity 1 to 5, a
`numpy.random.Generator`. They need OpenCV: pip install 'heldout[shifts]'.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "speckle_noise": "noise",
    "defocus_blur": "blur",
    "gaussian_blur": "blur",
    "glass_blur": "glass",
    "motion_blur": "motion",
    "zoom_blur": "zoom",
    "snow": "snow",
    "frost": "frost",
    "fog": "fog",
    "spatter": "spatter",
    "brightness": "colour",
    "contrast": "colour",
    "saturate": "colour",
    "elastic_transform": "elastic",
    "pixelate": "digital",
    "jpeg_compression": "digital",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"heldout.shifts.corruptions.{_MODULES[name]}"), name)
