"""The store: what is written is what is read, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heldout.errors import BadInput, ConflictError, NotFound, StoreError
from heldout.store.block import ABSENT, NO_ANSWER, Block, digests
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import (
    write_labels,
    write_models,
    write_predictions,
    write_results,
    write_settings,
)

HERE = Provenance("a test")


def block(
    models: list[str], n: int, seed: int = 0, setting: str = "set", k: int = 1, classes: int = 10
) -> Block:
    rng = np.random.default_rng(seed)
    ranked = rng.permuted(np.tile(np.arange(classes), (len(models), n, 1)), axis=2)[:, :, :k]
    return Block(
        setting,
        models,
        [f"img-{i}" for i in range(n)],
        ranked[:, :, 0],
        ranked[:, :, 1:] if k > 1 else None,
        rng.random((len(models), n)).astype(np.float32),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(str(tmp_path / "s"))


def test_round_trip(store: Store) -> None:
    """Predicted classes, runners-up and confidences come back bit for bit."""
    b = block(["b", "a", "c"], 50, k=5)
    write_predictions(store, b, HERE)
    got = store.predictions("set", ["b", "a", "c"], columns=("runners_up", "confidence"))
    assert got.models == ["b", "a", "c"]
    order = [got.examples.index(e) for e in b.examples]
    assert np.array_equal(got.predicted[:, order], b.predicted)
    assert got.runners_up is not None
    assert b.runners_up is not None
    assert np.array_equal(got.runners_up[:, order], b.runners_up)
    assert got.confidence is not None
    assert np.array_equal(got.confidence[:, order], b.confidence)


def test_scores_and_errors_come_back(store: Store) -> None:
    """Full scores with their kind, and the reason of a row without an answer."""
    b = block(["m"], 3)
    scores = np.random.default_rng(1).normal(size=(1, 3, 10)).astype(np.float32)
    predicted = b.predicted.copy()
    predicted[0, 1] = NO_ANSWER
    error = np.array([[None, "unreadable", None]], dtype=object)
    write_predictions(
        store, Block("s", ["m"], b.examples, predicted, scores=scores, score_kind="logits",
                     error=error), HERE,
    )  # fmt: skip
    got = store.predictions("s", columns=("scores", "error"))
    assert got.scores is not None
    assert np.array_equal(got.scores, scores)
    assert got.score_kind == "logits"
    assert got.predicted[0].tolist() == predicted[0].tolist()
    assert got.error is not None
    assert got.error[0].tolist() == [None, "unreadable", None]


@given(
    st.lists(st.text(min_size=1, max_size=12).filter(lambda s: "\x00" not in s), min_size=1,
             max_size=4, unique=True),
    st.text(min_size=1, max_size=20).filter(lambda s: "\x00" not in s and s.isprintable()),
)  # fmt: skip
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_names_survive(models: list[str], setting: str) -> None:
    """Model and setting names may hold slashes, percent signs, spaces and any script."""
    name = f"memory://names-{abs(hash((tuple(models), setting)))}"
    store = Store.create(name)
    models = [m.encode("utf-8", "ignore").decode() or "x" for m in models]
    models = list(dict.fromkeys(models))
    write_predictions(store, block(models, 4, setting=setting), HERE)
    again = Store.open(name)
    assert again.settings_with_predictions() == [setting]
    assert set(again.predictions(setting).models) == set(models)


def test_same_rows_twice_are_a_no_op(store: Store) -> None:
    """Identical rows, even in another order or from another source, add no file."""
    b = block(["m", "n"], 20)
    first = write_predictions(store, b, HERE)
    back = b.take([1, 0])
    turned = Block("set", back.models, list(reversed(b.examples)), back.predicted[:, ::-1],
                   confidence=back.confidence[:, ::-1])  # fmt: skip
    second = write_predictions(store, turned, Provenance("elsewhere"))
    assert first.stored == ("m", "n")
    assert second.stored == ()
    assert set(second.unchanged) == {"m", "n"}
    assert len(store.files.names("predictions")) == 1


def test_other_rows_are_refused_with_both_origins(store: Store) -> None:
    """Different rows for the same model and setting name both origins and change nothing."""
    write_predictions(store, block(["m"], 20), Provenance("first.csv"))
    with pytest.raises(ConflictError, match=r"first\.csv.*second\.csv") as caught:
        write_predictions(store, block(["m"], 20, seed=1), Provenance("second.csv"))
    assert "--replace" in str(caught.value)
    assert len(store.files.names("predictions")) == 1


def test_replace_and_back_again(store: Store) -> None:
    """--replace wins, and replacing with the very first rows again wins too."""
    a, b = block(["m"], 20), block(["m"], 20, seed=1)
    write_predictions(store, a, HERE)
    write_predictions(store, b, HERE, replace=True)
    assert np.array_equal(store.predictions("set").predicted, b.predicted)
    write_predictions(store, a, HERE, replace=True)
    assert np.array_equal(store.predictions("set").predicted, a.predicted)
    assert len(store.pieces("set")) == 1


def test_shards_of_a_cell_join(store: Store) -> None:
    """Parts with different examples of one model are one cell."""
    b = block(["m"], 20)
    for some in (slice(0, 12), slice(12, 20)):
        part = Block("set", ["m"], b.examples[some], b.predicted[:, some])
        write_predictions(store, part, HERE)
    got = store.predictions("set")
    assert len(got.examples) == 20
    assert not (got.predicted == ABSENT).any()


def test_rows_that_are_not_there_are_absent(store: Store) -> None:
    """Models with different examples align on the union; the rest is ABSENT."""
    b = block(["m", "n"], 4)
    write_predictions(store, Block("set", ["m"], b.examples[:3], b.predicted[:1, :3]), HERE)
    write_predictions(store, Block("set", ["n"], b.examples[1:], b.predicted[1:, 1:]), HERE)
    got = store.predictions("set", ["m", "n"])
    assert len(got.examples) == 4
    assert (got.predicted == ABSENT).sum() == 2


def test_two_writers_that_disagree_are_found_on_reading(tmp_path: Path) -> None:
    """Writers that did not see each other leave a contradiction; reading names both."""
    one, two = Store.create(str(tmp_path / "s")), Store.open(str(tmp_path / "s"))
    assert one.pieces("set") == two.pieces("set") == []
    write_predictions(one, block(["m"], 9), Provenance("one"))
    write_predictions(two, block(["m"], 9, seed=5), Provenance("two"))
    with pytest.raises(ConflictError, match="disagree") as caught:
        Store.open(str(tmp_path / "s")).predictions("set")
    assert "'one'" in str(caught.value)
    assert "'two'" in str(caught.value)


_MANY = """
import sys
sys.path.insert(0, {tests!r})
from test_store import block, HERE
from heldout.store.read import Store
from heldout.store.write import write_predictions
store = Store.create({url!r})
for i in range(5):
    write_predictions(store, block([f"m{worker}-{{i}}"], 200, seed={worker} * 10 + i), HERE)
    write_predictions(store, block([f"shared-{{i}}"], 200, seed=100 + i), HERE)
"""


def test_concurrent_writers(tmp_path: Path) -> None:
    """Four processes that write at once, the same and different models, lose nothing."""
    url = str(tmp_path / "s")
    here = str(Path(__file__).parent)
    codes = [_MANY.format(tests=here, url=url, worker=w) for w in range(4)]
    workers = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    assert [w.wait(120) for w in workers] == [0, 0, 0, 0]
    got = Store.open(url).predictions("set")
    assert len(got.models) == 25
    assert not (got.predicted == ABSENT).any()


_WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_store import block, HERE
from heldout.store.read import Store
from heldout.store.write import write_predictions
store = Store.create({url!r})
i = 0
while True:
    write_predictions(store, block([f"m{{i:04d}}"], 20000, seed=i, k=5), HERE)
    print(i, flush=True)
    i += 1
"""


@pytest.mark.parametrize("wait", [0.0, 0.013, 0.03, 0.06])
def test_kill_at_any_moment_leaves_a_store_that_opens(tmp_path: Path, wait: float) -> None:
    """After kill -9 every model that was reported is there, whole, and no half file is read."""
    url = str(tmp_path / "s")
    code = _WRITER.format(tests=str(Path(__file__).parent), url=url)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for _ in range(3):
            done = int(run.stdout.readline())
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        run.wait()
    store = Store.open(url)
    got = store.predictions("set")
    assert set(got.models) >= {f"m{i:04d}" for i in range(done + 1)}
    assert not (got.predicted == ABSENT).any()
    write_predictions(store, block(["after"], 20000, seed=999, k=5), HERE)
    assert "after" in Store.open(url).predictions("set").models


def test_full_disk_says_so_and_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left in the middle of a write: a sentence, no temporary file, old rows there."""
    write_predictions(store, block(["m"], 10), HERE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_predictions(store, block(["n"], 10), HERE)
    monkeypatch.undo()
    assert store.files.unfinished() == []
    assert Store.open(store.files.url).predictions("set").models == ["m"]


def test_other_tools_read_it(store: Store) -> None:
    """DuckDB and Polars score the predictions with no heldout at all."""
    b = block(["m", "n"], 30, setting="a set/with: odd % name")
    label = b.predicted[0].copy()
    label[:6] = (label[:6] + 1) % 10
    write_predictions(store, b, HERE)
    write_labels(store, "labels", b.examples, label, [str(i) for i in range(10)], HERE)
    root = store.files.root
    found = duckdb.sql(
        f"SELECT avg((predicted = label)::INT) FROM '{root}/predictions/**/*.parquet' p"
        f" JOIN '{root}/labels/**/*.parquet' l USING (example) WHERE model = 'm'"
        " AND setting = 'a set/with: odd % name'"
    ).fetchall()
    assert found == [(0.8,)]
    frame = pl.scan_parquet(f"{root}/predictions/**/*.parquet", hive_partitioning=False)
    labels = pl.scan_parquet(f"{root}/labels/**/*.parquet", hive_partitioning=False)
    right = (
        frame.filter(pl.col("model") == "m")
        .join(labels, on="example")
        .select((pl.col("predicted").cast(pl.Int32) == pl.col("label")).mean())
        .collect()
    )
    assert right.item() == 0.8


def test_provenance_is_in_every_file(store: Store) -> None:
    """Every Parquet file says who made it, from what and when."""
    write_predictions(store, block(["m"], 3), Provenance("x.csv", "csv", ("a repair",)))
    write_models(store, [{"model": "m", "family": "f"}], HERE)
    for name in store.files.names(""):
        record = json.loads(pq.read_metadata(store.files.path(name)).metadata[b"heldout"])
        assert record["source"]
        assert record["by"].startswith("heldout ")
        assert record["created"].endswith("+00:00")
    piece = store.pieces("set")[0]
    assert piece.record["repairs"] == ["a repair"]


def test_metadata_merges_and_the_last_file_wins(store: Store) -> None:
    """Model metadata of several files joins by name; the newest value is believed."""
    write_models(store, [{"model": "m", "family": "f", "size": 1}], HERE)
    write_models(store, [{"model": "m", "size": 2}, {"model": "n", "year": 2020}], HERE)
    assert store.models()["m"] == {"model": "m", "family": "f", "size": 2}
    assert store.models()["n"]["year"] == 2020


def test_settings_resolve_by_alias_and_near_name(store: Store) -> None:
    """An alias works everywhere; a mistyped name is answered with near ones."""
    write_settings(store, [{"setting": "imagenet-val", "aliases": "val original"}], HERE)
    assert store.resolve("val") == "imagenet-val"
    with pytest.raises(NotFound, match="Did you mean 'imagenet-val'"):
        store.resolve("imagnet-val")


def test_label_conflict(store: Store) -> None:
    """Another label for the same example is an error; the same labels again are not."""
    for _ in range(2):
        write_labels(store, "l", ["a", "b"], [0, 1], ["x", "y"], HERE)
    assert len(store.files.names("labels")) == 1
    with pytest.raises(ConflictError, match="label set l"):
        write_labels(store, "l", ["a", "b"], [1, 1], ["x", "y"], Provenance("other"))
    write_labels(store, "l", ["a", "b"], [1, 1], ["x", "y"], HERE, replace=True)
    assert store.label_set("l").label.tolist() == [1, 1]


def test_result_conflict(store: Store) -> None:
    """Another published accuracy for the same cell is an error that names both sources."""
    import pyarrow as pa

    def table(value: float) -> pa.Table:
        return pa.table({"model": ["m"], "setting": ["s"], "metric": ["top-1"], "value": [value],
                         "k": pa.array([None], pa.int64()),
                         "n": pa.array([None], pa.int64())})  # fmt: skip

    write_results(store, table(0.5), Provenance("one"))
    with pytest.raises(ConflictError, match=r"'one'.*'two'"):
        write_results(store, table(0.6), Provenance("two"))
    write_results(store, table(0.6), Provenance("two"), replace=True)
    assert store.results().value.tolist() == [0.6]


def test_no_store_newer_store_damaged_store(tmp_path: Path) -> None:
    """Each is refused in a sentence that says what to do."""
    with pytest.raises(StoreError, match="There is no store"):
        Store.open(str(tmp_path / "nothing"))
    url = str(tmp_path / "s")
    Store.create(url)
    mark = tmp_path / "s" / "heldout.json"
    mark.write_text('{"schema": 99}')
    with pytest.raises(StoreError, match="newer heldout"):
        Store.open(url)
    mark.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store.open(url)


def test_damaged_part_is_named(store: Store) -> None:
    """A truncated file is named, with what to do."""
    done = write_predictions(store, block(["m"], 100), HERE)
    assert done.part is not None
    path = Path(store.files.path(done.part))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StoreError, match="delete it and import"):
        Store.open(store.files.url).pieces("set")


def test_bad_blocks_are_refused() -> None:
    """Repeated ids, repeated models, wrong shapes and unknown score kinds are sentences."""
    one = np.zeros((1, 2), int)
    with pytest.raises(BadInput, match="example id 'a' occurs more than once"):
        Block("s", ["m"], ["a", "a"], one)
    with pytest.raises(BadInput, match="model 'm' occurs more than once"):
        Block("s", ["m", "m"], ["a", "b"], np.zeros((2, 2), int))
    with pytest.raises(BadInput, match="has shape"):
        Block("s", ["m"], ["a"], one)
    with pytest.raises(BadInput, match="score_kind"):
        Block("s", ["m"], ["a", "b"], one, scores=np.zeros((1, 2, 3)), score_kind="odd")


def test_digest_ignores_order_but_not_content() -> None:
    """The digest of a model's rows depends on ids and values only."""
    b = block(["m"], 10, k=3)
    order = np.random.default_rng(0).permutation(10)
    same = Block("t", ["x"], [b.examples[i] for i in order], b.predicted[:, order],
                 b.runners_up[:, order], b.confidence[:, order])  # fmt: skip
    other = b.predicted.copy()
    other[0, 0] = (other[0, 0] + 1) % 10
    assert digests(b) == digests(same)
    assert digests(b) != digests(Block("t", ["x"], b.examples, other, b.runners_up, b.confidence))


def test_object_store_url() -> None:
    """The same works on an fsspec URL, where a write is one put."""
    store = Store.create("memory://a-store")
    write_predictions(store, block(["m"], 10, k=2), HERE)
    write_labels(store, "l", ["img-0"], [0], [str(i) for i in range(10)], HERE)
    again = Store.open("memory://a-store")
    assert again.predictions("set", columns=("runners_up",)).k == 2
    assert again.label_sets() == ["l"]


def test_replace_settles_a_contradiction(tmp_path: Path) -> None:
    """After two writers disagreed, either content with --replace makes the setting readable."""
    one, two = Store.create(str(tmp_path / "s")), Store.open(str(tmp_path / "s"))
    a, b = block(["m"], 9), block(["m"], 9, seed=5)
    assert one.pieces("set") == two.pieces("set") == []
    write_predictions(one, a, Provenance("one"))
    write_predictions(two, b, Provenance("two"))
    store = Store.open(str(tmp_path / "s"))
    write_predictions(store, a, Provenance("one"), replace=True)
    assert np.array_equal(Store.open(str(tmp_path / "s")).predictions("set").predicted, a.predicted)


def test_label_sets_that_disagree_are_found_on_reading(tmp_path: Path) -> None:
    """Two writers with other labels for the same examples: reading names both."""
    one, two = Store.create(str(tmp_path / "s")), Store.open(str(tmp_path / "s"))
    write_labels(one, "other", ["x"], [0], ["a"], HERE)
    name = one.files.names("labels/label_set=other")[0]
    write_labels(two, "l", ["e"], [0], ["a", "b"], Provenance("one"))
    for part in two.files.names("labels/label_set=l"):
        os.rename(two.files.path(part), two.files.path(name) + ".kept")
    write_labels(two, "l", ["e"], [1], ["a", "b"], Provenance("two"))
    target = two.files.path("labels/label_set=l/part-0000000000000000.parquet")
    os.rename(two.files.path(name) + ".kept", target)
    with pytest.raises(ConflictError, match="disagree about the label of 'e'"):
        Store.open(str(tmp_path / "s")).label_set("l")
