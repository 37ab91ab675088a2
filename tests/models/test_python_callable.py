"""Models of one's own: what kinds are understood, and what is said when the code fails."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from heldout.errors import BadInput, NotFound
from heldout.images.geometry import Geometry
from heldout.models import adapters
from heldout.models.classifier import Classifier, OutOfMemory, Placement

CPU = Placement("cpu", threads=1)
PLAIN = '''
import numpy as np

def mean_colour(images):
    """Scores are the mean red, green and blue."""
    assert images.dtype == np.uint8
    return images.mean((1, 2))

mean_colour.preprocessing = {"size": 24, "interpolation": "bilinear"}
mean_colour.classes = ["red", "green", "blue"]
mean_colour.space = "colours"

def fails(images):
    if len(images) > 2:
        return [1 / 0 for _ in images]
    return images.mean((1, 2))

def full(images):
    if len(images) > 2:
        raise MemoryError
    return images.mean((1, 2))

def holey(images):
    scores = images.mean((1, 2))
    scores[0] = np.nan
    return scores

class Model:
    def __call__(self, images):
        return -images.mean((1, 2))

class Inner:
    best = Model()

number = 3

def broken_factory():
    return {}["weights"]

def made():
    return mean_colour, {"resize": (20, 10)}

def miscounted(images):
    return images.mean((1, 2))

miscounted.classes = ["red", "green"]

def prepared():
    from heldout.images.geometry import Geometry
    from heldout.models.preprocessing import Preprocessing

    return mean_colour, Preprocessing(Geometry((20, 10)), origin="mine")

def misspelt():
    return mean_colour, {"siez": 3}
'''
TORCH = """
import torch
from sibling import WIDTH

class Net(torch.nn.Module):
    preprocessing = {"size": 16, "mean": "half"}

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, WIDTH, 3)
        self.classes = ["a", "b", "c", "d"]

    def forward(self, x):
        return self.conv(x).mean((2, 3))

def plain_net(width=4):
    net = Net()
    net.classes, net.preprocessing = None, None
    return net

ready = Net()

def pair():
    return Net(), {"resize": 8, "crop": 8, "mean": [0.1, 0.2, 0.3]}

class Wrong(torch.nn.Module):
    def forward(self, x):
        return x @ torch.zeros(5, 5)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the code; the path and the modules are as before afterwards."""
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "net.py").write_text(TORCH)
    (tmp_path / "sibling.py").write_text("WIDTH = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in ("sibling", "plain", "net") or name.startswith("heldout_python_"):
            del sys.modules[name]


def load(uri: str) -> Classifier:
    return adapters.load(uri, CPU)


@pytest.mark.parametrize("place", ["plain.py", "{here}/plain.py", "plain"])
def test_a_function(here: Path, place: str) -> None:
    """By file or by module: pixels in, scores out, attributes read, no torch."""
    model = load(f"python:{place.format(here=here)}:mean_colour")
    about = model.about
    assert (about.name, about.outputs, about.space) == ("plain.mean_colour", 3, "colours")
    assert about.classes == ("red", "green", "blue")
    assert about.preprocessing.geometry == Geometry(24, (24, 24), "bilinear")
    assert about.preprocessing.scale == 1
    assert about.weights == load("python:plain.py:mean_colour").about.weights
    assert any("plain.py" in note for note in about.notes)
    images = np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), np.uint8)
    np.testing.assert_allclose(model.scores(images), images.mean((1, 2)), rtol=1e-6)


def test_callable_objects_classes_and_factories(here: Path) -> None:
    """An object, a class, a dotted name and a factory with its preprocessing all give a model."""
    images = np.full((2, 4, 4, 3), 9, np.uint8)
    for name in ("Model", "Inner.best"):
        assert (load(f"python:plain.py:{name}").scores(images) == -9).all()
    made = load("python:plain.py:made").about
    assert made.preprocessing.geometry == Geometry((20, 10))
    prepared = load("python:plain.py:prepared").about.preprocessing
    assert (prepared.geometry, prepared.origin) == (Geometry((20, 10)), "mine")
    assert prepared.scale == made.preprocessing.scale == 1  # pixels as they are, and said so
    assert load("python:plain.py:made?size=7").about.preprocessing.geometry == Geometry((7, 7))


def test_channels_reach_a_function(here: Path) -> None:
    """channels=BGR turns the pixels round."""
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[..., 0] = 50
    assert load("python:plain.py:mean_colour?channels=BGR").scores(images).tolist() == [[0, 0, 50]]


def test_nan_and_memory(here: Path) -> None:
    """NaN is handed on, and a MemoryError asks for a smaller batch."""
    images = np.zeros((3, 4, 4, 3), np.uint8)
    assert np.isnan(load("python:plain.py:holey").scores(images)).any(1).tolist() == [
        True,
        False,
        False,
    ]
    with pytest.raises(OutOfMemory):
        load("python:plain.py:full").scores(images)


def test_failing_code_is_quoted_with_its_line(here: Path) -> None:
    """The code's exception, file and line: no traceback of ours."""
    model = load("python:plain.py:fails")
    line = PLAIN.splitlines().index("        return [1 / 0 for _ in images]") + 1
    with pytest.raises(BadInput, match=rf"ZeroDivisionError: .*plain\.py, line {line}\)"):
        model.scores(np.zeros((3, 4, 4, 3), np.uint8))
    with pytest.raises(BadInput, match=r"failed to make the model: KeyError: 'weights' \(.*plain"):
        load("python:plain.py:broken_factory")
    (here / "syntax.py").write_text("x = (\n")
    with pytest.raises(BadInput, match=r"SyntaxError: .*syntax\.py, line 1"):
        load("python:syntax.py:x")
    (here / "raises.py").write_text("\nraise ValueError('no licence')\n")
    with pytest.raises(BadInput, match=r"ValueError: no licence \(.*raises\.py, line 2\)"):
        load("python:raises.py:x")
    (here / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(BadInput, match="__main__"):
        load("python:leaves.py:x")
    (here / "lacks.py").write_text("import no_such_package\n")
    for place in ("lacks.py", "lacks"):
        with pytest.raises(BadInput, match=r"No module named 'no_such_package' \(.*lacks\.py, lin"):
            load(f"python:{place}:x")


@pytest.mark.parametrize(
    ("rest", "error", "words"),
    [
        ("plain.py", BadInput, "does not say which attribute"),
        ("nowhere.py:f", BadInput, "There is no file 'nowhere.py'"),
        ("nowhere.at.all:f", BadInput, "no Python module 'nowhere'"),
        ("plain.py:mean_color", NotFound, "Did you mean 'mean_colour'"),
        ("plain.py:number", BadInput, "is a int, not a model"),
        ("plain.py:mean_colour?mean=half", BadInput, "pixels as they are"),
        ("plain.py:mean_colour?checkpoint=x.pt", BadInput, "is for torch modules"),
        ("plain.py:miscounted", BadInput, "has 2 classes, and the model has 3 outputs"),
        ("plain.py:misspelt", NotFound, "Did you mean 'size'"),
    ],
)
def test_what_cannot_be_used(here: Path, rest: str, error: type[Exception], words: str) -> None:
    """Each is refused in a sentence."""
    with pytest.raises(error, match=words):
        load(f"python:{rest}")


def test_torch_modules(here: Path) -> None:
    """A module, its class and a factory: the attributes' preprocessing, then the URI's."""
    pytest.importorskip("torch", reason="needs torch")
    for name in ("ready", "Net"):
        about = load(f"python:net.py:{name}").about
        assert (about.outputs, about.classes) == (4, ("a", "b", "c", "d"))
        assert about.preprocessing.mean == (0.5, 0.5, 0.5)
        assert about.preprocessing.geometry == Geometry(16, (16, 16))
        assert about.preprocessing.origin == f"said by python:net.py:{name}"
        assert (about.parameters, about.notes) == (3 * 9 * 4 + 4, ())
    assert load("python:net.py:pair").about.preprocessing.mean == (0.1, 0.2, 0.3)
    assert load("python:net.py:ready?mean=unit").about.preprocessing.mean == (0, 0, 0)
    plain = load("python:net.py:plain_net").about
    assert any("Nothing says how" in note for note in plain.notes)
    assert load("python:net.py:plain_net?size=8").about.notes == ()
    with pytest.raises(BadInput, match=r"RuntimeError: .*net\.py, line \d+\).*size=224"):
        load("python:net.py:Wrong")


def test_torch_checkpoint(here: Path) -> None:
    """checkpoint= fills the module and names it."""
    torch = pytest.importorskip("torch", reason="needs torch")
    state = {"conv.weight": torch.zeros(4, 3, 3, 3), "conv.bias": torch.arange(4.0)}
    torch.save(state, here / "best.pt")
    model = load("python:net.py:ready?checkpoint=best.pt")
    assert model.about.name == "net.ready-best"
    scores = model.scores(np.zeros((1, 16, 16, 3), np.uint8))
    assert scores.tolist() == [[0, 1, 2, 3]]
    torch.save({"w": torch.zeros(1)}, here / "bad.pt")
    with pytest.raises(BadInput, match="do not fit the model Net"):
        load("python:net.py:ready?checkpoint=bad.pt")
