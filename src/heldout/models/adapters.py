"""The table of adapters, and a model from its URI: `ADAPTER:REST[?key=value&…]`.

An adapter is a module with ABOUT and EXAMPLE (one line each), OPTIONS (its own options, each with
a line of help) and `load(rest, options, placement)`. It applies the options of `preprocessing`
with `with_options`; `classes`, `space`, `scores` and `name` are seen to here, for all. Further
adapters come from installed packages as entry points of the group `heldout.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast
from urllib.parse import unquote

from heldout.errors import BadInput, HeldoutError, NotFound, not_found
from heldout.models import preprocessing
from heldout.models.classifier import SCORE_KINDS, About, Classifier, Placement
from heldout.models.hints import likely, must_be_one_option, must_be_uri, of_own_code

GROUP = "heldout.models"
_MODULES = {
    "timm": "heldout.models.timm_models",
    "torchvision": "heldout.models.torchvision_models",
    "transformers": "heldout.models.transformers_models",
    "open_clip": "heldout.models.open_clip_models",
    "onnx": "heldout.models.onnx_models",
    "sklearn": "heldout.models.sklearn_models",
    "python": "heldout.models.python_callable",
    "lite": "heldout.models.efficientnet_lite",
    "cifar-resnet": "heldout.models.cifar_resnet",
}
# What every adapter understands.
OPTIONS = {
    **preprocessing.OPTIONS,
    "classes": "the model's classes in the order of its outputs: a file, one a line, or a,b,c",
    "space": "the label space of the outputs: imagenet-1k, cifar10",
    "scores": "what the outputs are: logits, probabilities, log-probabilities or scores",
    "name": "the model's name in the store",
}


class Adapter(Protocol):
    """What an adapter's module has."""

    ABOUT: str
    EXAMPLE: str
    OPTIONS: Mapping[str, str]

    def load(self, rest: str, options: dict[str, str], placement: Placement) -> Classifier:
        """The model that `rest` names."""


def names() -> list[str]:
    """The names of all adapters, those of this package first. Nothing is imported."""
    return [*_MODULES, *sorted(set(_plugins()) - set(_MODULES))]


def find(name: str) -> Adapter:
    """The adapter of that name. Raises NotFound with near matches."""
    if name in _MODULES:
        return cast(Adapter, import_module(_MODULES[name]))
    plugins = _plugins()
    if name not in plugins:
        raise not_found("adapter", name, names(), "heldout")
    try:
        return cast(Adapter, plugins[name].load())
    except Exception as error:
        raise BadInput(
            f"The adapter '{name}' ({plugins[name].value}), which another package brings, cannot"
            f" be loaded: {type(error).__name__}: {error}. Update or remove that package."
        ) from error


def parse(uri: str) -> tuple[str, str, dict[str, str]]:
    """Adapter, rest and options of a URI; option values may be percent-encoded.

    >>> parse("timm:resnet50.a1_in1k?size=288&mean=half")
    ('timm', 'resnet50.a1_in1k', {'size': '288', 'mean': 'half'})
    """
    must_be_uri(uri, names())
    start, mark, tail = uri.partition("?")
    adapter, colon, rest = start.partition(":")
    path = adapter not in names() and ("." in adapter or "/" in adapter)
    if not colon or not adapter or not rest or path:
        example = find(adapter).EXAMPLE if adapter in names() else likely(start)
        raise BadInput(
            f"'{uri}' does not name a model: write ADAPTER:NAME, for example {example}. The"
            f" adapters are: {', '.join(names())}."
        )
    options: dict[str, str] = {}
    for part in tail.split("&") if mark and tail else []:
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise BadInput(f"In '{uri}', '{part}' is not an option: write key=value.")
        if key in options:
            raise BadInput(f"In '{uri}', the option {key} is given twice: leave one of them out.")
        must_be_one_option(uri, key, value)
        options[key] = unquote(value)
    return adapter, rest, options


def load(uri: str, placement: Placement = Placement()) -> Classifier:  # noqa: B008
    """The model that a URI names, ready to answer.

    Raises NotFound (adapter, option or model, with near matches) and BadInput.
    """
    name, rest, options = parse(uri)
    try:
        adapter = find(name)
    except NotFound as error:
        raise NotFound(f"{error}{of_own_code(name, rest, options)}") from None
    own = getattr(adapter, "OPTIONS", None)
    if own is not None:
        _check_options(name, options, own)
    classifier = adapter.load(rest, dict(options), placement)
    if classifier.about.uri != uri:
        classifier.about = replace(classifier.about, uri=uri)
    classifier.about = _as_said(classifier.about, options)
    return classifier


def required(module: str, extra: str, what: str) -> ModuleType:
    """An optional package's module. Raises BadInput that says which extra brings it.

    `what` needs it, as the subject of a sentence: "The adapter timm".
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = str(error.name or module).partition(".")[0]
        by = "" if missing == package else f" (by way of {package})"
        raise BadInput(
            f"{what} needs the package {missing}{by}, which is not installed here. Install it:"
            f" pip install 'heldout[{extra}]'"
        ) from error
    except HeldoutError:
        raise
    except Exception as error:
        raise BadInput(
            f"{what} needs the package {package}. It is installed, but importing it fails with"
            f" {type(error).__name__}: {_first(error)}. Often its version does not fit that of"
            " another package (torchvision and torch go in pairs)."
        ) from error


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of packages, those that are there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_options(adapter: str, options: Mapping[str, str], own: Mapping[str, str]) -> None:
    known = {**own, **OPTIONS}
    for key in options:
        if key not in known:
            try:
                raise not_found("option", key, known, f"adapter {adapter}")
            except NotFound as error:
                raise NotFound(f"{error} All options: {', '.join(known)}.") from None


def _as_said(about: About, said: Mapping[str, str]) -> About:
    if not said.get("name", "x").strip():
        raise BadInput("The option name is empty: name the model, or leave the option out.")
    kind = said.get("scores", about.score_kind)
    if kind not in SCORE_KINDS:
        raise not_found("kind of scores", kind, SCORE_KINDS)
    classes = class_list(said["classes"]) if "classes" in said else about.classes
    if classes is not None and len(classes) != about.outputs:
        raise BadInput(
            f"The class list of the model '{about.name}' has {len(classes)} classes, and the model"
            f" has {about.outputs} outputs. The list goes in the order of the outputs, one class"
            " for each; give it with classes=FILE."
        )
    return replace(
        about,
        name=said.get("name", about.name).strip(),
        space=said.get("space", about.space),
        score_kind=kind,
        classes=classes,
    )


def class_list(text: str) -> tuple[str, ...]:
    """Classes from a file with one a line, or from a list with commas. Raises BadInput."""
    path = Path(text).expanduser()
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"The class list '{text}' cannot be read: {error}.") from error
        classes = [line.strip() for line in lines if line.strip()]
    elif "," in text:
        classes = [part.strip() for part in text.split(",")]
    else:
        raise BadInput(
            f"classes={text} is neither a file that is there nor a list such as cat,dog,bird."
        )
    twice = sorted({c for c in classes if classes.count(c) > 1})[:3]
    if twice or not classes or "" in classes:
        wrong = f"holds {', '.join(twice)} twice" if twice else "holds an empty class"
        raise BadInput(f"The class list '{text}' {wrong}: each class is named once.")
    return tuple(classes)


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")


def _plugins() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=GROUP)}
