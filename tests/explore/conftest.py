"""A small opened model for the tests of this package."""

from pathlib import Path

import pytest

from nvp_studio.explore.model import OpenedModel, open_model
from tests.small_model import write_small_model


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    write_small_model(path)
    return path


@pytest.fixture
def model(model_file: Path) -> OpenedModel:
    return open_model(model_file)


@pytest.fixture(scope="session")
def colour_model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "colour.safetensors"
    write_small_model(path, (3, 8, 12))
    return path


@pytest.fixture
def colour_model(colour_model_file: Path) -> OpenedModel:
    return open_model(colour_model_file)
