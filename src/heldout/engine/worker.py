"""A worker of a cluster: what it is given, what it must see as the one who gives it, its shards."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heldout import __version__
from heldout.engine.loading import Models, opened, placement_of
from heldout.engine.plan import Plan, Shard, digest_of, make_plan
from heldout.engine.run import Done, execute
from heldout.engine.study import Study
from heldout.errors import BadInput, HeldoutError
from heldout.images.decode import decoder
from heldout.models.classifier import About
from heldout.shifts.opencv import version
from heldout.store.files import Files
from heldout.store.read import Store

_VERSIONS = ("heldout", "the decoder of images", "what shifts images")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that a worker needs beside its shards. study: its workers are the threads of a worker.

    groups: models that are in memory together; token: a file that the one who asks made in the
    store; seen: what the worker has to see as the one who asks does (`seen_of`).
    """

    study: Study
    abouts: Mapping[str, About]
    uris: Mapping[str, str]
    groups: Sequence[Sequence[str]]
    gpus: float
    replace_rows: bool
    folder: str
    token: str
    seen: Mapping[str, str]


def seen_of(plan: Plan) -> dict[str, str]:
    """What must be the same on every machine of a run, by its name for people."""
    shifts = version() if any(s.shift for s in plan.settings) else "not needed"
    seen = dict(zip(_VERSIONS, (__version__, decoder(), shifts), strict=True))
    for name, there in plan.sets.items():
        seen[f"the examples of the test set '{name}'"] = digest_of(there.listing)
    for s in plan.settings:
        marks = "".join(f"{m} {s.fingerprints[m]} " for m in sorted(s.fingerprints))
        seen[f"the plan for the setting '{s.name}'"] = marks
    return seen


class Worker:
    """A worker process: test sets open, models loaded, both kept from shard to shard."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def prepare(self) -> str:
        """Open the test sets, see that all is as it should be, load models; the node's name.

        Raises HeldoutError with that name in it: where the work was planned, it could be done.
        """
        host = socket.gethostname()
        with contextlib.suppress(OSError):  # what is missing then is said by its own name
            os.chdir(self.job.folder)
        try:
            self._open()
            self._hold(self.job.groups[0])
        except HeldoutError as error:
            raise type(error)(f"On the node {host}: {error}") from error
        return host

    def run(self, shard: Shard) -> Done:
        """Run one shard, whose models are of one group, and store it."""
        group = next(g for g in self.job.groups if shard.entries[0].models[0] in g)
        self._hold(group)
        groups, replace_rows = [list(group)], self.job.replace_rows
        return execute(
            self.plan, self.models, self.store, [shard], replace_rows=replace_rows, groups=groups
        )

    def _open(self) -> None:
        job = self.job
        if not Files(job.study.store).exists(job.token):
            raise BadInput(
                f"the store '{job.study.store}' is not the one that heldout was begun with. All"
                " nodes have to see one store: use a shared folder or a URL, such as s3://…."
            )
        self.store = Store.open(job.study.store)
        self.models = Models(job.uris, placement_of(job.study))
        self.plan = make_plan(job.study, opened(job.study), job.abouts)
        here = seen_of(self.plan)
        for what, there in job.seen.items():
            if here.get(what) != there:
                facts = f" ({here[what]}, not {there})" if what in _VERSIONS else ""
                raise BadInput(
                    f"{what} is not the same as where heldout was begun{facts}. All nodes need the"
                    " same files and the same versions."
                )

    def _hold(self, group: Sequence[str]) -> None:
        """Have the models of a group in memory, and no others."""
        self.models.keep(group)
        for name in group:
            if self.models(name).about.weights != self.job.abouts[name].weights:
                raise BadInput(
                    f"the model '{name}' has other weights than where heldout was begun. All nodes"
                    f" have to see the same file: {self.job.uris[name]}"
                )
