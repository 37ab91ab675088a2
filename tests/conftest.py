"""Stores made once from the published data."""

from __future__ import annotations

import pytest

from heldout.store.read import Store
from realdata import imported


@pytest.fixture(scope="session")
def cifar_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return imported("cifar10.1", "cifar10.1", tmp_path_factory.mktemp("stores") / "cifar")


@pytest.fixture(scope="session")
def imagenetv2_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return imported(
        "imagenetv2", "imagenetv2-predictions", tmp_path_factory.mktemp("stores") / "imagenetv2"
    )


@pytest.fixture(scope="session")
def testbed_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return imported(
        "imagenet-testbed", "imagenet-testbed", tmp_path_factory.mktemp("stores") / "testbed"
    )


@pytest.fixture(scope="session")
def timm_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return imported("timm", "timm-results", tmp_path_factory.mktemp("stores") / "timm")


@pytest.fixture(scope="session")
def open_clip_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return imported(
        "open_clip", "open_clip-results", tmp_path_factory.mktemp("stores") / "open_clip"
    )
