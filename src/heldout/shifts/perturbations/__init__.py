"""Perturbation sequences in the manner of ImageNet-P (Hendrycks & Dietterich 2019).

`rotate(image, frame, rng)` is one frame of the sequence of an image: (h, w, 3) uint8 in and out.
They need OpenCV: pip install 'heldout[shifts]'. As shifts: `imagenet-p.rotate:12`.
"""

from heldout.shifts.perturbations.blur import gaussian_blur, motion_blur, zoom_blur
from heldout.shifts.perturbations.geometry import rotate, scale, shear, tilt, translate
from heldout.shifts.perturbations.light import brightness
from heldout.shifts.perturbations.noise import gaussian_noise, shot_noise, speckle_noise
from heldout.shifts.perturbations.snow import snow
from heldout.shifts.perturbations.spatter import spatter

__all__ = [
    "brightness",
    "gaussian_blur",
    "gaussian_noise",
    "motion_blur",
    "rotate",
    "scale",
    "shear",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "tilt",
    "translate",
    "zoom_blur",
]
