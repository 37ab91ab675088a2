"""The demo's work: train the classifiers, predict on every setting, store every prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.demo.data import CLASS_NAMES, CLASSES, NEW_WRITERS, SAME_WRITERS, Digits, digits
from heldout.demo.models import CLASSIFIERS, fit, one_thread, predict
from heldout.demo.shifts import SEVERITIES, SHIFTS, shifted
from heldout.errors import ConflictError
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_models, write_predictions, write_settings

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class DemoDone:
    """What a run of the demo did.

    stored, unchanged: pairs of model and setting that were written, or were there with the same
    rows. predictions: rows behind all of them. notes: what scikit-learn warned of, a sentence each.
    """

    models: tuple[str, ...]
    settings: tuple[str, ...]
    stored: int
    unchanged: int
    predictions: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A setting of the demo: its row in the store, its examples and their images."""

    row: Mapping[str, Any]
    examples: list[str]
    images: NDArray[np.uint8]

    @property
    def name(self) -> str:
        """The setting's name."""
        return str(self.row["setting"])


def run_demo(
    store_url: str,
    *,
    seed: int = 0,
    replace: bool = False,
    progress: Progress = lambda what, done: None,
) -> DemoDone:
    """Fill a store with the demo's predictions; a second run finds the same rows and adds none.

    seed: of the training and the shifts; the split is always the same. progress is called with
    what is being done and the fraction that is done. Raises HeldoutError where scikit-learn is
    missing, ConflictError when the store holds the demo of another seed, unless `replace`.
    """
    data = digits()
    store = Store.create(store_url)
    settings = list(demo_settings(data, seed, progress))
    predicted, confidence, notes = _predictions(data, settings, seed, progress)
    _write_tables(store, data, settings, seed)
    stored = unchanged = start = 0
    for i, setting in enumerate(settings):
        progress(f"storing {setting.name}", 0.9 + 0.1 * i / len(settings))
        rows = slice(start, start + len(setting.examples))
        start = rows.stop
        block = Block(
            setting.name,
            [c.name for c in CLASSIFIERS],
            setting.examples,
            predicted[:, rows],
            confidence=confidence[:, rows],
        )
        written = _write(store, block, _origin(seed), replace)
        stored += len(written.stored)
        unchanged += len(written.unchanged)
    progress("done", 1.0)
    return DemoDone(
        tuple(c.name for c in CLASSIFIERS),
        tuple(s.name for s in settings),
        stored,
        unchanged,
        predicted.size,
        notes,
    )


def demo_settings(data: Digits, seed: int, progress: Progress) -> Iterator[Setting]:
    """Both test sets, then the writers seen under every shift at every severity."""
    same = data.names(data.same_writers)
    base = {"label_set": SAME_WRITERS, "n": len(same), "baseline": SAME_WRITERS}
    described = "handwritten digits by writers whose other digits were trained on"
    row = base | {"setting": SAME_WRITERS, "group": "original", "description": described}
    yield Setting(row, same, data.images[data.same_writers])
    new = data.names(data.new_writers)
    row = {
        "setting": NEW_WRITERS,
        "label_set": NEW_WRITERS,
        "n": len(new),
        "baseline": SAME_WRITERS,
        "original": SAME_WRITERS,
        "group": "natural",
        "description": "handwritten digits by writers not trained on",
    }
    yield Setting(row, new, data.images[data.new_writers])
    for i, shift in enumerate(SHIFTS):
        progress(f"shifting images: {shift.name}", 0.2 * i / len(SHIFTS))
        for severity in SEVERITIES:
            name = f"{SAME_WRITERS}/{shift.name}:{severity}"
            described = f"{SAME_WRITERS}, {shift.says(severity)}"
            row = base | {"setting": name, "group": "synthetic", "description": described}
            yield Setting(
                row, same, shifted(data.images[data.same_writers], shift, severity, same, seed)
            )


def _predictions(
    data: Digits, settings: list[Setting], seed: int, progress: Progress
) -> tuple[NDArray[np.int32], NDArray[np.float64], tuple[str, ...]]:
    """Predicted classes and confidences, (models, examples of all settings), and warnings."""
    images = np.concatenate([s.images for s in settings])
    predicted = np.empty((len(CLASSIFIERS), len(images)), np.int32)
    confidence = np.empty(predicted.shape)
    notes: list[str] = []
    with one_thread():
        for i, classifier in enumerate(CLASSIFIERS):
            progress(f"training {classifier.name}", 0.2 + 0.7 * i / len(CLASSIFIERS))
            fitted = fit(classifier, data.images[data.train], data.label[data.train], seed)
            predicted[i], confidence[i] = predict(fitted, images)
            notes += fitted.warnings
    return predicted, confidence, tuple(notes)


def _write_tables(store: Store, data: Digits, settings: list[Setting], seed: int) -> None:
    origin = _origin(seed)
    for name, part in ((SAME_WRITERS, data.same_writers), (NEW_WRITERS, data.new_writers)):
        write_labels(
            store,
            name,
            data.names(part),
            data.label[part],
            CLASSES,
            origin,
            class_names=CLASS_NAMES,
            groups={"block": data.block[part].tolist()},
        )
    write_settings(store, [s.row for s in settings], origin)
    write_models(store, [c.metadata() for c in CLASSIFIERS], origin)


def _write(store: Store, block: Block, origin: Provenance, replace: bool) -> Any:
    try:
        return write_predictions(store, block, origin, replace=replace)
    except ConflictError as error:
        raise ConflictError(
            f"{error} The demo with another seed or another scikit-learn is best kept in a store"
            " of its own: give another --store."
        ) from error


def _origin(seed: int) -> Provenance:
    import sklearn

    table = repr([c.metadata() for c in CLASSIFIERS]).encode()
    return Provenance(
        source=f"heldout demo --seed {seed}",
        format="demo",
        hashes={"classifiers": hashlib.blake2b(table, digest_size=8).hexdigest()},
        notes=(f"scikit-learn {sklearn.__version__}", f"numpy {np.__version__}"),
    )
