"""Frames of perturbation sequences: against the published formulas, written down once more."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cv2")

from scipy import ndimage

from heldout.errors import BadInput, NotFound
from heldout.shifts import perturbations
from heldout.shifts.perturbations.constants import BENCHMARKS, CIFAR_P, IMAGENET_P
from heldout.shifts.perturbations.prepare import prepared
from heldout.shifts.perturbations.shifts import GROUPS, SHIFTS
from heldout.shifts.perturbations.snow import _snowed, _zoomed
from heldout.shifts.perturbations.spatter import _run_down
from heldout.shifts.rotation import rotate as turned
from heldout.shifts.shift import generator

BY_NAME = {s.name: s for s in SHIFTS}
OF = tuple(BENCHMARKS)
GEOMETRY = ("translate", "rotate", "tilt", "shear")


def rng(seed: int = 0) -> np.random.Generator:
    return generator(seed, "a test", "img")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with all values."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (2, 2, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.rint(255 * smooth).astype(np.uint8)


@pytest.mark.parametrize("name", BY_NAME)
@settings(deadline=None, derandomize=True, max_examples=5)
@given(
    st.sampled_from([(1, 1), (2, 9), (7, 3), (12, 12), (33, 47), (40, 2)]),
    st.integers(0, 40),
    st.integers(0, 99),
)
def test_every_frame_of_every_size(name: str, shape: tuple[int, int], at: int, seed: int) -> None:
    """The same shape, a new array, nothing of the input changed, the same bits again."""
    shift = BY_NAME[name]
    family, kind = name.split(".")
    frame = float(at % BENCHMARKS[family].count(kind))
    whole = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    before = whole.copy()
    out = shift.apply(whole, frame, rng(seed))
    assert out.shape == whole.shape
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert not np.shares_memory(out, whole)
    assert np.array_equal(whole, before)
    strided = np.repeat(whole, 2, axis=1)[:, ::2]
    assert np.array_equal(shift.apply(strided, frame, rng(seed)), out)


def test_what_there_is() -> None:
    """The published numbers of frames, in the published order; levels in no group."""
    groups = {g.name: g.members for g in GROUPS}
    assert {k: len(v) for k, v in groups.items()} == {
        "imagenet-p": 9 * 31 + 41,
        "imagenet-p-extra": 4 * 31,
        "cifar-p": 8 * 31 + 21 + 16,
        "cifar-p-extra": 4 * 31,
    }
    assert groups["imagenet-p"][0] == "imagenet-p.gaussian_noise:0"
    assert groups["imagenet-p"][-1] == "imagenet-p.scale:30"
    for shift in SHIFTS:
        kind = shift.name.split(".")[1]
        assert (shift.group, shift.kind) == ("perturbation", kind)
        assert shift.shares == (kind in ("snow", "spatter"))
        assert shift.random == (shift.shares or "noise" in kind)
    shift = BY_NAME["imagenet-p.translate"]
    shift.check(40.0)
    with pytest.raises(BadInput, match="whole number from 0 to 40"):
        shift.check(41.0)


def test_the_constants_once_more() -> None:
    """Those that other tests take from the table: ImageNet-P's and CIFAR-10-P's."""
    wanted: dict[str, tuple[object, object]] = {
        "gaussian_noise": ((0.03, 0.05, 0.08), (0.02, 0.04, 0.06)),
        "shot_noise": ((300, 120, 60), (700, 400, 200)),
        "speckle_noise": ((0.05, 0.1, 0.15), (0.05, 0.07, 0.1)),
        "motion_blur": ((10, 3, 4, 30), (6, 1.8, 9, 20)),
        "brightness": ((0.02, 15), (0.015, 15)),
        "snow": (
            (0.05, 0.3, 3, 0.5, 14, 4, 4, -150, 0.85),
            (0.05, 0.3, 2, 0.5, 10, 2, 4, -150, 0.85),
        ),
        "spatter": ((0.65, 0.27, 3.7, 0.69, 0.6), (0.6, 0.265, 1.75, 0.7, 0.6)),
    }
    for of, place in ((IMAGENET_P, 0), (CIFAR_P, 1)):
        for kind, both in wanted.items():
            have = of.constants[kind]
            if "noise" in kind:
                have += of.constants[f"{kind}_2"] + of.constants[f"{kind}_3"]
            assert have == both[place], (of.name, kind)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: perturbations.rotate(x, 31), "from 0 to 30, not 31"),
        (lambda x: perturbations.rotate(x, -1), "from 0 to 30"),
        (lambda x: perturbations.rotate(x, 1.5), "from 0 to 30"),
        (lambda x: perturbations.rotate(x, float("nan")), "from 0 to 30"),
        (lambda x: perturbations.rotate(x, True), "from 0 to 30"),
        (lambda x: perturbations.translate(x, 16, of="cifar-p"), "CIFAR-10-P.*0 to 15"),
        (lambda x: perturbations.shot_noise(x, 1, rng(), level=4), "level is 1, 2 or 3"),
        (lambda x: perturbations.rotate(x[:, :, 0], 3), "RGB"),
        (lambda x: perturbations.rotate(x / 255, 3), "uint8"),
    ],
)
def test_bad_input(call: Callable[[np.ndarray], object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        call(picture(8, 8))


def test_an_unknown_benchmark_and_a_near_one() -> None:
    with pytest.raises(NotFound, match="imagenet-p"):
        perturbations.rotate(picture(8, 8), 3, of="imagenetp")


# Noise


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_noise_has_its_level_and_no_other(of: str, level: int) -> None:
    """The spread of each level, so near that no other constant of the table fits."""
    grey = np.full((224, 224, 3), 128, np.uint8)
    for kind, spread in (
        ("gaussian_noise", lambda c: 255 * c),
        ("speckle_noise", lambda c: 128 * c),
        ("shot_noise", lambda c: 255 * (128 / 255 / c) ** 0.5),
    ):
        noisy = getattr(perturbations, kind)
        out = noisy(grey, 4, rng(), of=of, level=level).astype(float)
        every = BENCHMARKS[of].constants
        levels = {name: spread(c[0]) for name, c in every.items() if name.startswith(kind)}
        wanted = levels[kind if level == 1 else f"{kind}_{level}"]
        assert out.std() == pytest.approx(wanted, rel=0.02)
        assert min(abs(out.std() / v - 1) for v in levels.values() if v != wanted) > 0.1
        assert out.mean() == pytest.approx(127.5, abs=0.25)  # cut off, not rounded
        assert np.array_equal(noisy(grey, 0, rng(), of=of, level=level), grey)


def test_shot_noise_is_whole_photons() -> None:
    out = perturbations.shot_noise(picture(60, 60), 3, rng(), level=3)
    assert np.isin(out, np.minimum(255 * np.arange(300) // 60, 255)).all()


# Geometry


def centroid(image: np.ndarray) -> np.ndarray:
    """The centre of mass (x, y) of the green channel."""
    weight = image[:, :, 1].astype(float)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def blob(side: int, x: float, y: float) -> np.ndarray:
    """A bright spot on black at (x, y)."""
    v, u = np.mgrid[:side, :side]
    spot = 255 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * max(1.2, side / 60) ** 2))
    return np.repeat(np.rint(spot)[:, :, None], 3, axis=2).astype(np.uint8)


def goes_to(kind: str, of: str, frame: int, place: np.ndarray, side: int) -> np.ndarray:
    """Where a place of an image of the published size (centre 0) goes: the published formulas."""
    degrees = {"tilt": 0.75 if of == "cifar-p" else 1.0}.get(kind, 1.0) * (frame - 15)
    a = np.deg2rad(degrees)
    x, y = place
    if kind == "translate":
        return np.array([x + frame - (7 if of == "cifar-p" else 20), y])
    if kind == "scale":
        s = (frame * 2 + 70) / 100 if of == "cifar-p" else (frame * 2.5 + 40) / 100
        return s * place
    if kind == "rotate":
        return np.array([np.cos(a) * x - np.sin(a) * y, np.sin(a) * x + np.cos(a) * y])
    if kind == "shear":
        return np.array([x - np.sin(a) * y, np.cos(a) * y])
    f = np.sqrt(2) * side
    flat = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], float)
    about_x = np.eye(4)
    about_x[1:3, 1:3] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    about_y = np.eye(4)
    about_y[[0, 0, 2, 2], [0, 2, 0, 2]] = [np.cos(a), -np.sin(a), np.sin(a), np.cos(a)]
    back = np.eye(4)
    back[2, 3] = f
    seen = np.diag([f, f, 1.0]) @ (back @ about_x @ about_y @ flat)[:3] @ [x, y, 1]
    return np.asarray(seen[:2] / seen[2])


@pytest.mark.parametrize("kind", [*GEOMETRY, "scale"])
@pytest.mark.parametrize("frame", [0, 4, 15])
@pytest.mark.parametrize("place", [(-60.0, 30.0), (20.0, -70.0)])
def test_places_go_where_the_published_code_sends_them(
    kind: str, frame: int, place: tuple[float, float]
) -> None:
    """On 256 pixels of which the middle 224 are seen, and at 64 and 448 pixels in proportion."""
    middle = np.array(place)
    for side in (224, 64, 448):
        ratio = side / 224
        spot = blob(side, *(middle * ratio * 7 / 8 + (side - 1) / 2))
        out = getattr(perturbations, kind)(spot, frame)
        wanted = goes_to(kind, "imagenet-p", frame, middle, 256) * ratio
        assert centroid(out) - (side - 1) / 2 == pytest.approx(wanted, abs=0.25 * max(1, ratio))


@pytest.mark.parametrize("kind", [*GEOMETRY, "scale"])
@pytest.mark.parametrize("frame", [1, 12, 15])
def test_small_images_as_published(kind: str, frame: int) -> None:
    """CIFAR-10-P: the image itself is moved, nothing is enlarged."""
    spot = blob(32, 12, 18)
    out = getattr(perturbations, kind)(spot, frame, of="cifar-p")
    wanted = goes_to(kind, "cifar-p", frame, np.array([12, 18]) - 15.5, 32)
    assert centroid(out) - 15.5 == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("side", [32, 64, 224])
def test_no_border_comes_in(side: int) -> None:
    """A white image stays white under all frames of ImageNet-P, but for the scaled ones."""
    white = np.full((side, side, 3), 255, np.uint8)
    for kind in GEOMETRY:
        for frame in range(0, IMAGENET_P.count(kind), 5):
            assert getattr(perturbations, kind)(white, frame).min() == 255, (kind, frame)
    for frame in (0, 10, 19):
        share = perturbations.scale(white, frame).mean() / 255
        assert share == pytest.approx(((0.4 + 0.025 * frame) * 8 / 7) ** 2, rel=0.08)
    assert perturbations.scale(white, 24).min() == 255


def test_translate_of_small_images_is_exact() -> None:
    """Whole pixels, black behind them."""
    small = picture(32, 32)
    for frame in range(16):
        out = perturbations.translate(small, frame, of="cifar-p")
        right = frame - 7
        wanted = np.zeros_like(small)
        wanted[:, max(0, right) : 32 + min(0, right)] = small[
            :, max(0, -right) : 32 + min(0, -right)
        ]
        assert np.array_equal(out, wanted)


def test_rotate_as_the_simple_shift_does() -> None:
    """Clockwise by frame - 15 degrees, to one level, away from the corners."""
    small = picture(64, 64)
    out = perturbations.rotate(small, 25, of="cifar-p")[16:48, 16:48].astype(int)
    assert np.abs(out - turned(small, -10, rng())[16:48, 16:48]).max() <= 1


# Blur, light, layers


@pytest.mark.parametrize("frame", [0, 1, 13, 30])
def test_gaussian_blur_as_scipys(frame: int) -> None:
    for of, side, first, step, reach in (
        ("imagenet-p", 224, 0.25, 0.035, 6),
        ("cifar-p", 32, 0.3, 0.015, 7),
    ):
        image = picture(side, side)
        sigma = first + step * frame
        wanted = ndimage.gaussian_filter(
            image.astype(float), (sigma, sigma, 0), truncate=reach, mode="nearest"
        )
        out = perturbations.gaussian_blur(image, frame, of=of)
        # float32 with a nudge: what is .0002 below a whole number may be lifted to it
        assert (np.floor(wanted + 1e-9) <= out).all()
        assert (out <= np.floor(wanted + 2e-4)).all()
    even = np.full((20, 20, 3), 77, np.uint8)
    assert (perturbations.gaussian_blur(even, frame) == 77).all()


@pytest.mark.parametrize("frame", [0, 1, 6, 30])
def test_zoom_blur_is_the_mean_of_zooms(frame: int) -> None:
    image = picture(40, 48)
    zooms = [image.astype(float)]
    rows, columns = np.mgrid[:40, :48]
    for i in range(1, frame + 1):
        z = 1 + 0.004 * i
        at = [(rows - 19.5) / z + 19.5, (columns - 23.5) / z + 23.5]
        zooms.append(
            np.stack(
                [ndimage.map_coordinates(image[:, :, c].astype(float), at, order=1)
                 for c in range(3)], axis=2)
        )  # fmt: skip
    out = perturbations.zoom_blur(image, frame)
    assert np.abs(out - np.mean(zooms, axis=0)).max() <= 2
    assert np.array_equal(perturbations.zoom_blur(image, 0), image)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("frame", [0, 7, 15, 22, 30])
def test_brightness_as_hsv(of: str, frame: int) -> None:
    step = BENCHMARKS[of].constants["brightness"][0]
    image = np.random.default_rng(frame).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    image[0, 0] = 0
    out = perturbations.brightness(image, frame, of=of)
    for pixel, new in zip(image.reshape(-1, 3), out.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(float(p) / 255 for p in pixel))
        wanted = colorsys.hsv_to_rgb(h, s, min(max(v + step * (frame - 15), 0), 1))
        exact = 255 * np.array(wanted)
        assert (np.abs(new - np.floor(exact + 1e-6)) <= 0).all(), (pixel, new, exact)
    if frame == 15:
        assert np.array_equal(out, image)


@pytest.mark.parametrize("of", OF)
def test_motion_blur_turns(of: str) -> None:
    """At 0 degrees rows that do not vary stay; at -90 columns do."""
    benchmark = BENCHMARKS[of]
    _, _, step, last = benchmark.constants["motion_blur"]
    side = benchmark.side
    rows = np.repeat(picture(side, 1), side, axis=1)
    columns = np.ascontiguousarray(rows.transpose(1, 0, 2))
    flat, upright = int(last), int(last - round(90 / step))
    blurred = perturbations.motion_blur
    assert np.array_equal(blurred(rows, flat, of=of), rows)
    assert np.abs(blurred(columns, flat, of=of).astype(int) - columns).max() > 5
    if step * (upright - last) == -90:
        assert np.array_equal(blurred(columns, upright, of=of), columns)
    radius, sigma = benchmark.constants["motion_blur"][:2]
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    line = columns[0].astype(float)
    padded = np.concatenate([line, np.repeat(line[-1:], 2 * radius, axis=0)])
    wanted = sum(w * padded[i : i + side] for i, w in enumerate(weights / weights.sum()))
    assert np.abs(blurred(columns, flat, of=of)[0] - wanted).max() <= 0.51


def test_flakes_are_zoomed_as_scipy_does() -> None:
    layer = np.random.default_rng(1).normal(0.05, 0.3, (224, 224)).astype(np.float32)
    part = layer[74:149, 74:149]
    wanted = ndimage.zoom(part, 3, order=1)
    top = (len(wanted) - 224) // 2
    assert _zoomed(layer, 3) == pytest.approx(wanted[top : top + 224, top : top + 224], abs=1e-5)


def test_snow_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the blur: flakes, whitening, the flakes turned by 180 degrees."""
    seen = []

    def unmoved(plane: np.ndarray, radius: float, sigma: float, angle: float) -> np.ndarray:
        seen.append((radius, sigma, angle))
        return plane

    module = import_module("heldout.shifts.perturbations.snow")  # the package has the function
    monkeypatch.setattr(module, "moved", unmoved)
    image = picture(224, 224)
    layer = np.random.default_rng(1).normal(0.05, 0.3, (224, 224)).astype(np.float32)
    flakes = _zoomed(layer, 3)
    flakes = np.floor(255 * np.clip(np.where(flakes < 0.5, 0, flakes), 0, 1)) / 255
    x = image / 255
    grey = x @ [0.299, 0.587, 0.114]
    white = 0.85 * x + 0.15 * np.maximum(x, 1.5 * grey[:, :, None] + 0.5)
    wanted = 255 * np.clip(white + (flakes + np.rot90(flakes, 2))[:, :, None], 0, 1)
    out = _snowed(prepared("snow", image, 9, "imagenet-p"), layer)
    assert seen == [(14, 4, 4 * 9 - 150)]
    assert np.abs(out - wanted).max() < 1.01
    assert np.mean(out != np.floor(wanted)) < 0.001


@pytest.mark.parametrize("kind", ["snow", "spatter"])
@pytest.mark.parametrize(("of", "side"), [("imagenet-p", 224), ("imagenet-p", 32), ("cifar-p", 32)])
def test_one_layer_for_all_frames(kind: str, of: str, side: int) -> None:
    """Neighbouring frames of one generator are alike, those of two are not."""
    grey = np.full((side, side, 3), 100, np.uint8)
    make = getattr(perturbations, kind)

    def frames(a: int, b: int, other: int) -> float:
        one, two = (make(grey, f, rng(s), of=of)[:, :, 0].ravel() for f, s in ((a, 5), (b, other)))
        return float(np.corrcoef(one, two)[0, 1])

    assert frames(10, 11, 5) > 0.5 > 0.2 > abs(frames(10, 11, 6))
    assert frames(10, 10, 5) == pytest.approx(1)
    assert not np.array_equal(make(grey, 10, rng(5), of=of), make(grey, 11, rng(5), of=of))


@pytest.mark.parametrize("of", OF)
def test_drops_run_down_as_numpy_convolves(of: str) -> None:
    drops = np.random.default_rng(3).random((20, 7)).astype(np.float32)
    smear = BENCHMARKS[of].smear
    wanted = np.stack([np.convolve(column, smear, "same") for column in drops.T], axis=1)
    assert _run_down(drops, smear) == pytest.approx(wanted, abs=1e-6)
    assert sum(IMAGENET_P.smear) == pytest.approx(1) == sum(CIFAR_P.smear)


def test_spatter_adds_pale_turquoise() -> None:
    black = np.zeros((224, 224, 3), np.uint8)
    out = perturbations.spatter(black, 0, rng())
    assert np.array_equal(out[:, :, 1], out[:, :, 2])
    assert out[:, :, 1].max() == int(0.6 * 238)
    assert out[:, :, 0].max() == int(0.6 * 175)
    assert 0.002 < np.mean(out[:, :, 1] > 0) < 0.2
    empty = np.full((1, 1, 3), 9, np.uint8)
    assert perturbations.spatter(empty, 5, rng()).shape == (1, 1, 3)


def test_spatter_that_has_run_out_is_the_image() -> None:
    """Not black, as 0 / 0 would be; at 32 pixels about one layer of eight ends so."""
    image = picture(32, 32)
    ends = [perturbations.spatter(image, 30, rng(i), of="cifar-p") for i in range(60)]
    assert all(out.mean() >= image.mean() for out in ends)
    assert 1 <= sum(np.array_equal(out, image) for out in ends) <= 20
