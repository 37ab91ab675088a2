"""What an ONNX file says besides its network: preprocessing, classes, the bytes of its weights.

Preprocessing and classes come from the metadata, where there is any: `heldout.preprocessing` (the
record of a `Preprocessing`, as JSON) and `heldout.classes` (a JSON list); ONNX's own `Image.*` keys
(docs/MetadataProps.md of the ONNX repository); `mean`, `std`, `imgsz`; class names under `names`,
`classes`, `class_names` or `labels`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from heldout.errors import BadInput
from heldout.images.geometry import Geometry
from heldout.models.classifier import in_words
from heldout.models.preprocessing import Preprocessing

_NAMES = ("heldout.classes", "names", "classes", "class_names", "labels")


@dataclass(frozen=True, slots=True)
class Takes:
    """A network's input. height, width, batch, depth: None where the file leaves them open."""

    name: str
    dtype: type[Any]
    channels_first: bool
    batch: int | None
    depth: int | None
    height: int | None
    width: int | None


def preprocessing_of(
    said: Mapping[str, str], takes: Takes, notes: list[str], options: Mapping[str, str]
) -> Preprocessing:
    """The preprocessing as the file tells it; what it does not tell is assumed, with a note."""
    record = _json(said.get("heldout.preprocessing", ""))
    recorded = _from_record(record) if isinstance(record, dict) else None
    if recorded is not None and recorded.geometry is not None:
        return recorded
    sides = _numbers(said.get("imgsz", ""))
    height = takes.height or (int(sides[0]) if sides else None)
    width = takes.width or (int(sides[-1]) if sides else None)
    geometry = None
    if height and width:
        geometry = (
            Geometry(height, (height, width)) if height == width else Geometry((height, width))
        )
        if not {"size", "resize", "crop"} & set(options):
            notes.append(
                f"the file does not say how it wants pictures resized: {geometry.in_words()}"
            )
    if recorded is not None:
        return replace(recorded, geometry=geometry)
    depth = takes.depth or 3
    channels = "L" if depth == 1 else "RGB"
    scale, mean, std, origin = 1 / 255, (0.0,) * depth, (1.0,) * depth, ""
    means, stds = _numbers(said.get("mean", "")), _numbers(said.get("std", ""))
    pixels = said.get("Image.NominalPixelRange", "")
    if len(means) == depth and len(stds) == depth:
        unit = 1.0 if max(*means, *stds) <= 1 else 255.0
        mean, std = tuple(m / unit for m in means), tuple(s / unit for s in stds)
        origin = "mean and std of the file's metadata"
    elif pixels in ("NominalRange_0_255", "Normalized_0_1", "Normalized_1_1"):
        scale = 1.0 if pixels == "NominalRange_0_255" else scale
        if pixels == "Normalized_1_1":
            mean, std = (0.5,) * depth, (0.5,) * depth
        origin = f"{pixels} in the file's metadata"
    elif takes.dtype is not np.uint8 and not {"mean", "std", "scale"} & set(options):
        notes.append("the file does not say how it wants pixels scaled: x/255, no mean and std")
    if said.get("Image.BitmapPixelFormat", "").lower().startswith("bgr"):
        channels = "BGR"
    return Preprocessing(geometry, mean, std, scale, channels, origin)


def _from_record(record: Mapping[str, Any]) -> Preprocessing:
    def listed(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    try:
        geometry = record.get("geometry")
        made = geometry and Geometry(**{k: listed(v) for k, v in geometry.items()})
        numbers = {k: listed(record[k]) for k in ("mean", "std", "scale", "channels")}
        origin = str(record.get("origin") or "the file's metadata")
        return Preprocessing(made or None, **numbers, origin=origin)
    except (TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            f"The file's metadata heldout.preprocessing cannot be read ({in_words(error)}). Write"
            " json.dumps(preprocessing.record()) there, or take it out."
        ) from error


def classes_of(said: Mapping[str, str], outputs: int, notes: list[str]) -> tuple[str, ...] | None:
    """Class names in the order of the outputs, where the metadata has one for each."""
    key = next((k for k in _NAMES if said.get(k)), None)
    if key is None:
        return None
    value = _json(said[key])
    if isinstance(value, dict):
        value = [value[k] for k in sorted(value, key=lambda k: int(k) if str(k).isdigit() else -1)]
    if not isinstance(value, list):
        value = [part.strip() for part in re.split(r"[\n,]", said[key]) if part.strip()]
    names = tuple(str(v) for v in value)
    if len(names) != outputs or len(set(names)) != outputs:
        notes.append(
            f"the file's metadata '{key}' does not name {outputs} different classes: left out"
        )
        return None
    return names


def _json(text: str) -> Any:
    """A value from JSON, or from the Python literals that some exporters write; else None."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _numbers(text: str) -> list[float]:
    value = _json(text)
    if isinstance(value, int | float):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(v, int | float) for v in value):
        return []
    return [float(v) for v in value]


def weights_of(path: Path) -> tuple[str, int]:
    """sha256 over the file and, after it, the files with its external data in name order; bytes."""
    digest, size = hashlib.sha256(), 0
    for part in [path, *_external(path)]:
        with part.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
                size += len(block)
    return digest.hexdigest(), size


def _external(path: Path) -> list[Path]:
    """Files beside the model that hold its tensors, found by their entry in the protocol buffer.

    An entry is key (field 1) `location`, then value (field 2) with the length as one varint.
    """
    content = path.read_bytes()
    found = set()
    for match in re.finditer(rb"\x0a\x08location\x12", content):
        at, length, shift = match.end(), 0, 0
        while at < len(content):
            length |= (content[at] & 0x7F) << shift
            at, shift, more = at + 1, shift + 7, content[at] & 0x80
            if not more:
                break
        name = content[at : at + length].decode("utf-8", "replace")
        if 0 < length < 4096 and "\0" not in name and (path.parent / name).is_file():
            found.add(name)
    return [path.parent / name for name in sorted(found)]


def parameters_of(path: Path) -> int | None:
    """How many real numbers the file stores as weights; None without the package onnx."""
    try:
        import onnx
    except ImportError:
        return None
    graph = onnx.load(str(path), load_external_data=False).graph
    real = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    real |= {onnx.TensorProto.DOUBLE, onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    return sum(int(np.prod(t.dims)) for t in graph.initializer if t.data_type in real)
