"""The driver of a Ray cluster: a process that hires workers and hands out shards.

Ray prints what it likes and ends its process when the cluster goes away: so this is a process of
its own (`main`), begun by `heldout.engine.cluster` and spoken to through two pipes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from heldout import __version__
from heldout.engine.loading import cores
from heldout.engine.plan import Shard
from heldout.engine.worker import Job, Worker
from heldout.errors import BadInput, HeldoutError

Say = Callable[[str, Any], None]
_TRIES = 4  # workers that one shard may cost; it is not tried again
_LOOK = 2.0  # seconds between two looks at the cluster's nodes
_PATIENCE = 60.0  # seconds that a cluster may be without any node for a worker
_OBJECTS = 100_000_000  # bytes of shared memory of a cluster that is begun here; nothing needs them
_SAYS = (HeldoutError, OSError, MemoryError, RecursionError)  # what the command line says in a line


@dataclass(frozen=True, slots=True)
class Node:
    """What a node of the cluster has, whether it is free or not. memory: bytes."""

    host: str
    cpus: float
    gpus: float
    memory: float

    def room(self, threads: int, gpus: float) -> int:
        """How many workers it holds."""
        room = int(self.cpus // threads)
        return min(room, int(self.gpus / gpus + 1e-6)) if gpus else room


@dataclass(slots=True, eq=False)
class _Task:
    shard: Shard
    tries: int = 0


class Crew:
    """Worker actors, as many as the cluster has room for; each has one shard at a time.

    A worker that is lost, alone or with its node, costs the shard it had: another runs it again.
    """

    def __init__(self, ray: Any, job: Job, say: Say) -> None:
        self.ray, self.job, self.say = ray, job, say
        options = {"num_cpus": job.study.workers, "num_gpus": job.gpus, "max_restarts": 0}
        # Spread: a lost node then costs as few workers as possible.
        self.hired = ray.remote(Worker).options(**options, scheduling_strategy="SPREAD")
        self.lent = ray.put(job)
        self.joining: dict[Any, Any] = {}
        self.free: list[Any] = []
        self.running: dict[Any, tuple[Any, _Task]] = {}
        self.failed = 0
        self.alone: float | None = None

    def work(self, shards: Sequence[Shard]) -> None:
        """Run all shards; says 'done' for each, and 'workers' when their number changes."""
        waiting = deque(_Task(s) for s in shards)
        looked, said = -_LOOK, -1
        while waiting or self.running:
            if waiting and time.monotonic() - looked >= _LOOK:
                self._hire(len(waiting))
                looked = time.monotonic()
            while waiting and self.free:
                worker, task = self.free.pop(), waiting.popleft()
                self.running[worker.run.remote(task.shard)] = (worker, task)
            if said != (said := len(self.running)):
                self.say("workers", said)
            refs = [*self.running, *self.joining]
            if not refs:
                time.sleep(0.5)
                continue
            for ref in self.ray.wait(refs, num_returns=1, timeout=1.0)[0]:
                if ref in self.joining:
                    self._joined(ref)
                elif (again := self._finished(ref)) is not None:
                    waiting.appendleft(again)

    def end(self) -> None:
        """Send all workers home, whatever they are doing."""
        busy = [worker for worker, _ in self.running.values()]
        for worker in (*self.joining.values(), *self.free, *busy):
            self._dismiss(worker)

    def _hire(self, wanted: int) -> None:
        """As many workers as there is room and work for; nodes may have come or gone."""
        room = sum(n.room(self.job.study.workers, self.job.gpus) for n in nodes(self.ray))
        there = len(self.joining) + len(self.free) + len(self.running)
        for _ in range(min(room, wanted + len(self.running)) - there):
            worker = self.hired.remote(self.lent)
            self.joining[worker.prepare.remote()] = worker
        if room or self.running:
            self.alone = None
        elif self.alone is None:
            self.alone = time.monotonic()
        elif time.monotonic() - self.alone > _PATIENCE:
            raise HeldoutError(
                "The cluster has no node left that a worker fits on. What was finished is in the"
                " store; the same command goes on from there when there are nodes again."
            )

    def _joined(self, ref: Any) -> None:
        worker = self.joining.pop(ref)
        try:
            self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self._dismiss(worker)
            _raise_what_it_raised(self.ray, error)
            self.failed += 1
            if self.failed >= _TRIES:
                raise HeldoutError(
                    f"{_TRIES} workers one after the other ended before they were ready, while"
                    " they opened the test sets and loaded the models. Too little memory for so"
                    " many workers on a node is the usual reason: more --workers (threads) a"
                    " worker are fewer workers. Ray's logs on the node say more."
                ) from None
        else:
            self.failed = 0
            self.free.append(worker)

    def _finished(self, ref: Any) -> _Task | None:
        """Take a shard's outcome; the task where it has to be done again."""
        worker, task = self.running.pop(ref)
        try:
            done = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self._dismiss(worker)
            _raise_what_it_raised(self.ray, error)
            task.tries += 1
            if task.tries >= _TRIES:
                raise HeldoutError(
                    f"Shard {task.shard.number} of the test set '{task.shard.set_name}' ended"
                    f" {_TRIES} workers one after the other. A model that ends its process is one"
                    " reason, too little memory another (a smaller --batch-size helps, and more"
                    " --workers, the threads of a worker: fewer share a node). What was finished"
                    " is in the store."
                ) from None
            return task
        self.free.append(worker)
        self.say("done", done)
        return None

    def _dismiss(self, worker: Any) -> None:
        with contextlib.suppress(Exception):
            self.ray.kill(worker, no_restart=True)


def nodes(ray: Any) -> list[Node]:
    """The nodes that are alive."""
    out = []
    for n in ray.nodes():
        has = n["Resources"]
        if n["Alive"]:
            size = (has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0))
            out.append(Node(str(n.get("NodeManagerHostname", "")), *size))
    return out


def _raise_what_it_raised(ray: Any, error: Exception) -> None:
    """Raise what a worker's code raised; return where the worker was lost."""
    if "failed to import" in str(error):
        raise BadInput(
            f"A node of the cluster cannot load heldout: install heldout {__version__} with the"
            f" extras of the models and Python {sys.version.split()[0]} on every node."
        ) from None
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = getattr(error, "cause", None)
        raise cause if isinstance(cause, _SAYS) else error from None


def _connect(ray: Any, address: str) -> None:
    """Join the cluster at an address, or without one that of this machine, or begin one here."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address != "local":
        try:
            ray.init(address=address or "auto", **quiet)
            return
        except ConnectionError:
            if address:
                raise
    own: dict[str, Any] = {"num_cpus": cores(), "object_store_memory": _OBJECTS}
    ray.init(address="local", include_dashboard=False, **own, **quiet)


def main() -> None:
    """Serve the process that began this one, and end when it does.

    In: (address, sys.path), then (job, shards). Out: ('nodes', …), then ('workers', n) and ('done',
    Done) as they come, then ('end', None); or ('error', exception), ('failed', words).
    """
    asked = os.fdopen(os.dup(0), "rb")
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints where nobody is disturbed

    def say(kind: str, what: Any) -> None:
        answer.write(pickle.dumps((kind, what)))
        answer.flush()

    address, path = pickle.load(asked)
    sys.path += [p for p in path if p not in sys.path]
    mail: deque[tuple[Job, Sequence[Shard]]] = deque()
    came, ending = threading.Event(), threading.Event()
    main_thread = threading.get_ident()

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):
            mail.append(pickle.load(asked))
            came.set()
            asked.read(1)
        last = threading.Timer(15.0, os._exit, (1,))
        last.daemon = True
        last.start()
        if not ending.is_set():
            signal.pthread_kill(main_thread, signal.SIGINT)  # wakes it, whatever it waits for

    import ray

    threading.Thread(target=read, daemon=True).start()
    crew: Crew | None = None
    try:
        try:
            _connect(ray, address)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise ConnectionError(said[0].rstrip(".")) from error
        say("nodes", nodes(ray))
        came.wait()
        job, shards = mail.popleft()
        crew = Crew(ray, job, say)
        crew.work(shards)
        ending.set()
        say("end", None)
    except KeyboardInterrupt:
        pass
    except _SAYS as error:
        ending.set()
        with contextlib.suppress(BrokenPipeError):
            say("error", error)
    except BaseException:
        ending.set()
        with contextlib.suppress(BrokenPipeError):
            say("failed", traceback.format_exc())
    finally:
        if crew is not None:
            crew.end()
        ray.shutdown()
