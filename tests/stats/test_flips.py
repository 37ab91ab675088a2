"""Flip probability and top-5 distance: against loops over whole rankings, and published numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heldout.analysis.flips import ALEXNET
from heldout.errors import BadInput
from heldout.stats.flips import FARTHEST, Reference, flip_rates, top5_distances
from heldout.stats.weighted import mean_of_ratios
from realdata import published


def by_ranking(scores: np.ndarray, reference: Reference) -> tuple[list[float], list[float]]:
    """Flip rate and top-5 distance of every sequence from the scores (n, frames, classes)."""
    flips, distances = [], []
    for sequence in scores:
        ranks = [{c: place for place, c in enumerate(np.argsort(-s), 1)} for s in sequence]
        changed, moved = [], []
        for j in range(1, len(ranks)):
            before = ranks[j - 1] if reference == "previous" else ranks[0]
            order = sorted(before, key=lambda c: before[c])
            changed.append(order[0] != min(ranks[j], key=lambda c: ranks[j][c]))
            moved.append(
                sum(abs(min(i - 1, 5) - min(ranks[j][order[i - 1]] - 1, 5)) for i in range(1, 6))
            )
        flips.append(float(np.mean(changed)))
        distances.append(float(np.mean(moved)))
    return flips, distances


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(2, 6),
    st.integers(5, 12),
    st.sampled_from(["previous", "first"]),
    st.floats(0, 3),
)
def test_as_the_whole_rankings_say(
    seed: int, frames: int, classes: int, reference: Reference, steady: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(4, frames, classes)) + steady * rng.normal(size=(4, 1, classes))
    top5 = np.argsort(-scores, axis=2)[:, :, :5]
    flips, distances = by_ranking(scores, reference)
    assert flip_rates(top5[:, :, 0], reference) == pytest.approx(flips)
    assert top5_distances(top5, reference) == pytest.approx(distances)
    both = np.stack([top5, top5[::-1]])
    assert top5_distances(both, reference)[1] == pytest.approx(distances[::-1])


def test_ends_of_the_scales() -> None:
    same = np.tile(np.arange(5), (1, 31, 1))
    assert top5_distances(same) == 0
    assert flip_rates(same[:, :, 0]) == 0
    other = same.copy()
    other[:, 1::2] += 5
    assert top5_distances(other) == FARTHEST
    assert flip_rates(other[:, :, 0]) == 1
    assert top5_distances(other, "first") == FARTHEST / 2
    assert flip_rates([[0, 1, 0, 1, 0]], "first") == 0.5


@pytest.mark.data
@pytest.mark.parametrize(
    "model",
    [
        "resnext101_32x8d",
        "resnext101_32x8d_wsl",
        "resnext101_32x16d_wsl",
        "resnext101_32x32d_wsl",
        "resnext101_32x48d_wsl",
    ],
)
def test_published_mean_flip_rates(model: str) -> None:
    """mFR of published flip probabilities to all digits, with AlexNet's as this package has it."""
    facts = json.loads(published("corruptions-constants.json").read_text())
    assert facts["alexnet_flip_prob_from_memory"] == ALEXNET
    assert list(ALEXNET) == facts["imagenet_p_order"]
    rows = facts["golden_imagenet_p"][model]
    fp = [rows[kind]["flip_prob"] for kind in ALEXNET]
    assert _mfr(fp) == pytest.approx(facts["golden_mfr"][model], rel=1e-14)
    swapped = [fp[1], fp[0], *fp[2:]]
    assert _mfr(swapped) != pytest.approx(facts["golden_mfr"][model])


def _mfr(fp: list[float]) -> float:
    """mFR in percent by the function that the command uses, from two sequences that are alike."""
    own, known = (np.repeat(np.array(v)[:, None], 2, axis=1) for v in (fp, list(ALEXNET.values())))
    return float(100 * mean_of_ratios(own, known)[0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: flip_rates([[1], [2]]), "2 or more frames"),
        (lambda: flip_rates([]), "2 or more frames"),
        (lambda: flip_rates([[1, 2]], "last"), "previous or first"),
        (lambda: top5_distances(np.zeros((3, 4, 4))), "it has 4"),
        (lambda: top5_distances(np.zeros((4, 5))), "2 or more frames|5 best"),
    ],
)
def test_bad_input(call: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        call()  # type: ignore[operator]
