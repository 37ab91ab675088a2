"""Functions and classes that make a model: which those are, and that they make the same one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from heldout.errors import BadInput
from heldout.models.classifier import in_words


def called(factory: Callable[[], Any], rest: str) -> tuple[Any, Any]:
    """What a factory makes: the model, and its preprocessing or None."""
    if needs := needed(factory):
        raise BadInput(takes_arguments(rest, needs))
    try:
        made = factory()
    except Exception as error:
        raise BadInput(f"python:{rest} failed to make the model: {in_words(error)}") from error
    return made if isinstance(made, tuple) and len(made) == 2 else (made, None)


def must_be_settled(found: Any, again: Any, rest: str) -> None:
    """Refuses a factory whose torch module has other weights when it is made again."""
    from heldout.models.weights import weights_hash

    if not is_torch(again) or weights_hash(found) != weights_hash(again):
        raise BadInput(
            f"python:{rest} gives other weights each time it is called, so its answers could not be"
            " had again. Give checkpoint=FILE with trained weights, or set a seed in it"
            " (torch.manual_seed(0))."
        )


def needed(thing: Any) -> list[str]:
    """The arguments without a default that a function, class or object cannot do without."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in free]


def makes_models(argument: str) -> bool:
    """Whether an argument is called as those of factories are, and not as pictures are."""
    words = "num n_ class width depth size config cfg args path weights checkpoint pretrained"
    return any(word in argument.lower() for word in words.split())


def takes_arguments(rest: str, needs: list[str]) -> str:
    """The message for a factory that cannot be called with nothing."""
    noun = "argument" if len(needs) == 1 else "arguments"
    place, _, attribute = rest.rpartition(":")
    return (
        f"python:{rest} needs the {noun} {', '.join(needs)}, and what makes a model is called"
        f" without any. Write a function in {place} that calls {attribute}(…) with them and give"
        " that, or give them defaults. (A function of pictures has one argument.)"
    )


def is_torch(thing: Any) -> bool:
    """Whether it is a torch module; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)


def is_factory(thing: Any) -> bool:
    """Whether it is a function that can be called with nothing."""
    if not (inspect.isfunction(thing) or inspect.isbuiltin(thing) or inspect.ismethod(thing)):
        return False
    try:
        inspect.signature(thing).bind()
    except (TypeError, ValueError):
        return False
    return True
