"""Work in processes, for code that holds Python's lock most of the time, as image encoders do.

The processes end with the one that began them, however that ends: each reads from a pipe whose
other end only the parent holds.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from heldout.errors import HeldoutError

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 2  # items that a process has, so that it never waits for the next one
_PATIENCE = 5.0  # seconds that a process has to finish its item when the work ends early


def in_processes(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[tuple[T, R]]:
    """Each item with its result, in the order in which they come.

    work: can be pickled, and so can items and results; each process gets a copy. With one worker it
    is called here. An exception of `work` comes out as it is. Raises HeldoutError where a process
    ends by itself.
    """
    if workers <= 1:
        for item in items:
            yield item, work(item)
        return
    context = get_context("spawn")  # a fork copies locks that other threads hold
    source = iter(items)
    ends: dict[Connection, Any] = {}
    waiting: dict[Connection, list[T]] = {}
    try:
        for _ in range(workers):
            mine, other = context.Pipe()
            process = context.Process(target=_serve, args=(other, work), daemon=True)
            process.start()
            other.close()
            ends[mine] = process
            waiting[mine] = []
        for _ in range(_AHEAD):
            for end in ends:
                _hand(end, source, waiting)
        while busy := [end for end, mine in waiting.items() if mine]:
            for ready in wait(busy):
                assert isinstance(ready, Connection)
                result = _taken(ready)
                item = waiting[ready].pop(0)
                _hand(ready, source, waiting)
                yield item, result
    finally:
        for end in ends:
            end.close()
        for process in ends.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()


def _hand(end: Connection, source: Iterator[T], waiting: dict[Connection, list[T]]) -> None:
    for item in source:
        with contextlib.suppress(OSError):  # a process that is gone is found when it should answer
            end.send(item)
        waiting[end].append(item)
        return


def _taken(end: Connection) -> Any:
    """A process's next result."""
    try:
        result, error = end.recv()
    except (EOFError, ConnectionError) as lost:
        raise HeldoutError(
            "A process that worked for this one has ended by itself. Often memory did not suffice:"
            " take fewer --workers. (A Python script that calls this needs the usual line"
            " if __name__ == '__main__'.)"
        ) from lost
    if error is not None:
        raise error
    return result


def _serve(end: Connection, work: Callable[[Any], Any]) -> None:
    """Answer items until the parent is gone. A terminal sends Ctrl-C to all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        while True:
            item = end.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = (work(item), None)
            except Exception as error:
                answer = (None, _sendable(error))
            end.send(answer)


def _sendable(error: Exception) -> Exception:
    """The error, or its words where it would not arrive as it is."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return HeldoutError(f"{type(error).__name__}: {error}")
    return error
