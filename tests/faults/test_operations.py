"""The n-th file operation fails, once and then for ever, or is the last before a kill or a power cut; for every n.

Kills are not carried out here but recorded (`tests.faults.disk`): each state is what the folder holds when the process
ends at that operation. `test_kills` kills processes.
"""

import errno
from pathlib import Path

import pytest

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import failure_line
from nvp_studio.training.runs import open_run
from nvp_studio.training.start import start_run
from tests.faults.checks import check_states, recorded_states
from tests.faults.disk import Disk
from tests.faults.runs import LONG, Told, assert_nothing_lost, assert_same_run, checkpoint_steps, finish

PARTS = 16
MAX_OPERATIONS = 2000
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)


def run_with_fault(config: TrainConfig, runs: Path, disk: Disk, patch: pytest.MonkeyPatch) -> tuple[Told, str]:
    """Start the run ``faulty`` on `disk`; what it told, and the words it failed with, if it did."""
    told, words = Told(), ""
    with patch.context() as inner:
        disk.install(inner)
        try:
            start_run(config, runs, "faulty", report=told)
        except (RuntimeError, ValueError, OSError) as error:  # what the command line tells in a line
            words = failure_line(error)
    assert "Traceback" not in words + told.notices
    assert "\n" not in words
    return told, words


@pytest.mark.slow_repeats
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
def test_every_operation_fails(
    for_ever: bool, part: int, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = 0
    for number in range(1 + part, MAX_OPERATIONS, PARTS):
        runs = tmp_path / str(number)
        error = ERRORS[number // PARTS % len(ERRORS)]
        disk = Disk(number, error=error, for_ever=for_ever)
        told, words = run_with_fault(config, runs, disk, monkeypatch)
        if not disk.failed:
            assert_same_run(whole, runs / "faulty")
            break
        folder = runs / "faulty"
        assert_nothing_lost(folder, told.promised)
        cause = Disk.reason(error)
        assert words or cause in told.notices or _harmless(disk.operations[number - 1], error), disk.operations[
            number - 1
        ]
        if words:
            begun = (folder / "checkpoints" / "last.safetensors").exists()
            assert open_state(folder) in ("", "failed", "failed" if begun and not for_ever else "interrupted")
        if for_ever and open_state(folder) not in ("", "finished") and checkpoint_steps(folder).get("last") != 5:
            assert "make room" in words or cause in words, "a run that cannot be kept does not pass for finished"
        resumed = folder if open_state(folder) == "finished" else finish(folder, config)
        assert for_ever or words or resumed == folder
        assert_same_run(whole, resumed)
        assert not list(resumed.rglob("*.tmp"))
        finished += not words
    assert number < MAX_OPERATIONS - PARTS
    assert for_ever or finished, "one fault leaves most runs going"


def _harmless(operation: str, error: int) -> bool:
    """Operations whose failure nobody needs to hear of.

    These are the log's own lines, the name of the lock's holder, and flushing a folder where the file system does not
    allow it, which is said once for a run.
    """
    is_folder = operation.startswith("fsync ") and "." not in operation
    return operation.endswith(("log.txt", "run.lock")) or (is_folder and error == errno.EACCES)


def open_state(folder: Path) -> str:
    return open_run(folder).state if (folder / "run.json").exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_state_that_a_kill_leaves(
    part: int, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = recorded_states(lambda told: start_run(config, tmp_path / "runs", "x", report=told), tmp_path, monkeypatch)
    assert {state.kind for state in states} == {"killed"}, "a power cut leaves nothing that a kill does not leave"
    check_states(states[part::4], config, whole)


@pytest.mark.skipif(not LONG, reason="NVP_STUDIO_FAULTS=long asks for it")
@pytest.mark.parametrize("first", range(0, 60, 6))
def test_every_state_that_a_kill_leaves_of_a_resumed_run(
    first: int, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second kill, at every operation of the run that was resumed after the first."""
    states = recorded_states(lambda told: start_run(config, tmp_path / "runs", "x", report=told), tmp_path, monkeypatch)
    folder = states[min(first, len(states) - 1)].folder
    copies = tmp_path / "second"
    copies.mkdir()
    if (folder / "checkpoints" / "last.safetensors").exists():
        again = recorded_states(lambda told: finish(folder, config, told), copies, monkeypatch, folder)
        check_states(again, config, whole)
