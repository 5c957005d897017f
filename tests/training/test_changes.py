"""Learning rate and stop conditions changed on the way: recorded with their step, and made again by a resumed run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nvp_studio.training.changes import (
    CHANGES,
    REQUEST_FILE,
    ChangeHistory,
    ChangeRequest,
    RateChange,
    Restart,
    StopChange,
    in_force,
    read_changes,
    record_changes,
    request_change,
    take_request,
)
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunChanged, RunEvent, RunNotice, RunState, StepMetrics
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics, read_record
from nvp_studio.training.start import start_run
from nvp_studio.training.stopping import StopProgress
from tests.training.conftest import Events
from tests.training.test_resume import assert_same_run

MakeConfig = Callable[..., TrainConfig]


class Person:
    """Reports to a list, and does what is planned for a step as soon as that step is told."""

    def __init__(self, **plan: Callable[[Control], object]) -> None:
        self.control = Control()
        self.events = Events()
        self._plan = {int(name.removeprefix("at_")): act for name, act in plan.items()}

    def __call__(self, event: RunEvent) -> None:
        self.events.append(event)
        if isinstance(event, StepMetrics) and event.step in self._plan:
            self._plan.pop(event.step)(self.control)


def faster(control: Control) -> None:
    control.request(ChangeRequest(learning_rate=0.02))


def test_a_changed_rate_holds_from_the_next_step_on(tmp_path: Path, make_config: MakeConfig) -> None:
    person = Person(at_10=faster)
    config = make_config(schedule="constant", warmup_steps=0, learning_rate=0.01, steps=15)
    folder = start_run(config, tmp_path, control=person.control, report=person)
    assert [one.learning_rate for one in read_metrics(folder)] == [0.01] * 10 + [0.02] * 5
    assert read_changes(folder) == (RateChange(10, 0.02),)
    assert [(one.step, one.learning_rate) for one in person.events.of(RunChanged)] == [(0, 0.01), (10, 0.02)]
    assert read_record(folder).config.learning_rate == 0.01, "the record says how the run was started"


@pytest.mark.slow
def test_a_run_that_goes_on_from_before_a_change_makes_it_again(tmp_path: Path, make_config: MakeConfig) -> None:
    """As after a crash: the last checkpoint is of step 6, the rate was changed after step 10."""
    config = make_config(steps=30)
    person = Person(at_10=faster)
    whole = start_run(config, tmp_path, "whole", control=person.control, report=person)
    kept = tmp_path / "kept.safetensors"
    person = Person(
        at_6=lambda control: control.request("save"),
        at_8=lambda _: shutil.copy(tmp_path / "parts" / "checkpoints" / "last.safetensors", kept),
        at_10=faster,
        at_20=lambda control: control.stop(),
    )
    parts = start_run(config, tmp_path, "parts", control=person.control, report=person)
    shutil.copy(kept, parts / "checkpoints" / "last.safetensors")
    resume_run(parts)
    assert read_changes(parts)[0] == msgspec.structs.replace(read_changes(parts)[0], step=6)
    assert isinstance(read_changes(parts)[0], Restart)
    assert_same_run(whole, parts)


def test_a_target_ends_the_run_and_a_larger_budget_lifts_it(
    tmp_path: Path, make_config: MakeConfig, events: Events
) -> None:
    config = make_config(steps=400, validation_every=5, stop=StopRules(target=7.5), schedule="constant")
    folder = start_run(config, tmp_path, report=events)
    end = events.of(RunState)[-1]
    assert end.phase == "finished"
    assert "the target was 7.5" in end.reason
    metrics = read_metrics(folder)
    assert metrics[-1].step < 400
    assert metrics[-1].validation <= 7.5
    assert all(one.validation > 7.5 for one in metrics[:-1] if one.validation is not None)
    assert read_record(folder).status.test is not None, "it ends as any finished run does"
    with pytest.raises(RunError, match="finished"):
        resume_run(folder)
    last = metrics[-1].step
    resume_run(folder, steps=last + 10)
    assert read_metrics(folder)[-1].step == last + 10


@pytest.mark.slow
def test_patience_counts_validations_over_a_stop(tmp_path: Path, make_config: MakeConfig) -> None:
    """With a rate that learns nothing the average hardly moves: the run ends at the same step, stopped or not."""
    config = make_config(
        steps=200,
        validation_every=2,
        learning_rate=3.0,
        warmup_steps=0,
        schedule="constant",
        stop=StopRules(patience=3),
    )
    whole = start_run(config, tmp_path, "whole")
    end = read_metrics(whole)[-1].step
    assert end < 200
    assert "3 validations without a gain" in read_record(whole).status.reason
    person = Person(**{f"at_{end - 3}": lambda control: control.stop()})
    parts = start_run(config, tmp_path, "parts", control=person.control, report=person)
    assert open_run(parts).state == "stopped"
    resume_run(parts)
    assert_same_run(whole, parts)


def test_minutes_end_a_run_of_many_steps(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    folder = start_run(make_config(steps=10**6, stop=StopRules(minutes=0.01)), tmp_path, report=events)
    metrics = read_metrics(folder)
    assert metrics[-1].seconds >= 0.6
    assert all(one.seconds < 0.6 for one in metrics[:-1])
    assert events.of(RunState)[-1].reason == "trained for 0.01 minutes"


def test_another_process_may_ask_for_a_change(tmp_path: Path, make_config: MakeConfig) -> None:
    request = ChangeRequest(stop=StopRules(minutes=0.005))
    person = Person(at_3=lambda _: request_change(tmp_path / "run", request))
    start_run(make_config(steps=10**6), tmp_path, "run", control=person.control, report=person)
    (change,) = read_changes(tmp_path / "run")
    assert isinstance(change, StopChange)
    assert change.rules == request.stop
    assert take_request(tmp_path / "run") is None


def test_a_change_that_cannot_be_recorded_is_not_made(tmp_path: Path, make_config: MakeConfig) -> None:
    person = Person(at_2=lambda _: (tmp_path / "run" / CHANGES).mkdir(), at_3=faster)
    config = make_config(schedule="constant", warmup_steps=0, learning_rate=0.01, steps=6)
    folder = start_run(config, tmp_path, "run", control=person.control, report=person)
    assert {one.learning_rate for one in read_metrics(folder)} == {0.01}
    assert any("could not be recorded" in notice.text for notice in person.events.of(RunNotice))


def test_a_later_line_takes_the_place_of_changes_yet_to_come() -> None:
    lines = (RateChange(50, 0.1), StopChange(60, StopRules()), Restart(40), RateChange(45, 0.2), RateChange(70, 0.3))
    assert in_force(lines) == (Restart(40), RateChange(45, 0.2), StopChange(60, StopRules()), RateChange(70, 0.3))


def test_lines_are_read_around_a_damaged_one(tmp_path: Path) -> None:
    record_changes(tmp_path, RateChange(1, 0.1))
    with (tmp_path / CHANGES).open("ab") as file:
        file.write(b'{"type":"learning-rate","st')
    record_changes(tmp_path, RateChange(2, 0.2))
    assert read_changes(tmp_path) == (RateChange(1, 0.1), RateChange(2, 0.2))
    history = ChangeHistory(tmp_path, 1.0, StopRules())
    assert [history.learning_rate(step) for step in (1, 2, 3)] == [1.0, 0.1, 0.2]


@pytest.mark.parametrize("fields", [{"patience": 0}, {"minutes": 0.0}, {"target": 1e9}, {"target": float("nan")}])
def test_rules_that_make_no_sense_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        StopRules(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.0, -1.0, 11.0, float("nan")])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="learning_rate"):
        ChangeRequest(learning_rate=rate)


def test_a_watch_counts_from_the_lowest() -> None:
    watch = StopProgress()
    rules = StopRules(patience=2)
    verdicts = [bool(watch.validated(value, rules)) for value in (5.0, 4.0, 4.5, 4.0, 3.0)]
    assert verdicts == [False, False, False, True, False]


def test_bits_of_the_scales_add_up_to_the_score(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_run(make_config(steps=10, validation_images=40), tmp_path)
    last = read_metrics(folder)[-1]
    assert len(last.scale_bits) == 2
    assert sum(last.scale_bits) == pytest.approx(last.validation, abs=1e-5)


def test_a_second_request_adds_to_one_that_waits(tmp_path: Path) -> None:
    request_change(tmp_path, ChangeRequest(learning_rate=0.02))
    request_change(tmp_path, ChangeRequest(stop=StopRules(patience=3)))
    request_change(tmp_path, ChangeRequest(learning_rate=0.03))
    assert take_request(tmp_path) == ChangeRequest(learning_rate=0.03, stop=StopRules(patience=3))
    assert take_request(tmp_path) is None


def test_a_request_replaces_one_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / REQUEST_FILE).write_bytes(b"{")
    request_change(tmp_path, ChangeRequest(learning_rate=0.02))
    assert take_request(tmp_path) == ChangeRequest(learning_rate=0.02)
