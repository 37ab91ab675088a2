"""The line of accuracy on y against accuracy on x: fits, bands, noise, knees and leverage."""

from heldout.stats.line.fit import Knee, Line, knee, ols
from heldout.stats.line.influence import influence, influential_set
from heldout.stats.line.limits import band, draw_limits
from heldout.stats.line.noise import binomial_sd, deming, york
from heldout.stats.line.resample import (
    bootstrap_lines,
    lines_of_draws,
    resample_examples,
    resample_examples_lines,
)

__all__ = [
    "Knee",
    "Line",
    "band",
    "binomial_sd",
    "bootstrap_lines",
    "deming",
    "draw_limits",
    "influence",
    "influential_set",
    "knee",
    "lines_of_draws",
    "ols",
    "resample_examples",
    "resample_examples_lines",
    "york",
]
