"""The properties that the suite holds runs to, one function each, so that planted bugs can be held to them as well."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import torch

from nvp_studio.checkpoints import CheckpointError, read_checkpoint
from nvp_studio.flow.flow import Flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.events import RunEvent, StepMetrics
from nvp_studio.training.lock import RunLockedError, run_lock
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics, read_record
from nvp_studio.training.start import start_run
from tests.faults.disk import Recorder, State
from tests.faults.runs import Told, assert_nothing_lost, assert_same_run, checkpoint_steps, finish, write_data


def recorded_states(
    train: Callable[[Told], object], copies: Path, patch: pytest.MonkeyPatch, folder: Path | None = None
) -> list[State]:
    """Train in `folder` (or ``runs/x`` under `copies`) and give every state that a kill or power cut would leave."""
    recorder = Recorder(folder or copies / "runs" / "x", copies / "states")
    (copies / "states").mkdir()

    def promise(step: int) -> None:
        recorder.promised = step

    with patch.context() as inner:
        recorder.install(inner)
        train(Told(promise))
    return recorder.states


def check_states(states: Sequence[State], config: TrainConfig, whole: Path) -> None:
    """From each state on: no checkpoint is lost or damaged, and the resumed run is the one that was not stopped."""
    for state in states:
        try:
            assert_nothing_lost(state.folder, state.promised)
            told = Told()
            resumed = finish(state.folder, config, told)
            assert "going on from the one before" not in told.notices
            assert not list(resumed.rglob("*.tmp"))
            assert_same_run(whole, resumed)
        except (AssertionError, CheckpointError) as error:
            error.add_note(f"{state.kind} {state.what}, operation {state.number}")
            raise


def check_states_of_a_run(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """All states of one run, as `check_states` wants them."""
    check_states(_states(config, folder, patch), config, whole)


def check_power_cuts(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Those states alone that lost what was not flushed."""
    check_states([one for one in _states(config, folder, patch) if one.kind != "killed"], config, whole)


def check_kills_in_validation(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Those states alone in which a step is taken and not validated yet: sheets of images are being written."""
    states = [one for one in _states(config, folder, patch) if ".png" in one.what]
    check_states(states[::-1], config, whole)


def _states(config: TrainConfig, folder: Path, patch: pytest.MonkeyPatch) -> list[State]:
    return recorded_states(lambda told: start_run(config, folder / "runs", "x", report=told), folder, patch)


def check_leftovers(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """What a killed process was writing is removed on resume, and nothing else."""
    run = stopped_run(config, folder)
    for part in ("", "checkpoints", "samples"):
        (run / part / f".{part or 'run'}.json.0123abcd.tmp").write_bytes(b"half")
        (run / part / "mine.tmp").write_bytes(b"a person's")
    assert_same_run(whole, finish(run, config))
    assert {path.name for path in run.rglob("*.tmp")} == {"mine.tmp"}


class StopAfter:
    """Reports to nobody and says stop after `step`."""

    def __init__(self, step: int, reason: str = "by the user") -> None:
        self.control = Control()
        self._step, self._reason = step, reason

    def __call__(self, event: RunEvent) -> None:
        if isinstance(event, StepMetrics) and event.step >= self._step:
            self.control.stop(self._reason, at_once=True)


def stopped_run(config: TrainConfig, runs: Path, step: int = 3, name: str = "x") -> Path:
    """A run that was stopped after `step`."""
    stop = StopAfter(step)
    return start_run(config, runs, name, control=stop.control, report=stop)


def check_exact_resume(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Stopped and resumed, a run is the one that was not."""
    assert_same_run(whole, finish(stopped_run(config, folder), config))


def check_flipped_bit(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """One bit of the last checkpoint's numbers has changed: told, not believed, and the one before taken."""
    run = stopped_run(config, folder)
    path = run / "checkpoints" / "last.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # in the mantissa of a number, which stays finite
    path.write_bytes(data)
    told = Told()
    assert_same_run(whole, finish(run, config, told))
    assert "going on from the one before" in told.notices


def check_damaged_last(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The last checkpoint was cut short: the one before is there, and never replaced by the damaged one."""
    run = stopped_run(config, folder)
    before = checkpoint_steps(run)["previous"]
    path = run / "checkpoints" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    kept: list[int] = []
    resume_run(run, report=Told(lambda step: kept.append(checkpoint_steps(run)["previous"])))
    assert kept[0] == before
    assert_same_run(whole, run)


def check_lost_metrics(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Killed long after the last checkpoint, in the middle of a line of metrics."""
    run = stopped_run(config, folder, 2)
    later = (whole / "metrics.jsonl").read_bytes().splitlines(keepends=True)[2:]
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"".join(later)[:-20])
    resumed = finish(run, config)
    assert [one.step for one in read_metrics(resumed)] == [1, 2, 3, 4, 5]
    assert_same_run(whole, resumed)


def check_second_trainer(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A folder in which someone trains is refused, with who that is."""
    run = stopped_run(config, folder)
    with run_lock(run):
        with pytest.raises(RunLockedError, match=r"x is being trained by process \d+ since 20"):
            resume_run(run)
        assert open_run(run).state == "stopped"


def check_log_determinant(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The flow's log-determinant is that of its Jacobian."""
    assert config.flow is not None
    torch.manual_seed(0)
    flow = Flow(config.flow).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    flow.eval()
    x = torch.rand(1, *config.flow.image_shape, dtype=torch.float64) * 0.8 + 0.1
    jacobian = torch.autograd.functional.jacobian(lambda y: flow.encode(y)[0], x).reshape(x.numel(), x.numel())
    _, log_det = flow.encode(x)
    torch.testing.assert_close(log_det[0], torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-8, atol=1e-8)


def check_changed_data(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A run whose data have changed is refused with both digests."""
    data = shutil.copy(config.data, folder / "some.npz")
    run = stopped_run(_with_data(config, Path(data)), folder)
    write_data(Path(data), seed=7)
    with pytest.raises(RuntimeError, match=read_record(run).data.digest) as refused:
        resume_run(run)
    assert "--force" in str(refused.value)


def check_planned_saves(config: TrainConfig, whole: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """No checkpoint waits longer than its steps: a process killed after any step has lost at most so many."""
    lost: list[int] = []
    run = folder / "x"

    def report(event: RunEvent) -> None:
        if isinstance(event, StepMetrics):
            lost.append(event.step - read_checkpoint(run / "checkpoints" / "last.safetensors").info.step)

    start_run(config, folder, "x", report=report)
    assert config.checkpoint_steps is not None
    assert max(lost) <= config.checkpoint_steps


def _with_data(config: TrainConfig, data: Path) -> TrainConfig:
    return msgspec.structs.replace(config, data=str(data))
