"""A study on a Ray cluster of several nodes: the same rows as in one process, whatever is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tinyset
from heldout.engine.cluster import run_on
from heldout.engine.loading import planned
from heldout.engine.run import run
from heldout.engine.study import Study, WantedModel, merged, parse_target
from heldout.engine.worker import Job, Worker, seen_of
from heldout.errors import BadInput, HeldoutError
from heldout.store.read import Store
from tinyset import rows, study

needs_ray = pytest.mark.skipif(
    not any((Path(p) / "ray/cluster_utils.py").is_file() for p in sys.path),
    reason="Ray is not installed",
)


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Study, dict[tuple[str, str, str], tuple[object, ...]]]:
    wanted = study(tmp_path)
    run(wanted)
    return wanted, rows(wanted.store)


def stored(url: str) -> int:
    """Rows in all files of predictions; more than `rows` sees when some are there twice."""
    return sum(pq.read_metadata(p).num_rows for p in Path(url, "predictions").rglob("*.parquet"))


def command(wanted: Study, where: str, *more: str) -> list[str]:
    """The study by the command line, to be run in the folder that holds its images and models."""
    out = [sys.executable, "-m", "heldout", "run", "squares=images", "--store", wanted.store,
           "--shard-size", str(wanted.shard_size), "--cluster", where, *more]  # fmt: skip
    for m in wanted.models:
        out += ["-m", m.uri]
    for s in tinyset.SHIFTS:
        out += ["--shift", s]
    return out


def refused(cwd: Path, *arguments: str, ray: bool = True) -> str:
    """What a run on a cluster says that ends with exit code 2."""
    code = "import sys; sys.argv[0] = 'heldout'; from heldout.cli import main; main()"
    hidden = "" if ray else "import sys; sys.modules['ray'] = None; "
    process = subprocess.run(
        [sys.executable, "-c", hidden + code, "run", "squares=images", "-m", "python:no.py:model",
         "--cluster", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=120,
    )  # fmt: skip
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""
    assert not (cwd / "heldout-store").exists()
    return process.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ray", "--shard", "1/2"], "Leave one of them out"),
        (["slurm"], "the one kind of cluster is ray"),
        pytest.param(["ray:127.0.0.1:1"], "127.0.0.1:1' .*refused", marks=needs_ray),
        pytest.param(["ray:head"], "HOST:PORT", marks=needs_ray),
        pytest.param(["ray://head:10001"], "HOST:PORT", marks=needs_ray),
        pytest.param(["ray:local", "--device", "cuda"], "--gpus", marks=needs_ray),
        pytest.param(["ray:local", "--store", "memory://s"], "all nodes see", marks=needs_ray),
    ],
)
def test_what_cannot_be_is_said_at_once(tmp_path: Path, arguments: list[str], says: str) -> None:
    begun = time.monotonic()
    said = refused(tmp_path, *arguments)
    assert time.monotonic() - begun < 20  # that is: it does not wait for a cluster
    assert re.search(says, said), said


def test_without_ray_a_sentence(tmp_path: Path) -> None:
    assert "pip install 'heldout[ray]'" in refused(tmp_path, "ray", ray=False)


def job_of(wanted: Study, token: str = "heldout.json") -> Job:
    """What a worker of a study is given."""
    plan, models = planned(wanted)
    groups = [list(plan.abouts)]
    here = os.getcwd()
    return Job(wanted, plan.abouts, models.uris, groups, 0, False, here, token, seen_of(plan))


@pytest.mark.parametrize("what", ["store", "weights", "examples", "version"])
def test_a_node_that_sees_something_else(
    tmp_path: Path, whole: tuple[Study, dict], what: str
) -> None:
    job = job_of(replace(whole[0], workers=1))
    assert Worker(job).prepare()
    if what == "store":
        job = replace(job, token="heldout.json.unfinished-0")
    elif what == "weights":
        tinyset.model(tmp_path / "models", "two", 5.0)
    elif what == "examples":
        (tmp_path / "images/red/0003.png").unlink()
    else:
        job = replace(job, seen={**job.seen, "heldout": "0.0.1"})
    says = {"store": "all nodes have to see one store", "weights": "'two' has other weights",
            "examples": "'squares' is not the same", "version": "not 0.0.1"}  # fmt: skip
    with pytest.raises(BadInput, match=rf"(?i)On the node \S+: .*{says[what]}"):
        Worker(job).prepare()


def test_a_shard_again_is_not_stored_again(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    """Two workers that were both given all shards, one of them believed lost."""
    from heldout.engine.resume import shards_to_do

    again = replace(whole[0], store=str(tmp_path / "again"), workers=1)
    shards = shards_to_do(planned(again)[0], None)
    Store.create(again.store)
    workers = [Worker(job_of(again)) for _ in range(2)]
    for w in workers:
        w.prepare()
    for shard in shards:
        assert workers[0].run(shard).predictions == workers[1].run(shard).predictions > 0
    assert rows(again.store) == whole[1]
    assert stored(again.store) == 480


@pytest.mark.slow
def test_jobs_of_an_array_at_once(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    parts = replace(whole[0], store="parts", shard_size=7)
    base = [c for c in command(parts, "x") if c not in ("--cluster", "x")]
    jobs = [
        subprocess.Popen([*base, "--shard", f"{i}/3"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for i in (1, 2, 3)
    ]
    assert [j.wait(120) for j in jobs] == [0, 0, 0]
    assert rows(str(tmp_path / "parts")) == whole[1]
    assert stored(str(tmp_path / "parts")) == 480


# What follows needs a cluster of several nodes, which takes its time to begin.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs and two nodes of one CPU, each with processes of its own."""
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster()
        begun = [*node(made, num_cpus=0, include_dashboard=False), *node(made), *node(made)]
        made.more = begun.extend
        yield made
        made.shutdown()
        for process in begun:  # or its end is a warning in whatever test comes next
            process.wait(20)


def node(cluster: Any, num_cpus: int = 1, **more: Any) -> list[Any]:
    """Begin a node; its processes."""
    made = cluster.add_node(num_cpus=num_cpus, object_store_memory=80_000_000, **more)
    return [p.process for kind in made.all_processes.values() for p in kind]


def relative(wanted: Study, store: str) -> Study:
    """The study with paths that count from the folder of its images."""
    uris = [f"python:models/{n}.py:{n}?name={n}" for n in ("one", "two")]
    sets = merged([parse_target("squares=images")], tinyset.SHIFTS)
    return replace(wanted, models=tuple(map(WantedModel, uris)), sets=sets, store=store)


@pytest.mark.slow
def test_the_same_rows_with_relative_paths(
    tmp_path: Path, whole: tuple[Study, dict], cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = relative(whole[0], "on-cluster")
    steps: list[tuple[str, float]] = []
    where = f"ray:{cluster.address}"
    _, done = run_on(where, wanted, progress=lambda what, part: steps.append((what, part)))
    assert (done.predictions, done.there, done.shards) == (480, 0, 4)
    assert rows("on-cluster") == whole[1]
    assert stored("on-cluster") == 480
    assert Store.open("on-cluster").files.unfinished() == []
    parts = [part for _, part in steps]
    assert parts == sorted(parts)
    assert any(what.startswith(("1 worker,", "2 workers,")) for what, _ in steps)
    _, again = run_on(where, wanted)  # nothing left
    assert (again.predictions, again.there) == (0, 480)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    # Fewer shards than workers, into a store at a URL.
    other = replace(wanted, seed=1, store=f"local://{tmp_path}/seed", limit=2)
    _, few = run_on("ray", other)
    assert few.shards == 1
    run(replace(other, store="seed-here"))
    assert rows("seed") == rows("seed-here") != {k: whole[1][k] for k in rows("seed")}


@pytest.mark.slow
def test_mistakes_come_back_as_sentences(
    tmp_path: Path, whole: tuple[Study, dict], cluster: Any
) -> None:
    where = f"ray:{cluster.address}"
    with pytest.raises(BadInput, match="asks for 1 CPU and 3 GPUs: the largest has 1 CPU and 0"):
        run_on(where, replace(whole[0], store=str(tmp_path / "none")), gpus=3)
    with pytest.raises(BadInput, match="asks for 2 CPUs and 0 GPUs"):
        run_on(where, replace(whole[0], store=str(tmp_path / "none"), workers=2))
    assert not (tmp_path / "none").exists()
    # The model looks at two pictures when it is loaded, and fails on more.
    fails = "if len(images) > 2:\n    raise ValueError('no more than two')"
    tinyset.model(tmp_path / "models", "two", 0.5, before=fails)
    wanted = replace(whole[0], store="mistake")
    said = subprocess.run(
        command(wanted, where), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert said.returncode == 2, said.stderr
    assert "no more than two" in said.stderr
    assert "models/two.py, line" in said.stderr
    assert "Traceback" not in said.stderr
    assert "ray" not in said.stderr.replace(str(tmp_path), "")
    assert said.stdout == ""


@pytest.mark.slow
def test_a_shard_that_ends_every_worker(
    tmp_path: Path, whole: tuple[Study, dict], cluster: Any
) -> None:
    tinyset.model(tmp_path / "models", "two", before="if len(images) > 2:\n    os._exit(9)")
    wanted = replace(whole[0], store=str(tmp_path / "deadly"))
    with pytest.raises(HeldoutError, match="of the test set 'squares' ended 4 workers"):
        run_on(f"ray:{cluster.address}", wanted)


def slow_study(whole: Study, tmp_path: Path, store: str) -> Study:
    """The same study of models that take their time, in shards of four images."""
    for name, sharpness in (("one", 0.05), ("two", 0.5)):
        tinyset.model(tmp_path / "models", name, sharpness, before="time.sleep(0.06)")
    return replace(whole, store=store, shard_size=4)


@pytest.mark.slow
def test_nodes_are_lost_and_one_joins(
    tmp_path: Path, whole: tuple[Study, dict], cluster: Any
) -> None:
    """One node goes in order, one joins, one is killed; no row is missing or there twice."""
    slow = slow_study(whole[0], tmp_path, str(tmp_path / "lost"))
    happened: list[str] = []

    def step(what: str, part: float) -> None:
        if part > 0.05 and what.startswith("2 workers") and not happened:
            happened.append("removed")
            cluster.remove_node(cluster.worker_nodes.copy().pop())
            cluster.more(node(cluster, wait=False))
        elif part > 0.5 and len(happened) == 1:
            happened.append("killed")
            lost = next(iter(cluster.worker_nodes))
            os.kill(lost.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    _, done = run_on(f"ray:{cluster.address}", slow, progress=step)
    assert happened == ["removed", "killed"]
    assert done.predictions >= 480  # a shard whose worker was lost may have been stored before
    assert rows(slow.store) == whole[1]
    assert stored(slow.store) == 480
    cluster.more(node(cluster))


@pytest.mark.slow
def test_a_killed_driver_begins_again(
    tmp_path: Path, whole: tuple[Study, dict], cluster: Any
) -> None:
    slow = slow_study(whole[0], tmp_path, str(tmp_path / "killed"))
    again = command(slow, f"ray:{cluster.address}")
    first = subprocess.Popen(again, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(Path(slow.store).glob("predictions/*/*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    before = stored(slow.store)
    assert 0 < before < 480
    # What the first driver's workers have under way may be stored while the second plans.
    second = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert "were in the store already" in second.stdout
    assert "raylet" not in second.stdout + second.stderr
    assert rows(slow.store) == whole[1]
    assert stored(slow.store) == 480


@pytest.mark.slow
def test_a_cluster_begun_here_ends_with_the_run(tmp_path: Path, whole: tuple[Study, dict]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    wanted = relative(whole[0], "own")
    # Its processes inherit the environment, and are told from others by it.
    mark = f"HELDOUT_TEST={tmp_path}"
    env = {**os.environ, "HELDOUT_TEST": str(tmp_path)}
    said = subprocess.run(
        command(wanted, "ray:local"), cwd=tmp_path, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert rows(str(tmp_path / "own")) == whole[1]
    deadline = time.monotonic() + 10
    while left := marked(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def marked(text: str) -> list[str]:
    """Command lines of processes with that in their environment."""
    out = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (place / "environ").read_bytes().split(b"\0"):
                out.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return out
