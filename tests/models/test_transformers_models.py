"""transformers: our pixels against its processors', small real networks, dead ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heldout.errors import BadInput, NotFound
from heldout.images.decode import decode
from heldout.images.geometry import Geometry, fit
from heldout.models import adapters
from heldout.models.classifier import Placement
from heldout.models.preprocessing import normalised
from realdata import published

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

CPU = Placement(device="cpu", threads=1)
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(autouse=True, scope="module")
def _offline() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        if "huggingface_hub.constants" in sys.modules:
            patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def photos() -> list[Any]:
    """Real photos: wide, tall, grey, smaller than the crop."""
    root = published("imagenet-samples")
    files = [*sorted(root.glob("*.JPEG"))[:6], root / "n01871265_tusker.JPEG"]
    return [decode(f.read_bytes()) for f in files]


def processor(name: str, **settings: Any) -> Any:
    import transformers

    made = getattr(transformers, f"{name}ImageProcessorPil", None)
    made = made or getattr(transformers, f"{name}ImageProcessor")
    return made(**settings)


def ours(record: dict[str, Any], photos: list[Any]) -> NDArray[np.float32]:
    from heldout.models.transformers_models import preprocessing_of

    how = preprocessing_of(record, "test", {})
    assert how.geometry is not None
    return normalised(how, np.stack([fit(p, how.geometry) for p in photos])).transpose(0, 3, 1, 2)


def even(photos: list[Any], resize: int, crop: int) -> list[Any]:
    """Those whose crop is the same in both roundings (see the module's docstring)."""

    def side(a: int, b: int) -> int:
        return int(resize * a / b)

    kept = []
    for p in photos:
        long = side(max(p.size), min(p.size))
        if (long - crop) % 4 != 3 and (resize - crop) % 4 != 3:
            kept.append(p)
    assert len(kept) >= 3
    return kept


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "settings", "resize", "crop"),
    [
        ("ViT", {}, 0, 0),
        ("ViT", {"size": {"height": 64, "width": 48}, "resample": 1}, 0, 0),
        ("ViT", {"do_normalize": False, "size": {"height": 40, "width": 40}}, 0, 0),
        ("DeiT", {}, 256, 224),
        ("CLIP", {}, 224, 224),
        ("Bit", {"size": {"shortest_edge": 448}, "resample": 2}, 448, 224),
        ("Beit", {}, 0, 0),
        ("Siglip", {}, 0, 0),
        ("MobileNetV2", {}, 256, 224),
        ("ConvNext", {"size": {"shortest_edge": 224}}, 256, 224),
        ("ConvNext", {"size": {"shortest_edge": 224}, "crop_pct": 0.95}, 235, 224),
        ("ConvNext", {"size": {"shortest_edge": 384}}, 0, 0),
        ("Levit", {}, 256, 224),
        ("PoolFormer", {"crop_pct": 0.9}, 248, 224),
        ("EfficientNet", {}, 0, 0),
        ("EfficientNet", {"rescale_offset": True, "rescale_factor": 1 / 127.5}, 0, 0),
        ("MobileViT", {"size": {"shortest_edge": 288}}, 288, 256),
        ("MobileViT", {"do_flip_channel_order": False}, 0, 0),
    ],
)
def test_pixels_are_those_of_the_processor(
    photos: list[Any], name: str, settings: dict[str, Any], resize: int, crop: int
) -> None:
    theirs = processor(name, **settings)
    some = photos
    if name == "ConvNext" and resize == 235:
        # 11 pixels are left over on the shorter side: one pixel apart, as the docstring says.
        some, crop = photos[:3], 0
    if crop:
        some = even(photos, resize, crop)
    if name == "MobileViT" and not resize:
        some = [p for p in photos if min(p.size) < 224][:1] or photos[:1]
        some = [p.resize((224, 224)) for p in some]
    expected = theirs(images=[np.asarray(p) for p in some], return_tensors="np")["pixel_values"]
    found = ours(theirs.to_dict(), some)
    assert found.shape == expected.shape
    if name == "ConvNext" and resize == 235:
        assert abs(found - expected).max() > 0.1
        np.testing.assert_allclose(found[:, :, :-1, :-4], moved(found, expected), atol=1e-5)
        return
    np.testing.assert_allclose(found, expected, atol=1e-5)


def moved(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """`expected` one row further, and as many columns further as fits `found`."""
    down = expected[:, :, 1:]
    rows = []
    for mine, other in zip(found, down, strict=True):
        far = [abs(mine[:, :-1, :-4] - other[:, :, k : k + 220]).max() for k in range(2)]
        k = int(np.argmin(far))
        rows.append(other[:, :, k : k + 220])
    return np.stack(rows)


def test_processors_with_other_steps_are_refused() -> None:
    from heldout.models.transformers_models import preprocessing_of

    record = processor("Perceiver").to_dict()
    with pytest.raises(BadInput, match=r"does not know \(PerceiverImageProcessor"):
        preprocessing_of(record, "deepmind/perceiver", {})
    said = preprocessing_of(record, "deepmind/perceiver", {"resize": "224"})
    assert said.geometry is None
    assert said.mean == (0.485, 0.456, 0.406)


def network(kind: str, folder: Path, **settings: Any) -> Any:
    """A small network of the real library with random weights, saved to a folder."""
    import transformers

    torch.manual_seed(0)
    made, small = {
        "vit": (transformers.ViTConfig, VIT),
        "resnet": (
            transformers.ResNetConfig,
            {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        ),
        "convnext": (
            transformers.ConvNextConfig,
            {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]},
        ),
    }[kind]
    config = made(**small, **settings)
    model = transformers.AutoModelForImageClassification.from_config(config).eval()
    bars = transformers.utils.logging
    bars.disable_progress_bar()
    model.save_pretrained(folder)
    bars.enable_progress_bar()
    return model


@pytest.mark.data
@pytest.mark.parametrize(
    ("kind", "eyes", "settings"),
    [
        ("vit", "ViT", {"size": {"height": 32, "width": 32}}),
        ("resnet", "ConvNext", {"size": {"shortest_edge": 56}}),
        ("convnext", "ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 1.0}),
    ],
)
def test_networks_answer_as_in_the_library(
    tmp_path: Path, photos: list[Any], kind: str, eyes: str, settings: dict[str, Any]
) -> None:
    names = {i: f"thing {i}" for i in range(7)}
    theirs = network(
        kind, tmp_path / "tiny", id2label=names, label2id={v: k for k, v in names.items()}
    )
    seeing = processor(eyes, **settings)
    seeing.save_pretrained(tmp_path / "tiny")
    some = [p.resize((96, 64)) for p in photos]
    pixels = seeing(images=[np.asarray(p) for p in some], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = theirs(pixel_values=pixels).logits.numpy()
    model = adapters.load(f"transformers:{tmp_path / 'tiny'}", CPU)
    geometry = model.about.preprocessing.geometry
    assert geometry is not None
    found = model.scores(np.stack([fit(p, geometry) for p in some]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the pictures do make a difference
    about = model.about
    assert about.name == "tiny"
    assert about.classes == tuple(names.values())
    assert about.score_kind == "logits"
    assert about.parameters == sum(p.numel() for p in theirs.parameters())
    assert about.metadata["architecture"] == type(theirs).__name__
    assert f"{eyes}ImageProcessor" in about.preprocessing.origin
    assert set(about.versions) == {"torch", "transformers"}


def test_labels_without_meaning_and_options(tmp_path: Path) -> None:
    network("vit", tmp_path, num_labels=10)
    processor("ViT", size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    about = adapters.load(f"transformers:{tmp_path}", CPU).about
    assert about.classes is None
    assert about.outputs == 10
    changed = adapters.load(f"transformers:{tmp_path}?mean=imagenet&space=cifar10&name=m", CPU)
    assert changed.about.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (changed.about.space, changed.about.name) == ("cifar10", "m")
    with pytest.raises(NotFound, match="Did you mean 'revision'"):
        adapters.load(f"transformers:{tmp_path}?revison=main", CPU)


def test_imagenet_is_known_by_its_names() -> None:
    from transformers import PreTrainedConfig

    from heldout.models.transformers_models import _classes

    names = {i: f"c{i}" for i in range(1000)}
    named = {0: "tench, Tinca tinca", 1: "goldfish, Carassius auratus"}
    ends = {2: "great white shark, white shark", 999: "toilet tissue, toilet paper"}
    config = PreTrainedConfig(id2label={**names, **named, **ends})
    classes, space = _classes(config)
    assert space == "imagenet-1k"
    assert classes is not None
    assert classes[999] == "toilet tissue, toilet paper"
    assert _classes(PreTrainedConfig(id2label=names)) == (tuple(names.values()), None)
    assert _classes(PreTrainedConfig(id2label={0: "a", 1: "a"})) == (None, None)


def test_a_folder_without_a_processor_needs_options(tmp_path: Path) -> None:
    network("vit", tmp_path, num_labels=3)
    with pytest.raises(BadInput, match=r"preprocessor_config\.json.*Say what it does"):
        adapters.load(f"transformers:{tmp_path}", CPU)
    about = adapters.load(f"transformers:{tmp_path}?size=32&mean=half", CPU).about
    assert about.preprocessing.geometry == Geometry(32, (32, 32))
    assert about.preprocessing.mean == (0.5, 0.5, 0.5)
    assert len(about.notes) == 1


def test_a_backbone_without_a_head_is_refused(tmp_path: Path) -> None:
    import transformers

    network("vit", tmp_path / "whole")
    bars = transformers.utils.logging
    bars.disable_progress_bar()
    transformers.ViTModel.from_pretrained(
        tmp_path / "whole", add_pooling_layer=False
    ).save_pretrained(tmp_path / "bare")
    bars.enable_progress_bar()
    with pytest.raises(BadInput, match=r"lacks 2 of the weights.*classifier\.bias"):
        adapters.load(f"transformers:{tmp_path / 'bare'}?size=32", CPU)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no-such-model"])
def test_names_that_cannot_be_had(name: str) -> None:
    with pytest.raises(BadInput, match=rf"'{name}' is not a folder here, is not in the cache"):
        adapters.load(f"transformers:{name}", CPU)


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a folder that is here"):
        adapters.load(f"transformers:{tmp_path / 'none'}", CPU)
    with pytest.raises(BadInput, match=r"without a config\.json"):
        adapters.load(f"transformers:{tmp_path}", CPU)
    (tmp_path / "config.json").write_text('{"model_type": "vit"}', encoding="utf-8")
    with pytest.raises(BadInput, match="cannot be read"):
        adapters.load(f"transformers:{tmp_path}", CPU)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadInput, match=r"pip install 'heldout\[transformers\]'"):
        adapters.load("transformers:nobody/no-such-model", CPU)
