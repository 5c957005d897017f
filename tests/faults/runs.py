"""A run so small that hundreds of them are cheap, and what must hold of any run whatever happened to it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.flow.config import FlowConfig
from nvp_studio.training import checkpointer, publisher
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import CheckpointSaved, RunEvent, RunNotice, StepMetrics
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics, read_record
from nvp_studio.training.start import start_run

LONG = os.environ.get("NVP_STUDIO_FAULTS") == "long"
"""Whether the long suite is asked for: every operation and every byte, and 1000 kills."""

_FLOW = FlowConfig(
    image_shape=(1, 4, 4),
    scales=1,
    checkerboard_couplings=0,
    channel_couplings=0,
    final_couplings=2,
    final_mask="checkerboard",
    blocks=1,
    width=4,
    mixing="none",
)


def bars(count: int, seed: int) -> np.ndarray:
    """uint8 (count, 4, 4, 1): a bright bar at a random column on a dark ground."""
    chance = np.random.default_rng(seed)
    images = chance.integers(20, 28, (count, 4, 4, 1))
    images[np.arange(count), :, chance.integers(0, 4, count)] += 180
    return images.astype(np.uint8)


def write_data(path: Path, seed: int = 0) -> Path:
    """A .npz file with 20 training, 8 validation and 4 test images."""
    np.savez(path, x_train=bars(20, seed), x_val=bars(8, seed + 1), x_test=bars(4, seed + 2))
    return path


def small_config(data: Path, **changes: Any) -> TrainConfig:
    """Five steps with a checkpoint after each second one and two validations."""
    fields: dict[str, Any] = {
        "data": str(data),
        "flow": _FLOW,
        "steps": 5,
        "batch_size": 8,
        "warmup_steps": 2,
        "ema_decay": 0.9,
        "validation_images": 4,
        "validation_every": 3,
        "checkpoint_steps": 2,
        "checkpoint_minutes": 1e6,
        "device": "cpu",
        "threads": 1,
        "scoring_share": 1.0,  # what is scored depends on no clock
    }
    return TrainConfig(**(fields | changes))


def make_patient(patch: pytest.MonkeyPatch) -> None:
    """Let whatever waits before it tries again not wait."""
    patch.setattr(checkpointer, "_RETRY_SECONDS", 0.0)
    patch.setattr(publisher, "_END_PAUSES", (0.0,))


class Told(list[RunEvent]):
    """Call it to report a run's events; `promise` hears of the step of each last checkpoint."""

    def __init__(self, promise: Callable[[int], None] = lambda step: None) -> None:
        super().__init__()
        self._promise = promise

    def __call__(self, event: RunEvent) -> None:
        self.append(event)
        if isinstance(event, CheckpointSaved) and event.kind == "last":
            self._promise(event.step)

    @property
    def notices(self) -> str:
        """All that a person was told."""
        return "\n".join(event.text for event in self if isinstance(event, RunNotice))

    @property
    def promised(self) -> int:
        """Step of the newest last checkpoint that was told of; -1 when none was."""
        steps = [event.step for event in self if isinstance(event, CheckpointSaved) and event.kind == "last"]
        return max(steps, default=-1)


def checkpoint_steps(folder: Path) -> dict[str, int]:
    """The step of each checkpoint of the run, all of them read and verified."""
    files = sorted((folder / "checkpoints").glob("*.safetensors"))
    return {path.stem: read_checkpoint(path).info.step for path in files}


def history(folder: Path) -> list[StepMetrics]:
    """The loss curve, without the time that it took."""
    return [msgspec.structs.replace(one, seconds=0.0) for one in read_metrics(folder)]


def assert_same_run(expected: Path, found: Path) -> None:
    """Both runs are finished with the same curve, weights, optimizer, average and best, to the bit."""
    assert open_run(found).state == "finished"
    assert history(found) == history(expected)
    for name in ("last", "best"):
        one, other = (read_checkpoint(run / "checkpoints" / f"{name}.safetensors") for run in (expected, found))
        assert one.tensors.keys() == other.tensors.keys()
        assert one.info.step == other.info.step
        for key, tensor in one.tensors.items():
            if not key.startswith("directions."):
                assert torch.equal(tensor, other.tensors[key]), key


def assert_nothing_lost(folder: Path, promised: int) -> None:
    """Every checkpoint is whole, and the last is no older than the run had told."""
    steps = checkpoint_steps(folder)
    if promised >= 0:
        assert steps["last"] >= promised


def finish(folder: Path, config: TrainConfig, told: Told | None = None) -> Path:
    """ResumeState the run to its end; one that had not begun by then is started where it would have been.

    A kill may come after the record said that the run is finished: then there is nothing left to do.
    """
    report = Told() if told is None else told
    if (folder / "run.json").exists() and read_record(folder).status.phase == "finished":
        return folder
    if (folder / "checkpoints" / "last.safetensors").exists():
        resume_run(folder, report=report)
        return folder
    return start_run(config, folder.parent, f"{folder.name}-anew", report=report)
