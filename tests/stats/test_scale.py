"""Linear, logit and probit scales."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from heldout.errors import BadInput
from heldout.stats.scale import SCALES, derivative, inverse, transform

P = np.linspace(0.001, 0.999, 41)


@pytest.mark.parametrize("scale", SCALES)
def test_inverse_undoes_transform(scale: str) -> None:
    """There and back, with shape and NaN kept."""
    assert inverse(scale, transform(scale, P)) == pytest.approx(P, abs=1e-14)
    assert transform(scale, P.reshape(1, -1)).shape == (1, 41)
    assert np.isnan(transform(scale, [np.nan])).all()


@pytest.mark.parametrize("scale", SCALES)
def test_derivative_is_the_slope(scale: str) -> None:
    """Against central differences."""
    h = 1e-6
    slope = (transform(scale, P + h) - transform(scale, P - h)) / (2 * h)
    assert derivative(scale, P) == pytest.approx(slope, rel=1e-4)


def test_definitions() -> None:
    """Linear is p, logit ln(p/(1-p)), probit the normal quantile."""
    assert np.array_equal(transform("linear", P), P)
    assert transform("logit", P) == pytest.approx(np.log(P / (1 - P)))
    assert transform("probit", P) == pytest.approx(norm.ppf(P))
    assert derivative("probit", P) == pytest.approx(1 / norm.pdf(norm.ppf(P)))


def test_ends_are_infinite_without_warnings() -> None:
    """0 and 1 become -inf and inf, with infinite derivative; linear stays finite."""
    for scale in ("logit", "probit"):
        assert transform(scale, [0, 1]).tolist() == [-np.inf, np.inf]
        assert inverse(scale, [-np.inf, np.inf]).tolist() == [0, 1]
        assert derivative(scale, [0, 1]).tolist() == [np.inf, np.inf]
    assert transform("linear", [0, 1]).tolist() == [0, 1]
    assert derivative("linear", [0, 1]).tolist() == [1, 1]


def test_errors() -> None:
    """Unknown scales list the three; percent is named as such."""
    for function in (transform, inverse, derivative):
        with pytest.raises(BadInput, match="use linear, logit, probit"):
            function("log", 0.5)
    for function in (transform, derivative):
        with pytest.raises(BadInput, match="divide percent by 100"):
            function("probit", [0.5, 76.0])
