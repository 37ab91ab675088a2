"""The methods section: every choice, source, repair, version and definition behind the page."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from heldout import __version__
from heldout.store.read import Store
from heldout.table import Table

DEFINITIONS = {
    "accuracy": "right answers over examples, with Clopper and Pearson's exact interval: each tail"
    " has at most half of what the level leaves. An accuracy published without counts has none.",
    "gap": "accuracy on the original minus accuracy on the new test set, in percentage points.",
    "scale": "accuracies are fitted as they are (linear), as ln(p/(1−p)) (logit) or as Φ⁻¹(p)"
    " (probit); a model at 0 % or 100 % has no finite place on the last two and is left out.",
    "line": "ordinary least squares of y on x on that scale, over a stated baseline population.",
    "band": "the pointwise percentile interval of the line when models are resampled with"
    " replacement, as in the papers; it covers the line, not a new model, and with few models it"
    " is too narrow (docs/coverage.md has the simulated coverage of every interval).",
    "effective robustness": "accuracy on y minus what the line predicts from accuracy on x.",
    "similarity": "the share of examples on which two models are both right or both wrong;"
    " independence would give p·q + (1−p)(1−q).",
    "mCE": "mean corruption error: the mean over the corruptions of ImageNet-C of a model's error,"
    " summed over severities, divided by AlexNet's. Relative mCE has the error less the clean error"
    " on both sides; the mean error is divided by nothing (docs/mce.md).",
    "rank interval": "ranks that no pairwise comparison excludes, all comparisons corrected"
    " together.",
}

CAVEATS = (
    "Models are not independent draws: they share training data, architectures and authors, and"
    " near-twins are counted as two. Every interval over models, the band included, is a guide to"
    " how much the line depends on which models are there, and no more.",
    "Sampling intervals know only that examples are a sample. They know nothing of how the images"
    " were chosen, of wrong labels, or of a preprocessing that differs from the publisher's.",
    "A gap does not say why it is there: harder images, another distribution and overfitting to"
    " the original all make one.",
    "Tables show intervals of each model on its own; whoever looks for the largest of many finds"
    " one that is partly luck.",
)

REFERENCES = (
    ("Recht, Roelofs, Schmidt, Shankar (2019). Do ImageNet classifiers generalize to ImageNet?"
     " ICML.", "https://arxiv.org/abs/1902.10811"),
    ("Taori, Dave, Shankar, Carlini, Recht, Schmidt (2020). Measuring robustness to natural"
     " distribution shifts in image classification. NeurIPS.", "https://arxiv.org/abs/2007.00644"),
    ("Miller, Taori, Raghunathan, Sagawa, Koh, Shankar, Liang, Carmon, Schmidt (2021). Accuracy on"
     " the line. ICML.", "https://arxiv.org/abs/2107.04649"),
    ("Hendrycks, Dietterich (2019). Benchmarking neural network robustness to common corruptions"
     " and perturbations. ICLR.", "https://arxiv.org/abs/1903.12261"),
    ("Mania, Miller, Schmidt, Hardt, Recht (2019). Model similarity mitigates test set overuse."
     " NeurIPS.", "https://arxiv.org/abs/1905.12580"),
    ("Clopper, Pearson (1934). The use of confidence or fiducial limits illustrated in the case of"
     " the binomial. Biometrika 26, 404–413.", "https://doi.org/10.1093/biomet/26.4.404"),
    ("Zou, Donner (2008). Construction of confidence limits about effect measures: a general"
     " approach. Statistics in Medicine 27, 1693–1702.", "https://doi.org/10.1002/sim.3095"),
    ("Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal"
     " of Statistics 6, 65–70.", "https://www.jstor.org/stable/4615733"),
    ("Wichura (1988). Algorithm AS 241: the percentage points of the normal distribution. Applied"
     " Statistics 37, 477–484.", "https://doi.org/10.2307/2347330"),
    ("Okabe, Ito (2008). Color universal design: how to make figures and presentations that are"
     " friendly to colorblind people.", "https://jfly.uni-koeln.de/color/"),
)  # fmt: skip

LICENCES = (
    "This file carries Vega, Vega-Lite and Vega-Embed (© University of Washington Interactive Data"
    " Lab, BSD 3-Clause) and the libraries of D3 they contain (© Mike Bostock, ISC)."
)


@dataclass(frozen=True, slots=True)
class Made:
    """How a report was made: the analyses behind it, and the words that repeat it."""

    tables: Sequence[Table]
    notes: Sequence[str]
    settings: Mapping[str, str]
    command: str


def methods(store: Store, made: Made) -> str:
    """The section's HTML."""
    parts = [
        ("How this page was made", _definitions(made.settings)),
        ("Choices", _choices(made.tables)),
        ("Words", _definitions(DEFINITIONS)),
        ("What these numbers cannot say", _list(CAVEATS)),
        ("Sources", _sources(store)),
    ]
    if made.notes:
        parts.append(("Notes on the data", _list(made.notes)))
    parts.append(
        ("Versions", _definitions(versions()) + f"<p><small>{escape(LICENCES)}</small></p>")
    )
    return "".join(f"<div><h3>{escape(head)}</h3>{body}</div>" for head, body in parts)


def references() -> str:
    """The list of references as HTML."""
    items = (
        f'<li>{escape(text)} <a href="{escape(link)}" rel="noreferrer">{escape(link)}</a></li>'
        for text, link in REFERENCES
    )
    return f'<ol class="references">{"".join(items)}</ol>'


def versions() -> dict[str, str]:
    """Every program that touched a number or a mark on the page."""
    import vl_convert

    found = {"heldout": __version__, "Python": platform.python_version()}
    for name in ("numpy", "scipy", "pyarrow", "duckdb", "vl-convert-python"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | {
        "Vega": vl_convert.get_vega_version(),
        "Vega-Lite": vl_convert.get_vegalite_versions()[-1],
        "Vega-Embed": vl_convert.get_vega_embed_version(),
    }


def _definitions(pairs: Mapping[str, str]) -> str:
    inner = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return f'<dl class="choices">{inner}</dl>'


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(i)}</li>" for i in items) + "</ul>"


def _choices(tables: Sequence[Table]) -> str:
    """The choices of all analyses; those that several share are said once, with their number."""
    seen: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        for name, value in table.choices.items():
            seen.setdefault((name, value), []).append(table.title)
    rows = []
    for (name, value), titles in seen.items():
        where = titles[0] if len(titles) == 1 else f"{titles[0]} and {len(titles) - 1} more"
        rows.append([name, value, where])
    return html_table(["choice", "what was chosen", "for"], rows)


def _sources(store: Store) -> str:
    """Each source of the store with its repairs, which are said once each."""
    from heldout.analysis.info import sources

    table = sources(store)
    heads, body, _ = table.shown(wide=True)
    repairs: dict[str, None] = {}
    for part in store.files.names(""):
        repairs.update(dict.fromkeys(store.record(part).get("repairs", ())))
    said = (
        f"<p>Repairs made on the way in: {len(repairs)}.</p>" + _list(list(repairs))
        if repairs
        else "<p>No repairs were made on the way in.</p>"
    )
    return html_table(heads, body) + said


def html_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A small table; the cells are text."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows
    )
    return (
        '<div class="scroller plain wrap" tabindex="0" role="group" aria-label="table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
