"""The orders in which people number classes: which class does every index stand for?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heldout.analysis.doctor.case import IntArray
from heldout.errors import BadInput, not_found

INVERSE = {
    "string-sorted": "string-sorted-inverse",
    "string-sorted-from-one": "string-sorted-from-one-inverse",
    "off-by-one": "minus-one",
    "names-sorted": "names-sorted-inverse",
    "ids-sorted": "ids-sorted-inverse",
    "reversed": "reversed",
    "unknown": "unknown",
    "swapped": "swapped",
    "ilsvrc-devkit": "ilsvrc-devkit-inverse",
}
INVERSE |= {b: a for a, b in INVERSE.items()}

MEANING = {
    "string-sorted": "folders '0', '1', '10', '100', … sorted as text",
    "string-sorted-inverse": "folders sorted as text, undone once too often",
    "string-sorted-from-one": "folders '1', '10', '100', … sorted as text",
    "string-sorted-from-one-inverse": "folders from '1' sorted as text, undone once too often",
    "off-by-one": "one too high, as with a background class at 0 or ids that start at 1",
    "minus-one": "one too low",
    "reversed": "the last class first",
    "ids-sorted": "the class ids in alphabetical order",
    "ids-sorted-inverse": "the class ids in alphabetical order, undone once too often",
    "names-sorted": "the class names in alphabetical order",
    "names-sorted-inverse": "the class names in alphabetical order, undone once too often",
    "subset-index": "an index into only those classes that have examples",
    "ilsvrc-devkit": "ILSVRC2012_ID, the order of the ImageNet devkit",
    "ilsvrc-devkit-inverse": "the inverse of ILSVRC2012_ID, the order of the ImageNet devkit",
}

# The first synsets of the devkit's list, ILSVRC2012_ID 1 to 10: enough to recognise it.
DEVKIT_START = (
    "n02119789", "n02100735", "n02110185", "n02096294", "n02102040",
    "n02066245", "n02509815", "n02124075", "n02417914", "n02123394",
)  # fmt: skip


def known_orders(
    n_classes: int,
    classes: Sequence[str] = (),
    class_names: Sequence[str] = (),
    labelled: Sequence[int] = (),
) -> dict[str, IntArray]:
    """Every known order that differs from the plain one: name -> (indices,) class that is meant.

    labelled: the classes that have examples, for 'subset-index'. -1 stands for no class.

    >>> known_orders(11)["string-sorted"].tolist()
    [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> sorted(known_orders(3))
    ['minus-one', 'off-by-one', 'reversed']
    """
    kept: dict[str, IntArray] = {}
    for name, order in _all_orders(n_classes, classes, class_names, labelled).items():
        if np.array_equal(order[:n_classes], np.arange(n_classes)):
            continue
        if not any(np.array_equal(order, k) for k in kept.values()):
            kept[name] = order.astype(np.int64)
    return kept


def _all_orders(
    n_classes: int, classes: Sequence[str], class_names: Sequence[str], labelled: Sequence[int]
) -> dict[str, IntArray]:
    plain = np.arange(n_classes)
    texts = _by_text([str(i) for i in plain])
    from_one = _by_text([str(i + 1) for i in plain])
    found = {
        "string-sorted": texts,
        "string-sorted-inverse": np.argsort(texts),
        "string-sorted-from-one": from_one,
        "string-sorted-from-one-inverse": np.argsort(from_one),
        "reversed": plain[::-1],
        "off-by-one": np.append((plain - 1) % n_classes, n_classes - 1),
        "minus-one": (plain + 1) % n_classes,
    }
    for kind, texts_of in (("ids", classes), ("names", class_names)):
        if len(texts_of) == n_classes:
            order = _by_text([t.lower() for t in texts_of])
            found[f"{kind}-sorted"] = order
            found[f"{kind}-sorted-inverse"] = np.argsort(order)
    if 1 < len(labelled) < n_classes:
        found["subset-index"] = np.full(n_classes, -1, np.int64)
        found["subset-index"][: len(labelled)] = np.sort(np.asarray(labelled))
    return found


def order_named(
    name: str,
    n_classes: int,
    classes: Sequence[str] = (),
    class_names: Sequence[str] = (),
    labelled: Sequence[int] = (),
) -> IntArray:
    """What every index means in the order of that name. Raises NotFound.

    >>> order_named("reversed", 3).tolist()
    [2, 1, 0]
    """
    orders = _all_orders(n_classes, classes, class_names, labelled)
    if name not in orders:
        raise not_found("class order", name, orders)
    return orders[name].astype(np.int64)


def order_listed(lines: Sequence[str], classes: Sequence[str]) -> IntArray:
    """What every index means, from a list with one class a line, in the order of the indices.

    A line begins with a class id or index, or is '-' for an index that is no class; empty lines at
    the end do not count. Raises BadInput for any other line, and for a class that is there twice.

    >>> order_listed(["-", "b", "a kind of thing", ""], ["a", "b"]).tolist()
    [-1, 1, 0]
    """
    at = {c: i for i, c in enumerate(classes)}
    out = []
    last = max((i for i, line in enumerate(lines) if line.strip()), default=-1)
    for number, line in enumerate(lines[: last + 1], 1):
        text = (line.split() or [""])[0]
        if text == "-":
            out.append(-1)
        elif text in at:
            out.append(at[text])
        elif text.isdecimal() and int(text) < len(classes):
            out.append(int(text))
        else:
            raise BadInput(
                f"Class order, line {number}: '{text}' is not one of the {len(classes)} classes;"
                " write one class id or index a line, in the order of the predictions."
            )
    named = [i for i in out if i >= 0]
    if len(set(named)) != len(named):
        twice = next(i for i in named if named.count(i) > 1)
        raise BadInput(f"Class order: the class '{classes[twice]}' is listed twice.")
    return np.array(out, np.int64)


def _by_text(texts: Sequence[str]) -> IntArray:
    """The stable order that sorts some texts."""
    return np.array(sorted(range(len(texts)), key=lambda i: texts[i]), np.int64)
