"""AlexNet's top-1 errors under the corruptions of ImageNet-C: what mCE is divided by.

The errors are of the published files: 50,000 images of imagenet-val as JPEG of 224 pixels. The
means of the 15 corruptions are those in google-research/augmix (imagenet.py); the five errors
behind each are a list in huggingface/pytorch-image-models (its "bits" branch), which averages to
exactly these. The means of the four further corruptions and the clean error are from memory of the
paper's code and text (Hendrycks & Dietterich 2019), not from a file that could be read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# By corruption, in the paper's order: the error at severities 1 to 5.
ERRORS: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse_noise": (0.78374, 0.89808, 0.9487, 0.9872, 0.99548),
    "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
    "motion_blur": (0.5843, 0.70048, 0.82108, 0.8975, 0.92638),
    "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
    "snow": (0.71726, 0.88392, 0.86468, 0.9187, 0.94952),
    "frost": (0.6139, 0.79734, 0.8879, 0.89942, 0.9343),
    "fog": (0.67474, 0.7605, 0.84378, 0.8726, 0.945),
    "brightness": (0.4514, 0.48502, 0.54048, 0.62166, 0.7244),
    "contrast": (0.64548, 0.7615, 0.88874, 0.9776, 0.9927),
    "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
    "pixelate": (0.52218, 0.5462, 0.73728, 0.87092, 0.91262),
    "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
}

# From memory: the mean over severities of the four that mCE does not count, and the clean error.
EXTRA_MEANS = {
    "speckle_noise": 0.845388,
    "gaussian_blur": 0.787108,
    "spatter": 0.717512,
    "saturate": 0.658248,
}
CLEAN_ERROR = 0.435

SOURCE = "AlexNet's published errors (Hendrycks & Dietterich 2019)"
CLEAN_SOURCE = f"AlexNet's clean error, {100 * CLEAN_ERROR:.1f} %, is from memory"


def total_error(kind: str) -> float:
    """The sum over the five severities of AlexNet's error; NaN for an unknown corruption.

    >>> f"{total_error('fog') / 5:.6f} {total_error('spatter') / 5:.6f}"
    '0.819324 0.717512'
    """
    if kind in ERRORS:
        return float(sum(ERRORS[kind]))
    return 5 * EXTRA_MEANS.get(kind, float("nan"))


def totals(kinds: list[str]) -> NDArray[np.float64]:
    """`total_error` of several corruptions."""
    return np.array([total_error(k) for k in kinds])
