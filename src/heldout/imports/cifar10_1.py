"""CIFAR-10.1: predicted classes of 30 models on three sets (github.com/modestyachts/CIFAR-10.1).

Layout: model_predictions/{original,v4,v6}_predictions/MODEL_predictions.json, a list of class ids;
datasets/cifar10.1_{v4,v6}_labels.npy; other_data/cifar10.1_{v4,v6}_ti_indices.json, which give
every image its identity (its index in Tiny Images). The repository has no labels of the original
test set; they come from the label-errors release (github.com/cleanlab/label-errors), in the same
order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import ImportFailed, not_found
from heldout.imports.bundle import Bundle, Choices, Found, Labels
from heldout.store.block import Block

NAME = "cifar10.1"
ABOUT = "CIFAR-10.1 prediction lists: 30 models × 3 sets, per example"

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
ORIGINAL_LABELS = "original_test_labels/cifar10_test_set_original_labels.npy"

# Version in file names: the setting's name here, other names for it, number of images.
SETS = {
    "original": ("cifar10-test", "original cifar10", 10_000),
    "v4": ("cifar10.1-v4", "v4", 2_021),
    "v6": ("cifar10.1-v6", "v6", 2_000),
}
_ABOUT = {
    "original": "the CIFAR-10 test set, in its original order",
    "v4": "CIFAR-10.1 v4: first version, 2,021 images, classes not balanced",
    "v6": "CIFAR-10.1 v6: the version the paper recommends, 200 images a class",
}


def recognise(folder: Path) -> Path | None:
    """The folder that holds model_predictions, in or below `folder`."""
    for root in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())):
        if (root / "model_predictions/v6_predictions").is_dir():
            return root
    return None


def read(root: Path, choices: Choices) -> Bundle:
    """All three sets, or those of `choices.settings`. Raises ImportFailed for a malformed file."""
    wanted = _wanted(choices)
    ids = {v: _ids(root, v) for v in wanted}
    votes = {v: _predictions(root, v) for v in wanted}
    labels: list[Labels] = []
    repairs: list[str] = []
    notes: list[str] = []
    for v in wanted:
        if v != "original":
            label = np.load(root / f"datasets/cifar10.1_{v}_labels.npy", allow_pickle=False)
            labels.append(Labels(SETS[v][0], ids[v], label, CLASSES))
    if "original" in wanted:
        label, said = _original_labels(root, votes["original"][1], choices.repairs)
        if label is None:
            notes.append(said)
        else:
            labels.append(Labels(SETS["original"][0], ids["original"], label, CLASSES))
            repairs.append(said)
    return Bundle(
        format=NAME,
        labels=labels,
        settings=[_setting(v) for v in wanted],
        blocks=_blocks(ids, votes),
        repairs=repairs,
        notes=notes,
    )


def _wanted(choices: Choices) -> list[str]:
    names = {n: v for v, (name, more, _) in SETS.items() for n in (v, name, *more.split())}
    for wanted in choices.settings:
        if wanted not in names:
            raise not_found("setting", wanted, names, "CIFAR-10.1")
    return [names[w] for w in choices.settings] or list(SETS)


def _setting(version: str) -> dict[str, Any]:
    name, aliases, n = SETS[version]
    new = version != "original"
    return {
        "setting": name,
        "label_set": name,
        "n": n,
        "aliases": aliases,
        "group": "replicate" if new else "original",
        "original": SETS["original"][0] if new else None,
        "baseline": SETS["original"][0] if new else None,
        "description": _ABOUT[version],
    }


def _ids(root: Path, version: str) -> list[str]:
    """Tiny Images indices (v4 and v6 share 1,874 images), or positions in the original test set."""
    if version == "original":
        return [f"cifar10-test-{i:05d}" for i in range(SETS[version][2])]
    path = root / f"other_data/cifar10.1_{version}_ti_indices.json"
    return [f"tinyimages-{i}" for i in json.loads(path.read_text())]


def _predictions(root: Path, version: str) -> tuple[list[str], NDArray[np.int16]]:
    """Model names and (models, n) class ids."""
    folder = root / f"model_predictions/{version}_predictions"
    paths = sorted(folder.glob("*_predictions.json"))
    if not paths:
        raise ImportFailed(f"{folder} holds no *_predictions.json files.")
    n = SETS[version][2]
    votes = np.empty((len(paths), n), np.int16)
    for i, path in enumerate(paths):
        try:
            row = np.array(json.loads(path.read_text()))
        except (ValueError, OSError) as error:
            raise ImportFailed(f"{path} is not a readable JSON list: {error}.") from error
        if row.shape != (n,):
            raise ImportFailed(f"{path} holds {row.size} predictions; {n} expected.")
        if row.dtype.kind not in "iu" or row.min() < 0 or row.max() > 9:
            raise ImportFailed(f"{path} holds something other than class ids from 0 to 9.")
        votes[i] = row
    return [p.name.removesuffix("_predictions.json") for p in paths], votes


def _original_labels(
    root: Path, votes: NDArray[np.int16], repairs: bool
) -> tuple[NDArray[Any] | None, str]:
    """The original test set's labels and a sentence, or None and why not."""
    missing = "the repository has no labels of the original CIFAR-10 test set"
    if not repairs:
        return None, f"{missing}; without repairs '{SETS['original'][0]}' cannot be scored"
    places = [root, root.parent, root.parent / "label-errors", root / "label-errors"]
    path = next((p / ORIGINAL_LABELS for p in places if (p / ORIGINAL_LABELS).is_file()), None)
    if path is None:
        return None, (
            f"{missing}, and {ORIGINAL_LABELS} of the label-errors release is not beside it; put"
            f" it there and import again, else '{SETS['original'][0]}' cannot be scored"
        )
    label = np.load(path, allow_pickle=False).astype(np.int32)
    if label.shape != (votes.shape[1],):
        raise ImportFailed(f"{path} holds {label.size} labels; {votes.shape[1]} expected.")
    majority = np.array([np.bincount(v, minlength=10).argmax() for v in votes.T])
    agree = float((majority == label).mean())
    if agree < 0.9:
        raise ImportFailed(
            f"{path} does not fit: the majority of the {len(votes)} models agrees with only"
            f" {100 * agree:.1f} % of its labels, so its order must be another one."
        )
    return label, (
        f"{missing}; taken from the label-errors release (the majority of the {len(votes)} models"
        f" agrees with {100 * agree:.2f} % of them, so the order is the same)"
    )


def _blocks(
    ids: dict[str, list[str]], votes: dict[str, tuple[list[str], NDArray[np.int16]]]
) -> Iterator[Found]:
    for version, (models, predicted) in votes.items():
        yield Found(Block(SETS[version][0], models, ids[version], predicted))
