"""Real write errors, and training that diverges, as they are reported to a person."""

import ctypes
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from nvp_studio.cli import main
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.divergence import Verdict
from nvp_studio.training.events import RunEvent, StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.runs import open_run, read_record
from nvp_studio.training.start import start_run
from tests.faults import checks
from tests.faults.disk import Disk
from tests.faults.mount import FORBIDDEN
from tests.faults.runs import Told, assert_same_run, checkpoint_steps, finish, make_patient
from tests.forked import context
from tests.training.launch import ROOT


def _give_up_capabilities() -> None:
    """Let permissions bind this thread even where it is root's."""
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _train_under_permissions(config: bytes, runs: str, answers: Connection) -> None:
    """Train while the folder of checkpoints is read-only, from step 1 to step 4."""
    if os.geteuid() == 0:
        _give_up_capabilities()
    told = Told()
    folder = Path(runs) / "x" / "checkpoints"

    def report(event: RunEvent) -> None:
        told(event)
        if isinstance(event, StepMetrics):
            folder.chmod(0o555 if event.step == 1 else 0o755 if event.step == 4 else folder.stat().st_mode)

    with pytest.MonkeyPatch.context() as patch:
        make_patient(patch)
        start_run(msgspec.json.decode(config, type=TrainConfig), runs, "x", report=report)
    answers.send(told.notices)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.skipif(
    sys.platform != "linux" and getattr(os, "geteuid", int)() == 0, reason="nothing is read-only for this user"
)
def test_a_folder_that_becomes_read_only_is_told_and_training_goes_on(
    config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    here, there = context.Pipe(duplex=False)
    words = (msgspec.json.encode(config), str(tmp_path), there)
    process = context.Process(target=_train_under_permissions, args=words)
    process.start()
    there.close()
    notices = here.recv()
    process.join()
    assert "Permission denied" in notices
    assert_same_run(whole, tmp_path / "x")


@pytest.mark.slow_repeats
@pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux")
@pytest.mark.parametrize(
    ("trouble", "cause"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_a_file_system_without_room_is_one_line(
    trouble: str, cause: str, config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    """A real one: a tmpfs that is all but full, or mounted read-only."""
    run = checks.stopped_run(config, tmp_path, 2)
    before = checkpoint_steps(run)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mount", str(run), trouble, "resume", str(run), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    )
    if done.returncode == FORBIDDEN:
        pytest.skip(done.stderr)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert cause in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("nvp-studio: ")]) == 1
    left = run.rename(tmp_path / "left")
    after = (tmp_path / "x.after").rename(run)
    assert checkpoint_steps(after) == checkpoint_steps(left) == before
    assert_same_run(whole, finish(after, config))


def test_a_disk_that_fills_up_is_one_line_on_the_command_line(
    config: TrainConfig,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = checks.stopped_run(config, tmp_path, 2)
    before = checkpoint_steps(run)
    with monkeypatch.context() as patch:
        Disk(1, for_ever=True).install(patch)
        with pytest.raises(SystemExit) as ended:
            main(["resume", str(run), "--json"])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "No space left on device" in said
    assert len([line for line in said.splitlines() if line.startswith("nvp-studio: ")]) == 1
    assert checkpoint_steps(run) == before
    assert_same_run(whole, finish(run, config))


FULL = """
import resource, sys
from nvp_studio.training import publisher
publisher._END_PAUSES = ()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from nvp_studio.cli import main
main(["resume", sys.argv[2], "--json"])
"""


@pytest.mark.slow
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


def test_steps_that_diverged_are_counted_wherever_the_run_is_reported(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Loop._judge

    def spoilt(self: Loop, loss: float, norm: float) -> Verdict:
        return judge(self, float("nan") if self.step + 1 in (2, 4, 5, 6) else loss, norm)

    monkeypatch.setattr(Loop, "_judge", spoilt)
    told = Told()
    run = start_run(msgspec.structs.replace(config, steps=8), tmp_path, "x", report=told)
    assert "step 2 is skipped" in told.notices
    assert "returns to its last good state" in told.notices
    last = [event for event in told if isinstance(event, StepMetrics)][-1]
    status = read_record(run).status
    assert (last.skipped, last.rollbacks) == (status.skipped, status.rollbacks) == (4, 1)
    assert open_run(run).state == "finished"
