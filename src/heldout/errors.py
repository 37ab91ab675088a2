"""What can go wrong, in words: every error a user can cause is a `HeldoutError`.

A message says what is wrong, where, and what to do. The command line prints it and exits with 2;
anything else that escapes is our mistake and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeldoutError(Exception):
    """A mistake that the user can mend; the message says how."""


class StoreError(HeldoutError):
    """The store is not there, is newer than this program, or would be made inconsistent."""


class ConflictError(StoreError):
    """Two different contents for the same thing; the message names both origins."""


class ImportFailed(HeldoutError):
    """A file is not in the format it should be in."""


class NotFound(HeldoutError):
    """A name that the store does not have; the message lists near ones."""


class BadInput(HeldoutError):
    """A value that cannot be used as given."""


def not_found(kind: str, name: str, known: Iterable[str], where: str = "") -> NotFound:
    """The error for an unknown name, with near matches first and the whole list when it is short.

    >>> print(not_found("setting", "imagnet-val", ["imagenet-val", "cifar10"], "the store s"))
    There is no setting 'imagnet-val' in the store s. Did you mean 'imagenet-val'?
    """
    names = sorted(set(known))
    place = f" in {where}" if where else ""
    message = f"There is no {kind} '{name}'{place}."
    near = near_matches(name, names)
    if near:
        return NotFound(f"{message} Did you mean {_either(near)}?")
    if not names:
        return NotFound(f"{message} There are none at all.")
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return NotFound(f"{message} There are: {shown}.")


def near_matches(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Names that look like `name`, best first; case does not matter.

    >>> near_matches("ResNet5", ["resnet50", "vgg16"])
    ['resnet50']
    """
    by_lower = {k.lower(): k for k in sorted(set(known))}
    close = difflib.get_close_matches(name.lower(), by_lower, n=most, cutoff=0.6)
    if not close:
        close = [k for k in by_lower if name.lower() in k][:most]
    return [by_lower[c] for c in close]


def _either(names: list[str]) -> str:
    quoted = [f"'{n}'" for n in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
