"""What can be measured about the order of the digits: `python -m heldout.demo.measure`.

Prints Markdown; `--write docs/demo.md` puts it between the marks in that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.demo.data import BLOCK_STARTS, FIRST_PART, FORM, Digits, digits
from heldout.demo.models import CLASSIFIERS, Classifier, fit, one_thread, predict
from heldout.errors import BadInput, HeldoutError
from heldout.table import show

BoolArray = NDArray[np.bool_]

MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")
FOLDED = ("knn-1", "logistic", "svm-rbf", "forest-100", "tree")
SEEDS = range(5)


def main(arguments: Sequence[str]) -> int:
    """Measure; print, or write into the file after `--write`. Returns the exit code."""
    try:
        if not arguments:
            sys.stdout.write(report())
        elif len(arguments) == 2 and arguments[0] == "--write":
            put_between_marks(Path(arguments[1]), report())
        else:
            raise BadInput("Usage: python -m heldout.demo.measure [--write FILE]")
    except HeldoutError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def put_between_marks(path: Path, text: str) -> None:
    """Replace what stands between the marks. Raises BadInput when the file lacks them."""
    before, opened, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, closed, after = rest.partition(MARKS[1])
    if not (opened and closed):
        raise BadInput(f"{path} has no lines '{MARKS[0]}' and '{MARKS[1]}' to write between.")
    path.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}", encoding="utf-8")


def report() -> str:
    """All measurements as Markdown."""
    data = digits()
    parts = (order(data), neighbours(data), folds(data), cut_and_line(data), versions())
    with one_thread():
        return "\n".join(line for part in parts for line in part) + "\n"


def agreement(data: Digits) -> list[tuple[int, int, int, int]]:
    """For every block: its first position, its length, digits lacking, digits that differ.

    Lacking is the form's length less the block's; what differs has no place in the longest common
    subsequence of both.
    """
    ends = [*BLOCK_STARTS[1:], len(data.label)]
    rows = []
    for start, end in zip(BLOCK_STARTS, ends, strict=True):
        text = "".join(map(str, data.label[start:end]))
        rows.append((start, len(text), len(FORM) - len(text), len(text) - _common(text, FORM)))
    return rows


def same_block_neighbours(data: Digits) -> tuple[float, float]:
    """Share of digits whose nearest image of the same digit is from the same block, and by chance.

    Chance: the mean share of a digit's fellows that are from its own block.
    """
    flat = data.images.reshape(len(data.label), -1).astype(np.float64)
    square = (flat**2).sum(axis=1)
    distance = square[:, None] + square - 2 * flat @ flat.T
    fellow = (data.label[:, None] == data.label) & ~np.eye(len(flat), dtype=bool)
    together = data.block[:, None] == data.block
    nearest = np.where(fellow, distance, np.inf).argmin(axis=1)
    share = (fellow & together).sum(axis=1) / fellow.sum(axis=1)
    return float(np.mean(data.block[nearest] == data.block)), float(share.mean())


def folded_accuracy(data: Digits, classifier: Classifier, fold: NDArray[Any]) -> float:
    """Accuracy when every fold is predicted by a model trained on all the others."""
    right = 0
    for f in np.unique(fold):
        away = fold != f
        fitted = fit(classifier, data.images[away], data.label[away], seed=0)
        predicted, _ = predict(fitted, data.images[~away])
        right += int((predicted == data.label[~away]).sum())
    return right / len(fold)


def correct(data: Digits, seed: int) -> tuple[BoolArray, BoolArray]:
    """Right or wrong of every classifier, (models, n), on same writers and on new writers."""
    same: list[BoolArray] = []
    new: list[BoolArray] = []
    for classifier in CLASSIFIERS:
        fitted = fit(classifier, data.images[data.train], data.label[data.train], seed)
        for part, out in ((data.same_writers, same), (data.new_writers, new)):
            out.append(predict(fitted, data.images[part])[0] == data.label[part])
    return np.array(same), np.array(new)


def probit_r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and R² of the least-squares line through probit accuracies."""
    from scipy.special import ndtri

    a, b = ndtri(x), ndtri(y)
    slope = float(np.polyfit(a, b, 1)[0])
    return slope, float(np.corrcoef(a, b)[0, 1] ** 2)


def order(data: Digits) -> Iterator[str]:
    """The order of the targets, in Markdown."""
    rows = agreement(data)
    lacking, differing = sum(r[2] for r in rows), sum(r[3] for r in rows)
    yield f"**The order.** The {len(data.label):,} targets are {len(rows)} copies of one text of"
    yield f"{len(FORM)} digits, one after the other; {lacking} digits are lacking and {differing}"
    yield "differs. The text:"
    yield ""
    yield f"    {FORM[:65]}"
    yield f"    {FORM[65:]}"
    yield ""
    yield "| block | first | length | lacking | differing |"
    yield "| --: | --: | --: | --: | --: |"
    for i, (start, length, less, other) in enumerate(rows):
        yield f"| {i} | {start} | {length} | {less} | {other} |"
    yield ""


def neighbours(data: Digits) -> Iterator[str]:
    """Whether images from one block look alike, in Markdown."""
    share, chance = same_block_neighbours(data)
    yield "**The hands.** The nearest other image of the same digit (Euclidean distance of the"
    yield f"pixels) is from the same block for {show(share, 'fraction')} of the images; if hands"
    yield f"did not matter, it would be for {show(chance, 'fraction')}."
    yield ""


def folds(data: Digits) -> Iterator[str]:
    """Accuracy with random folds and with blocks left out, in Markdown."""
    count = len(BLOCK_STARTS)
    position = np.random.default_rng(0).permutation(len(data.label))
    yield f"**What it does to accuracy.** All {len(data.label):,} digits, each predicted by a"
    yield f"model that was trained on the other {count - 1} of {count} folds: folds drawn at"
    yield "random, or folds that are the blocks."
    yield ""
    yield "| model | random folds | blocks | difference |"
    yield "| :-- | --: | --: | --: |"
    named = {c.name: c for c in CLASSIFIERS}
    for name in FOLDED:
        mixed = folded_accuracy(data, named[name], position % count)
        apart = folded_accuracy(data, named[name], data.block)
        shown = f"{show(mixed, 'fraction')} | {show(apart, 'fraction')}"
        yield f"| {name} | {shown} | {show(apart - mixed, 'points')} |"
    yield ""


def cut_and_line(data: Digits) -> Iterator[str]:
    """Where the split cuts, and the demo's means and line for several seeds, in Markdown."""
    cut = data.block[FIRST_PART]
    straddles = data.block[data.new_writers] == cut
    yield f"**The cut.** Position {FIRST_PART:,} is within block {cut}: {int(straddles.sum())} of"
    yield f"the {len(straddles)} examples of new writers are from a form whose beginning is in the"
    yield "first part. Means over the models, and the probit line, by seed of the training:"
    yield ""
    yield "| seed | same writers | new writers | without that form | that form | slope | R² |"
    yield "| --: | --: | --: | --: | --: | --: | --: |"
    for seed in SEEDS:
        same, new = correct(data, seed)
        slope, r2 = probit_r2(same.mean(axis=1), new.mean(axis=1))
        means = (same, new, new[:, ~straddles], new[:, straddles])
        shown = " | ".join(show(m.mean(), "fraction") for m in means)
        yield f"| {seed} | {shown} | {slope:.2f} | {r2:.3f} |"
    yield ""


def versions() -> Iterator[str]:
    """What the accuracies were measured with; others may differ in the last digits."""
    import sklearn

    yield f"Measured with scikit-learn {sklearn.__version__} and NumPy {np.__version__}."


def _common(a: str, b: str) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
