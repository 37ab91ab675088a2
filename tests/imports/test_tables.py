"""The importers of published accuracy tables, against the tables and against golden values."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heldout.errors import ImportFailed, NotFound
from heldout.imports import formats, imagenet_testbed, open_clip_results, timm_results
from heldout.imports.bundle import Bundle, Choices, put
from heldout.imports.imagenet_sets import setting
from heldout.imports.tables import counts, find, read_csv
from heldout.store.read import Store

Data = Callable[[str], Path]
Cells = dict[tuple[str, str, str], tuple[float, int | None, int | None]]


def _read(module: Any, folder: Path, *settings: str) -> Bundle:
    root = module.recognise(folder)
    assert root is not None
    return module.read(root, Choices(settings=settings))


def _cells(bundle: Bundle) -> Cells:
    assert bundle.results is not None
    return {
        (r["model"], r["setting"], r["metric"]): (r["value"], r["k"], r["n"])
        for r in bundle.results.to_pylist()
    }


def _golden(data: Data, name: str) -> list[dict[str, str]]:
    with open(data("golden") / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def testbed(data: Data) -> Bundle:
    return _read(imagenet_testbed, data("imagenet-testbed"))


@pytest.fixture(scope="module")
def testbed_cells(testbed: Bundle) -> Cells:
    return _cells(testbed)


@pytest.fixture(scope="module")
def timm(data: Data) -> Bundle:
    return _read(timm_results, data("timm-results"))


@pytest.fixture(scope="module")
def timm_cells(timm: Bundle) -> Cells:
    return _cells(timm)


# Counts


def test_counts_are_given_only_where_one_fits() -> None:
    assert counts([0.63210, 0.5], 10_000, 0.00005).tolist() == [6321, 5000]
    assert counts([0.63211], 10_000, 0.000001).tolist() == [-1]  # no k/10,000 is that near
    assert counts([0.7613], 50_000, 0.00005).tolist() == [-1]  # five of them are
    assert counts([1.0002], 5_000, 0.0001).tolist() == [-1]  # more right than there are


# The testbed


@pytest.mark.data
@pytest.mark.parametrize(
    ("model", "name", "k", "n"),
    [
        ("efficientnet-l2-noisystudent", "imagenet-val", 44161, 50000),
        ("resnet50", "imagenet-val", 38065, 50000),
        ("resnet50", "imagenetv2-matched-frequency", 6333, 10000),
        ("resnet50", "imagenetv2-matched-frequency-format-val", 6321, 10000),
        ("resnet50", "imagenet-a", 0, 7500),
        ("resnet50", "val-on-imagenet-a-classes", 9186, 10000),
        ("alexnet", "imagenet-val", 28261, 50000),
    ],
)
def test_testbed_counts(testbed_cells: Cells, model: str, name: str, k: int, n: int) -> None:
    """Published percentages as exact counts (robustness_top1s.csv of the testbed)."""
    assert testbed_cells[model, name, "top-1"] == (k / n, k, n)


@pytest.mark.data
def test_testbed_has_every_cell_with_a_count(testbed: Bundle) -> None:
    """338 x 213 cells, 26,220 of them empty; every value is a k/n."""
    assert testbed.results is not None
    assert len(testbed.results) == 338 * 213 - 26_220
    assert testbed.results["k"].null_count == 0
    assert len(testbed.models) == 338
    assert len(testbed.settings) == 213
    assert "26,220 of 71,994 cells are empty" in testbed.notes[0]


@pytest.mark.data
def test_testbed_settings_are_those_of_the_golden_table(testbed: Bundle, data: Data) -> None:
    rows = {row["setting"]: row for row in testbed.settings}
    for golden in _golden(data, "testbed_settings.csv"):
        name = "imagenet-val" if golden["setting"] == "val" else golden["setting"]
        baseline = "imagenet-val" if golden["clean_baseline"] == "val" else golden["clean_baseline"]
        row = rows[name]
        assert row["n"] == int(golden["size_from_values"]), name
        assert (row["baseline"] or "") == baseline, name
        assert (row.get("corruption") or "") == golden["corruption"], name
        assert str(row.get("severity") or "") == golden["severity"], name
        assert (row.get("medium") or "") == golden["medium"], name


@pytest.mark.data
def test_testbed_rows_of_the_settings(testbed: Bundle) -> None:
    rows = {row["setting"]: row for row in testbed.settings}
    assert rows["imagenet-val"]["aliases"].split()[0] == "val"
    assert "objectnet" in rows["objectnet-1.0-beta"]["aliases"].split()
    groups = {name: row["group"] for name, row in rows.items()}
    assert groups["imagenet-val"] == "original"
    assert groups["imagenetv2-topimages"] == "replicate"
    assert groups["imagenet-r"] == "natural"
    assert groups["pgd.linf.eps2"] == "adversarial"
    assert groups["imagenet-c.fog.3_on-disk"] == groups["greyscale"] == "corruption"
    assert groups["val-on-imagenet-r-classes"] == "clean-subset"
    assert rows["imagenetv2-topimages"]["original"] == "imagenet-val"
    assert all(row["description"] for row in rows.values())


def _entire(cells: Cells, model: str, medium: str) -> str:
    """'5000' when all cells of a model on a medium are tenth runs, '' when there are none."""
    sizes = {
        n
        for (m, name, _), (_, _, n) in cells.items()
        if m == model and (name.startswith("pgd") if medium == "pgd" else name.endswith(medium))
    }
    return "" if not sizes else "5000" if sizes == {5000} else "50000"


@pytest.mark.data
@pytest.mark.parametrize(
    ("medium", "column"),
    [("in-memory", "corruption_in_memory"), ("on-disk", "corruption_on_disk"), ("pgd", "pgd")],
)
def test_testbed_tenth_runs(testbed_cells: Cells, data: Data, medium: str, column: str) -> None:
    """Which models were run on 5,000 images throughout, as the golden table has it."""
    for golden in _golden(data, "testbed_cell_sizes.csv"):
        expected = golden[column].replace("mixed?", "50000")
        assert _entire(testbed_cells, golden["model"], medium) == expected, golden["model"]


@pytest.mark.data
def test_testbed_mixed_runs(testbed: Bundle, testbed_cells: Cells) -> None:
    """Sizes within a model: where full and tenth runs are mixed, and a run found by its corruption.

    A value that is no multiple of 1/5,000 is always a full run.
    """
    mixed = {n for (m, s, _), (_, _, n) in testbed_cells.items()
             if m == "google_resnet101_jft-300M" and s.endswith("on-disk")}  # fmt: skip
    assert mixed == {5_000, 50_000}
    names = {s for (m, s, _), (_, _, n) in testbed_cells.items()
             if m == "facebook_adv_trained_resnet152_denoise" and s.startswith("imagenet-c")
             and n == 5_000}  # fmt: skip
    assert names == {f"imagenet-c.elastic_transform.{i}_in-memory" for i in range(1, 6)}
    assert any("ImageNet-C for google_resnet101_jft-300M)" in n for n in testbed.notes)
    for value, _, n in testbed_cells.values():
        if abs(value * 5_000 - round(value * 5_000)) > 0.05:
            assert n != 5_000


@pytest.mark.data
def test_testbed_says_which_cells_were_not_corrupted(testbed: Bundle, testbed_cells: Cells) -> None:
    """543 in-memory cells of severity 1 equal the clean accuracy to the last digit (found here).

    It happens in no other corruption, adversarial or image-wide column of the table.
    """
    equal = [
        (m, s)
        for (m, s, _), (value, _, _) in testbed_cells.items()
        if (setting(s) or {}).get("group") in ("corruption", "adversarial")
        and value == testbed_cells[m, "imagenet-val", "top-1"][0]
    ]
    assert len(equal) == 543
    assert all(s.endswith(".1_in-memory") for _, s in equal)
    assert len({m for m, _ in equal}) == 120
    note = next(n for n in testbed.notes if "543" in n)
    assert "40 more repeat one value" in note


@pytest.mark.data
def test_testbed_families(testbed: Bundle, data: Data) -> None:
    golden = {r["model"]: r for r in _golden(data, "model_families.csv")}
    for row in testbed.models:
        assert row["natural_shift_family"] == golden[row["model"]]["natural_shift_family"]
        assert row["synthetic_shift_family"] == golden[row["model"]]["synthetic_shift_family"]
        assert row["baseline_population"] == (golden[row["model"]]["baseline_population"] == "1")


@pytest.mark.data
def test_testbed_only_some_settings(data: Data) -> None:
    """Settings are chosen by name or alias; an unknown one gets near matches."""
    bundle = _read(imagenet_testbed, data("imagenet-testbed"), "val", "imagenet-a")
    assert {s for _, s, _ in _cells(bundle)} == {"imagenet-val", "imagenet-a"}
    assert [row["setting"] for row in bundle.settings] == ["imagenet-a", "imagenet-val"]
    assert len(bundle.notes) == 1  # nothing about columns that were not asked for
    with pytest.raises(NotFound, match="Did you mean 'imagenet-sketch'"):
        _read(imagenet_testbed, data("imagenet-testbed"), "imagenet-sketsch")


def _small_testbed(folder: Path, text: str) -> Path:
    (folder / "robustness_top1s.csv").write_text(text)
    return folder


def test_testbed_unknown_column_and_value(tmp_path: Path) -> None:
    """A column nobody knows is kept without n; a value that is no k/n has no counts, and notes say
    so."""
    text = "model,val,imagenet-a,new-set\na,76.13000000,1.00,50.0\nb,76.13100000,2.0,\n"
    bundle = imagenet_testbed.read(_small_testbed(tmp_path, text), Choices())
    cells = _cells(bundle)
    assert cells["a", "imagenet-val", "top-1"] == (38065 / 50000, 38065, 50000)
    assert cells["b", "imagenet-val", "top-1"] == (pytest.approx(0.76131), None, None)
    assert cells["a", "new-set", "top-1"] == (0.5, None, None)
    assert ("b", "new-set", "top-1") not in cells
    assert any("val, new-set" in n and "no k/n" in n for n in bundle.notes)
    assert bundle.models[0]["natural_shift_family"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,val\n", "holds no rows"),
        ("model,val\na,76.13,5\n", "row 2: 3 fields where the header has 2"),
        ("model,val\na,high\n", "row 2, column 'val': 'high' is not a number"),
        ("name,val\na,76.13\n", "no column 'model'; it has name, val"),
        ("model,val\na,1\na,2\n", "the model 'a' has more than one row"),
    ],
)
def test_testbed_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportFailed, match=message):
        imagenet_testbed.read(_small_testbed(tmp_path, text), Choices())


# timm


@pytest.mark.data
def test_timm_counts(timm: Bundle, timm_cells: Cells) -> None:
    """Three decimals determine every count; 8 tables of 1,556 rows, two metrics."""
    assert timm.results is not None
    assert len(timm.results) == 8 * 1556 * 2
    assert timm.results["k"].null_count == 0
    first = "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k@448"
    assert timm_cells[first, "imagenet-val", "top-1"] == (45028 / 50000, 45028, 50000)
    assert timm_cells[first, "imagenet-val", "top-5"] == (49527 / 50000, 49527, 50000)
    assert timm_cells[first, "imagenet-a", "top-1"] == (6647 / 7500, 6647, 7500)
    value, k, n = timm_cells[first, "imagenet-real", "top-1"]
    assert (round(100 * value, 3), k, n) == (91.144, 42689, 46837)
    for value, k, n in timm_cells.values():
        assert k is not None
        assert n is not None
        assert value == k / n


@pytest.mark.data
def test_timm_clean_twins_are_the_testbeds(timm_cells: Cells, testbed_cells: Cells) -> None:
    """The same torchvision weights agree on the restricted sets as well as on the whole one."""
    for model in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16"):
        for name in ("imagenet-val", "val-on-imagenet-a-classes", "val-on-imagenet-r-classes"):
            here = timm_cells[f"{model}.tv_in1k@224", name, "top-1"][0]
            assert here == pytest.approx(testbed_cells[model, name, "top-1"][0], abs=0.0006)


@pytest.mark.data
def test_timm_models(timm: Bundle, timm_cells: Cells) -> None:
    rows = {m["model"]: m for m in timm.models}
    assert len(rows) == 1557
    giant = rows["eva_giant_patch14_560.m30m_ft_in22k_in1k@560"]
    assert giant["param_count"] == 1014.45
    assert giant["img_size"] == 560
    assert giant["crop_pct"] == 1.0
    assert giant["interpolation"] == "bicubic"
    everywhere = [m for m in rows if (m, "imagenet-val", "top-1") in timm_cells
                  and (m, "imagenet-a", "top-1") in timm_cells]  # fmt: skip
    kinds = [rows[m]["pretraining"] for m in everywhere]
    assert (kinds.count("in1k"), kinds.count("extra")) == (1217, 338)


@pytest.mark.data
def test_timm_missing_rows_stay_missing(timm: Bundle, timm_cells: Cells) -> None:
    assert ("resnet50.tv_in1k@224", "imagenet-a", "top-1") not in timm_cells
    assert ("resmlp_24_224.fb_dino@224", "imagenet-val", "top-1") not in timm_cells
    said = " ".join(timm.notes)
    assert "'resnet50.tv_in1k@224' is missing from results-imagenet-a.csv" in said
    assert "'resmlp_24_224.fb_dino@224' is only in results-imagenet-a.csv" in said


@pytest.mark.data
def test_timm_settings_have_the_testbeds_baselines(timm: Bundle, testbed: Bundle) -> None:
    """A setting that both tables have has one row, whichever is imported last."""
    theirs = {row["setting"]: row for row in testbed.settings}
    shared = [row for row in timm.settings if row["setting"] in theirs]
    assert len(shared) == 7
    assert all(row == theirs[row["setting"]] for row in shared)
    rows = {row["setting"]: row for row in timm.settings}
    assert rows["imagenet-r"]["baseline"] == "val-on-imagenet-r-classes"
    assert "imagenet-a-clean" in rows["val-on-imagenet-a-classes"]["aliases"].split()
    assert rows["imagenet-real"]["baseline"] == "imagenet-val"


def _small_timm(folder: Path, rows: str) -> Path:
    (folder / "results").mkdir()
    header = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"
    (folder / "results/results-imagenet.csv").write_text(header + rows)
    return folder


def test_timm_absent_tables_and_repeated_rows(tmp_path: Path) -> None:
    row = "a.b,224,50.000,50.000,90.000,10.000,1.5,0.9,bicubic\n"
    bundle = timm_results.read(_small_timm(tmp_path, row), Choices())
    assert _cells(bundle)["a.b@224", "imagenet-val", "top-1"] == (0.5, 25000, 50000)
    assert any("No results-….csv here for imagenet-real" in n for n in bundle.notes)
    (tmp_path / "x").mkdir()
    with pytest.raises(ImportFailed, match=r"'a\.b@224' .* occurs twice"):
        timm_results.read(_small_timm(tmp_path / "x", row + row), Choices())


# open_clip


@pytest.mark.data
def test_open_clip(data: Data) -> None:
    bundle = _read(open_clip_results, data("open_clip-results"))
    cells = _cells(bundle)
    assert bundle.results is not None
    assert len(bundle.results) == 121 * 38
    best = "ViT-H-14-378-quickgelu/dfn5b"
    assert cells[best, "imagenet-val", "top-1"] == (0.8437, None, None)
    assert cells[best, "imagenetv2-matched-frequency", "top-1"] == (0.7833, 7833, 10000)
    assert cells[best, "imagenet-a", "top-1"] == (5973 / 7500, 5973, 7500)
    assert cells[best, "objectnet-1.0-beta", "top-1"] == (0.7340, None, None)
    assert cells["ViT-B-32/openai", "imagenet-val", "top-1"][0] == 0.6332
    metrics = {s: metric for _, s, metric in cells}
    assert metrics["caltech-101"] == "mean-per-class"
    assert metrics["flickr"] == "mean-recall@1"
    assert metrics["iwildcam"] == "macro-f1"
    assert sum(m == "top-1" for m in metrics.values()) == 27
    model = next(m for m in bundle.models if m["model"] == "ViT-B-32/openai")
    assert model["param_count"] == 151.28
    assert model["img_size"] == 224
    rows = {row["setting"]: row for row in bundle.settings}
    assert rows["imagenet-sketch"]["baseline"] == "imagenet-val"
    assert "baseline" not in rows["imagenet-a"]
    assert "n" not in rows["objectnet-1.0-beta"]


@pytest.mark.data
def test_open_clip_sizes_fit_and_means_do_not(data: Data) -> None:
    """Every top-1 value of a small set is a k/n of its size; means over classes are not.

    This is how the column's metric shows in its values.
    """
    table = read_csv(data("open_clip-results") / "open_clip-results/docs/openclip_results.csv")
    for column, (_, metric, n, _) in open_clip_results.SETS.items():
        value = table.numbers(column)
        missed = np.ceil((value - 5e-5) * n - 1e-7) > np.floor((value + 5e-5) * n + 1e-7)
        if metric == "top-1":
            assert not missed.any(), column
        elif metric == "mean-per-class":
            assert missed.mean() > 0.4, column


def test_open_clip_refuses_percentages(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    header = "name,pretrained,params (M),FLOPs (B),Average perf. on 1 datasets,ImageNet 1k\n"
    (tmp_path / "docs/openclip_results.csv").write_text(header + "a,b,1,1,63.3,63.3\n")
    with pytest.raises(ImportFailed, match="'ImageNet 1k': values outside 0 to 1"):
        open_clip_results.read(tmp_path, Choices())


# Finding them, and the store


def test_find_looks_near_first_and_not_too_deep(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/marker.csv").touch()
    assert find(tmp_path, "marker.csv") == tmp_path / "a/b"
    assert find(tmp_path, "b/marker.csv") == tmp_path / "a"
    assert find(tmp_path / "a/b", "b/marker.csv") == tmp_path / "a"  # from inside
    assert find(tmp_path / "a/b/marker.csv", "b/marker.csv") == tmp_path / "a"
    assert find(tmp_path / "nothing", "marker.csv") is None
    (tmp_path / "1/2/3/4").mkdir(parents=True)
    (tmp_path / "1/2/3/4/deep.csv").touch()
    assert find(tmp_path, "deep.csv") is None


def test_formats_by_name() -> None:
    assert formats.names()[:5] == [
        "imagenetv2",
        "cifar10.1",
        "imagenet-testbed",
        "timm",
        "open_clip",
    ]
    for name in formats.names():
        module = formats.load(name)
        assert name == module.NAME
        assert module.ABOUT
    with pytest.raises(NotFound, match="Did you mean 'imagenet-testbed'"):
        formats.load("imagenet-tesbed")


def test_formats_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is an importer; one that cannot be loaded says whose fault it is."""
    from importlib.metadata import EntryPoint

    plugins = {
        "mine": EntryPoint("mine", "heldout.imports.timm_results", formats.GROUP),
        "broken": EntryPoint("broken", "no_such_module", formats.GROUP),
    }
    monkeypatch.setattr(formats, "_plugins", lambda: plugins)
    assert formats.names()[-2:] == ["broken", "mine"]
    assert formats.load("mine").NAME == "timm"
    with pytest.raises(ImportFailed, match=r"'broken' \(no_such_module\), which another package"):
        formats.load("broken")


def test_formats_recognise(tmp_path: Path) -> None:
    assert formats.recognise(tmp_path) is None
    (tmp_path / "one").mkdir()
    root = _small_testbed(tmp_path / "one", "model,val\na,50.0\n")
    found = formats.recognise(tmp_path)
    assert found is not None
    assert (found[0].NAME, found[1]) == ("imagenet-testbed", root)
    (tmp_path / "two").mkdir()
    _small_timm(tmp_path / "two", "")
    with pytest.raises(Exception, match=r"holds 2 formats: .*imagenet-testbed.*timm"):
        formats.recognise(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("imagenetv2-predictions", "imagenetv2"),
        ("cifar10.1", "cifar10.1"),
        ("imagenet-testbed", "imagenet-testbed"),
        ("timm-results", "timm"),
        ("open_clip-results", "open_clip"),
    ],
)
def test_formats_recognise_what_is_published(data: Data, folder: str, name: str) -> None:
    found = formats.recognise(data(folder))
    assert found is not None
    assert name == found[0].NAME


@pytest.mark.data
def test_tables_in_one_store(data: Data, tmp_path: Path) -> None:
    """Three sources in one store: one row a setting, lines can be drawn across them."""
    store = Store.create(str(tmp_path / "store"))
    wanted = ("val", "imagenet-a")
    for module, folder in (
        (imagenet_testbed, "imagenet-testbed"),
        (timm_results, "timm-results"),
        (open_clip_results, "open_clip-results"),
    ):
        choices = Choices(source=folder, settings=wanted)
        done = put(store, _read(module, data(folder), *wanted), choices)
        assert done.cells > 0
    results = store.results()
    assert set(results.setting) == {"imagenet-val", "imagenet-a"}
    assert store.resolve("val") == "imagenet-val"
    assert store.settings()["imagenet-a"]["baseline"] == "val-on-imagenet-a-classes"
    assert store.settings()["imagenet-val"]["n"] == 50_000
    assert store.models()["resnet50"]["natural_shift_family"] == "standard"
    assert store.models()["resnet50.tv_in1k@224"]["pretraining"] == "in1k"
    at = (results.model == "resnet50") & (results.setting == "imagenet-val")
    assert results.value[at].tolist() == [38065 / 50000]
    assert not math.isnan(results.value.sum())
