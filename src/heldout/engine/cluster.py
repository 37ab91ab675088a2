"""The same plan on many machines: shards as tasks of a Ray cluster.

This process plans; another (`heldout.engine.crew`) hands the shards out. A worker plans the same
from the same study, keeps its models loaded, and writes every shard that it finishes straight into
the store. A shard's parts are named by the work in them, and the first to be published stays, so
that a shard that is done twice (its node was believed lost, or the driver began again) is in the
store once.
"""

from __future__ import annotations

import os
import pickle
import queue
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from heldout.engine.crew import Node
from heldout.engine.loading import loaded, on_gpu, opened, passes
from heldout.engine.parts import write_tables
from heldout.engine.plan import Plan, Shard, make_plan
from heldout.engine.resume import shards_to_do
from heldout.engine.run import Done, pairs, size_of
from heldout.engine.study import Study
from heldout.engine.worker import Job, seen_of
from heldout.errors import BadInput, HeldoutError
from heldout.store.files import TEMPORARY, Files
from heldout.store.read import Store
from heldout.store.schema import MARK

Progress = Callable[[str, float], None]
_LISTENS = 5.0  # seconds in which an address has to answer
_JOINS = 40.0  # seconds in which a cluster has to take us in
_BEGINS = 240.0  # seconds in which a cluster has to begin here
_CHILD = "from heldout.engine.crew import main; main()"
_GONE = "gone"


def run_on(
    where: str,
    study: Study,
    *,
    gpus: float = 0,
    replace_rows: bool = False,
    progress: Progress = lambda what, part: None,
) -> tuple[Plan, Done]:
    """Run what is left of a study on a Ray cluster.

    where: 'ray' (the cluster that RAY_ADDRESS names, or that of this machine, or one that is begun
    and ended here), 'ray:ADDRESS', or 'ray:local' (one that is begun here). gpus: GPUs a worker
    asks for; the study's workers: its CPUs and threads, 1 by default. The store must be at a place
    that all nodes see. Raises BadInput where Ray is missing or cannot be reached, and what a shard
    raised; what was finished stays in the store.
    """
    start = time.perf_counter()
    address = _address_of(where)
    study = _for_workers(study, gpus)
    with _driver(address) as driver:
        plan, uris = _planned(study, gpus, lambda what, part: progress(what, 0.0))
        here = Store.open(study.store) if Files(study.store).exists(MARK) else None
        shards = shards_to_do(plan, here, replace=replace_rows)
        done = Done(there=pairs(plan) - sum(size_of(s) for s in shards))
        if shards:
            progress("joining the cluster", 0.0)
            nodes = driver.nodes(address)
            threads = _threads(study, nodes, gpus)
            budget = min(
                n.memory / n.room(threads, gpus) for n in nodes if n.room(threads, gpus) > 0
            )
            groups = passes(plan.abouts, int(budget / 2))
            split = [s for g in groups for shard in shards if (s := shard.of_models(g))]
            study = replace(study, workers=threads)
            store = Store.create(study.store)
            write_tables(store, plan, replace=replace_rows)
            token = f"{MARK}{TEMPORARY}{uuid.uuid4().hex[:12]}"
            store.files.write(token, lambda f: f.write(b"a run on a cluster is under way"))
            job = Job(
                study, plan.abouts, uris, groups, gpus, replace_rows, os.getcwd(), token,
                seen_of(plan),
            )  # fmt: skip
            try:
                for part in driver.work(job, split, done, progress):
                    done.add(part)
            finally:
                store.files.delete(token)
    done.seconds = time.perf_counter() - start
    progress("done", 1.0)
    return plan, done


def _planned(study: Study, gpus: float, progress: Progress) -> tuple[Plan, dict[str, str]]:
    """The plan, and the models' URIs by name. Each model is looked at once and let go again.

    Where workers have GPUs this machine need not have one: models are looked at on its CPU.
    """
    sets = opened(study)
    look = replace(study, device="cpu", precision="float32") if gpus else study
    models, abouts = loaded(look, progress)
    models.keep(())
    return make_plan(study, sets, abouts), models.uris


def _for_workers(study: Study, gpus: float) -> Study:
    """The study with a device that workers have. Raises BadInput for what cannot be."""
    if study.store.startswith("memory:"):
        raise BadInput(
            f"--store {study.store} is in the memory of one process. Workers need a folder or a"
            " URL that all nodes see."
        )
    if ":" in study.device:
        raise BadInput(
            f"--device {study.device}: on a cluster Ray chooses the GPU. Say --device cuda and"
            " --gpus 1."
        )
    if gpus:
        if study.device == "cpu":
            raise BadInput(f"--gpus {gpus:g} with --device cpu: leave one of them out.")
        return study
    if study.device != "auto" and on_gpu(study.device):
        raise BadInput(f"--device {study.device} on a cluster needs --gpus, GPUs a worker: 1.")
    # A worker that did not ask for a GPU may see all of its node's; they are not its own.
    return replace(study, device="cpu")


def _threads(study: Study, nodes: Sequence[Node], gpus: float) -> int:
    """Threads, and CPUs, of a worker: those asked for, or 1, or with GPUs its share of the node's.

    Raises BadInput where no node has room for one worker: Ray would wait for ever.
    """
    threads = study.workers or 1
    if not study.workers and gpus:
        shares = [n.cpus / int(n.gpus / gpus + 1e-6) for n in nodes if n.room(1, gpus)]
        threads = max(1, int(min(shares, default=1)))
    if any(n.room(threads, gpus) for n in nodes):
        return threads
    most = max(nodes, key=lambda n: (n.gpus, n.cpus) if gpus else (n.cpus,), default=None)
    has = f"the largest has {_units(most.cpus, most.gpus)}" if most else "it has none at all"
    raise BadInput(
        f"No node of the cluster has room for a worker, which asks for {_units(threads, gpus)}:"
        f" {has}. Ask for less (--workers is the threads of a worker, --gpus its GPUs), or let"
        " larger nodes join first."
    )


def _units(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU{'' if cpus == 1 else 's'} and {gpus:g} GPU{'' if gpus == 1 else 's'}"


def _address_of(where: str) -> str:
    """The address in 'ray[:ADDRESS]', '' for none. Raises BadInput where nothing listens."""
    kind, _, address = where.partition(":")
    if kind != "ray":
        raise BadInput(f"--cluster '{where}': the one kind of cluster is ray, or ray:ADDRESS.")
    if find_spec("ray") is None:
        raise BadInput(
            "--cluster ray needs Ray, which is not installed: pip install 'heldout[ray]'. Without"
            " it, --shard I/N divides the work among the jobs of any scheduler."
        )
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address in ("", "auto", "local"):
        return "" if address == "auto" else address
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise BadInput(
            f"'{address}' is no address of a Ray cluster: write HOST:PORT as `ray start --head`"
            " says it (the port is 6379 unless chosen), with heldout on a machine of the cluster."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _LISTENS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"{_unreachable(address)} ({error}). {_ADVICE}") from error
    return address


_ADVICE = (
    "Begin one with `ray start --head` and let the other machines join with `ray start"
    " --address=…`, this one among them; or leave --cluster out."
)


def _unreachable(address: str) -> str:
    if address == "local":
        return "No Ray cluster could be begun on this machine"
    return f"No Ray cluster could be reached at '{address}'" if address else (
        "No Ray cluster could be reached or begun on this machine"
    )  # fmt: skip


class _Driver:
    """The other process: what it is told, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], noise: Any) -> None:
        self.process, self.noise = process, noise
        self.said: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._listen, daemon=True)
        self.reader.start()
        self.joined = False

    def tell(self, what: object) -> None:
        """Send it something; a process that has gone is noticed when it is listened to."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            pickle.dump(what, self.process.stdin)
            self.process.stdin.flush()

    def nodes(self, address: str) -> list[Node]:
        """The nodes of the cluster, once it has taken us in."""
        patience = _JOINS if address not in ("", "local") else _BEGINS
        try:
            kind, what = self.said.get(timeout=patience)
        except queue.Empty:
            kind, what = "error", ConnectionError(f"it did not answer within {patience:.0f} s")
        if kind == "nodes":
            self.joined = True
            return list(what)
        if kind == _GONE:
            self.noise.seek(0)
            what = self.noise.read().decode(errors="replace").strip() or "Ray ended without a word"
        said = re.sub(r"^\[.*?\] (\S+:\d+: )?", "", str(what).strip().splitlines()[-1])
        raise BadInput(f"{_unreachable(address)}: {said.rstrip('.')}. {_ADVICE}")

    def work(
        self, job: Job, shards: Sequence[Shard], done: Done, progress: Progress
    ) -> Iterator[Done]:
        """Every shard's outcome, in the order in which they are finished. Shows the progress."""
        self.tell((job, shards))
        start, workers = time.perf_counter(), 0
        total = max(sum(size_of(s) for s in shards), 1)
        while True:
            try:
                kind, what = self.said.get(timeout=2.0)
            except queue.Empty:
                kind, what = "nothing", None
            if kind == "end":
                return
            if kind == "done":
                yield what
            elif kind == "workers":
                workers = what
            elif kind == "error":
                raise what
            elif kind == "failed":
                raise RuntimeError(what)
            elif kind == _GONE:
                raise HeldoutError(
                    "The Ray cluster was lost: its head, or Ray on this machine, has ended or does"
                    " not answer. What was finished is in the store; the same command goes on from"
                    " there when the cluster is back."
                )
            speed = done.predictions / (time.perf_counter() - start)
            at_work = f"{workers} {'worker' if workers == 1 else 'workers'}"
            words = f"{at_work}, {speed:,.0f} predictions/s" if workers else "waiting for workers"
            progress(words, done.predictions / total)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with suppress(EOFError, pickle.UnpicklingError, ValueError, OSError):
            while True:
                self.said.put(pickle.load(self.process.stdout))
        self.said.put((_GONE, None))


@contextmanager
def _driver(address: str) -> Iterator[_Driver]:
    """A process that joins the cluster meanwhile; it ends with the block, or with this process."""
    env = {"RAY_USAGE_STATS_ENABLED": "0", **os.environ}
    with tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD], env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=noise, start_new_session=True,
        )  # fmt: skip
        driver = _Driver(process, noise)
        try:
            driver.tell((address, [os.path.abspath(p) for p in sys.path]))
            yield driver
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(OSError):
                process.stdin.close()
            if not driver.joined:  # it may never be; what it has begun ends with it
                process.kill()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            driver.reader.join(5)
            process.stdout.close()
