"""Fits of y on x on a scale, with both kinds of band: models resampled, examples resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.analysis.cells import Correctness
from heldout.analysis.lacking import how_many, named
from heldout.errors import BadInput
from heldout.stats.line import (
    Line,
    bootstrap_lines,
    draw_limits,
    influential_set,
    lines_of_draws,
    ols,
    resample_examples,
)
from heldout.stats.scale import SCALES, transform
from heldout.store.read import Store
from heldout.table import Column, Table

FloatArray = NDArray[np.float64]
MODEL_DRAWS = 10_000
EXAMPLE_DRAWS = 1_000
FEW_MODELS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A least squares line on a scale with what resampling says about it.

    slopes, intercepts: one entry a draw of models. example_slopes, example_intercepts: one entry
    a draw of examples, None without per-example predictions. left_out: model and reason.
    """

    scale: str
    level: float
    line: Line
    models: list[str]
    slopes: FloatArray
    intercepts: FloatArray
    example_slopes: FloatArray | None
    example_intercepts: FloatArray | None
    left_out: tuple[tuple[str, str], ...]

    def slope_limits(self) -> tuple[float, float]:
        """Percentile limits of the slope, models resampled (as the papers do).

        With fewer than 20 models they are widened: plain percentiles then cover too little.
        """
        return draw_limits(self.slopes, self.level, models=self._few)

    @property
    def _few(self) -> int | None:
        return self.line.n if self.line.n < FEW_MODELS else None

    def intercept_limits(self) -> tuple[float, float]:
        """Percentile limits of the intercept, models resampled."""
        return draw_limits(self.intercepts, self.level, models=self._few)

    def certain_limits(self) -> tuple[float, float]:
        """The wider ends of both resamplings of the slope: what a verdict may rest on."""
        (a, b), (c, d) = self.slope_limits(), self.example_limits()
        return (a, b) if c != c else (min(a, c), max(b, d))

    def example_limits(self) -> tuple[float, float]:
        """Limits of the slope, examples resampled, centred on the fit; NaN without examples."""
        if self.example_slopes is None:
            return float("nan"), float("nan")
        return draw_limits(self.example_slopes, self.level, observed=self.line.slope)

    @property
    def notes(self) -> list[str]:
        """Models left out, counted, with the reason."""
        out = []
        for reason in sorted({r for _, r in self.left_out}):
            who = [m for m, r in self.left_out if r == reason]
            many = how_many(len(who), "model")
            out.append(f"{many} left out of the {self.scale} fit, {reason}: {named(who)}.")
        return out


def fits_of(
    names: Sequence[str],
    x: FloatArray,
    y: FloatArray,
    seen_x: Correctness | None,
    seen_y: Correctness | None,
    *,
    level: float = 0.95,
    seed: int = 0,
    scales: Sequence[str] = SCALES,
) -> list[Fit]:
    """A fit on each scale. Scales that cannot be fitted (constant x, too few models) are absent."""
    drawn = examples_resampled(names, seen_x, seen_y, seed)
    found = []
    for scale in scales:
        try:
            found.append(fit(names, x, y, scale, drawn, level=level, seed=seed))
        except BadInput:
            continue
    return found


def examples_resampled(
    names: Sequence[str], seen_x: Correctness | None, seen_y: Correctness | None, seed: int
) -> tuple[FloatArray, FloatArray] | None:
    """Accuracies (draws, models) over resampled examples, one draw for all scales."""
    if seen_x is None or seen_y is None or len(names) < 2:
        return None
    return resample_examples(
        seen_x.rows(names),
        seen_y.rows(names),
        np.random.default_rng([seed, 1]),
        EXAMPLE_DRAWS,
        shared=shared_examples(seen_x, seen_y),
    )


def fit(
    names: Sequence[str],
    x: FloatArray,
    y: FloatArray,
    scale: str,
    drawn: tuple[FloatArray, FloatArray] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
    families: Sequence[str] | None = None,
) -> Fit:
    """Least squares of y on x, both accuracies as fractions, on a scale.

    Models with a missing accuracy, or with 0 or 1 where the scale is infinite there, are left
    out by name. drawn: `examples_resampled` of the same models. families: resample whole families
    of models instead of models. Raises BadInput when fewer than 3 models are left or all have the
    same x.
    """
    usable, left_out = _usable(names, x, y, scale)
    # Best model first, as published tables are: a seed then gives the same draws on both.
    usable.sort(key=lambda i: (-x[i], names[i]))
    if len(usable) < 3:
        why = f" ({left_out[0][0]} is left out, {left_out[0][1]})" if left_out else ""
        raise BadInput(
            f"A {scale} fit needs at least 3 models with both accuracies, and there"
            f" {'is' if len(usable) == 1 else 'are'} {len(usable)}{why}."
            " Import more models, or choose other settings."
        )
    u, v = transform(scale, x[usable]), transform(scale, y[usable])
    line = ols(u, v)
    groups = None if families is None else [families[i] for i in usable]
    rng = np.random.default_rng(seed)
    slopes, intercepts = bootstrap_lines(u, v, rng, MODEL_DRAWS, groups)
    kept = [names[i] for i in usable]
    by_example: tuple[FloatArray | None, FloatArray | None] = (None, None)
    if drawn is not None:
        by_example = lines_of_draws(drawn[0][:, usable], drawn[1][:, usable], scale)
    return Fit(
        scale, level, line, kept, slopes, intercepts, by_example[0], by_example[1], tuple(left_out)
    )


def _usable(
    names: Sequence[str], x: FloatArray, y: FloatArray, scale: str
) -> tuple[list[int], list[tuple[str, str]]]:
    usable: list[int] = []
    left_out: list[tuple[str, str]] = []
    for i, name in enumerate(names):
        ends = scale != "linear" and {x[i], y[i]} & {0.0, 1.0}
        if np.isnan(x[i]) or np.isnan(y[i]):
            left_out.append((name, "as an accuracy is missing"))
        elif ends:
            left_out.append((name, f"as an accuracy is {'0' if 0.0 in ends else '100'} %"))
        else:
            usable.append(i)
    return usable, left_out


def shared_examples(a: Correctness, b: Correctness) -> tuple[Any, Any] | None:
    """Positions of the examples that two settings share, or None when they share none."""
    if a.labels.name != b.labels.name and (_positions(a) or _positions(b)):
        return None  # '0', '1', … are places in a file, not identities
    place = {e: i for i, e in enumerate(b.labels.examples)}
    pairs = [(i, place[e]) for i, e in enumerate(a.labels.examples) if e in place]
    if not pairs:
        return None
    ix, iy = (np.array(p) for p in zip(*pairs, strict=True))
    ours = [a.labels.classes[c] for c in a.labels.label[ix]]
    theirs = [b.labels.classes[c] for c in b.labels.label[iy]]
    differ = sum(x != y for x, y in zip(ours, theirs, strict=True))
    # Names that meet by chance (0001.png in two sets) carry different labels.
    return None if differ > 0.1 * len(ix) else (ix, iy)


def _positions(seen: Correctness) -> bool:
    """Whether the ids are merely '0', '1', … in order."""
    ids = seen.labels.examples
    return ids[:3] == ["0", "1", "2"][: len(ids)] and ids[-1] == str(len(ids) - 1)


def fit_table(fits: Sequence[Fit]) -> Table:
    """One row a scale: slope, intercept and R² with the limits from both resamplings."""
    by_models = [f.slope_limits() for f in fits]
    by_examples = [f.example_limits() for f in fits]
    level = f"{fits[0].level:g}" if fits else "0.95"
    return Table(
        "Fits of y on x",
        (
            Column("scale", "text", [f.scale for f in fits], "scale of both axes"),
            Column("slope", "number", [f.line.slope for f in fits],
                   "slope; interval from resampled models", ("slope_low", "slope_high")),
            Column("slope_low", "number", [a for a, _ in by_models], "lower limit"),
            Column("slope_high", "number", [b for _, b in by_models], "upper limit"),
            Column("intercept", "number", [f.line.intercept for f in fits], "intercept"),
            Column("r2", "number", [f.line.r2 for f in fits], "R² on this scale"),
            Column("n", "int", [f.line.n for f in fits], "models"),
            Column("examples_low", "number", [a for a, _ in by_examples],
                   "slope, lower limit when examples are resampled", wide=True),
            Column("examples_high", "number", [b for _, b in by_examples],
                   "slope, upper limit when examples are resampled", wide=True),
        ),
        choices={
            "fit": "ordinary least squares on the transformed accuracies",
            "slope interval": f"models resampled, {MODEL_DRAWS:,} draws, percentile (widened below"
            f" {FEW_MODELS} models), level {level}",
            "examples": f"examples resampled jointly, {EXAMPLE_DRAWS:,} draws, centred",
        },
    )  # fmt: skip


def influence_table(
    names: Sequence[str], x: FloatArray, y: FloatArray, fits: Sequence[Fit]
) -> Table:
    """The models without which a slope moves most, removed one after the other."""
    rows: list[tuple[str, str, float]] = []
    before: dict[str, float] = {}
    for f in fits:
        at = {m: i for i, m in enumerate(names)}
        index = [at[m] for m in f.models]
        if len(index) < 6:
            continue
        u, v = transform(f.scale, x[index]), transform(f.scale, y[index])
        members, slopes = influential_set(u, v)
        before[f.scale] = float(slopes[0])
        rows += [(f.scale, f.models[i], float(s)) for i, s in zip(members, slopes[1:], strict=True)]
    return Table(
        "Influential models",
        (
            Column("scale", "text", [r[0] for r in rows], "scale of the fit"),
            Column("model", "text", [r[1] for r in rows], "the model that is removed next"),
            Column("slope_without", "number", [r[2] for r in rows],
                   "slope without it and those above it on this scale"),
        ),
        facts={"slope_with_all": before},
        choices={
            "rule": "removed one by one while a removal moves the slope by 2 standard errors or"
            " more, at most 5"
        },
    )  # fmt: skip


def families_of(store: Store, names: Sequence[str], column: str | None) -> list[str] | None:
    """The family of every model from a metadata column; a model without one is its own family."""
    if column is None:
        return None
    metadata = store.models()
    known = sorted({k for m in names for k in metadata.get(m, {})})
    if column not in known:
        from heldout.errors import not_found

        raise not_found("metadata column", column, known, "the models of this store")
    return [str(metadata.get(m, {}).get(column, f"(alone) {m}")) for m in names]
