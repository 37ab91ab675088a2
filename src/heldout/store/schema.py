"""The schema of a store: which files there are, which columns they have, what they mean.

This file is the documentation: `heldout schema` prints `document()`, and docs/store.md is made from
it. The version counts changes that an older reader would misunderstand.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1
MARK = "heldout.json"
METADATA_KEY = b"heldout"
MERGED = "merged-"  # how the names of merged parts begin
SCORE_KINDS = ("logits", "probabilities", "log-probabilities", "scores")


@dataclass(frozen=True, slots=True)
class Field:
    """A column: name, Parquet type in words, whether it is always there, meaning."""

    name: str
    type: str
    always: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of files: folder, meaning, columns, and the columns that make a row unique."""

    name: str
    folder: str
    meaning: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]


PREDICTIONS = Kind(
    "predictions",
    "predictions/setting=NAME",
    "One row per (model, setting, example), sorted by model. A part holds one setting (the hive"
    " partition, percent-encoded) and one or many models.",
    (
        Field("model", "string, dictionary", True, "the model's name"),
        Field(
            "example", "string, dictionary", True, "the example's id, as its publisher spells it"
        ),
        Field(
            "predicted",
            "int16 or int32, null",
            True,
            "index of the class with the highest score in the label set's classes; null where the"
            " model gave no answer (see `error`)",
        ),
        Field("confidence", "float32", False, "probability of the predicted class, in [0, 1]"),
        Field(
            "runners_up",
            "list of int16 or int32",
            False,
            "the classes in places 2 to k, best first: with `predicted` these are the top k",
        ),
        Field("scores", "list of float32", False, "the score of every class, in class order"),
        Field(
            "score_kind",
            "string, dictionary",
            False,
            "what `scores` are: " + ", ".join(SCORE_KINDS),
        ),
        Field("error", "string, null", False, "why there is no prediction"),
    ),
    ("model", "example"),
)

LABELS = Kind(
    "labels",
    "labels/label_set=NAME",
    "One row per example of a label set. Columns beyond those listed (writer, video, …) are groups"
    " of examples that `--cluster` can name.",
    (
        Field("example", "string", True, "the example's id; joins to predictions"),
        Field("label", "int32", True, "index of its class in the label set's classes"),
        Field(
            "any_of",
            "list of int32",
            False,
            "all classes that count as right, where there are several",
        ),
    ),
    ("example",),
)

CLASSES = Kind(
    "classes",
    "classes/label_set=NAME",
    "One row per class of a label set, in order.",
    (
        Field("index", "int32", True, "position, from 0: what `predicted` and `label` refer to"),
        Field("class", "string", True, "the class's id (a WordNet id, say); unique"),
        Field("name", "string", True, "the class's name for people; may repeat"),
    ),
    ("index",),
)

MODELS = Kind(
    "models",
    "models",
    "One row per model; any further column is metadata that filters may use. Where files differ on"
    " a value, the file made last is believed.",
    (Field("model", "string", True, "the model's name"),),
    ("model",),
)

SETTINGS = Kind(
    "settings",
    "settings",
    "One row per setting; further columns are metadata.",
    (
        Field("setting", "string", True, "the setting's name"),
        Field("label_set", "string", False, "the label set that scores it; null for tables only"),
        Field("n", "int64", False, "the number of examples a complete run has"),
        Field("aliases", "string", False, "other names, separated by spaces, usable everywhere"),
        Field("baseline", "string", False, "the setting on x for effective robustness"),
        Field("original", "string", False, "the setting that this one replicates"),
        Field("group", "string", False, "original, replicate, natural, corruption, adversarial, …"),
        Field("description", "string", False, "a sentence for people"),
    ),
    ("setting",),
)

RESULTS = Kind(
    "results",
    "results",
    "Accuracies that were published without examples, one row per (model, setting, metric).",
    (
        Field("model", "string", True, "the model's name"),
        Field("setting", "string", True, "the setting's name"),
        Field("metric", "string", True, "top-1, top-5, or another metric's name as published"),
        Field("value", "float64", True, "the accuracy as a fraction"),
        Field("k", "int64, null", True, "right answers, where value is an exact k/n"),
        Field("n", "int64, null", True, "examples, where value is an exact k/n"),
    ),
    ("model", "setting", "metric"),
)

KINDS = (PREDICTIONS, LABELS, CLASSES, MODELS, SETTINGS, RESULTS)

PROVENANCE = (
    ("created", "when the file was made, UTC, ISO 8601 with microseconds"),
    ("by", "the program and its version"),
    ("source", "what it was made from: a path, an address or a command"),
    ("format", "the importer or engine that made it"),
    ("hashes", "digests of the files it was made from, where they were computed"),
    ("repairs", "what was changed on the way in, each as a sentence; empty when nothing was"),
    (
        "pieces",
        "predictions only: model, rows and digest of every model in the part; in merged parts also"
        " `merged`: digest, rows and places in `merged_from` of what was joined, in that order",
    ),
    ("notes", "what a reader should know, each as a sentence"),
    ("setting", "predictions only: the setting's name"),
    ("replaces", "predictions only: digests of the pieces that this part replaces"),
    ("run", "predictions of a run only: which examples, with what seeds and fingerprints"),
    ("named", "predictions only: true when the file has the name of a task, not its content's"),
    ("replace", "tables only: true when rows here replace different older ones"),
    (
        "merged_from",
        "merged parts only: the records of all parts behind it, without pieces and replaces, as"
        ' they were, except that `{"$shared": i}` stands for value i of the list `shared`',
    ),
    ("shared", "merged parts only: long values that several records in `merged_from` have"),
    (
        "ended",
        "merged parts only: what was replaced and stays so: created (when), models, digests",
    ),
    (
        "tasks",
        "merged parts only: the names of the tasks merged; another part of that name is void",
    ),
)


def document() -> str:
    """The schema as Markdown, made from the definitions above."""
    lines = [
        f"# The store, schema version {VERSION}",
        "",
        "A store is a folder (or any fsspec URL) of Parquet files that any tool can read.",
        f"`{MARK}` holds the schema version. Files are never changed once written: a writer writes",
        "a temporary name (it contains `.unfinished-` and does not end in `.parquet`), flushes it",
        "and renames it; on an object store it makes one put. There is no lock and no index.",
        "Names in `setting=` and `label_set=` folders are percent-encoded.",
        "",
        "`heldout compact` joins the parts of a setting: it writes one new part, whose name begins",
        f"with `{MERGED}`, reads it back, and only then deletes the old ones. A reader that finds",
        "a listed part gone lists again. Replaced rows stay replaced: that is said of the digest",
        "of the rows as they were first written, and merged parts keep these digests.",
    ]
    for kind in KINDS:
        lines += ["", f"## {kind.folder}", "", kind.meaning, ""]
        lines += ["| column | type | always there | meaning |", "| :-- | :-- | :-- | :-- |"]
        lines += [
            f"| {f.name} | {f.type} | {'yes' if f.always else 'no'} | {f.meaning} |"
            for f in kind.fields
        ]
    lines += ["", "## Provenance", ""]
    lines += [
        "Every Parquet file carries, in its key-value metadata under `heldout`, a JSON object:"
    ]
    lines += ["", "| key | meaning |", "| :-- | :-- |"]
    lines += [f"| {key} | {meaning} |" for key, meaning in PROVENANCE]
    return "\n".join(lines) + "\n"
