"""What a block of new rows has in common with the pieces that a store holds already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heldout.store.block import Block
from heldout.store.layout import examples_of, may_share
from heldout.store.pieces import Leaf, Piece
from heldout.store.read import Store


def names_of(piece: Piece) -> list[str]:
    """The digests under which a piece's rows are known: its own, and those it was merged from."""
    return list(dict.fromkeys([piece.digest, *(leaf.digest for leaf in piece.leaves)]))


class Overlap:
    """Which rows of the store are of a block's examples.

    The models of a part were written with the same examples, so one of them answers for all.
    """

    def __init__(self, store: Store, block: Block) -> None:
        self.files = store.files
        self.examples = frozenset(block.examples)
        self.ends = (min(self.examples, default=""), max(self.examples, default=""))
        self.parts: dict[str, bool] = {}
        self.known: dict[tuple[Any, ...], bool] = {}

    def of(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces with those of their leaves that have one of the block's examples."""
        found = []
        for p in pieces:
            if p.part not in self.parts:
                self.parts[p.part] = may_share(self.files, p.part, *self.ends)
            if self.parts[p.part] and (leaves := self._leaves(p)):
                found.append(p.only(leaves))
        return found

    def _leaves(self, piece: Piece) -> list[Leaf]:
        keys = [(piece.part, f.start, f.rows, *map(id, f.records)) for f in piece.leaves]
        if not all(key in self.known for key in keys):
            ids = examples_of(self.files, piece)
            for key, leaf in zip(keys, piece.leaves, strict=True):
                mine = ids[leaf.start : leaf.start + leaf.rows]
                self.known[key] = not self.examples.isdisjoint(mine)
        return [f for key, f in zip(keys, piece.leaves, strict=True) if self.known[key]]


def has_all(store: Store, block: Block) -> bool:
    """Whether rows of every model on every example of the block count in the store, whatever they
    say: a task that was done before may differ in rounding."""
    wanted = set(block.examples)
    there: dict[str, set[str]] = {m: set() for m in block.models}
    for piece in Overlap(store, block).of(store.pieces(block.setting)):
        if piece.model in there:
            ids = examples_of(store.files, piece)
            for leaf in piece.leaves:
                there[piece.model].update(ids[leaf.start : leaf.start + leaf.rows])
    return all(wanted <= ids for ids in there.values())


def clash(store: Store, block: Block, i: int, pieces: Sequence[Piece]) -> Piece | None:
    """The first stored piece that has another prediction for an example of this block."""
    position = {e: j for j, e in enumerate(block.examples)}
    for piece in pieces:
        there = store.read_piece(block.setting, piece)
        both = [(position[e], j) for j, e in enumerate(there.examples) if e in position]
        if not both:
            continue
        ours, theirs = (np.array(x) for x in zip(*both, strict=True))
        if not _same_rows(block.take([i]), ours, there, theirs):
            return piece
    return None


def _same_rows(a: Block, ia: Any, b: Block, ib: Any) -> bool:
    if not np.array_equal(a.predicted[0, ia], b.predicted[0, ib]):
        return False
    for x, y in ((a.runners_up, b.runners_up), (a.confidence, b.confidence), (a.scores, b.scores)):
        if (x is None) != (y is None):
            return False
        if x is not None and y is not None:
            if x.shape[2:] != y.shape[2:]:
                return False
            left, right = x[0, ia].astype(np.float32), y[0, ib].astype(np.float32)
            if not np.array_equal(left, right, equal_nan=True):
                return False
    return True
