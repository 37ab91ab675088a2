"""What an importer finds in a source, and putting it into a store.

An importer is a module with
    NAME         the name on the command line, such as 'cifar10.1'
    ABOUT        one line: what it is
    recognise(folder: Path) -> Path | None
                 the root of the published layout in or below `folder`, or None
    read(root: Path, choices: Choices) -> Bundle
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from heldout.errors import ConflictError, ImportFailed
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import (
    Written,
    write_labels,
    write_models,
    write_predictions,
    write_results,
    write_settings,
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked for. settings: only these (empty: all); repairs: mend known defects."""

    source: str = ""
    settings: tuple[str, ...] = ()
    repairs: bool = True
    prefix: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A label set to store; see `heldout.store.write.write_labels`."""

    name: str
    examples: Sequence[str]
    label: Any
    classes: Sequence[str]
    class_names: Sequence[str] | None = None
    any_of: Sequence[Sequence[int]] | None = None
    groups: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A block as read, with what was changed on the way in (a sentence each)."""

    block: Block
    repairs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """All that a source holds. `blocks` is lazy, so that one setting at a time is in memory.

    repairs: what was changed in labels and tables, a sentence each; notes: what the reader should
    know. Both go into the provenance of what is stored. hashes: digests of the source files.
    """

    format: str
    labels: Sequence[Labels] = ()
    settings: Sequence[Mapping[str, Any]] = ()
    models: Sequence[Mapping[str, Any]] = ()
    blocks: Iterable[Found] = ()
    results: pa.Table | None = None
    repairs: Sequence[str] = ()
    notes: Sequence[str] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an import did: per setting what was written, how many table cells, what was mended."""

    predictions: Mapping[str, Written]
    rows: int
    cells: int
    repairs: tuple[str, ...]
    notes: tuple[str, ...]


def put(
    store: Store,
    bundle: Bundle,
    choices: Choices,
    *,
    replace_rows: bool = False,
    progress: Callable[[str, int], None] = lambda name, rows: None,
) -> Stored:
    """Store a bundle: labels and settings first, so that a kill leaves rows that can be scored."""

    def origin(repairs: Sequence[str] = bundle.repairs) -> Provenance:
        return Provenance(
            choices.source, bundle.format, tuple(repairs), bundle.hashes, tuple(bundle.notes)
        )

    if not replace_rows:
        _refuse_other_labels(store, bundle, choices)
    for s in bundle.labels:
        write_labels(
            store, s.name, s.examples, s.label, s.classes, origin(),
            class_names=s.class_names, any_of=s.any_of, groups=s.groups, replace=replace_rows,
        )  # fmt: skip
    if bundle.settings:
        write_settings(store, bundle.settings, origin())
    if bundle.models:
        write_models(store, [{**m, "model": choices.prefix + m["model"]} for m in bundle.models],
                     origin())  # fmt: skip
    written: dict[str, Written] = {}
    repairs = list(bundle.repairs)
    rows = 0
    for found in bundle.blocks:
        block = found.block
        _must_have_labels(store, block, choices)
        named = replace(block, models=[choices.prefix + m for m in block.models])
        done = write_predictions(store, named, origin(found.repairs), replace=replace_rows)
        written[block.setting] = done
        repairs += found.repairs
        rows += len(done.stored) * len(block.examples)
        progress(block.setting, len(block.models) * len(block.examples))
    cells = 0
    if bundle.results is not None:
        table = bundle.results
        names = [choices.prefix + m for m in table["model"].to_pylist()]
        table = table.set_column(table.column_names.index("model"), "model", pa.array(names))
        write_results(store, table, origin(), replace=replace_rows)
        cells = len(table)
    return Stored(written, rows, cells, tuple(repairs), tuple(bundle.notes))


def _refuse_other_labels(store: Store, bundle: Bundle, choices: Choices) -> None:
    """Raise ConflictError when a setting that is there would be scored by another label set."""
    there = store.settings()
    for row in bundle.settings:
        old, new = there.get(row["setting"], {}).get("label_set"), row.get("label_set")
        if old and new and old != new:
            raise ConflictError(
                f"Setting '{row['setting']}' is scored by label set '{old}' in the store, but"
                f" '{choices.source}' brings '{new}'. Nothing was written. Use another --setting,"
                f" or --label-set {old}, or --replace to score it by the new labels."
            )


def _must_have_labels(store: Store, block: Block, choices: Choices) -> None:
    """Raise ImportFailed when not one example of a block is in its setting's label set."""
    if block.setting not in store.settings():
        return
    labels = store.label_set_of(block.setting)
    if labels is not None and not set(labels.examples) & set(block.examples):
        raise ImportFailed(
            f"'{choices.source}': none of its {len(block.examples)} example ids (such as"
            f" '{block.examples[0] if block.examples else ''}') is in the label set of setting"
            f" '{block.setting}' (such as '{labels.examples[0]}'). Ids must be spelled the same."
        )
