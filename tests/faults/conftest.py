"""The run that nothing happened to, which all others are compared with."""

from pathlib import Path

import pytest

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.start import start_run
from tests.faults.runs import LONG, make_patient, small_config, write_data


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long suite takes an hour, a single test of it half of that; the limit is for tests that hang."""
    for item in items if LONG else []:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(3 * 3600), append=False)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_patient(monkeypatch)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return small_config(write_data(tmp_path_factory.mktemp("data") / "bars.npz"))


@pytest.fixture(scope="session")
def whole(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_run(config, tmp_path_factory.mktemp("runs"), "whole")
