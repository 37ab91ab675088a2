"""ImageNetV2: top-5 predictions of 67 models on five sets (github.com/modestyachts/ImageNetV2).

Layout: data/predictions/SET/MODEL.npy, int64 (n, 5), class ids in wnid order, best first;
data/datasets/SET.json lists (image id, wnid) row by row; data/metadata/class_info.json the classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import ImportFailed, not_found
from heldout.imports.bundle import Bundle, Choices, Found, Labels
from heldout.store.block import Block

NAME = "imagenetv2"
ABOUT = "ImageNetV2 prediction arrays: 67 models × 5 sets, top-5, per example"

# Published set: the setting's name here, other names for it, what it is.
SETS: Mapping[str, tuple[str, str, str]] = {
    "imagenet-validation-original": (
        "imagenet-val",
        "val imagenet-validation-original",
        "the ImageNet (ILSVRC 2012) validation set",
    ),
    "imagenetv2-b-33": (
        "imagenetv2-matched-frequency",
        "imagenetv2-b-33 b-33",
        "ImageNetV2, sampled to match the selection frequencies of the original",
    ),
    "imagenetv2-a-44": (
        "imagenetv2-threshold0.7",
        "imagenetv2-a-44 a-44",
        "ImageNetV2, selection frequency at least 0.7",
    ),
    "imagenetv2-c-12": (
        "imagenetv2-topimages",
        "imagenetv2-c-12 c-12",
        "ImageNetV2, the images with the highest selection frequency of each class",
    ),
    "imagenet-annotatedval20k-0": (
        "imagenet-annotatedval20k",
        "imagenet-annotatedval20k-0",
        "the 20,000 images of the validation set that were annotated again",
    ),
}
_PLACES = ("first", "second", "third", "fourth", "fifth")


def recognise(folder: Path) -> Path | None:
    """The folder that holds data/predictions and data/datasets, in or below `folder`."""
    for root in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())):
        if (root / "data/datasets").is_dir() and (root / "data/metadata/class_info.json").is_file():
            return root
    return None


def read(root: Path, choices: Choices) -> Bundle:
    """All sets, or those of `choices.settings`. Raises ImportFailed for a malformed file."""
    classes = json.loads((root / "data/metadata/class_info.json").read_text())
    wnids = [c["wnid"] for c in classes]
    names = [c["synset"][0] for c in classes]
    files = _prediction_files(root, _wanted(root, choices))
    rows = {s: _rows(root, s) for s in files}
    index = {w: i for i, w in enumerate(wnids)}
    labels = {s: np.array([index[w] for _, w in rows[s]], np.int32) for s in files}
    return Bundle(
        format=NAME,
        labels=[
            Labels(SETS[s][0], [i for i, _ in rows[s]], labels[s], wnids, names) for s in files
        ],
        settings=[_setting(s, len(rows[s])) for s in files],
        blocks=_blocks(files, rows, labels, choices.repairs),
    )


def _wanted(root: Path, choices: Choices) -> list[str]:
    there = [s for s in SETS if (root / "data/predictions" / s).is_dir()]
    if not there:
        raise ImportFailed(f"{root}/data/predictions holds none of the sets {', '.join(SETS)}.")
    names = {n: s for s in there for n in (s, SETS[s][0], *SETS[s][1].split())}
    for wanted in choices.settings:
        if wanted not in names:
            raise not_found("setting", wanted, names, f"'{root}'")
    return [names[w] for w in choices.settings] or there


def _setting(published: str, n: int) -> dict[str, Any]:
    name, aliases, about = SETS[published]
    replicate = name.startswith("imagenetv2")
    return {
        "setting": name,
        "label_set": name,
        "n": n,
        "aliases": aliases,
        "group": "replicate" if replicate else "original",
        "original": "imagenet-val" if replicate else None,
        "baseline": "imagenet-val" if name != "imagenet-val" else None,
        "description": about,
    }


def _prediction_files(root: Path, sets: Sequence[str]) -> dict[str, list[Path]]:
    return {s: sorted((root / "data/predictions" / s).glob("*.npy")) for s in sets}


def _rows(root: Path, published: str) -> list[tuple[str, str]]:
    path = root / "data/datasets" / f"{published}.json"
    if not path.is_file():
        raise ImportFailed(f"{path} is missing; it says which image each row is.")
    listed = json.loads(path.read_text())["image_filenames"]
    return [(image, wnid) for image, wnid in listed]


def _blocks(
    files: Mapping[str, list[Path]],
    rows: Mapping[str, list[tuple[str, str]]],
    labels: Mapping[str, NDArray[np.int32]],
    repairs: bool,
) -> Iterator[Found]:
    everywhere = {p.stem for paths in files.values() for p in paths}
    for published, paths in files.items():
        ids = [image for image, _ in rows[published]]
        arrays = _load(paths, len(ids))
        models = [p.stem for p in paths]
        done: list[str] = []
        if repairs:
            models, renamed = _without_suffix(models, everywhere)
            turned = _turn_round(arrays, labels[published], models)
            done = [f"{SETS[published][0]}: {r}" for r in renamed + turned]
        block = Block(SETS[published][0], models, ids, arrays[:, :, 0], arrays[:, :, 1:])
        yield Found(block, done)


def _load(paths: Sequence[Path], n: int) -> NDArray[np.int16]:
    """(models, n, 5) class ids."""
    arrays = np.empty((len(paths), n, 5), np.int16)
    for i, path in enumerate(paths):
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ImportFailed(f"{path} is not a readable NPY file: {error}.") from error
        if array.shape != (n, 5):
            raise ImportFailed(
                f"{path} has shape {array.shape}, but its data-set file lists {n} images, so"
                f" ({n}, 5) is expected. The file is truncated or belongs to another set."
            )
        if array.min() < 0 or array.max() > 999:
            raise ImportFailed(
                f"{path} holds class ids from {array.min()} to {array.max()}; 0 to 999 expected."
            )
        arrays[i] = array
    return arrays


def _without_suffix(models: Sequence[str], everywhere: set[str]) -> tuple[list[str], list[str]]:
    """File stems that are another set's stem plus '_model' are that model."""
    named, done = [], []
    for stem in models:
        short = stem.removesuffix("_model")
        if short != stem and short in everywhere and short not in models:
            done.append(f"the file {stem}.npy holds the model called '{short}' in the other sets")
            named.append(short)
        else:
            named.append(stem)
    return named, done


def _turn_round(
    arrays: NDArray[np.int16], label: NDArray[np.int32], models: Sequence[str]
) -> list[str]:
    """Reverse (in place) models whose last place is right more often than their first."""
    done = []
    for i, model in enumerate(models):
        first, last = ((arrays[i, :, p] == label) for p in (0, -1))
        only_first, only_last = int((first & ~last).sum()), int((last & ~first).sum())
        # A sign test at about ten standard deviations: no healthy ranking comes near it.
        if only_last - only_first > 10 * np.sqrt(only_first + only_last + 1):
            arrays[i] = arrays[i, :, ::-1].copy()
            done.append(
                f"'{model}' was stored worst first ({_PLACES[0]} place right"
                f" {100 * first.mean():.2f} %, {_PLACES[-1]} place {100 * last.mean():.2f} %); its"
                " five places were reversed"
            )
    return done
