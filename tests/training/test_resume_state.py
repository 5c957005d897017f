"""The state that a run is resumed from: what no run can have come to is refused, with the file and the reason."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nvp_studio.checkpoints import read_checkpoint, write_checkpoint
from nvp_studio.training.checkpointer import ResumeState
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.resume import resume_run
from nvp_studio.training.start import start_run
from tests.training.test_resume import StopAt

STATE: dict[str, Any] = {
    "step": 10,
    "seconds": 2.5,
    "updates": 9,
    "guard": {"skipped": 1, "rollbacks": 0},
    "best": 3.5,
    "best_step": 8,
    "unfinished": None,
    "watch": {"lowest": 3.5, "without_gain": 1},
}
IMPOSSIBLE: list[dict[str, Any]] = [
    *({"step": value} for value in (-5, -1, 2**40 + 1, 2**62, 2**63 - 1)),
    *({"updates": value} for value in (-1, 11, 2**63 - 1)),
    *({"seconds": value} for value in (-1e300, -1.0, 1e11, 1e300)),
    *({"best": value} for value in (1e300, -1e300)),
    *({"best_step": value} for value in (-1, 11, 2**63 - 1)),
    *({"guard": {name: value}} for name in ("skipped", "rollbacks", "skips_in_row") for value in (-1, 2**62)),
    *({"guard": {name: 1e300}} for name in ("smooth", "best")),
    *({"watch": change} for change in ({"lowest": 1e300}, {"without_gain": -1}, {"without_gain": 2**62})),
]


def decode(**changes: Any) -> ResumeState:
    return msgspec.json.decode(msgspec.json.encode(STATE | changes), type=ResumeState)


def test_what_a_run_can_have_come_to_is_taken() -> None:
    assert decode().step == 10
    assert decode(step=0, updates=0, best=None, best_step=None, guard={}, watch={}).step == 0


@pytest.mark.parametrize("change", IMPOSSIBLE, ids=str)
def test_what_no_run_can_have_come_to_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"must lie in|no score"):
        decode(**change)


def test_the_file_and_the_reason_are_told(make_config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    stop = StopAt(2)
    folder = start_run(make_config(steps=4), tmp_path, "forged", control=stop.control, report=stop)
    path = folder / "checkpoints" / "last.safetensors"
    checkpoint = read_checkpoint(path)
    state = msgspec.json.decode(checkpoint.resume) | {"step": 2**63 - 1}
    write_checkpoint(path, dataclasses.replace(checkpoint, resume=msgspec.json.encode(state).decode()))
    with pytest.raises(RunError, match=r"in .*forged.checkpoints is damaged: step is 9\d+, must lie in"):
        resume_run(folder)
