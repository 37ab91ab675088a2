"""Findings as a table with a verdict, and the commands that mend them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heldout.analysis.doctor.case import Case
from heldout.analysis.doctor.finding import CERTAIN, LIKELY, Finding
from heldout.store.schema import SCORE_KINDS
from heldout.table import Column, Table

_ORDER = {"error": 0, "warning": 1}
_SURE = {"certain": 0, "likely": 1, "possible": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """A finding with its place, the command that mends it, and the FILE that the command names."""

    setting: str
    model: str
    finding: Finding
    command: str
    order: tuple[str, ...] = ()


def command(source: str, setting: str, model: str, f: Finding) -> str:
    """The command that imports a source again, mended; '' where nothing mends it."""
    if not f.mend:
        return ""
    words = ["heldout", "import", shlex.quote(source or "SOURCE")]
    words += ["--setting", shlex.quote(setting)] if setting else []
    words += ["--model", shlex.quote(model)] if model else []
    return " ".join([*words, *_flags(f.mend), *(["--replace"] if setting else [])])


def _flags(mend: str) -> list[str]:
    """Scores of a kind that the importer knows are read as that kind; all else is mended."""
    word, _, value = mend.partition("=")
    if word == "scores":
        said = ["--score-kind", value] if value in SCORE_KINDS else ["--mend", mend]
        return [*said, "--keep-scores"]
    return ["--mend", mend]


def advice(f: Finding) -> str:
    """The command for predictions that came from nowhere known."""
    return command("", "", "", f)


def listed(case: Case, f: Finding) -> tuple[str, ...]:
    """The lines of the FILE in a command: the class of every index, '-' for none."""
    means = f.label_means if f.means is None else f.means
    if means is None or not f.mend.endswith("=FILE"):
        return ()
    names = case.classes
    return tuple("-" if j < 0 else (names[j] if j < len(names) else str(j)) for j in means.tolist())


def named(case: Case, f: Finding) -> str:
    """The models of a finding; empty for the whole setting."""
    names = [case.models[i] for i in f.models]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def table(
    rows: Iterable[Row], cells: int, models: int, settings: int, notes: Sequence[str]
) -> Table:
    """The findings, errors first, the surest first."""
    order = sorted(
        rows,
        key=lambda r: (_ORDER[r.finding.severity], _SURE[r.finding.certainty], r.setting, r.model),
    )
    errors = [r for r in order if r.finding.severity == "error"]
    cost = [
        r.finding.now - r.finding.mended
        if math.isfinite(r.finding.now) and math.isfinite(r.finding.mended)
        else math.nan
        for r in order
    ]
    columns = (
        Column("setting", "text", [r.setting for r in order], "where"),
        Column("model", "text", [r.model for r in order], "which; empty: the whole setting"),
        Column("finding", "text", [r.finding.code for r in order], "what is wrong"),
        Column("severity", "text", [r.finding.severity for r in order],
               "error: a number is wrong; warning: it may mislead"),
        Column("certainty", "text", [r.finding.certainty for r in order],
               "certain, likely or possible"),
        Column("p", "pvalue", [r.finding.p for r in order],
               "how often healthy predictions show as much, corrected for what was tried; 0:"
               " impossible in healthy ones; missing: no test was made"),
        Column("cost", "points", cost, "accuracy as it is minus accuracy mended"),
        Column("says", "text", [r.finding.says for r in order], "in a sentence", wide=True),
        Column("command", "text", [r.command for r in order], "what mends it", wide=True),
    )  # fmt: skip
    return Table(
        "What is wrong with these predictions",
        columns,
        tuple(notes),
        _verdict(order, errors, cells, models, settings),
        {"n_errors": len(errors), "n_warnings": len(order) - len(errors), "n_cells": cells},
        {
            "certain": f"p < {CERTAIN:g} and a large effect, or impossible in healthy predictions",
            "likely": f"p < {CERTAIN:g}, or p < {LIKELY:g} and a large effect",
            "p": "one-sided, for one cell and check; not corrected for the number of cells",
        },
        {
            f"class order, {r.setting}, {r.model or 'labels'}": _order_table(r)
            for r in order
            if r.order
        },
    )


def _order_table(row: Row) -> Table:
    """What FILE holds, for a finding whose mend is an order of classes."""
    return Table(
        f"The class of every index: {row.model or 'the labels'} in {row.setting}",
        (
            Column("index", "int", list(range(len(row.order))), "as it is stored"),
            Column("class", "text", list(row.order), "the class that it means; '-': none"),
        ),
    )


def _verdict(
    rows: Sequence[Row], errors: Sequence[Row], cells: int, models: int, settings: int
) -> tuple[str, ...]:
    where = (
        f"{cells} cells of {models} model{'s' * (models != 1)} × {settings}"
        f" setting{'s' * (settings != 1)}"
    )
    if not rows:
        return (f"Nothing wrong was found in {where}.",)
    said = []
    if errors:
        said.append(f"{_count(errors, 'error')} in {where}.")
    warnings = [r for r in rows if r not in errors]
    if warnings:
        said.append(f"{_count(warnings, 'warning')}{'' if errors else f' in {where}'}.")
    said += [r.finding.says for r in errors[:3]]
    return tuple(said)


def _count(rows: Sequence[Row], word: str) -> str:
    codes = [r.finding.code for r in rows]
    kinds = sorted(set(codes), key=lambda c: -codes.count(c))
    shown = ", ".join(f"{codes.count(c)} × {c}" for c in kinds)
    return f"{len(rows)} {word}{'s' * (len(rows) != 1)} ({shown})"
