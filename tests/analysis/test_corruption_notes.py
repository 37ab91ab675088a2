"""What tables of corruption errors say: of how many images, of which variant, how sure."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tinyset
from corrupted import ORIGIN, answers, labels, row, run, tabled
from heldout.analysis.alexnet import ERRORS
from heldout.analysis.corruption_error import mce
from heldout.analysis.corruption_settings import KINDS
from heldout.analysis.corruption_severity import by_severity
from heldout.analysis.corruption_tables import by_corruption
from heldout.analysis.corruption_words import size_notes
from heldout.cli.show import as_text
from heldout.engine.run import run as run_study
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.errors import BadInput
from heldout.stats.weighted import mean_of_ratios, signed_mean
from heldout.store.read import Store
from heldout.store.write import write_settings
from heldout.table import Table

N = 60
IMAGENET = "imagenet-val"
CIFAR = "cifar10-test"
LONG = "a-model-with-quite-a-long-name"


def _store(where: Path, test_set: str = IMAGENET, classes: int = 1000, n: int = N) -> Store:
    store = Store.create(str(where))
    labels(store, test_set, n, classes)
    return store


def _said(table: Table) -> str:
    return " ".join(table.notes)


def test_few_images_of_a_known_set_are_said(tmp_path: Path) -> None:
    store = _store(tmp_path / "s", n=12)
    clean = np.zeros(12, bool)
    run(store, IMAGENET, {LONG: answers(1, 12, 0.3)}, clean={LONG: clean})
    for table in (mce(store), by_corruption(store), by_severity(store)):
        assert "Of 12 images; imagenet-val has 50,000." in _said(table)
    assert size_notes([50_000, 5_000, None], IMAGENET) == [
        "Some numbers are of 5,000 images (column n); imagenet-val has 50,000. Not comparable with"
        " published numbers."
    ]
    assert not size_notes([50_000, None], IMAGENET)
    other = _store(tmp_path / "o", "mine", n=12)
    run(other, "mine", {"one": answers(1, 12, 0.3)})
    assert "imagenet-val has" not in _said(mce(other))


def test_n_stays_in_80_columns(tmp_path: Path) -> None:
    """With every measure, and with the columns that tell variants apart."""
    store = _store(tmp_path / "s")
    names = (LONG, LONG + "-2")
    for i, (prefix, reference, suffix) in enumerate(
        (("", "imagenet-c", ""), ("imagecorruptions.", "imagecorruptions", "+jpeg:85"))
    ):
        wrong = {m: answers(i + j, N, 0.5) for j, m in enumerate(names)}
        clean = {m: w[0, 0] for m, w in wrong.items()}
        run(store, IMAGENET, wrong, clean=None if i else clean, prefix=prefix, suffix=suffix,
            reference=reference)  # fmt: skip
    for table in (
        mce(store),
        mce(store, medium="in-memory"),
        by_corruption(store, medium="on-disk"),
    ):
        text = as_text(table)
        assert max(map(len, text.splitlines())) <= 80
        head = next(i for i, line in enumerate(text.splitlines()) if line.startswith("──")) - 1
        columns = re.split(r"\s{2,}", text.splitlines()[head])
        assert "n" in columns
        answer = "ce" if "corruption" in columns else "mce"
        assert answer in columns
        shown = "\n".join(text.splitlines()[head + 2 : head + 4])
        assert shown.count("[") >= 2  # the answer keeps its interval


def test_notes_and_title_say_of_which_variant(tmp_path: Path) -> None:
    store = _store(tmp_path / "s", CIFAR, 10)
    run(store, CIFAR, {"one": answers(1, N, 0.3), "two": answers(2, N, 0.4)})
    photographed = {"one": answers(3, N, 0.3, 1), "two": answers(6, N, 0.3, 1)}
    run(store, CIFAR, photographed, ["frost_photographs"])
    disk = {"one": answers(4, N, 0.3), "two": answers(5, N, 0.4)}
    run(store, CIFAR, disk, suffix="+jpeg:85", reference="imagenet-c")
    table = mce(store, against="two")
    assert "against two" in table.title
    assert all("against two" in v for v in table.verdict[:-1])
    names = table.facts["variants"]
    said = ["cifar10-test, imagenet-c, ", "All 3 variants: "]
    assert all(n.startswith(tuple(said)) for n in table.notes)
    photographs = [n for n in table.notes if "reference's photographs." in n and "not" not in n]
    assert [n.partition(": ")[0] for n in photographs] == [n for n in names if "frost from" in n]
    textures = next(n for n in table.notes if "own textures" in n)
    assert "frost from" not in textures.partition(": ")[0]
    alone = mce(store, medium="on-disk")
    assert not any(n.startswith("cifar10-test, imagenet-c, ") for n in alone.notes)


@pytest.mark.parametrize("against", ["published", None, "base"])
def test_the_lead_is_paired(tmp_path: Path, against: str | None) -> None:
    """Value and limits from every image's own difference, by loops."""
    test_set, classes = (IMAGENET, 1000) if against == "published" else (CIFAR, 10)
    store = _store(tmp_path / "s", test_set, classes)
    wrong = {"a": answers(1, N, 0.2), "b": answers(2, N, 0.3), "base": answers(3, N, 0.6)}
    run(store, test_set, wrong)
    table = mce(store, against=against)
    (lead,) = table.facts["leads"]
    each = np.zeros(N)
    for c, errors in enumerate(ERRORS.values()):
        for s in range(5):
            below = sum(errors) if against else 5
            each += (1.0 * wrong["b"][c, s] - wrong["a"][c, s]) / below / 15
    value, low, high = (float(v) for v in signed_mean(each))
    if against == "base":
        less = (wrong["a"].sum(axis=1) - 1.0 * wrong["b"].sum(axis=1)) * 1.0
        found = mean_of_ratios(less, wrong["base"].sum(axis=1))
        value, high, low = (-float(v) for v in found)
    assert (lead["best"], lead["next"], lead["paired"]) == ("a", "b", True)
    assert [lead[k] for k in ("value", "low", "high")] == pytest.approx([value, low, high])
    answer = table["mce" if against else "mean_error"]
    assert value == pytest.approx(answer[1] - answer[0])
    said = f"lower than that of b by {100 * value:.2f} points [{100 * low:.2f}, {100 * high:.2f}]"
    assert said in table.verdict[0]


def test_a_lead_that_is_none_is_said(tmp_path: Path) -> None:
    store = _store(tmp_path / "s")
    same = answers(1, N, 0.2)
    run(store, IMAGENET, {"a": same, "b": answers(2, N, 0.2)})
    assert "do not tell from none" in mce(store).verdict[0]
    run(store, IMAGENET, {"a2": same})
    assert "as low as that of a2 on every image" in mce(store, models=["a", "a2"]).verdict[0]


def test_the_lead_covers_the_difference() -> None:
    """Two models, the same 100 images from easy to hard: against 95 %."""
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 2, (600, 1, 1, 100))
    severity = np.linspace(-1, 1, 15)[None, None, :, None]

    def means(shift: float) -> np.ndarray:
        own = rng.normal(0, 1, (600, 1, 1, 100))
        p = 1 / (1 + np.exp(-(hard + severity + own + shift)))
        return np.asarray((rng.random((600, 1, 15, 100)) < p).mean(axis=(1, 2)))

    a, b = means(-1.5), means(-1.0)
    truth = float((b - a).mean())  # of 60,000 images
    _, low, high = signed_mean(b - a)
    assert 0.92 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_counts_alone_say_whether_intervals_overlap(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path / "s"))
    rows = [
        row(IMAGENET, f"{k}:{s}", k, s) | {"label_set": None} for k in KINDS for s in range(1, 6)
    ]
    write_settings(store, [{"setting": IMAGENET}, *rows], ORIGIN)
    accuracy = {"a": 700, "b": 695, "far": 100}
    tabled(store, [(m, r["setting"], k / 1000, k, 1000) for m, k in accuracy.items() for r in rows])
    near = mce(store, models=["a", "b"])
    assert near.verdict[0].endswith("; their intervals overlap.")
    assert mce(store, models=["a", "far"]).verdict[0].endswith("; their intervals do not overlap.")
    assert near.facts["leads"][0]["overlap"]


def test_frost_that_chooses_nothing_is_said(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path / "s"))
    rows = []
    for kind in KINDS:
        for s in range(1, 6):
            made = row(IMAGENET, f"{kind}:{s}", kind, s) | {"label_set": None, "medium": "on-disk"}
            rows.append(made | {"setting": f"imagenet-c.{kind}.{s}_on-disk"})
    write_settings(store, [{"setting": IMAGENET}, *rows], ORIGIN)
    tabled(store, [("a", r["setting"], 0.5, 50, 100) for r in rows])
    for table in (f(store, frost="photographs") for f in (mce, by_corruption, by_severity)):
        assert "--frost chooses nothing here" in _said(table)
    assert "--frost" not in _said(mce(store))
    none = _store(tmp_path / "n")
    run(none, IMAGENET, {"one": answers(1, N, 0.3, 1)}, ["fog"])
    with pytest.raises(BadInput, match="--frost does not apply"):
        mce(none, frost="photographs")


def test_cifar_10_c_as_published(tmp_path: Path) -> None:
    """Arrays of five severities beside the clean set: run, and a variant of its own."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    colours = np.array(list(tinyset.COLOURS.values()))
    label = np.arange(6) % 3
    for kind in ("fog", "frost"):
        told = np.where(rng.random(30) < 0.3, 0, np.tile(label, 5))
        images = np.broadcast_to(colours[told][:, None, None], (30, 32, 32, 3))
        np.save(folder / f"{kind}.npy", images.astype(np.uint8))
        np.save(tmp_path / f"told-{kind}.npy", told)
    np.save(folder / "labels.npy", np.tile(label, 5))
    clean = np.broadcast_to(colours[label][:, None, None], (6, 32, 32, 3)).astype(np.uint8)
    np.save(tmp_path / "clean.npy", clean)
    np.save(tmp_path / "clean_labels.npy", label)
    uri = tinyset.model(tmp_path, sharpness=0.5)
    file = tmp_path / "telltale.py"
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    # ten classes, of which seven are never the answer
    ten = "    far = np.hstack([far, np.full((len(far), 7), 999)])\n    return "
    code = file.read_text().replace("    return ", ten)
    file.write_text(code.replace(str(list(tinyset.COLOURS)), str(names)))
    targets = [f"cifar10-test={tmp_path / 'clean.npy'}", f"cifar10-c={folder}"]
    sets = merged([parse_target(t) for t in targets], ())
    run_study(Study((WantedModel(uri, "one"),), sets, str(tmp_path / "store")))
    store = Store.open(str(tmp_path / "store"))
    table = mce(store)
    assert "cifar10-test, published-files, on-disk (no JPEG), 2 of 15" in table.title
    wrong = [
        (np.load(tmp_path / f"told-{k}.npy") != np.tile(label, 5)).mean() for k in ("fog", "frost")
    ]
    (found,) = table.rows()
    assert found["mean_error"] == pytest.approx(np.mean(wrong))
    assert (found["clean_error"], found["n"], found["method"]) == (0, 6, "examples")
    assert {r["corruption"]: r["error"] for r in by_corruption(store).rows()} == pytest.approx(
        dict(zip(("fog", "frost"), wrong, strict=True))
    )
