"""What the four noises and five blurs promise for every image."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("cv2")

import cv2

from heldout.errors import BadInput, NotFound
from heldout.shifts.corruptions import blur, defocus, glass, motion, noise, zoom

Image = NDArray[np.uint8]
NOISES = (noise.gaussian_noise, noise.shot_noise, noise.impulse_noise, noise.speckle_noise)
BLURS = (
    blur.gaussian_blur,
    defocus.defocus_blur,
    glass.glass_blur,
    motion.motion_blur,
    zoom.zoom_blur,
)
RANDOM = (*NOISES, glass.glass_blur, motion.motion_blur)
ALL = pytest.mark.parametrize("apply", [*NOISES, *BLURS], ids=lambda kind: kind.__name__)
SIDES = st.one_of(st.integers(1, 12), st.integers(13, 90))


def picture(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@ALL
@given(SIDES, SIDES, st.integers(1, 5), st.sampled_from(["imagenet-c", "imagecorruptions"]),
       st.integers(0, 9))  # fmt: skip
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_image(
    apply: Callable[..., Image], height: int, width: int, severity: int, reference: str, seed: int
) -> None:
    """A new uint8 image of the same shape; the input unchanged; strides and locks do not matter."""
    image = picture(height, width, seed)
    kept = image.copy()

    def out(source: Image) -> Image:
        return apply(source, severity, np.random.default_rng(seed), reference=reference)

    first = out(image)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert not np.shares_memory(first, image)
    assert np.array_equal(image, kept)
    spread = np.zeros((height, 2 * width, 3), np.uint8)
    spread[:, ::2] = image
    locked = image.copy()
    locked.flags.writeable = False
    for same in (image, spread[:, ::2], np.asfortranarray(image), image[::-1].copy()[::-1], locked):
        assert np.array_equal(out(same), first)


@ALL
@pytest.mark.parametrize("value", [0, 255])
def test_flat_images(apply: Callable[..., Image], value: int) -> None:
    """No value runs over: black and white stay within what each kind can do to them."""
    image = np.full((40, 50, 3), value, np.uint8)
    for severity in (1, 2, 3, 4, 5):
        out = apply(image, severity, np.random.default_rng(0))
        if apply in BLURS:
            assert np.abs(out.astype(int) - value).max() <= 2
        elif apply in (noise.shot_noise, noise.speckle_noise) and not value:
            assert not out.any()


@ALL
def test_only_the_generator_decides(apply: Callable[..., Image]) -> None:
    """The same state, the same bits; another seed another image, unless the kind is not random."""
    image = picture(64, 80)
    first = apply(image, 3, np.random.default_rng(1))
    assert np.array_equal(apply(image, 3, np.random.default_rng(1)), first)
    other = apply(image, 3, np.random.default_rng(2))
    assert np.array_equal(other, first) != (apply in RANDOM)
    if apply not in RANDOM:
        assert np.array_equal(apply(image, 3), first)


@ALL
def test_any_bit_generator_serves(apply: Callable[..., Image]) -> None:
    for kind in (np.random.MT19937, np.random.SFC64, np.random.Philox):
        assert apply(picture(33, 47), 4, np.random.Generator(kind(0))).shape == (33, 47, 3)


@ALL
def test_threads_do_not_matter(apply: Callable[..., Image]) -> None:
    """Neither OpenCV's own nor callers', who share what is cached."""
    images = [picture(70, 61, seed) for seed in range(8)]

    def out(seed: int) -> Image:
        return apply(images[seed], 3, np.random.default_rng(seed))

    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = [out(seed) for seed in range(8)]
        cv2.setNumThreads(4)
        with ThreadPoolExecutor(4) as pool:
            assert all(map(np.array_equal, pool.map(out, range(8)), alone))
    finally:
        cv2.setNumThreads(before)


@ALL
@pytest.mark.parametrize(
    ("image", "severity", "says"),
    [
        (picture(8, 8), 0, "1, 2, 3, 4 or 5, not 0"),
        (picture(8, 8), 6, "not 6"),
        (picture(8, 8), 2.5, "not 2.5"),
        (picture(8, 8)[..., 0], 3, r"\(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), 3, r"\(8, 8, 4\)"),
        (np.zeros((8, 8, 3), np.float32), 3, "float32"),
        (np.zeros((0, 8, 3), np.uint8), 3, "with pixels"),
    ],
)
def test_what_is_refused(
    apply: Callable[..., Image], image: NDArray[np.generic], severity: float, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        apply(image, severity, np.random.default_rng(0))
    with pytest.raises(NotFound):
        apply(picture(8, 8), 3, np.random.default_rng(0), reference="imagenetc")
