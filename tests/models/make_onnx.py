"""Small ONNX files for the tests: networks exported from torch, and graphs built by hand.

As a program, it exports the CIFAR ResNet of a checkpoint with its preprocessing and classes:
python tests/models/make_onnx.py resnet20-12fca82f.th resnet20.onnx
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def export(
    module: Any,
    path: Path,
    side: int,
    batch: int | None = None,
    says: Mapping[str, str] | None = None,
) -> Path:
    """A torch module as ONNX, input "pictures" and output "logits"; batch None: any number.

    `says` goes into the metadata. torch's older exporter is used: it needs no further package.
    """
    import torch

    example = torch.zeros(batch or 2, 3, side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            input_names=["pictures"],
            output_names=["logits"],
            dynamic_axes=None if batch else {"pictures": {0: "n"}, "logits": {0: "n"}},
            dynamo=False,
        )
    if says:
        label(path, says)
    return path


def label(path: Path, says: Mapping[str, str]) -> None:
    """Writes metadata into an ONNX file."""
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(says))
    onnx.save(model, str(path))


def resnet(checkpoint: Path, path: Path, batch: int | None = None, labelled: bool = True) -> Path:
    """The CIFAR ResNet of a checkpoint, with what heldout reads in its metadata."""
    import torch

    from heldout.models.cifar_resnet import CLASSES, depth_of, network
    from heldout.models.preprocessing import NORMS, Preprocessing
    from heldout.models.weights import load_into, load_state

    state, _ = load_state(str(checkpoint))
    depth = depth_of(state)
    assert depth is not None
    module = network(torch, depth)
    load_into(module, state, str(checkpoint))
    preprocessing = Preprocessing(None, *NORMS["imagenet"], origin="as it was trained")
    says = {
        "heldout.preprocessing": json.dumps(preprocessing.record()),
        "heldout.classes": json.dumps(CLASSES),
        "heldout.space": "cifar10",
    }
    return export(module, path, 32, batch, says if labelled else None)


def linear(
    path: Path,
    shape: tuple[int | str, ...] = ("n", 3, 4, 4),
    kind: str = "FLOAT",
    ends: str = "",
    extra_output: bool = False,
    external: str = "",
    classes: int = 5,
    says: Mapping[str, str] | None = None,
    weights: Callable[[int, int], Any] | None = None,
) -> Path:
    """A graph by hand: flatten, one matrix, then `ends` ("Softmax", "LogSoftmax", "Sigmoid").

    `kind`: the input's type. `external`: the name of a file beside it that takes the matrix.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    features = int(np.prod([s if isinstance(s, int) else 4 for s in shape[1:]]))
    if any(isinstance(s, str) for s in shape[1:]):
        features = 3  # after a mean over both sides
    made = (weights or _random)(features, classes).astype(np.float32)
    nodes = [helper.make_node("Cast", ["pictures"], ["real"], to=TensorProto.FLOAT)]
    if any(isinstance(s, str) for s in shape[1:]):
        axes = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
        nodes.append(helper.make_node("ReduceMean", ["real", "axes"], ["flat"], keepdims=0))
        initial = [axes]
    else:
        nodes.append(helper.make_node("Flatten", ["real"], ["flat"], axis=1))
        initial = []
    nodes.append(helper.make_node("MatMul", ["flat", "matrix"], ["product" if ends else "scores"]))
    if ends:
        nodes.append(helper.make_node(ends, ["product"], ["scores"]))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], classes])]
    if extra_output:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0))
        outputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, [shape[0]]))
    initial.append(numpy_helper.from_array(made, "matrix"))
    taken = helper.make_tensor_value_info("pictures", getattr(TensorProto, kind), list(shape))
    graph = helper.make_graph(nodes, "g", [taken], outputs, initializer=initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, dict(says or {}))
    if external:
        onnx.save(
            model, str(path), save_as_external_data=True, location=external, size_threshold=16
        )
    else:
        onnx.save(model, str(path))
    return path


def _random(features: int, classes: int) -> Any:
    return np.random.default_rng(7).normal(size=(features, classes))


if __name__ == "__main__":
    resnet(Path(sys.argv[1]), Path(sys.argv[2]))
