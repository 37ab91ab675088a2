"""Random numbers of the demo: one generator for everything that is drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *ids: object) -> np.random.Generator:
    """The generator for one purpose and one thing; it depends on nothing else.

    >>> a, b = generator(0, "noise", 3, "digit-0007"), generator(0, "noise", 3, "digit-0007")
    >>> a.random() == b.random()
    True
    """
    name = "\0".join(str(part) for part in (seed, purpose, *ids))
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(name.encode()).digest()[:16]))
