"""How many examples a question needs, and what a test set of a given size can answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from heldout.analysis.cells import correctness, pick_models
from heldout.analysis.lacking import lacking_of, why_missing
from heldout.errors import BadInput
from heldout.stats.power import (
    detectable_difference,
    detectable_drop,
    exact_mcnemar_power,
    independent_sample_size,
    paired_power,
    paired_sample_size,
)
from heldout.stats.similarity import agreement_matrix
from heldout.store.read import Store
from heldout.table import Column, Table

_MOST_TRIES = 60
_MOST_EXACT = 1_000_000


def power_two_models(
    *,
    difference: float | None = None,
    n: int | None = None,
    discordance: float,
    level: float = 0.95,
    power: float = 0.8,
) -> Table:
    """Two models on the same examples: the n for a difference, or the difference for an n.

    discordance: the share of examples on which exactly one of the two is right. All fractions.
    The exact n is the smallest for which the exact McNemar test has that power, and all larger n
    tried have it too. Raises BadInput unless difference, n or both are given.
    """
    rows: list[tuple[str, float | None, str]] = []
    if difference is None and n is None:
        raise BadInput("Say --difference (how many examples?) or --n (which difference?), or both.")
    if difference is not None and n is None:
        approx = int(paired_sample_size(difference, discordance, level, power))
        rows.append(("examples needed (formula)", approx, "int"))
        if approx <= _MOST_EXACT:  # beyond, the formula and the exact test are the same
            exact = _exact_n(approx, difference, discordance, level, power)
            rows += [
                ("examples needed (exact McNemar test)", exact, "int"),
                ("power of the exact test at the formula's n",
                 float(exact_mcnemar_power(approx, difference, discordance, level)), "fraction"),
            ]  # fmt: skip
    elif difference is None and n is not None:
        rows.append(
            ("smallest difference found",
             float(detectable_difference(n, discordance, level, power)), "points")
        )  # fmt: skip
    else:
        assert difference is not None
        assert n is not None
        rows += [
            ("power (formula)", float(paired_power(n, difference, discordance, level)), "fraction"),
            ("power (exact McNemar test)",
             float(exact_mcnemar_power(n, difference, discordance, level)), "fraction"),
        ]  # fmt: skip
    given = {"discordance": discordance, "difference": difference, "n": n, "power": power}
    return _answer("Two models on the same examples", rows, given, level)


def power_gap(
    *,
    accuracy: float,
    gap: float | None = None,
    n: int | None = None,
    original_n: int | None = None,
    level: float = 0.95,
    power: float = 0.8,
) -> Table:
    """A gap from zero between two independent test sets: the n it needs, or the gap n shows.

    accuracy: on the original. original_n: its size, when it differs from the new set's. Raises
    BadInput unless gap or n is given.
    """
    rows: list[tuple[str, float | None, str]] = []
    if gap is not None:
        if not 0 < abs(gap) < 1 or not 0 <= accuracy - gap <= 1:
            raise BadInput(f"A gap of {gap:g} below an accuracy of {accuracy:g} is not possible.")
        if original_n is None:
            need = int(independent_sample_size(accuracy, accuracy - gap, level, power))
            rows.append(("examples needed in each test set", need, "int"))
        else:
            rows.append(
                (f"examples needed in the new set (original {original_n:,})",
                 _new_n(original_n, accuracy, gap, level, power), "int")
            )  # fmt: skip
    elif n is not None:
        found = float(detectable_drop(original_n or n, n, accuracy, level, power))
        rows.append(("smallest gap found", None if math.isnan(found) else found, "points"))
    else:
        raise BadInput("Say --gap (how many examples?) or --n (which gap?).")
    given = {"accuracy": accuracy, "gap": gap, "n": n, "original n": original_n, "power": power}
    return _answer("A gap between two test sets", rows, given, level)


def observed_discordance(store: Store, setting: str, first: str, second: str) -> float:
    """The share of examples on which exactly one of two stored models is right."""
    setting = store.resolve(setting)
    seen = correctness(store, setting)
    pick_models(seen.models, (first, second), setting)
    if short := lacking_of(seen, (first, second)):
        raise BadInput(why_missing(short))
    right = seen.rows([first, second])
    return 1.0 - int(agreement_matrix(right)[0, 1]) / int(right.shape[1])


def _exact_n(start: int, d: float, psi: float, level: float, power: float) -> int:
    """The smallest n with the exact power, from the formula's n upwards.

    Exact power has small sawteeth in n, so the candidate must hold for the next 50 n as well.
    """

    def enough(n: int) -> bool:
        ahead = np.unique(np.linspace(n, n + 50, 6).astype(int))
        return bool((exact_mcnemar_power(ahead, d, psi, level) >= power).all())

    low, high = start, start
    for _ in range(_MOST_TRIES):
        if enough(high):
            break
        low, high = high, math.ceil(high * 1.02) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _new_n(original_n: int, accuracy: float, gap: float, level: float, power: float) -> int | None:
    """The smallest new set that shows the gap; None where no size does."""

    # A gain of the right answers is a drop of the wrong ones.
    before = accuracy if gap > 0 else 1 - accuracy

    def shows(n: int) -> bool:
        return bool(detectable_drop(original_n, n, before, level, power) <= abs(gap))

    high = 2
    while not shows(high):
        high *= 2
        if high > 1 << 40:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def _answer(
    title: str,
    rows: list[tuple[str, float | None, str]],
    given: dict[str, float | int | None],
    level: float,
) -> Table:
    words: list[Any] = []
    for _, value, kind in rows:
        if value is None:
            words.append("no number of examples is enough")
        elif math.isnan(value):
            words.append("none can be found with so few")
        elif kind == "int":
            words.append(f"{int(value):,}")
        else:
            words.append(f"{100 * value:.2f} %" + (" points" if kind == "points" else ""))
    return Table(
        title,
        (
            Column("quantity", "text", [r[0] for r in rows], "what is asked"),
            Column("answer", "text", words, "the answer"),
            Column("value", "number", [r[1] for r in rows], "the answer as a number", wide=True),
        ),
        facts={k: v for k, v in given.items() if v is not None} | {"level": level},
        choices={"test": f"two-sided, level {level:g}", "given": _given(given)},
    )


def _given(given: dict[str, float | int | None]) -> str:
    return ", ".join(f"{k} {v:g}" for k, v in given.items() if v is not None)
