"""heldout import"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heldout.cli.options import DEFAULT_STORE, StoreOption, split
from heldout.cli.progress import Step, progress
from heldout.cli.show import say

if TYPE_CHECKING:
    from heldout.imports.bundle import Bundle, Choices, Stored
    from heldout.store.read import Store


def command(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders or archives, or names of published sources: imagenetv2, cifar10.1,"
            " imagenet-testbed, timm, open_clip."
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="Take published files from this folder or address."),
    ] = None,
    models_file: Annotated[
        str | None,
        typer.Option("--models", help="Model metadata: a CSV or Parquet with a column 'model'."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--setting", help="The setting a file is for; of a published source, only these."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="The model a file is of; of others, only these."),
    ] = None,
    repairs: Annotated[
        bool,
        typer.Option("--repairs/--no-repairs", help="Mend known defects of published files."),
    ] = True,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put new rows in the place of different old ones.")
    ] = False,
    prefix: Annotated[
        str, typer.Option("--prefix", help="Put this before every model's name.")
    ] = "",
    labels: Annotated[
        str | None, typer.Option("--labels", help="A file of labels, joined by example id.")
    ] = None,
    label_set: Annotated[
        str | None, typer.Option("--label-set", help="Name of the label set; default: setting.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="The classes: a file, or their number.")
    ] = None,
    class_numbers: Annotated[
        str | None,
        typer.Option("--class-numbers", help="Numbers are the class's 'position' or its 'name'."),
    ] = None,
    example: Annotated[
        str | None, typer.Option("--example", help="Column with the example's id.")
    ] = None,
    predicted: Annotated[
        str | None, typer.Option("--predicted", help="Column with the predicted class.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column with the label.")] = None,
    confidence: Annotated[
        str | None, typer.Option("--confidence", help="Column with the confidence.")
    ] = None,
    model_column: Annotated[
        str | None, typer.Option("--model-column", help="Column that says which model.")
    ] = None,
    setting_column: Annotated[
        str | None, typer.Option("--setting-column", help="Column that says which setting.")
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option("--scores", help="Start of the names of score columns, or their list."),
    ] = None,
    wide: Annotated[
        str | None, typer.Option("--wide", help="Columns that each are a model; * for all.")
    ] = None,
    score_kind: Annotated[
        str | None,
        typer.Option("--score-kind", help="logits, probabilities, log-probabilities or scores."),
    ] = None,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Store all scores, not only the top ones.")
    ] = False,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="What separates columns of a text file.")
    ] = None,
    mend: Annotated[
        list[str] | None,
        typer.Option(
            "--mend",
            help="Mend what `heldout doctor` found, e.g."
            " class-order=string-sorted or worst-first; repeatable, in order.",
        ),
    ] = None,
) -> None:
    """Put predictions or published accuracies into the store.

    Put predictions or published accuracies into the store, with their provenance.

    Example:  heldout import cifar10.1 --mirror ~/Downloads/CIFAR-10.1

    Example:  heldout import preds.csv --setting my-test --model my-net --labels labels.csv
    """
    from heldout.errors import BadInput
    from heldout.imports.bundle import Choices, put
    from heldout.store.files import Files
    from heldout.store.provenance import Provenance
    from heldout.store.read import Store
    from heldout.store.schema import MARK
    from heldout.store.write import init, write_models

    if not sources and models_file is None:
        raise BadInput("Say what to import: a file, a folder, or a published source such as"
                       " cifar10.1 (see heldout import --help).")  # fmt: skip
    spec = {
        "label_set": label_set, "labels": labels, "classes": _number_or_path(classes),
        "class_numbers": class_numbers, "example": example, "predicted": predicted, "label": label,
        "confidence": confidence, "model_column": model_column, "setting_column": setting_column,
        "scores": _columns(scores), "wide": tuple(split([wide]) or ()) if wide else None,
        "score_kind": score_kind, "keep_scores": keep_scores or None, "delimiter": delimiter,
        "drop_repeats": "drop-padding" in (mend or ()) or None,
    }  # fmt: skip
    mends = [how for how in mend or () if how != "drop-padding"]
    # The store is made when there is something to put into it, not before a file could be read.
    files = Files(store)
    here = Store.open(store) if files.exists(MARK) else Store(files)
    for source in sources or ():
        with _located(source, mirror) as (name, found):
            choices = Choices(name, tuple(split(settings) or ()), repairs, prefix)
            bundle = _bundle(found, here, choices, split(models), spec)
            bundle = _narrowed(bundle, here, split(models), mends)
            init(files)
            with progress("Import") as step:
                done = put(here, bundle, choices, replace_rows=replace,
                           progress=_counter(step, max(len(bundle.settings), 1)))  # fmt: skip
            _say(name, bundle, done)
    if models_file is not None:
        from heldout.imports.model_metadata import read_models

        rows = read_models(models_file)
        init(files)
        write_models(here, rows, Provenance(models_file, "models"))
        typer.echo(f"Metadata of {len(rows):,} models from {models_file}.")


@contextmanager
def _located(source: str, mirror: str | None) -> Iterator[tuple[str, Path]]:
    """A source's name for provenance, and where its files are."""
    from heldout.errors import BadInput
    from heldout.imports import fetch, formats
    from heldout.imports.source import opened

    if source in fetch.NAMES and (mirror is not None or not Path(source).exists()):
        if mirror is not None and "://" not in mirror and not Path(mirror).expanduser().exists():
            raise BadInput(f"--mirror '{mirror}' is not there.")
        if mirror is not None and Path(mirror).is_dir() and not any(Path(mirror).iterdir()):
            raise BadInput(f"--mirror '{mirror}' is an empty folder.")
        with progress(f"Fetch {source}") as step:
            path = fetch.fetched(
                source, mirror, progress=lambda done, total: step("files", done / max(total, 1))
            )
        yield mirror or fetch.address(source), path
        return
    if mirror is not None:
        raise BadInput(f"--mirror goes with a published source ({', '.join(fetch.NAMES)}); for"
                       f" '{source}' give the path itself.")  # fmt: skip
    if not Path(source).expanduser().exists() and "/" not in source and "." not in source:
        formats.load(source)  # a mistyped name gets near matches
    with opened(source) as path:
        yield source, path


def _bundle(
    found: Path, store: Store, choices: Choices, models: list[str] | None, spec: dict[str, Any]
) -> Bundle:
    """What the files hold: in a published format if they are in one, else as a table."""
    from heldout.errors import BadInput, ImportFailed
    from heldout.imports import formats
    from heldout.imports.generic import GenericSpec, read_table

    known = formats.recognise(found)
    given = {k: v for k, v in spec.items() if v is not None}
    if known is not None:
        if given:
            flags = ", ".join(f"--{k.replace('_', '-')}" for k in given)
            raise BadInput(f"'{choices.source}' is {known[0].ABOUT}; {flags} are for files in no"
                           " published format.")  # fmt: skip
        return known[0].read(known[1], choices)
    if found.is_dir():
        raise ImportFailed(
            f"'{choices.source}' is not in a published format that heldout knows"
            f" ({', '.join(formats.names())}). For a file of predictions give the file itself."
        )
    if len(choices.settings) > 1 or len(models or ()) > 1:
        raise BadInput("A file of predictions takes one --setting and one --model; columns that say"
                       " which are named with --setting-column and --model-column.")  # fmt: skip
    if choices.settings:
        given["setting"] = choices.settings[0]
        given = _as_stored(store, choices.settings[0], given)
    given["model"] = models[0] if models else found.stem
    return read_table(found, GenericSpec(**given))


def _as_stored(store: Store, setting: str, given: dict[str, Any]) -> dict[str, Any]:
    """A setting that the store has brings its name, label set and classes along."""
    from heldout.errors import NotFound

    try:
        name = store.resolve(setting)
    except NotFound:
        return given
    labels = store.label_set_of(name)
    if labels is None or "classes" in given or "labels" in given:
        return given | {"setting": name}
    return given | {"setting": name, "classes": labels.classes, "label_set": labels.name}


def _narrowed(bundle: Bundle, store: Store, models: list[str] | None, mends: list[str]) -> Bundle:
    """The bundle with some models only, and mended."""
    from dataclasses import replace

    from heldout.imports.bundle import Found

    of_labels = [how for how in mends if how.startswith(("label-order=", "shift-labels="))]
    if of_labels:
        relabelled = [_relabelled(labels, of_labels) for labels in bundle.labels]
        bundle = replace(bundle, labels=relabelled)
        mends = [how for how in mends if how not in of_labels]
    if not mends and not (models and bundle.format != "table"):
        return bundle

    def blocks() -> Iterator[Found]:
        for found in bundle.blocks:
            block, said = found.block, list(found.repairs)
            if models and bundle.format != "table":
                rows = [i for i, m in enumerate(block.models) if m in models]
                if not rows:
                    continue
                block = block.take(rows)
            for how in mends:
                block = _mended(block, how, bundle, store)
                said.append(f"{block.setting}: mended by --mend {how}")
            yield Found(block, said)

    return replace(bundle, blocks=blocks())


def _relabelled(labels: Any, mends: list[str]) -> Any:
    """A label set with mends of its labels applied, in order."""
    from dataclasses import replace

    import numpy as np

    from heldout.analysis.doctor.mend import Classes, apply_to_labels
    from heldout.analysis.doctor.orders import order_listed

    for how in mends:
        label = np.asarray(labels.label)
        word, _, value = how.partition("=")
        if word == "label-order" and Path(value).is_file():
            means = order_listed(Path(value).read_text().split("\n"), labels.classes)
            mended = np.asarray(means)[label]
        else:
            names = labels.class_names or labels.classes
            mended = apply_to_labels(how, Classes(labels.classes, names, label))
        labels = replace(labels, label=mended)
    return labels


def _mended(block: Any, how: str, bundle: Bundle, store: Store) -> Any:
    """A block with one mend applied, going by the label set it comes with or the store has."""
    import numpy as np

    from heldout.analysis.doctor.mend import Classes, apply, class_order_listed
    from heldout.errors import BadInput

    name = next(
        (s.get("label_set") for s in bundle.settings if s["setting"] == block.setting), None
    )
    mine = next((s for s in bundle.labels if s.name == name), None)
    stored = store.label_set_of(block.setting) if block.setting in store.settings() else None
    if mine is not None:
        ids, names, examples, label = mine.classes, mine.class_names, mine.examples, mine.label
    elif stored is not None:
        ids, names, examples = stored.classes, stored.class_names, stored.examples
        label = stored.label
    else:
        raise BadInput(f"--mend {how}: setting '{block.setting}' has no label set to go by.")
    of = dict(zip(examples, label, strict=True))
    along = [int(of.get(e, -1)) for e in block.examples]
    known = Classes(ids, names or ids, np.array(along))
    word, _, value = how.partition("=")
    if word == "class-order" and Path(value).is_file():
        return class_order_listed(block, Path(value).read_text().split("\n"), known)
    return apply(block, how, known)


def _number_or_path(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdigit() else text


def _columns(text: str | None) -> str | tuple[str, ...] | None:
    return tuple(split([text]) or ()) if text is not None and "," in text else text


def _counter(step: Step, settings: int) -> Any:
    done = 0

    def count(setting: str, _: int) -> None:
        nonlocal done
        done += 1
        step(setting, done / settings)

    return count


def models_in_words(n: int) -> str:
    """'1 model', '30 models'."""
    return f"{n} model{'' if n == 1 else 's'}"


def _say(name: str, bundle: Bundle, done: Stored) -> None:
    """What was stored, what was there already, what was mended."""
    for setting, written in done.predictions.items():
        parts = []
        if written.stored:
            parts.append(f"{models_in_words(len(written.stored))} stored")
        if written.unchanged:
            parts.append(f"{models_in_words(len(written.unchanged))} there already")
        say(f"{setting}: {', '.join(parts) or 'nothing new'}.")
    if done.cells:
        say(f"{done.cells:,} published accuracies ({bundle.format}).")
    if done.rows:
        say(f"{done.rows:,} predictions from {name}.")
    for text in done.repairs:
        say(f"Repaired: {text}.")
    for text in done.notes:
        say(f"Note: {text.rstrip('.')}.")
