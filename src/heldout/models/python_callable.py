"""A model of one's own: a torch module, a factory, or any function from pixels to scores.

Running it is running its code; this adapter is for code that one would run anyway.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, HeldoutError, not_found
from heldout.models import preprocessing as preparing
from heldout.models.classifier import (
    SCORE_KINDS,
    About,
    Classifier,
    OutOfMemory,
    Placement,
    checked,
    in_words,
    probe_images,
    score_kind_of,
)
from heldout.models.preprocessing import Preprocessing, with_channels, with_options
from heldout.models.python_factory import (
    called,
    is_factory,
    is_torch,
    makes_models,
    must_be_settled,
    needed,
    takes_arguments,
)
from heldout.models.python_source import RUN_AS, source_hash

ABOUT = "your own code: a torch module, a function that makes one, or a function of pixels"
EXAMPLE = "python:my_model.py:model?checkpoint=weights.pt&size=224&mean=imagenet"
OPTIONS = {"checkpoint": "a file with the weights of the torch module"}
_PIXELS = Preprocessing(None, scale=1.0, origin="the function's own")


class CallableClassifier:
    """A function from (n, h, w, 3) uint8 pictures to (n, classes) scores; no torch in sight."""

    about: About

    def __init__(
        self, function: Callable[[NDArray[np.uint8]], Any], how: Preprocessing, **facts: Any
    ) -> None:
        self._function = function
        self._channels = how.channels
        self._name = str(facts["name"])
        probe = self._first_answer(how)
        facts.setdefault("score_kind", score_kind_of(probe))
        self.about = About(uri="", outputs=probe.shape[1], preprocessing=how, **facts)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One row of scores a picture, NaN as it comes. Raises BadInput and OutOfMemory."""
        return self._answer(images, self.about.outputs)

    def _answer(self, images: NDArray[np.uint8], outputs: int | None) -> NDArray[np.float32]:
        try:
            raw = self._function(with_channels(images, self._channels))
            if hasattr(raw, "detach"):  # a torch tensor
                raw = raw.detach().cpu().float().numpy()
        except HeldoutError:
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                raise OutOfMemory(f"{len(images)} pictures at once do not fit") from None
            n, h, w = images.shape[:3]
            raise BadInput(
                f"The model '{self._name}' failed on {n} pictures of {h} x {w} pixels:"
                f" {in_words(error)}"
            ) from error
        return checked(raw, len(images), outputs, self._name)

    def _first_answer(self, how: Preprocessing) -> NDArray[np.float32]:
        failures: list[BadInput] = []
        for images in probe_images(how):
            try:
                return self._answer(images, None)
            except BadInput as error:
                failures.append(error)
        raise failures[0]


def load(rest: str, options: dict[str, str], placement: Placement) -> Classifier:
    """`module:attribute` or `path/to/file.py:attribute`.

    The attribute is a torch module; a class or function that needs no arguments and gives a model,
    or a model and its preprocessing (a mapping with the keys of a URI's options); or a function
    of pictures. Raises BadInput with the code's own exception, its file and line.
    """
    module, made_by, name = _found(rest)
    found, said, path = made_by, None, options.get("checkpoint")
    if isinstance(found, type) or (is_factory(found) and not is_torch(found)):
        found, said = called(found, rest)
    if is_torch(found) and found is not made_by and path is None:
        must_be_settled(found, called(made_by, rest)[0], rest)
    facts = _facts(found, module)
    notes = facts.pop("notes")
    own = said if said is not None else getattr(found, "preprocessing", None)
    attribute = rest.rpartition(":")[2]
    if is_torch(found):
        from heldout.models.torch_classifier import TorchClassifier
        from heldout.models.weights import load_into, load_state

        how = _stated(own, Preprocessing(None), rest, notes)
        how = with_options(how, options)
        if not how.origin:
            notes.append(
                f"Nothing says how python:{rest} wants its pictures: they go in as they come, as"
                " x/255. Give size, mean and std, or an attribute preprocessing."
            )
            how = replace(how, origin="assumed")
        if path is not None:
            load_into(found, load_state(path)[0], path)
            name = f"{name}-{PurePosixPath(path).stem}"
        facts["weights"], _ = source_hash(found, module, attribute)
        return TorchClassifier(found, how, placement, name=name, notes=tuple(notes), **facts)
    if not callable(found):
        raise BadInput(
            f"python:{rest} is a {type(found).__name__}, not a model: give a torch module, a"
            " function that makes one, or a function from pictures (n, h, w, 3) to scores."
        )
    needs = needed(found)
    if len(needs) > 1 or (path is not None and any(map(makes_models, needs))):
        raise BadInput(takes_arguments(rest, needs))
    if path is not None:
        raise BadInput(
            f"checkpoint={path} is for torch modules; python:{rest} is a function of"
            f" {', '.join(needs) or 'pictures'}, which is taken to be one of pictures. Where it"
            " makes a torch module, give its arguments defaults."
        )
    how = _for_function(_stated(own, _PIXELS, rest, notes), options, rest)
    facts["weights"], sources = source_hash(found, module, attribute)
    if sources:
        more = f" and {len(sources) - 1} local modules that it imports" if sources[1:] else ""
        notes.append(
            f"The hash of the weights is over the source ({sources[0]}{more}) and the arrays that"
            " it holds; other data that the code reads is not seen."
        )
    try:
        return CallableClassifier(found, how, name=name, notes=tuple(notes), **facts)
    except BadInput as error:
        if needs and makes_models(needs[0]):
            raise BadInput(
                f"{takes_arguments(rest, needs)} Called with pictures: {error}"
            ) from error
        raise


def _found(rest: str) -> tuple[ModuleType, Any, str]:
    """The module, the attribute in it, and a name for the model."""
    place, colon, attribute = rest.rpartition(":")
    if not colon or not place or not attribute:
        raise BadInput(
            f"python:{rest} does not say which attribute is the model: write python:FILE.py:NAME"
            " or python:MODULE:NAME"
        )
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise BadInput(f"There is no file '{place}' (looked for in {Path.cwd()}).")
        module = _imported(place, path.parent, lambda: _run_file(path))
        stem = path.stem
    else:
        module = _imported(place, Path.cwd(), lambda: importlib.import_module(place))
        stem = place.rpartition(".")[2]
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [n for n in dir(found) if not n.startswith("_")]
            raise not_found("attribute", part, public, place)
        found = getattr(found, part)
    return module, found, f"{stem}.{attribute}"


def _imported(place: str, folder: Path, importing: Callable[[], ModuleType]) -> ModuleType:
    """Imports with a folder at the front of the path, as Python does for a script."""
    sys.path.insert(0, str(folder))
    try:
        return importing()
    except SystemExit as error:
        raise BadInput(
            f"'{place}' ends the program when it is imported: put what only a script should do"
            " under if __name__ == '__main__'."
        ) from error
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            raise BadInput(
                f"There is no Python module '{error.name}' (looked for in {folder} and among what"
                " is installed). A file is given with its ending: python:FILE.py:NAME"
            ) from error
        raise BadInput(f"'{place}' cannot be imported: {in_words(error)}") from error
    except Exception as error:
        raise BadInput(f"'{place}' cannot be imported: {in_words(error)}") from error
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # for what the model imports later


def _run_file(path: Path) -> ModuleType:
    name = f"{RUN_AS}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Python cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _facts(thing: Any, module: ModuleType) -> dict[str, Any]:
    """Classes, label space and kind of scores where the model has attributes of that name."""
    facts: dict[str, Any] = {"notes": []}
    classes = getattr(thing, "classes", None)
    if isinstance(classes, list | tuple) and classes and all(isinstance(c, str) for c in classes):
        facts["classes"] = tuple(classes)
    elif classes is not None:
        facts["notes"].append("The attribute classes is not a list of names and was left aside.")
    if isinstance(getattr(thing, "space", None), str):
        facts["space"] = thing.space
    if getattr(thing, "score_kind", None) in SCORE_KINDS:
        facts["score_kind"] = thing.score_kind
    version = getattr(module, "__version__", None)
    facts["versions"] = {module.__name__: version} if isinstance(version, str) else {}
    return facts


def _stated(own: Any, default: Preprocessing, rest: str, notes: list[str]) -> Preprocessing:
    """The preprocessing that the code itself states, as a mapping or a Preprocessing."""
    if isinstance(own, Preprocessing):
        return own
    if isinstance(own, Mapping):
        for key in own:
            if key not in preparing.OPTIONS:
                raise not_found("key", str(key), preparing.OPTIONS, f"preprocessing of {rest}")
        made = with_options(replace(default, origin=""), own)
        return replace(made, origin=f"said by python:{rest}")
    if own is not None:
        notes.append(
            "The attribute preprocessing is neither a mapping nor a Preprocessing and was left"
            " aside."
        )
    return default


def _for_function(how: Preprocessing, options: Mapping[str, str], rest: str) -> Preprocessing:
    """Geometry and channels only: a function gets pixels as they are."""
    how = with_options(how, options)
    plain = not any(how.mean) and set(how.std) == {1.0} and how.scale in (1.0, 1 / 255)
    if not plain:
        raise BadInput(
            f"python:{rest} is a function, and functions get pixels as they are (0 to 255): do"
            " mean, std and scale in it, or give a torch module."
        )
    return replace(how, scale=1.0)
