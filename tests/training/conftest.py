"""Small structured data, small flows, and a record of what a run reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvp_studio.flow.config import FlowConfig
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunEvent

TINY = FlowConfig(
    image_shape=(1, 8, 8),
    scales=2,
    checkerboard_couplings=2,
    channel_couplings=2,
    final_couplings=2,
    blocks=1,
    width=4,
    mixing="conv1x1",
)


class Events(list[RunEvent]):
    """Call it to report; read it as a list."""

    def __call__(self, event: RunEvent) -> None:
        self.append(event)

    def of(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def events() -> Events:
    return Events()


def bars(count: int, seed: int) -> np.ndarray:
    """uint8 (count, 8, 8, 1): a bright bar at a random column on a dark ground, with a little noise."""
    chance = np.random.default_rng(seed)
    images = chance.integers(20, 28, (count, 8, 8, 1))
    images[np.arange(count), :, chance.integers(0, 8, count)] += 180
    return images.astype(np.uint8)


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .npz file with 150 training, 40 validation and 30 test images."""
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(path, x_train=bars(150, 0), x_val=bars(40, 1), x_test=bars(30, 2))
    return path


@pytest.fixture
def make_config(data_file: Path) -> Callable[..., TrainConfig]:
    """A configuration of a small run on the CPU with one thread, changed by keyword."""

    def make(**changes: Any) -> TrainConfig:
        fields: dict[str, Any] = {
            "data": str(data_file),
            "flow": TINY,
            "batch_size": 16,
            "warmup_steps": 5,
            "ema_decay": 0.95,
            "validation_images": 20,
            "device": "cpu",
            "threads": 1,
            "scoring_share": 1.0,  # what is scored depends on no clock
        }
        if not changes.keys() & {"steps", "epochs", "minutes"}:
            fields["steps"] = 40
        return TrainConfig(**(fields | changes))

    return make
