"""What the tests of the demo share."""

from __future__ import annotations

import pytest

from heldout.demo.data import Digits, digits


@pytest.fixture(scope="session")
def data() -> Digits:
    return digits()
