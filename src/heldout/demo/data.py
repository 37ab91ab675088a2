"""The digits of the demo: 1,797 images by few people, in the order in which they were collected.

scikit-learn ships the test part of the UCI set "Optical Recognition of Handwritten Digits" and does
not shuffle it. Its targets run 14 times through one text of 130 digits: everyone filled in the same
form. docs/demo.md says what is known of this and what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.demo.draws import generator
from heldout.errors import HeldoutError

FIRST_PART = 1114  # the first 62 % of 1,797
TRAINED_ON = 600
BRIGHTEST = 16

SAME_WRITERS = "digits-same-writers"
NEW_WRITERS = "digits-new-writers"

CLASSES = tuple("0123456789")
CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

FORM = (
    "0123456789" * 3 + "09556509898417735100227820126337334666491509528200"
    "17632174631391768431405369617544728225795488490898"
)
BLOCK_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """All examples and the three disjoint parts that they are split into.

    images: (1797, 8, 8) whole numbers from 0 (paper) to 16 (ink). block: (1797,) which copy of the
    form an example comes from, 0 to 13: the nearest thing to the writer's name that there is.
    train, same_writers, new_writers: positions in the array, ascending.
    """

    images: NDArray[np.uint8]
    label: NDArray[np.int32]
    ids: list[str]
    block: NDArray[np.int32]
    train: NDArray[np.int64]
    same_writers: NDArray[np.int64]
    new_writers: NDArray[np.int64]

    def names(self, part: NDArray[np.int64]) -> list[str]:
        """The example ids of a part."""
        return [self.ids[i] for i in part]


def digits() -> Digits:
    """The digits and their split, which is always the same: a test set is a thing with a name.

    The first 62 % give 600 examples to train on, drawn at random, and 514 to test on; the last
    38 % are the new writers. Raises HeldoutError where scikit-learn is not installed.
    """
    bunch = _load()
    label = np.asarray(bunch.target, np.int32)
    drawn = generator(0, "split of the digits").permutation(FIRST_PART)
    return Digits(
        images=np.asarray(bunch.images, np.uint8),
        label=label,
        ids=[f"digit-{i:04d}" for i in range(len(label))],
        block=blocks(len(label)),
        train=np.sort(drawn[:TRAINED_ON]),
        same_writers=np.sort(drawn[TRAINED_ON:]),
        new_writers=np.arange(FIRST_PART, len(label)),
    )


def blocks(n: int) -> NDArray[np.int32]:
    """Which copy of the form each of the first n examples comes from.

    >>> blocks(131)[[0, 129, 130]].tolist()
    [0, 0, 1]
    """
    return (np.searchsorted(BLOCK_STARTS, np.arange(n), side="right") - 1).astype(np.int32)


def _load() -> Any:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise HeldoutError(
            "The demo trains its classifiers with scikit-learn, which is not installed."
            " Install it with: pip install 'heldout[demo]'"
        ) from error
    return load_digits()
