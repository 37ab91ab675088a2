"""CLIP models of the package open_clip as classifiers: the texts of the classes make the head.

A class's weights are the normalised mean of the normalised embeddings of its name in all
templates; a score is the model's logit scale times the cosine to them, plus its bias where it has
one (Radford et al. 2021, section 3.1; open_clip's `build_zero_shot_classifier`). The names matter:
other words for the same classes give another accuracy.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from heldout.errors import BadInput, not_found
from heldout.images.geometry import Geometry
from heldout.models.adapters import class_list, required, versions
from heldout.models.classifier import Placement, in_words
from heldout.models.preprocessing import Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier, chosen_device
from heldout.models.weights import sha256_of, weights_hash

ABOUT = "a CLIP model of open_clip, zero-shot: the classes' names make the head"
EXAMPLE = "open_clip:ViT-B-32/laion2b_s34b_b79k?space=imagenet-1k"
OPTIONS = {
    "checkpoint": "a local file with weights, in place of the tag",
    "templates": "a file, one a line with {} for the class; openai (80); plain (one)",
}
PLAIN = "a photo of a {}."
_TEXTS = 256
# fmt: off
_CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)
# fmt: on


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """The model as a classifier of the classes that `classes` or `space` names.

    `rest`: MODEL/TAG, MODEL with checkpoint=FILE, a folder with open_clip_config.json, or
    hf-hub:OWNER/NAME. Raises BadInput and NotFound (model, tag: with near matches).
    """
    torch = required("torch", "open_clip", "The adapter open_clip")
    library = required("open_clip", "open_clip", "The adapter open_clip")
    names, templates = _texts(library, options)
    notes: list[str] = []
    model, tokenizer = _model(library, rest, options.get("checkpoint", ""), notes)
    start = preprocessing_of(dict(model.visual.preprocess_cfg), rest, options)
    device = chosen_device(torch, placement.device)
    if placement.threads is not None:
        torch.set_num_threads(placement.threads)
    head = _head(torch, model.eval().to(device), tokenizer, names, templates, device)
    weights = weights_hash(model)
    asked = json.dumps([names, [t("{}") for t in templates]])
    checkpoint = options.get("checkpoint")
    return TorchClassifier(
        _zero_shot(torch, model, head),
        with_options(start, options),
        placement,
        name=Path(checkpoint).stem if checkpoint else Path(rest).name if _folder(rest) else rest,
        uri=f"open_clip:{rest}",
        weights=hashlib.sha256(f"{weights} {asked}".encode()).hexdigest(),
        classes=None if "classes" not in options and _imagenet(options) else names,
        space=options.get("space"),
        score_kind="logits",
        versions=versions("open_clip_torch", "timm", "torchvision"),
        metadata={
            "templates": len(templates),
            "weights_of_both_towers": weights,
            **({"checkpoint_sha256": sha256_of(Path(checkpoint))} if checkpoint else {}),
        },
        notes=tuple(notes),
    )


def preprocessing_of(
    config: Mapping[str, Any], name: str, options: Mapping[str, str]
) -> Preprocessing:
    """What open_clip's inference transform does, from its configuration. Raises BadInput."""
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    interpolation = "bilinear" if config.get("interpolation") == "bilinear" else "bicubic"
    mode = config.get("resize_mode") or "shortest"
    geometry: Geometry | None = None
    if mode == "squash":
        geometry = Geometry((height, width), None, interpolation)
    elif mode == "shortest" and height == width:
        geometry = Geometry(height, (height, width), interpolation)
    elif not {"size", "resize"} & set(options):
        raise BadInput(
            f"open_clip brings pictures for {name} to {height} x {width} in a way that heldout does"
            f" not know (resize_mode {mode}). Say another one: resize={height}x{width}."
        )
    mean, std = _three(config["mean"]), _three(config["std"])
    return Preprocessing(geometry, mean, std, origin=f"open_clip's preprocessing of {name}")


def _three(numbers: Any) -> tuple[float, ...]:
    if isinstance(numbers, int | float):
        return (float(numbers),) * 3
    return tuple(float(v) for v in numbers)


def _imagenet(options: Mapping[str, str]) -> bool:
    return options.get("space") == "imagenet-1k"


def _texts(
    library: ModuleType, options: Mapping[str, str]
) -> tuple[tuple[str, ...], list[Callable[[str], str]]]:
    """The classes' names and the templates that they are put into."""
    if "classes" in options:
        if options["classes"] in ("imagenet-1k", "cifar10"):
            raise BadInput(
                f"classes={options['classes']} is a label space, not a list of names: say"
                f" space={options['classes']} in its place."
            )
        names = class_list(options["classes"])
    elif _imagenet(options):
        names = tuple(library.IMAGENET_CLASSNAMES)
    elif options.get("space") == "cifar10":
        names = _CIFAR10
    else:
        raise BadInput(
            "A CLIP model needs the names of the classes, since it compares pictures with texts:"
            " add classes=FILE (one a line), classes=cat,dog or space=imagenet-1k or cifar10."
        )
    said = options.get("templates") or ("openai" if _imagenet(options) else "plain")
    if said == "openai":
        return names, list(library.OPENAI_IMAGENET_TEMPLATES)
    if said == "plain":
        return names, [_template(PLAIN)]
    path = Path(said).expanduser()
    if not path.is_file():
        raise BadInput(f"templates={said} is neither a file that is there nor openai or plain.")
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    lines = [line for line in lines if line]
    odd = [line for line in lines if line.count("{}") != 1]
    if odd or not lines:
        raise BadInput(
            f"'{path}' should hold one template a line with {{}} once, in the place of the class;"
            f" {f'this one has not: {odd[0]!r}' if odd else 'it is empty'}. For example: {PLAIN}"
        )
    return names, [_template(line) for line in lines]


def _template(text: str) -> Callable[[str], str]:
    return lambda name: text.replace("{}", name)


def _folder(rest: str) -> bool:
    return Path(rest).expanduser().is_dir()


def _model(library: ModuleType, rest: str, checkpoint: str, notes: list[str]) -> tuple[Any, Any]:
    """The model with its weights, and its tokenizer."""
    settings: dict[str, Any] = {}
    if _folder(rest):
        known, pretrained = f"local-dir:{Path(rest).expanduser()}", None
    elif rest.startswith(("hf-hub:", "local-dir:")):
        known, pretrained = rest, None
    else:
        known, pretrained, settings = _registered(library, rest, checkpoint, notes)
    if checkpoint and pretrained is None:
        raise BadInput(f"'{rest}' brings its own weights: leave the option checkpoint out.")
    logging.disable(logging.ERROR)  # open_clip logs what it then raises
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = library.create_model(
                known, pretrained, require_pretrained=True, precision="fp32", **settings
            )
            tokenizer = library.get_tokenizer(known)
    except Exception as error:
        raise BadInput(
            f"open_clip {library.__version__} cannot load '{checkpoint or rest}':"
            f" {in_words(error)}. Weights that are not in its cache have to be downloaded;"
            " checkpoint=FILE names a local file."
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    notes.extend(str(w.message) for w in said if "QuickGELU" in str(w.message))
    return model, tokenizer


def _registered(
    library: ModuleType, rest: str, checkpoint: str, notes: list[str]
) -> tuple[str, str, dict[str, Any]]:
    """Name, tag or file, and settings for a model that open_clip has by name."""
    name, _, tag = rest.partition("/")
    if name not in library.list_models():
        raise not_found("model", name, library.list_models(), "open_clip")
    if checkpoint:
        if tag:
            raise BadInput(
                f"open_clip:{rest} names the weights '{tag}' and the file '{checkpoint}': give one"
                f" of them, such as open_clip:{name}?checkpoint={checkpoint}."
            )
        if not Path(checkpoint).expanduser().is_file():
            raise BadInput(f"There is no file '{checkpoint}' with weights.")
        return name, str(Path(checkpoint).expanduser()), {}
    tags = library.list_pretrained_tags_by_model(name)
    if not tag:
        raise BadInput(
            f"open_clip:{name} does not say which weights: {', '.join(tags) or 'there are none'}."
            f" Write open_clip:{name}/TAG, or give a local file with checkpoint=FILE."
        )
    if tag not in tags:
        raise not_found("set of weights", tag, tags, f"open_clip for {name}")
    wanted = bool((library.get_pretrained_cfg(name, tag) or {}).get("quick_gelu", False))
    config = library.get_model_config(name) or {}
    if wanted and not config.get("quick_gelu", False):
        notes.append(f"the weights {tag} were trained with QuickGELU, so it is used here")
        return name, tag, {"force_quick_gelu": True}
    return name, tag, {}


def _head(
    torch: ModuleType,
    model: Any,
    tokenizer: Any,
    names: tuple[str, ...],
    templates: list[Callable[[str], str]],
    device: Any,
) -> Any:
    """The classes' weights: (features, classes) float32."""
    classes = max(1, _TEXTS // len(templates))
    rows = []
    with torch.inference_mode():
        for start in range(0, len(names), classes):
            some = names[start : start + classes]
            texts = tokenizer([t(name) for name in some for t in templates]).to(device)
            found = torch.nn.functional.normalize(model.encode_text(texts).float(), dim=-1)
            mean = found.reshape(len(some), len(templates), -1).mean(dim=1)
            rows.append(torch.nn.functional.normalize(mean, dim=-1))
    return torch.cat(rows).T.contiguous().clone()


def _zero_shot(torch: ModuleType, model: Any, head: Any) -> Any:
    """A module from pictures to logits: the picture tower, then the head."""

    class ZeroShot(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.clip = model
            self.register_buffer("head", head)

        def forward(self, pictures: Any) -> Any:
            features = self.clip.encode_image(pictures)
            cosines = torch.nn.functional.normalize(features.float(), dim=-1) @ self.head
            logits = self.clip.logit_scale.exp() * cosines
            bias = getattr(self.clip, "logit_bias", None)
            return logits if bias is None else logits + bias

    return ZeroShot()
