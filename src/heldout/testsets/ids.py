"""Example ids from a column, a format string over the columns, or the position in the set."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from heldout.errors import BadInput, not_found

_WHOLE, _REAL = "bcdoxX", "eEfFgG%"


def from_columns(option: str, columns: Mapping[str, Sequence[Any]], where: str) -> list[str]:
    """Ids from the option id: a column's name, or a format such as `val-{index:05d}`.

    `{row}` is the position, from 0. Raises NotFound for a column that is not there and BadInput
    for a value that does not fit the format.

    >>> from_columns("t-{i:03d}", {"i": ["7", "12"]}, "t.csv")
    ['t-007', 't-012']
    """
    if option in columns:
        return [str(v) for v in columns[option]]
    if "{" not in option:
        raise not_found("column", option, columns, where)
    fields = _fields(option)
    for name, _ in fields:
        if name not in columns and name != "row":
            raise not_found("column", name, columns, where)
    n = len(next(iter(columns.values()))) if columns else 0
    ids = []
    for row in range(n):
        values = {name: columns[name][row] if name in columns else row for name, _ in fields}
        for name, spec in fields:
            values[name] = _value(values[name], spec, name, row, where)
        try:
            ids.append(option.format(**values))
        except ValueError as error:
            raise BadInput(
                f"The ids '{option}' cannot be made in row {row + 1}: {error}."
            ) from error
    return ids


def from_positions(n: int, option: str | None) -> list[str]:
    """Ids "00000", "00001", …; the option is put before them, or is a format over {index}.

    >>> from_positions(2, "v6-"), from_positions(1, "cifar10-test-{index:05d}")
    (['v6-00000', 'v6-00001'], ['cifar10-test-00000'])
    """
    if option is not None and "{" in option:
        return from_columns(option, {"index": range(n)}, "a set of arrays")
    width = max(5, len(str(n - 1)))
    return [f"{option or ''}{i:0{width}d}" for i in range(n)]


def _fields(option: str) -> list[tuple[str, str]]:
    try:
        parsed = [(f, s or "") for _, f, s, _ in string.Formatter().parse(option) if f is not None]
    except ValueError as error:
        raise BadInput(f"The id format '{option}' is not complete: {error}.") from error
    for name, _ in parsed:
        if not name or any(c in name for c in ".[]!"):
            raise BadInput(
                f"The id format '{option}' must name columns, such as {{index}} or {{index:05d}}."
            )
    return parsed


def _value(value: Any, spec: str, name: str, row: int, where: str) -> Any:
    """A whole or real number where the format asks for one."""
    wanted = int if spec[-1:] and spec[-1] in _WHOLE else float if spec[-1:] in _REAL else None
    if wanted is None or not spec:
        return value
    try:
        return wanted(value)
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"The column '{name}' of {where} has '{value}' in row {row + 1}, which the id format"
            f" '{{{name}:{spec}}}' cannot take: it wants a number."
        ) from error
