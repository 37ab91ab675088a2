"""open_clip: a small random CLIP of the real package against its own zero-shot classifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.decode import decode
from heldout.images.geometry import Geometry, fit
from heldout.models import adapters
from heldout.models.classifier import Placement
from realdata import published

CPU = Placement(device="cpu", threads=1)
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture
def open_clip() -> Any:
    pytest.importorskip("torch", reason="needs torch")
    reason = "needs open_clip with a torchvision that fits torch"
    return pytest.importorskip("open_clip", reason=reason, exc_type=(ImportError, RuntimeError))


def folder(path: Path, settings: dict[str, Any] | None = None, **see: Any) -> Path:
    """A CLIP with random weights, saved as open_clip reads a local folder."""
    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    config = {**CONFIG, **(settings or {})}
    path.mkdir()
    torch.manual_seed(1)
    model = CLIP(**json.loads(json.dumps(config)))
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(state, str(path / "open_clip_model.safetensors"))
    says = {"model_cfg": config, "preprocess_cfg": see}
    (path / "open_clip_config.json").write_text(json.dumps(says), encoding="utf-8")
    return path


@pytest.mark.data
@pytest.mark.parametrize(
    ("settings", "see"),
    [
        ({}, {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}),
        ({"init_logit_bias": -10, "init_logit_scale": 2.3}, {"resize_mode": "squash"}),
        ({"quick_gelu": True}, {"interpolation": "bilinear"}),
    ],
)
def test_scores_are_those_of_the_package(
    open_clip: Any, tmp_path: Path, settings: dict[str, Any], see: dict[str, Any]
) -> None:
    import torch

    where = folder(tmp_path / "clip", settings, **see)
    names = ["cat", "dog", "guinea pig", "sports car"]
    templates = ["a photo of a {}.", "a drawing of the {}.", "{}"]
    (tmp_path / "templates.txt").write_text("\n".join([*templates, ""]), encoding="utf-8")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{where}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{where}")
    model.eval()
    head = open_clip.build_zero_shot_classifier(model, tokenizer, names, templates)
    files = sorted(published("imagenet-samples").glob("*.JPEG"))[:8]
    photos = [decode(f.read_bytes()) for f in files]
    with torch.inference_mode():
        features = model.encode_image(torch.stack([transform(p) for p in photos]), normalize=True)
        expected = model.logit_scale.exp() * features @ head
        if model.logit_bias is not None:
            expected = expected + model.logit_bias
    uri = f"open_clip:{where}?classes={','.join(names)}&templates={tmp_path / 'templates.txt'}"
    ours = adapters.load(uri, CPU)
    geometry = ours.about.preprocessing.geometry
    assert geometry is not None
    found = ours.scores(np.stack([fit(p, geometry) for p in photos]))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    assert np.ptp(expected.numpy(), axis=1).min() > 0.01
    about = ours.about
    assert (about.name, about.classes, about.outputs) == ("clip", tuple(names), 4)
    assert about.metadata["templates"] == 3
    assert about.score_kind == "logits"
    assert about.parameters == sum(p.numel() for p in model.parameters())


def test_the_hash_knows_names_and_templates(open_clip: Any, tmp_path: Path) -> None:
    where = folder(tmp_path / "clip")
    (tmp_path / "t.txt").write_text("a {} of old\n", encoding="utf-8")

    def digest(options: str) -> str:
        return adapters.load(f"open_clip:{where}?{options}", CPU).about.weights

    one = digest("classes=cat,dog")
    assert one == digest("classes=cat,dog&templates=plain")
    others = {digest("classes=cat,cow"), digest(f"classes=cat,dog&templates={tmp_path / 't.txt'}")}
    assert len(others | {one}) == 3


def test_imagenet_has_the_names_and_templates_of_the_package(
    open_clip: Any, tmp_path: Path
) -> None:
    from heldout.models.open_clip_models import _texts

    names, templates = _texts(open_clip, {"space": "imagenet-1k"})
    assert names == tuple(open_clip.IMAGENET_CLASSNAMES)
    assert len(templates) == 80
    assert templates[0]("tench") == "a bad photo of a tench."
    where = folder(tmp_path / "clip")
    about = adapters.load(f"open_clip:{where}?space=imagenet-1k&templates=plain", CPU).about
    assert (about.outputs, about.space, about.classes) == (1000, "imagenet-1k", None)
    assert about.preprocessing.geometry == Geometry(32, (32, 32))
    cifar = adapters.load(f"open_clip:{where}?space=cifar10", CPU).about
    assert (cifar.outputs, cifar.space) == (10, "cifar10")


def test_a_checkpoint_of_a_named_model(open_clip: Any, tmp_path: Path) -> None:
    import torch

    open_clip.add_model_config(_config(tmp_path))
    torch.manual_seed(2)
    made = open_clip.create_model("tiny-held", pretrained=None)
    torch.save({"state_dict": made.state_dict()}, tmp_path / "mine.pt")
    uri = f"open_clip:tiny-held?classes=cat,dog&checkpoint={tmp_path / 'mine.pt'}"
    model = adapters.load(uri, CPU)
    assert model.about.name == "mine"
    assert model.scores(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 2)
    with pytest.raises(BadInput, match="There is no file"):
        adapters.load("open_clip:tiny-held?classes=cat,dog&checkpoint=none.pt", CPU)
    with pytest.raises(BadInput, match="give one of them"):
        adapters.load(uri.replace("held?", "held/openai?"), CPU)
    with pytest.raises(BadInput, match="does not say which weights: there are none"):
        adapters.load("open_clip:tiny-held?classes=cat,dog", CPU)
    torch.save({"state_dict": {"visual.x": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(BadInput, match="cannot load"):
        adapters.load(uri.replace("mine.pt", "other.pt"), CPU)


def _config(path: Path) -> Path:
    (path / "tiny-held.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return path / "tiny-held.json"


def test_names_and_tags_are_checked(open_clip: Any) -> None:
    with pytest.raises(NotFound, match="Did you mean 'ViT-B-32'"):
        adapters.load("open_clip:ViT-B32/openai?classes=cat,dog", CPU)
    with pytest.raises(NotFound, match="Did you mean 'laion2b_s34b_b79k'"):
        adapters.load("open_clip:ViT-B-32/laion2b_s34b_b79?classes=cat,dog", CPU)
    with pytest.raises(BadInput, match=r"which weights: openai, .*Write open_clip:ViT-B-32/TAG"):
        adapters.load("open_clip:ViT-B-32?classes=cat,dog", CPU)


def test_weights_that_need_quick_gelu_get_it(open_clip: Any) -> None:
    from heldout.models.open_clip_models import _registered

    notes: list[str] = []
    assert _registered(open_clip, "ViT-B-32/openai", "", notes) == (
        *("ViT-B-32", "openai"),
        {"force_quick_gelu": True},
    )
    assert len(notes) == 1
    assert _registered(open_clip, "ViT-B-32/laion2b_s34b_b79k", "", notes)[2] == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "needs the names of the classes"),
        ("?classes=imagenet-1k", "say space=imagenet-1k"),
        ("?classes=a,b&templates=none.txt", "templates=none.txt is neither"),
        ("?classes=a,b&templates={}", "this one has not: 'no place'"),
    ],
)
def test_texts_are_checked(open_clip: Any, tmp_path: Path, options: str, words: str) -> None:
    (tmp_path / "t.txt").write_text("a {}\nno place\n", encoding="utf-8")
    uri = f"open_clip:ViT-B-32/openai{options.format(tmp_path / 't.txt')}"
    with pytest.raises(BadInput, match=words):
        adapters.load(uri, CPU)


def test_a_resize_that_cannot_be_said() -> None:
    from heldout.models.open_clip_models import preprocessing_of

    config = {"size": (32, 32), "mean": 0.5, "std": (0.5, 0.5, 0.4), "resize_mode": "longest"}
    with pytest.raises(BadInput, match="resize_mode longest"):
        preprocessing_of(config, "x", {})
    said = preprocessing_of(config, "x", {"resize": "32x32"})
    assert (said.geometry, said.mean, said.std) == (None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.4))


def test_without_the_package_the_extra_is_named() -> None:
    try:
        import open_clip  # noqa: F401
    except ImportError:
        with pytest.raises(BadInput, match=r"pip install 'heldout\[open_clip\]'"):
            adapters.load("open_clip:ViT-B-32/openai?classes=a,b", CPU)
    else:
        pytest.skip("open_clip is installed")
