"""Classifiers of torchvision, with the transform that their weights are published with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from heldout.errors import BadInput, not_found
from heldout.images.geometry import Geometry
from heldout.models.adapters import required, versions
from heldout.models.classifier import Placement, in_words
from heldout.models.preprocessing import Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier
from heldout.models.weights import load_into, load_state

ABOUT = "classifiers of torchvision, by name and weights"
EXAMPLE = "torchvision:resnet50/IMAGENET1K_V2"
OPTIONS = {
    "checkpoint": "a file with weights of this architecture, instead of the published ones",
    "num_classes": "the outputs of the checkpoint, where they are not 1000",
}


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """`NAME`, `NAME/WEIGHTS` or `Name_Weights.WEIGHTS`. Raises NotFound and BadInput.

    A name alone means the weights that torchvision calls DEFAULT.
    """
    required("torch", "torchvision", "The adapter torchvision")
    library = required("torchvision.models", "torchvision", "The adapter torchvision")
    model, entry = _chosen(library, rest)
    preprocessing = with_options(preprocessing_of(entry), options)
    meta = dict(entry.meta)
    path = options.get("checkpoint")
    if path is None:
        if "num_classes" in options:
            raise BadInput("num_classes goes with checkpoint=PATH: published weights have theirs.")
        try:
            module, digest = library.get_model(model, weights=entry), ""
        except Exception as error:
            raise BadInput(
                f"The weights {entry} could not be had: {in_words(error)}. Without a network, give"
                f" a file: torchvision:{rest}?checkpoint=PATH"
            ) from error
        name = f"{model}-{entry.name.lower()}"
    else:
        state, digest = load_state(path)
        module = _untrained(library, model, options)
        load_into(module, state, path)
        name = f"{model}-{PurePosixPath(path).stem}"
    categories = () if path else tuple(meta.get("categories", ()))
    top1 = meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    metadata: dict[str, str | int | float] = {"family": model, "architecture": model}
    if path is None:
        metadata["pretrained_tag"] = entry.name
        if top1 is not None:
            metadata["published_top1"] = round(top1 / 100, 6)
    outputs = int(options.get("num_classes", 1000)) if path else len(categories)
    known = outputs == 1000
    return TorchClassifier(
        module,
        preprocessing,
        placement,
        name=name,
        weights=digest,
        # ImageNet's 1,000 names are not unique (crane, maillot): the label space has the ids.
        classes=None if known or not categories else categories,
        space="imagenet-1k" if known else None,
        metadata=metadata,
        versions=versions("torchvision"),
    )


def preprocessing_of(entry: Any) -> Preprocessing:
    """What a weights entry's `transforms()` does, read from its attributes.

    Its `antialias` concerns tensors only; on pictures torchvision always filters.
    """
    preset = entry.transforms()
    try:
        resize, crop = list(preset.resize_size), list(preset.crop_size)
        mean, std = tuple(map(float, preset.mean)), tuple(map(float, preset.std))
        interpolation = str(preset.interpolation.value)
    except (AttributeError, TypeError):
        raise BadInput(
            f"{entry} is not for classifying pictures: its transform is a {type(preset).__name__}."
        ) from None
    return Preprocessing(
        Geometry(
            resize=resize[0] if len(resize) == 1 else (resize[0], resize[1]),
            crop=(crop[0], crop[-1]),
            interpolation=interpolation,
        ),
        mean,
        std,
        origin=f"{type(entry).__name__}.{entry.name} of torchvision",
    )


def _chosen(library: ModuleType, rest: str) -> tuple[str, Any]:
    """The registered model's name and the entry of its weights."""
    names = list(library.list_models(module=library))
    if "_Weights" in rest:
        enum, _, tag = rest.partition(".")
        models: Mapping[str, str] = {library.get_model_weights(n).__name__: n for n in names}
        if enum not in models:
            raise not_found("weights", enum, models, "torchvision")
        model = models[enum]
    else:
        model, _, tag = rest.partition("/")
        if model.lower() not in names:
            raise not_found("classifier", model, names, "torchvision")
        model = model.lower()
    entries = library.get_model_weights(model)
    tag = tag or "DEFAULT"
    if tag not in entries.__members__:
        raise not_found(f"entry of {entries.__name__}", tag, entries.__members__, "torchvision")
    return model, entries[tag]


def _untrained(library: ModuleType, model: str, options: Mapping[str, str]) -> Any:
    arguments: dict[str, Any] = {}
    if model in ("inception_v3", "googlenet"):  # as they are made for their published weights
        arguments = {"transform_input": True, "init_weights": False}
    if "num_classes" in options:
        if not options["num_classes"].isdecimal():
            raise BadInput(f"num_classes={options['num_classes']} is not a number of classes.")
        arguments["num_classes"] = int(options["num_classes"])
    try:
        return library.get_model(model, weights=None, **arguments)
    except Exception as error:
        raise BadInput(f"torchvision cannot make the model {model}: {in_words(error)}") from error
