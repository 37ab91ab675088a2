"""Rows before they are stored: ids that repeat, are missing or unknown, and wrong denominators.

The store refuses repeated ids. This looks at the raw rows of one model and says why they repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.doctor.case import IntArray, Ints
from heldout.analysis.doctor.finding import CERTAIN, Finding, percent
from heldout.errors import BadInput

_BATCHES = (256, 128, 100, 64, 50, 32)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Raw rows against a label set.

    at: (r,) place of every row's id in the label set, -1 where it has none. predicted: (r,). label:
    (n,) labels of the label set, or None. ids: as given.
    """

    ids: Sequence[str]
    at: IntArray
    predicted: Ints
    n: int
    label: Ints | None = None

    @property
    def first(self) -> NDArray[np.bool_]:
        """(r,) the first row of every id."""
        _, index = np.unique(np.array(self.ids, dtype=object).astype(str), return_index=True)
        out = np.zeros(len(self.ids), bool)
        out[index] = True
        return out


def rows_of(
    examples: Sequence[str] | None,
    predicted: Ints,
    label_examples: Sequence[str],
    label: Ints | None = None,
) -> Rows:
    """Raw rows laid against a label set; without ids, row i is the label set's example i.

    Rows past the label set's end have no id then. Raises BadInput where lengths do not fit.
    """
    guess = np.asarray(predicted)
    if guess.ndim != 1:
        raise BadInput(f"Predictions of one model are a list, but these have shape {guess.shape}.")
    if examples is not None and len(examples) != len(guess):
        raise BadInput(f"There are {len(examples)} example ids but {len(guess)} predictions.")
    if label is not None and len(label) != len(label_examples):
        raise BadInput(f"There are {len(label_examples)} label ids but {len(label)} labels.")
    n = len(label_examples)
    if examples is None:
        ids = [label_examples[i] if i < n else f"row {i}" for i in range(len(guess))]
    else:
        ids = [str(e) for e in examples]
    place = {e: i for i, e in enumerate(label_examples)}
    at = np.array([place.get(e, -1) for e in ids], np.int64)
    return Rows(ids, at, guess, n, None if label is None else np.asarray(label))


def padding(rows: Rows) -> NDArray[np.bool_] | None:
    """(r,) rows that pad: the last rows of a run that repeat its first ones, or None.

    A sampler that gives every worker equally many examples repeats the first ones at the end; the
    repeats have the ids of the first examples, or no id of their own.
    """
    extra = len(rows.ids) - rows.n
    if extra <= 0 or 2 * extra > rows.n:
        return None
    tail = np.zeros(len(rows.ids), bool)
    if np.array_equal(rows.at[: rows.n], np.arange(rows.n)) and np.all(rows.at[rows.n :] < 0):
        same = rows.predicted[rows.n :] == rows.predicted[:extra]
        share = np.bincount(rows.predicted[: rows.n][rows.predicted[: rows.n] >= 0]) / rows.n
        # Flips between batches may change a few; independent rows would agree this often.
        agree = float((share**2).sum())
        if same.mean() >= 0.95 and agree**extra < CERTAIN:
            tail[rows.n :] = True
            return tail
        return None
    again = ~rows.first & (rows.at >= 0)
    if int(again.sum()) != extra or np.any(rows.at < 0):
        return None
    repeated = np.sort(rows.at[again])
    answer = dict(zip(reversed(rows.ids), reversed(rows.predicted.tolist()), strict=True))
    same = np.mean([answer[rows.ids[int(i)]] == rows.predicted[i] for i in np.flatnonzero(again)])
    # The rows may come worker by worker, so the repeats need not be last; their ids are first.
    return again if np.array_equal(repeated, np.arange(extra)) and same >= 0.95 else None


def check(rows: Rows, reported: float | None = None) -> list[Finding]:
    """Findings about the rows' ids. reported: the accuracy that was published for them."""
    found = _repeats(rows) + _unknown(rows) + _missing(rows)
    return found + (denominator(rows, reported) if reported is not None else [])


def _right(rows: Rows, use: NDArray[np.bool_]) -> tuple[int, int]:
    """Right rows and rows, among those in use that have a label."""
    if rows.label is None:
        return 0, 0
    known = use & (rows.at >= 0)
    label = rows.label[np.maximum(rows.at, 0)]
    return int(((rows.predicted == label) & known).sum()), int(known.sum())


def _cost(rows: Rows, keep: NDArray[np.bool_]) -> tuple[float, float]:
    k, n = _right(rows, np.ones(len(rows.ids), bool))
    once, left = _right(rows, keep)
    return (k / n if n else float("nan")), (once / left if left else float("nan"))


def _repeats(rows: Rows) -> list[Finding]:
    """Padding, ids with two rows that agree, ids with rows that do not."""
    first = rows.first
    pad = padding(rows)
    if pad is not None:
        now, mended = _cost(rows, ~pad)
        return [Finding(
            "rows:padded", "error", "certain",
            f"The last {int(pad.sum())} of {len(rows.ids)} rows repeat the first ones: a sampler"
            f" padded the set so that all workers got equally many, and {rows.n} examples were"
            f" counted as {len(rows.ids)}.",
            0.0, (0,), now, mended, "drop-padding",
        )]  # fmt: skip
    again = ~first
    if not again.any():
        return []
    answer: dict[str, int] = {}
    differ = 0
    for e, p in zip(rows.ids, rows.predicted.tolist(), strict=True):
        differ += answer.setdefault(e, p) != p
    now, mended = _cost(rows, first)
    count = int(again.sum())
    if not differ:
        return [Finding(
            "rows:repeated-ids", "error", "certain",
            f"{count} of {len(rows.ids)} rows have an id that was there before, with the same"
            " prediction: examples are counted twice.",
            0.0, (0,), now, mended, "drop-padding",
        )]  # fmt: skip
    whole = " Every id is there equally often: several models, or several crops, in one file." * (
        len(rows.ids) % int(first.sum()) == 0
        and len({rows.ids.count(e) for e in rows.ids[:5]}) == 1
        and count >= int(first.sum())
    )
    return [Finding(
        "rows:conflicting-ids", "error", "certain",
        f"{count} of {len(rows.ids)} rows have an id that was there before, {differ} of them with"
        f" another prediction: which one counts?{whole}",
        0.0, (0,), now,
    )]  # fmt: skip


def _unknown(rows: Rows) -> list[Finding]:
    """Ids that the label set does not have."""
    pad = padding(rows)
    lost = rows.at < 0 if pad is None else (rows.at < 0) & ~pad
    if not lost.any():
        return []
    where = np.flatnonzero(lost)
    shown = ", ".join(f"'{rows.ids[i]}'" for i in where[:3]) + (" …" if len(where) > 3 else "")
    every = " None of them is known: the ids are spelled differently." * bool(lost.all())
    return [Finding(
        "rows:unknown-ids", "error", "certain",
        f"{len(where)} of {len(rows.ids)} rows have an id that the label set does not have"
        f" ({shown}); they cannot be scored.{every}",
        0.0, (0,),
    )]  # fmt: skip


def _missing(rows: Rows) -> list[Finding]:
    """Examples of the label set without a row."""
    if not np.any(rows.at >= 0):
        return []  # not one id is known, which was said already
    seen = np.zeros(rows.n, bool)
    seen[rows.at[rows.at >= 0]] = True
    gone = int((~seen).sum())
    if not gone:
        return []
    k, n = _right(rows, rows.first)
    told = f" Over the {n} that are there the accuracy is {percent(k / n)}." if n else ""
    return [Finding(
        "rows:missing-ids", "warning", "certain",
        f"{gone} of the label set's {rows.n} examples have no row.{told} It is incomplete, or a"
        " set of its own that deserves its own name.",
        0.0, (0,),
    )]  # fmt: skip


def denominator(rows: Rows, reported: float) -> list[Finding]:
    """A published accuracy that is the right count over a wrong total.

    Totals that people divide by: all rows with their repeats, the label set, the label set rounded
    up to whole batches.
    """
    k, n = _right(rows, rows.first & (rows.at >= 0))
    if rows.label is None or not n:
        return []
    return [f for f in [wrong_denominator(reported, k, n, (len(rows.ids), rows.n))] if f]


def wrong_denominator(reported: float, k: int, n: int, totals: Sequence[int]) -> Finding | None:
    """The finding for a reported accuracy that is k over another total than n, if it is.

    It has to fit to the digits that are given, and k/n must not. A few batch sizes are tried too;
    of four digits, chance fits one of them now and then, so that is only possible.

    >>> wrong_denominator(0.0325, 1623, 18574, [50000]).says[:41]
    'The published 3.25 % is 1623 right of 500'
    """
    digits = len(repr(float(reported)).partition(".")[2]) if reported > 1e-4 else 6
    slack = 0.51 * 10.0 ** -min(max(digits, 3), 12)
    if abs(reported - k / n) <= slack:
        return None
    batches = {-(-n // b) * b: f"{n} rounded up to whole batches of {b}" for b in _BATCHES}
    plain = dict.fromkeys(totals, "the number of rows or labels")
    for total, what in (batches | plain).items():
        if total != n and total > 0 and abs(reported - k / total) <= slack:
            return Finding(
                "rows:wrong-denominator",
                "error" if total in plain else "warning",
                "likely" if total in plain else "possible",
                f"The published {percent(reported)} is {k} right of {total} ({what}); {k} of the"
                f" {n} examples that were scored is {percent(k / n)}.",
                float("nan"), (0,), reported, k / n,
            )  # fmt: skip
    return None
