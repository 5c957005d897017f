"""Run folders for tests, with what a run leaves in them."""

from pathlib import Path

import numpy as np
from PIL import Image

from nvp_studio.flow.config import preset_config
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.runs import RunData, RunRecord, RunStatus, write_record
from tests.runs.test_history import step, write


def make_run(
    folder: Path, created: str = "2026-01-01T10:00:00+00:00", config: TrainConfig | None = None, **status: object
) -> Path:
    (folder / "samples").mkdir(parents=True)
    record = RunRecord(
        name=folder.name,
        created=created,
        config=config or TrainConfig(steps=100, batch_size=8, flow=preset_config("quick", (1, 8, 8)), preset="quick"),
        data=RunData(title="Toys", train_images=80, validation_images=5),
        versions={},
        device="cpu",
        parameters=1234,
        status=RunStatus(**{"phase": "finished", "total_steps": 100} | status),  # type: ignore[arg-type]
    )
    write_record(folder, record)
    return folder


def make_trained_run(folder: Path, steps: int = 100, every: int = 25, level: float = 3.0, **status: object) -> Path:
    """A run with metrics at each step, and a validation with its sheets every so many."""
    make_run(folder, **({"step": steps, "best": level, "best_step": steps, "seconds": float(steps)} | status))  # type: ignore[arg-type]
    rows = []
    for number in range(1, steps + 1):
        validation = level + 1 - number / steps if number % every == 0 else None
        rows.append(step(number, train=level + 2 - number / steps, validation=validation))
        if validation is not None:
            write_sheets(folder, number, number * 200 // steps)
    write(folder, rows)
    return folder


def add_checkpoint(folder: Path) -> Path:
    """Make the run one that seems to have a checkpoint to resume from; its file is empty."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "last.safetensors").touch()
    return folder


def write_sheets(folder: Path, number: int, grey: int) -> None:
    """Sheets of two rows of eight images of one grey."""
    for word in ("step", "reconstructions"):
        Image.fromarray(np.full((16, 64), grey, np.uint8)).save(folder / "samples" / f"{word}-{number:08d}.png")
