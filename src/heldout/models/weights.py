"""Weights from files, without running what is in them, and their hashes.

Safetensors and torch files (`torch.load(weights_only=True)`, nothing else). A checkpoint that
needs code to be unpickled is refused: it could do anything on this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from heldout.errors import BadInput
from heldout.models.adapters import required

# Where training scripts put the state dict in what they save, in the order they are tried.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "params", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_UNUSED = "num_batches_tracked"


def load_state(path: str) -> tuple[dict[str, Any], str]:
    """A state dict (name to tensor, on the CPU) and the sha256 of the file that holds it.

    `path`: a local file or any fsspec URL. Wrappers such as {"state_dict": …} and prefixes such as
    "module." that all names share are taken off. Raises BadInput.
    """
    torch = required("torch", "torch", f"Reading '{path}'")
    source, digest, start = _opened(path)
    if start[8:9] == b"{":
        state: Any = _safetensors(source, path)
    else:
        state = _pickled(torch, source, path, start)
    return _plain(_unwrapped(torch, state, path)), digest


def load_into(module: Any, state: Mapping[str, Any], where: str) -> None:
    """Puts a state dict into a module. Raises BadInput naming what does not fit, with shapes.

    Missing `num_batches_tracked` (older checkpoints have none) is fine. Where the module is itself
    a wrapper (all its names begin with "model."), the state's names are prefixed alike.
    """
    wanted = dict(module.state_dict())
    found = dict(state)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in wanted) and not found.keys() & wanted.keys():
            found = {prefix + name: value for name, value in found.items()}
    missing = [k for k in wanted if k not in found and not k.endswith(_UNUSED)]
    unexpected = [k for k in found if k not in wanted and not k.endswith(_UNUSED)]
    shapes = [
        f"{k} is {tuple(found[k].shape)} in the file and {tuple(wanted[k].shape)} in the model"
        for k in wanted
        if k in found and found[k].shape != wanted[k].shape
    ]
    wrong = []
    if missing:
        wrong.append(f"{len(missing)} weights are missing ({_few(missing)})")
    if unexpected:
        wrong.append(f"{len(unexpected)} are unknown to the model ({_few(unexpected)})")
    if shapes:
        wrong.append(f"{len(shapes)} have another shape ({_few(shapes, '; ')})")
    if wrong:
        raise BadInput(
            f"The weights in '{where}' do not fit the model {type(module).__name__} with its"
            f" {len(wanted)} weights: {', '.join(wrong)}. Give the checkpoint of this model."
        )
    module.load_state_dict({k: v for k, v in found.items() if k in wanted}, strict=False)


def weights_hash(module: Any) -> str:
    """The sha256 over a module's weights: names, dtypes, shapes and bytes, in name order.

    Batch norm's counter of batches, which no score depends on, is left out.
    """
    torch = required("torch", "torch", "A hash of a torch model")
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if name.endswith(_UNUSED) or not hasattr(value, "shape"):
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """The sha256 of a local file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: str) -> tuple[Path | bytes, str, bytes]:
    """What to read from, its sha256 and its first bytes."""
    if "://" in path or "::" in path:
        import fsspec

        try:
            with fsspec.open(path, "rb") as file:
                content: bytes = file.read()
        except Exception as error:
            raise BadInput(
                f"The weights '{path}' cannot be fetched: {type(error).__name__}: {error}."
            ) from error
        return content, hashlib.sha256(content).hexdigest(), content[:64]
    local = Path(path).expanduser()
    try:
        with local.open("rb") as file:
            start = file.read(64)
        return local, sha256_of(local), start
    except FileNotFoundError:
        raise BadInput(
            f"There is no file '{path}' with weights (looked for in {Path.cwd()})."
        ) from None
    except OSError as error:
        raise BadInput(f"The weights '{path}' cannot be read: {error.strerror}.") from error


def _safetensors(source: Path | bytes, path: str) -> Any:
    reader = required("safetensors.torch", "torch", f"Reading '{path}'")
    try:
        return reader.load(source) if isinstance(source, bytes) else reader.load_file(source)
    except Exception as error:
        raise BadInput(
            f"'{path}' begins like a safetensors file, but it cannot be read: {error}. It may be"
            " cut short: fetch it again."
        ) from error


def _pickled(torch: ModuleType, source: Path | bytes, path: str, start: bytes) -> Any:
    if start.startswith((b"version https://git-lfs", b"<!DOCTYPE", b"<html", b"<?xml")):
        kind = "a Git LFS pointer" if start.startswith(b"version") else "a web page"
        raise BadInput(f"'{path}' is {kind} and not weights: fetch the file itself.")
    if not start:
        raise BadInput(f"'{path}' is an empty file and not weights.")
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            # Torch warns of it with a path in its own source; the error below says it.
            warnings.filterwarnings("ignore", ".*TorchScript archive", UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        text = str(error)
        if "TorchScript" in text:
            raise BadInput(
                f"'{path}' is a TorchScript archive: a program with weights. It was not run. Save"
                " the state dict, or load it in a file of yours and use the adapter python."
            ) from error
        foreign = re.search(r"GLOBAL ([\w.]+\w)", text)
        if foreign or re.search("Can only (create|build)|unrecognized function", text):
            name = f" ({foreign[1]})" if foreign else ""
            raise BadInput(
                f"'{path}' holds code{name}, not weights alone. It was not run. Save the state"
                " dict (torch.save(model.state_dict(), …)) or a safetensors file where you"
                " trust it, and give that."
            ) from error
        raise BadInput(
            f"'{path}' cannot be read as a torch file ({type(error).__name__}); it may be cut short"
            " or be of another format. Weights come as .safetensors, or as .pt, .pth, .th or .bin"
            " made by torch.save."
        ) from error


def _harmless() -> list[Any]:
    """Classes beside tensors that training scripts save and that only hold values."""
    import _codecs

    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(c)) for c in "?bBhHiIlLqQefd"]
    old = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    return [argparse.Namespace, np.dtype, *kinds, *old, _codecs.encode]


def _unwrapped(torch: ModuleType, found: Any, path: str) -> dict[str, Any]:
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        if any(isinstance(v, torch.Tensor) for v in found.values()):
            return {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}
        inner = [k for k in _WRAPPERS if isinstance(found.get(k), Mapping)]
        if not inner:
            break
        found = found[inner[0]]
    what = f"the keys {_few([str(k) for k in found])}" if isinstance(found, Mapping) else ""
    raise BadInput(
        f"'{path}' holds no weights by name: it holds {what or type(found).__name__}. A state dict"
        f" is looked for at the top and under {', '.join(_WRAPPERS)}."
    )


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """The state without the prefixes that wrappers put before every name."""
    while True:
        for prefix in _PREFIXES:
            if state and all(name.startswith(prefix) for name in state):
                state = {name.removeprefix(prefix): value for name, value in state.items()}
                break
        else:
            return state


def _few(items: list[str], between: str = ", ") -> str:
    return between.join(items[:3]) + (f"{between}…" if len(items) > 3 else "")
