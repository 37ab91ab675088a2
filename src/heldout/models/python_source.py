"""What the answers of a model of one's own rest on: its source, and the arrays that it holds.

The hash changes when the file of the model, a local module that it imports, or one of its tensors
does. It does not know where the folder lies, nor when a file was written.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CellType, ModuleType
from typing import Any

import numpy as np

RUN_AS = "heldout_python_"  # how the modules are called that are run from a file
_DEEP = 4  # how far arrays are looked for in objects that hold objects


def source_hash(thing: Any, module: ModuleType, attribute: str) -> tuple[str, list[str]]:
    """The sha256 in hex over the arrays of `thing` and its source, and the source files' names.

    `attribute` is its name in `module`. Local modules are those in the folder of the module's
    file, at the top of its package or in the current folder, or below those; what is installed is
    not. Imports within functions count; names of modules that are put together do not. Arrays are
    those of torch modules, tensors and NumPy arrays that a function or object refers to.
    """
    digest = hashlib.sha256(f"attribute {attribute}\n".encode())
    sources = local_sources(Path(module.__file__), module.__name__) if module.__file__ else {}
    for name, content in sorted(sources.items()):
        digest.update(f"source {name} {hashlib.sha256(content).hexdigest()}\n".encode())
    for name, held in _arrays(thing, "", set(), _DEEP):
        digest.update(f"array {name} {held}\n".encode())
    return digest.hexdigest(), list(sources)


def local_sources(file: Path, module: str) -> dict[str, bytes]:
    """The content of a file of Python and of the local modules that it imports, by their names.

    Names are relative to the folder in which the import was found: net.py, parts/blocks.py.
    """
    file = file.resolve()
    here, start = file.parent, [file]
    if not module.startswith(RUN_AS):  # then from the folder that its package is imported from
        depth = module.count(".") + (file.name == "__init__.py")
        here = file.parents[min(depth, len(file.parents) - 1)]
        start += [p for p, _ in _resolved([here], module.split("."))]
    if _installed(file):
        return {file.name: file.read_bytes()} if file.is_file() else {}
    roots = list(dict.fromkeys([here, Path.cwd().resolve()]))
    queue, contents = [(path, here) for path in start if path.is_file()], dict[str, bytes]()
    seen: set[Path] = set()
    for path, base in queue:  # grows on the way
        if path in seen or _installed(path):
            continue
        seen.add(path)
        root = next((r for r in roots if path.is_relative_to(r)), base)
        contents[path.relative_to(root).as_posix()] = path.read_bytes()
        for bases, parts in _imports(path):
            queue += _resolved(bases or _importable(parts[0], roots), parts)
    return contents


def _imports(file: Path) -> Iterator[tuple[list[Path], list[str]]]:
    """What a file imports: the folders to look in (none: as the path says), and dotted names."""
    if file.suffix != ".py" or not file.is_file():
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # one that is imported under a condition that is not met
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (([], alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            bases = [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else []
            parts = node.module.split(".") if node.module else []
            yield from ((bases, [*parts, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = getattr(node.args[0], "value", None)
            if called in ("import_module", "__import__") and isinstance(name, str) and name:
                yield [], name.strip(".").split(".")


def _importable(top: str, roots: list[Path]) -> list[Path]:
    """The folders that a module may come from; none for one that was imported from elsewhere."""
    if top == "heldout" or top in sys.builtin_module_names:
        return []
    loaded = getattr(sys.modules.get(top), "__file__", None)
    if loaded is None and top in sys.stdlib_module_names:
        return []
    if loaded is not None and _installed(Path(loaded).resolve()):
        return []
    return roots


def _resolved(bases: list[Path], parts: list[str]) -> Iterator[tuple[Path, Path]]:
    """The files of a.b.c: those of a, a.b and a.b.c that there are, from the first base with one.

    The last part may be a name in the module before it.
    """
    for base in bases:
        files, folder = [], base
        for part in parts:
            one = next(
                (p for p in (folder / part / "__init__.py", folder / f"{part}.py") if p.is_file()),
                None,
            )
            files += [(one, base)] if one else []
            folder = folder / part
            if not folder.is_dir():
                break
        if files:
            yield from files
            return


@functools.cache
def _installed_in() -> tuple[Path, ...]:
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    return tuple({Path(sysconfig.get_paths()[n]).resolve() for n in names})


def _installed(path: Path) -> bool:
    aside = {"site-packages", "dist-packages", ".venv"} & set(path.parts)
    return bool(aside) or any(path.is_relative_to(folder) for folder in _installed_in())


def _arrays(thing: Any, name: str, seen: set[int], deep: int) -> Iterator[tuple[str, str]]:
    """Names and hashes of the arrays that something holds or refers to, in an order of names."""
    if id(thing) in seen or isinstance(thing, ModuleType | str | bytes | int | float | None):
        return
    seen.add(id(thing))
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(thing, torch.nn.Module):
        from heldout.models.weights import weights_hash

        yield name, weights_hash(thing)
    elif torch is not None and isinstance(thing, torch.Tensor):
        yield name, _hashed(thing.detach().cpu().float().numpy())
    elif isinstance(thing, np.ndarray):
        yield name, _hashed(thing)
    elif deep > 0:
        for key, value in sorted(_parts(thing).items()):
            yield from _arrays(value, f"{name}.{key}", seen, deep - 1)


def _hashed(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.hasobject:
        return f"objects {array.shape}"
    start = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    start.update(np.ascontiguousarray(array).tobytes())
    return start.hexdigest()


def _parts(thing: Any) -> dict[str, Any]:
    """What an object of local code, a function or a container holds, by name."""
    if isinstance(thing, dict):
        return {str(k): v for k, v in thing.items()}
    if isinstance(thing, list | tuple):
        return {f"{i:06d}": v for i, v in enumerate(thing)} if len(thing) <= 1000 else {}
    if isinstance(thing, functools.partial):
        return {"func": thing.func, "args": thing.args, "keywords": thing.keywords}
    if inspect.ismethod(thing):
        return {"function": thing.__func__, "self": thing.__self__}
    if inspect.isfunction(thing):
        if _foreign(thing.__module__):
            return {}
        there = {n: thing.__globals__[n] for n in _names(thing.__code__) if n in thing.__globals__}
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
        return there | {f"{n}'": _content(cell) for n, cell in cells} | _set_on(thing)
    held: dict[str, Any] = {}
    for kind in reversed(thing.__mro__ if isinstance(thing, type) else type(thing).__mro__):
        if not _foreign(kind.__module__):
            held |= {n: v for n, v in vars(kind).items() if inspect.isfunction(v)} | _set_on(kind)
    return held | _set_on(thing) if held else {}


def _names(code: Any) -> set[str]:
    """The names that a function's code, and that of functions within it, looks up."""
    inner = (c for c in code.co_consts if inspect.iscode(c))
    return set(code.co_names).union(*map(_names, inner))


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None


def _set_on(thing: Any) -> dict[str, Any]:
    held = getattr(thing, "__dict__", {})
    return {k: v for k, v in held.items() if not k.startswith("__")}


def _foreign(module: str | None) -> bool:
    """Whether code is installed, built in or heldout's own: nothing of the user's."""
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    return (
        file is None
        or str(module).partition(".")[0] == "heldout"
        or _installed(Path(file).resolve())
    )
