"""Classifiers of scikit-learn, saved with skops: a format that can be opened without running code.

A picture goes in as one row of float64: its (height, width, channels) pixels, flattened in that
order, after (x*scale - mean) / std. PyTorch is not needed.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.images.geometry import Geometry
from heldout.models.adapters import required, versions
from heldout.models.classifier import About, OutOfMemory, Placement, checked, in_words
from heldout.models.preprocessing import Preprocessing, with_channels, with_options
from heldout.models.weights import sha256_of

ABOUT = "a classifier of scikit-learn, saved with skops"
EXAMPLE = "sklearn:model.skops?size=8&channels=L"
OPTIONS = {"trusted": "types in the file, beyond scikit-learn's usual ones, that you know: a,b"}
_PICKLES = (".pkl", ".pickle", ".joblib", ".sav")
_TRIED = 16


@dataclass(frozen=True, slots=True)
class _Way:
    """How an estimator answers: (n, features) to (n, classes), and what the numbers are."""

    call: Callable[[NDArray[np.float64]], NDArray[Any]]
    kind: str
    note: str = ""


class SklearnClassifier:
    """A fitted estimator or pipeline behind the `Classifier` interface."""

    def __init__(self, way: _Way, about: About, threads: int | None) -> None:
        self.about = about
        self._way, self._threads = way, threads

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w, 3) to (n, classes): probabilities, or the estimator's own scores."""
        if not len(images):
            return np.zeros((0, self.about.outputs), np.float32)
        try:
            with _threads(self._threads):
                found = self._way.call(rows_of(self.about.preprocessing, images))
        except MemoryError as error:
            raise OutOfMemory(in_words(error)) from error
        except Exception as error:
            raise BadInput(
                f"The model '{self.about.name}' fails on {len(images)} pictures of"
                f" {images.shape[1]} x {images.shape[2]}: {in_words(error)}."
            ) from error
        return checked(found, len(images), self.about.outputs, self.about.name)


def load(rest: str, options: dict[str, str], placement: Placement) -> SklearnClassifier:
    """The classifier in a .skops file. Raises BadInput: a pickle, unknown types, a wrong size."""
    path = _file(rest)
    skops = required("skops.io", "sklearn", "The adapter sklearn")
    _check_placement(placement)
    notes: list[str] = []
    model = _opened(skops, path, options.get("trusted", ""), notes)
    classes = _classes(path, model)
    preprocessing = _preprocessing(path, model, options, notes)
    tried = _pictures(preprocessing)
    way = _way(path, model, rows_of(preprocessing, tried), len(classes))
    if way.note:
        notes.append(way.note)
    about = About(
        name=path.stem,
        uri=f"sklearn:{rest}",
        outputs=len(classes),
        classes=tuple(str(c) for c in classes),
        score_kind=way.kind,
        preprocessing=preprocessing,
        weights=sha256_of(path),
        bytes=path.stat().st_size,
        versions=versions("scikit-learn", "skops"),
        metadata={"estimator": _named(model)},
        notes=tuple(notes),
    )
    return SklearnClassifier(way, about, placement.threads)


def rows_of(preprocessing: Preprocessing, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pictures (n, h, w, 3) as the estimator's rows: (n, h * w * channels) float64.

    Where 1 / scale is a whole number, pixels are divided by it, as x / 255.0 does in training code.
    """
    pixels = with_channels(images, preprocessing.channels).astype(np.float64)
    inverse = 1 / preprocessing.scale
    if math.isclose(inverse, round(inverse), rel_tol=1e-12):
        pixels /= round(inverse)
    else:
        pixels *= preprocessing.scale
    if any(preprocessing.mean):
        pixels -= preprocessing.mean
    if set(preprocessing.std) != {1.0}:
        pixels /= preprocessing.std
    return pixels.reshape(len(pixels), -1)


def _file(rest: str) -> Path:
    path = Path(rest).expanduser()
    if not path.is_file():
        raise BadInput(f"There is no file '{path}'. Write sklearn:PATH, for example {EXAMPLE}.")
    with path.open("rb") as opened:
        head = opened.read(4)
    if path.suffix.lower() in _PICKLES or head[:1] == b"\x80":
        raise BadInput(
            f"'{path}' is a pickle (joblib's files are pickles, too), and opening a pickle runs"
            " whatever code is in it. heldout does not open them. Save the model where you trained"
            f" it: import skops.io; skops.io.dump(model, '{path.stem}.skops')."
        )
    if not zipfile.is_zipfile(path):
        raise BadInput(
            f"'{path}' is not a file that skops wrote. Save the model with: import skops.io;"
            f" skops.io.dump(model, '{path.stem}.skops')."
        )
    return path


def _opened(skops: Any, path: Path, trusted: str, notes: list[str]) -> Any:
    named = [part.strip() for part in trusted.split(",") if part.strip()]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            unknown = skops.get_untrusted_types(file=path)
            open_ = sorted(set(unknown) - set(named))
            if open_:
                raise BadInput(
                    f"'{path}' holds types that skops does not know as harmless:"
                    f" {', '.join(open_)}. If you know them and where the file is from, name them:"
                    f" trusted={','.join([*named, *open_])}."
                )
            model = skops.load(path, trusted=unknown)
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(
                f"'{path}' cannot be opened with skops: {in_words(error)}. Was it written by"
                " skops.io.dump, with versions of scikit-learn and skops that fit those here"
                f" ({', '.join(f'{k} {v}' for k, v in versions('scikit-learn', 'skops').items())})?"
            ) from error
    notes.extend(" ".join(str(w.message).split())[:300] for w in said)
    return model


def _classes(path: Path, model: Any) -> NDArray[Any]:
    try:
        classes = model.classes_
    except AttributeError:
        raise BadInput(
            f"'{path}' holds a {_named(model)}, which has no classes_: it is not a fitted"
            " classifier. Save the fitted classifier, or the whole pipeline that ends in it."
        ) from None
    if isinstance(classes, list) or np.ndim(classes) != 1 or len(classes) < 2:
        raise BadInput(
            f"'{path}' holds a {_named(model)} that does not answer with one of several classes:"
            f" classes_ is {str(classes)[:80]}."
        )
    return np.asarray(classes)


def _preprocessing(
    path: Path, model: Any, options: Mapping[str, str], notes: list[str]
) -> Preprocessing:
    """What fits the estimator's number of features; the size is derived where none is given."""
    features = getattr(model, "n_features_in_", None)
    sized = bool({"size", "resize", "crop"} & set(options))
    channels = options.get("channels", "").upper()
    if not channels:
        channels = "L" if features and math.isqrt(features) ** 2 == features else "RGB"
    depth = 1 if channels == "L" else 3
    start = Preprocessing(None, (0.0,) * depth, (1.0,) * depth, channels=channels)
    if not sized and features:
        side = math.isqrt(features // depth)
        if side * side * depth == features:
            start = replace(start, geometry=Geometry(side, (side, side)))
            if "channels" not in options:
                notes.append(
                    f"{features} features were taken for {side} x {side} pixels, {channels}"
                )
    if not {"scale", "mean", "std"} & set(options):
        notes.append(
            "pixels were taken as x/255 (say scale=1 if the model was trained on 0 to 255)"
        )
    found = with_options(start, options)
    geometry = found.geometry
    final = geometry and (geometry.crop or geometry.resize)
    if not isinstance(final, tuple):
        raise BadInput(
            f"Nothing says which size of pictures '{path}' takes: add size=8 or so."
            + (_fitting(features) if features else "")
        )
    depth = 1 if found.channels == "L" else 3
    given = final[0] * final[1] * depth
    if features and given != features:
        raise BadInput(
            f"'{path}' takes {features} numbers a picture, and {final[0]} x {final[1]} pixels with"
            f" {depth} channel{'s' * (depth > 1)} are {given}.{_fitting(features)}"
        )
    return found


def _fitting(features: int) -> str:
    """A sentence with the sizes whose pixels make up so many features, the squarest first."""
    fits: list[tuple[int, str]] = []
    for depth, channels in ((1, "L"), (3, "RGB")):
        pixels, left = divmod(features, depth)
        for side in range(math.isqrt(pixels), math.isqrt(pixels // 2) - 1, -1):
            if left or side < 1 or pixels % side:
                continue
            other = pixels // side
            sizes = sorted({(other, side), (side, other)}, reverse=True)
            fits += [(other - side, f"resize={h}x{w}&channels={channels}") for h, w in sizes]
    if not fits:
        return f" No usual size of pictures has {features} numbers: was it trained on pixels?"
    best = [text for _, text in sorted(fits, key=lambda f: f[0])[:4]]
    return f" These would fit: {', '.join(best)}."


def _pictures(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Pictures of the model's size to try it on: random, grey, black."""
    geometry = preprocessing.geometry
    height, width = geometry.crop or geometry.resize  # type: ignore[union-attr,misc]
    pictures = np.random.default_rng(0).integers(0, 256, (_TRIED, height, width, 3), np.uint8)
    pictures[0], pictures[1] = 127, 0
    return pictures


def _way(path: Path, model: Any, rows: NDArray[np.float64], classes: int) -> _Way:
    """The best way in which the estimator answers, tried on a few rows."""
    ways: list[_Way] = []
    if hasattr(model, "predict_proba"):
        ways.append(_Way(model.predict_proba, "probabilities"))
    if hasattr(model, "decision_function"):
        ways.append(_Way(lambda x: _two_columns(model.decision_function(x)), "scores"))
    names = list(np.asarray(model.classes_))
    for way in ways:
        found = _run(path, way, rows)
        pairs = getattr(_last(model), "decision_function_shape", "ovr") == "ovo"
        if found.shape != (len(rows), classes) or (way.kind == "scores" and pairs and classes > 2):
            continue
        odd = int((model.classes_[found.argmax(axis=1)] != model.predict(rows)).sum())
        if not odd:
            return way
        note = (
            f"the class with the highest score is not the one that predict() gives for {odd} of"
            f" {len(rows)} random pictures: heldout counts the former"
        )
        return replace(way, note=note)

    def voted(x: NDArray[np.float64]) -> NDArray[np.float32]:
        said = np.asarray(model.predict(x))
        return np.asarray(said[:, None] == np.asarray(names)[None, :], np.float32)

    note = f"{_named(model)} only says a class: the scores are 1 for it and 0 for the others"
    way = _Way(voted, "scores", note)
    _run(path, way, rows)
    return way


def _run(path: Path, way: _Way, rows: NDArray[np.float64]) -> NDArray[Any]:
    try:
        return np.asarray(way.call(rows))
    except Exception as error:
        raise BadInput(
            f"'{path}' fails on rows of {rows.shape[1]} numbers, which is what pictures of that"
            f" size give: {in_words(error)}."
        ) from error


def _two_columns(scores: Any) -> NDArray[Any]:
    """The one score of a two-class estimator, above 0 for the second class, as two."""
    found = np.asarray(scores)
    return np.stack([-found, found], axis=1) if found.ndim == 1 else found


def _last(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _named(model: Any) -> str:
    last = _last(model)
    name = type(last).__name__
    return name if last is model else f"{type(model).__name__} ending in {name}"


def _threads(number: int | None) -> AbstractContextManager[Any]:
    if number is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=number)
    return limits


def _check_placement(placement: Placement) -> None:
    if placement.device not in ("auto", "cpu"):
        raise BadInput(
            f"device={placement.device}: scikit-learn runs on the CPU only. Say device=cpu or auto."
        )
    if placement.precision != "float32":
        raise BadInput(
            f"precision={placement.precision}: scikit-learn computes as the model was trained"
            " (mostly float64). Leave the precision out."
        )
