"""Image classifiers of the package transformers: a repository of its hub, or a local folder.

The image processor is not run: its configuration is read into a `Preprocessing`, so that pictures
are decoded, resized and shifted as for every other model (with Pillow's filters, as its PIL
processors do). One difference remains: where a centre crop cannot be exactly in the middle,
transformers takes the pixel before it and heldout, as torchvision, the even one; the two crops are
then one pixel apart in one case of four.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from heldout.errors import BadInput
from heldout.images.geometry import Geometry
from heldout.models.adapters import required, versions
from heldout.models.classifier import Placement, in_words
from heldout.models.preprocessing import Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier

ABOUT = "an image classifier of Hugging Face transformers, from its hub or a local folder"
EXAMPLE = "transformers:google/vit-base-patch16-224"
OPTIONS = {"revision": "a branch, tag or commit of the repository"}
# Processors whose steps are resize, centre crop, scale, normalise, as their configuration says.
_PLAIN = (
    *("ViT", "Bit", "CLIP", "DeiT", "Pvt", "Siglip", "MobileNetV1", "MobileNetV2", "Beit"),
    *("DINOv3ViT", "Segformer"),
)
_RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # Pillow's numbers
# Where ImageNet's 1,000 classes begin and end, as published models name them.
_IMAGENET_ENDS = {0: "tench", 1: "goldfish", 2: "great white shark", 999: "toilet tissue"}


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """The classifier in a repository or folder, with its own preprocessing and class names.

    Raises BadInput: neither there, nor cached, nor to be had; no classification head; a processor
    with steps that a `Preprocessing` cannot say.
    """
    required("torch", "transformers", "The adapter transformers")
    library = required("transformers", "transformers", "The adapter transformers")
    where = _where(rest)
    given = {"revision": options["revision"]} if "revision" in options else {}
    with _quiet(library):
        model = _model(library, where, rest, given)
        record = _processor(library, where, given, options)
    notes: list[str] = []
    if record is not None:
        start = preprocessing_of(record, rest, options)
    else:
        start = Preprocessing(None)
        notes.append("no image processor is kept beside the model: the options say what it does")
        if not {"mean", "std", "scale"} & set(options):
            notes.append("pixels were taken as x/255, without mean and std")
    classes, space = _classes(model.config)
    metadata: dict[str, str | int | float] = {"architecture": type(model).__name__}
    commit = getattr(model.config, "_commit_hash", None)
    if commit:
        metadata["revision"] = str(commit)
    return TorchClassifier(
        model,
        with_options(start, options),
        placement,
        name=Path(rest).name if Path(where).is_dir() else rest,
        uri=f"transformers:{rest}",
        classes=classes,
        space=space,
        score_kind="logits",
        versions=versions("transformers"),
        metadata=metadata,
        notes=tuple(notes),
    )


def preprocessing_of(
    record: Mapping[str, Any], name: str, options: Mapping[str, str]
) -> Preprocessing:
    """What an image processor does, from its configuration (`to_dict()`).

    Where the options say both the size and the numbers, processors of unknown kinds pass, too.
    Raises BadInput for steps that cannot be said.
    """
    full = str(record.get("image_processor_type") or "")
    kind = full.replace("FeatureExtractor", "ImageProcessor")
    kind = kind.removesuffix("Pil").removesuffix("Fast").removesuffix("ImageProcessor")
    origin = f"the {full} of {name}"
    scale = float(record.get("rescale_factor") or 1 / 255) if _on(record, "do_rescale") else 1.0
    means, stds = _channels(record.get("image_mean")), _channels(record.get("image_std"))
    depth = len(means)
    mean, std = (0.0,) * depth, (1.0,) * depth
    if _on(record, "do_normalize") and kind != "MobileViT":
        mean, std = means, stds
    channels = "L" if depth == 1 else "RGB"
    if kind == "MobileViT" and record.get("do_flip_channel_order", True):
        channels = "BGR"
    if kind == "EfficientNet":
        if record.get("rescale_offset"):
            mean = tuple(m + 1.0 for m in mean)
        if record.get("include_top", True):  # divides by the standard deviation once more
            std = tuple(a * b for a, b in zip(std, stds, strict=True))
    sized = {"size", "resize"} & set(options)
    try:
        geometry = _geometry(kind, record)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if not sized:
            raise BadInput(
                f"{origin} brings pictures to their size in a way that heldout does not know"
                f" ({full or 'no name'}, size {record.get('size')}). Say it in the options:"
                " resize=256&crop=224&interpolation=bicubic."
            ) from error
        geometry = None
    return Preprocessing(geometry, mean, std, scale, channels, origin)


def _geometry(kind: str, record: Mapping[str, Any]) -> Geometry:
    """Resize and crop of a kind of processor. Raises KeyError and ValueError for unknown ways."""
    size = {k: int(v) for k, v in dict(record.get("size") or {}).items() if v}
    crop = _crop(record) if _on(record, "do_center_crop", False) else None
    resize: int | tuple[int, int]
    if not _on(record, "do_resize"):
        if kind not in (*_PLAIN, "ConvNext", "EfficientNet", "MobileViT", "Levit", "PoolFormer"):
            raise ValueError(kind)
        return Geometry(None, crop)
    interpolation = _RESAMPLE[int(record["resample"])]
    if set(size) == {"shortest_edge"}:
        resize = size["shortest_edge"]
    elif set(size) == {"height", "width"}:
        resize = (size["height"], size["width"])
    else:
        raise ValueError(size)
    if kind == "ConvNext":
        side = size["shortest_edge"]
        if side >= 384:
            return Geometry((side, side), crop, interpolation)
        share = float(record.get("crop_pct") or 224 / 256)
        return Geometry(int(side / share), crop or (side, side), interpolation)
    if kind == "Levit" and isinstance(resize, int):
        resize = int((256 / 224) * resize)
    elif kind == "PoolFormer" and record.get("crop_pct"):
        share = float(record["crop_pct"])
        if isinstance(resize, tuple) and resize[0] != resize[1]:
            resize = (int(resize[0] / share), int(resize[1] / share))
        else:
            resize = int((resize if isinstance(resize, int) else resize[0]) / share)
    elif kind not in (*_PLAIN, "EfficientNet", "MobileViT", "Levit", "PoolFormer"):
        raise ValueError(kind)
    return Geometry(resize, crop, interpolation)


def _crop(record: Mapping[str, Any]) -> tuple[int, int]:
    size = {k: int(v) for k, v in dict(record["crop_size"]).items() if v}
    if "shortest_edge" in size:
        return size["shortest_edge"], size["shortest_edge"]
    return size["height"], size["width"]


def _on(record: Mapping[str, Any], key: str, default: bool = True) -> bool:
    return bool(record.get(key, default))


def _channels(numbers: Any) -> tuple[float, ...]:
    """One number a channel, from a list or from one number for all three."""
    if isinstance(numbers, int | float):
        return (float(numbers),) * 3
    return tuple(float(v) for v in numbers or (0.5, 0.5, 0.5))


def _where(rest: str) -> str:
    """A folder that is there, or a name for the hub."""
    folder = Path(rest).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BadInput(
                f"'{rest}' is a folder without a config.json, so it holds no model of transformers."
                " Save one there with model.save_pretrained(…) and processor.save_pretrained(…)."
            )
        return str(folder)
    if rest.startswith(("/", "./", "../", "~")) or rest.count("/") > 1 or folder.exists():
        raise BadInput(
            f"'{rest}' is not a folder that is here. Name a folder with config.json and weights, or"
            f" a repository of the hub: {EXAMPLE}."
        )
    return rest


def _model(library: ModuleType, where: str, rest: str, given: Mapping[str, str]) -> Any:
    try:
        model, info = library.AutoModelForImageClassification.from_pretrained(
            where, output_loading_info=True, trust_remote_code=False, **given
        )
    except OSError as error:
        if Path(where).is_dir():
            raise BadInput(
                f"The model in '{rest}' cannot be read: {in_words(error)}. It takes config.json"
                " and model.safetensors."
            ) from error
        revision = f" at {given['revision']}" if given else ""
        raise BadInput(
            f"'{rest}'{revision} is not a folder here, is not in the cache of Hugging Face, and"
            f" could not be downloaded: {in_words(error)}. Check the name (as in {EXAMPLE}) and the"
            " network, or give the path of a local copy."
        ) from error
    except Exception as error:
        raise BadInput(
            f"transformers {library.__version__} cannot load '{rest}' as an image classifier:"
            f" {in_words(error)}."
        ) from error
    odd = [*info["missing_keys"], *(str(k[0]) for k in info["mismatched_keys"])]
    if odd:
        raise BadInput(
            f"'{rest}' lacks {len(odd)} of the weights of a {type(model).__name__}"
            f" ({', '.join(sorted(odd)[:3])}): they would be random. It may be a backbone without a"
            " classification head; take a model that was trained to classify."
        )
    return model


def _processor(
    library: ModuleType, where: str, given: Mapping[str, str], options: Mapping[str, str]
) -> dict[str, Any] | None:
    """The image processor's configuration; None where there is none and the options suffice."""
    try:
        processor = library.AutoImageProcessor.from_pretrained(
            where, use_fast=False, trust_remote_code=False, **given
        )
    except Exception as error:
        if {"size", "resize"} & set(options):
            return None
        if "timm" in str(error).lower():
            raise BadInput(
                f"'{where}' is a model of timm in transformers' clothes. Load it with timm:"
                f" timm:hf-hub:{where}."
            ) from error
        raise BadInput(
            f"The image processor of '{where}' (preprocessor_config.json) cannot be read:"
            f" {in_words(error)}. Say what it does: resize=256&crop=224&mean=imagenet."
        ) from error
    record: dict[str, Any] = processor.to_dict()
    return {k: dict(v) if hasattr(v, "keys") else v for k, v in record.items()}


def _classes(config: Any) -> tuple[tuple[str, ...] | None, str | None]:
    """Class names, unless they are LABEL_0 … or repeat; the label space where they show it."""
    labels = {int(k): str(v) for k, v in dict(config.id2label or {}).items()}
    names = tuple(labels[i] for i in sorted(labels))
    if sorted(labels) != list(range(len(labels))) or not names:
        return None, None
    if all(name == f"LABEL_{i}" for i, name in enumerate(names)):
        return None, None
    space = None
    if len(names) == 1000 and all(
        names[i].lower().startswith(start) for i, start in _IMAGENET_ENDS.items()
    ):
        space = "imagenet-1k"
    return (names if len(set(names)) == len(names) else None), space


@contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """Without the library's progress bars and hints, which are not heldout's words."""
    logging = library.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
