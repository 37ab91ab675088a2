"""The fingerprint of a model of one's own: every change of its code or arrays changes it."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from heldout.errors import BadInput
from heldout.models import adapters
from heldout.models.classifier import Placement
from heldout.models.python_source import local_sources

NET = """
import torch

from helper import SCALE


class Net(torch.nn.Module):
    preprocessing = {"size": 4}

    def __init__(self, outputs=3):
        super().__init__()
        self.layer = torch.nn.Linear(3, outputs)

    def forward(self, x):
        return SCALE * self.layer(x.mean((2, 3)))


def seeded():
    torch.manual_seed(3)
    return Net()


def make_big(num_classes):
    return Net(num_classes)


class Big(Net):
    def __init__(self, num_classes, width):
        super().__init__(num_classes)
"""
PLAIN = """
import numpy as np

W = np.load(__file__.replace("plain.py", "w.npy"))


def plain(images):
    from parts.late import shift

    return images.mean((1, 2)) @ W + shift()


def again(images):
    return plain(images)


def make(num_classes):
    return np.zeros(num_classes)


class Model:
    def __init__(self):
        self.bias = [W[0]]

    def __call__(self, images):
        return images.mean((1, 2)) + self.bias[0]
"""
KINDS = ("plain.py:plain", "plain.py:again", "plain.py:Model")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "one"
    (folder / "parts").mkdir(parents=True)
    (folder / "net.py").write_text(NET)
    (folder / "helper.py").write_text("import parts\nSCALE = 2\n")
    (folder / "plain.py").write_text(PLAIN)
    (folder / "parts/__init__.py").write_text("")
    (folder / "parts/late.py").write_text("from .deep import ONE\n\ndef shift():\n    return ONE\n")
    (folder / "parts/deep.py").write_text("ONE = 1\n")
    (folder / "aside.py").write_text("")
    np.save(folder / "w.npy", np.eye(3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    forget()


def forget() -> None:
    """As in another process."""
    for name in list(sys.modules):
        start = name.partition(".")[0]
        if start in ("helper", "parts", "plain", "pkg", "one") or start.startswith("heldout_py"):
            del sys.modules[name]


def weights(folder: Path, rest: str, **options: str) -> str:
    forget()
    tail = "&".join(f"{k}={v}" for k, v in options.items())
    uri = f"python:{folder}/{rest}{'?' if tail else ''}{tail}"
    return adapters.load(uri, Placement("cpu", threads=1)).about.weights


@pytest.mark.parametrize("rest", KINDS)
@pytest.mark.parametrize("file", ["plain.py", "parts/late.py", "parts/deep.py"])
def test_a_function_or_object_changes_with_its_code(here: Path, rest: str, file: str) -> None:
    """Its file, what is imported within a function, and what that imports."""
    before = weights(here, rest)
    with (here / file).open("a") as out:
        out.write("\nEDITED = True\n")
    assert weights(here, rest) != before


@pytest.mark.parametrize("rest", KINDS)
def test_it_changes_with_its_arrays_and_with_nothing_else(here: Path, rest: str) -> None:
    """An array behind a function or in an object counts; time, place and other files do not."""
    before = weights(here, rest)
    (here / "aside.py").write_text("x = 1\n")
    os.utime(here / "plain.py", (1, 1))
    moved = here.parent / "another/place"
    shutil.copytree(here, moved)
    assert weights(moved, rest) == weights(here, rest) == before
    os.chdir(moved)
    assert weights(Path(), rest) == weights(Path("../place"), rest) == before
    np.save(moved / "w.npy", 2 * np.eye(3))
    assert weights(moved, rest) != before


def test_two_functions_of_a_file_are_two_models(here: Path) -> None:
    assert len({weights(here, rest) for rest in KINDS}) == 3


def test_a_torch_module(here: Path) -> None:
    """forward() and a helper count, and the tensors do, wherever they come from."""
    torch = pytest.importorskip("torch", reason="needs torch")
    before = weights(here, "net.py:seeded")
    assert weights(here, "net.py:seeded") == before
    moved = here.parent / "two"
    shutil.copytree(here, moved)
    assert weights(moved, "net.py:seeded") == before
    (moved / "helper.py").write_text("SCALE = 3\n")
    assert weights(moved, "net.py:seeded") != before
    (here / "net.py").write_text(NET.replace("SCALE *", "SCALE +"))
    assert weights(here, "net.py:seeded") != before
    found = []
    for i in range(2):
        state = {"layer.weight": torch.full((3, 3), float(i)), "layer.bias": torch.zeros(3)}
        torch.save(state, here / f"{i}.pt")
        found.append(weights(here, "net.py:Net", checkpoint=f"{here}/{i}.pt"))
    assert found[0] != found[1]
    assert weights(here, "net.py:Net", checkpoint=f"{here}/1.pt") == found[1]


def test_random_weights_are_refused(here: Path) -> None:
    """A factory without checkpoint or seed is another model every time."""
    pytest.importorskip("torch", reason="needs torch")
    with pytest.raises(BadInput, match=r"gives other weights each time it is called.*checkpoint="):
        weights(here, "net.py:Net")


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("net.py:make_big?checkpoint=x.pt", "needs the argument num_classes"),
        ("net.py:make_big", "needs the argument num_classes"),
        ("plain.py:make", "needs the argument num_classes, and .* Called with pictures"),
        ("net.py:Big", "needs the arguments num_classes, width"),
        ("plain.py:plain?checkpoint=x.pt", "is for torch modules; .* is a function of images"),
    ],
)
def test_factories_that_need_arguments(here: Path, rest: str, words: str) -> None:
    pytest.importorskip("torch", reason="needs torch")
    with pytest.raises(BadInput, match=words):
        weights(here, rest)


def test_torchscript_is_refused_without_a_word_of_torchs(here: Path) -> None:
    """One sentence, no UserWarning with a path in torch's source."""
    torch = pytest.importorskip("torch", reason="needs torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), here / "ts.pt")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(BadInput, match="is a TorchScript archive"):
            weights(here, "net.py:Net", checkpoint=f"{here}/ts.pt")
    assert not [w for w in said if "torch.load" in str(w.message)]


def test_what_counts_as_local(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages with what lies around them; no installed, standard or heldout module."""
    assert sorted(local_sources(here / "plain.py", "heldout_python_x")) == [
        "parts/__init__.py", "parts/deep.py", "parts/late.py", "plain.py",
    ]  # fmt: skip
    (here / "pkg/sub").mkdir(parents=True)
    (here / "pkg/__init__.py").write_text("")
    (here / "pkg/sub/mod.py").write_text(
        "import json\nimport numpy\nimport heldout.errors\nfrom .. import other\nimport helper\n"
        "from importlib import import_module\nlate = lambda: import_module('aside')\n"
        "def f(images):\n    return images.mean((1, 2))\n"
    )
    (here / "pkg/other.py").write_text("import pkg.sub.mod\n")
    (here / "json.py").write_text("")
    monkeypatch.chdir(here)
    expected = ["aside.py", "helper.py", "parts/__init__.py", "pkg/__init__.py", "pkg/other.py",
                "pkg/sub/mod.py"]  # fmt: skip
    assert sorted(local_sources(here / "pkg/sub/mod.py", "pkg.sub.mod")) == expected
    forget()
    before = adapters.load("python:pkg.sub.mod:f").about
    assert any("pkg/sub/mod.py and 5 local modules" in note for note in before.notes)
    (here / "aside.py").write_text("x = 1\n")
    assert adapters.load("python:pkg.sub.mod:f").about.weights != before.weights
    assert list(local_sources(Path(np.__file__), "numpy")) == ["__init__.py"]
