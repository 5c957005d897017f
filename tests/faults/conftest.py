"""The run that nothing happened to, which all others are compared with."""

from pathlib import Path

import pytest
import torch

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.start import start_run
from tests.faults.runs import make_patient, small_config, write_data


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    make_patient(monkeypatch)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return small_config(write_data(tmp_path_factory.mktemp("data") / "bars.npz"))


@pytest.fixture(scope="session")
def whole(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_run(config, tmp_path_factory.mktemp("runs"), "whole")
