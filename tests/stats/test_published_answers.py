"""Agreement and lines of the published predictions themselves, where they are on this disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from heldout.stats.line import draw_limits, resample_examples_lines
from heldout.stats.paired import mcnemar_exact
from heldout.stats.similarity import agreement_matrix, label_agreement

from .published import CIFAR10, IMAGENET

DATA = Path(__file__).resolve().parents[2] / ".data"
CIFAR = DATA / "cifar10.1"
INET = DATA / "imagenetv2-predictions" / "ImageNetV2" / "data"


def cifar(name: str) -> np.ndarray:
    """Predictions of the 30 models in CIFAR10's order, on "original" or "v4"."""
    folder = CIFAR / "CIFAR-10.1" / "model_predictions" / f"{name}_predictions"
    return np.array(
        [json.loads((folder / f"{model}_predictions.json").read_text()) for model in CIFAR10]
    )


def imagenet(folder: str, reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Top-1 predictions in IMAGENET's order, and labels; fv_16k's columns reversed where told."""
    classes = json.loads((INET / "metadata" / "class_info.json").read_text())
    cid = {c["wnid"]: c["cid"] for c in classes}
    names = json.loads((INET / "datasets" / f"{folder}.json").read_text())["image_filenames"]
    rows = []
    for model in IMAGENET:
        array = np.load(INET / "predictions" / folder / f"{model}.npy", mmap_mode="r")
        rows.append(array[:, 4 if reverse and model == "fv_16k" else 0].astype(np.int16))
    return np.stack(rows), np.array([cid[wnid] for _, wnid in names])


@pytest.mark.data
@pytest.mark.skipif(not CIFAR.is_dir(), reason="no .data/cifar10.1 (unpack the published data)")
def test_cifar_similarity() -> None:
    """replication.md §3: mean similarity .919223 (v4 .854463), three pairs, label agreement."""
    root = CIFAR / "label-errors" / "original_test_labels"
    pred = cifar("original")
    correct = pred == np.load(root / "cifar10_test_set_original_labels.npy")
    assert correct.sum(axis=1).tolist() == [v[0] for v in CIFAR10.values()]
    agree, upper = agreement_matrix(correct), np.triu_indices(30, 1)
    assert agree[upper].mean() / 10_000 == pytest.approx(0.919223, abs=5e-7)
    assert label_agreement(pred)[upper].mean() / 10_000 == pytest.approx(0.910001, abs=5e-7)
    names = list(CIFAR10)
    for first, second, count in (
        ("shake_shake_26_2x64d_SSI", "shake_shake_26_2x64d_SSI_cutout16", 9750),
        ("resnet_basic_110", "vgg16_keras", 9353), ("alexnet_tf_ben", "shake_drop", 8347),
    ):  # fmt: skip
        assert agree[names.index(first), names.index(second)] == count
    labels = np.load(CIFAR / "CIFAR-10.1" / "datasets" / "cifar10.1_v4_labels.npy")
    v4 = agreement_matrix(cifar("v4") == labels)[upper]
    assert v4.mean() / 2021 == pytest.approx(0.854463, abs=5e-7)


@pytest.mark.data
@pytest.mark.skipif(not INET.is_dir(), reason="no .data/imagenetv2-predictions")
def test_imagenet_similarity_pairs_and_example_resampling() -> None:
    """replication.md §3: similarity of 67 models, the paired tests, and a line over examples."""
    pred, labels = imagenet("imagenet-validation-original", reverse=False)
    x = pred == labels
    k = x.sum(axis=1)
    assert k.tolist() == [v[0] for v in IMAGENET.values()]
    agree, upper = agreement_matrix(x), np.triu_indices(67, 1)
    share = agree[upper] / 50_000
    assert share.mean() == pytest.approx(0.824147, abs=5e-7)
    assert (share.min(), share.max()) == (pytest.approx(0.36774), pytest.approx(0.96268))
    assert label_agreement(pred)[upper].mean() / 50_000 == pytest.approx(0.734903, abs=5e-7)
    names = list(IMAGENET)
    for first, second, count, p in (
        ("vgg16", "vgg13_bn", 44_157, 0.9791264472),
        ("nasnet_large_tf", "nasnetalarge", 47_682, 0.039734259),
        ("resnet152", "resnet50", 44_781, 8.361784248e-52),
    ):
        i, j = names.index(first), names.index(second)
        assert agree[i, j] == count
        both = (k[i] + k[j] + agree[i, j] - 50_000) // 2
        assert mcnemar_exact(k[i] - both, k[j] - both) == pytest.approx(p, rel=1e-8)
    pred, labels = imagenet("imagenetv2-b-33", reverse=True)
    y = pred == labels
    assert y.sum(axis=1).tolist() == [v[1] for v in IMAGENET.values()]
    slopes, _ = resample_examples_lines(x, y, "probit", np.random.default_rng(0), 200)
    low, high = draw_limits(slopes, observed=0.952421)
    assert low < 0.952421 < high
    assert high - low == pytest.approx(0.04, abs=0.008)
