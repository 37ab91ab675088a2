"""The published constants of ImageNet-P (224 pixels) and CIFAR-10-P (32 pixels).

Source: github.com/hendrycks/robustness (ImageNet-P/create_p/make_imagenet_p.py, make_cifar_p.py),
Hendrycks & Dietterich 2019. Nothing here needs OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

from heldout.errors import not_found

NOISES = ("gaussian_noise", "shot_noise", "speckle_noise")
FIELDS = {
    "gaussian_noise": "standard deviation",
    "shot_noise": "photons at full brightness",
    "speckle_noise": "standard deviation",
    "motion_blur": "radius, sigma, degrees a frame, frame of 0 degrees",
    "zoom_blur": "zoom a frame",
    "snow": "mean, standard deviation, zoom, threshold, radius, sigma, degrees a frame, degrees of"
    " the first frame, share of the image",
    "brightness": "added to V a frame, frame of 0",
    "translate": "pixels a frame, frame of 0",
    "rotate": "degrees a frame, frame of 0",
    "tilt": "degrees a frame, frame of 0",
    "scale": "factor of the first frame, added a frame",
    "gaussian_blur": "sigma of the first frame, added a frame, reach of the kernel in sigmas",
    "spatter": "mean, standard deviation, sigma, threshold, strength",
    "shear": "degrees a frame, frame of 0",
}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published set of sequences.

    side: of its images in pixels. margin: by how much they were larger before they were cropped, as
    a factor. black: whether what lies beyond the image is black there. kinds, extra: the kinds that
    are averaged, and the further ones. frames: of kinds that do not have 31. constants: of every
    kind, harder levels included. smear: how spatter runs down in a frame: the shares that go to the
    pixels from (n - 1) // 2 above onwards, n of them (as numpy.convolve's mode "same" has it).
    """

    name: str
    title: str
    side: int
    margin: float
    black: bool
    kinds: tuple[str, ...]
    extra: tuple[str, ...]
    frames: dict[str, int]
    constants: dict[str, tuple[float, ...]]
    smear: tuple[float, ...]

    def count(self, kind: str) -> int:
        """How many frames a sequence has."""
        return self.frames.get(kind, 31)


IMAGENET_P = Benchmark(
    "imagenet-p",
    "ImageNet-P",
    224,
    8 / 7,
    False,
    ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "snow", "brightness", "translate",
     "rotate", "tilt", "scale"),
    ("speckle_noise", "gaussian_blur", "spatter", "shear"),
    {"translate": 41},
    {
        "gaussian_noise": (0.03,),
        "gaussian_noise_2": (0.05,),
        "gaussian_noise_3": (0.08,),
        "shot_noise": (300,),
        "shot_noise_2": (120,),
        "shot_noise_3": (60,),
        "motion_blur": (10, 3, 4, 30),
        "zoom_blur": (0.004,),
        "snow": (0.05, 0.3, 3, 0.5, 14, 4, 4, -150, 0.85),
        "brightness": (0.02, 15),
        "translate": (1, 20),
        "rotate": (1, 15),
        "tilt": (1, 15),
        "scale": (0.4, 0.025),
        "speckle_noise": (0.05,),
        "speckle_noise_2": (0.1,),
        "speckle_noise_3": (0.15,),
        "gaussian_blur": (0.25, 0.035, 6),
        "spatter": (0.65, 0.27, 3.7, 0.69, 0.6),
        "shear": (1, 15),
    },
    (0.05, 0.1, 0.15, 0.7),
)  # fmt: skip

# Spatter in place of snow: so the authors' cifar-p-eval.py averages them.
CIFAR_P = Benchmark(
    "cifar-p",
    "CIFAR-10-P",
    32,
    1.0,
    True,
    ("gaussian_noise", "shot_noise", "motion_blur", "zoom_blur", "spatter", "brightness",
     "translate", "rotate", "tilt", "scale"),
    ("speckle_noise", "gaussian_blur", "snow", "shear"),
    {"motion_blur": 21, "translate": 16},
    {
        "gaussian_noise": (0.02,),
        "gaussian_noise_2": (0.04,),
        "gaussian_noise_3": (0.06,),
        "shot_noise": (700,),
        "shot_noise_2": (400,),
        "shot_noise_3": (200,),
        "motion_blur": (6, 1.8, 9, 20),
        "zoom_blur": (0.004,),
        "snow": (0.05, 0.3, 2, 0.5, 10, 2, 4, -150, 0.85),
        "brightness": (0.015, 15),
        "translate": (1, 7),
        "rotate": (1, 15),
        "tilt": (0.75, 15),
        "scale": (0.7, 0.02),
        "speckle_noise": (0.05,),
        "speckle_noise_2": (0.07,),
        "speckle_noise_3": (0.1,),
        "gaussian_blur": (0.3, 0.015, 7),
        "spatter": (0.6, 0.265, 1.75, 0.7, 0.6),
        "shear": (1, 15),
    },
    (0.2, 0.8),
)  # fmt: skip

BENCHMARKS = {b.name: b for b in (IMAGENET_P, CIFAR_P)}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises NotFound."""
    if name not in BENCHMARKS:
        raise not_found("benchmark of perturbations", name, BENCHMARKS)
    return BENCHMARKS[name]


def noise(kind: str) -> bool:
    """Whether a kind is noise, whose frames are compared with the first one.

    >>> noise("gaussian_noise_2"), noise("snow")
    (True, False)
    """
    return kind.startswith(NOISES)
