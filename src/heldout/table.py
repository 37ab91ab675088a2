"""The typed table: what every analysis returns and everything that shows numbers takes.

A column has a name, a kind that says how people read it (a fraction is shown as a percentage, a
difference of fractions as points), a sentence of documentation and, where the value is an estimate,
the names of the two columns that hold its interval. A table carries, beside its columns, what a
reader needs to trust it: the choices behind it, notes that can be counted, facts (single numbers)
and the verdict in sentences.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

KINDS = ("text", "int", "fraction", "points", "number", "pvalue", "bool")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `values` is a list or array, one entry a row; None or NaN means missing.

    `interval` names the columns with the lower and upper limit. `wide` columns are left out on a
    terminal (they are in every file format).
    """

    name: str
    kind: str
    values: Sequence[Any] | np.ndarray[Any, Any]
    doc: str = ""
    interval: tuple[str, str] | None = None
    wide: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"column {self.name}: kind {self.kind!r} is not one of {KINDS}")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length with their title, notes, verdict, facts, choices and sub-tables."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {c.name: len(c.values) for c in self.columns}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of unequal length: {lengths}")
        if len(lengths) != len(self.columns):
            raise ValueError(f"column names repeat: {[c.name for c in self.columns]}")

    def __len__(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    @property
    def names(self) -> list[str]:
        """The column names in order."""
        return [c.name for c in self.columns]

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for c in self.columns:
            if c.name == name:
                return c
        raise KeyError(name)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """The values of a column as an array (text columns have dtype object)."""
        column = self.column(name)
        if column.kind in ("text", "bool"):
            return np.array(list(column.values), dtype=object)
        return np.array([math.nan if v is None else v for v in column.values])

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of plain Python values; missing is None."""
        cells = [[plain(v) for v in c.values] for c in self.columns]
        return [dict(zip(self.names, row, strict=True)) for row in zip(*cells, strict=True)]

    def take(self, index: Iterable[int]) -> Table:
        """The table with the given rows, in that order."""
        order = list(index)
        columns = tuple(replace(c, values=[c.values[i] for i in order]) for c in self.columns)
        return replace(self, columns=columns)

    def where(self, keep: Callable[[dict[str, Any]], bool]) -> Table:
        """The rows for which `keep(row)` is true."""
        return self.take(i for i, row in enumerate(self.rows()) if keep(row))

    def to_json(self) -> str:
        """The table with its sub-tables as JSON: fractions stay fractions, missing is null."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False)

    def as_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as Python values."""
        out: dict[str, Any] = {
            "title": self.title,
            "columns": [
                {"name": c.name, "kind": c.kind, "doc": c.doc}
                | ({"interval": list(c.interval)} if c.interval else {})
                for c in self.columns
            ],
            "rows": self.rows(),
            "notes": list(self.notes),
            "verdict": list(self.verdict),
            "facts": _plain_tree(dict(self.facts)),
            "choices": dict(self.choices),
        }
        if self.parts:
            out["parts"] = {k: t.as_dict() for k, t in self.parts.items()}
        return out

    def to_csv(self) -> str:
        """The columns as CSV: full precision, fractions, an empty field for a missing value."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.names)
        for row in self.rows():
            writer.writerow(["" if v is None else _csv(v) for v in row.values()])
        return buffer.getvalue()

    def shown(
        self, wide: bool = False, bare: Container[str] = ()
    ) -> tuple[list[str], list[list[str]], list[str]]:
        """Headers, cells and alignments ('left'/'right') as people read them, intervals merged.

        wide: also the columns marked so. bare: columns to show without their intervals.
        """
        limits = {n for c in self.columns if c.interval for n in c.interval}
        picked = [c for c in self.columns if c.name not in limits and (wide or not c.wide)]
        heads = [c.name for c in picked]
        body = [[self._cell(c, i, c.name in bare) for c in picked] for i in range(len(self))]
        align = ["left" if c.kind == "text" else "right" for c in picked]
        return heads, body, align

    def _cell(self, column: Column, i: int, bare: bool) -> str:
        text = show(column.values[i], column.kind)
        if bare or not column.interval or text == MISSING:
            return text
        low, high = (self.column(n) for n in column.interval)
        ends = (show(low.values[i], column.kind), show(high.values[i], column.kind))
        if MISSING in ends:
            return text
        return f"{text} [{ends[0].rstrip(' %')}, {ends[1].rstrip(' %')}]"

    def to_markdown(self) -> str:
        """A Markdown table as people read it, percentages and intervals included."""
        heads, body, align = self.shown(wide=True)
        marks = [":--" if a == "left" else "--:" for a in align]
        lines = [heads, marks, *body]
        return "\n".join("| " + " | ".join(_bar(c) for c in line) + " |" for line in lines) + "\n"

    def to_latex(self) -> str:
        """A LaTeX tabular (booktabs) as people read it."""
        heads, body, align = self.shown(wide=True)
        spec = "".join("l" if a == "left" else "r" for a in align)
        lines = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule"]
        lines += [" & ".join(map(_tex, heads)) + r" \\", r"\midrule"]
        lines += [" & ".join(map(_tex, row)) + r" \\" for row in body]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


MISSING = "–"


def show(value: Any, kind: str) -> str:
    """A value as people read it.

    >>> show(0.7613, "fraction"), show(-0.01, "points"), show(None, "int"), show(8e-52, "pvalue")
    ('76.13 %', '-1.00 %', '–', '8e-52')
    """
    value = plain(value)
    if value is None:
        return MISSING
    if kind == "fraction":
        return f"{100 * value:.2f} %"
    if kind == "points":
        return f"{100 * value:+.2f} %"
    if kind == "int":
        return f"{int(value)}"
    if kind == "pvalue":
        return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
    if kind == "number":
        return f"{value:.4g}" if abs(value) >= 1000 or value == 0 else f"{value:.4f}"
    if kind == "bool":
        return "yes" if value else "no"
    return str(value)


def plain(value: Any) -> Any:
    """A NumPy scalar as a Python one; NaN as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _plain_tree(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain_tree(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain_tree(v) for v in value]
    return plain(value)


def _csv(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _bar(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in " ".join(text.split()))


_TEX = {c: rf"\{c}" for c in "_%&#${}"} | {
    "–": "--",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": r"\textsuperscript{2}",
}
