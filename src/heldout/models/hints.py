"""What was meant by a model's URI that is none: the adapter that suits a file or a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from heldout.errors import BadInput

_PICKLES = (".joblib", ".pkl", ".pickle", ".sav")
_WEIGHTS = (".py", ".pt", ".pth", ".th", ".bin", ".safetensors")


def must_be_uri(uri: str, adapters: Sequence[str]) -> None:
    """Refuses what is written in another way than URIs are, with the URI that is likely meant.

    A file of joblib or pickle without an adapter, NAME=URI, and ADAPTER/NAME. Raises BadInput.
    """
    start, _, tail = uri.partition("?")
    colon = start.partition(":")[0] in adapters
    if not colon and start.lower().endswith(_PICKLES):
        better = re.sub(r"\.\w+$", ".skops", start)
        raise BadInput(
            f"'{uri}' is a pickle by its ending (joblib's files are, too), and opening a pickle"
            " runs any program that is in it. Where you trust it, open it yourself, save it with"
            f" skops.io.dump(model, '{better}'), and give sklearn:{better}"
        )
    name, equals, rest = start.partition("=")
    if equals and not colon and rest.partition(":")[0] in adapters and rest.partition(":")[2]:
        options = f"{tail}&name={name}" if tail else f"name={name}"
        raise BadInput(
            f"'{uri}' does not name a model: its name in the store is an option. Did you mean"
            f" '{rest}?{options}'?"
        )
    adapter, slash, rest = start.partition("/")
    if slash and rest and adapter in adapters and not Path(start).exists():
        raise BadInput(
            f"'{uri}' does not name a model: after the adapter comes a colon. Did you mean"
            f" '{adapter}:{uri.partition('/')[2]}'?"
        )


def must_be_one_option(uri: str, key: str, value: str) -> None:
    """Refuses further options behind a comma: 'checkpoint=a.pt,mean=half'. Raises BadInput.

    A comma that belongs to the value can be written %2C.
    """
    if re.search(r",\s*[a-z_]+=", value):
        parts = re.sub(r",\s*(?=[a-z_]+=)", "&", value)
        raise BadInput(
            f"In '{uri}', options are joined with &, not with commas: write {key}={parts}"
            " (a comma that belongs to the value is %2C)."
        )


def likely(text: str) -> str:
    """A URI that could be meant by a bare file or model name, as an example."""
    lower = text.lower()
    if lower.endswith(".onnx"):
        return f"onnx:{text}"
    if lower.endswith(".skops"):
        return f"sklearn:{text}"
    if ".py:" in text or ":" in text.strip(":"):
        return f"python:{text}"
    if lower.endswith(_WEIGHTS):
        code = text if lower.endswith(".py") else "my_model.py"
        return f"python:{code}:model?checkpoint={'weights.pt' if code == text else text}"
    return f"timm:{text.strip(':?') or 'resnet50'}"


def of_own_code(adapter: str, rest: str, options: Mapping[str, str]) -> str:
    """A sentence for an unknown adapter that is a module of the user's, or may be; else ''."""
    if not re.fullmatch(r"[A-Za-z_]\w*", adapter) or not re.fullmatch(r"[A-Za-z_][\w.]*", rest):
        return ""
    there = Path(f"{adapter}.py").is_file() or Path(adapter, "__init__.py").is_file()
    tail = "&".join(f"{k}={v}" for k, v in options.items())
    uri = f"python:{adapter}:{rest}{'?' if tail else ''}{tail}"
    return f" For {rest} in your own {adapter}.py, write {uri}" if there else ""
