"""Work in threads, results in order, never more than a few ahead: memory stays bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Callable[[T], R], items: Iterable[T], workers: int, ahead: int
) -> Iterator[tuple[T, R]]:
    """Each item with its result, in the order of the items; at most `ahead` results are waiting.

    An exception of `work` comes out where its result would have; what was begun is then finished
    and dropped. The items are taken one by one as there is room for them.
    """
    source = iter(items)
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="heldout") as pool:
        try:
            for item in source:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= ahead:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
