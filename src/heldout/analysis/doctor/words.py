"""What every finding means and what mends it; docs/doctor.md is made from this."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """A finding's code (NAME and KIND stand for several), what it means, what mends it."""

    code: str
    means: str
    mend: str


MEANINGS = (
    Meaning(
        "class-order:NAME",
        "A model's class indices are in a known order: `string-sorted` (folders 0, 1, 10, 100, …),"
        " `string-sorted-from-one`, `off-by-one` (one too high: background class, ids from 1),"
        " `minus-one`, `reversed`, `names-sorted`, `ids-sorted`, `subset-index` (an index into the"
        " classes that have examples); `-inverse` where it was undone once too often.",
        "`--mend class-order=NAME`",
    ),
    Meaning(
        "class-order:unknown",
        "The indices are in an order that is none of these: all of them, or some.",
        "`--mend class-order=FILE`: the class of every index, one a line",
    ),
    Meaning(
        "class-order:ilsvrc-devkit",
        "Unknown, but indices 0 to 9 (or 1 to 10) mean the first ten synsets of the ImageNet"
        " devkit. The package does not ship the devkit's list: take it from your copy.",
        "`--mend class-order=FILE`: the devkit's 1,000 synsets by ILSVRC2012_ID, one a line",
    ),
    Meaning(
        "class-order:swapped",
        "Two classes changed places (codes 22 and 23, two classes called crane).",
        "`--mend class-order=FILE`",
    ),
    Meaning(
        "class-order:merged-names",
        "Of two classes with one name, one is never predicted: predictions were keyed by name.",
        "key by class id and import again",
    ),
    Meaning(
        "labels:NAME",
        "The same, but all models agree with each other and not with the labels.",
        "`--mend label-order=NAME` or `--mend label-order=FILE`",
    ),
    Meaning("labels:one-class", "Every example has the same label.", "import the right labels"),
    Meaning(
        "labels:rows-KIND",
        "The labels are shifted against all models, or in another known order of rows.",
        "`--mend shift-labels=N`; in another order: import the labels by example id",
    ),
    Meaning(
        "labels:no-relation",
        "The models agree with each other, and with the labels only by chance.",
        "import the labels by example id, with the right classes",
    ),
    Meaning(
        "topk:worst-first",
        "The last of the top k is right more often than the first and the last but one.",
        "`--mend worst-first`",
    ),
    Meaning(
        "topk:unsorted",
        "The first place is no better than the others, for the labels and for the other models.",
        "store again, sorted by score",
    ),
    Meaning(
        "topk:sorted-by-class",
        "The top k is in the order of class indices.",
        "store again, sorted by score",
    ),
    Meaning("topk:repeated-class", "A class occurs twice among the top k.", "store again"),
    Meaning(
        "rows:shifted",
        "Rows stand some places too far up or down.",
        "`--mend shift-rows=N`",
    ),
    Meaning(
        "rows:ORDER",
        "Rows came in another order (`id-sorted`, `id-numeric`, `label-then-id`,"
        " `label-then-stored`) than the one they were joined in.",
        "`--mend row-order=ORDER`",
    ),
    Meaning(
        "rows:shuffled-within-class",
        "Rows stand against other examples of the same class: the accuracy is right, everything"
        " that joins examples is not.",
        "import by example id",
    ),
    Meaning(
        "rows:padded, rows:repeated-ids, rows:conflicting-ids",
        "Examples occur more than once: padding of a distributed sampler, repeats, or different"
        " predictions for one id.",
        "`--mend drop-padding` (the first row of every id stays); conflicts need a decision",
    ),
    Meaning(
        "rows:missing-ids, rows:unknown-ids",
        "Examples without a row; rows whose id the label set does not have.",
        "import the rest; spell ids as the label set does",
    ),
    Meaning(
        "rows:wrong-denominator",
        "The published accuracy is the right count over another total.",
        "publish k/n",
    ),
    Meaning(
        "scores:KIND-as-KIND",
        "Scores are stored as one kind and are another: logits, probabilities, log-probabilities,"
        " percent.",
        "`--score-kind KIND` (what they are), or `--mend scores=percent`",
    ),
    Meaning(
        "scores:softmax-twice, confidence:softmax-twice",
        "No confidence is above e/(e + C - 1), the most that a second softmax leaves.",
        "`--mend scores=softmax-twice` undoes it; `--mend confidence=none` drops a lone column",
    ),
    Meaning(
        "scores:not-finite, scores:do-not-sum-to-1, scores:predicted-not-argmax",
        "NaN or infinity; probabilities that do not add up to 1; a predicted class that does not"
        " have the highest score.",
        "store again (`--score-kind scores` for scores that are no probabilities)",
    ),
    Meaning(
        "confidence:KIND",
        "Confidences that no probability of a predicted class can be: `percent`, `logits`,"
        " `log-probabilities`, `below-uniform` (less than 1/C), `not-finite`, `constant`,"
        " `not-from-scores`.",
        "`--mend confidence=percent`, `--mend confidence=log-probabilities`,"
        " `--mend confidence=none`",
    ),
    Meaning(
        "subset:unmasked-classes",
        "Examples have only some of the classes, predictions have others too: 1000-way accuracy on"
        " a 200-class set. Both are good numbers, of two settings.",
        "say which in the setting's name; `--mend class-subset` restricts, as far as scores or"
        " the top k reach",
    ),
    Meaning(
        "subset:mixed",
        "Some models of a setting are restricted to the classes with examples, others are not.",
        "`--mend class-subset` for the others",
    ),
    Meaning(
        "subset:no-such-class",
        "Predicted indices that the label set does not have.",
        "`--mend class-order=FILE`",
    ),
    Meaning(
        "chance:constant, chance:filled-rows",
        "One class for all examples, or for a run of which 32 or more are wrong.",
        "predict again",
    ),
    Meaning(
        "chance:no-relation, chance:below",
        "Accuracy at chance where others are not (rows shuffled altogether, say), or below chance.",
        "import by example id, in the right order",
    ),
    Meaning(
        "chance:filtered",
        "A model is right by chance only, but gives the answers that other models give: the set was"
        " selected to be wrong for it, as ImageNet-A for ResNet-50.",
        "nothing to mend: leave it out of comparisons on this set",
    ),
    Meaning(
        "coverage:missing-rows, coverage:no-answer, coverage:unlabelled-rows,"
        " coverage:too-many-rows",
        "Rows missing, without an answer, about unknown examples, or too many.",
        "import the rest, or name the smaller set",
    ),
    Meaning(
        "twins:identical, twins:nearly-identical",
        "Two models give the same answers even where they are wrong.",
        "import one of them",
    ),
)


def meaning_of(code: str) -> Meaning | None:
    """What a finding's code means; codes that are spelled out come before those with a NAME.

    >>> meaning_of("class-order:swapped").mend, meaning_of("rows:id-sorted").mend
    ('`--mend class-order=FILE`', '`--mend row-order=ORDER`')
    """
    fits: list[tuple[int, Meaning]] = []
    for meaning in MEANINGS:
        for pattern in meaning.code.split(", "):
            words = re.sub("NAME|KIND|ORDER", r"[a-z-]+", pattern)
            if re.fullmatch(words, code):
                fits.append((len(pattern.split("NAME")) + len(re.findall("KIND|ORDER", pattern)),
                             meaning))  # fmt: skip
    return min(fits, key=lambda fit: fit[0])[1] if fits else None
