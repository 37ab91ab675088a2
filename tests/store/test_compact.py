"""Compaction: many parts become one, and no row, origin or replacement is lost on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heldout.errors import BadInput, ConflictError, NotFound, StoreError
from heldout.store.block import ABSENT, NO_ANSWER, Block
from heldout.store.compact import compact
from heldout.store.pieces import origins, packed, unpacked
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_predictions

COLUMNS = ("runners_up", "confidence", "scores", "error")


def rows(models: list[str], first: int, end: int, seed: int = 0, setting: str = "set") -> Block:
    """Rows that depend on model, example and seed only, whatever the shard."""
    predicted = np.empty((len(models), end - first), np.int32)
    runners = np.empty((len(models), end - first, 4), np.int32)
    confidence = np.empty((len(models), end - first), np.float32)
    for i, m in enumerate(models):
        for j, e in enumerate(range(first, end)):
            rng = np.random.default_rng([seed, e, *m.encode()])
            ranked = rng.permutation(10)
            predicted[i, j], runners[i, j], confidence[i, j] = ranked[0], ranked[1:5], rng.random()
    ids = [f"img-{e:05d}" for e in range(first, end)]
    return Block(setting, models, ids, predicted, runners, confidence)


def shard(
    store: Store, models: list[str], first: int, end: int, seed: int = 0, **more: Any
) -> None:
    """Write a shard as a run does."""
    record = {
        "rows": [[first, end, 1]],
        "fingerprints": {m: f"{m}-{'f' * 40}" for m in models},
        "preprocessing": {m: {"resize": 256, "crop": 224, "mean": [0.5] * 20} for m in models},
    }
    write_predictions(
        store,
        rows(models, first, end, seed),
        Provenance("heldout run", "run", hashes={"weights": "w" * 64}, notes=(f"from {first}",)),
        extra={"run": record},
        **more,
    )


def cells(store: Store, setting: str = "set") -> dict[tuple[str, str], tuple[Any, ...]]:
    """All rows of a setting, by model and example, with all their values."""
    got = Store.open(store.files.url).predictions(setting, columns=COLUMNS)
    out = {}
    for i, m in enumerate(got.models):
        for j, e in enumerate(got.examples):
            if got.predicted[i, j] != ABSENT:
                values = [
                    None if a is None else np.asarray(a[i, j]).tolist()
                    for a in (got.runners_up, got.confidence, got.scores, got.error)
                ]
                out[m, e] = (int(got.predicted[i, j]), *values)
    return out


def same(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
    return repr(sorted(a.items())) == repr(sorted(b.items()))


def records(store: Store) -> dict[str, list[str]]:
    """Per model the records of all that its rows came from."""
    found: dict[str, list[str]] = {}
    for p in Store.open(store.files.url).pieces("set"):
        for r in origins(p):
            found.setdefault(p.model, []).append(json.dumps(r, sort_keys=True))
    return {m: sorted(rs) for m, rs in found.items()}


def parts(store: Store) -> list[str]:
    return store.files.names("predictions")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(str(tmp_path / "s"))


def test_shards_become_one_part_with_the_same_rows(store: Store) -> None:
    """Every value, null and record is there as before; the part is sorted as a writer's."""
    for first in (20, 0, 10):
        shard(store, ["b", "a"], first, first + 10)
    before, origin = cells(store), records(store)
    (done,) = compact(store)
    assert (done.parts_before, done.parts_after, done.left) == (3, 1, ())
    assert done.bytes_after == store.files.size(parts(store)[0])
    assert same(cells(store), before)
    assert records(store) == origin
    table = pq.read_table(store.files.path(parts(store)[0]), partitioning=None)
    assert table["model"].to_pylist() == ["a"] * 30 + ["b"] * 30
    assert table["example"].to_pylist() == [f"img-{i:05d}" for i in range(30)] * 2
    assert str(table.schema.field("model").type) == "string"
    (again,) = compact(store)
    assert (again.parts_before, again.parts_after) == (1, 1)


def test_digest_is_that_of_rows_written_at_once(store: Store) -> None:
    """After merging, writing the whole, or one of its shards, adds nothing."""
    for first in (0, 10):
        shard(store, ["m"], first, first + 10)
    compact(store)
    assert write_predictions(store, rows(["m"], 0, 20), Provenance("x")).stored == ()
    assert write_predictions(store, rows(["m"], 10, 20), Provenance("x")).stored == ()
    with pytest.raises(ConflictError, match="heldout run"):
        write_predictions(store, rows(["m"], 15, 25, seed=3), Provenance("x"))
    assert len(parts(store)) == 1


def test_models_with_other_examples(store: Store) -> None:
    """A model that lacks a shard lacks it afterwards too; further shards join later."""
    shard(store, ["a", "b", "c"], 0, 10)
    shard(store, ["a", "c"], 10, 20)
    before = cells(store)
    compact(store)
    assert same(cells(store), before)
    shard(store, ["b", "d"], 10, 20)
    before, origin = cells(store), records(store)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)
    assert records(store) == origin


def test_columns_that_some_parts_lack(store: Store) -> None:
    """Errors, confidences and runners-up that only some shards have stay where they are."""
    one = rows(["m"], 0, 4)
    write_predictions(store, Block("set", ["m"], one.examples, one.predicted), Provenance("a"))
    two = rows(["m"], 4, 8)
    lost = two.predicted.copy()
    lost[0, 1] = NO_ANSWER
    why = np.array([[None, "unreadable", None, None]], dtype=object)
    write_predictions(
        store,
        Block("set", ["m"], two.examples, lost, two.runners_up, two.confidence, error=why),
        Provenance("b"),
    )
    big = Block("set", ["m"], ["img-9"], np.array([[40_000]]))
    write_predictions(store, big, Provenance("c"))
    before = cells(store)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)
    assert cells(store)["m", "img-9"][0] == 40_000
    assert cells(store)["m", "img-00005"][4] == "unreadable"


def test_scores_of_other_kinds_stay_apart(store: Store) -> None:
    """Logits and probabilities of one setting are merged each with their own."""
    for kind in ("logits", "probabilities"):
        for first in (0, 3):
            ids = [f"{kind}-{i}" for i in range(first, first + 3)]
            scores = np.random.default_rng(first).normal(size=(1, 3, 4)).astype(np.float32)
            write_predictions(
                store,
                Block("set", [kind], ids, scores.argmax(2), scores=scores, score_kind=kind),
                Provenance(kind),
            )
    before = cells(store)
    (done,) = compact(store)
    assert (done.parts_before, done.parts_after) == (4, 2)
    assert same(cells(store), before)
    got = Store.open(store.files.url).predictions("set", ["logits"], ("scores",))
    assert got.score_kind == "logits"


def test_identical_rows_collapse_and_keep_both_origins(tmp_path: Path) -> None:
    """Rows that two writers stored at once are kept once, with both records."""
    one, two = Store.create(str(tmp_path / "s")), Store.open(str(tmp_path / "s"))
    assert one.pieces("set") == two.pieces("set") == []
    write_predictions(one, rows(["a", "m"], 0, 5), Provenance("one"))
    write_predictions(two, rows(["b", "m"], 0, 5), Provenance("two"))
    before = cells(one)
    compact(one)
    assert same(cells(one), before)
    (part,) = parts(one)
    assert pq.read_metadata(one.files.path(part)).num_rows == 15
    said = {m: [json.loads(r)["source"] for r in rs] for m, rs in records(one).items()}
    assert said == {"a": ["one"], "b": ["two"], "m": ["one", "two"]}


def test_contradictions_are_left_alone_and_named(tmp_path: Path) -> None:
    """Parts that disagree stay as they are, with both origins named; the others are merged."""
    one, two = Store.create(str(tmp_path / "s")), Store.open(str(tmp_path / "s"))
    assert one.pieces("set") == two.pieces("set") == []
    write_predictions(one, rows(["m"], 0, 9), Provenance("one"))
    write_predictions(two, rows(["m"], 5, 12, seed=5), Provenance("two"))
    for first in (0, 9):
        shard(Store.open(one.files.url), ["n"], first, first + 9)
    (done,) = compact(one)
    assert (done.parts_before, done.parts_after) == (4, 3)
    assert len(done.left) == 1
    for word in ("'m'", "contradicting", "'one'", "'two'", "--replace"):
        assert word in done.left[0]
    with pytest.raises(ConflictError, match="disagree"):
        Store.open(one.files.url).predictions("set", ["m"])
    assert len(Store.open(one.files.url).predictions("set", ["n"]).examples) == 18


def test_replaced_rows_stay_replaced(store: Store) -> None:
    """What was replaced before a compaction is gone after it, and only that."""
    for first in (0, 10, 20):
        shard(store, ["a", "b"], first, first + 10)
    write_predictions(store, rows(["a"], 10, 20, seed=9), Provenance("better"), replace=True)
    before = cells(store)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)
    ids = rows(["a"], 10, 20, seed=9)
    assert before["a", "img-00012"][0] == ids.predicted[0, 2]
    assert before["b", "img-00012"][0] == rows(["b"], 12, 13).predicted[0, 0]
    assert "better" in "".join(records(store)["a"])
    # The old content again, then merged again: the last word wins.
    write_predictions(store, rows(["a"], 10, 20), Provenance("back"), replace=True)
    compact(store)
    assert cells(store)["a", "img-00012"][0] == rows(["a"], 12, 13).predicted[0, 0]


def test_replace_while_merging(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A --replace between the listing and the deletion: its rows count, the old ones do not."""
    for first in (0, 10, 20):
        shard(store, ["a", "b"], first, first + 10)
    writer = Store.open(store.files.url)
    new = rows(["a"], 10, 20, seed=9)
    write = store.files.write

    def meanwhile(name: str, fill: Any, **more: Any) -> bool:
        write_predictions(writer, new, Provenance("better"), replace=True)
        return write(name, fill, **more)

    monkeypatch.setattr(store.files, "write", meanwhile)
    compact(store)
    monkeypatch.undo()
    assert len(parts(store)) == 2
    for _ in range(2):
        got = cells(store)
        assert len(got) == 60
        for j, e in enumerate(new.examples):
            assert got["a", e][0] == new.predicted[0, j]
        assert got["a", "img-00025"][0] == rows(["a"], 25, 26).predicted[0, 0]
        compact(store)
        assert len(parts(store)) == 1


def test_replaced_rows_in_a_late_merged_part(store: Store, tmp_path: Path) -> None:
    """A compactor that slept through a replacement and a compaction brings nothing back to life."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    before = {p: (Path(store.files.path(p))).read_bytes() for p in parts(store)}
    other = Store.create(str(tmp_path / "other"))
    for name, content in before.items():
        target = Path(other.files.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    compact(other)
    (late,) = parts(other)
    write_predictions(store, rows(["a"], 0, 20, seed=9), Provenance("better"), replace=True)
    write_predictions(store, rows(["a"], 0, 20, seed=10), Provenance("best"), replace=True)
    compact(store)
    after = cells(store)
    Path(store.files.path(late)).write_bytes(Path(other.files.path(late)).read_bytes())
    assert same(cells(store), after)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), after)


def test_keep_and_go_on_later(store: Store) -> None:
    """With delete=False rows count once; the next compaction deletes without writing again."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    before, origin = cells(store), records(store)
    (done,) = compact(store, delete=False)
    assert (done.parts_before, done.parts_after) == (2, 3)
    assert same(cells(store), before)
    assert records(store) == origin
    merged = next(p for p in parts(store) if "/merged-" in p)
    stamp = os.stat(store.files.path(merged)).st_mtime_ns
    compact(store)
    assert parts(store) == [merged]
    assert os.stat(store.files.path(merged)).st_mtime_ns == stamp


def test_a_writer_adds_shards_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that comes after the listing is neither merged nor deleted."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    writer = Store.open(store.files.url)
    write = store.files.write

    def meanwhile(name: str, fill: Any, **more: Any) -> bool:
        shard(writer, ["a"], 20, 30)
        return write(name, fill, **more)

    monkeypatch.setattr(store.files, "write", meanwhile)
    compact(store)
    assert len(parts(store)) == 2
    assert len(cells(store)) == 30


def test_a_reader_that_listed_before_the_deletion(store: Store) -> None:
    """Rows, pieces and writes of a reader with an old listing are what they were."""
    for first in (0, 10, 20):
        shard(store, ["a", "b"], first, first + 10)
    before = cells(store)
    old = Store.open(store.files.url)
    stale = old.pieces("set")
    compact(Store.open(store.files.url))
    got = old.predictions("set", columns=COLUMNS)
    assert len(got.examples) == 30
    again = Store.open(store.files.url)
    for p in stale:
        block = again.read_piece("set", p)
        assert len(block.examples) == 10
        for j, e in enumerate(block.examples):
            assert block.predicted[0, j] == before[p.model, e][0]
    slow = Store.open(store.files.url)
    slow._pieces["set"] = stale
    with pytest.raises(ConflictError):
        write_predictions(slow, rows(["a"], 5, 15, seed=4), Provenance("x"))


def test_a_listing_during_the_deletion_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that misses both the merged part and an old one is noticed."""
    for first in (0, 10, 20):
        shard(store, ["a"], first, first + 10)
    reader = Store.open(store.files.url)
    names = reader.files.names
    seen = []

    def torn(folder: str, ending: str = ".parquet") -> list[str]:
        found = names(folder, ending)
        if not seen:
            compact(store)
            seen.append(found)
            return found[:1]
        return names(folder, ending)

    monkeypatch.setattr(reader.files, "names", torn)
    assert len(reader.predictions("set").examples) == 30


def test_tasks_done_twice_leave_one_file(store: Store) -> None:
    """A named part stays, whatever is written under its name later, before and after merging."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10, name=f"task-{first}")
    before = cells(store)
    assert write_predictions(
        store, rows(["a"], 0, 10, seed=7), Provenance("x"), name="task-0"
    ).part is None  # fmt: skip
    assert same(cells(store), before)
    old = Path(store.files.path("predictions/setting=set/task-10.parquet")).read_bytes()
    compact(store)
    assert len(parts(store)) == 1
    done = write_predictions(store, rows(["a"], 0, 10, seed=7), Provenance("x"), name="task-0")
    assert done.stored == ()
    assert done.part is None
    # A writer that had looked before the compaction and publishes after it.
    other = Store.create(f"{store.files.url}-other")
    write_predictions(other, rows(["a"], 0, 10, seed=7), Provenance("x"), name="task-0")
    late = "predictions/setting=set/task-0.parquet"
    Path(store.files.path(late)).write_bytes(Path(other.files.path(late)).read_bytes())
    assert same(cells(store), before)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)
    assert old


def test_named_replacement_gets_a_name_of_its_own(store: Store) -> None:
    """--replace of a task does not collide with the file of the task done before."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10, name=f"task-{first}")
    for first in (0, 10):
        shard(store, ["a"], first, first + 10, seed=3, name=f"task-{first}", replace=True)
    got = cells(store)
    assert len(got) == 20
    assert got["a", "img-00003"][0] == rows(["a"], 3, 4, seed=3).predicted[0, 0]
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), got)


@pytest.mark.parametrize("name", ["", "a/b", ".x", "merged-1", "x" * 151, "ü"])
def test_names_that_cannot_be_one(store: Store, name: str) -> None:
    """A bad name is refused in a sentence and nothing is written."""
    with pytest.raises(BadInput, match="cannot name a part"):
        write_predictions(store, rows(["a"], 0, 2), Provenance("x"), name=name)
    assert parts(store) == []


def test_extra_provenance(store: Store) -> None:
    """Further keys come back as they were; those that mean something are refused."""
    extra = {"run": {"seed": 1}, "more": [1, {"a": None}]}
    write_predictions(store, rows(["a"], 0, 2), Provenance("x"), extra=extra)
    (record,) = origins(store.pieces("set")[0])
    assert {k: record[k] for k in extra} == extra
    with pytest.raises(BadInput, match="'pieces'"):
        write_predictions(store, rows(["b"], 0, 2), Provenance("x"), extra={"pieces": []})
    with pytest.raises(BadInput, match="no JSON"):
        write_predictions(store, rows(["b"], 0, 2), Provenance("x"), extra={"z": object()})


_COMPACT = """
import sys
from heldout.store.compact import compact
from heldout.store.read import Store
store = Store.open({url!r})
print("go", flush=True)
compact(store)
"""


def test_two_compactors_and_a_writer_at_once(store: Store) -> None:
    """Three processes that merge while one writes: every row is there, once, in few parts."""
    for first in range(0, 600, 20):
        shard(store, ["a", "b"], first, first + 20)
    before = cells(store)
    code = _COMPACT.format(url=store.files.url)
    runs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    reader = Store.open(store.files.url)
    first = 600
    while any(r.poll() is None for r in runs) and first < 2000:
        shard(reader, ["a", "b"], first, first + 20)
        first += 20
        reader.forget()
        assert len(reader.predictions("set").examples) == first
    assert [r.wait(120) for r in runs] == [0, 0, 0]
    got = cells(store)
    assert len(got) == 2 * first
    assert same({k: v for k, v in got.items() if k in before}, before)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), got)
    assert len(records(store)["a"]) == first // 20


@pytest.mark.parametrize("wait", [0.0, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08])
def test_kill_at_any_moment(store: Store, wait: float) -> None:
    """After kill -9 all rows are there once, and the next compaction finishes the job."""
    for first in range(0, 400, 20):
        shard(store, ["a", "b"], first, first + 20)
    before, origin = cells(store), records(store)
    code = _COMPACT.format(url=store.files.url)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        run.stdout.readline()
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert same(cells(store), before)
    assert records(store) == origin
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)
    assert records(store) == origin


def test_kill_between_any_two_deletions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of the old parts are deleted already, the rows are all there, once."""
    for first in range(0, 50, 10):
        shard(store, ["a"], first, first + 10)
    before = cells(store)
    delete = store.files.delete
    for _ in range(4):
        left = [1]

        def die(name: str, left: list[int] = left) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop()
            delete(name)

        monkeypatch.setattr(store.files, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            compact(store)
        assert same(cells(store), before)
    monkeypatch.undo()
    compact(store)
    assert len(parts(store)) == 1


def test_a_part_that_reads_back_wrong_is_not_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When what was written is not what was read, the old parts stay and the user is told."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    before = parts(store)
    from heldout.store import merge

    whole = merge._with_models

    def broken(*args: Any) -> Any:
        table = whole(*args)
        return table.set_column(
            2, "predicted", table["predicted"].take(list(range(len(table)))[::-1])
        )

    monkeypatch.setattr(merge, "_with_models", broken)
    with pytest.raises(StoreError, match="does not read back"):
        compact(store)
    assert parts(store) == before
    assert store.files.unfinished() == []


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_history(data: st.DataObject) -> None:
    """Writes, replacements and compactions in any order: as if there were no compaction."""
    name = f"memory://history-{time.monotonic_ns()}"
    real, plain = Store.create(name), Store.create(f"{name}-plain")
    for _ in range(data.draw(st.integers(1, 9))):
        what = data.draw(st.sampled_from(["write", "write", "replace", "compact", "keep"]))
        if what in ("compact", "keep"):
            compact(real, delete=what == "compact", memory=data.draw(st.sampled_from([1, 1 << 30])))
            continue
        first = data.draw(st.integers(0, 3)) * 3
        models = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
        block = rows(models, first, first + 3, data.draw(st.integers(0, 1)))
        outcomes = []
        for store in (real, plain):
            try:
                outcomes.append(
                    write_predictions(
                        store, block, Provenance("x"), replace=what == "replace"
                    ).stored
                )
            except ConflictError:
                outcomes.append(("conflict",))
        assert outcomes[0] == outcomes[1]
    if real.settings_with_predictions():
        compact(real)
        assert same(cells(real), cells(plain))
        assert len(parts(real)) <= 1


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=3),
            st.one_of(
                st.text(max_size=200), st.dictionaries(st.text(max_size=2), st.text(max_size=200))
            ),
            max_size=3,
        ),
        max_size=4,
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_records_survive_packing(some: list[dict[str, Any]]) -> None:
    """What several records share is kept once and comes back in each."""
    twice = some + some
    assert unpacked(*packed(twice)) == twice
    long = {"run": {"f": "x" * 500}}
    assert len(json.dumps(packed([long] * 20))) < 1100


def test_metadata_grows_with_the_shards_not_with_their_product(store: Store) -> None:
    """What is said once of all models is not repeated for every shard."""
    models = [f"model-{i:03d}" for i in range(60)]
    for first in range(0, 40, 2):
        shard(store, models, first, first + 2)
    compact(store)
    (part,) = parts(store)
    size = len(pq.read_metadata(store.files.path(part)).metadata[b"heldout"])
    assert size < 60 * 20 * 60 + 30_000


def test_one_setting_and_unknown_settings(store: Store) -> None:
    """Only what is named is merged; an unknown name is answered with near ones."""
    for setting in ("one", "two"):
        for first in (0, 5):
            write_predictions(
                store, rows(["a"], first, first + 5, setting=setting), Provenance("x")
            )
    compact(store, ["one"])
    assert len(parts(store)) == 3
    with pytest.raises(NotFound, match="Did you mean 'two'"):
        compact(store, ["tow"])
    with pytest.raises(BadInput, match="min_parts"):
        compact(store, min_parts=1)


def test_object_store(tmp_path: Path) -> None:
    """The same on an fsspec URL."""
    store = Store.create(f"memory://{tmp_path.name}-compact")
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    before = cells(store)
    compact(store)
    assert len(parts(store)) == 1
    assert same(cells(store), before)


def test_foreign_files_are_not_touched(store: Store) -> None:
    """A Parquet file in the folder that heldout did not write stays as it is."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    table = pq.read_table(store.files.path(parts(store)[0]), partitioning=None)
    other = store.files.path("predictions/setting=set/by-hand.parquet")
    pq.write_table(table.replace_schema_metadata(None), other)
    content = Path(other).read_bytes()
    (done,) = compact(store)
    assert (done.parts_before, done.parts_after) == (3, 2)
    assert Path(other).read_bytes() == content


def test_the_command(store: Store) -> None:
    """`heldout compact` prints parts and bytes before and after, and --keep deletes nothing."""
    for first in (0, 10):
        shard(store, ["a"], first, first + 10)
    run = [sys.executable, "-m", "heldout", "compact", "--store", store.files.url]
    kept = subprocess.run([*run, "--keep"], capture_output=True, text=True, check=True)
    assert "2 parts are now 3" in kept.stdout
    done = subprocess.run([*run, "--format", "json"], capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["setting"], row["parts"], row["parts_after"]) == ("set", 3, 1)
    assert row["bytes_after"] == store.files.size(parts(store)[0])
    wrong = subprocess.run([*run, "sett"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "Did you mean 'set'" in wrong.stderr
