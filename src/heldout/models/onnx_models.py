"""Networks in ONNX files, run by onnxruntime; PyTorch is not needed and never imported.

Layout, size and number type come from the file's input; preprocessing and classes from its metadata
where it has any (see `onnx_file`), else from the options of the URI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.models.adapters import required, versions
from heldout.models.classifier import (
    About,
    OutOfMemory,
    Placement,
    checked,
    in_words,
    probe_images,
    score_kind_of,
)
from heldout.models.onnx_file import (
    Takes,
    classes_of,
    parameters_of,
    preprocessing_of,
    weights_of,
)
from heldout.models.preprocessing import Preprocessing, normalised, with_channels, with_options

ABOUT = "a network in an ONNX file, run by onnxruntime"
EXAMPLE = "onnx:net.onnx?size=32&mean=imagenet&classes=classes.txt"
OPTIONS = {
    "output": "the output that holds the scores, where the file has several",
    "layout": "NCHW or NHWC, where the file's input does not say",
}
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_NO_ROOM = re.compile(r"out of memory|allocate memory|bad_alloc|bad allocation|alloc.* fail", re.I)


class OnnxClassifier:
    """A session of onnxruntime behind the `Classifier` interface."""

    def __init__(self, session: Any, takes: Takes, output: str, about: About) -> None:
        self.about = about
        self._session, self._input, self._output = session, takes, output

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, h, w, 3) to (n, outputs); a fixed batch is filled up with black and cut again."""
        step = self._input.batch or max(len(images), 1)
        parts = [self._part(images[i : i + step], step) for i in range(0, len(images), step)]
        if not parts:
            return np.zeros((0, self.about.outputs), np.float32)
        found = np.concatenate(parts)
        return checked(found, len(images), self.about.outputs or None, self.about.name)

    def _part(self, images: NDArray[np.uint8], step: int) -> NDArray[Any]:
        ready = _ready(images, self.about.preprocessing, self._input)
        if len(ready) < step:
            ready = np.concatenate(
                [ready, np.zeros((step - len(ready), *ready.shape[1:]), ready.dtype)]
            )
        try:
            (found,) = self._session.run([self._output], {self._input.name: ready})
        except Exception as error:
            if isinstance(error, MemoryError) or _NO_ROOM.search(str(error)):
                raise OutOfMemory(in_words(error)) from error
            raise BadInput(
                f"The ONNX model '{self.about.name}' fails on an input of shape {ready.shape}:"
                f" {in_words(error)}."
            ) from error
        given: NDArray[Any] = np.asarray(found)
        if given.ndim > 2 and set(given.shape[2:]) == {1}:
            given = given.reshape(given.shape[:2])
        return given[: len(images)]


def load(rest: str, options: dict[str, str], placement: Placement) -> OnnxClassifier:
    """The network in a file. Raises BadInput for a file that is none, or does not say its size."""
    path = _file(rest)
    runtime = required("onnxruntime", "onnx", "The adapter onnx")
    session = _session(runtime, path, placement)
    takes = _input(session, path, options)
    output = _output(session, path, options)
    if placement.precision != "float32":
        raise BadInput(
            f"precision={placement.precision} cannot be had for '{path}': an ONNX file runs at the"
            f" precision that it was exported with ({np.dtype(takes.dtype).name} here). Leave"
            " the precision out, or export the network again."
        )
    said = dict(session.get_modelmeta().custom_metadata_map)
    notes: list[str] = []
    preprocessing = with_options(preprocessing_of(said, takes, notes, options), options)
    _check_size(path, preprocessing, takes)
    if takes.dtype is np.uint8:
        notes.append("the network takes whole pixels (uint8): mean, std and scale are its own")
    digest, size = weights_of(path)
    about = About(
        name=path.stem,
        uri=f"onnx:{rest}",
        outputs=0,
        preprocessing=preprocessing,
        weights=digest,
        parameters=parameters_of(path),
        bytes=size,
        versions=versions("onnxruntime", "onnxruntime-gpu"),
        metadata={"provider": session.get_providers()[0], "format": "onnx"},
    )
    return _tried(session, takes, output, about, notes, said)


def _tried(
    session: Any, takes: Takes, output: str, about: About, notes: list[str], said: dict[str, str]
) -> OnnxClassifier:
    """The classifier after a first run, which shows what the file does not say about its output."""
    (pair,) = probe_images(about.preprocessing)
    trial = OnnxClassifier(session, takes, output, about)
    try:
        scores = trial.scores(pair)
    except BadInput:
        if takes.batch is not None:
            raise
        takes = replace(takes, batch=1)
        trial = OnnxClassifier(session, takes, output, about)
        scores = trial.scores(pair)
        notes.append("the file leaves the batch open, yet only runs one picture at a time")
    kind = score_kind_of(scores)
    if kind == "logits" and ((scores >= 0) & (scores <= 1)).all():
        kind = "scores"
        notes.append(
            "the outputs lie between 0 and 1 but do not sum to 1: no confidences are taken from"
            " them (say scores=logits if they are)"
        )
    classes = classes_of(said, scores.shape[1], notes)
    trial.about = replace(
        about,
        outputs=scores.shape[1],
        score_kind=kind,
        classes=classes,
        space=said.get("heldout.space"),
        notes=tuple(notes),
    )
    return trial


def _file(rest: str) -> Path:
    path = Path(rest).expanduser()
    if path.is_dir():
        there = sorted(p.name for p in path.glob("*.onnx"))
        hint = f" It holds {', '.join(there[:5])}." if there else " It holds no .onnx file."
        raise BadInput(f"'{path}' is a folder: name the ONNX file in it.{hint}")
    if not path.is_file():
        raise BadInput(f"There is no file '{path}'. Write onnx:PATH, for example {EXAMPLE}.")
    return path


def _session(runtime: Any, path: Path, placement: Placement) -> Any:
    settings = runtime.SessionOptions()
    settings.log_severity_level = 4  # what goes wrong is raised
    if placement.threads is not None:
        settings.intra_op_num_threads = placement.threads
        settings.inter_op_num_threads = 1
    providers = _providers(runtime.get_available_providers(), placement.device)
    try:
        session = runtime.InferenceSession(str(path), settings, providers=providers)
    except Exception as error:
        raise BadInput(
            f"'{path}' is not an ONNX model that onnxruntime {runtime.__version__} can run:"
            f" {in_words(error)}."
        ) from error
    if len(providers) > 1 and len(session.get_providers()) == 1 and placement.device != "auto":
        raise BadInput(
            f"device={placement.device}: onnxruntime finds CUDA's provider but cannot start it"
            " here, and would run on the CPU instead. Check that CUDA and cuDNN fit this"
            " onnxruntime-gpu, or say device=cpu."
        )
    return session


def _providers(available: list[str], device: str) -> list[Any]:
    kind, _, index = device.partition(":")
    gpu = "CUDAExecutionProvider" in available
    if kind == "cpu" or (kind == "auto" and not gpu):
        return ["CPUExecutionProvider"]
    if kind not in ("auto", "cuda"):
        raise BadInput(f"device={device} is not known to the adapter onnx: say auto, cpu or cuda.")
    if not gpu:
        raise BadInput(
            f"device={device}: this onnxruntime has no CUDA (it has {', '.join(available)})."
            " Install onnxruntime-gpu in its place, or say device=cpu."
        )
    # TF32 would round the factors of every product to 10 bits, and float32 is what is meant here.
    return [
        ("CUDAExecutionProvider", {"device_id": index or "0", "use_tf32": "0"}),
        "CPUExecutionProvider",
    ]


def _input(session: Any, path: Path, options: Mapping[str, str]) -> Takes:
    inputs = session.get_inputs()
    listed = "; ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
    if len(inputs) != 1:
        raise BadInput(
            f"'{path}' has {len(inputs)} inputs ({listed}); a classifier of pictures has one."
        )
    (only,) = inputs
    if only.type not in _TYPES:
        raise BadInput(f"'{path}' takes {only.type}; pictures go in as {', '.join(_TYPES)} only.")
    if len(only.shape) != 4:
        raise BadInput(
            f"'{path}' takes an input of shape {only.shape}; a batch of pictures has 4 dimensions."
        )
    sides = [s if isinstance(s, int) and s > 0 else None for s in only.shape]
    first = _channels_first(path, only.shape, sides, options.get("layout", ""))
    depth, height, width = sides[1:] if first else (sides[3], sides[1], sides[2])
    if depth not in (None, 1, 3):
        raise BadInput(
            f"'{path}' takes pictures with {depth} channels (shape {only.shape}); heldout gives 1"
            " or 3. If the layout was misread, say layout=NCHW or layout=NHWC."
        )
    return Takes(only.name, _TYPES[only.type], first, sides[0], depth, height, width)


def _channels_first(path: Path, shape: list[Any], sides: list[int | None], layout: str) -> bool:
    if layout:
        if layout.upper() not in ("NCHW", "NHWC"):
            raise not_found("layout", layout, ("NCHW", "NHWC"))
        return layout.upper() == "NCHW"
    first, last = sides[1] in (1, 3), sides[3] in (1, 3)
    if first != last:
        return first
    named = ["channel" in str(s).lower() or str(s).lower() == "c" for s in shape]
    if named[1] != named[3]:
        return named[1]
    raise BadInput(
        f"The input of '{path}' has the shape {shape}, which does not say where the channels are:"
        " add layout=NCHW (channels first, usual from PyTorch) or layout=NHWC."
    )


def _output(session: Any, path: Path, options: Mapping[str, str]) -> str:
    outputs = {o.name: f"{o.type} {o.shape}" for o in session.get_outputs()}
    wanted = options.get("output", "")
    if wanted and wanted not in outputs:
        raise not_found("output", wanted, outputs, f"'{path}'")
    if not wanted and len(outputs) > 1:
        listed = "; ".join(f"{name}: {what}" for name, what in outputs.items())
        raise BadInput(
            f"'{path}' has {len(outputs)} outputs ({listed}). Say which one holds the scores:"
            f" output={next(iter(outputs))}."
        )
    return wanted or next(iter(outputs))


def _ready(images: NDArray[np.uint8], how: Preprocessing, takes: Takes) -> NDArray[Any]:
    """Pictures (n, h, w, 3) as the network takes them: its numbers, its layout."""
    numbers: NDArray[Any]
    if takes.dtype is np.uint8:
        numbers = with_channels(images, how.channels)
    else:
        numbers = normalised(how, images).astype(takes.dtype, copy=False)
    return np.ascontiguousarray(numbers.transpose(0, 3, 1, 2) if takes.channels_first else numbers)


def _check_size(path: Path, how: Preprocessing, takes: Takes) -> None:
    geometry = how.geometry
    final = geometry and (geometry.crop or geometry.resize)
    if not isinstance(final, tuple):
        raise BadInput(
            f"'{path}' takes pictures of any size, and nothing says at which it was evaluated: add"
            " size=224 or so (resize and crop say more)."
        )
    for side, fixed, name in zip(final, (takes.height, takes.width), ("high", "wide"), strict=True):
        if fixed not in (None, side):
            raise BadInput(
                f"'{path}' takes pictures {fixed} pixels {name}, and {how.in_words()} gives {side}."
                f" Leave the size out, or say size={fixed}."
            )
    depth = 1 if how.channels == "L" else 3
    if takes.depth not in (None, depth):
        raise BadInput(
            f"'{path}' takes pictures with {takes.depth} channels, and channels={how.channels}"
            f" gives {depth}: say channels={'L' if takes.depth == 1 else 'RGB'}."
        )
