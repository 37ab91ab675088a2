"""heldout run"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from heldout.cli.options import DEFAULT_STORE
from heldout.cli.progress import progress
from heldout.cli.show import entries, put, say

if TYPE_CHECKING:
    from heldout.engine.plan import Plan
    from heldout.engine.run import Done
    from heldout.engine.study import Study

_LISTED = 5
_MANY_PARTS = 20


def command(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="A study file (.toml), or test sets: NAME=PATH, NAME@CLASSES=PATH,"
            " NAME=PATH/SHIFT:NUMBER."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model's URI, such as timm:resnet50; repeatable."),
    ] = None,
    shifts: Annotated[
        list[str] | None,
        typer.Option("--shift", help="Run every test set under this, too: blur:1-3, imagenet-c."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", "-s", envvar="HELDOUT_STORE", help="The store: a folder or any fsspec URL."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its cost; run and store nothing.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", help="So many examples a set, evenly spread.", min=1)
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Threads; one a core by default.", min=1)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images a forward pass.", min=1)
    ] = None,
    shard_size: Annotated[
        int | None, typer.Option("--shard-size", help="Images a shard, what a kill costs.", min=1)
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="float32, bfloat16 or float16.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of random shifts; 0 by default.", min=0)
    ] = None,
    jpeg: Annotated[
        int | None,
        typer.Option("--jpeg", help="Compress corrupted images so, as published: 85.", min=1),
    ] = None,
    frost: Annotated[
        str | None, typer.Option("--frost", help="Folder with the photographs for frost.")
    ] = None,
    exif: Annotated[
        bool, typer.Option("--exif", help="Turn images as EXIF says; the field does not.")
    ] = False,
    scores: Annotated[
        bool, typer.Option("--scores", help="Store the score of every class, too.")
    ] = False,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Do not add the class-matched clean settings.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option("--shard", help="I/N: the I-th of N parts, for an array job.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="ray, or ray:ADDRESS: run on its nodes.")
    ] = None,
    gpus: Annotated[float, typer.Option("--gpus", help="GPUs a worker of the cluster.", min=0)] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace rows that were made otherwise.")
    ] = False,
) -> None:
    """Run models on images under shifts; killed, it resumes.

    Run any models on any test sets under any shifts, and store every prediction. What is in the
    store already is not run again; a killed run goes on where it was.

    Example:  heldout run cifar10-test=images/ -m onnx:net.onnx --shift blur:1-3
    """
    from heldout.engine.run import run
    from heldout.errors import BadInput

    flags = {
        "limit": limit,
        "workers": workers,
        "batch_size": batch_size,
        "shard_size": shard_size,
        "device": device,
        "precision": precision,
        "seed": seed,
        "jpeg": jpeg,
        "frost": frost,
    }
    switches = {"exif": exif or None, "scores": scores or None}
    given = {k: v for k, v in (flags | switches).items() if v is not None}
    if no_baselines:
        given["baselines"] = False
    study = study_of(targets or [], models or [], shifts or [], store, given)
    only = _part(shard)
    if replace and study.limit:
        raise BadInput(
            "--replace with --limit would leave only some examples of what is replaced; leave"
            " --limit out, or try the new model in another --store."
        )
    _together(shard, cluster, gpus)
    if dry_run:
        _dry_run(study, replace, only)
        return
    with progress("Run") as step:
        if cluster is not None:
            from heldout.engine.cluster import run_on

            plan, done = run_on(cluster, study, gpus=gpus, replace_rows=replace, progress=step)
        else:
            plan, done = run(study, replace_rows=replace, only=only, progress=step)
    _report(plan, done, study)


def study_of(
    targets: list[str],
    models: list[str],
    shifts: list[str],
    store: str | None,
    given: dict[str, Any],
    *,
    need_models: bool = True,
) -> Study:
    """The study of a file with flags in its keys' place, or one made of flags alone."""
    from dataclasses import replace

    from heldout.engine.study import Study, WantedModel, merged, parse_target
    from heldout.engine.study_file import read_study
    from heldout.errors import BadInput

    files = [t for t in targets if t.endswith(".toml") and "=" not in t]
    sets = [parse_target(t) for t in targets if t not in files]
    wanted = [WantedModel(uri) for uri in models]
    if len(files) > 1:
        raise BadInput(f"Give one study file, not {len(files)}: {', '.join(files)}.")
    if files:
        study = read_study(files[0])
        study = replace(
            study,
            models=(*study.models, *wanted),
            sets=merged((*study.sets, *sets), shifts),
            **given,
        )
        return study if store is None else replace(study, store=store)
    if not sets or (need_models and not wanted):
        raise BadInput(
            "A run needs test sets and models: heldout run NAME=PATH -m URI, or a study file:"
            " heldout run study.toml. `heldout models` lists the kinds of models, `heldout"
            " testsets` the sets that are known by name."
        )
    return Study(tuple(wanted), merged(sets, shifts), store or DEFAULT_STORE, **given)


def _part(text: str | None) -> tuple[int, int] | None:
    from heldout.errors import BadInput

    if text is None:
        return None
    i, slash, n = text.partition("/")
    if not slash or not i.isdigit() or not n.isdigit() or not 1 <= int(i) <= int(n):
        raise BadInput(f"--shard '{text}': write I/N with I from 1 to N, such as 3/16.")
    return int(i), int(n)


def _together(shard: str | None, cluster: str | None, gpus: float) -> None:
    """Raises BadInput for flags that do not go together."""
    from heldout.errors import BadInput

    if shard is not None and cluster is not None:
        raise BadInput(
            "--shard is for the jobs of a scheduler, each of which runs its part alone; --cluster"
            " divides the work itself. Leave one of them out."
        )
    if gpus and cluster is None:
        raise BadInput("--gpus is for --cluster ray. On this machine --device cuda chooses a GPU.")


def _dry_run(study: Study, replace: bool, only: tuple[int, int] | None) -> None:
    """The plan as a table and its cost in words."""
    from heldout.engine.loading import planned
    from heldout.engine.measure import cost_of
    from heldout.engine.resume import shards_to_do
    from heldout.engine.run import pairs
    from heldout.engine.summary import plan_table
    from heldout.store.files import Files
    from heldout.store.read import Store
    from heldout.store.schema import MARK

    with progress("Plan") as step:
        plan, models = planned(study, step)
        here = Store.open(study.store) if Files(study.store).exists(MARK) else None
        shards = shards_to_do(plan, here, replace=replace, only=only)
        step("measuring", 0.5)
        cost = cost_of(plan, models, shards)
    put(plan_table(plan), rows=0)
    say("Models, and what is done to an image for each:")
    entries([(f"  {n}", (a.preprocessing.in_words(),)) for n, a in plan.abouts.items()])
    left = pairs(plan) - cost.predictions
    say(
        f"To do: {cost.decoded:,} images to decode, {cost.shifted:,} to shift, {cost.forwards:,}"
        f" forward passes, {cost.predictions:,} predictions in {_many(cost.shards, 'shard')}"
        + (f" ({left:,} are in the store already)" if left and only is None else "")
        + (f", the models in {cost.passes} passes" if cost.passes > 1 else "")
        + f"; about {_bytes(cost.stored)} to store."
    )
    say(f"About {_time(cost.seconds)} on this machine, measured on {cost.sample:,} images.")
    for note in plan.notes:
        say(f"Note: {note.rstrip('.')}.")


def _report(plan: Plan, done: Done, study: Study) -> None:
    """What a run did, how the models did, and what to do next."""
    from heldout.engine.diagnosis import label_order
    from heldout.engine.summary import corruption_tables, result_table
    from heldout.store.read import Store

    speed = done.predictions / done.seconds if done.seconds > 0 else 0
    said = f"{done.predictions:,} predictions on {done.images:,} images"
    say(
        f"Stored {said} in {_time(done.seconds)} ({speed:,.0f} a second)."
        if done.predictions
        else "Nothing was left to run."
    )
    if done.there > 0 and done.there != done.predictions:
        say(f"{done.there:,} predictions of the plan were in the store already.")
    for note in plan.notes:
        say(f"Note: {note.rstrip('.')}.")
    if done.unreadable:
        say(
            f"{_many(len(done.unreadable), 'image')} could not be read; each is a row with an error"
            " and counts as wrong:"
        )
        for set_name, example, why in done.unreadable[:_LISTED]:
            say(f"  {set_name}: {example}: {why}")
        if len(done.unreadable) > _LISTED:
            say(f"  and {len(done.unreadable) - _LISTED:,} more")
    for model, bad in done.not_numbers.items():
        say(f"Model '{model}' gave scores that are not numbers for {bad:,} predictions.")
    for model in done.halved:
        say(f"Memory did not suffice for a whole batch of '{model}'; batches were halved.")
    table = result_table(plan, study.store)
    if table is not None:
        put(table)
    summed = corruption_tables(plan, study.store)
    for table in summed:
        put(table)
    here = Store.open(study.store)
    for finding in label_order(here, plan):
        say(
            f"{finding.says} Name the model's classes in the order of its outputs (?classes=FILE)"
            " or see to the class folders; `heldout check` looks closer."
        )
    parts = max(len({p.part for p in here.pieces(s.name)}) for s in plan.settings)
    if parts > _MANY_PARTS:
        say(
            f"A setting now has {parts} files; `heldout compact --store {study.store}` merges them."
        )
    corrupted = any(s.row.get("group") == "corruption" for s in plan.settings) and summed
    say(_next(study, "mce --by corruption" if corrupted else "results"))


def _next(study: Study, command: str) -> str:
    """What to do with the rows; a report wants all of them."""
    if study.limit:
        return (
            f"Next: heldout {command} --incomplete --store {study.store}. Without --limit the same"
            " command runs the rest."
        )
    return f"Next: heldout {command} --store {study.store}, or heldout report."


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
