"""The sections after the explorer: run an analysis for each pair, or say why it cannot be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from heldout.analysis.cells import Cells
from heldout.analysis.corruption_settings import Variant, variants
from heldout.analysis.gap import gap
from heldout.analysis.lacking import named
from heldout.analysis.robustness import robustness
from heldout.errors import HeldoutError
from heldout.report.choose import Choice
from heldout.report.classes import class_losses
from heldout.report.corruptions import corruption_document
from heldout.report.documents import document
from heldout.report.html import Section
from heldout.report.likeness import likeness
from heldout.report.synthetic import synthetic_document
from heldout.store.read import Store
from heldout.table import Table


@dataclass(frozen=True, slots=True)
class Options:
    """What all analyses of a report share."""

    metric: str
    level: float
    seed: int
    scale: str
    population: str | None
    against: str | None = None


@dataclass(slots=True)
class Pages:
    """What is collected on the way: documents of the page, tables behind it, what is absent."""

    models: Sequence[str]
    documents: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


Made = tuple[Table, dict[str, Any]]


def build(
    store: Store, cells: Cells, choice: Choice, options: Options
) -> tuple[Pages, list[Section]]:
    """All sections in order, with the documents and tables behind them."""
    pages = Pages(cells.models)
    sections = [
        _gaps(store, choice, options, pages),
        _shifts(store, choice, options, pages),
        *_corruptions(store, cells, options, pages),
        _similarities(store, cells, choice, pages),
        _classes(store, choice, options, pages),
    ]
    return pages, sections


def _gaps(store: Store, choice: Choice, options: Options, pages: Pages) -> Section:
    def one(original: str, new: str) -> Made:
        table = gap(store, original, new, metric=options.metric, population=options.population,
                    level=options.level, seed=options.seed)  # fmt: skip
        return table, document(
            table, pages.models, file=f"gap-{new}", pair=(original, new),
            picture={"column": "gap"}, sort=("original", True),
        )  # fmt: skip

    section = Section(
        "gap", "Gap",
        "Accuracy on the original test set minus accuracy on a new one made the same way, for"
        " every model, with ranks. Choose a model to highlight it in the explorer.",
        "tables", word="Original → new",
        absent=_not_run(store)
        or "No setting of this store says which test set it replicates (`original`) or"
        " comes from (`baseline`), so there is no gap to show; name the pair with --original"
        " and --new.",
    )  # fmt: skip
    return _fill(section, pages, ((f"{a} → {b}", _later(one, a, b)) for a, b in choice.gaps))


def _shifts(store: Store, choice: Choice, options: Options, pages: Pages) -> Section:
    def one(x: str, y: str) -> Made:
        table = robustness(
            store, x, y, population=options.population, scale=options.scale,
            metric=options.metric, level=options.level, seed=options.seed,
        )  # fmt: skip
        return table, document(
            table, pages.models, file=f"robustness-{y}", pair=(x, y),
            picture={"column": "effective_robustness"}, sort=("effective_robustness", True),
        )  # fmt: skip

    section = Section(
        "robustness", "Effective robustness",
        "How much more accurate a model is under a shift than models of its accuracy without it:"
        " its distance above the line. Zero is what the line predicts.",
        "tables", word="Shift",
        absent=_not_run(store)
        or "No setting of this store names its baseline, so effective robustness has no line;"
        " name two settings with --x and --y.",
    )  # fmt: skip
    return _fill(section, pages, ((f"{y} given {x}", _later(one, x, y)) for x, y in choice.shifts))


def _corruptions(store: Store, cells: Cells, options: Options, pages: Pages) -> list[Section]:
    """Two sections where a store has corruptions; none where it has not, or for another metric."""
    found = variants(store) if options.metric == "top-1" else []
    if not found:
        return []

    def one(variant: Variant) -> Made:
        return corruption_document(
            store, cells, variant, pages.models, options.level, options.against
        )

    def against() -> Made:
        return synthetic_document(
            store, cells, pages.models, population=options.population, level=options.level
        )

    corruptions = Section(
        "corruptions", "Corruptions",
        "Error under the corruptions of ImageNet-C. Each choice is one test set, one implementation"
        " and one medium: errors in memory are smaller than those on published JPEG files, so"
        " numbers of two choices cannot be compared.",
        "corruptions", word="Images",
    )  # fmt: skip
    synthetic = Section(
        "synthetic", "Synthetic and natural shifts",
        "Does robustness to synthetic shifts go with robustness to natural ones? Each mark is a"
        " model outside the baseline: its effective robustness, what it is more accurate than the"
        " baseline's line predicts, to the one and to the other.",
        "synthetic", word="Shift",
    )  # fmt: skip
    return [
        _fill(corruptions, pages, ((v.words, _later(one, v)) for v in found)),
        _fill(synthetic, pages, [("all pairs", against)]),
    ]


def _similarities(store: Store, cells: Cells, choice: Choice, pages: Pages) -> Section:
    one = bool(store.settings_with_predictions())
    why = (
        "no setting of this store has those of more than one"
        if one
        else "this store holds published accuracies only"
    )
    section = Section(
        "similarity", "Similarity",
        "How often two models are right on the same examples and wrong on the same examples.",
        "heatmap", word="Setting",
        absent=f"Similarity needs per-example predictions of two models or more; {why}.",
    )  # fmt: skip
    made = ((s, _later(likeness, store, cells, s)) for s in choice.similar)
    return _fill(section, pages, made)


def _classes(store: Store, choice: Choice, options: Options, pages: Pages) -> Section:
    def one(original: str, new: str) -> Made:
        table = class_losses(store, original, new, metric=options.metric, level=options.level)
        return table, document(
            table, pages.models, file=f"classes-{new}", pair=(original, new),
            picture={"from": "original", "to": "new"}, sort=("lost", True),
        )  # fmt: skip

    section = Section(
        "classes", "Classes",
        "Accuracy on each class, averaged over models: ring, the original; dot, the new test set.",
        "tables", word="Original → new",
        absent="Accuracy per class needs per-example predictions on an original and a new test set"
        " with the same classes; this store has no such pair.",
    )  # fmt: skip
    predicted = set(store.settings_with_predictions())
    pairs = [p for p in choice.gaps if set(p) <= predicted]
    return _fill(section, pages, ((f"{a} → {b}", _later(one, a, b)) for a, b in pairs))


def _not_run(store: Store) -> str:
    """A sentence where settings name a baseline that is not in the store; else ''."""
    known = store.settings()
    gone = {str(r["baseline"]) for r in known.values() if r.get("baseline")} - set(known)
    if not gone:
        return ""
    return (
        f"The clean setting that others come from is not in this store ({named(sorted(gone))}), so"
        " there is nothing to compare with: run it, too."
    )


def _later(make: Callable[..., Made], *arguments: Any) -> Callable[[], Made]:
    return lambda: make(*arguments)


def _fill(
    section: Section, pages: Pages, made: Iterable[tuple[str, Callable[[], Made]]]
) -> Section:
    """The section with what could be made; what could not becomes a sentence."""
    shown, said = [], []
    for i, (label, make) in enumerate(made):
        try:
            table, drawn = make()
        except HeldoutError as error:
            said.append(str(error))
            continue
        name = f"{section.id}-{i}"
        pages.tables.append(table)
        pages.documents[name] = drawn
        shown.append((name, label))
    absent = "" if shown else (said[0] if said else section.absent)
    pages.absent += said or ([absent] if absent else [])
    return Section(section.id, section.title, section.lead, section.kind, shown, absent,
                   word=section.word)  # fmt: skip
