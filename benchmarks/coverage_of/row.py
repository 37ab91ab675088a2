"""What is measured: a row for each truth, a section for each kind of method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

NOMINAL = 0.95


class Row(NamedTuple):
    """One measured coverage; draws is None where the sum is exact."""

    method: str
    n: str
    truth: str
    covered: float
    draws: int | None = None


class Section(NamedTuple):
    """A table of the page; `rows` takes the number of simulated test sets for a cheap row."""

    title: str
    words: str
    rows: Callable[[int], Iterator[Row]]


def held(limits: tuple[np.ndarray, ...], truth: np.ndarray | float) -> np.ndarray:
    """Whether each interval (the last two of a method's results) holds the truth."""
    low, high = limits[-2], limits[-1]
    return (low <= truth + 1e-12) & (truth - 1e-12 <= high)
