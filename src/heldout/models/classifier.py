"""What an adapter gives: a `Classifier`, from pictures to scores, and the facts `About` it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.models.preprocessing import Preprocessing

SCORE_KINDS = ("logits", "probabilities", "log-probabilities", "scores")


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """Facts about a loaded model; `weights` is a sha256 in hex, `bytes` those of the weights."""

    name: str
    uri: str
    outputs: int
    classes: tuple[str, ...] | None = None
    space: str | None = None
    score_kind: str = "logits"
    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(None))
    weights: str = ""
    parameters: int | None = None
    bytes: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class OutOfMemory(Exception):
    """The batch does not fit; a smaller one may."""


class Classifier(Protocol):
    """A model that answers."""

    about: About

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One row of scores a picture: (n, h, w, 3) RGB to (n, outputs). NaN stays NaN.

        Raises OutOfMemory when a smaller batch may do, BadInput when the model fails.
        """


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a model runs.

    `device`: auto (a GPU where there is one), cpu, cuda, cuda:1, mps. `precision`: float32,
    bfloat16, float16. `threads`: of the CPU; None leaves the library's own choice.
    """

    device: str = "auto"
    precision: str = "float32"
    threads: int | None = None


def checked(scores: Any, images: int, outputs: int | None, name: str) -> NDArray[np.float32]:
    """Scores as (images, outputs) float32; `outputs` None: any number from 2 on.

    Raises BadInput that names the shape when they are anything else. Values are left alone.
    """
    try:
        found = np.asarray(scores)
        if found.dtype.kind not in "fiub":
            raise TypeError(f"values of type {found.dtype}")
        found = found.astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The model '{name}' does not give numbers: {error}.") from None
    wanted = f"({images}, {outputs if outputs is not None else 'classes'})"
    if found.ndim != 2 or found.shape[0] != images or outputs not in (None, found.shape[1]):
        raise BadInput(
            f"The model '{name}' gives scores of shape {found.shape} for {images} pictures, not"
            f" {wanted}: one row a picture, one column a class."
        )
    if found.shape[1] < 2:
        raise BadInput(
            f"The model '{name}' gives {found.shape[1]} scores a picture. The predicted class is"
            " the column with the highest score, so it takes one column for each class."
        )
    return np.ascontiguousarray(found)


def looks_like_probabilities(scores: NDArray[np.float32]) -> bool:
    """Whether every row is nowhere below 0 and sums to 1 (within 0.001)."""
    if scores.size == 0 or not np.isfinite(scores).all():
        return False
    total = scores.sum(axis=1, dtype=np.float64)
    return bool((scores >= 0).all() and (np.abs(total - 1) <= 1e-3).all())


def score_kind_of(scores: NDArray[np.float32]) -> str:
    """What scores seem to be: probabilities, log-probabilities, or else logits."""
    if looks_like_probabilities(scores):
        return "probabilities"
    if scores.size and (scores <= 0).all() and looks_like_probabilities(np.exp(scores)):
        return "log-probabilities"
    return "logits"


def probe_images(preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    """Grey and a ramp, to try a model on once: pairs of its size, or else of likely sizes."""
    geometry = preprocessing.geometry
    sizes = [(32, 32), (224, 224), (64, 64), (28, 28), (299, 299)]
    if geometry is not None:
        if geometry.crop is not None:
            sizes = [geometry.crop]
        elif isinstance(geometry.resize, tuple):
            sizes = [geometry.resize]
        elif geometry.resize is not None:
            sizes = [(geometry.resize, geometry.resize)]
    pairs = []
    for h, w in sizes:
        ramp = np.linspace(0, 255, h * w * 3).reshape(h, w, 3).astype(np.uint8)
        pairs.append(np.stack([np.full((h, w, 3), 127, np.uint8), ramp]))
    return pairs


def in_words(error: BaseException) -> str:
    """An exception from foreign code as a clause: type, message, and the file and line it is from.

    The place is the innermost one outside of installed packages; none is named where all are in.
    """
    lines = str(error).strip().splitlines() or ["no message"]
    first = lines[0][:400].rstrip(".: ")
    text = f"{type(error).__name__}: {first}"
    if isinstance(error, SyntaxError):
        return text
    installed = {sysconfig.get_paths()[k] for k in ("purelib", "platlib", "stdlib")}
    aside = (str(Path(__file__).parent), "<", *installed)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(aside)]
    return f"{text} ({own[-1].filename}, line {own[-1].lineno})" if own else text
