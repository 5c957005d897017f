"""Stopping and resuming changes nothing: weights and metrics are those of the run that was not stopped, to the bit."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from nvp_studio.checkpoints import read_checkpoint, slim, write_checkpoint
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control, Request
from nvp_studio.training.errors import DataChangedError, DataMissingError, RunError
from nvp_studio.training.events import RunEvent, RunImages, RunNotice, RunStarted, RunState, StepMetrics
from nvp_studio.training.lock import RunLockedError, run_lock
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics, read_record, read_report
from nvp_studio.training.scoring_budget import ScoringBudget
from nvp_studio.training.start import start_run
from nvp_studio.training.step import objective
from tests.training.conftest import TINY, Events, bars

MakeConfig = Callable[..., TrainConfig]


class StopAt:
    """Reports to nobody and says stop when the run has come to `step`, or to the `kind` of event after it."""

    def __init__(self, step: int, kind: type = StepMetrics) -> None:
        self.control = Control()
        self._step = step
        self._kind = kind

    def __call__(self, event: RunEvent) -> None:
        if isinstance(event, self._kind) and event.step >= self._step:
            self.control.stop()


class WhoIsToldToWait:
    """Does `act` when it is told that the run is another's at the moment."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.told: list[str] = []

    def __call__(self, event: RunEvent) -> None:
        if isinstance(event, RunState) and "waiting" in event.reason:
            self.told.append(event.reason)
            self._act()


def start_until(step: int, config: TrainConfig, runs: Path, name: str = "parts") -> Path:
    stop = StopAt(step)
    return start_run(config, runs, name, control=stop.control, report=stop)


def last(folder: Path) -> dict[str, Tensor]:
    tensors = read_checkpoint(folder / "checkpoints" / "last.safetensors").tensors
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(("directions.", "reference."))}


def timeless(folder: Path) -> list[StepMetrics]:
    return [msgspec.structs.replace(one, seconds=0.0) for one in read_metrics(folder)]


def assert_same_run(one: Path, other: Path) -> None:
    assert timeless(one) == timeless(other)
    expected, found = last(one), last(other)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"validation_every": 7},
        {"optimizer": "adam", "horizontal_flip": True, "random_shift": 2},
        {"flow": None, "preset": "quick"},
    ],
    ids=["plain", "validated", "adam-flip", "quick"],
)
def test_forty_steps_are_twenty_and_twenty(tmp_path: Path, make_config: MakeConfig, changes: dict[str, Any]) -> None:
    config = make_config(**changes)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(20, config, tmp_path)
    assert open_run(parts).state == "stopped"
    assert open_run(parts).step == 20
    resume_run(parts)
    assert open_run(parts).state == "finished"
    assert len(timeless(parts)) == 40
    assert_same_run(whole, parts)


@pytest.mark.slow
def test_batch_normalized_flow_resumes_exactly(tmp_path: Path, make_config: MakeConfig) -> None:
    flow = msgspec.structs.replace(
        make_config().flow, normalization="batch", network_norm="batch", weight_norm=True, mixing="none"
    )
    config = make_config(flow=flow, steps=12, weight_decay=5e-5)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(6, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("changes", [{}, {"normalization": "batch", "network_norm": "batch", "mixing": "none"}])
def test_a_run_in_constant_memory_resumes_exactly(
    tmp_path: Path, make_config: MakeConfig, changes: dict[str, Any]
) -> None:
    flow = msgspec.structs.replace(make_config().flow, **changes)
    config = make_config(flow=flow, steps=12, memory="constant")
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(6, config, tmp_path)
    resume_run(parts)
    assert read_record(parts).config.memory == "constant"
    assert_same_run(whole, parts)


@pytest.mark.slow
def test_a_run_goes_on_with_another_use_of_memory(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=12)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(6, config, tmp_path)
    resume_run(parts, memory="constant")
    assert read_record(parts).config.memory == "constant"
    losses = [[one.train for one in read_metrics(folder)] for folder in (whole, parts)]
    assert losses[0][:6] == losses[1][:6]
    assert losses[1][6] == pytest.approx(losses[0][6], abs=1e-5), "of the same weights, but for rounding"
    assert losses[1] == pytest.approx(losses[0], abs=0.01), "which the optimizer enlarges"


@pytest.mark.slow_repeats
@pytest.mark.parametrize("step", [9, 10, 11])
def test_resume_around_the_end_of_an_epoch(tmp_path: Path, make_config: MakeConfig, step: int) -> None:
    # 150 images in batches of 15: an epoch ends exactly with step 10.
    config = make_config(batch_size=15, steps=13)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(step, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)


@pytest.mark.slow
def test_many_stops_are_as_good_as_none(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=6, validation_every=2)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(1, config, tmp_path)
    for step in range(2, 6):
        stop = StopAt(step)
        resume_run(parts, control=stop.control, report=stop)
    resume_run(parts)
    assert_same_run(whole, parts)


@pytest.mark.slow
def test_validation_leaves_training_alone(tmp_path: Path, make_config: MakeConfig) -> None:
    often = start_run(make_config(validation_every=3, steps=8), tmp_path, "often")
    never = start_run(make_config(validation_every=1000, steps=8), tmp_path, "never")
    assert [one.train for one in read_metrics(often)] == [one.train for one in read_metrics(never)]
    for name, tensor in last(often).items():
        assert torch.equal(tensor, last(never)[name]), name


@pytest.mark.slow
@pytest.mark.parametrize(("accumulate", "parts"), [(4, 10), (1, 3)], ids=["between parts", "before the way back"])
def test_a_stop_in_the_middle_of_a_step_leaves_it_untaken(
    accumulate: int, parts: int, tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes in step 3: in the second of its four parts, or between its way forward and its way back."""
    flow = msgspec.structs.replace(TINY, normalization="batch", mixing="none") if accumulate == 1 else TINY
    config, control, computed = make_config(steps=6, accumulate=accumulate, flow=flow), Control(), []
    whole = start_run(config, tmp_path, "whole")

    def counted(*words: Any) -> tuple[Tensor, Tensor]:
        computed.append(words)
        if len(computed) == parts:
            control.stop("SIGTERM", at_once=True)
        return objective(*words)

    with monkeypatch.context() as patch:
        patch.setattr("nvp_studio.training.step.objective", counted)
        run = start_run(config, tmp_path, "stopped", control=control)
    assert len(computed) == parts
    assert (open_run(run).state, open_run(run).step) == ("stopped", 2)
    assert_same_run(whole, resume_run(run))


@pytest.mark.slow
def test_stop_during_a_validation_makes_up_for_it(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=12, validation_every=6)
    whole = start_run(config, tmp_path, "whole")

    class StopInValidation(Control):
        """Says stop the third time that it is asked in step 6, which is between the validation's batches."""

        def __init__(self) -> None:
            super().__init__()
            self.done = 0

        def __call__(self, event: RunEvent) -> None:
            if isinstance(event, StepMetrics):
                self.done = event.step

        def take_requests(self) -> Iterator[Request]:
            if self.done == 5:
                self.done = -1
            elif self.done == -1:
                self.stop()
            return super().take_requests()

    control = StopInValidation()
    parts = start_run(config, tmp_path, "parts", control=control, report=control)
    assert open_run(parts).step == 6
    assert read_metrics(parts)[-1].step == 5, "step 6 is not finished without its validation"
    resume_run(parts)
    assert_same_run(whole, parts)


def test_stop_while_the_finished_model_is_scored_is_made_up_for(
    tmp_path: Path, make_config: MakeConfig, events: Events
) -> None:
    config = make_config(steps=8)
    stop = StopAt(8)
    folder = start_run(config, tmp_path, control=stop.control, report=stop)
    assert (open_run(folder).state, open_run(folder).step) == ("stopped", 8)
    assert read_record(folder).status.test is None
    resume_run(folder, report=events)
    status = read_record(folder).status
    assert status.phase == "finished"
    assert status.test is not None
    assert status.validation is not None
    assert not events.of(StepMetrics)


def test_a_larger_budget_goes_on(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    config = make_config(steps=10, schedule="constant", warmup_steps=0)
    whole = start_run(msgspec.structs.replace(config, steps=20, validation_every=10), tmp_path, "whole")
    parts = start_run(config, tmp_path, "parts")
    with pytest.raises(RunError, match="finished"):
        resume_run(parts)
    with pytest.raises(RunError, match="spent"):
        resume_run(parts, steps=9)
    resume_run(parts, steps=20, report=events)
    (started,) = events.of(RunStarted)
    assert (started.step, started.total_steps) == (10, 20)
    assert_same_run(whole, parts)
    assert read_record(parts).config.steps == 20


@pytest.mark.slow
def test_the_best_of_an_earlier_stretch_is_kept(tmp_path: Path, make_config: MakeConfig) -> None:
    """With a learning rate that ruins the model later, the best stays what it was, and is what gets scored."""
    folder = start_run(make_config(steps=60), tmp_path, "run")
    before = read_checkpoint(folder / "checkpoints" / "best.safetensors")
    record = read_record(folder)
    ruin = msgspec.structs.replace(record.config, optimizer="adam", learning_rate=0.2, warmup_steps=0)
    (folder / "run.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(record, config=ruin)))
    resume_run(folder, steps=75)
    after = read_checkpoint(folder / "checkpoints" / "best.safetensors")
    assert after.info.step == before.info.step == 60
    assert after.info.test == pytest.approx(before.info.test)
    assert (open_run(folder).best_step, open_run(folder).step) == (60, 75)


def test_metrics_after_the_checkpoint_are_dropped(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=20)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(10, config, tmp_path)
    ahead = (whole / "metrics.jsonl").read_bytes().splitlines(keepends=True)[10:14]
    with (parts / "metrics.jsonl").open("ab") as file:
        file.writelines(ahead)
        file.write(b'{"type":"step","step":15,"epo')
    resume_run(parts)
    assert [one.step for one in read_metrics(parts)] == list(range(1, 21))
    assert_same_run(whole, parts)


def test_samples_come_from_the_same_noise(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    config = make_config(steps=10)
    start_run(config, tmp_path, "one", report=events)
    start_run(config, tmp_path, "two", report=events)
    one, two = (image.images.pixels for image in events.of(RunImages) if image.kind == "samples")
    assert one == two


def test_changed_data_are_refused(tmp_path: Path, make_config: MakeConfig) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, x_train=bars(50, 0), x_val=bars(20, 1))
    folder = start_until(3, make_config(data=str(path)), tmp_path)
    np.savez(path, x_train=bars(50, 3), x_val=bars(20, 1))
    with pytest.raises(RunError, match="have changed"):
        resume_run(folder)


def test_data_that_were_moved_are_found_and_verified(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    path, other = tmp_path / "some.npz", tmp_path / "other.npz"
    np.savez(path, x_train=bars(50, 0), x_val=bars(20, 1))
    np.savez(other, x_train=bars(40, 3), x_val=bars(20, 1), y_train=np.arange(40) % 2, y_val=np.arange(20) % 2)
    folder = start_until(3, make_config(data=str(path), steps=6), tmp_path)
    moved = path.rename(tmp_path / "moved.npz")
    with pytest.raises(DataMissingError, match=r"are not at .*some\.npz; resume with --data PATH"):
        resume_run(folder, report=events)
    assert events[-1].data_missing
    with pytest.raises(DataMissingError, match=r"there is nothing at .*nowhere"):
        resume_run(folder, data="nowhere")
    np.savez(tmp_path / "large.npz", images=np.zeros((20, 16, 16, 1), np.uint8))
    with pytest.raises(DataMissingError, match="the flow is for images of 1x8x8"):
        resume_run(folder, data=str(tmp_path / "large.npz"))
    with pytest.raises(DataChangedError) as refused:
        resume_run(folder, data=str(other))
    words = refused.value.reason
    assert "are not those that parts was started with: images: 40 train, 20 validation (before: 50 train" in words
    assert "classes: 2: 0 20, 1 20 (before: none)" in words
    assert read_record(folder).config.data == str(path), "what was refused is not recorded"
    resume_run(folder, data=str(moved), report=events)
    assert read_record(folder).config.data == str(moved)
    assert not [notice for notice in events.of(RunNotice) if notice.level == "warning" or "differ" in notice.text]
    moved.unlink()
    resume_run(folder, data=str(other), steps=8, force=True, report=events)
    (told,) = [notice for notice in events.of(RunNotice) if "images: 40 train" in notice.text]
    assert told.level == "warning"
    report = read_report(folder)
    assert report is not None
    assert report.train == 40, "it describes the data that the run goes on with"


def test_a_model_without_training_state_is_refused(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_until(3, make_config(), tmp_path)
    path = folder / "checkpoints" / "last.safetensors"
    write_checkpoint(path, slim(read_checkpoint(path)))
    with pytest.raises(RunError, match="nothing to resume"):
        resume_run(folder)


def test_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        resume_run(tmp_path)


@pytest.mark.slow
def test_a_process_that_still_holds_the_run_is_waited_for(tmp_path: Path, make_config: MakeConfig) -> None:
    run = start_until(3, make_config(steps=6), tmp_path)
    with ExitStack() as other:
        other.enter_context(run_lock(run))
        with pytest.raises(RunLockedError, match="process"):
            resume_run(run)
        person = WhoIsToldToWait(other.close)
        resume_run(run, report=person, patience=60)
    assert len(person.told) == 1
    assert "is being trained by process" in person.told[0]
    assert open_run(run).step == 6


@pytest.mark.slow
def test_waiting_for_another_process_can_be_stopped(tmp_path: Path, make_config: MakeConfig) -> None:
    run = start_until(3, make_config(steps=6), tmp_path)
    control = Control()
    with run_lock(run), pytest.raises(RunError, match="stopped before training began"):
        resume_run(run, control=control, report=WhoIsToldToWait(control.stop), patience=60)
    assert open_run(run).step == 3


def test_a_run_that_had_finished_when_its_process_was_lost_is_finished(tmp_path: Path, make_config: MakeConfig) -> None:
    """Who takes it up again, with the budget it was lost with or without one, hears how it ended."""
    run = start_run(make_config(steps=4), tmp_path)
    before = read_checkpoint(run / "checkpoints" / "last.safetensors").info
    for steps in (4, None):
        told: list[object] = []
        resume_run(run, report=told.append, steps=steps, patience=1)
        assert told[-1] == RunState("finished")
        assert read_checkpoint(run / "checkpoints" / "last.safetensors").info == before
        with pytest.raises(RunError, match=r"is finished|spent that budget"):
            resume_run(run, steps=steps)


def test_a_finished_run_is_scored_on_all_images_when_its_share_is_raised(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ScoringBudget, "final_counts", lambda *_: (10, 9))
        folder = start_run(make_config(steps=10, scoring_share=0.1), tmp_path)
    before = read_record(folder).status
    assert (before.validation_images, before.test_images) == (20, 9)
    resume_run(folder, scoring_share=1.0, report=events)
    after = read_record(folder).status
    assert (after.phase, after.step, after.best) == ("finished", 10, before.best)
    assert (after.validation_images, after.test_images) == (40, 30)
    assert after.test != before.test
    assert not events.of(StepMetrics)
    assert len(read_metrics(folder)) == 10
    with pytest.raises(RunError, match="finished"):
        resume_run(folder, scoring_share=1.0)
