"""The page put together: template, style, scripts with their hashes, sections, data."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from heldout.report.documents import safe_json

SCRIPTS = (
    "stats.js", "format.js", "ticks.js", "page.js", "palette.js", "data.js", "combobox.js",
    "scatter.js", "plot.js", "explorer.js", "pictures.js", "tables.js", "sections.js",
    "heatmap.js", "points.js", "heattable.js", "severity.js", "corruptions.js", "synthetic.js",
    "main.js",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """One section after the explorer. kind: 'tables', 'heatmap', 'corruptions', 'synthetic' or
    'text' (HTML in `body`).

    documents: (id, label) of the JSON documents it shows; absent: why it has none, a sentence.
    """

    id: str
    title: str
    lead: str
    kind: str
    documents: Sequence[tuple[str, str]] = ()
    absent: str = ""
    body: str = ""
    word: str = "Show"


def asset(name: str) -> str:
    """The text of a file in report/assets."""
    return files("heldout.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that declares nothing global but those."""
    import vl_convert

    return (
        "(() => {\n"
        + vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
            "</script", "<\\/script"
        )
        + "\n})();"
    )


def assemble(
    *,
    title: str,
    lead: str,
    summary: str,
    sections: Sequence[Section],
    documents: Mapping[str, Any],
    level: str,
    generator: str,
    footer: str,
) -> str:
    """The whole page. `summary` and section bodies are HTML; everything else is text."""
    scripts = [runtime(), *(asset(name) for name in SCRIPTS)]
    hashes = " ".join(f"'sha256-{_digest(s)}'" for s in scripts)
    links = [("summary", "In short"), ("explorer", "Explorer")]
    links += [(s.id, s.title) for s in sections]
    slots = {
        "policy": f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'",
        "generator": escape(generator),
        "title": escape(title),
        "style": asset("style.css"),
        "lead": escape(lead),
        "nav": "".join(f'<li><a href="#{i}">{escape(t)}</a></li>' for i, t in links),
        "summary": summary,
        "level": escape(level),
        "sections": "\n".join(_section(s) for s in sections),
        "footer": escape(footer),
        "data": "\n".join(
            f'<script type="application/json" id="{escape(i)}">{safe_json(d)}</script>'
            for i, d in documents.items()
        ),
        "scripts": "\n".join(f"<script>{s}</script>" for s in scripts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda m: slots[m[1]], asset("template.html"))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _section(section: Section) -> str:
    inner = section.body
    attributes = ""
    if section.absent:
        inner = f'<p class="absent">{escape(section.absent)}</p>'
    elif section.kind != "text":
        listed = safe_json([{"id": i, "label": label} for i, label in section.documents])
        attributes = f' data-kind="{section.kind}" data-documents="{escape(listed)}"'
        inner = _chooser(section) + _INSIDE[section.kind]
    lead = f"<p>{escape(section.lead)}</p>" if section.lead and not section.absent else ""
    return (
        f'<section id="{section.id}" aria-labelledby="{section.id}-head"{attributes}>'
        f'<h2 id="{section.id}-head">{escape(section.title)}</h2>{lead}{inner}</section>'
    )


def _chooser(section: Section) -> str:
    name = f"{section.id}-which"
    return (
        f'<div class="choose" hidden><label for="{name}">{escape(section.word)}</label>'
        f'<select class="which" id="{name}"></select></div>'
    )


_HEAT = """<div class="words verdict"></div>
<div class="choose"><label for="similarity-kind">Colour shows</label><select id="similarity-kind">
<option value="agreement">how often two models agree</option>
<option value="beyond">agreement beyond independence</option></select></div>
<div class="heat"><div><canvas role="img" tabindex="0"></canvas></div>
<div><div class="bar"></div><p class="pair" role="status"></p>
<h3>Most alike</h3><ol class="alike"></ol>
<p class="save"><span>Download all pairs</span>
<button type="button" id="similarity-csv">CSV</button></p>
<p><small>Rows and columns are models in the order of a dendrogram (average linkage), so that
models that agree stand together. Both right or both wrong counts as agreement.</small></p>
</div></div>"""

_CORRUPTIONS = """<div class="words verdict"></div>
<h3>Error by corruption</h3>
<div class="tools"><input type="search" class="heat-filter" placeholder="Filter models …"
autocomplete="off" aria-label="Filter the models of the heat map"><output class="count"></output>
<label class="check"><input type="checkbox" class="heat-small">small rows, all at once</label>
<div class="bar"></div></div>
<div class="heat-place"><div class="scroller heat-scroller"></div>
<div class="tip" hidden aria-hidden="true"></div></div>
<p class="heat-said" role="status"></p>
<p class="heat-caption"><small></small></p>
<h3>Accuracy against severity</h3>
<div class="choose"><label for="severity-kind">Corruption</label>
<select id="severity-kind"></select>
<div class="combobox"><input id="severity-find" type="text" placeholder="Add a model …"
aria-label="Add a model to the plot"></div></div>
<div class="chips severity-chips"></div>
<figure class="figure severity-figure"><div class="plot">
<div class="canvas" aria-hidden="true"></div>
<div class="walker" role="listbox" tabindex="0" aria-activedescendant="severity-option">
<div role="option" id="severity-option" class="hidden" aria-selected="false">No point yet: press
an arrow key</div></div>
<div class="tip" hidden aria-hidden="true"></div></div>
<figcaption></figcaption></figure>
<details class="notes severity-numbers"><summary>The numbers of this plot</summary>
<div></div></details>
<h3 class="table-head"></h3>
<div class="body"></div>"""

_SYNTHETIC = """<div class="words verdict"></div>
<div class="choose"><label for="synthetic-x">Synthetic (x)</label>
<select id="synthetic-x"></select><label for="synthetic-y">Natural (y)</label>
<select id="synthetic-y"></select></div>
<figure class="figure synthetic-figure"><div class="plot">
<div class="canvas" aria-hidden="true"></div>
<div class="walker" role="listbox" tabindex="0" aria-activedescendant="synthetic-option">
<div role="option" id="synthetic-option" class="hidden" aria-selected="false">No model yet: press
an arrow key</div></div>
<div class="tip" hidden aria-hidden="true"></div></div>
<ul class="key" aria-label="Families"></ul>
<figcaption></figcaption></figure>
<div class="body"></div>"""

_INSIDE = {
    "tables": '<div class="body"></div>',
    "heatmap": _HEAT,
    "corruptions": _CORRUPTIONS,
    "synthetic": _SYNTHETIC,
}
