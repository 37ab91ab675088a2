"""Discordant counts of every pair of models on the same examples, and what they imply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.stats.multiple import holm
from heldout.stats.paired import mcnemar_exact, mcnemar_midp
from heldout.stats.similarity import agreement_matrix

TESTS = {"exact": mcnemar_exact, "mid-p": mcnemar_midp}


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The m(m-1)/2 pairs i < j of m models on n examples.

    b: examples that only i gets right; c: that only j gets right; both: that both get right.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    b: NDArray[np.int64]
    c: NDArray[np.int64]
    both: NDArray[np.int64]
    n: int


def all_pairs(right: NDArray[np.bool_]) -> Pairs:
    """Counts of all pairs from one matrix product; right is (m, n)."""
    agree = agreement_matrix(right)
    k = right.sum(axis=1, dtype=np.int64)
    i, j = np.triu_indices(len(right), 1)
    n = right.shape[1]
    differ = n - agree[i, j]
    lead = k[i] - k[j]
    b = (differ + lead) // 2
    return Pairs(i, j, b, differ - b, k[i] - b, n)


def corrected_p(pairs: Pairs, test: str = "exact") -> tuple[Any, Any]:
    """McNemar's p of every pair, and Holm's correction over the family."""
    p = TESTS[test](pairs.b, pairs.c)
    return p, holm(p)


def better_matrix(pairs: Pairs, p: Any, m: int, alpha: float) -> NDArray[np.bool_]:
    """(m, m): row is significantly better than column at family-wise `alpha`."""
    better = np.zeros((m, m), bool)
    sure = p <= alpha
    first = sure & (pairs.b > pairs.c)
    second = sure & (pairs.c > pairs.b)
    better[pairs.i[first], pairs.j[first]] = True
    better[pairs.j[second], pairs.i[second]] = True
    return better
