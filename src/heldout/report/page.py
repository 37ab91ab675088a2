"""`write_report`: a store in, one HTML file out."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from heldout import __version__
from heldout.analysis.cells import Cells, accuracies
from heldout.analysis.corruption_limits import PUBLISHED
from heldout.analysis.corruption_settings import variants
from heldout.analysis.lacking import lacking_notes
from heldout.analysis.population import select
from heldout.errors import BadInput, not_found
from heldout.report.choose import Choice, choose
from heldout.report.data import DRAWS, explorer_data
from heldout.report.html import Section, assemble
from heldout.report.methods import Made, methods, references
from heldout.report.sections import Options, Pages, build
from heldout.report.sheet import sheet_section
from heldout.stats.arguments import check_level
from heldout.stats.scale import check_scale
from heldout.store.read import Store


@dataclass(frozen=True, slots=True)
class ReportDone:
    """Where the report is, its size, and what it could not show, a sentence each."""

    path: str
    bytes: int
    notes: tuple[str, ...]


def write_report(
    store: Store,
    path: str,
    *,
    title: str | None = None,
    original: str | None = None,
    new: str | None = None,
    x: str | None = None,
    y: str | None = None,
    population: str | None = None,
    family: str | None = None,
    scale: str = "probit",
    metric: str = "top-1",
    level: float = 0.95,
    seed: int = 0,
    command: str | None = None,
    image: str | None = None,
    against: str | None = None,
) -> ReportDone:
    """Write the report; the same store and arguments give the same bytes.

    original, new: the pair of the gap table (default: settings that say what they replicate). x, y:
    the first view of the explorer. population: an SQL condition for the baseline (default: all
    models). family: the metadata column of the colours. command: how to repeat it, in the reader's
    words. image: a picture to show under every corruption. against: the model that mCE is divided
    by, or 'published', where a variant of the corruptions has it. An analysis that the store cannot
    support becomes a sentence in the page and a note; so do models that lack rows. Raises NotFound
    for unknown names, BadInput for an empty store or a path that cannot be written.
    """
    options = Options(metric, check_level(level, "report"), seed,
                      check_scale(scale, "report"), population, against)  # fmt: skip
    cells = accuracies(store, None, metric)
    _check_against(store, cells, against, metric)
    choice = choose(store, cells, original=original, new=new, x=x, y=y, family=family)
    members = select(store, cells, population)
    if not members:
        raise BadInput(f"No model meets the condition {population!r}; nothing to fit.")
    asked = {"original": original, "new": new, "x": x, "y": y, "population": population,
             "family": family, "title": title, "image": image,
             "against": against}  # fmt: skip
    shown = [sheet_section(image, seed)] if image else []
    pages, sections = build(store, cells, choice, options)
    data = explorer_data(store, cells, choice, scale=scale, condition=population, members=members,
                         level=level, seed=seed)  # fmt: skip
    made = Made(
        pages.tables,
        list(dict.fromkeys([*cells.notes, *pages.absent])),
        _settings(choice, options),
        command or _command(store, path, asked, options),
    )
    page = assemble(
        title=title or _title(choice),
        lead=_lead(data),
        summary=_summary(data, pages),
        sections=[
            *sections,
            *shown,
            Section("methods", "Methods", "", "text",
                    body=f'<div class="methods">{methods(store, made)}</div>'),
            Section("references", "References", "To repeat this report:", "text",
                    body='<pre tabindex="0" role="group" aria-label="the command">'
                    f"<code>{escape(made.command)}</code></pre>{references()}"),
        ],
        documents={"explorer-data": data} | pages.documents,
        level=f"{100 * level:g} %",
        generator=f"heldout {__version__}",
        footer=f"Made by heldout {__version__} from data stored up to {_newest(store)}. This file"
        " loads nothing from a network and sends nothing to one.",
    )  # fmt: skip
    notes = dict.fromkeys([*lacking_notes(cells.lacking), *pages.absent])
    return ReportDone(path, _put(path, page), tuple(notes))


def _title(choice: Choice) -> str:
    if choice.x == choice.y:
        return f"Accuracy on {choice.x}"
    return f"From {choice.x} to {choice.y}" if choice.gaps else f"{choice.y} against {choice.x}"


def _lead(data: Mapping[str, Any]) -> str:
    models, settings = len(data["models"]), len(data["settings"])
    return (
        f"{data['metric'].capitalize()} accuracy of {models:,} model{'s' * (models != 1)} in"
        f" {settings:,} setting{'s' * (settings != 1)}, with {100 * data['level']:g} % intervals."
    )


def _summary(data: Mapping[str, Any], pages: Pages) -> str:
    """Numbers at a glance and the findings of the first analysis of each kind."""
    cells = sum(s["models"] for s in data["settings"])
    counted = sum(
        1 for s in data["settings"] for k in s.get("k", ()) if k is not None
    )  # fmt: skip
    tiles = {
        "models": f"{len(data['models']):,}",
        "settings": f"{len(data['settings']):,}",
        "accuracies": f"{cells:,}",
        "with exact counts": f"{100 * counted / cells:.0f} %" if cells else "–",
    }
    said: dict[str, list[str]] = {}
    for name, document in pages.documents.items():
        part, _, place = name.rpartition("-")
        sentences = document.get("verdict") or document.get("words")
        if place == "0" and sentences:
            said[part] = sentences[: 2 if part == "gap" else 1]
    if "corruptions" in said:
        where = pages.documents["corruptions-0"]["variant"]
        few = pages.documents["corruptions-0"]["facts"].get("few_images", [])
        first = said["corruptions"][0]
        # a sentence may begin with the name of a model, which keeps its capitals
        first = _lower(first) if first.startswith("Of ") else first
        said["corruptions"] = [" ".join([f"{where}: {first}", *few])]
    if "robustness" in said:
        facts = pages.documents["robustness-0"]["facts"]
        said["robustness"] = [f"{facts['y']} given {facts['x']}: {_lower(said['robustness'][0])}"]
    inner = "".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in tiles.items()
    )
    words = "".join(f"<p>{escape(v)}</p>" for sentences in said.values() for v in sentences)
    return f'<dl class="tiles">{inner}</dl>' + (
        f'<div class="verdict">{words}</div>' if said else ""
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _check_against(store: Store, cells: Cells, against: str | None, metric: str) -> None:
    """Raise where the reference of the corruptions is no model of the store."""
    if against is None:
        return
    if metric != "top-1" or not variants(store):
        raise BadInput("--against divides errors under corruption; this report has none.")
    if against != PUBLISHED and against not in cells.models:
        raise not_found("reference model", against, [PUBLISHED, *cells.models], store.files.url)


def _settings(choice: Choice, options: Options) -> dict[str, str]:
    return {
        "metric": options.metric,
        "level of all intervals": f"{options.level:g}",
        "scale at first": options.scale,
        "baseline population": options.population or "all models with both accuracies",
        "explorer": f"lines and bands are computed in the browser: {DRAWS:,} resamples of the"
        f" models, seed {options.seed} with the names of the two settings, the scale and the"
        " population; Clopper-Pearson intervals from k and n",
        "tables": "computed when the page was written; the choices are below",
        "colours": choice.family or "one for all models: the store has no families",
    }


def _command(store: Store, path: str, asked: Mapping[str, str | None], options: Options) -> str:
    """The command line that makes this report again."""
    words = ["heldout", "report", os.path.basename(path), "--store", store.files.url]
    for name, value in asked.items():
        if value:
            words += [f"--{name}", value]
    plain = {"scale": "probit", "metric": "top-1", "level": 0.95, "seed": 0}
    for name, default in plain.items():
        if getattr(options, name) != default:
            words += [f"--{name}", str(getattr(options, name))]
    return shlex.join(words)


def _newest(store: Store) -> str:
    """When the newest file of the store was made, UTC."""
    made = max((str(store.record(p).get("created", "")) for p in store.files.names("")), default="")
    return f"{made[:16].replace('T', ' ')} UTC" if made else "an unknown time"


def _put(path: str, page: str) -> int:
    """Write under a temporary name, then rename, so that a reader never sees half a page."""
    content = page.encode()
    unfinished = f"{path}.unfinished-{secrets.token_hex(4)}"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(unfinished)
        raise BadInput(f"The report cannot be written to '{path}': {error.strerror}.") from error
    return len(content)
