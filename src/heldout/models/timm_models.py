"""Models of timm (PyTorch Image Models), with the preprocessing of their published weights.

The evaluation transform follows timm 1.0 (`timm.data.transforms_imagenet_eval`): each side of the
input divided by `crop_pct` and rounded down, resized to that, centre crop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from heldout.errors import BadInput, not_found
from heldout.images.geometry import Geometry
from heldout.models.adapters import required, versions
from heldout.models.classifier import Placement, in_words
from heldout.models.preprocessing import NORMS, Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier
from heldout.models.weights import load_into, load_state

ABOUT = "models of timm, by name and tag of the weights, from the Hugging Face Hub or a file"
EXAMPLE = "timm:resnet50.a1_in1k"
OPTIONS = {
    "checkpoint": "a file with weights of this architecture, instead of the published ones",
    "num_classes": "the outputs of the checkpoint, where they are not the architecture's",
    "test_size": "yes: the size that the weights are published to be tested at (test_input_size)",
}
_ELSEWHERE = ("hf-hub:", "hf_hub:", "local-dir:")


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """`NAME[.tag]`, or `hf-hub:OWNER/NAME`. Raises NotFound with near matches, and BadInput."""
    required("torch", "timm", "The adapter timm")
    timm = required("timm", "timm", "The adapter timm")
    config = _published(timm, rest, "checkpoint" in options)
    larger = options.get("test_size", "no").lower() in ("yes", "true", "1")
    arguments: dict[str, Any] = {}
    if config is not None:
        geometry = _wanted(config, options, larger).geometry
        crop = geometry and geometry.crop
        if crop and config.get("fixed_input_size") and crop != tuple(config["input_size"][1:]):
            arguments["img_size"] = crop  # position embeddings are resampled by timm
    module, digest, name = _made(timm, rest, options, arguments)
    found = dict(module.pretrained_cfg)
    if getattr(module, "num_classes", None) == 0:
        raise BadInput(
            f"timm:{rest} gives features and no classes: it has no classifier. Choose weights that"
            " were fine-tuned to classify."
        )
    preprocessing = _wanted(found, options, larger)
    own = "checkpoint" in options
    about = {
        "architecture": found.get("architecture"),
        "family": found.get("architecture"),
        "pretrained_tag": None if own else found.get("tag"),
        "license": None if own else found.get("license"),
    }
    return TorchClassifier(
        module,
        preprocessing,
        placement,
        name=name,
        weights=digest,
        classes=_classes(timm, module, found, own),
        space="imagenet-1k" if getattr(module, "num_classes", 0) == 1000 else None,
        metadata={k: v for k, v in about.items() if isinstance(v, str) and v},
        versions=versions("timm", "torchvision"),
    )


def _wanted(
    config: Mapping[str, Any], options: Mapping[str, str], test_size: bool
) -> Preprocessing:
    """The preprocessing of a cfg with the options; `size` goes by crop_pct, as in timm."""
    size = options.get("size", "")
    if size.isdecimal() and int(size):
        depth = (config.get("input_size") or (3,))[0]
        config = {**config, "input_size": (depth, int(size), int(size)), "test_input_size": None}
        made = preprocessing_of(config, test_size)
        made = replace(made, origin=f"{made.origin}; changed by size={size}")
        return with_options(made, {k: v for k, v in options.items() if k != "size"})
    return with_options(preprocessing_of(config, test_size), options)


def preprocessing_of(config: Mapping[str, Any], test_size: bool = False) -> Preprocessing:
    """What a timm `pretrained_cfg` asks for; its defaults where it says nothing.

    `test_size`: at test_input_size and test_crop_pct, where it has them. Raises BadInput for what
    a resize and a centre crop cannot express (crop_mode border, sides that differ).
    """
    size = tuple(config.get("input_size") or (3, 224, 224))
    share = config.get("crop_pct") or 0.875
    if test_size:
        size = tuple(config.get("test_input_size") or size)
        share = config.get("test_crop_pct") or share
    depth, h, w = size
    mode = config.get("crop_mode") or "center"
    scaled = (math.floor(h / share), math.floor(w / share))
    if mode not in ("center", "squash") or (mode == "center" and h != w):
        raise BadInput(
            f"This timm model is evaluated with crop_mode '{mode}' at {h} x {w}, which is not a"
            " resize and a centre crop. Load it in a file of your own and use the adapter python."
        )
    if depth not in (1, 3):
        raise BadInput(f"This timm model takes pictures of {depth} channels; heldout gives 1 or 3.")
    mean = tuple(map(float, config.get("mean") or NORMS["imagenet"][0]))
    std = tuple(map(float, config.get("std") or NORMS["imagenet"][1]))
    return Preprocessing(
        Geometry(
            resize=scaled if mode == "squash" else scaled[0],
            crop=(h, w),
            interpolation=config.get("interpolation") or "bicubic",
        ),
        mean[:depth],
        std[:depth],
        channels="L" if depth == 1 else "RGB",
        origin="timm's pretrained_cfg" + (", test size" if test_size else ""),
    )


def _published(timm: ModuleType, rest: str, own: bool) -> Mapping[str, Any] | None:
    """The pretrained_cfg of a name that timm knows; None for models that are kept elsewhere."""
    if rest.startswith(_ELSEWHERE):
        return None
    architecture, _, tag = rest.partition(".")
    if not timm.is_model(architecture):
        raise not_found("model", rest, timm.list_models(), "timm")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise not_found(f"tag of {architecture}", tag, tags, "timm")
    config: Mapping[str, Any] = timm.get_pretrained_cfg(rest, allow_unregistered=False).to_dict()
    if not tags and not own:
        raise BadInput(
            f"timm has no published weights for {rest}: give a file of them,"
            f" timm:{rest}?checkpoint=PATH"
        )
    return config


def _made(
    timm: ModuleType, rest: str, options: Mapping[str, str], arguments: dict[str, Any]
) -> tuple[Any, str, str]:
    """The module, the sha256 of its file ("" where it came from the hub), and its name."""
    path = options.get("checkpoint")
    if path is None:
        if "num_classes" in options:
            raise BadInput(
                "num_classes goes with checkpoint=PATH: the published weights have their own"
                " number of classes, and another one would leave the last layer untrained."
            )
        try:
            module = timm.create_model(rest, pretrained=True, **arguments)
        except Exception as error:
            raise BadInput(
                f"The weights of timm:{rest} could not be had: {in_words(error)}. Without a"
                f" network, give a file: timm:{rest}?checkpoint=PATH"
            ) from error
        return module, "", _name(rest, module.pretrained_cfg)
    if "num_classes" in options:
        if not options["num_classes"].isdecimal():
            raise BadInput(f"num_classes={options['num_classes']} is not a number of classes.")
        arguments["num_classes"] = int(options["num_classes"])
    state, digest = load_state(path)
    try:
        module = timm.create_model(rest, pretrained=False, **arguments)
    except Exception as error:
        raise BadInput(f"timm cannot make the model {rest}: {in_words(error)}") from error
    try:
        load_into(module, state, path)
    except BadInput as misfit:
        # Files in the format of the original authors, or of another size: timm converts them.
        source = {"state_dict": state, "num_classes": module.num_classes}
        try:
            module = timm.create_model(
                rest, pretrained=True, pretrained_cfg_overlay=source, **arguments
            )
        except Exception:
            raise misfit from None
    return module, digest, f"{_name(rest, {}).partition('.')[0]}-{PurePosixPath(path).stem}"


def _name(rest: str, config: Mapping[str, Any]) -> str:
    if rest.startswith(_ELSEWHERE):
        return rest.partition(":")[2].rstrip("/").rpartition("/")[2]
    tag = config.get("tag")
    return rest if "." in rest or not tag else f"{rest}.{tag}"


def _classes(
    timm: ModuleType, module: Any, config: Mapping[str, Any], own: bool
) -> tuple[str, ...] | None:
    """Class names in the weights' own list, or the WordNet ids of an ImageNet subset."""
    count = getattr(module, "num_classes", 0)
    names = None if own else config.get("label_names")
    if names and len(names) == count:
        return tuple(map(str, names))
    if own and count != 1000:
        return None
    subset = timm.data.infer_imagenet_subset(module)
    return tuple(timm.data.ImageNetInfo(subset).label_names()) if subset else None
