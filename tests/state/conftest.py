"""An engine that trains on another machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nvp_studio.state.engine import Engine
from nvp_studio.training.config import TrainConfig
from tests.far import stand_in_for_ssh
from tests.qt import Bot


@pytest.fixture
def far_engine(qapp: object, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose ssh is the stand-in; its explorer is never started."""
    stand_in_for_ssh(tmp_path, monkeypatch)
    engine = Engine()
    yield engine
    engine.trainer.force_stop()
    qtbot.waitUntil(lambda: not engine.trainer.alive)
    engine.deleteLater()


@pytest.fixture
def far_config(toy_data: Path) -> TrainConfig:
    """A run of a few quick steps."""
    return TrainConfig(data=str(toy_data), preset="quick", steps=6, batch_size=8, device="cpu", validation_images=8)
