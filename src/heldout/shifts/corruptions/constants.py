"""The published constants of the 19 corruptions, severities 1 to 5, for three sizes of image.

Source: github.com/hendrycks/robustness (ImageNet-C/create_c/make_imagenet_c.py for 224 pixels,
make_tinyimagenet_c.py for 64, make_cifar_c.py for 32), Hendrycks & Dietterich 2019.
"""

from __future__ import annotations

SIZES = (224, 64, 32)
KINDS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
EXTRA_KINDS = (
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
)
Row = tuple[float, ...]

# What the numbers of a row are, in order.
FIELDS = {
    "gaussian_noise": "standard deviation",
    "shot_noise": "photons at full brightness",
    "impulse_noise": "share of values",
    "defocus_blur": "radius, sigma of the anti-aliasing blur",
    "glass_blur": "sigma, largest displacement, iterations",
    "motion_blur": "radius, sigma",
    "zoom_blur": "stop and step of the zoom factors, from 1",
    "snow": "mean, standard deviation, zoom, threshold, radius, sigma, share of the image",
    "frost": "weight of the image, weight of the frost",
    "fog": "strength, decay of the roughness",
    "brightness": "added to V",
    "contrast": "factor",
    "elastic_transform": "largest displacement, sigma, largest affine displacement, pixels",
    "pixelate": "factor on the side",
    "jpeg_compression": "quality",
    "speckle_noise": "standard deviation",
    "gaussian_blur": "sigma",
    "spatter": "mean, standard deviation, sigma, threshold, strength or sigma of mud, 1 for mud",
    "saturate": "factor on S, added to S",
}

_CONSTANTS: dict[str, dict[int, tuple[Row, ...]]] = {
    "gaussian_noise": {
        224: ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
        64: ((0.04,), (0.08,), (0.12,), (0.15,), (0.18,)),
        32: ((0.04,), (0.06,), (0.08,), (0.09,), (0.1,)),
    },
    "shot_noise": {
        224: ((60,), (25,), (12,), (5,), (3,)),
        64: ((250,), (100,), (50,), (30,), (15,)),
        32: ((500,), (250,), (100,), (75,), (50,)),
    },
    "impulse_noise": {
        224: ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
        64: ((0.01,), (0.02,), (0.05,), (0.08,), (0.14,)),
        32: ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    },
    "defocus_blur": {
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    },
    "glass_blur": {
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    },
    "motion_blur": {
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    },
    "zoom_blur": {
        224: ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        64: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        32: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    },
    "snow": {
        224: (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    },
    "frost": {
        224: ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        64: ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    },
    "fog": {
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    },
    "brightness": {
        224: ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        64: ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        32: ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    },
    "contrast": {
        224: ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        64: ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        32: ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    },
    "elastic_transform": {
        224: (
            (488, 170.8, 24.4),
            (488, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        64: (
            (0, 0, 5.12),
            (3.2, 19.2, 3.84),
            (6.4, 5.12, 3.84),
            (6.4, 1.92, 1.92),
            (10.24, 1.92, 1.28),
        ),
        32: (
            (0, 0, 2.56),
            (1.6, 6.4, 2.24),
            (2.56, 1.92, 1.92),
            (3.2, 1.28, 1.6),
            (3.2, 0.96, 0.96),
        ),
    },
    "pixelate": {
        224: ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
        64: ((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
        32: ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    },
    "jpeg_compression": {
        224: ((25,), (18,), (15,), (10,), (7,)),
        64: ((65,), (58,), (50,), (40,), (25,)),
        32: ((80,), (65,), (58,), (50,), (40,)),
    },
    "speckle_noise": {
        224: ((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
        64: ((0.15,), (0.2,), (0.25,), (0.3,), (0.35,)),
        32: ((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)),
    },
    "gaussian_blur": {
        224: ((1,), (2,), (3,), (4,), (6,)),
        64: ((0.5,), (0.75,), (1,), (1.25,), (1.5,)),
        32: ((0.4,), (0.6,), (0.7,), (0.8,), (1,)),
    },
    "spatter": {
        224: (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    },
    "saturate": {
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    },
}


def column(height: int, width: int) -> int:
    """The published size whose constants an image gets: the nearest to its shorter side in ratio.

    >>> column(224, 224), column(299, 299), column(96, 128), column(32, 32), column(28, 28)
    (224, 224, 64, 32, 32)
    """
    side = min(height, width)
    return min(SIZES, key=lambda size: max(size / side, side / size))


def constants(kind: str, severity: int, size: int) -> Row:
    """The row of a corruption: `size` is one of SIZES, severity 1 to 5. Raises KeyError.

    >>> constants("fog", 3, 224), constants("gaussian_noise", 1, 32)
    ((2.5, 1.7), (0.04,))
    """
    return _CONSTANTS[kind][size][severity - 1]
