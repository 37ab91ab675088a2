"""The published data where it is laid out, and stores made from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heldout.imports.bundle import Choices, put
from heldout.store.read import Store

ROOT = Path(os.environ.get("HELDOUT_DATA", Path(__file__).parents[1] / ".data"))


def published(name: str) -> Path:
    """The folder or file of that name among the published data; skips where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"needs the published data: {path} is not there (see README, 'Real data')")
    return path


def imported(name: str, folder: str, where: Path) -> Store:
    """A store with one published source in it."""
    from heldout.imports import formats

    module = formats.load(name)
    root = module.recognise(published(folder))
    assert root is not None
    store = Store.create(str(where))
    choices = Choices(source=name)
    put(store, module.read(root, choices), choices)
    return store
