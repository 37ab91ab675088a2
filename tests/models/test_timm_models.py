"""timm: the preprocessing of published cfgs everywhere; its models where timm is installed.

Without a network there are no published weights, so models are compared with timm's own transform
and forward on weights made here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.geometry import Geometry
from heldout.models.classifier import Placement
from heldout.models.preprocessing import NORMS
from heldout.models.timm_models import preprocessing_of
from realdata import published

# pretrained_cfg of timm 1.0.31, what evaluation reads of them.
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RESNET50 = {
    "input_size": (3, 224, 224),
    "test_input_size": (3, 288, 288),
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "test_crop_pct": 1.0,
    "crop_mode": "center",
    **IMAGENET,
    "num_classes": 1000,
}
TV_RESNET50 = {
    "input_size": (3, 224, 224),
    "interpolation": "bilinear",
    "crop_pct": 0.875,
    "crop_mode": "center",
    **IMAGENET,
}
VIT = {
    "input_size": (3, 224, 224),
    "fixed_input_size": True,
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "center",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}
CONVNEXT_384 = {
    "input_size": (3, 384, 384),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "squash",
    **IMAGENET,
}
NFNET = {
    "input_size": (3, 192, 192),
    "test_input_size": (3, 256, 256),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "squash",
    **IMAGENET,
}
INCEPTION = {
    "input_size": (3, 299, 299),
    "interpolation": "bicubic",
    "crop_pct": 0.8975,
    "crop_mode": "center",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}


@pytest.mark.parametrize(
    ("config", "test_size", "geometry", "norm"),
    [
        (RESNET50, False, Geometry(235, (224, 224)), "imagenet"),
        (RESNET50, True, Geometry(288, (288, 288)), "imagenet"),
        (TV_RESNET50, False, Geometry(256, (224, 224), "bilinear"), "imagenet"),
        (TV_RESNET50, True, Geometry(256, (224, 224), "bilinear"), "imagenet"),
        (VIT, False, Geometry(248, (224, 224)), "half"),
        (CONVNEXT_384, False, Geometry((384, 384), (384, 384)), "imagenet"),
        (NFNET, True, Geometry((284, 284), (256, 256)), "imagenet"),
        (INCEPTION, False, Geometry(333, (299, 299)), "half"),
        ({}, False, Geometry(256, (224, 224)), "imagenet"),
    ],
)
def test_published_cfgs(
    config: dict[str, Any], test_size: bool, geometry: Geometry, norm: str
) -> None:
    """Sides divided by crop_pct and rounded down; squash resizes both; defaults as in timm."""
    made = preprocessing_of(config, test_size)
    assert made.geometry == geometry
    assert (made.mean, made.std) == NORMS[norm]
    assert made.scale == 1 / 255
    assert "pretrained_cfg" in made.origin


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crop_mode": "border"}, "crop_mode 'border'"),
        ({"input_size": (3, 1024, 768)}, "1024 x 768"),
        ({"input_size": (4, 224, 224)}, "4 channels"),
    ],
)
def test_what_cannot_be_expressed(change: dict[str, Any], words: str) -> None:
    """Refused, not approximated."""
    with pytest.raises(BadInput, match=words):
        preprocessing_of({**RESNET50, **change})


def test_grey_models() -> None:
    """One channel in means luma with one mean."""
    made = preprocessing_of({"input_size": (1, 28, 28), "mean": (0.1307,), "std": (0.3081,)})
    assert (made.channels, made.mean, made.std) == ("L", (0.1307,), (0.3081,))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18.a1_in1k", ""),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", ""),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "&size=384"),
        ("convnext_atto.d2_in1k", ""),
        ("tf_efficientnetv2_b3.in21k_ft_in1k", "&test_size=yes"),
    ],
)
def test_scores_are_timms(tmp_path: Path, name: str, options: str) -> None:
    """Our decoding, geometry, numbers and forward against timm's transform and forward."""
    torch = pytest.importorskip("torch", reason="needs torch")
    timm = pytest.importorskip("timm", reason="needs timm", exc_type=ImportError)
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config

    from heldout.images.decode import decode
    from heldout.images.geometry import fit
    from heldout.models import adapters

    torch.manual_seed(0)
    size = {"img_size": 384} if "size=384" in options else {}
    module = timm.create_model(name, pretrained=False, **size).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    config = resolve_model_data_config(module, use_test_size="test_size" in options)
    if size:
        config["input_size"] = (3, 384, 384)
    transform = create_transform(**config, is_training=False)
    files = sorted(published("imagenet-samples").glob("*.JPEG"))[::25]
    model = adapters.load(f"timm:{name}?checkpoint={tmp_path}/w.pt{options}", Placement("cpu"))
    geometry = model.about.preprocessing.geometry
    assert geometry is not None
    ours = model.scores(np.stack([fit(decode(f.read_bytes()), geometry) for f in files]))
    with torch.inference_mode():
        batch = torch.stack([transform(Image.open(f).convert("RGB")) for f in files])
        theirs = module(batch).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * theirs.std())
    assert model.about.space == "imagenet-1k"
    assert model.about.classes is not None
    assert model.about.classes[0] == "n01440764"


def test_names_that_timm_does_not_have() -> None:
    """Near matches among models and tags."""
    pytest.importorskip("timm", reason="needs timm", exc_type=ImportError)
    from heldout.models import adapters

    with pytest.raises(NotFound, match="Did you mean 'resnet50'"):
        adapters.load("timm:resnet5")
    with pytest.raises(NotFound, match="Did you mean 'a1_in1k'"):
        adapters.load("timm:resnet50.a1_in1")
    with pytest.raises(BadInput, match="goes with checkpoint"):
        adapters.load("timm:resnet50?num_classes=3")
