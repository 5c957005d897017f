"""Disks that refuse for real, and training that went astray, as a person hears of it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.runs import open_run, read_record
from nvp_studio.training.start import start_run
from tests.faults import checks
from tests.faults.runs import Told, assert_same_run, checkpoint_steps, finish


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_folder_that_becomes_read_only_is_told_and_training_goes_on(
    config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    told = Told()
    folder = tmp_path / "x" / "checkpoints"

    def report(event: object) -> None:
        told(event)  # type: ignore[arg-type]
        if isinstance(event, StepMetrics):
            folder.chmod(0o555 if event.step == 1 else 0o755 if event.step == 4 else folder.stat().st_mode)

    run = start_run(config, tmp_path, "x", report=report)
    assert "Permission denied" in told.notices
    assert_same_run(whole, run)


FULL = """
import resource, sys
from nvp_studio.training import publisher
publisher._END_PAUSES = ()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from nvp_studio.cli import main
main(["resume", sys.argv[2], "--json"])
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_is_one_line_on_the_command_line(
    room: int, config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    run = checks.stopped_run(config, tmp_path, 2)
    before = checkpoint_steps(run)
    command = [sys.executable, "-c", FULL, str(room), str(run)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "File too large" in done.stderr
    assert checkpoint_steps(run) == before
    assert_same_run(whole, finish(run, config))


def test_steps_that_went_astray_are_counted_wherever_the_run_is_told_of(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = Loop.gradients

    def spoilt(self: Loop, parts: object) -> tuple[float, float]:
        loss, norm = gradients(self, parts)  # type: ignore[arg-type]
        return (float("nan"), norm) if self.step + 1 in (2, 4, 5, 6) else (loss, norm)

    monkeypatch.setattr(Loop, "gradients", spoilt)
    told = Told()
    run = start_run(msgspec.structs.replace(config, steps=8), tmp_path, "x", report=told)
    assert "step 2 is skipped" in told.notices
    assert "returns to its last good state" in told.notices
    last = [event for event in told if isinstance(event, StepMetrics)][-1]
    status = read_record(run).status
    assert (last.skipped, last.rollbacks) == (status.skipped, status.rollbacks) == (4, 1)
    assert open_run(run).state == "finished"
