"""Where the published data lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from realdata import published


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """The folder .data/NAME (or HELDOUT_DATA/NAME); the test is skipped where it is absent."""
    return published
