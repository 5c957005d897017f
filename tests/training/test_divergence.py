"""Bad steps: skipped, or answered by going back to the last good state; and no NaN in any file."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.divergence import DivergenceDetector, Verdict
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunNotice, RunState, StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics
from nvp_studio.training.start import start_run
from tests.training.conftest import Events
from tests.training.test_resume import StopAt, assert_same_run

MakeConfig = Callable[..., TrainConfig]

_judge = Loop._judge


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the gradients of the given steps (from 1) NaN, after the real ones were computed."""

    def with_steps(*steps: int) -> None:
        def judge(self: Loop, loss: float, norm: float) -> Verdict:
            if self.step + 1 in steps:
                for parameter in self.state.flow.parameters():
                    assert parameter.grad is not None
                    parameter.grad.fill_(math.nan)
                norm = math.nan
            return _judge(self, loss, norm)

        monkeypatch.setattr(Loop, "_judge", judge)

    return with_steps


def assert_all_finite(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        for name, tensor in read_checkpoint(path).tensors.items():
            assert torch.isfinite(tensor).all(), (path.name, name)
    assert "NaN" not in (folder / "metrics.jsonl").read_text()
    for one in read_metrics(folder):
        assert math.isfinite(one.train)
        assert math.isfinite(one.gradient_norm)


def test_a_bad_step_is_skipped_and_counted(
    tmp_path: Path, make_config: MakeConfig, events: Events, spoil: Callable[..., None]
) -> None:
    spoil(4, 8, 9)
    folder = start_run(make_config(steps=12), tmp_path, report=events)
    assert [one.step for one in read_metrics(folder)] == [1, 2, 3, 5, 6, 7, 10, 11, 12]
    assert [one.skipped for one in read_metrics(folder)] == [0, 0, 0, 1, 1, 1, 3, 3, 3]
    assert read_metrics(folder)[-1].rollbacks == 0
    assert len([one for one in events.of(RunNotice) if "skipped" in one.text]) == 3
    assert_all_finite(folder)


def test_three_bad_steps_in_a_row_go_back_with_half_the_rate(
    tmp_path: Path, make_config: MakeConfig, events: Events, spoil: Callable[..., None]
) -> None:
    spoil(5, 6, 7)
    config = make_config(steps=12, warmup_steps=0, schedule="constant")
    folder = start_run(config, tmp_path, report=events)
    metrics = read_metrics(folder)
    assert [one.step for one in metrics] == [1, 2, 3, 4, 8, 9, 10, 11, 12]
    assert [one.rollbacks for one in metrics] == [0] * 4 + [1] * 5
    assert metrics[3].learning_rate == config.learning_rate
    assert metrics[4].learning_rate == config.learning_rate / 2
    assert [one.level for one in events.of(RunNotice) if "last good state" in one.text] == ["warning"]
    assert metrics[4].train > metrics[3].train, "the state to go back to is the one before the first step"
    assert_all_finite(folder)


def test_the_fourth_return_fails_with_words(
    tmp_path: Path, make_config: MakeConfig, events: Events, spoil: Callable[..., None]
) -> None:
    spoil(*range(5, 100))
    with pytest.raises(RunError, match="learning rate below"):
        start_run(make_config(steps=100), tmp_path, "lost", report=events)
    assert events[-1].phase == "failed"
    assert open_run(tmp_path / "lost").state == "failed"
    assert "learning rate" in open_run(tmp_path / "lost").reason
    assert len([one for one in events.of(RunNotice) if "last good state" in one.text]) == 3
    assert_all_finite(tmp_path / "lost")


def test_an_enormous_learning_rate_ends_in_words_or_numbers(
    tmp_path: Path, make_config: MakeConfig, events: Events
) -> None:
    config = make_config(steps=400, learning_rate=10.0, warmup_steps=0, validation_every=50)
    with suppress(RunError):
        start_run(config, tmp_path, "wild", report=events)
    assert [one for one in events.of(RunNotice) if "last good state" in one.text]
    assert events.of(RunState)[-1].phase in ("failed", "finished")
    assert_all_finite(tmp_path / "wild")


def test_resume_after_a_return_is_exact(tmp_path: Path, make_config: MakeConfig, spoil: Callable[..., None]) -> None:
    spoil(5, 6, 7, 15)
    config = make_config(steps=24)
    whole = start_run(config, tmp_path, "whole")
    stop = StopAt(12)
    parts = start_run(config, tmp_path, "parts", control=stop.control, report=stop)
    resume_run(parts)
    assert read_metrics(parts)[-1].rollbacks == 1
    assert read_metrics(parts)[-1].skipped == 4
    assert_same_run(whole, parts)


def test_stop_right_after_a_bad_step_is_exact(
    tmp_path: Path, make_config: MakeConfig, spoil: Callable[..., None]
) -> None:
    """Two bad steps before the stop and one after it are three in a row."""
    spoil(5, 6, 7)
    config = make_config(steps=12)
    control = Control()

    def report(event: object) -> None:
        if isinstance(event, RunNotice) and event.text.startswith("step 6"):
            control.stop()

    folder = start_run(config, tmp_path, control=control, report=report)
    assert open_run(folder).step == 6
    resume_run(folder)
    assert read_metrics(folder)[-1].rollbacks == 1


def test_detector_goes_back_after_fifty_steps_far_above_the_best() -> None:
    detector = DivergenceDetector()
    assert all(detector.judge(3.0, 1.0) == "good" for _ in range(20))
    verdicts = [detector.judge(4.5, 1.0) for _ in range(50)]
    assert verdicts == ["good"] * 49 + ["roll back"]
    assert not detector.stable
    detector.rolled_back()
    assert detector.stable
    assert detector.judge(9.0, 1.0) == "good", "after a return the best is learnt anew"


def test_detector_bears_a_spike_and_a_slow_rise() -> None:
    detector = DivergenceDetector()
    losses = [3.0] * 20 + [9.0] * 49 + [3.5] + [9.0] * 49 + [3.9] * 200
    assert {detector.judge(loss, 1.0) for loss in losses} == {"good"}


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (3.0, math.inf), (3.0, math.nan)])
def test_detector_skips_what_is_not_finite(loss: float, norm: float) -> None:
    detector = DivergenceDetector()
    assert [detector.judge(loss, norm) for _ in range(3)] == ["skip", "skip", "roll back"]
    assert detector.skipped == 3


def test_steps_are_reported_once_each(
    tmp_path: Path, make_config: MakeConfig, events: Events, spoil: Callable[..., None]
) -> None:
    spoil(2, 3, 4)
    start_run(make_config(steps=8), tmp_path, report=events)
    steps = [one.step for one in events.of(StepMetrics)]
    assert steps == sorted(set(steps))
