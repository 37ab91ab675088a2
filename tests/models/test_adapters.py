"""URIs, options that every adapter understands, and what is said when something is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.models import adapters
from heldout.models.classifier import (
    checked,
    looks_like_probabilities,
    probe_images,
    score_kind_of,
)
from heldout.models.preprocessing import Preprocessing

FUNCTION = "import numpy as np\ndef f(x):\n    return np.eye(4)[x[:, 0, 0, 0] % 4]\n"


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FUNCTION)
    return f"python:{tmp_path}/mine.py:f"


def test_every_adapter_is_listed_with_its_words() -> None:
    """The table's modules are there, each with a line about itself and an example."""
    assert {"timm", "torchvision", "python", "lite", "cifar-resnet"} <= set(adapters.names())
    for name in ("timm", "torchvision", "python", "lite", "cifar-resnet"):
        adapter = adapters.find(name)
        assert adapter.ABOUT
        assert adapter.EXAMPLE.startswith(f"{name}:")
        assert not set(adapter.OPTIONS) & set(adapters.OPTIONS)


def test_light_imports() -> None:
    """The adapters can be looked at without torch, Pillow or any model library."""
    code = (
        "import sys\nfrom heldout.models import adapters\n"
        "for n in ('timm', 'torchvision', 'python', 'lite', 'cifar-resnet'): adapters.find(n)\n"
        "heavy = {'torch', 'PIL', 'timm', 'torchvision', 'onnxruntime', 'pandas', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("timm:resnet50", ("timm", "resnet50", {})),
        ("timm:resnet50?", ("timm", "resnet50", {})),
        (
            "onnx:/a/b.onnx?mean=half&name=x%26y",
            ("onnx", "/a/b.onnx", {"mean": "half", "name": "x&y"}),
        ),
        ("python:a.py:f?checkpoint=s3://b/c=d", ("python", "a.py:f", {"checkpoint": "s3://b/c=d"})),
        ("timm:hf-hub:a/b", ("timm", "hf-hub:a/b", {})),
    ],
)
def test_parse(text: str, parts: tuple[str, str, dict[str, str]]) -> None:
    """Adapter, rest and options."""
    assert adapters.parse(text) == parts


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("resnet50", BadInput, "for example timm:resnet50"),
        ("model.onnx", BadInput, "for example onnx:model.onnx"),
        ("cifar-resnet", BadInput, "for example cifar-resnet:20"),
        (":x", BadInput, "ADAPTER:NAME"),
        ("my/net.py:f", BadInput, "for example python:my/net.py:f"),
        ("weights.pt", BadInput, r"checkpoint=weights\.pt"),
        ("p.skops", BadInput, "for example sklearn:p.skops"),
        ("p.joblib", BadInput, r"is a pickle .* skops\.io\.dump\(model, 'p\.skops'\)"),
        ("timm/resnet50", BadInput, "Did you mean 'timm:resnet50'"),
        ("timm/a/b?size=3", BadInput, r"Did you mean 'timm:a/b\?size=3'"),
        ("pkg.mynet:make_net", BadInput, "for example python:pkg.mynet:make_net"),
        ("best=onnx:net.onnx", BadInput, r"Did you mean 'onnx:net\.onnx\?name=best'"),
        ("b=onnx:n.onnx?mean=half", BadInput, r"Did you mean 'onnx:n\.onnx\?mean=half&name=b'"),
        (
            "python:m.py:f?checkpoint=sd.pt,mean=half",
            BadInput,
            "joined with &.* checkpoint=sd.pt&mean=half",
        ),
        ("timm:x?size", BadInput, "'size' is not an option"),
        ("timm:x?size=1&size=2", BadInput, "given twice"),
        ("tim:resnet50", NotFound, "Did you mean 'timm'"),
        ("cifar-resnet:20?sice=3", NotFound, "Did you mean 'size'"),
        ("cifar-resnet:20?zzz=3", NotFound, "All options: checkpoint, size"),
    ],
)
def test_wrong_uris(text: str, error: type[Exception], words: str) -> None:
    """Each is refused in a sentence that says what to write."""
    with pytest.raises(error, match=words):
        adapters.load(text)


def test_own_module_without_an_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is there is offered with its adapter; one that is not is not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(FUNCTION)
    with pytest.raises(NotFound, match=r"write python:mynet:make_net\?size=8$"):
        adapters.load("mynet:make_net?size=8")
    with pytest.raises(NotFound) as error:
        adapters.load("yournet:make_net")
    assert "python:" not in str(error.value)


def test_a_comma_in_a_value_is_one(tmp_path: Path) -> None:
    """A list of classes or numbers is none of the mistakes; %2C is a comma that is meant."""
    text = "timm:x?classes=a,b&mean=0.1,0.2,0.3&checkpoint=a%2Cb=c.pt"
    assert adapters.parse(text)[2]["checkpoint"] == "a,b=c.pt"


def test_what_is_said_wins(uri: str, tmp_path: Path) -> None:
    """name, classes, space and scores of the URI are in the model's facts."""
    plain = adapters.load(uri).about
    assert (plain.name, plain.outputs, plain.classes, plain.uri) == ("mine.f", 4, None, uri)
    assert plain.score_kind == "probabilities"
    (tmp_path / "list.txt").write_text("ant\nbee\n\ncat\ndog\n")
    for classes in ("ant,bee,cat,dog", f"{tmp_path}/list.txt"):
        about = adapters.load(f"{uri}?name=m&classes={classes}&space=zoo&scores=scores").about
        assert about.classes == ("ant", "bee", "cat", "dog")
        assert (about.name, about.space, about.score_kind) == ("m", "zoo", "scores")
    with pytest.raises(BadInput, match="has 3 classes, and the model has 4 outputs"):
        adapters.load(f"{uri}?classes=a,b,c")
    with pytest.raises(BadInput, match="holds a twice"):
        adapters.load(f"{uri}?classes=a,b,c,a")
    with pytest.raises(BadInput, match="neither a file"):
        adapters.load(f"{uri}?classes=nowhere.txt")
    with pytest.raises(NotFound, match="Did you mean 'logits'"):
        adapters.load(f"{uri}?scores=logit")


def test_missing_package() -> None:
    """A package that is not there is named with the extra that brings it."""
    with pytest.raises(BadInput, match=r"needs the package no_such_thing.*heldout\[timm\]"):
        adapters.required("no_such_thing.inner", "timm", "The adapter timm")


def test_broken_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there and cannot be imported is told apart."""
    (tmp_path / "broken_thing.py").write_text("raise RuntimeError('operator x::y does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=r"It is installed, but .*operator x::y does not exist"):
        adapters.required("broken_thing", "timm", "The adapter timm")


def test_score_kinds() -> None:
    """Probabilities and their logarithms are told from logits; doubt means logits."""
    logits = np.random.default_rng(0).normal(0, 2, (5, 7)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert score_kind_of(p) == "probabilities"
    assert score_kind_of(np.log(p)) == "log-probabilities"
    assert score_kind_of(logits) == "logits"
    assert not looks_like_probabilities(p * 1.01)
    assert not looks_like_probabilities(np.full((1, 2), np.nan, np.float32))
    assert not looks_like_probabilities(np.zeros((0, 3), np.float32))


def test_checked_names_the_shape() -> None:
    """Anything but one row a picture and one column a class is refused; NaN passes."""
    ok = checked([[1, float("nan")], [3, 4]], 2, None, "m")
    assert ok.dtype == np.float32
    assert np.isnan(ok[0, 1])
    for bad, words in [
        (np.zeros(4), r"shape \(4,\) for 2 pictures, not \(2, classes\)"),
        (np.zeros((3, 4)), r"shape \(3, 4\)"),
        (np.zeros((2, 4, 1, 1)), r"shape \(2, 4, 1, 1\)"),
        (np.zeros((2, 1)), "gives 1 scores a picture"),
        (np.zeros((2, 3), complex), "does not give numbers"),
        ([[1], [2, 3]], "does not give numbers"),
        ("cat", "does not give numbers"),
    ]:
        with pytest.raises(BadInput, match=words):
            checked(bad, 2, None, "m")
    with pytest.raises(BadInput, match=r"not \(2, 5\)"):
        checked(np.zeros((2, 4)), 2, 5, "m")


def test_probe_images_have_the_models_size() -> None:
    """With a geometry there is one size; without one, several are tried."""
    from heldout.images.geometry import Geometry

    (pair,) = probe_images(Preprocessing(Geometry(256, (224, 200))))
    assert pair.shape == (2, 224, 200, 3)
    assert len(probe_images(Preprocessing(None))) > 1
