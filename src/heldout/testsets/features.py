"""What the columns of a Parquet schema mean: pictures, labels, and the names of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heldout.errors import BadInput, not_found
from heldout.testsets.class_list import labelled_by_name, labelled_by_number, listed, must_know

_IMAGES = ("image", "img", "picture", "jpg", "png", "jpeg", "webp", "bytes")
_LABELS = ("label", "labels", "fine_label", "target", "cls", "class", "y")


def is_scalar(kind: Any) -> bool:
    """Whether a type is a number or text, which a group's values can be."""
    import pyarrow.types as t

    return any(f(kind) for f in (t.is_integer, t.is_floating, t.is_boolean, t.is_string,
                                 t.is_large_string))  # fmt: skip


def _is_picture(kind: Any) -> bool:
    import pyarrow.types as t

    if t.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(t.is_binary(kind) or t.is_large_binary(kind))


def guess_image(schema: Any) -> str | None:
    """The column of pictures by its type and then its name; None where there is none."""
    pictures = [f.name for f in schema if _is_picture(f.type)]
    by_lower = {p.lower(): p for p in pictures}
    named = [by_lower[n] for n in _IMAGES if n in by_lower]
    return next(iter([*named, *pictures]), None)


def image_column(schema: Any, named: str | None, what: str) -> tuple[str, bool]:
    """The column of pictures, and whether it has their paths too. Raises NotFound, BadInput."""
    if named is not None and named not in schema.names:
        raise not_found("column", named, schema.names, what)
    name = named or guess_image(schema)
    if name is None or not _is_picture(schema.field(name).type):
        raise BadInput(
            f"{what} has no pictures in {'its columns' if name is None else f'column {name!r}'}:"
            f" {', '.join(f'{f.name} ({f.type})' for f in schema)}. They have to be bytes, or"
            " {bytes, path}."
        )
    kind = schema.field(name).type
    return name, "path" in {f.name for f in getattr(kind, "fields", [])}


def label_column(schema: Any, named: str | None, image: str, what: str) -> str | None:
    """The column of labels, as named or by its name. Raises NotFound."""
    if named is not None:
        if named not in schema.names:
            raise not_found("column", named, schema.names, what)
        return named
    by_lower = {f.name.lower(): f.name for f in schema if f.name != image and is_scalar(f.type)}
    return next((by_lower[n] for n in _LABELS if n in by_lower), None)


def class_names(schema: Any, label: str) -> list[str] | None:
    """The names of a ClassLabel, from the features that the schema's metadata has as JSON."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        if isinstance(features, str):
            features = json.loads(features)
        if isinstance(features, list):
            features = {f["name"]: f.get("dtype", f) for f in features}
        feature = features.get(label, {})
        feature = feature.get("class_label", feature) if isinstance(feature, Mapping) else {}
        names = feature.get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if isinstance(names, Mapping):
        names = [names[k] for k in sorted(names, key=int)]
    return [str(n) for n in names] if names else None


def labels(
    values: list[Any] | None, names: list[str] | None, option: str | None, what: str
) -> tuple[NDArray[np.int32] | None, list[str], list[str], list[str]]:
    """Labels, class ids, class names and notes from the column's values and its classes' names."""
    if values is None:
        return None, [], [], []
    if not all(v is None or (isinstance(v, int) and not isinstance(v, bool)) for v in values):
        of_class = [None if v is None else str(v) for v in values]
        return labelled_by_name(of_class, what, option)
    numbers = np.array([-1 if v is None else v for v in values], np.int64)
    if names is None:
        return labelled_by_number(numbers, what, option)
    if option is not None and (given := listed(option)[0]) != names:
        must_know(names, given, what, option)
        raise BadInput(f"{what} has its classes in another order than '{option}'.")
    used = {names[i] for i in np.unique(numbers) if 0 <= i < len(names)}
    notes = must_know(used, names, what, "its schema")
    return numbers.astype(np.int32), names, names, notes
