"""pm-k: against a loop over anchors, the published counts, and real predictions on real frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heldout.analysis.anchors import by_anchor
from heldout.analysis.cells import Correctness, accuracies, correctness
from heldout.analysis.compare import compare
from heldout.analysis.frames import pm_k
from heldout.analysis.gap import gap
from heldout.analysis.results import results
from heldout.errors import BadInput, NotFound
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import LabelSet, Store
from heldout.store.write import write_labels, write_predictions, write_settings
from realdata import published

ORIGIN = Provenance("a test", "frames")


def _store(
    where: Path,
    setting: str,
    sets: Sequence[Sequence[tuple[int, int]]],
    predicted: dict[str, Sequence[int]],
    any_of: Sequence[Sequence[int]] | None = None,
    classes: int = 3,
    rows: Sequence[dict[str, Any]] = (),
) -> Store:
    """Anchor sets as lists of (offset, label); predictions frame by frame."""
    store = Store.create(str(where))
    ids = [f"v{i}/{offset}" for i, frames in enumerate(sets) for offset, _ in frames]
    write_labels(
        store,
        setting,
        ids,
        [label for frames in sets for _, label in frames],
        [f"c{i}" for i in range(classes)],
        ORIGIN,
        any_of=any_of,
        groups={
            "anchor": [f"v{i}/0" for i, frames in enumerate(sets) for _ in frames],
            "offset": [offset for frames in sets for offset, _ in frames],
        },
    )
    write_settings(store, [{"setting": setting, "label_set": setting}, *rows], ORIGIN)
    models = list(predicted)
    write_predictions(
        store, Block(setting, models, ids, np.array([predicted[m] for m in models])), ORIGIN
    )
    return store


def _resnet50(where: Path, rows: Sequence[dict[str, Any]] = ()) -> Store:
    """1,109 anchors with two frames beside each: 749 right alone, 582 with both frames."""
    sets = [[(-1, 0), (0, 0), (1, 0)] for _ in range(1109)]
    answers = [0, 0, 0] * 582 + [1, 0, 0] * 100 + [0, 0, 1] * 67 + [0, 1, 0] * 360
    return _store(where, "vid", sets, {"resnet50": answers}, rows=rows)


def test_resnet50s_published_counts(tmp_path: Path) -> None:
    table = pm_k(_resnet50(tmp_path), "vid")
    row = table.rows()[0]
    assert (row["k_0"], row["k_10"], row["n"]) == (749, 582, 1109)
    assert row["pm_0"] == pytest.approx(0.67538, abs=5e-6)
    assert (row["pm_0_low"], row["pm_0_high"]) == pytest.approx((0.64694, 0.70290), abs=5e-6)
    assert row["pm_10"] == pytest.approx(0.52480, abs=5e-6)
    assert (row["pm_10_low"], row["pm_10_high"]) == pytest.approx((0.49492, 0.55454), abs=5e-6)
    assert row["drop"] == pytest.approx(0.15059, abs=5e-6)
    assert (row["drop_low"], row["drop_high"]) == pytest.approx((0.13003, 0.17301), abs=5e-6)
    assert table.facts["anchors"] == 1109
    assert table.facts["frames"] == 3327
    assert "0 of 1,109 anchors have all 20 frames" in table.notes[0]
    assert "15.06 points [13.00, 17.30]" in table.verdict[0]


@pytest.mark.data
def test_the_published_medians(testbed_store: Store) -> None:
    vid = pm_k(testbed_store, "imagenet-vid-robust")
    assert vid.facts["models"] == 335
    assert 100 * vid.facts["median_drop"] == pytest.approx(14.07, abs=0.005)
    good = vid.where(lambda r: r["pm_0"] >= 0.49)
    assert (len(good), round(100 * float(np.median(good["drop"])), 2)) == (214, 16.59)
    resnet = vid.where(lambda r: r["model"] == "resnet50").rows()[0]
    assert (resnet["k_0"], resnet["k_10"], resnet["n"]) == (749, 582, 1109)
    vgg = vid.where(lambda r: r["model"] == "vgg16").rows()[0]
    assert (vgg["pm_0"], vgg["pm_10"]) == pytest.approx((0.6141, 0.4310), abs=5e-5)
    ytbb = pm_k(testbed_store, "ytbb-robust")
    assert 100 * ytbb.facts["median_drop"] == pytest.approx(12.86, abs=0.005)
    # The name of either published column is as good.
    assert pm_k(testbed_store, "imagenet-vid-robust_pm10").rows() == vid.rows()


@pytest.mark.data
def test_own_frames_beside_published_counts(testbed_store: Store, tmp_path: Path) -> None:
    """With the published names in the store, top-1 on X_pm10 is pm-10 of the frames of X."""
    names = [{"setting": f"vid_pm{k}", "baseline": None} for k in (0, 10)]
    store = _resnet50(tmp_path, names)
    cells = accuracies(store, ["vid_pm0", "vid_pm10"])
    assert cells.k.tolist() == [[749, 582]]
    assert cells.n.tolist() == [[1109, 1109]]
    assert cells.examples.all()
    theirs = accuracies(testbed_store, ["imagenet-vid-robust_pm0", "imagenet-vid-robust_pm10"])
    at = theirs.models.index("resnet50")
    assert theirs.k[at].tolist() == [749, 582]
    assert pm_k(store, "vid").rows() == pm_k(_resnet50(tmp_path / "plain"), "vid").rows()


def _golden() -> list[dict[str, str]]:
    with open(published("golden") / "video_lite_predictions.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "anchor", "classes", "label", "right", "frames"),
    [
        ("vid", "000442.JPEG", 30, 26, [True, True, True], [21, 21, 21]),
        ("ytbb", "frame-732.jpg", 24, 7, [False, False, False], [0, 0, 7]),
    ],
)
def test_real_predictions_on_real_frames(
    name: str, anchor: str, classes: int, label: int, right: list[bool], frames: list[int],
    tmp_path: Path,
) -> None:  # fmt: skip
    rows = [r for r in _golden() if r["set"] == name]
    ids = sorted({r["frame"] for r in rows})
    at = ids.index(anchor)
    models = [f"lite{i}" for i in range(3)]
    by_cell = {(r["lite"], r["frame"]): r for r in rows}
    guess = {m: [int(by_cell[m[4:], f]["projected"]) for f in ids] for m in models}
    sets = [[(i - at, label) for i in range(len(ids))]]
    store = _store(tmp_path, name, sets, guess, classes=classes)
    seen = correctness(store, name, "pm-10")
    assert seen.models == models
    assert seen.right[:, 0].tolist() == right
    single = correctness(store, name)
    assert single.right.sum(axis=1).tolist() == frames
    for model, cells in zip(models, single.right, strict=True):
        golden = [by_cell[model[4:], f]["correct"] == "1" for f in ids]
        assert cells.tolist() == golden
    table = pm_k(store, name)
    assert table["pm_10"].tolist() == [float(r) for r in right]


@pytest.mark.data
def test_the_anchors_of_vid_robust(tmp_path: Path) -> None:
    """1,109 anchors, 889 with all 20 neighbours, one with none: from the published metadata."""
    metadata = (
        published("imagenet-testbed")
        / "imagenet-testbed/src/eval_settings/imagenet-vid-robust_metadata"
    )
    pmsets = json.loads((metadata / "pmsets.json").read_text())
    sets = [[(0, 0), *((1 + i, 0) for i in range(len(ns)))] for ns in pmsets.values()]
    n = sum(map(len, sets))
    store = _store(tmp_path, "vid", sets, {"m": [0] * n})
    facts = pm_k(store, "vid", 20).facts
    assert (facts["anchors"], facts["frames"]) == (1109, 22179)
    assert facts["without_neighbours"] == 1
    labels = store.label_set("vid")
    counts = np.unique([a for a, o in zip(labels.groups["anchor"], labels.groups["offset"],
                                          strict=True) if o], return_counts=True)[1]  # fmt: skip
    assert int((counts == 20).sum()) == 889


@given(data=st.data())
@settings(deadline=None)
def test_every_anchor_against_a_loop(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    offsets = [list(range(-s, s + 1)) for s in sizes]
    flat = [(a, o) for a, os in enumerate(offsets) for o in os]
    order = data.draw(st.permutations(range(len(flat))))
    n = len(flat)
    label = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int32)
    states = st.lists(st.sampled_from("rwm"), min_size=n, max_size=n)
    cells = [data.draw(states) for _ in range(2)]
    k = data.draw(st.integers(0, 4))
    ids = [f"{a}:{o}" for a, o in flat]
    labels = LabelSet(
        "s", list("abc"), list("abc"), [ids[i] for i in order], label[list(order)], None,
        {"anchor": [f"{flat[i][0]}:0" for i in order], "offset": [flat[i][1] for i in order]},
    )  # fmt: skip
    right = np.array([[row[i] == "r" for i in order] for row in cells])
    present = np.array([[row[i] != "m" for i in order] for row in cells])
    found = by_anchor(Correctness("s", "top-1", ["x", "y"], right, present, labels, 0), k)
    assert len(found.labels.examples) == len(sizes)
    for j, anchor in enumerate(found.labels.examples):
        a = int(anchor.split(":")[0])
        assert found.labels.label[j] == label[ids.index(anchor)]
        near = [ids.index(f"{a}:{o}") for o in offsets[a] if abs(o) <= k]
        for m, row in enumerate(cells):
            assert found.right[m, j] == all(row[i] == "r" for i in near)
            assert found.present[m, j] == all(row[i] != "m" for i in near)


def test_several_right_answers_and_labels_of_their_own(tmp_path: Path) -> None:
    sets = [[(-1, 0), (0, 1)], [(0, 2), (1, 2)]]
    store = _store(
        tmp_path, "s", sets, {"m": [2, 1, 0, 2]}, any_of=[[0, 2], [1], [2, 0], [2]]
    )  # fmt: skip
    seen = correctness(store, "s", "pm-1")
    assert seen.labels.examples == ["v0/0", "v1/0"]
    assert seen.labels.any_of == [[1], [2, 0]]
    assert seen.right.tolist() == [[True, True]]


def test_a_frame_without_an_answer_is_wrong(tmp_path: Path) -> None:
    """A frame without an answer makes the anchors around it wrong, and a note counts them."""
    sets = [[(-2, 0), (0, 0)], [(0, 1)]]
    store = _store(tmp_path, "s", sets, {"whole": [0, 0, 1], "torn": [-1, 0, 1]})
    near = results(store, ["s"], metric="pm-1")
    assert near.facts["models"] == 2
    far = results(store, ["s"], metric="pm-2")
    assert list(zip(far["model"], far["value"], far["n"], strict=True)) == [
        ("whole", 1.0, 2),
        ("torn", 0.5, 2),
    ]
    assert "1 of 2 rows of torn has no answer and counts as wrong" in " ".join(far.notes)
    assert near.notes == ()
    table = pm_k(store, "s", 2)
    assert list(table["model"]) == ["whole", "torn"]


def test_other_analyses_take_the_metric(tmp_path: Path) -> None:
    sets = [[(-1, 0), (0, 0), (1, 0)] for _ in range(40)]
    steady = [0, 0, 0] * 30 + [1, 1, 1] * 10
    shaky = [0, 0, 1] * 20 + [0, 0, 0] * 10 + [1, 1, 1] * 10
    names = [{"setting": "s_pm0"}, {"setting": "s_pm1"}]
    store = _store(tmp_path, "s", sets, {"steady": steady, "shaky": shaky}, rows=names)
    pair = compare(store, "s", ["steady", "shaky"], metric="pm-1").rows()[0]
    assert pair["difference"] == pytest.approx(0.5)
    alone = compare(store, "s", ["steady", "shaky"], metric="pm-0").rows()[0]
    assert alone["difference"] == 0
    # pm-0 against pm-1 of the same anchors is a paired comparison.
    table = gap(store, "s_pm0", "s_pm1")
    assert "40 examples are in both test sets" in " ".join(table.notes)
    assert sorted(table["gap"].tolist()) == [0.0, 0.5]
    # Clusters are those of the anchors.
    assert len(results(store, ["s"], metric="pm-1", cluster="anchor")) == 2


def test_settings_without_anchors(tmp_path: Path) -> None:
    store = _store(tmp_path, "video", [[(0, 0), (1, 0)]], {"m": [0, 1]})
    write_labels(store, "plain", ["a", "b"], [0, 1], ["x", "y"], ORIGIN)
    write_settings(store, [{"setting": "plain", "label_set": "plain"}], ORIGIN)
    write_predictions(store, Block("plain", ["m"], ["a", "b"], np.array([[0, 1]])), ORIGIN)
    every = results(store, metric="pm-1")
    assert every.notes == ()
    assert every.where(lambda r: r["n"] is not None)["setting"].tolist() == ["video"]
    with pytest.raises(BadInput, match="no columns 'anchor' and 'offset'"):
        results(store, ["plain"], metric="pm-1")
    with pytest.raises(BadInput, match="no columns 'anchor'"):
        pm_k(store, "plain")
    with pytest.raises(NotFound, match="Did you mean 'video'"):
        pm_k(store, "vidoe")
    with pytest.raises(NotFound, match="no model 'n'"):
        pm_k(store, "video", models=["n"])
    with pytest.raises(BadInput, match="at least 1"):
        pm_k(store, "video", 0)
    with pytest.raises(BadInput, match="There is no metric 'pm-x' here"):
        results(store, ["video"], metric="pm-x")


def test_an_anchor_that_is_no_example_is_named(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path))
    write_labels(store, "s", ["v/1"], [0], ["x"], ORIGIN,
                 groups={"anchor": ["v/0"], "offset": [1]})  # fmt: skip
    write_settings(store, [{"setting": "s", "label_set": "s"}], ORIGIN)
    write_predictions(store, Block("s", ["m"], ["v/1"], np.array([[0]])), ORIGIN)
    with pytest.raises(BadInput, match="the anchor 'v/0' of some frames is no example"):
        correctness(store, "s", "pm-1")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from heldout.cli.frames import command

    _resnet50(tmp_path)
    command("vid", k=10, store=str(tmp_path))
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "15.06 % [13.00, 17.30]" in text
    assert "the drop is one proportion" in " ".join(text.split())
