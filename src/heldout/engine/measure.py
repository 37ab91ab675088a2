"""What a plan will cost: counts from the plan, seconds from a short measurement on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heldout.engine.answers import batches_of
from heldout.engine.loading import Models, cores, memory, passes
from heldout.engine.plan import Entry, Plan, Shard
from heldout.engine.run import batch_size, computed

_SECONDS = 4.0
BYTES_A_ROW = 9.0  # measured on stores of runs: class, four places after it, confidence, example


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of what is left. decoded: images to decode; forwards: images through models;
    predictions: rows; stored: bytes; seconds: on this machine, measured on `sample` images."""

    shards: int
    decoded: int
    shifted: int
    forwards: int
    predictions: int
    stored: int
    passes: int
    seconds: float
    sample: int


def cost_of(plan: Plan, models: Models, shards: Sequence[Shard]) -> Cost:
    """Count what the shards take and measure how long it will take here."""
    groups = passes(plan.abouts, memory() // 2)
    decoded = shifted = forwards = predictions = 0
    for group in groups:
        for shard in (s for whole in shards if (s := whole.of_models(group)) is not None):
            counts = _counts(plan, shard)
            decoded += counts[0]
            shifted += counts[1]
            forwards += counts[2]
            predictions += counts[3]
    seconds, sample = _measured(plan, models, shards)
    stored = int(predictions * BYTES_A_ROW) + 4_000 * sum(len(s.entries) for s in shards)
    return Cost(
        len(shards), decoded, shifted, forwards, predictions, stored, len(groups), seconds, sample
    )


def _counts(plan: Plan, shard: Shard) -> tuple[int, int, int, int]:
    """Images decoded, images shifted, forward passes and rows of a shard."""
    shifted: dict[tuple[str, object], set[int]] = {}
    forwards: dict[tuple[str, str], set[int]] = {}
    for e in shard.entries:
        shift = plan.setting(e.setting).shift
        for m in e.models:
            forwards.setdefault((shift, m), set()).update(e.rows)
            if shift:
                shifted.setdefault((shift, plan.geometry(m)), set()).update(e.rows)
    rows = sum(len(e.models) * len(e.rows) for e in shard.entries)
    return (
        len(shard.rows),
        sum(map(len, shifted.values())),
        sum(map(len, forwards.values())),
        rows,
    )


def _measured(plan: Plan, models: Models, shards: Sequence[Shard]) -> tuple[float, int]:
    """Seconds for all shards, from a sample of every test set run as the real thing is run.

    The sample is a batch for every thread, spread over the set, doubled until it has run a second
    or so; the first run, which warms up libraries and caches, does not count.
    """
    seconds, sample = 0.0, 0
    for set_name in dict.fromkeys(s.set_name for s in shards):
        mine = [s for s in shards if s.set_name == set_name]
        rows = sum(len(s.rows) for s in mine)
        study = plan.study
        batch = batch_size(plan)
        lanes = study.workers or cores()
        blocks = _blocks(mine, batch)
        _consume(plan, models, _spread(blocks, lanes))
        took, used, want = 0.0, 0, lanes
        while took < _SECONDS / 4 and used < rows:
            some = _spread(blocks, want)
            start = time.perf_counter()
            _consume(plan, models, some)
            took = time.perf_counter() - start
            used = sum(len(s.rows) for s in some)
            want *= 2
        work = sum(_work(s) for s in mine)
        seconds += took * work / max(sum(_work(s) for s in some), 1)
        sample += used
    return seconds, sample


def _consume(plan: Plan, models: Models, shards: Iterable[Shard]) -> None:
    for _ in computed(plan, models, shards):
        pass


def _work(shard: Shard) -> int:
    return sum(len(e.models) * len(e.rows) for e in shard.entries)


def _blocks(shards: Sequence[Shard], batch: int) -> list[tuple[Shard, tuple[int, ...]]]:
    """Every batch of the shards."""
    return [(b.shard, b.rows) for s in shards for b in batches_of(s, batch)]


def _spread(blocks: Sequence[tuple[Shard, tuple[int, ...]]], count: int) -> list[Shard]:
    """About `count` of the blocks, evenly spread, each as a shard of the same make-up."""
    count = min(count, len(blocks))
    out = []
    for i in range(count):
        shard, rows = blocks[i * len(blocks) // count]
        keep = set(rows)
        entries = tuple(
            Entry(e.setting, e.models, mine)
            for e in shard.entries
            if (mine := tuple(r for r in e.rows if r in keep))
        )
        if entries:
            out.append(Shard(shard.set_name, shard.number, entries))
    return out
