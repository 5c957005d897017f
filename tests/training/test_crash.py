"""What no program can prevent: a killed process, a full disk, a second trainer."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunNotice, StepMetrics
from nvp_studio.training.lock import RunLockedError
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics
from nvp_studio.training.start import start_run
from tests.training.conftest import Events
from tests.training.test_resume import StopAt, assert_same_run

MakeConfig = Callable[..., TrainConfig]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

TRAIN = """
import sys
from pathlib import Path
import msgspec
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.start import start_run
config = msgspec.json.decode(sys.argv[1], type=TrainConfig)
def report(event):
    if isinstance(event, StepMetrics) and event.step == int(sys.argv[3]):
        print(event.step, flush=True)
        sys.stdin.read()
start_run(config, Path(sys.argv[2]), "killed", report=report)
"""


def train_and_kill(config: TrainConfig, runs: Path, after_step: int) -> Path:
    """Train in a process of its own and kill it (-9) when it tells of step `after_step`."""
    with training_process(config, runs, after_step) as process:
        process.send_signal(signal.SIGKILL)
    return runs / "killed"


@contextmanager
def training_process(config: TrainConfig, runs: Path, until: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that trains the run ``killed`` and goes no further than step `until`, where it is; killed at the end.

    It waits there, for on a busy machine it might have finished by the time that the signal comes.
    """
    command = [sys.executable, "-c", TRAIN, msgspec.json.encode(config).decode(), str(runs), str(until)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == until
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=16, validation_every=8, checkpoint_steps=5)
    folder = train_and_kill(config, tmp_path, 12)
    assert open_run(folder).state == "interrupted"
    kept = {path.stem: read_checkpoint(path).info.step for path in (folder / "checkpoints").glob("*.safetensors")}
    assert (kept["last"], kept["previous"], kept["best"]) == (10, 5, 8)
    resume_run(folder)
    assert_same_run(start_run(config, tmp_path, "whole"), folder)


@pytest.mark.slow
def test_a_run_killed_before_its_second_checkpoint_starts_over(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=9, validation_every=9)
    folder = train_and_kill(config, tmp_path, 5)
    assert read_checkpoint(folder / "checkpoints" / "last.safetensors").info.step == 0
    resume_run(folder)
    assert_same_run(start_run(config, tmp_path, "whole"), folder)


@pytest.mark.slow
def test_second_trainer_is_refused_while_the_first_goes_on(tmp_path: Path, make_config: MakeConfig) -> None:
    with training_process(make_config(), tmp_path, 1) as process:
        assert open_run(tmp_path / "killed").state == "training"
        with pytest.raises(RunLockedError, match=str(process.pid)):
            resume_run(tmp_path / "killed")
        assert process.poll() is None


FULL_DISK = """
import resource, sys
from pathlib import Path
import msgspec
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunNotice, StepMetrics
from nvp_studio.training.start import start_run
config = msgspec.json.decode(sys.argv[1], type=TrainConfig)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def report(event):
    if isinstance(event, RunNotice) and event.level == "error":
        print(event.text, flush=True)
    if isinstance(event, StepMetrics) and event.step == 6:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    if isinstance(event, StepMetrics) and event.step == int(sys.argv[3]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
try:
    start_run(config, Path(sys.argv[2]), "full", report=report)
except RunError as error:
    print(error, flush=True)
"""


def train_with_full_disk(config: TrainConfig, runs: Path, room_again_at: int) -> str:
    """Train while the system lets files grow to 3000 bytes only, from step 6 on; what the run said of it."""
    command = [sys.executable, "-c", FULL_DISK, msgspec.json.encode(config).decode(), str(runs), str(room_again_at)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.slow
def test_a_full_disk_is_said_and_training_goes_on(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=12, validation_every=4, checkpoint_minutes=1e-5)
    said = train_with_full_disk(config, tmp_path, room_again_at=0)
    folder = tmp_path / "full"
    assert "the checkpoint last.safetensors could not be written: File too large" in said
    assert said.count(".safetensors could not be written") == 1, "one cause is told once a minute"
    assert "make room for it and resume" in said
    kept = {path.name: read_checkpoint(path).info.step for path in (folder / "checkpoints").glob("*.safetensors")}
    assert kept["last.safetensors"] in (5, 6)
    assert kept["best.safetensors"] == 4
    assert not list(folder.rglob("*.tmp"))
    assert max(one.step for one in read_metrics(folder)) < 12
    resume_run(folder)
    whole = start_run(make_config(steps=12, validation_every=4), tmp_path, "whole")
    assert_same_run(whole, folder)


@pytest.mark.slow
def test_a_disk_with_room_again_gets_everything(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=14, validation_every=4)
    train_with_full_disk(config, tmp_path, room_again_at=10)
    assert_same_run(start_run(config, tmp_path, "whole"), tmp_path / "full")
    assert open_run(tmp_path / "full").state == "finished"
    assert read_checkpoint(tmp_path / "full" / "checkpoints" / "best.safetensors").info.test is not None


@pytest.mark.slow
def test_a_vanished_checkpoint_folder_is_a_notice(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    stop = StopAt(4)

    def report(event: object) -> None:
        events(event)
        stop(event)
        if isinstance(event, StepMetrics) and event.step == 2:
            for path in (tmp_path / "gone" / "checkpoints").iterdir():
                path.unlink()
            (tmp_path / "gone" / "checkpoints").rmdir()

    start_run(make_config(), tmp_path, "gone", control=stop.control, report=report)
    assert any("No such file" in notice.text for notice in events.of(RunNotice))
    assert "could not be written" in open_run(tmp_path / "gone").reason
    with pytest.raises(RunError, match="no checkpoint to resume from"):
        resume_run(tmp_path / "gone")
