"""CIFAR ResNets (He et al. 2015, section 4.2): 6n+2 layers, option A shortcuts, 32 x 32 pictures.

For the weights of github.com/akamaster/pytorch_resnet_cifar10, which were trained with ImageNet's
mean and standard deviation (not CIFAR-10's): 0.8 to 12 points are lost with others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from heldout.errors import BadInput
from heldout.images.geometry import Geometry
from heldout.models.adapters import required
from heldout.models.classifier import Placement
from heldout.models.preprocessing import NORMS, Preprocessing, with_options
from heldout.models.torch_classifier import TorchClassifier
from heldout.models.weights import load_into, load_state

ABOUT = "CIFAR ResNets (20, 32, 44, 56, 110 …) from a local checkpoint"
EXAMPLE = "cifar-resnet:20?checkpoint=resnet20-12fca82f.th"
OPTIONS = {"checkpoint": "the file with the weights"}
# fmt: off
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)
# fmt: on


def load(rest: str, options: dict[str, str], placement: Placement) -> TorchClassifier:
    """The ResNet of a depth (`20`, with checkpoint=), or of a checkpoint alone (`PATH`).

    Raises BadInput.
    """
    torch = required("torch", "torch", "The adapter cifar-resnet")
    path = options.get("checkpoint")
    depth = int(rest) if rest.isdecimal() else None
    if path is None:
        if depth is not None:
            raise BadInput(
                f"cifar-resnet:{rest} has no weights of its own. Trained ones for 20, 32, 44, 56"
                " and 110 layers are published at github.com/akamaster/pytorch_resnet_cifar10, in"
                " the folder pretrained_models; name a local file of them:"
                f" cifar-resnet:{rest}?checkpoint=PATH"
            )
        path = rest
    elif depth is None:
        raise BadInput(
            f"cifar-resnet:{rest} is no depth: write cifar-resnet:20?checkpoint={path}, or the"
            f" path alone, cifar-resnet:{path}"
        )
    state, digest = load_state(path)
    held = depth_of(state)
    if held is None:
        raise BadInput(
            f"'{path}' is not a CIFAR ResNet: it has no weights named layer1.0.conv1.weight to"
            " layer3.N.conv2.weight and linear.weight, as many in each of the three layers."
        )
    if depth is not None and depth != held:
        raise BadInput(f"'{path}' holds a CIFAR ResNet of {held} layers, not of {depth}.")
    shape = tuple(state["linear.weight"].shape)
    if len(shape) != 2:
        raise BadInput(
            f"'{path}': linear.weight has shape {shape}, not (classes, 64): these are no weights of"
            " a CIFAR ResNet."
        )
    outputs = int(state["linear.weight"].shape[0])
    module = network(torch, held, outputs)
    load_into(module, state, path)
    mean, std = NORMS["imagenet"]
    preprocessing = Preprocessing(
        Geometry(resize=32, crop=(32, 32)), mean, std, origin="as these ResNets were trained"
    )
    known = outputs == len(CLASSES)
    return TorchClassifier(
        module,
        with_options(preprocessing, options),
        placement,
        name=f"cifar-resnet-{held}",
        weights=digest,
        classes=CLASSES if known else None,
        space="cifar10" if known else None,
        metadata={"family": "cifar-resnet", "depth": held},
    )


def depth_of(state: Mapping[str, Any]) -> int | None:
    """The depth that a state dict's names tell (blocks * 6 + 2); None: it is no CIFAR ResNet."""
    found = [re.fullmatch(r"layer([123])\.(\d+)\.conv2\.weight", name) for name in state]
    blocks = sorted({(int(m[1]), int(m[2])) for m in found if m})
    each = len(blocks) // 3
    whole = blocks == [(layer, block) for layer in (1, 2, 3) for block in range(each)]
    return 6 * each + 2 if each and whole and "linear.weight" in state else None


def network(torch: Any, depth: int, outputs: int = 10) -> Any:
    """The torch module, untrained; its weights have the names of the published checkpoints."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, before: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.grows = before != width

        def forward(self, x: Any) -> Any:
            out = functional.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            if self.grows:  # option A: every second pixel, zeros for the new channels, half a side
                more = (out.shape[1] - x.shape[1]) // 2
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more))
            return functional.relu(out + x)

    class CifarResNet(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            blocks = (depth - 2) // 6
            self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.layer1 = self.row(blocks, 16, 16, 1)
            self.layer2 = self.row(blocks, 16, 32, 2)
            self.layer3 = self.row(blocks, 32, 64, 2)
            self.linear = nn.Linear(64, outputs)

        @staticmethod
        def row(blocks: int, before: int, width: int, stride: int) -> Any:
            first = Block(before, width, stride)
            return nn.Sequential(first, *(Block(width, width, 1) for _ in range(blocks - 1)))

        def forward(self, x: Any) -> Any:
            out = functional.relu(self.bn1(self.conv1(x)))
            out = self.layer3(self.layer2(self.layer1(out)))
            return self.linear(out.mean((2, 3)))

    return CifarResNet()
