"""Torch modules as classifiers: what goes in, what comes out, and what is said when it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heldout.errors import BadInput
from heldout.models.classifier import OutOfMemory, Placement
from heldout.models.preprocessing import Preprocessing, normalised, with_options
from heldout.models.weights import weights_hash

torch = pytest.importorskip("torch", reason="needs torch")
CPU = Placement("cpu", threads=1)
AS_IS = Preprocessing(None)


def net() -> Any:
    """A small convolutional net with batch norm."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 5),
    )


def wrap(module: Any, how: Preprocessing = AS_IS, **more: Any) -> Any:
    from heldout.models.torch_classifier import TorchClassifier

    return TorchClassifier(module, how, CPU, name="m", **more)


@pytest.mark.parametrize("options", [{}, {"mean": "imagenet"}, {"channels": "BGR", "mean": "lite"}])
def test_a_module_sees_what_numpy_computes(options: dict[str, str]) -> None:
    """The input made on the device equals `normalised`, to the bit; scores follow from it."""
    seen = []

    class Spy(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            seen.append(x.clone())
            return x.mean((2, 3))

    how = with_options(AS_IS, options)
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8)
    images.setflags(write=False)
    for layout in (True, False):
        model = wrap(Spy(), how, channels_last=layout)
        model.scores(images)
        assert seen[-1].is_contiguous(memory_format=torch.channels_last) == layout
        assert np.array_equal(seen[-1].permute(0, 2, 3, 1).numpy(), normalised(how, images))
    from heldout.models.torch_classifier import normalised_on

    there = normalised_on(torch, torch.device("cpu"), how, images)
    assert np.array_equal(there.numpy(), normalised(how, images))


def test_layouts_agree_and_view_is_survived() -> None:
    """channels_last changes nothing but speed; a module that cannot have it runs without."""

    class Views(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
            self.last = torch.nn.Linear(8 * 32 * 32, 6)

        def forward(self, x: Any) -> Any:
            return self.last(self.conv(x).view(len(x), -1))

    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    with torch.no_grad():
        wanted = Views()(
            torch.from_numpy(normalised(AS_IS, images)).permute(0, 3, 1, 2).contiguous()
        )
    np.testing.assert_allclose(wrap(Views()).scores(images), wanted.numpy(), atol=1e-5)
    fast, slow = wrap(net(), channels_last=True), wrap(net(), channels_last=False)
    np.testing.assert_allclose(fast.scores(images), slow.scores(images), atol=1e-5)


def test_facts() -> None:
    """Outputs, parameters, bytes, hash, version and kind of scores are found out."""
    about = wrap(net()).about
    learnable = 3 * 4 * 9 + 4 + 8 + 4 * 5 + 5
    assert (about.outputs, about.parameters, about.score_kind) == (5, learnable, "logits")
    assert about.bytes == 4 * (learnable + 8) + 8
    assert about.weights == weights_hash(net())
    assert about.versions["torch"] == torch.__version__
    soft = torch.nn.Sequential(net(), torch.nn.Softmax(1))
    assert wrap(soft).about.score_kind == "probabilities"
    assert wrap(torch.nn.Sequential(net(), torch.nn.LogSoftmax(1))).about.score_kind == (
        "log-probabilities"
    )


def test_it_is_in_eval_mode_without_gradients() -> None:
    """Dropout is off, batch norm keeps its statistics, half weights become float32."""
    module = torch.nn.Sequential(net(), torch.nn.Dropout(0.9)).half()
    model = wrap(module)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    before = weights_hash(module)
    assert np.array_equal(model.scores(images), model.scores(images))
    assert weights_hash(module) == before
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in module.parameters())


def test_not_a_number_stays() -> None:
    """Scores are handed on as they are."""

    class Odd(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            out = x.mean((2, 3)).clone()
            out[x[:, 0, 0, 0] == 0] = float("nan")
            return out

    images = np.full((2, 4, 4, 3), 255, np.uint8)
    images[1] = 0
    assert np.isnan(wrap(Odd()).scores(images)).tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("kind", ["tuple", "logits", "mapping", "one", "object"])
def test_outputs_of_many_kinds(kind: str) -> None:
    """Tuples, mappings and objects with logits are understood."""
    from types import SimpleNamespace

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            y = x.mean((2, 3))
            return {
                "tuple": (y, x),
                "logits": {"loss": x, "logits": y},
                "mapping": {"hidden": [], "out": y, "more": x},
                "one": {"anything": y},
                "object": SimpleNamespace(logits=y),
            }[kind]

    assert wrap(Model()).about.outputs == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x, r"shape \(2, 3, 32, 32\)"),
        (lambda x: x.mean((1, 2, 3)), r"shape \(2,\)"),
        (lambda x: {"a": x, "b": x}, "gives a dict with a, b, not scores"),
        (lambda x: "cat", "gives a str, not scores"),
        (
            lambda x: x @ x.new_zeros(7, 2),
            r"RuntimeError: .*test_torch_classifier.py, line \d+\).*size=224",
        ),
    ],
)
def test_outputs_that_are_no_scores(answer: Any, words: str) -> None:
    """Refused at load, with the shape or the failure and its line."""

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            return answer(x)

    with pytest.raises(BadInput, match=words):
        wrap(Model())


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement("cuda:77"), "There is no device 'cuda:77' here; there is: cpu"),
        (Placement("gpu"), "There is no device 'gpu'"),
        (Placement("cpu", "float16"), "float16 is for GPUs"),
        (Placement("cpu", "float64"), "There is no precision 'float64'"),
    ],
)
def test_placements_that_cannot_be(placement: Placement, words: str) -> None:
    """A device or precision that is not to be had is a sentence, not a traceback."""
    from heldout.errors import HeldoutError
    from heldout.models.torch_classifier import TorchClassifier

    with pytest.raises(HeldoutError, match=words):
        TorchClassifier(net(), AS_IS, placement, name="m")


def test_bfloat16_is_near_and_not_the_same() -> None:
    """Reduced precision is reached, and scores come back as float32."""
    from heldout.models.torch_classifier import TorchClassifier

    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    low = TorchClassifier(net(), AS_IS, Placement("cpu", "bfloat16"), name="m").scores(images)
    full = wrap(net()).scores(images)
    assert low.dtype == np.float32
    assert not np.array_equal(low, full)
    np.testing.assert_allclose(low, full, atol=0.02)


def test_out_of_memory_can_be_mended() -> None:
    """An allocation that fails is OutOfMemory, and a smaller batch goes through afterwards."""

    class Hungry(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            if len(x) > 2:
                torch.empty(2**55, dtype=torch.uint8)
            return x.mean((2, 3))

    model = wrap(Hungry())
    with pytest.raises(OutOfMemory, match="8 pictures at once do not fit"):
        model.scores(np.zeros((8, 4, 4, 3), np.uint8))
    assert model.scores(np.zeros((2, 4, 4, 3), np.uint8)).shape == (2, 3)
