"""The limits of mCE and its relatives: from every example's own error, or from counts alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.alexnet import CLEAN_ERROR, totals
from heldout.analysis.corruption_cells import Errors, answers
from heldout.analysis.corruption_settings import SEVERITIES
from heldout.stats.weighted import (
    mean_of_ratios,
    ratio_box,
    signed_mean,
    summed_limits,
    weighted_mean,
)
from heldout.store.read import Store

FloatArray = NDArray[np.float64]
PUBLISHED = "published"
_MEASURES = ("mce", "relative_mce", "mean_error")
_SEVERITIES = len(SEVERITIES)


def all_limits(store: Store, some: Errors, divisor: str, level: float) -> dict[str, FloatArray]:
    """Every measure of every model: value, low, high (3, m), from examples where a model has them.

    some: models that have all its kinds, the divisor among them. divisor: '' for none,
    PUBLISHED, or a model of `some`. What cannot be had is NaN.
    """
    out = {name: np.full((3, len(some.models)), np.nan) for name in _MEASURES}
    own = divisor if divisor != PUBLISHED else ""
    counted = _from_counts(some, divisor, level)
    for name, values in counted.items():
        out[name][:] = values
    # Where no example differs from another, the examples tell no width: then the counts' stands.
    with_examples = [m for m, e in zip(some.models, some.by_examples, strict=True) if e]
    if not with_examples:
        return out
    if own and own not in with_examples:
        # without the reference's answers only the plain mean can use the examples
        for name, values in _from_examples(store, some, with_examples, "", level).items():
            _fill(out[name], some.models, with_examples, values)
    else:
        for name, values in _from_examples(store, some, with_examples, divisor, level).items():
            _fill(out[name], some.models, with_examples, values)
    return out


def _fill(out: FloatArray, models: list[str], some: list[str], values: FloatArray) -> None:
    """Put limits in their places; NaN leaves what is there."""
    at = [models.index(m) for m in some]
    out[:, at] = np.where(np.isnan(values), out[:, at], values)


def _from_counts(some: Errors, divisor: str, level: float) -> dict[str, FloatArray]:
    """Limits from k and n alone, whatever the dependence of the settings."""
    low, high = some.limits(level)
    clean_low, clean_high = some.clean_limits(level)
    m, count = len(some.models), len(some.kinds)

    def weighed(weight: FloatArray, clean_weight: float) -> FloatArray:
        """Σ weight error + clean_weight clean error: (3, m)."""
        w = np.append(weight.ravel(), clean_weight)
        v, a, b = (
            np.column_stack([x.reshape(m, -1), c]) if clean_weight else x.reshape(m, -1)
            for x, c in ((some.error, some.clean), (low, clean_low), (high, clean_high))
        )
        w = w if clean_weight else w[:-1]
        return np.stack([v @ w, *summed_limits(v, a, b, w)])

    even = np.full((count, _SEVERITIES), 1.0 / (count * _SEVERITIES))
    out = {"mean_error": weighed(even, 0.0)}
    if divisor == PUBLISHED:
        for name, below, subtract in _published(some.kinds):
            weight = np.repeat(1.0 / (count * below), _SEVERITIES)
            out[name] = weighed(weight, -subtract * float(weight.sum()))
    elif divisor:
        base = some.models.index(divisor)
        for name, subtract in (("mce", 0), ("relative_mce", 1)):
            out[name] = _ratios(some, (low, high), (clean_low, clean_high), base, subtract)
    return out


def _ratios(
    some: Errors,
    cell_limits: tuple[FloatArray, FloatArray],
    clean_limits: tuple[FloatArray, FloatArray],
    base: int,
    subtract: int,
) -> FloatArray:
    """The mean over kinds of error summed over severities over the base's, from counts: (3, m)."""
    more = some.error - some.clean[:, None, None] if subtract else some.error
    total = more.sum(axis=2)
    c_low, c_high = clean_limits
    down = (some.error - cell_limits[0]).sum(axis=2)
    up = (cell_limits[1] - some.error).sum(axis=2)
    if subtract:
        down = down + _SEVERITIES * (c_high - some.clean)[:, None]
        up = up + _SEVERITIES * (some.clean - c_low)[:, None]
    box = ratio_box((total - down, total + up), ((total - down)[base], (total + up)[base]))
    value = (total / np.where(total[base] > 0, total[base], np.nan)).mean(axis=1)
    out = np.stack([value, *box])
    out[1:, base] = out[0, base]  # 1 by definition
    return out


def _published(kinds: list[str]) -> list[tuple[str, FloatArray, int]]:
    """(measure, AlexNet's sums, times the clean error is taken off each error)."""
    sums = totals(kinds)
    return [("mce", sums, 0), ("relative_mce", sums - _SEVERITIES * CLEAN_ERROR, 1)]


def _from_examples(
    store: Store, some: Errors, models: list[str], divisor: str, level: float
) -> dict[str, FloatArray]:
    """Limits from each example's own weighted error; measures that cannot be had stay NaN."""
    out = {name: np.full((3, len(models)), np.nan) for name in _MEASURES}
    place = {m: i for i, m in enumerate(models)}
    besides = divisor if divisor not in ("", PUBLISHED) else None
    chosen = some.take([some.models.index(m) for m in dict.fromkeys(models)])
    for batch, wrong, clean in answers(store, chosen, besides):
        at = [place[m] for m in batch]
        for i, row in enumerate(at):
            found = _one_model(wrong[i], clean[i], divisor, some.kinds, wrong[-1], clean[-1], level)
            for name, (value, low, high) in found.items():
                known = (low, high) if high > low else (np.nan, np.nan)
                out[name][:, row] = value, *known
    return out


def _one_model(
    wrong: NDArray[np.bool_],
    clean: NDArray[np.bool_] | None,
    divisor: str,
    kinds: list[str],
    base: NDArray[np.bool_],
    base_clean: NDArray[np.bool_] | None,
    level: float,
) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """The measures of one model from its answers (c, 5, n): value, low, high."""
    summed = wrong.sum(axis=1, dtype=np.float64)
    count = len(kinds)
    out = {"mean_error": weighted_mean(summed.sum(axis=0) / (count * _SEVERITIES), level)}
    if divisor == PUBLISHED:
        for name, below, subtract in _published(kinds):
            weight = 1.0 / (count * below)
            each = weight @ summed
            if not subtract:
                out[name] = weighted_mean(each, level, float(_SEVERITIES * weight.sum()))
            elif clean is not None:
                out[name] = signed_mean(each - _SEVERITIES * weight.sum() * clean, level)
    elif divisor:
        under = base.sum(axis=1, dtype=np.float64)
        out["mce"] = mean_of_ratios(summed, under, level)
        if clean is not None and base_clean is not None:
            out["relative_mce"] = mean_of_ratios(
                summed - _SEVERITIES * clean, under - _SEVERITIES * base_clean, level
            )
    return out
