"""`heldout.stats.rank`: the ranks of many models."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverage_of.row import Row, Section
from heldout.stats.multiple import holm
from heldout.stats.paired import mcnemar_exact
from heldout.stats.rank import rank_intervals


def ranks(draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(5)
    draws = draws // 10
    models = 8
    i, j = np.triu_indices(models, 1)
    for words, skill in (
        ("8 equal models", np.zeros(models)),
        ("8 models .5 points apart", np.arange(models) * 0.0145),
        ("4 pairs of equals", np.repeat(np.arange(4) * 0.05, 2)),
    ):
        n, ok, careless = 2000, 0, 0
        above = skill[:, None] > skill
        true_best, true_worst = 1 + above.sum(axis=0), models - above.sum(axis=1)
        for _ in range(draws):
            hard = rng.standard_normal(n, np.float32)
            noise = rng.standard_normal((models, n), np.float32)
            right = (skill[:, None] + 0.6 + 0.8 * hard + 0.6 * noise > 0).astype(np.float32)
            both = (right @ right.T)[i, j]
            k = right.sum(axis=1)
            b, c = k[i] - both, k[j] - both
            p = mcnemar_exact(b, c)
            for family, value in (("holm", holm(p)), ("none", p)):
                better = np.zeros((models, models), bool)
                better[i, j] = (value <= 0.05) & (b > c)
                better[j, i] = (value <= 0.05) & (b < c)
                best, worst = rank_intervals(better)
                inside = bool(np.all((best <= true_best) & (true_worst <= worst)))
                ok, careless = (
                    ok + (inside and family == "holm"),
                    careless + (inside and family == "none"),
                )
        yield Row("rank_intervals of Holm's, all models at once", "2000", words, ok / draws, draws)
        yield Row("(wrong: no family)", "2000", words, careless / draws, draws)


SECTIONS = [
    Section(
        "Ranks",
        "All rank intervals at once: exact McNemar for all pairs, Holm, then "
        "`rank_intervals`. Without a family's correction they hold for no level.",
        ranks,
    ),
]
