"""torchvision: preprocessing read from a weights entry; its models where it is installed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.geometry import Geometry
from heldout.models.classifier import Placement
from heldout.models.preprocessing import NORMS
from heldout.models.torchvision_models import preprocessing_of
from realdata import published


def entry(**attributes: Any) -> Any:
    """Something with the attributes of torchvision's ImageClassification preset."""
    mean, std = NORMS["imagenet"]
    preset = {
        "resize_size": [232],
        "crop_size": [224],
        "mean": list(mean),
        "std": list(std),
        "interpolation": SimpleNamespace(value="bilinear"),
        "antialias": True,
    }
    given = {k: v for k, v in {**preset, **attributes}.items() if v is not None}
    return SimpleNamespace(name="IMAGENET1K_V2", transforms=lambda: SimpleNamespace(**given))


def test_presets() -> None:
    """The published numbers of ResNet-50 V2; antialias is always on for pictures."""
    for antialias in (True, False):
        made = preprocessing_of(entry(antialias=antialias))
        assert made.geometry == Geometry(232, (224, 224), "bilinear")
        assert (made.mean, made.std) == NORMS["imagenet"]
    both = preprocessing_of(entry(resize_size=[384, 400], crop_size=[384, 380])).geometry
    assert both == Geometry((384, 400), (384, 380), "bilinear")


def test_presets_of_other_tasks() -> None:
    """Detection has no crop: refused."""
    with pytest.raises(BadInput, match="not for classifying pictures"):
        preprocessing_of(entry(crop_size=None))


@pytest.mark.data
@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("resnet18", "resnet18"),
        ("ResNet50_Weights.IMAGENET1K_V1", "resnet50"),
        ("efficientnet_b1/IMAGENET1K_V2", "efficientnet_b1"),
        ("googlenet", "googlenet"),
    ],
)
def test_scores_are_torchvisions(tmp_path: Path, rest: str, name: str) -> None:
    """Our decoding, geometry, numbers and forward against torchvision's transform and forward."""
    torch = pytest.importorskip("torch", reason="needs torch")
    reason = "needs torchvision"
    library = pytest.importorskip("torchvision.models", reason=reason, exc_type=ImportError)
    from PIL import Image

    from heldout.images.decode import decode
    from heldout.images.geometry import fit
    from heldout.models import adapters

    torch.manual_seed(0)
    more = {"init_weights": True, "transform_input": True} if name == "googlenet" else {}
    module = library.get_model(name, weights=None, **more).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    entries = library.get_model_weights(name)
    tag = rest.replace("/", ".").partition(".")[2] or "DEFAULT"
    transform = entries[tag].transforms()
    files = sorted(published("imagenet-samples").glob("*.JPEG"))[::25]
    model = adapters.load(f"torchvision:{rest}?checkpoint={tmp_path}/w.pt", Placement("cpu"))
    geometry = model.about.preprocessing.geometry
    assert geometry is not None
    ours = model.scores(np.stack([fit(decode(f.read_bytes()), geometry) for f in files]))
    with torch.inference_mode():
        theirs = module(torch.stack([transform(Image.open(f).convert("RGB")) for f in files]))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4 * float(theirs.std()))
    assert (model.about.name, model.about.space) == (f"{name}-w", "imagenet-1k")


def test_names_that_torchvision_does_not_have() -> None:
    """Near matches among models, entries and weights."""
    pytest.importorskip("torchvision", reason="needs torchvision", exc_type=ImportError)
    from heldout.models import adapters

    for rest, words in [
        ("resnet5", "Did you mean 'resnet50'"),
        ("resnet50/IMAGENET1K_V3", "Did you mean 'IMAGENET1K_V2'"),
        ("ResNet5_Weights.IMAGENET1K_V1", "Did you mean 'ResNet50_Weights'"),
    ]:
        with pytest.raises(NotFound, match=words):
            adapters.load(f"torchvision:{rest}")
