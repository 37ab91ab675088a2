"""Rows that are not there, and rows without an answer: who lacks them, and the words for it.

A model that lacks rows of a setting has no accuracy there; a row without an answer counts as wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heldout.analysis.cells import Correctness

Lacking = Mapping[tuple[str, str], tuple[int, int]]  # (model, setting): rows there, examples

_NAMED = 5
_MEND = "--incomplete of `heldout results` and `heldout mce` scores the rows there are"


def how_many(n: int, noun: str) -> str:
    """A number with its noun in singular or plural.

    >>> how_many(1, "model"), how_many(2000, "model"), how_many(3, "class")
    ('1 model', '2,000 models', '3 classes')
    """
    ending = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{ending}"


def named(models: Sequence[str]) -> str:
    """The first models of a list."""
    return ", ".join(models[:_NAMED]) + (" …" if len(models) > _NAMED else "")


def lacking_of(seen: Correctness, models: Sequence[str] | None = None) -> Lacking:
    """The models (of some) that lack rows of a setting."""
    there, total = seen.present.sum(axis=1), len(seen.labels.examples)
    wanted = set(seen.models if models is None else models)
    return {
        (m, seen.setting): (int(n), total)
        for m, n in zip(seen.models, there, strict=True)
        if n < total and m in wanted
    }


def only(
    lacking: Lacking,
    models: Collection[str] | None = None,
    settings: Collection[str] | None = None,
) -> Lacking:
    """The entries of some models and settings; None stands for all."""
    return {
        (m, s): v
        for (m, s), v in lacking.items()
        if (models is None or m in models) and (settings is None or s in settings)
    }


def why_missing(lacking: Lacking) -> str:
    """Who has how many rows and what to do; empty where nobody lacks any.

    >>> why_missing({("ours", "cifar10-test"): (1000, 10000)})[:70]
    "Model 'ours' has 1,000 of the 10,000 examples of 'cifar10-test'. Run i"
    """
    if not lacking:
        return ""
    said = [
        f"model '{m}' has {there:,} of the {how_many(total, 'example')} of '{s}'"
        for (m, s), (there, total) in list(lacking.items())[:_NAMED]
    ]
    more = "; …" if len(lacking) > _NAMED else ""
    who = "it" if len({m for m, _ in lacking}) == 1 else "them"
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}{more}. Run {who} on all examples; {_MEND}."


def lacking_notes(lacking: Lacking, *, scored: bool = False) -> list[str]:
    """Which models lack rows, a sentence for all settings that lack the same.

    scored: they are scored all the same.
    """
    by_setting: dict[str, dict[str, tuple[int, int]]] = {}
    for (model, setting), counts in lacking.items():
        by_setting.setdefault(setting, {})[model] = counts
    alike: dict[tuple[tuple[str, tuple[int, int]], ...], list[str]] = {}
    for setting, found in by_setting.items():
        alike.setdefault(tuple(found.items()), []).append(setting)
    notes = []
    for same, settings in alike.items():
        mine = dict(same)
        total = next(iter(mine.values()))[1]
        has = [f"{m} has {there:,}" for m, (there, _) in mine.items()]
        one = len(mine) == 1
        fate = (
            f"{'is' if one else 'are'} scored over the rows {'it has' if one else 'they have'}."
            if scored
            else f"{'is' if one else 'are'} left out ({_MEND})."
        )
        who = (
            f"{has[0]} of the {how_many(total, 'example')} and"
            if one
            else f"{len(mine)} models lack rows of the {how_many(total, 'example')}"
            f" ({named(has)}); they"
        )
        notes.append(f"{_settings(settings)}: {who} {fate}")
    return notes


def _settings(names: Sequence[str]) -> str:
    """`Setting 'a'`, `Settings 'a' and 'b'`, `Settings 'a', 'b' and 74 more`."""
    if len(names) == 1:
        return f"Setting '{names[0]}'"
    first = f"Settings '{names[0]}'"
    return (
        f"{first} and '{names[1]}'"
        if len(names) == 2
        else (f"{first}, '{names[1]}' and {len(names) - 2:,} more")
    )


def unanswered_notes(seen: Correctness, models: Sequence[str] | None = None) -> list[str]:
    """A sentence where rows of some models (default: all) have no answer."""
    if seen.silent is None:
        return []
    wanted = set(seen.models if models is None else models)
    count = {m: int(row.sum()) for m, row in zip(seen.models, seen.silent, strict=True)}
    mine = [i for i, m in enumerate(seen.models) if m in wanted and count[m]]
    if not mine:
        return []
    total = sum(count[seen.models[i]] for i in mine)
    each = [f"{seen.models[i]}: {count[seen.models[i]]:,}" for i in mine]
    rows = how_many(int(seen.present[mine].sum()), "row")
    who = seen.models[mine[0]] if len(mine) == 1 else f"{len(mine)} models ({named(each)})"
    fate = "has no answer and counts" if total == 1 else "have no answer and count"
    return [f"Setting '{seen.setting}': {total:,} of {rows} of {who} {fate} as wrong."]
