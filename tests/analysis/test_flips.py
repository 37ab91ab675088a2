"""Flips in a store: against loops over made-up predictions, and of a real run."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyset
from heldout.analysis.flips import ALEXNET, flips
from heldout.cli.flips import command
from heldout.cli.options import Format
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.errors import BadInput, NotFound
from heldout.shifts.catalogue import expand, parse, shifted
from heldout.shifts.perturbations.constants import BENCHMARKS, CIFAR_P, IMAGENET_P, noise
from heldout.store.block import ABSENT, NO_ANSWER, Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_predictions, write_settings

ORIGIN = Provenance("a test", "flips")
IMAGES = [f"i{i:02d}" for i in range(12)]


def rankings(
    seed: int, benchmark: str, models: tuple[str, ...], kinds: tuple[str, ...], classes: int = 10
) -> dict[str, np.ndarray]:
    """Kind to the first five classes (models, images, frames, 5), alike from frame to frame."""
    rng = np.random.default_rng(seed)
    of = BENCHMARKS[benchmark]
    out = {}
    for kind in kinds:
        shape = (len(models), len(IMAGES), of.count(kind), classes)
        steady = rng.normal(0, 2, (*shape[:2], 1, classes))
        out[kind] = np.argsort(-(steady + rng.normal(0, 0.4, shape)), axis=3)[..., :5]
    return out


def stored(
    where: Path,
    benchmark: str,
    top5: Mapping[str, np.ndarray],
    models: tuple[str, ...],
    *,
    classes: int = 10,
    after: str = "",
    places: int = 5,
    skip: tuple[str, int] | None = None,
) -> Store:
    """A store with the rankings as predictions; skip: a frame (kind, number) that is not there."""
    store = Store.create(str(where))
    if "val" not in store.settings():
        names = [f"c{i}" for i in range(classes)]
        write_labels(store, "val", IMAGES, [0] * len(IMAGES), names, ORIGIN)
        write_settings(store, [{"setting": "val", "label_set": "val", "aliases": "v"}], ORIGIN)
    rows = []
    for kind, array in top5.items():
        for frame in range(array.shape[2]):
            if (kind, frame) == skip:
                continue
            name = f"val/{benchmark}.{kind}:{frame}{after}"
            rows.append(
                {
                    "setting": name,
                    "label_set": "val",
                    "baseline": "val",
                    "group": "perturbation",
                    "subgroup": benchmark,
                    "corruption": kind,
                    "severity": frame,
                    "medium": "on-disk" if after else "in-memory",
                }
            )
            here = array[:, :, frame]
            block = Block(name, models, IMAGES, here[..., 0], here[..., 1:places])
            write_predictions(store, block, ORIGIN)
    write_settings(store, rows, ORIGIN)
    store.forget()
    return store


def rates(array: np.ndarray, kind: str) -> np.ndarray:
    """Flip rates (models, images), by a loop."""
    out = np.zeros(array.shape[:2])
    for m, i in np.ndindex(out.shape):
        sequence = array[m, i, :, 0]
        before = [sequence[0 if noise(kind) else j - 1] for j in range(1, len(sequence))]
        out[m, i] = np.mean([a != b for a, b in zip(before, sequence[1:], strict=True)])
    return out


def test_every_number_by_a_loop(tmp_path: Path) -> None:
    """ImageNet-P of 1,000 classes: FP by kind, mean FP, mFR against AlexNet's published values."""
    models = ("a", "b")
    top5 = rankings(0, "imagenet-p", models, IMAGENET_P.kinds)
    store = stored(tmp_path / "s", "imagenet-p", top5, models, classes=1000)
    table = flips(store, "val")
    rows = {(r["model"], r["kind"]): r for r in table.rows()}
    assert len(rows) == 20
    by_kind = {kind: rates(array, kind) for kind, array in top5.items()}
    for (model, kind), row in rows.items():
        value = by_kind[kind][models.index(model)].mean()
        assert row["fp"] == pytest.approx(value)
        assert row["fp_low"] < value < row["fp_high"]
        assert row["ratio"] == pytest.approx(value / ALEXNET[kind])
        assert 0 < row["t5d_low"] < row["t5d"] < row["t5d_high"] < 15
        assert (row["sequences"], row["partial"]) == (12, 0)
    kinds = [r["kind"] for r in table.rows()]
    assert tuple(kinds[:10]) == tuple(kinds[10:]) == IMAGENET_P.kinds
    for row in table.parts["means"].rows():
        mine = [by_kind[k][models.index(row["model"])].mean() for k in IMAGENET_P.kinds]
        assert row["mean_fp"] == pytest.approx(np.mean(mine))
        assert row["mfr"] == pytest.approx(np.mean(np.array(mine) / list(ALEXNET.values())))
        assert row["mfr_low"] < row["mfr"] < row["mfr_high"]
        assert "mt5d" not in row
    assert any("from memory" in note for note in table.notes)
    assert flips(store, "v", against="published").rows() == table.rows()


def test_against_a_model_of_the_store(tmp_path: Path) -> None:
    models = ("a", "b")
    top5 = rankings(1, "cifar-p", models, CIFAR_P.kinds)
    store = stored(tmp_path / "s", "cifar-p", top5, models)
    table = flips(store, "val", against="b")
    a, b = ({k: rates(v, k)[i].mean() for k, v in top5.items()} for i in range(2))
    means = {r["model"]: r for r in table.parts["means"].rows()}
    assert means["a"]["mfr"] == pytest.approx(np.mean([a[k] / b[k] for k in CIFAR_P.kinds]))
    distance = {(r["model"], r["kind"]): r["t5d"] for r in table.rows()}
    wanted = np.mean([distance["a", k] / distance["b", k] for k in CIFAR_P.kinds])
    assert means["a"]["mt5d"] == pytest.approx(wanted)
    assert (means["b"]["mfr"], means["b"]["mfr_low"], means["b"]["mfr_high"]) == (1, 1, 1)
    only = flips(store, "val", ["a"], against="b")
    assert {r["model"] for r in only.rows()} == {"a"}
    assert only.parts["means"].rows() == [means["a"]]
    assert "mfr" not in flips(store, "val").parts["means"].names


def test_sequences_that_are_not_whole_are_left_out_and_said(tmp_path: Path) -> None:
    models = ("a", "b")
    top5 = rankings(2, "cifar-p", models, CIFAR_P.kinds)
    broken = {k: v.copy() for k, v in top5.items()}
    broken["rotate"][0, 3, 7] = ABSENT
    broken["rotate"][0, 5, 30, 0] = NO_ANSWER
    broken["tilt"][1, 4] = ABSENT  # no such sequence at all
    store = stored(tmp_path / "s", "cifar-p", broken, models)
    table = flips(store, "val")
    rows = {(r["model"], r["kind"]): r for r in table.rows()}
    keep = [i for i in range(12) if i not in (3, 5)]
    row = rows["a", "rotate"]
    assert (row["sequences"], row["partial"]) == (10, 2)
    assert (rows["b", "rotate"]["sequences"], rows["b", "tilt"]["sequences"]) == (10, 11)
    for i, model in enumerate(models):  # both on the same sequences
        wanted = rates(top5["rotate"], "rotate")[i, keep].mean()
        assert rows[model, "rotate"]["fp"] == pytest.approx(wanted)
    assert any("2 sequences of rotate" in n and "a: 2" in n for n in table.notes)
    said = next(n for n in table.notes if n.startswith("Compared on the sequences that all"))
    assert "rotate 10 (one model has 12)" in said
    assert "tilt 11 (one model has 12)" in said
    means = {r["model"]: r for r in table.parts["means"].rows()}
    both = [i for i in keep if i != 4]
    for i, model in enumerate(models):
        assert means[model]["images"] == 9
        wanted = np.mean([rates(top5[k], k)[i, both].mean() for k in CIFAR_P.kinds])
        assert means[model]["mean_fp"] == pytest.approx(wanted)
    alone = {r["kind"]: r for r in flips(store, "val", ["a"]).rows()}
    assert (alone["rotate"]["sequences"], alone["tilt"]["sequences"]) == (10, 12)
    against = {r["model"]: r for r in flips(store, "val", against="b").parts["means"].rows()}
    assert against["a"]["images"] == 9  # those that both have


def test_models_with_no_sequence_in_common_are_said(tmp_path: Path) -> None:
    """Each on its own images, and a note that they cannot be compared, with what to run."""
    top5 = rankings(2, "cifar-p", ("a", "b"), ("rotate",))
    top5["rotate"][0, :6] = ABSENT
    top5["rotate"][1, 6:] = ABSENT
    store = stored(tmp_path / "s", "cifar-p", top5, ("a", "b"))
    table = flips(store, "val")
    assert [r["sequences"] for r in table.rows()] == [6, 6]
    said = " ".join(table.notes)
    assert "no two sequences of rotate in common" in said
    some = flips(store, "val", ["a"])
    assert "Sequences of 6 of the 12 images of 'val'." in some.notes
    assert "--limit" in said
    assert not any(n.startswith("Compared") for n in table.notes)


def test_a_kind_without_all_frames_is_left_out_and_there_are_no_means(tmp_path: Path) -> None:
    top5 = rankings(3, "cifar-p", ("a",), CIFAR_P.kinds)
    store = stored(tmp_path / "s", "cifar-p", top5, ("a",), skip=("translate", 4))
    table = flips(store, "val")
    assert "translate" not in {r["kind"] for r in table.rows()}
    assert not table.parts
    assert any("translate has 15 frames of 16" in n for n in table.notes)
    assert any(n.startswith("No means") for n in table.notes)


def test_levels_and_further_kinds_are_not_in_the_means(tmp_path: Path) -> None:
    kinds = (*CIFAR_P.kinds, "gaussian_noise_2", "shear")
    top5 = rankings(4, "cifar-p", ("a",), kinds)
    top5["shear"][..., 0] = np.arange(31) % 2  # flips all the time
    store = stored(tmp_path / "s", "cifar-p", top5, ("a",))
    table = flips(store, "val")
    assert [r["kind"] for r in table.rows()][-2:] == ["shear", "gaussian_noise_2"]
    assert table.rows()[-2]["fp"] == 1
    wanted = np.mean([rates(top5[k], k).mean() for k in CIFAR_P.kinds])
    assert table.parts["means"].rows()[0]["mean_fp"] == pytest.approx(wanted)
    assert "Not in the means: shear, gaussian_noise_2." in table.notes


def test_benchmarks_and_media_are_never_mixed(tmp_path: Path) -> None:
    one = rankings(5, "cifar-p", ("a",), ("rotate", "tilt"))
    two = rankings(6, "cifar-p", ("a",), ("rotate",))
    stored(tmp_path / "s", "cifar-p", one, ("a",))
    stored(tmp_path / "s", "imagenet-p", two, ("a",))
    store = stored(tmp_path / "s", "cifar-p", two, ("a",), after="+jpeg:85")
    with pytest.raises(BadInput, match="--benchmark"):
        flips(store, "val")
    with pytest.raises(NotFound, match="Did you mean 'cifar-p'"):
        flips(store, "val", benchmark="cifar_p")
    for label, top5, kind in (
        ("cifar-p", one, "rotate"),
        ("cifar-p+jpeg:85", two, "rotate"),
        ("imagenet-p", two, "rotate"),
    ):
        row = flips(store, "val", benchmark=label).rows()[0]
        assert row["fp"] == pytest.approx(rates(top5[kind], kind).mean()), label


def test_fewer_than_five_places_have_no_distance(tmp_path: Path) -> None:
    top5 = rankings(7, "cifar-p", ("a",), ("rotate",))
    table = flips(stored(tmp_path / "s", "cifar-p", top5, ("a",), places=3), "val")
    assert table.rows()[0]["t5d"] is None
    assert table.rows()[0]["fp"] == pytest.approx(rates(top5["rotate"], "rotate").mean())
    assert any("No top-5 distance of rotate" in n for n in table.notes)


def test_unknown_names_and_nothing_to_show(tmp_path: Path) -> None:
    store = stored(tmp_path / "s", "cifar-p", rankings(8, "cifar-p", ("a",), ("tilt",)), ("a",))
    with pytest.raises(NotFound, match="val"):
        flips(store, "vall")
    with pytest.raises(NotFound, match="model 'resnet'"):
        flips(store, "val", ["resnet"])
    with pytest.raises(NotFound, match="model 'resnet'"):
        flips(store, "val", against="resnet")
    with pytest.raises(BadInput, match=r"no perturbation sequences of 'val/cifar-p\.tilt:0'"):
        flips(store, "val/cifar-p.tilt:0")
    none = rankings(8, "cifar-p", ("a",), ("tilt",))
    none["tilt"][:, :, 3] = NO_ANSWER
    with pytest.raises(BadInput, match=r"No model has two whole sequences.*12 sequences of tilt"):
        flips(stored(tmp_path / "t", "cifar-p", none, ("a",)), "val")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows and means in 80 columns; --means alone; a file with everything."""
    models = ("cifar-resnet-20-with-a-long-name", "b")
    top5 = rankings(9, "cifar-p", models, CIFAR_P.kinds)
    store = str(tmp_path / "s")
    stored(tmp_path / "s", "cifar-p", top5, models)
    command("val", store, against="b")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "Means over 10 kinds" in shown
    command("val", store, ["b"], means=True, form=Format.csv)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [r["model"] for r in rows] == ["b"]
    wanted = np.mean([rates(v, k)[1].mean() for k, v in top5.items()])
    assert float(rows[0]["mean_fp"]) == pytest.approx(wanted)
    command("val", store, output=str(tmp_path / "flips.json"))
    written = json.loads((tmp_path / "flips.json").read_text())
    assert len(written["rows"]) == 20
    assert len(written["parts"]["means"]["rows"]) == 2


def test_a_real_run(tmp_path: Path) -> None:
    """Run, stored and read back: the flips are those of the model on frames made one by one."""
    pytest.importorskip("cv2")
    images = tinyset.folder(tmp_path / "images", per_class=2, size=32)
    for i, path in enumerate(sorted(images.rglob("*.png"))):  # two colours, so that little flips
        halves = np.roll(np.array(list(tinyset.COLOURS.values())), i, axis=0)[:2]
        pixels = np.repeat(np.repeat(halves[None], 16, axis=1), 32, axis=0).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    texts = ("cifar-p.translate:0-15", "cifar-p.snow:0-30", "cifar-p.shot_noise_3:0-30")
    uri = tinyset.model(tmp_path, sharpness=0.5)
    sets = merged([parse_target(f"squares={images}")], texts)
    run(Study((WantedModel(uri, "one"),), sets, str(tmp_path / "store"), shard_size=4))
    table = flips(Store.open(str(tmp_path / "store")), "squares")
    found = {r["kind"]: r["fp"] for r in table.rows()}
    assert list(found) == ["translate", "snow", "shot_noise_3"]
    names = [f"{c}/{i:04d}.png" for c in tinyset.COLOURS for i in range(2)]
    colours = np.array(list(tinyset.COLOURS.values()), float)
    for text in texts:
        answers = np.zeros((len(names), len(expand(text))), int)
        for i, name in enumerate(names):
            pixels = np.array(Image.open(images / name))
            for j, one in enumerate(expand(text)):
                mean = shifted(pixels, parse(one), 0, name).reshape(-1, 3).mean(axis=0)
                answers[i, j] = np.linalg.norm(mean - colours, axis=1).argmin()
        kind = text.split(".")[1].split(":")[0]
        wanted = rates(answers[None, :, :, None], kind).mean()
        assert found[kind] == pytest.approx(wanted), kind
    assert found["translate"] > 0
    assert any("No means" in note for note in table.notes)
