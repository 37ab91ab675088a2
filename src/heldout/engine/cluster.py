"""The same plan on many machines: shards as tasks of a Ray cluster.

The driver plans and hands out shards; a worker process plans the same from the same study, keeps
its models loaded, and writes every shard that it finishes straight into the store. A shard's parts
are named by the work in them, and the first to be published stays, so that a shard that is done
twice (its node was believed lost, or the driver began again) is in the store once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from heldout.engine.loading import cores, planned
from heldout.engine.parts import write_tables
from heldout.engine.plan import Plan, Shard
from heldout.engine.resume import shards_to_do
from heldout.engine.run import Done, execute, pairs, size_of
from heldout.engine.study import Study
from heldout.errors import BadInput, HeldoutError
from heldout.store.read import Store

Progress = Callable[[str, float], None]
_TRIES = 4  # a shard that ended so many workers is not tried again
_AHEAD = 2  # shards waiting at every worker, so that none is idle between two


class Worker:
    """A worker process: test sets open, models loaded, both kept from shard to shard."""

    def __init__(self, study: Study, threads: int) -> None:
        from dataclasses import replace

        self.study = replace(study, workers=threads)
        self.plan, self.models = planned(self.study)
        self.store = Store.create(study.store)

    def run(self, shard: Shard, replace_rows: bool) -> Done:
        """Run one shard and store it."""
        return execute(self.plan, self.models, self.store, [shard], replace_rows=replace_rows)

    def ready(self) -> bool:
        """Answers when the models are loaded."""
        return True


def run_on(
    where: str,
    study: Study,
    *,
    gpus: float = 0,
    replace_rows: bool = False,
    progress: Progress = lambda what, part: None,
) -> tuple[Plan, Done]:
    """Run what is left of a study on a Ray cluster.

    where: 'ray' (a cluster on this machine, or the one that RAY_ADDRESS names) or 'ray:ADDRESS'.
    gpus: GPUs a worker asks for. The store must be at a URL that all nodes see. Raises BadInput
    where Ray is missing or cannot be reached, and what a shard raised.
    """
    ray = _ray()
    kind, _, address = where.partition(":")
    if kind != "ray":
        raise BadInput(f"--cluster '{where}': the one kind of cluster is ray, or ray:ADDRESS.")
    began = not ray.is_initialized()
    if began:
        _connect(ray, address)
    try:
        return _run(ray, study, gpus, replace_rows, progress)
    finally:
        if began:
            ray.shutdown()


def _run(
    ray: Any, study: Study, gpus: float, replace_rows: bool, progress: Progress
) -> tuple[Plan, Done]:
    start = time.perf_counter()
    plan, _ = planned(study, lambda what, part: progress(what, 0.0))
    store = Store.create(study.store)
    shards = shards_to_do(plan, store, replace=replace_rows)
    write_tables(store, plan)
    done = Done(there=pairs(plan) - sum(size_of(s) for s in shards))
    crew = _Crew(ray, study, gpus, replace_rows)
    total = max(sum(size_of(s) for s in shards), 1)
    for part in crew.work(shards):
        done.add(part)
        speed = done.predictions / (time.perf_counter() - start)
        progress(f"{speed:,.0f} predictions/s", done.predictions / total)
    done.seconds = time.perf_counter() - start
    progress("done", 1.0)
    return plan, done


class _Crew:
    """Worker actors, one for every slot of the cluster; a lost one is replaced."""

    def __init__(self, ray: Any, study: Study, gpus: float, replace_rows: bool) -> None:
        self.ray = ray
        self.replace_rows = replace_rows
        self.threads = study.workers or (1 if not gpus else max(1, cores() // 2))
        options = {"num_cpus": self.threads, "num_gpus": gpus, "max_restarts": 0}
        # Spread: a lost node then costs as few workers as possible.
        hired = ray.remote(Worker).options(**options, scheduling_strategy="SPREAD")
        self.make: Callable[[], Any] = lambda: hired.remote(study, self.threads)

    def slots(self) -> int:
        """How many workers the cluster can hold now."""
        there = self.ray.cluster_resources()
        return max(1, int(there.get("CPU", 1) // self.threads))

    def work(self, shards: Sequence[Shard]) -> Any:
        """Every shard's outcome, in the order in which they are finished."""
        waiting = list(reversed(shards))
        tries: dict[int, int] = {}
        team = [self.make() for _ in range(min(self.slots(), len(shards)))]
        running: dict[Any, tuple[Any, Shard]] = {}

        def give(worker: Any) -> None:
            while waiting and sum(w is worker for w, _ in running.values()) < _AHEAD:
                shard = waiting.pop()
                running[worker.run.remote(shard, self.replace_rows)] = (worker, shard)

        for worker in team:
            give(worker)
        while running:
            finished, _ = self.ray.wait(list(running), num_returns=1)
            worker, shard = running.pop(finished[0])
            try:
                outcome = self.ray.get(finished[0])
            except self.ray.exceptions.RayActorError as error:
                waiting.append(shard)
                tries[shard.number] = tries.get(shard.number, 0) + 1
                if tries[shard.number] >= _TRIES:
                    raise BadInput(
                        f"Shard {shard.number} of '{shard.set_name}' ended {_TRIES} workers one"
                        f" after the other ({str(error).splitlines()[0]}). Too little memory is the"
                        " usual reason: use a smaller --batch-size or fewer --workers."
                    ) from error
                if worker in team:
                    team.remove(worker)
                    team.append(self.make())
                for w in team:
                    give(w)
                continue
            except self.ray.exceptions.RayTaskError as error:
                cause = error.cause
                raise cause if isinstance(cause, HeldoutError) else error from None
            yield outcome
            give(worker)


def _connect(ray: Any, address: str) -> None:
    import logging
    import os

    address = address or os.environ.get("RAY_ADDRESS", "")
    try:
        ray.init(
            address=address or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if not address else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        there = f"at '{address}'" if address else "on this machine"
        raise BadInput(
            f"No Ray cluster could be reached or begun {there}: {str(error).splitlines()[0]}. Begin"
            " one with `ray start --head`, or leave --cluster out."
        ) from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise BadInput(
            "--cluster ray needs Ray, which is not installed: pip install 'heldout[ray]'. Without"
            " it, --shard I/N divides the work among the jobs of any scheduler."
        ) from error
    return ray
