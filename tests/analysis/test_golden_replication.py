"""The published numbers of CIFAR-10.1 and ImageNetV2, from the published predictions.

Source of every constant: computed from the published files with NumPy, SciPy and statsmodels,
independently of this package; k/n are exact.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.analysis.cells import accuracies, correctness
from heldout.analysis.compare import compare
from heldout.analysis.gap import gap
from heldout.analysis.results import per_class, results
from heldout.analysis.similarity import similarity
from heldout.store.read import Store
from realdata import published

pytestmark = pytest.mark.data

VAL, A, B, C = (
    "imagenet-val",
    "imagenetv2-threshold0.7",
    "imagenetv2-matched-frequency",
    "imagenetv2-topimages",
)
NO_FV = "model NOT LIKE 'fv%'"


def test_every_cifar_cell(cifar_store: Store) -> None:
    """All 30 models × 3 sets: k, n, exact intervals, gaps and ranks of the full-precision table."""
    with open(published("golden") / "cifar10.1.csv") as f:
        golden = {row["model"]: row for row in csv.DictReader(f)}
    sets = {"orig": "cifar10-test", "v4": "cifar10.1-v4", "v6": "cifar10.1-v6"}
    assert len(golden) == 30
    for word, setting in sets.items():
        rows = {r["model"]: r for r in results(cifar_store, [setting]).rows()}
        assert set(rows) == set(golden)
        for model, g in golden.items():
            r = rows[model]
            assert (r["k"], r["n"]) == (int(g[f"{word}_k"]), int(g[f"{word}_n"]))
            assert r["value"] == pytest.approx(float(g[f"{word}_acc"]), abs=1e-15)
            assert r["low"] == pytest.approx(float(g[f"{word}_cp_lo"]), abs=1e-12)
            assert r["high"] == pytest.approx(float(g[f"{word}_cp_hi"]), abs=1e-12)
    for version in ("v4", "v6"):
        for row in gap(cifar_store, "cifar10-test", f"cifar10.1-{version}").rows():
            g = golden[row["model"]]
            assert row["gap"] == pytest.approx(float(g[f"{version}_gap"]), abs=1e-12)
            assert row["rank_original"] == int(g["orig_rank"])
            assert row["rank_new"] == int(g[f"{version}_rank"])
            assert row["rank_change"] == int(g[f"{version}_rank_change"])


# setting, scale: slope, intercept, R², bootstrap slope (percentiles of 10,000 draws, seed 0)
CIFAR_FITS = {
    ("v4", "linear"): (1.616628, -0.655094, 0.988704, 1.5291, 1.7014),
    ("v4", "logit"): (0.838535, -0.496604, 0.980601, 0.7898, 0.8769),
    ("v4", "probit"): (0.951455, -0.398645, 0.983090, 0.8999, 0.9930),
    ("v6", "linear"): (1.595183, -0.631843, 0.989749, 1.5182, 1.6671),
    ("v6", "logit"): (0.839330, -0.471512, 0.981649, 0.7928, 0.8746),
    ("v6", "probit"): (0.949630, -0.381142, 0.983989, 0.9009, 0.9871),
}


def _same_fit(row: dict[str, Any], golden: tuple[float, ...]) -> None:
    slope, intercept, r2, low, high = golden
    assert row["slope"] == pytest.approx(slope, abs=1e-6)
    assert row["intercept"] == pytest.approx(intercept, abs=1e-6)
    assert row["r2"] == pytest.approx(r2, abs=1e-6)
    assert (row["slope_low"], row["slope_high"]) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("version", ["v4", "v6"])
def test_cifar_fits(cifar_store: Store, version: str) -> None:
    """Slope, intercept, R² and the models' bootstrap on three scales; rank correlation; means."""
    table = gap(cifar_store, "cifar10-test", f"cifar10.1-{version}")
    for row in table.parts["fits"].rows():
        _same_fit(row, CIFAR_FITS[version, row["scale"]])
    spearman, tau, mean, median, least, most = {
        "v4": (0.977862, 0.888378, 0.081112, 0.073604, 0.041362, 0.153733),
        "v6": (0.970965, 0.860760, 0.077823, 0.069950, 0.0401, 0.1461),
    }[version]
    f = table.facts
    assert f["spearman"] == pytest.approx(spearman, abs=1e-6)
    assert f["kendall_tau_b"] == pytest.approx(tau, abs=1e-6)
    assert f["mean_gap"] == pytest.approx(mean, abs=1e-6)
    assert f["median_gap"] == pytest.approx(median, abs=1e-6)
    assert (f["min_gap"], f["max_gap"]) == pytest.approx((least, most), abs=1e-6)


# model: val top-1 k, limits, top-5 k; b top-1 k, limits, top-5 k; a and c top-1, top-5
V2_ROWS: dict[str, tuple[float, ...]] = {
    "pnasnet_large_tf": (41429, .82524755, .83187426, 48091, 7219, .71300437, .73066624, 9008,
                         8016, 9563, 8389, 9720),
    "se_resnet101": (39198, .78032631, .78756069, 47129, 6715, .66219574, .68070428, 8705,
                     7583, 9356, 8050, 9588),
    "resnet50": (38065, .75753837, .76503127, 46431, 6333, .62376713, .64275518, 8465,
                 7270, 9200, 7809, 9468),
    "alexnet": (28259, .56082111, .56953133, 39535, 4398, .43004019, .44959489, 6739,
                5131, 7590, 5818, 8180),
    "fv_16k": (14165, .27935305, .28727212, 24966, 1924, .18471453, .20026503, 3752,
               2336, 4420, 2744, 4980),
}  # fmt: skip


def test_imagenetv2_cells(imagenetv2_store: Store) -> None:
    """Counts of five models on four sets, top-1 and top-5, with exact intervals."""
    one, five = (
        {(r["model"], r["setting"]): r for r in results(imagenetv2_store, metric=m).rows()}
        for m in ("top-1", "top-5")
    )
    assert len(one) == 67 * 5
    for model, g in V2_ROWS.items():
        for setting, at in ((VAL, 0), (B, 4)):
            row = one[model, setting]
            assert row["k"] == g[at]
            assert (row["low"], row["high"]) == pytest.approx(g[at + 1 : at + 3], abs=1e-8)
            assert five[model, setting]["k"] == g[at + 3]
        assert (one[model, A]["k"], five[model, A]["k"]) == g[8:10]
        assert (one[model, C]["k"], five[model, C]["k"]) == g[10:12]
    assert (one["nasnetalarge", VAL]["k"], one["nasnetalarge", B]["k"]) == (41253, 7221)


@pytest.mark.parametrize(
    ("setting", "top1", "top5"),
    [(B, 11.8270, 8.2127), (A, 3.2037, 1.2400), (C, -2.0821, -1.7830)],
)
def test_imagenetv2_mean_gaps(
    imagenetv2_store: Store, setting: str, top1: float, top5: float
) -> None:
    """The six mean gaps of the paper's table, to four decimals of a point."""
    for metric, golden in (("top-1", top1), ("top-5", top5)):
        found = gap(imagenetv2_store, VAL, setting, metric=metric).facts["mean_gap"]
        assert 100 * found == pytest.approx(golden, abs=5e-5)


V2_FITS = {
    (B, None, "linear"): (0.967776, -0.094604, 0.990675, 0.9314, 1.1079),
    (B, None, "logit"): (0.947367, -0.521977, 0.998575, 0.9307, 0.9613),
    (B, None, "probit"): (0.952421, -0.316030, 0.998342, 0.9367, 0.9752),
    (B, NO_FV, "linear"): (1.109752, -0.202632, 0.991331, 1.0786, 1.1867),
    (B, NO_FV, "logit"): (0.931480, -0.503019, 0.995709, 0.9209, 0.9470),
    (B, NO_FV, "probit"): (0.968004, -0.327099, 0.995367, 0.9551, 0.9908),
    (A, None, "linear"): (1.045533, -0.065477, 0.997743, 1.0231, 1.0965),
    (A, None, "probit"): (1.037751, -0.123880, 0.998521, 1.0226, 1.0572),
    (C, None, "linear"): (1.036520, -0.005999, 0.996697, 0.9609, 1.0536),
    (C, None, "probit"): (1.049974, 0.036929, 0.996849, 0.9980, 1.0672),
}


@pytest.mark.parametrize(("setting", "condition"), [(B, None), (B, NO_FV), (A, None), (C, None)])
def test_imagenetv2_fits(imagenetv2_store: Store, setting: str, condition: str | None) -> None:
    """Ten published fits to the digits given, bootstrap endpoints within 1e-4."""
    fits = gap(imagenetv2_store, VAL, setting, population=condition).parts["fits"]
    seen = 0
    for row in fits.rows():
        if (setting, condition, row["scale"]) in V2_FITS:
            _same_fit(row, V2_FITS[setting, condition, row["scale"]])
            seen += 1
    assert seen >= 2


def test_imagenetv2_order_and_influence(imagenetv2_store: Store) -> None:
    """Rank correlations; the three Fisher-vector models are named; the slope is 1.11 without."""
    for setting, spearman, tau in (
        (A, 0.995091, 0.948440),
        (C, 0.992507, 0.937769),
        (B, 0.996837, 0.964456),
    ):
        table = gap(imagenetv2_store, VAL, setting)
        assert table.facts["spearman"] == pytest.approx(spearman, abs=1e-6)
        assert table.facts["kendall_tau_b"] == pytest.approx(tau, abs=1e-6)
    rows = [r for r in table.parts["influential"].rows() if r["scale"] == "linear"]
    assert {r["model"] for r in rows} == {"fv_4k", "fv_16k", "fv_64k"}
    assert rows[-1]["slope_without"] == pytest.approx(1.109752, abs=1e-6)
    assert any("fv_16k" in s and "1.110" in s for s in table.verdict)
    ranks = {r["model"]: (r["rank_original"], r["rank_new"]) for r in table.rows()}
    assert ranks["pnasnet_large_tf"] == (1, 2)
    assert ranks["nasnetalarge"] == (4, 1)
    assert ranks["resnet50"] == (37, 39)
    assert ranks["fv_16k"] == (66, 66)


# n11, n10, n01, n00; McNemar's p; difference; Tango 95 %; MOVER-Wilson; bootstrap of 10,000 draws
PAIRS: dict[tuple[str, str], tuple[float, ...]] = {
    ("vgg16", "vgg13_bn"): (
        32873, 2923, 2920, 11284, .9791264472, .00006, -.0029371158, .0030571414,
        -.0029364419, .0030564432, -.00296, .00300),
    ("nasnet_large_tf", "nasnetalarge"): (
        40144, 1209, 1109, 7538, .039734259, .00200, .0001128161, .0038900322,
        .0001125400, .0038881085, .00010, .00388),
    ("resnet152", "resnet50"): (
        36001, 3155, 2064, 8780, 8.361784248e-52, .02182, .0189993497, .0246517365,
        .0189953290, .0246465179, .018999, .02468),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_paired_comparison(imagenetv2_store: Store, pair: tuple[str, str]) -> None:
    """Discordant counts, exact McNemar p, and the limits of three methods, for three pairs."""
    g = PAIRS[pair]
    row = compare(imagenetv2_store, VAL, list(pair)).rows()[0]
    assert (row["first"], row["second"]) == pair
    assert (row["only_first"], row["only_second"], row["n"]) == (g[1], g[2], sum(g[:4]))
    assert row["p"] == pytest.approx(g[4], rel=1e-6)
    assert row["difference"] == pytest.approx(g[5], abs=1e-12)
    assert (row["low"], row["high"]) == pytest.approx(g[6:8], abs=1e-9)
    mover = compare(imagenetv2_store, VAL, list(pair), interval="mover-wilson").rows()[0]
    assert (mover["low"], mover["high"]) == pytest.approx(g[8:10], abs=1e-9)
    law = compare(imagenetv2_store, VAL, list(pair), interval="bootstrap").rows()[0]
    assert (law["low"], law["high"]) == pytest.approx(g[10:12], abs=1e-4)


@pytest.mark.parametrize(
    ("setting", "models", "pairs", "mean", "expected"),
    [
        (VAL, 67, 2211, 0.824147, 0.609522),
        (VAL, 64, 2016, 0.855483, 0.630594),
        (B, 67, 2211, 0.804543, 0.526622),
        (B, 64, 2016, 0.831391, 0.536836),
    ],
)
def test_similarity(
    imagenetv2_store: Store, setting: str, models: int, pairs: int, mean: float, expected: float
) -> None:
    """Mean and expected agreement over pairs, with and without the Fisher-vector models."""
    every = accuracies(imagenetv2_store, [VAL]).models
    names = every if models == 67 else [m for m in every if not m.startswith("fv_")]
    table = similarity(imagenetv2_store, setting, names)
    assert table.facts["pairs"] == pairs
    assert table.facts["mean"] == pytest.approx(mean, abs=1e-6)
    assert table.facts["mean_expected"] == pytest.approx(expected, abs=1e-6)
    if (setting, models) == (VAL, 67):
        assert (table.facts["min"], table.facts["max"]) == pytest.approx((0.36774, 0.96268))
        assert (table.facts["all_wrong"], table.facts["all_right"]) == (2384, 6823)
        rows = {frozenset((r["first"], r["second"])): r for r in table.rows()}
        for pair, count, chance in (
            (("vgg16", "vgg13_bn"), 44157, 0.593217),
            (("nasnet_large_tf", "nasnetalarge"), 47682, 0.712628),
            (("resnet152", "resnet50"), 44781, 0.647959),
        ):
            assert rows[frozenset(pair)]["agreeing"] == count
            assert rows[frozenset(pair)]["expected"] == pytest.approx(chance, abs=1e-6)


def test_cifar_similarity(cifar_store: Store) -> None:
    """Agreement on the three CIFAR sets; label agreement is another quantity."""
    for setting, mean, expected in (
        ("cifar10.1-v4", 0.854463, 0.744252),
        ("cifar10.1-v6", 0.857291, 0.748884),
        ("cifar10-test", 0.919223, 0.871107),
    ):
        facts = similarity(cifar_store, setting, labels=True).facts
        assert facts["mean"] == pytest.approx(mean, abs=1e-6)
        assert facts["mean_expected"] == pytest.approx(expected, abs=1e-6)
    assert (facts["min"], facts["max"]) == pytest.approx((0.8330, 0.9806), abs=5e-5)
    assert (facts["all_wrong"], facts["all_right"]) == (28, 6507)
    assert facts["mean_same_class"] == pytest.approx(0.910001, abs=1e-6)


def test_per_class(imagenetv2_store: Store, cifar_store: Store) -> None:
    """Right answers per class of ResNet-50, and of resnet_basic_110 on unbalanced v4."""
    for setting, golden in (
        (VAL, [45, 44, 11, 17, 21]),
        (B, [9, 9, 0, 2, 5]),
        (A, [10, 9, 1, 5, 7]),
        (C, [10, 9, 1, 5, 8]),
    ):
        k = per_class(imagenetv2_store, setting, ["resnet50"])["k"]
        assert [int(k[i]) for i in (0, 1, 282, 623, 999)] == golden
    table = per_class(cifar_store, "cifar10.1-v4", ["resnet_basic_110"])
    assert [int(k) for k in table["k"][:5]] == [169, 168, 169, 174, 184]
    assert [int(n) for n in table["n"][:5]] == [208, 212, 202, 212, 204]
    for setting, mean in (
        ("cifar10-test", 0.9346),
        ("cifar10.1-v6", 0.8540),
        ("cifar10.1-v4", 0.853239),
    ):
        rows = results(cifar_store, [setting], ["resnet_basic_110"], metric="mean-per-class").rows()
        assert rows[0]["value"] == pytest.approx(mean, abs=1e-6)


def test_shared_examples_are_the_same_examples(imagenetv2_store: Store, cifar_store: Store) -> None:
    """|a and b| = 3,186 and so on, v4 and v6 share 1,874: found by id, and models agree there."""
    for store, one, two, shared in (
        (imagenetv2_store, A, B, 3186),
        (imagenetv2_store, A, C, 4996),
        (imagenetv2_store, B, C, 3070),
        (cifar_store, "cifar10.1-v4", "cifar10.1-v6", 1874),
    ):
        assert gap(store, one, two).facts["shared_examples"] == shared
        x, y = correctness(store, one), correctness(store, two)
        place = {e: i for i, e in enumerate(y.labels.examples)}
        both = [(i, place[e]) for i, e in enumerate(x.labels.examples) if e in place]
        ix, iy = (np.array(p) for p in zip(*both, strict=True))
        assert np.array_equal(x.right[:, ix], y.right[:, iy])


def test_no_repairs_keeps_the_raw_form(tmp_path: Path) -> None:
    """Without repairs fv_16k scores 2.47 % on b, and files keep their stems."""
    from heldout.imports import imagenetv2
    from heldout.imports.bundle import Choices, put

    root = imagenetv2.recognise(published("imagenetv2-predictions"))
    assert root is not None
    store = Store.create(str(tmp_path / "raw"))
    choices = Choices("raw", settings=("b-33", "c-12"), repairs=False)
    done = put(store, imagenetv2.read(root, choices), choices)
    assert done.repairs == ()
    cells = accuracies(store)
    at = {m: i for i, m in enumerate(cells.models)}
    assert cells.k[at["fv_16k"], cells.settings.index(B)] == 247
    assert "fv_16k_model" in at
    assert len(cells.models) == 68


def test_repairs_are_named(imagenetv2_store: Store) -> None:
    """Every repair is a sentence in the provenance of the part that it changed."""
    said = {s: " ".join(imagenetv2_store.pieces(s)[0].record["repairs"]) for s in (VAL, A, B, C)}
    assert said[VAL] == ""
    assert "'fv_16k' was stored worst first" in said[A]
    assert "fv_64k_model.npy" in said[A]
    assert "'fv_16k' was stored worst first" in said[B]
    assert "fv_16k_model.npy" in said[C]
