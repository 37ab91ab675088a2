"""Times one way of corrupting images in a process of its own; benchmarks/corruptions.py starts it.

    python benchmarks/corruptions_peer.py WHAT IMAGES.npy [FOLDER …]

WHAT: `imagecorruptions` (that package or its fork, whichever is in the first FOLDER; the folders
join the end of the path), `heldout.REFERENCE` or `limit`. It runs where heldout is not installed,
so it needs NumPy only. The packages as published fail on the libraries of today; what stops them is
patched here at run time. One thread, CPU time, one call to warm up.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
import json
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
ORDER = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
Corrupt = Callable[[str, Any, int], Any]


def package(folders: list[str]) -> tuple[Corrupt, list[str]]:
    """`imagecorruptions` from the folders, patched so that all kinds run, and what was patched."""
    beside = str(Path(__file__).resolve().parent)
    # Without this folder: numba would take coverage.py in it for the package of that name.
    sys.path[:] = [p for p in sys.path if p != beside] + folders
    patched = []
    import numpy as np
    import scipy.ndimage

    if not hasattr(np, "float_"):
        setattr(np, "float_", np.float64)  # noqa: B010
        patched.append("np.float_")
    if not _there("scipy.ndimage.interpolation"):
        sys.modules["scipy.ndimage.interpolation"] = scipy.ndimage
        patched.append("scipy.ndimage.interpolation")
    if not _there("pkg_resources"):
        sys.modules["pkg_resources"] = _resources()
        patched.append("pkg_resources")
    whole: Any = importlib.import_module("imagecorruptions")
    module: Any = importlib.import_module("imagecorruptions.corruptions")
    gaussian = module.gaussian

    def blurred(image: Any, *args: Any, multichannel: bool = False, **more: Any) -> Any:
        if multichannel:
            more["channel_axis"] = -1
        return gaussian(image, *args, **more)

    module.gaussian = blurred
    patched.append("gaussian(multichannel)")
    if hasattr(module, "SK_VERSION"):
        module.SK_VERSION = {"major": 0, "minor": 20}
        patched.append("SK_VERSION")
    imread = module.cv2.imread
    module.cv2 = types.SimpleNamespace(**vars(module.cv2))
    module.cv2.imread = lambda path, *flags: imread(str(path), *flags)
    patched.append("imread(Path)")
    return lambda kind, image, severity: whole.corrupt(image, severity, kind), patched


def _there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _resources() -> types.ModuleType:
    """What the package wants of pkg_resources: the path of a file beside a module."""
    found = types.ModuleType("pkg_resources")

    def resource_filename(module: str, name: str) -> str:
        return str(Path(str(sys.modules[module].__file__)).parent / name)

    found.resource_filename = resource_filename  # type: ignore[attr-defined]
    return found


def heldout(reference: str) -> Corrupt:
    """Our functions. `run`: as a run calls them, with each image's generator and all checks."""
    corruptions = importlib.import_module("heldout.shifts.corruptions")
    catalogue = importlib.import_module("heldout.shifts.catalogue")
    generator = importlib.import_module("heldout.shifts.shift").generator
    rng, number = generator(0, "benchmark", "image"), itertools.count()
    parse = functools.cache(catalogue.parse)

    def alone(kind: str, image: Any, severity: int) -> Any:
        return getattr(corruptions, kind)(image, severity, rng, reference=reference)

    def in_a_run(kind: str, image: Any, severity: int) -> Any:
        return catalogue.shifted(image, parse(f"{kind}:{severity}"), 0, str(next(number)))

    return in_a_run if reference == "run" else alone


def limit() -> Corrupt:
    """What nobody can leave out: two random bytes a number, one pass over the values, the codec."""
    import cv2
    import numpy as np
    from PIL import Image

    bits = np.random.PCG64(0)
    numbers = {  # how many random numbers a pixel, at severity 3 and 224 pixels
        "gaussian_noise": 3, "speckle_noise": 3, "shot_noise": 3, "impulse_noise": 3,
        "glass_blur": 0.75, "snow": 1 / 16, "spatter": 1, "fog": 256**2 / 224**2,
        "elastic_transform": 2,
    }  # fmt: skip

    def least(kind: str, image: Any, severity: int) -> Any:
        h, w = image.shape[:2]
        if kind == "jpeg_compression":
            file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])[1]
            return cv2.imdecode(file, cv2.IMREAD_COLOR)
        if kind == "pixelate":
            whole, less = Image.fromarray(image), (int(w * 0.4), int(h * 0.4))
            return np.asarray(whole.resize(less, Image.BOX).resize((w, h), Image.NEAREST))
        if kind in numbers:
            bits.random_raw(int(h * w * numbers[kind]) // 4)  # 64 bits each
        return image ^ 255

    return least


def timed(
    corrupt: Corrupt, images: Any, severity: int, most: int, seconds: float
) -> dict[str, dict[str, Any]]:
    """Milliseconds of CPU by kind, the first calls' besides, and why a kind cannot be had.

    A kind is called `most` times, fewer (but three at least) where that takes more than `seconds`.
    """
    ms: dict[str, list[float]] = {}
    first: dict[str, float] = {}
    failed: dict[str, str] = {}
    for kind in ORDER:
        try:
            start = time.process_time()
            made = corrupt(kind, images[0], severity)
            first[kind] = 1000 * (time.process_time() - start)
            if made.shape != images[0].shape or made.dtype != images.dtype:
                raise ValueError(f"made {made.shape} {made.dtype}")
            taken: list[float] = []
            while len(taken) < most and (len(taken) < 3 or sum(taken) < 1000 * seconds):
                image = images[len(taken) % len(images)]
                start = time.process_time()
                corrupt(kind, image, severity)
                taken.append(1000 * (time.process_time() - start))
            ms[kind] = taken
        except Exception as error:
            failed[kind] = f"{type(error).__name__}: {error}"
    return {"ms": ms, "first": first, "failed": failed}


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("what", nargs="?", default="")
    asked.add_argument("images", nargs="?")
    asked.add_argument("folders", nargs="*")
    asked.add_argument("--severity", type=int, default=3)
    asked.add_argument("--most", type=int, default=40)
    asked.add_argument("--seconds", type=float, default=0.25)
    options = asked.parse_args()
    if not options.what:
        print("benchmarks/corruptions.py starts this one; alone it does nothing.")
        return
    os.environ.update(THREADS)
    import numpy as np

    patched: list[str] = []
    if options.what == "limit":
        corrupt = limit()
    elif options.what.startswith("heldout."):
        corrupt = heldout(options.what.partition(".")[2])
    else:
        corrupt, patched = package(options.folders)
    import cv2
    import PIL

    cv2.setNumThreads(1)
    np.random.seed(0)  # noqa: NPY002 (the packages draw from the global state)
    images = np.load(options.images)
    report: dict[str, Any] = timed(corrupt, images, options.severity, options.most, options.seconds)
    report["patched"] = patched
    report["versions"] = {
        "Python": sys.version.split()[0], "NumPy": np.__version__, "OpenCV": cv2.__version__,
        "Pillow": PIL.__version__,
    }  # fmt: skip
    print(json.dumps(report))


if __name__ == "__main__":
    main()
