"""Running a plan on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from heldout.engine import answers as answering
from heldout.engine.allocator import keep_memory
from heldout.engine.answers import Answers, Batch, answers, batches_of
from heldout.engine.loading import Models, cores, memory, on_gpu, passes, planned
from heldout.engine.parts import Collected, write_shard, write_tables
from heldout.engine.pictures import Pictures, pictures
from heldout.engine.plan import Plan, Shard
from heldout.engine.resume import shards_to_do
from heldout.engine.stream import in_order
from heldout.engine.study import Study
from heldout.errors import BadInput
from heldout.images.decode import Decoding
from heldout.images.geometry import Geometry
from heldout.shifts.opencv import one_thread
from heldout.store.read import Store
from heldout.testsets.catalogue import known

Progress = Callable[[str, float], None]
SMALL_BATCH, CPU_BATCH, GPU_BATCH = 64, 16, 256
_SMALL = 64 * 64  # pixels of a picture that counts as small


@dataclass(slots=True)
class Done:
    """What a run did. predictions: rows written; there: rows that the store had already.

    unreadable: (test set, example, reason) of images without a picture; not_numbers: rows by model
    whose scores were not numbers; halved: models whose batches did not fit into memory.
    """

    predictions: int = 0
    there: int = 0
    images: int = 0
    shards: int = 0
    seconds: float = 0.0
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    not_numbers: dict[str, int] = field(default_factory=dict)
    halved: tuple[str, ...] = ()

    def add(self, other: Done) -> None:
        """Add what another run of the same plan did; `there` and `seconds` stay."""
        self.predictions += other.predictions
        self.images += other.images
        self.shards += other.shards
        self.unreadable += [u for u in other.unreadable if u not in self.unreadable]
        for model, bad in other.not_numbers.items():
            self.not_numbers[model] = self.not_numbers.get(model, 0) + bad
        self.halved = tuple(sorted({*self.halved, *other.halved}))


def run(
    study: Study,
    *,
    replace_rows: bool = False,
    only: tuple[int, int] | None = None,
    progress: Progress = lambda what, part: None,
) -> tuple[Plan, Done]:
    """Run what is left of a study and store it, shard by shard.

    only: (i, n), the i-th of n equal parts of the work. replace_rows: rows of the same names that
    were made otherwise are replaced. Raises HeldoutError; what was finished stays in the store.
    """
    plan, models = planned(study, lambda what, part: progress(what, 0.0))
    store = created(study)
    shards = shards_to_do(plan, store, replace=replace_rows, only=only)
    write_tables(store, plan, replace=replace_rows)
    done = execute(plan, models, store, shards, replace_rows=replace_rows, progress=progress)
    if only is None:
        done.there = pairs(plan) - sum(size_of(s) for s in shards)
    return plan, done


def created(study: Study) -> Store:
    """The study's store, made when it is not there; never inside a test set's folder."""
    here = os.path.realpath(study.store)
    for s in study.sets:
        if "://" not in study.store and here == os.path.realpath(s.source.path):
            raise BadInput(
                f"The store '{study.store}' would lie in the folder of test set '{s.name}'. Give"
                " another --store."
            )
    return Store.create(study.store)


def execute(
    plan: Plan,
    models: Models,
    store: Store,
    shards: Sequence[Shard],
    *,
    replace_rows: bool = False,
    groups: Sequence[Sequence[str]] | None = None,
    progress: Progress = lambda what, part: None,
) -> Done:
    """Run some shards of a plan here. groups: models that are in memory together, by what fits."""
    start = time.perf_counter()
    done = Done()
    total = max(sum(size_of(s) for s in shards), 1)
    answering.halved.clear()
    for group in groups or passes(plan.abouts, memory() // 2):
        mine = [s for shard in shards if (s := shard.of_models(group)) is not None]
        if not mine:
            continue
        models.keep(group)
        for finished, result in computed(plan, models, mine):
            if result is not None:
                done.images += result.images
                done.predictions += result.predictions
                speed = done.predictions / (time.perf_counter() - start)
                progress(f"{speed:,.0f} predictions/s", done.predictions / total)
            if finished is not None:
                write_shard(store, plan, finished, replace=replace_rows)
                _count(done, plan, finished)
    done.halved = tuple(sorted(answering.halved))
    done.seconds = time.perf_counter() - start
    progress("done", 1.0)
    return done


def computed(
    plan: Plan, models: Models, shards: Iterable[Shard], *, feed: bool | None = None
) -> Iterator[tuple[Collected | None, Answers | None]]:
    """Every batch's answers as they come, and every shard's when its last batch is there.

    feed: threads prepare the next batches while one is in the models, as a GPU wants it; otherwise
    each thread takes a batch all the way, as the cores of a CPU do best. None: by the device.
    """
    study = plan.study
    feed = on_gpu(study.device) if feed is None else feed
    workers = study.workers or cores()
    if not on_gpu(study.device):
        keep_memory()
    if any(s.shift for s in plan.settings):
        one_thread()  # the workers are the threads

    def prepare(batch: Batch) -> Pictures:
        entry = known(batch.shard.set_name)
        border = entry.border if entry is not None else 0
        names = dict.fromkeys(m for e in batch.shard.entries for m in e.models)
        geometries = list(dict.fromkeys(plan.geometry(m) for m in names))
        how = Decoding(exif=study.exif, border=border)
        return pictures(plan.sets[batch.shard.set_name], batch.rows, geometries, how)

    def whole(batch: Batch) -> Answers:
        return answers(plan, models, batch, prepare(batch))

    batches = (b for s in shards for b in batches_of(s, batch_size(plan)))
    results: Iterable[tuple[Batch, Answers]]
    if feed:
        ready = in_order(prepare, batches, workers, ahead=workers + 2)
        results = ((b, answers(plan, models, b, seen, shifting=workers)) for b, seen in ready)
    else:
        results = in_order(whole, batches, workers, ahead=workers + 1)
    collected: Collected | None = None
    for batch, result in results:
        if collected is None or collected.shard is not batch.shard:
            collected = Collected(batch.shard)
        collected.add(result)
        yield (collected if batch.last else None), result
        if batch.last:
            collected = None


def batch_size(plan: Plan) -> int:
    """Images a batch: as asked, else what was fastest; it depends on the study and the device only.

    On a CPU a batch should stay in the caches: 16 pictures of 224 pixels, 64 of 32 pixels.
    """
    if plan.study.batch_size:
        return plan.study.batch_size
    if on_gpu(plan.study.device):
        return GPU_BATCH
    return SMALL_BATCH if all(_is_small(plan.geometry(m)) for m in plan.abouts) else CPU_BATCH


def _is_small(geometry: Geometry | None) -> bool:
    if geometry is None:
        return False
    side = geometry.crop or geometry.resize
    h, w = side if isinstance(side, tuple) else (side or 224, side or 224)
    return h * w <= _SMALL


def pairs(plan: Plan) -> int:
    """Predictions of the whole plan: models × examples, over all settings."""
    return sum(len(s.rows) * len(plan.abouts) for s in plan.settings)


def size_of(shard: Shard) -> int:
    """Predictions of a shard."""
    return sum(len(e.models) * len(e.rows) for e in shard.entries)


def _count(done: Done, plan: Plan, finished: Collected) -> None:
    done.shards += 1
    ids = plan.sets[finished.shard.set_name].listing.examples
    seen = {(s, e) for s, e, _ in done.unreadable}
    for errors in finished.errors.values():
        for row, why in sorted(errors.items()):
            if (finished.shard.set_name, ids[row]) not in seen:
                seen.add((finished.shard.set_name, ids[row]))
                done.unreadable.append((finished.shard.set_name, ids[row], why))
    for (_, model), found in finished.rows.items():
        bad = sum(int(rows.bad.sum()) for _, rows in found)
        if bad:
            done.not_numbers[model] = done.not_numbers.get(model, 0) + bad
