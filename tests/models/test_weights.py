"""Weights: what is in a file is what is loaded, code is not run, and misfits are named."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.errors import BadInput
from heldout.models.weights import load_into, load_state, weights_hash

torch = pytest.importorskip("torch", reason="needs torch")


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


def test_wrappers_and_prefixes(tmp_path: Path) -> None:
    """The usual shapes of checkpoints all give the same state, and the file's own hash."""
    state = net().state_dict()
    training = {"epoch": 3, "best": np.float64(0.5), "args": argparse.Namespace(lr=0.1)}
    shapes = {
        "plain": state,
        "wrapped": {"state_dict": state, **training},
        "parallel": {"model": {f"module.{k}": v for k, v in state.items()}, **training},
        "compiled": {"state_dict": {f"model._orig_mod.{k}": v for k, v in state.items()}},
    }
    for name, content in shapes.items():
        path = tmp_path / f"{name}.pt"
        torch.save(content, path)
        found, digest = load_state(str(path))
        assert found.keys() == state.keys(), name
        assert all(torch.equal(found[k], state[k]) for k in state)
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    legacy = tmp_path / "legacy.th"
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    assert load_state(str(legacy))[0].keys() == state.keys()


def test_safetensors_and_urls(tmp_path: Path) -> None:
    """Safetensors are known by their content; any fsspec URL will do."""
    pytest.importorskip("safetensors", reason="needs safetensors")
    from safetensors.torch import save_file

    state = net().state_dict()
    save_file(state, tmp_path / "net.bin")
    torch.save(state, tmp_path / "net.pt")
    for name in ("net.bin", "net.pt"):
        local, digest = load_state(str(tmp_path / name))
        remote, same = load_state(f"file://{tmp_path}/{name}")
        assert digest == same
        assert all(
            torch.equal(local[k], state[k]) and torch.equal(remote[k], state[k]) for k in state
        )


class Trap:
    """Unpickling it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("modern", [True, False])
def test_code_is_not_run(tmp_path: Path, modern: bool) -> None:
    """A checkpoint with code in it is refused with the name of what it would have called."""
    trap = tmp_path / "trap"
    torch.save(
        {"state_dict": {"w": torch.zeros(2)}, "hook": Trap(trap)},
        tmp_path / "evil.pt",
        _use_new_zipfile_serialization=modern,
    )
    with pytest.raises(BadInput, match=r"holds code \(\w+\.mkdir\).*was not run"):
        load_state(str(tmp_path / "evil.pt"))
    assert not trap.exists()


def test_a_whole_module_is_code(tmp_path: Path) -> None:
    """torch.save(model) pickles classes: refused, with what to save instead."""
    torch.save(net(), tmp_path / "model.pt")
    with pytest.raises(BadInput, match=r"holds code \(torch\.nn\.\S+Sequential\).*state_dict"):
        load_state(str(tmp_path / "model.pt"))


def test_torchscript_is_a_program(tmp_path: Path) -> None:
    """A TorchScript archive is told from weights."""
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        scripted = torch.jit.script(torch.nn.Linear(2, 3))
    scripted.save(str(tmp_path / "s.pt"))
    with pytest.raises(BadInput, match="TorchScript archive"):
        load_state(str(tmp_path / "s.pt"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"not a checkpoint at all", "cannot be read as a torch file"),
        (b"PK\x03\x04 cut short", "cannot be read as a torch file"),
        (b"\x80\x02}q\x00X", "cannot be read as a torch file"),
        (b"\xff\0\0\0\0\0\0\0{", "safetensors file, but it cannot be read"),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Each is told by what it is."""
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        load_state(str(path))


def test_no_state_in_it(tmp_path: Path) -> None:
    """A file of other things says what it holds."""
    torch.save({"epoch": 3, "loss": [1.0]}, tmp_path / "a.pt")
    with pytest.raises(BadInput, match="it holds the keys epoch, loss"):
        load_state(str(tmp_path / "a.pt"))
    torch.save([1, 2], tmp_path / "b.pt")
    with pytest.raises(BadInput, match="it holds list"):
        load_state(str(tmp_path / "b.pt"))


def test_misfits_are_named() -> None:
    """Missing, unknown and misshapen weights: how many, the first few, both shapes."""
    state = dict(net().state_dict())
    state["5.extra"] = state.pop("0.weight")
    state["4.weight"] = torch.zeros(7, 4)
    with pytest.raises(BadInput) as caught:
        load_into(net(), state, "w.pt")
    text = str(caught.value)
    assert "1 weights are missing (0.weight)" in text
    assert "1 are unknown to the model (5.extra)" in text
    assert "4.weight is (7, 4) in the file and (5, 4) in the model" in text


def test_older_and_inner_states_fit() -> None:
    """No counter of batches is needed, and a wrapper's inner names are found."""

    class Wrapper(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = net()

    wanted = {k: v + 1 for k, v in net().state_dict().items() if "num_batches" not in k}
    plain, inner = net(), Wrapper()
    load_into(plain, wanted, "w")
    load_into(inner, wanted, "w")
    for name, value in wanted.items():
        assert torch.equal(plain.state_dict()[name], value)
        assert torch.equal(inner.state_dict()[f"model.{name}"], value)


def test_hash_sees_every_weight() -> None:
    """The hash is that of names, types, shapes and bytes; it ignores the counter of batches."""
    first = weights_hash(net())
    assert first == weights_hash(net())
    assert first == weights_hash(net().to(memory_format=torch.channels_last))
    counted = net()
    counted[1].num_batches_tracked += 1
    assert weights_hash(counted) == first
    for place in range(5):
        other = net()
        if place in (2, 3):
            continue
        with torch.no_grad():
            other[place].bias[0] += 1e-6
        assert weights_hash(other) != first
    assert weights_hash(net().bfloat16()) != first


def test_hash_goes_by_names() -> None:
    """Two modules with the same weights under the same names, made in another order."""
    first, second = torch.nn.Module(), torch.nn.Module()
    for module, names in ((first, "ab"), (second, "ba")):
        for name in names:
            module.register_buffer(name, torch.full((2,), float(ord(name))))
    assert list(first.state_dict()) != list(second.state_dict())
    assert weights_hash(first) == weights_hash(second)
