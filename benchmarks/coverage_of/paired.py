"""`heldout.stats.paired`: two models on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from coverage_of.law import trinomial
from coverage_of.row import Row, Section, held
from heldout.stats.paired import (
    agresti_min,
    bootstrap_limits,
    mcnemar_exact,
    mcnemar_midp,
    mover_wilson_paired,
    newcombe_paired,
    tango,
    wald_paired,
)

# (n, discordance ψ, difference δ)
PAIRED = [(100, 0.11, 0.0), (100, 0.11, 0.07), (100, 0.02, 0.0), (100, 0.02, 0.018),
          (1000, 0.1, 0.02), (10_000, 0.02, 0.002), (10_000, 0.1, 0.01)]  # fmt: skip


def paired(draws: int) -> Iterator[Row]:
    methods: list[tuple[str, Callable]] = [
        ("tango", tango), ("agresti_min", agresti_min), ("wald_paired", wald_paired),
        ("bootstrap_limits", bootstrap_limits),
    ]  # fmt: skip
    for name, method in methods:
        for n, psi, delta in PAIRED:
            b, c, weight = trinomial(n, (psi + delta) / 2, (psi - delta) / 2)
            covered = weight @ held(method(b, c, n), delta)
            yield Row(name, f"{n}", f"ψ = {psi}, δ = {delta}", covered)
    rng = np.random.default_rng(2)
    for name, four in (
        ("newcombe_paired", newcombe_paired), ("mover_wilson_paired", mover_wilson_paired)
    ):  # fmt: skip
        for n, psi, delta in PAIRED:
            share = np.array(
                [0.7 * (1 - psi), (psi + delta) / 2, (psi - delta) / 2, 0.3 * (1 - psi)]
            )
            cells = rng.multinomial(n, share, 5 * draws).T
            covered = held(four(*cells), delta).mean()
            yield Row(name, f"{n}", f"ψ = {psi}, δ = {delta}", covered, 5 * draws)
    for name, test in (("mcnemar_exact", mcnemar_exact), ("mcnemar_midp", mcnemar_midp)):
        for n, psi in ((100, 0.11), (100, 0.02), (1000, 0.1), (10_000, 0.1)):
            b, c, weight = trinomial(n, psi / 2, psi / 2)
            yield Row(f"{name}: p > .05", f"{n}", f"ψ = {psi}, δ = 0", weight @ (test(b, c) > 0.05))


SECTIONS = [
    Section(
        "Two models, the same examples",
        "ψ is the discordance, δ the difference. `tango` is the "
        "default; `mover_wilson_paired` and `newcombe_paired` are near it; `wald_paired` and "
        "`bootstrap_limits` (the exact law of the percentile bootstrap) miss a small difference "
        "between models that rarely disagree. The McNemar rows give the share of p-values above "
        ".05 when both models are equally good. Wald, Agresti-Min, Tango and the bootstrap depend "
        "on b, c, n alone and are summed exactly; the others are simulated with 70 % of the "
        "agreements right.",
        paired,
    ),
]
