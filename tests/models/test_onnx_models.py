"""ONNX files: against torch on real pictures, without torch, and every kind of input."""

from __future__ import annotations

import hashlib
import subprocess
import sys
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
from realdata import published

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")
from models import make_onnx

CPU = Placement(device="cpu", threads=1)


def pictures(n: int, side: int = 4) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (n, side, side, 3), np.uint8)


def by_hand(images: NDArray[np.uint8], classes: int = 5) -> NDArray[np.float64]:
    """What `make_onnx.linear` computes on x/255, channels first."""
    flat = (images / 255.0).transpose(0, 3, 1, 2).reshape(len(images), -1)
    matrix = np.random.default_rng(7).normal(size=(flat.shape[1], classes))
    return np.asarray(flat @ matrix.astype(np.float32))


def cifar(n_a_class: int) -> NDArray[np.uint8]:
    root = published("cifar10-test-png")
    files = [
        f for c in sorted(root.iterdir()) if c.is_dir() for f in sorted(c.iterdir())[:n_a_class]
    ]
    return np.stack([fit(decode(f.read_bytes()), Geometry(32, (32, 32))) for f in files])


@pytest.mark.data
def test_resnet_20_agrees_with_torch_on_real_pictures(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch to export")
    checkpoint = published("cifar10-resnets") / "resnet20-12fca82f.th"
    images = cifar(50)
    assert len(images) == 500
    expected = adapters.load(f"cifar-resnet:20?checkpoint={checkpoint}", CPU).scores(images)
    file = make_onnx.resnet(checkpoint, tmp_path / "resnet20.onnx")
    model = adapters.load(f"onnx:{file}", CPU)
    found = model.scores(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found.argmax(1) == expected.argmax(1)).all()
    right = (found.argmax(1) == np.repeat(np.arange(10), 50)).sum()
    assert 440 <= right <= 475  # 9,173 of all 10,000
    about = model.about
    assert about.space == "cifar10"
    assert about.classes is not None
    assert about.classes[3] == "cat"
    assert about.score_kind == "logits"
    assert about.preprocessing.geometry == Geometry(32, (32, 32))
    assert about.preprocessing.std == (0.229, 0.224, 0.225)
    assert about.weights == hashlib.sha256(file.read_bytes()).hexdigest()
    assert about.parameters is not None
    assert 268_000 < about.parameters < 272_000  # batch norm is folded in: 269,722 learnable
    fixed = make_onnx.resnet(checkpoint, tmp_path / "fixed.onnx", batch=64)
    np.testing.assert_allclose(adapters.load(f"onnx:{fixed}", CPU).scores(images), found, atol=1e-4)


@pytest.mark.data
def test_options_say_what_an_unlabelled_file_does_not(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch to export")
    checkpoint = published("cifar10-resnets") / "resnet20-12fca82f.th"
    plain = make_onnx.resnet(checkpoint, tmp_path / "plain.onnx", labelled=False)
    labelled = make_onnx.resnet(checkpoint, tmp_path / "labelled.onnx")
    images = cifar(2)
    names = tmp_path / "classes.txt"
    names.write_text("\n".join("abcdefghij"), encoding="utf-8")
    said = adapters.load(f"onnx:{plain}?size=32&mean=imagenet&classes={names}", CPU)
    expected = adapters.load(f"onnx:{labelled}", CPU).scores(images)
    np.testing.assert_allclose(said.scores(images), expected, atol=1e-5)
    assert said.about.classes == tuple("abcdefghij")
    assert said.about.notes == ()
    unsaid = adapters.load(f"onnx:{plain}", CPU)
    assert abs(unsaid.scores(images) - expected).max() > 1
    assert any("x/255" in note for note in unsaid.about.notes)
    assert any("resized" in note for note in unsaid.about.notes)


WITHOUT_TORCH = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name == "torch" or name.startswith("torch."):
            raise ImportError("torch is not to be had")
if sys.argv[2] == "impossible":
    sys.meta_path.insert(0, Forbidden())
import io
import numpy as np
from PIL import Image
from heldout.images.decode import decode
from heldout.images.geometry import fit
from heldout.models import adapters
model = adapters.load(sys.argv[1] + "?mean=imagenet&classes=a,b,c,d,e")
file = io.BytesIO()
Image.fromarray(np.arange(600, dtype=np.uint8).reshape(10, 20, 3)).save(file, "PNG")
picture = fit(decode(file.getvalue()), model.about.preprocessing.geometry)
scores = model.scores(picture[None])
assert scores.shape == (1, 5) and np.isfinite(scores).all() and model.about.parameters == 240
assert "torch" not in sys.modules, "torch was imported"
print("fine")
"""


@pytest.mark.parametrize("torch", ["absent from sys.modules", "impossible"])
def test_torch_is_not_needed(tmp_path: Path, torch: str) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx")
    command = [sys.executable, "-c", WITHOUT_TORCH, f"onnx:{file}", torch]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_a_fixed_batch_is_filled_up_and_cut(tmp_path: Path, n: int) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", (4, 3, 4, 4))
    images = pictures(n)
    scores = adapters.load(f"onnx:{file}", CPU).scores(images)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, by_hand(images), atol=1e-5)


def test_no_pictures_give_no_rows(tmp_path: Path) -> None:
    model = adapters.load(f"onnx:{make_onnx.linear(tmp_path / 'net.onnx')}", CPU)
    assert model.scores(pictures(0)).shape == (0, 5)


def test_channels_last_is_read_from_the_shape(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ("n", 4, 4, 3))
    images = pictures(3)
    flat = (images / 255.0).reshape(3, -1)
    expected = flat @ np.random.default_rng(7).normal(size=(48, 5))
    np.testing.assert_allclose(
        adapters.load(f"onnx:{file}", CPU).scores(images), expected, atol=1e-5
    )


def test_whole_pixels_go_in_as_they_are(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ("n", 4, 4, 3), kind="UINT8")
    images = pictures(3)
    expected = images.reshape(3, -1).astype(float) @ np.random.default_rng(7).normal(size=(48, 5))
    model = adapters.load(f"onnx:{file}?mean=imagenet", CPU)
    np.testing.assert_allclose(model.scores(images), expected, rtol=1e-5, atol=1e-2)
    assert any("uint8" in note for note in model.about.notes)


@pytest.mark.parametrize(("kind", "tolerance"), [("FLOAT16", 5e-3), ("DOUBLE", 1e-5)])
def test_other_number_types(tmp_path: Path, kind: str, tolerance: float) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", kind=kind)
    images = pictures(3)
    found = adapters.load(f"onnx:{file}", CPU).scores(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(images), atol=tolerance)


def test_grey_pictures(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ("n", 1, 4, 4))
    grey = np.repeat(pictures(3)[..., :1], 3, axis=3)
    flat = (grey[..., 0] / 255.0).reshape(3, -1)
    expected = flat @ np.random.default_rng(7).normal(size=(16, 5))
    model = adapters.load(f"onnx:{file}", CPU)
    assert model.about.preprocessing.channels == "L"
    np.testing.assert_allclose(model.scores(grey), expected, atol=1e-5)
    with pytest.raises(BadInput, match="channels=L"):
        adapters.load(f"onnx:{file}?channels=RGB&mean=0&std=1", CPU)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [("", "logits"), ("Softmax", "probabilities"), ("LogSoftmax", "log-probabilities")],
)
def test_what_the_scores_are_is_found_out(tmp_path: Path, ends: str, kind: str) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ends=ends)
    assert adapters.load(f"onnx:{file}", CPU).about.score_kind == kind


def test_sigmoids_are_no_probabilities(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ends="Sigmoid")
    about = adapters.load(f"onnx:{file}", CPU).about
    assert about.score_kind == "scores"
    assert any("between 0 and 1" in note for note in about.notes)
    assert adapters.load(f"onnx:{file}?scores=logits", CPU).about.score_kind == "logits"


def test_several_outputs_have_to_be_chosen_from(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", extra_output=True)
    with pytest.raises(BadInput, match=r"2 outputs \(scores: .*label: .*output=scores"):
        adapters.load(f"onnx:{file}", CPU)
    with pytest.raises(NotFound, match="Did you mean 'scores'"):
        adapters.load(f"onnx:{file}?output=score", CPU)
    images = pictures(2)
    found = adapters.load(f"onnx:{file}?output=scores", CPU).scores(images)
    np.testing.assert_allclose(found, by_hand(images), atol=1e-5)
    with pytest.raises(BadInput, match=r"shape \(2,\)"):
        adapters.load(f"onnx:{file}?output=label", CPU)


def test_a_size_left_open_has_to_be_said(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ("n", 3, "h", "w"))
    with pytest.raises(BadInput, match=r"any size.*size=224"):
        adapters.load(f"onnx:{file}", CPU)
    model = adapters.load(f"onnx:{file}?size=6", CPU)
    assert model.about.preprocessing.geometry == Geometry(6, (6, 6))
    assert model.scores(pictures(2, 6)).shape == (2, 5)


def test_a_layout_left_open_has_to_be_said(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", ("n", "x", "y", "z"))
    with pytest.raises(BadInput, match="layout=NCHW"):
        adapters.load(f"onnx:{file}?size=6", CPU)
    assert adapters.load(f"onnx:{file}?size=6&layout=nchw", CPU).about.outputs == 5
    named = make_onnx.linear(tmp_path / "named.onnx", ("n", "num_channels", "height", "width"))
    assert adapters.load(f"onnx:{named}?size=6", CPU).about.outputs == 5


def test_a_size_that_the_file_does_not_take(tmp_path: Path) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx")
    with pytest.raises(BadInput, match=r"4 pixels high.*size=4"):
        adapters.load(f"onnx:{file}?size=8", CPU)
    wide = adapters.load(f"onnx:{make_onnx.linear(tmp_path / 'w.onnx', ('n', 3, 4, 6))}", CPU)
    assert wide.about.preprocessing.geometry == Geometry((4, 6))


@pytest.mark.parametrize(
    ("says", "mean", "std", "scale", "channels"),
    [
        ({"mean": "[0.4, 0.5, 0.6]", "std": "[0.2, 0.2, 0.2]"}, 0.4, 0.2, 1 / 255, "RGB"),
        ({"mean": "[102, 127.5, 153]", "std": "[51, 51, 51]"}, 0.4, 0.2, 1 / 255, "RGB"),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, 0.0, 1.0, 1.0, "RGB"),
        (
            {"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"},
            *(0.5, 0.5, 1 / 255, "BGR"),
        ),
    ],
)
def test_common_metadata_is_read(
    tmp_path: Path, says: dict[str, str], mean: float, std: float, scale: float, channels: str
) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", says=says)
    found = adapters.load(f"onnx:{file}", CPU).about.preprocessing
    assert (found.mean[0], found.std[0]) == pytest.approx((mean, std))
    assert (found.scale, found.channels) == (scale, channels)
    assert "metadata" in found.origin


@pytest.mark.parametrize(
    "says",
    [
        {"names": "{0: 'ant', 1: 'bee', 10: 'elk', 2: 'cat', 3: 'dog'}"},
        {"classes": '["ant", "bee", "cat", "dog", "elk"]'},
        {"labels": "ant,bee, cat,dog,elk"},
    ],
)
def test_class_names_in_the_metadata(tmp_path: Path, says: dict[str, str]) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx", says=says)
    assert adapters.load(f"onnx:{file}", CPU).about.classes == ("ant", "bee", "cat", "dog", "elk")


def test_class_names_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    about = adapters.load(
        f"onnx:{make_onnx.linear(tmp_path / 'net.onnx', says={'names': 'a,b'})}", CPU
    ).about
    assert about.classes is None
    assert any("'names' does not name 5" in note for note in about.notes)


def test_the_hash_covers_external_data(tmp_path: Path) -> None:
    def digest(seed: int, folder: str) -> tuple[str, Any]:
        where = tmp_path / folder
        where.mkdir()
        file = make_onnx.linear(
            where / "net.onnx",
            external="net.onnx.data",
            weights=lambda f, c: np.random.default_rng(seed).normal(size=(f, c)),
        )
        model = adapters.load(f"onnx:{file}", CPU)
        assert (where / "net.onnx.data").is_file()
        size = file.stat().st_size + (where / "net.onnx.data").stat().st_size
        assert model.about.bytes == size
        assert model.about.parameters == 240
        return model.about.weights, model.scores(pictures(2))

    one, again, other = digest(1, "one"), digest(1, "again"), digest(2, "other")
    assert one[0] == again[0] != other[0]
    assert abs(one[1] - other[1]).max() > 0.01


def test_files_that_are_no_onnx_models(tmp_path: Path) -> None:
    for name, content in (("text.onnx", b"no model"), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match="is not an ONNX model that onnxruntime"):
            adapters.load(f"onnx:{tmp_path / name}", CPU)
    whole = make_onnx.linear(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="is not an ONNX model that onnxruntime"):
        adapters.load(f"onnx:{tmp_path / 'cut.onnx'}", CPU)
    with pytest.raises(BadInput, match="There is no file"):
        adapters.load(f"onnx:{tmp_path / 'none.onnx'}", CPU)
    with pytest.raises(BadInput, match=r"is a folder.*It holds cut\.onnx"):
        adapters.load(f"onnx:{tmp_path}", CPU)


def test_pictures_of_another_size_name_the_shape(tmp_path: Path) -> None:
    model = adapters.load(f"onnx:{make_onnx.linear(tmp_path / 'net.onnx')}", CPU)
    with pytest.raises(BadInput, match=r"shape \(2, 3, 5, 5\)"):
        model.scores(pictures(2, 5))


def test_devices_and_precisions_that_cannot_be_had(tmp_path: Path) -> None:
    import onnxruntime

    file = make_onnx.linear(tmp_path / "net.onnx")
    with pytest.raises(BadInput, match="auto, cpu or cuda"):
        adapters.load(f"onnx:{file}", Placement(device="mps"))
    with pytest.raises(BadInput, match="float32 here"):
        adapters.load(f"onnx:{file}", Placement(device="cpu", precision="bfloat16"))
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(BadInput, match="onnxruntime-gpu"):
            adapters.load(f"onnx:{file}", Placement(device="cuda"))
        about = adapters.load(f"onnx:{file}", Placement()).about
        assert about.metadata["provider"] == "CPUExecutionProvider"


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Did you mean 'layout'"):
        adapters.load(f"onnx:{make_onnx.linear(tmp_path / 'net.onnx')}?layouts=NCHW", CPU)


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadInput, match=r"pip install 'heldout\[onnx\]'"):
        adapters.load(f"onnx:{file}", CPU)


def test_parameters_are_not_known_without_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_onnx.linear(tmp_path / "net.onnx")
    assert adapters.load(f"onnx:{file}", CPU).about.parameters == 240
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert adapters.load(f"onnx:{file}", CPU).about.parameters is None


def test_a_batch_that_is_only_said_to_be_open(tmp_path: Path) -> None:
    import onnx

    file = make_onnx.linear(tmp_path / "net.onnx", (1, 3, 4, 4))
    model = onnx.load(str(file))
    flat = next(n for n in model.graph.node if n.op_type == "Flatten")
    shape = onnx.numpy_helper.from_array(np.array([1, 48], np.int64), "one_row")
    model.graph.initializer.append(shape)
    flat.CopyFrom(onnx.helper.make_node("Reshape", ["real", "one_row"], ["flat"]))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(model, str(file))
    loaded = adapters.load(f"onnx:{file}", CPU)
    assert any("one picture at a time" in note for note in loaded.about.notes)
    images = pictures(3)
    np.testing.assert_allclose(loaded.scores(images), by_hand(images), atol=1e-5)
