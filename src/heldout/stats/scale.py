"""The scales on which accuracies are fitted: linear, logit, probit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr, ndtri

from heldout.errors import BadInput
from heldout.stats.arguments import FloatArray, as_float

SCALES = ("linear", "logit", "probit")


def check_scale(scale: str, function: str) -> str:
    """The scale's name, or a sentence that lists the three."""
    if scale not in SCALES:
        raise BadInput(f"{function}: there is no scale '{scale}'; use {', '.join(SCALES)}.")
    return scale


def transform(scale: str, p: ArrayLike) -> FloatArray:
    """An accuracy on a scale: p, ln(p/(1-p)) or Φ⁻¹(p).

    p in [0, 1], any shape; on logit and probit 0 and 1 become -inf and inf (leave such models out
    of fits), NaN stays NaN. Raises BadInput for another scale or p outside [0, 1].

    >>> transform("probit", [0.5, 0.975, 1.0]).round(6).tolist()
    [0.0, 1.959964, inf]
    """
    check_scale(scale, "transform")
    values = _fraction("transform", p)
    if scale == "linear":
        return values.copy()
    with np.errstate(divide="ignore"):
        return np.asarray(logit(values) if scale == "logit" else ndtri(values))


def inverse(scale: str, z: ArrayLike) -> FloatArray:
    """The accuracy that `transform` takes to z; on the linear scale z itself, even outside [0, 1].

    >>> inverse("logit", [-float("inf"), 0.0, 2.0]).round(6).tolist()
    [0.0, 0.5, 0.880797]
    """
    check_scale(scale, "inverse")
    values = as_float("inverse", "z", z)
    if scale == "linear":
        return values.copy()
    return np.asarray(expit(values) if scale == "logit" else ndtr(values))


def derivative(scale: str, p: ArrayLike) -> FloatArray:
    """dz/dp of the scale at p, for the delta method: 1, 1/(p(1-p)) or 1/φ(Φ⁻¹(p)).

    inf at 0 and 1 on logit and probit. Errors as `transform`.

    >>> derivative("logit", 0.5).item()
    4.0
    """
    check_scale(scale, "derivative")
    values = _fraction("derivative", p)
    if scale == "linear":
        return np.where(np.isnan(values), np.nan, 1.0)
    with np.errstate(divide="ignore"):
        if scale == "logit":
            return np.asarray(1.0 / (values * (1.0 - values)))
        z = ndtri(values)
        return np.asarray(np.sqrt(2.0 * np.pi) / np.exp(-0.5 * z * z))


def _fraction(function: str, p: ArrayLike) -> FloatArray:
    values = as_float(function, "p", p)
    bad = (values < 0.0) | (values > 1.0)
    if np.any(bad):
        raise BadInput(
            f"{function}: accuracies are fractions in [0, 1], but there is "
            f"{values[bad].flat[0]:g}; divide percent by 100."
        )
    return values
