"""Which settings of a store belong to one corruption benchmark, and which must not be mixed.

A variant is a test set under one implementation of the corruptions, on one medium: numbers of two
variants differ by points for the same model, so no mean is ever taken across them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heldout.analysis.alexnet import ERRORS, EXTRA_MEANS
from heldout.analysis.lacking import how_many
from heldout.errors import BadInput, NotFound, not_found
from heldout.store.read import Store

KINDS = tuple(ERRORS)  # the 15 that mCE counts, in the paper's order
EXTRA_KINDS = tuple(EXTRA_MEANS)
SEVERITIES = (1, 2, 3, 4, 5)
MEDIA = ("in-memory", "on-disk")
FILES, TESTBED, IMPORTED = "published-files", "testbed", "imported"
TEXTURES, PHOTOGRAPHS = "own textures", "photographs"
_QUALITY = 85  # of the published files
_TABLE = re.compile(r"imagenet-c\.\w+\.[1-5]_(in-memory|on-disk)")
# CIFAR-10-C as published: arrays on disk, never compressed; their rows have no medium.
_ARRAYS = re.compile(r"cifar10-c\.\w+\.[1-5]")


@dataclass(frozen=True, slots=True)
class Variant:
    """The settings of one corruption benchmark.

    baseline: the clean setting. reference: whose corruptions: 'imagenet-c', 'imagecorruptions',
    'published-files', 'testbed' (the ImageNet testbed's own code) or 'imported'. medium:
    'in-memory' or 'on-disk'; quality: of the JPEG compression on disk, 0 where there is none.
    frost: what it is made from, '' without frost. settings: (kind, severity) to the setting's
    name. The baseline need not be in the store.
    """

    baseline: str
    reference: str
    medium: str
    quality: int
    frost: str
    settings: Mapping[tuple[str, int], str] = field(hash=False, compare=False)

    def whole(self, kinds: Sequence[str]) -> list[str]:
        """Those of the kinds that have all five severities here."""
        return [k for k in kinds if all((k, s) in self.settings for s in SEVERITIES)]

    def names(self, kind: str) -> list[str]:
        """The settings of one kind, severity 1 to 5."""
        return [self.settings[kind, s] for s in SEVERITIES]

    @property
    def words(self) -> str:
        """The variant for people: 'imagenet-val, published-files, on-disk'."""
        frost = f", frost from {self.frost}" if self.frost == PHOTOGRAPHS and self.own else ""
        return f"{self.baseline}, {self.reference}, {self.medium_words}{frost}"

    @property
    def medium_words(self) -> str:
        """The medium, with the JPEG quality where it is not that of the published files."""
        if self.medium == "on-disk" and not self.quality:
            return "on-disk (no JPEG)"
        odd = self.medium == "on-disk" and self.quality != _QUALITY
        return f"on-disk (JPEG {self.quality})" if odd else self.medium

    @property
    def own(self) -> bool:
        """Whether heldout itself corrupted the images."""
        return self.reference not in (FILES, TESTBED, IMPORTED)


def variants(store: Store) -> list[Variant]:
    """Every variant of a store with a corruption of ImageNet-C in it, those with most kinds first.

    Where a test set was run with frost from textures and from photographs, these are two variants
    that share their other settings.
    """
    known = store.settings()
    found: dict[tuple[str, str, str, int], dict[str, dict[tuple[str, int], str]]] = {}
    for name, row in known.items():
        place = _place(name, row)
        if place is None:
            continue
        kind, severity, frost = str(row["corruption"]), int(row["severity"]), _frost(name, row)
        mine = found.setdefault(place, {}).setdefault(frost, {})
        other = mine.setdefault((kind, severity), name)
        if other != name:
            raise BadInput(
                f"'{other}' and '{name}' are both {kind} of severity {severity} by the same family"
                " on one medium, so they cannot stand in one mean. A shift of another package needs"
                " a family of its own."
            )
    out: list[Variant] = []
    for place, by_frost in found.items():
        rest = by_frost.pop("", {})
        for frost, settings in (by_frost or {"": {}}).items():
            out.append(Variant(*place, frost, rest | settings))
    return sorted(out, key=lambda v: (-len(v.whole(KINDS)), -len(v.settings), v.words))


def pick(
    store: Store,
    test_set: str | None = None,
    *,
    reference: str | None = None,
    medium: str | None = None,
    frost: str | None = None,
) -> list[Variant]:
    """The variants that meet all that is named. Raises NotFound with near matches, or BadInput."""
    every = variants(store)
    if not every:
        raise BadInput(
            f"The store '{store.files.url}' has no settings under corruptions. Run some with"
            f" `{run_words('SET')}`, or import the ImageNet testbed."
        )
    if test_set is not None:
        bases = sorted({v.baseline for v in every})
        name = test_set
        if name not in bases:
            with contextlib.suppress(NotFound):
                name = store.resolve(test_set)
        if name not in bases:
            raise not_found("test set under corruptions", test_set, bases, "the store")
        every = [v for v in every if v.baseline == name]
    if frost is not None and not any(v.frost for v in every):
        raise BadInput(f"There is no frost under '{every[0].baseline}': --frost does not apply.")
    every = _kept(every, "reference", reference)
    every = _kept(every, "medium", medium)
    return _kept(every, "frost", frost)


def _kept(every: list[Variant], what: str, wanted: str | None) -> list[Variant]:
    """The variants with that word in that field; 'textures' stands for 'own textures'."""
    if wanted is None:
        return every
    there = sorted({str(getattr(v, what)) for v in every} - {""})
    match = [t for t in there if t in (wanted, f"own {wanted}")]
    if not match:
        raise not_found(what, wanted, there, f"the corruptions of '{every[0].baseline}'")
    return [v for v in every if getattr(v, what) == match[0]]


def one(found: Sequence[Variant]) -> Variant:
    """The only one. Raises BadInput that names them all where there are several."""
    if len(found) == 1:
        return found[0]
    said = "; ".join(v.words for v in found)
    raise BadInput(
        f"There are {how_many(len(found), 'variant')} that must not be mixed ({said}). Name one by"
        " its test set, --reference, --medium or --frost."
    )


def run_words(test_set: str) -> str:
    """The command that runs a test set under all corruptions."""
    return f"heldout run {test_set}=PATH -m MODEL --shift imagenet-c"


def is_imagenet(store: Store, variant: Variant) -> bool:
    """Whether a variant has ImageNet's 1,000 classes, so that AlexNet's errors may be used."""
    known = store.settings()
    baseline = variant.baseline
    for setting in (baseline, *variant.settings.values()):
        labels = store.label_set_of(setting) if setting in known else None
        if labels is not None:
            return len(labels.classes) == 1000 and labels.classes[0] == "n01440764"
    row = known.get(baseline, {})
    return baseline == "imagenet-val" or row.get("original") == "imagenet-val"


def _place(name: str, row: Mapping[str, Any]) -> tuple[str, str, str, int] | None:
    """(baseline, reference, medium, quality) of a setting; None where it is not one of them."""
    number = row.get("severity")
    there = row.get("group") == "corruption" and row.get("baseline")
    if not there or row.get("corruption") not in (*KINDS, *EXTRA_KINDS):
        return None
    if number not in SEVERITIES:
        return None
    if _ARRAYS.fullmatch(name):
        return str(row["baseline"]), FILES, "on-disk", 0
    if row.get("medium") not in MEDIA:
        return None
    medium = str(row["medium"])
    # a setting of ours is written SET/SHIFT; other names come from tables and published files
    reference = str(row.get("subgroup") or IMPORTED) if "/" in name else IMPORTED
    if _TABLE.fullmatch(name):
        reference = FILES if medium == "on-disk" else TESTBED
    quality = re.search(r"\+jpeg:(\d+)$", name)
    on_disk = int(quality[1]) if quality else _QUALITY
    return str(row["baseline"]), reference, medium, on_disk if medium == "on-disk" else 0


def _frost(name: str, row: Mapping[str, Any]) -> str:
    if row.get("corruption") != "frost":
        return ""
    published = _TABLE.fullmatch(name) or _ARRAYS.fullmatch(name)
    return PHOTOGRAPHS if published or "frost_photographs" in name else TEXTURES
