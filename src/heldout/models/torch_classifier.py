"""A `Classifier` around a torch module: where it runs, in which precision and memory layout."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, HeldoutError, not_found
from heldout.models.adapters import required
from heldout.models.classifier import (
    About,
    OutOfMemory,
    Placement,
    checked,
    in_words,
    probe_images,
    score_kind_of,
)
from heldout.models.preprocessing import Preprocessing, constants, normalised, with_channels
from heldout.models.weights import weights_hash

PRECISIONS = ("float32", "bfloat16", "float16")
_FULL = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


class TorchClassifier:
    """A torch module that answers: in eval mode, without gradients, on one device.

    `facts` go into `About` (name, weights, classes, space, metadata, notes …); what is not given
    is found out: `outputs` and `score_kind` from two made-up pictures, `weights` as the hash of the
    tensors. `channels_last` None: where the module has convolutions, if it can (1.3 to 4 times as
    fast on CPUs, same scores up to rounding). float32 means float32: no TF32 on GPUs.
    Raises BadInput: a device that is not there, a module that does not give one row a picture.
    """

    about: About

    def __init__(
        self,
        module: Any,
        preprocessing: Preprocessing,
        placement: Placement,
        *,
        name: str,
        channels_last: bool | None = None,
        **facts: Any,
    ) -> None:
        torch = required("torch", "torch", f"The model '{name}'")
        self._torch = torch
        self._name = name
        self._preprocessing = preprocessing
        self._device = chosen_device(torch, placement.device)
        self._dtype = _chosen_dtype(torch, placement.precision, self._device.type)
        if placement.threads is not None:
            torch.set_num_threads(placement.threads)
        if channels_last is None:
            channels_last = any(p.ndim == 4 for p in module.parameters())
        self._channels_last = channels_last
        weights = facts.pop("weights", "") or weights_hash(module)
        self._module = self._placed(module)
        probe = self._probe()
        facts.setdefault("score_kind", score_kind_of(probe))
        self.about = About(
            name=name,
            uri=facts.pop("uri", ""),
            outputs=probe.shape[1],
            preprocessing=preprocessing,
            weights=weights,
            parameters=sum(p.numel() for p in module.parameters()),
            bytes=sum(t.numel() * t.element_size() for t in module.state_dict().values()),
            versions={"torch": torch.__version__, **facts.pop("versions", {})},
            **facts,
        )

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0"."""
        return str(self._device)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One row of scores a picture: (n, h, w, 3) RGB to (n, outputs), NaN as it comes."""
        found: Any = None
        failure: BaseException | None = None
        try:
            found = self._forward(images)
        except HeldoutError:
            raise
        except Exception as error:
            if not _is_full(self._torch, error):
                raise BadInput(
                    f"The model '{self._name}' failed on {_pictures(images)}: {in_words(error)}"
                ) from error
            failure = error
        if failure is not None:
            # Outside of the except clause: its frames hold the tensors that fill the memory.
            text = f"{len(images)} pictures at once do not fit: {in_words(failure)}"
            failure.__traceback__ = None
            del failure
            if self._device.type == "cuda":
                self._torch.cuda.empty_cache()
            raise OutOfMemory(text)
        return checked(found, len(images), self.about.outputs, self._name)

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        torch = self._torch
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            for context in self._contexts():
                stack.enter_context(context)
            raw = self._module(self._input(images))
            logits = _tensor(torch, raw, self._name)
            return np.asarray(logits.float().cpu().numpy())

    def _input(self, images: NDArray[np.uint8]) -> Any:
        """Pixels as (n, c, h, w) float32 on the device, channels last in memory or not."""
        torch = self._torch
        if self._device.type == "cpu":
            made = torch.from_numpy(normalised(self._preprocessing, images))
        else:
            made = normalised_on(torch, self._device, self._preprocessing, images)
        made = made.permute(0, 3, 1, 2)
        return made if self._channels_last else made.contiguous()

    def _contexts(self) -> list[AbstractContextManager[Any]]:
        torch = self._torch
        contexts: list[AbstractContextManager[Any]] = []
        if self._dtype != torch.float32:
            contexts.append(torch.autocast(self._device.type, dtype=self._dtype))
        if self._device.type == "cuda":
            contexts.append(
                torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                )
            )
        return contexts

    def _placed(self, module: Any) -> Any:
        torch = self._torch
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        try:
            module = module.eval().requires_grad_(False).float()
            return module.to(self._device).to(memory_format=layout)
        except Exception as error:
            if not _is_full(torch, error):
                raise
            raise BadInput(
                f"The weights of '{self._name}' do not fit into the memory of {self._device}:"
                f" {in_words(error)} Use device=cpu or a smaller model."
            ) from error

    def _probe(self) -> NDArray[np.float32]:
        """The scores of two made-up pictures; settles the memory layout on the way."""
        failures = []
        for images in probe_images(self._preprocessing):
            layouts = [True, False] if self._channels_last else [False]
            for layout in layouts:
                if layout != self._channels_last:  # such a module flattens with view()
                    self._channels_last = layout
                    self._module = self._placed(self._module)
                try:
                    return checked(self._forward(images), len(images), None, self._name)
                except HeldoutError:
                    raise
                except Exception as error:
                    failures.append((images, error))
        unsized = self._preprocessing.geometry is None
        images, failure = failures[0 if unsized else -1]
        advice = " Nothing says which size of pictures it takes: give it, such as size=224."
        raise BadInput(
            f"The model '{self._name}' failed on {_pictures(images)}: {in_words(failure)}."
            f"{advice if unsized else ''}"
        ) from failure


def normalised_on(
    torch: ModuleType, device: Any, preprocessing: Preprocessing, images: NDArray[np.uint8]
) -> Any:
    """As `preprocessing.normalised`, to the bit, on a device: a quarter of the bytes travel there.

    (n, h, w, 3) uint8 to a tensor (n, h, w, c) float32.
    """
    pixels = np.ascontiguousarray(with_channels(images, preprocessing.channels))
    if not pixels.flags.writeable:
        pixels = pixels.copy()  # torch warns of arrays that it could write to and must not
    rows = torch.from_numpy(pixels).to(device).flatten(2).to(torch.float32)
    factor, summand = (np.tile(v, pixels.shape[2]) for v in constants(preprocessing))
    rows.mul_(torch.from_numpy(factor).to(device)).add_(torch.from_numpy(summand).to(device))
    return rows.view(pixels.shape)


def chosen_device(torch: ModuleType, device: str) -> Any:
    """The torch device that a text means. Raises BadInput that says which there are."""
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if device == "auto":
        return torch.device(there[1] if len(there) > 1 else "cpu")
    if device not in there:
        hint = ""
        if device.startswith("cuda") and torch.version.cuda is None:
            hint = f" This torch ({torch.__version__}) is built without CUDA."
        raise BadInput(
            f"There is no device '{device}' here; there is: {', '.join(there)}.{hint} device=auto"
            " takes a GPU where there is one."
        )
    return torch.device(device)


def _chosen_dtype(torch: ModuleType, precision: str, device: str) -> Any:
    if precision not in PRECISIONS:
        raise not_found("precision", precision, PRECISIONS)
    if precision == "float16" and device == "cpu":
        raise BadInput(
            "precision=float16 is for GPUs: on the CPU it is slower than float32 and overflows at"
            " 65,504. Use float32, or bfloat16 where the processor has it."
        )
    return getattr(torch, precision)


def _tensor(torch: ModuleType, output: Any, name: str) -> Any:
    """The scores in what a module returns: a tensor, .logits, a mapping's, the first of a tuple."""
    found = output
    if hasattr(output, "logits"):
        found = output.logits
    elif isinstance(output, Mapping):
        tensors = {k: v for k, v in output.items() if isinstance(v, torch.Tensor)}
        named = [k for k in ("logits", "scores", "output", "out", "probabilities") if k in tensors]
        key = named[0] if named else next(iter(tensors), None) if len(tensors) == 1 else None
        found = tensors.get(key)
    elif isinstance(output, tuple | list) and output:
        found = output[0]
    if not isinstance(found, torch.Tensor):
        held = f" with {', '.join(map(str, output))}" if isinstance(output, Mapping) else ""
        raise BadInput(
            f"The model '{name}' gives a {type(output).__name__}{held}, not scores: a tensor, a"
            " tuple that begins with one, or something with logits."
        )
    return found


def _is_full(torch: ModuleType, error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL)


def _pictures(images: NDArray[np.uint8]) -> str:
    n, h, w = images.shape[:3]
    return f"{n} pictures of {h} x {w} pixels"
