"""The table of a run's states, and `LiveRun` in every state with every event, without a trainer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from PySide6.QtCore import QObject, Signal

from nvp_studio.state import run
from nvp_studio.state.run import LiveRun
from nvp_studio.state.run_states import (
    ASKED,
    IN_LOOP,
    NOT_BEGUN,
    TRANSITIONS,
    UNDER_WAY,
    Event,
    Phase,
    State,
    phase_of,
)
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunStarted, RunState, StepMetrics
from nvp_studio.worker.client import CrashReport
from nvp_studio.worker.messages import ResumeRun, RunCommand, StartRun

CONFIG = TrainConfig(steps=9)
ENDED = set(TRANSITIONS) - UNDER_WAY - {"none"}
RESULTS: tuple[Event, ...] = ("finished", "stopped", "failed", "data changed")
PROGRESS: tuple[Event, ...] = ("preparing", "begun", "training", "step", "paused", "pause", "unpause")


def after(state: State, *events: Event) -> State:
    """The state after these events, of which those without a transition are ignored."""
    for event in events:
        state = TRANSITIONS[state].get(event, state)
    return state


def words(kind: Any) -> set[str]:
    """The values of a union of literal types."""
    return {word for literal in get_args(kind) for word in get_args(literal)}


# The table


def test_every_state_has_a_row_and_is_reached() -> None:
    assert set(TRANSITIONS) == words(State)
    assert {event for row in TRANSITIONS.values() for event in row} == words(Event)
    reached: set[State] = {"none"}
    while more := {state for known in reached for state in TRANSITIONS[known].values()} - reached:
        reached |= more
    assert reached == set(TRANSITIONS)


def test_a_run_from_start_to_end() -> None:
    events: list[Event] = ["start", "ready", "preparing", "begun", "training", "pause", "paused", "unpause", "step"]
    states = [after("none", *events[:count]) for count in range(1, len(events) + 1)]
    assert states == [
        "starting",
        "requested",
        "preparing",
        "begun",
        "training",
        "pausing",
        "paused",
        "resuming",
        "training",
    ]
    assert after("training", "stop", "stopping", "stopped") == "stopped"


@pytest.mark.parametrize("state", sorted(ENDED | {"none"}))
def test_without_a_run_only_a_start_does_something(state: State) -> None:
    assert TRANSITIONS[state] == {"start": "starting", "start after kill": "queued"}


@pytest.mark.parametrize("state", sorted(UNDER_WAY))
def test_a_run_under_way_is_the_only_one_and_can_be_ended(state: State) -> None:
    assert after(state, "start") == after(state, "start after kill") == state
    assert after(state, "force stop") == "abandoned"
    assert after(state, "stop") in {"abandoned", "cancelling", "stopping"}
    assert after(state, "stop", "off", "off") in ENDED


@pytest.mark.parametrize("state", sorted(UNDER_WAY - ASKED))
def test_what_was_not_asked_for_is_answered_by_nothing(state: State) -> None:
    for event in (*RESULTS, *PROGRESS, "stopping"):
        assert after(state, event) == state
    assert after(state, "stop") == "abandoned"


@pytest.mark.parametrize("state", sorted(ASKED))
def test_what_was_asked_for_ends_with_its_result(state: State) -> None:
    assert after(state, "ready") == state, "it is asked for once"
    assert {after(state, event) for event in RESULTS} <= {"finished", "stopped", "failed", "refused"}
    assert after(state, "finished") == "finished"


@pytest.mark.parametrize("state", ["cancelling", "stopping"])
def test_a_stop_is_not_forgotten(state: State) -> None:
    for event in PROGRESS:
        assert after(state, event) in {"cancelling", "stopping"}
    assert after(state, "crashed") == after(state, "crashed again") == "lost", "it does not go on by itself"
    assert after(state, "stopped") == "stopped"


def test_a_crash_is_survived_once() -> None:
    for state in ASKED - {"cancelling", "stopping"} | {"starting", "restarting"}:
        assert after(state, "crashed", "ready") == "requested"
        assert after(state, "crashed again") == "lost"


def test_what_a_person_sees() -> None:
    seen = {phase_of(state, folder) for state in TRANSITIONS for folder in (False, True)}
    assert seen == words(Phase)
    assert (phase_of("abandoned", True), phase_of("abandoned", False)) == ("interrupted", "stopped")
    assert (phase_of("lost", True), phase_of("lost", False)) == ("interrupted", "failed")
    for state in ENDED:
        assert phase_of(state, True) in {"finished", "stopped", "failed", "interrupted"}
    assert IN_LOOP | NOT_BEGUN <= ASKED


# The live run


class FakeTrainer(QObject):
    """A `WorkerClient` without a process."""

    run_event = Signal(object)
    drained = Signal()
    crashed = Signal(object)
    state_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.state = "stopped"
        self.ending = False
        self.sent: list[Any] = []
        self.killed = False
        self.stderr_tail = ("last line",)

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def force_stop(self) -> None:
        self.killed = True


class FakeEngine:
    """An `Engine` without workers."""

    def __init__(self) -> None:
        self.trainer = FakeTrainer()
        self.trainer_host = ""
        self.started = 0

    def ensure_trainer(self) -> FakeTrainer:
        self.started += 1
        return self.trainer


@pytest.fixture
def engine(qapp: object) -> FakeEngine:
    return FakeEngine()


@contextmanager
def asked_run(engine: FakeEngine, folder: Path) -> Iterator[LiveRun]:
    """A live run that has been asked for, with a folder that is not there."""
    live = LiveRun(engine)  # type: ignore[arg-type]
    live._request = StartRun(CONFIG, str(folder))
    yield live
    live.deleteLater()


@pytest.fixture
def live(engine: FakeEngine, tmp_path: Path) -> Iterator[LiveRun]:
    with asked_run(engine, tmp_path) as live:
        yield live


def started(folder: Path, step: int = 0) -> RunStarted:
    return RunStarted(
        folder=str(folder),
        name="run",
        config=CONFIG,
        device="cpu",
        parameters=1,
        train_images=8,
        validation_images=8,
        steps_per_epoch=1,
        step=step,
        total_steps=9,
        data_title="toys",
    )


STEP = StepMetrics(step=1, epoch=0.1, seconds=1.0, images=8, train=5.0, learning_rate=1e-3, gradient_norm=0.5)


def feed(live: LiveRun, engine: FakeEngine, event: Event, folder: Path) -> None:
    """Make `event` happen as it does in the window."""
    trainer = engine.trainer
    match event:
        case "start" | "start after kill":
            trainer.ending = event == "start after kill"
            live.start(CONFIG, folder)
        case "pause" | "unpause" | "stop":
            getattr(live, event)()
        case "force stop":
            live.force_stop()
        case "begun":
            trainer.run_event.emit(started(folder))
        case "step":
            trainer.run_event.emit(STEP)
        case "data changed":
            trainer.run_event.emit(RunState("failed", data_changed=True))
        case "ready":
            trainer.state_changed.emit("ready")
        case "off":
            trainer.state_changed.emit("failed")
        case "crashed" | "crashed again":
            live._crashed_since_saved = event == "crashed again"
            trainer.crashed.emit(CrashReport("trainer", "boom", (), datetime.now()))
        case _:
            trainer.run_event.emit(RunState(event))


SENDS: dict[Event, Any] = {
    "ready": StartRun,
    "pause": RunCommand("pause"),
    "unpause": RunCommand("unpause"),
    "stop": RunCommand("stop"),
}


@pytest.mark.parametrize("state", TRANSITIONS)
def test_every_event_in_every_state(state: State, qapp: object, tmp_path: Path) -> None:
    for event in sorted(words(Event)):
        engine = FakeEngine()
        with asked_run(engine, tmp_path) as live:
            check_event(state, event, live, engine, tmp_path / "run")


def check_event(state: State, event: Event, live: LiveRun, engine: FakeEngine, folder: Path) -> None:
    """Put `live` into `state`, make `event` happen, and compare what follows with the table."""
    case = f"{event} in {state}"
    live._enter(state)
    feed(live, engine, event, folder)
    target = TRANSITIONS[state].get(event, state)
    assert live._state == target, case
    assert live.phase == phase_of(target, bool(live.folder)), case
    assert live.under_way == (target in UNDER_WAY), case
    assert engine.trainer.killed == (event == "force stop" and state in UNDER_WAY), case
    asked = event in TRANSITIONS[state] and not (event == "stop" and state not in ASKED)
    expected = SENDS.get(event) if asked else None
    if expected is StartRun:
        assert engine.trainer.sent == [live._request], case
    else:
        assert engine.trainer.sent == ([expected] if expected is not None else []), case
    assert engine.started == (1 if target == "starting" != state else 0), case


def test_a_ready_trainer_is_asked_at_once(live: LiveRun, engine: FakeEngine, tmp_path: Path) -> None:
    engine.trainer.state = "ready"
    live.start(CONFIG, tmp_path)
    assert engine.trainer.sent == [StartRun(CONFIG, str(tmp_path))]
    assert live.phase == "starting"


def test_after_a_forced_stop_the_next_run_waits_for_the_end(live: LiveRun, engine: FakeEngine, tmp_path: Path) -> None:
    engine.trainer.state = "ready"
    live.start(CONFIG, tmp_path)
    live.force_stop()
    engine.trainer.ending = True
    live.start(CONFIG, tmp_path, "next")
    engine.trainer.run_event.emit(RunState("training"))
    engine.trainer.run_event.emit(started(tmp_path / "first"))
    assert (live.phase, live.folder, len(engine.trainer.sent)) == ("starting", "", 1), "that was about the first one"
    engine.trainer.ending, engine.trainer.state = False, "stopped"
    engine.trainer.state_changed.emit("stopped")
    assert (live.phase, live.reason) == ("starting", "")
    engine.trainer.state_changed.emit("ready")
    assert engine.trainer.sent[1] == StartRun(CONFIG, str(tmp_path), "next")


def test_a_new_budget_is_asked_for_until_the_run_has_begun(live: LiveRun, engine: FakeEngine, tmp_path: Path) -> None:
    engine.trainer.state = "ready"
    crash = CrashReport("trainer", "boom", (), datetime.now())
    live.resume(str(tmp_path), steps=99)
    engine.trainer.crashed.emit(crash)
    engine.trainer.state_changed.emit("ready")
    assert engine.trainer.sent[1] == ResumeRun(str(tmp_path), steps=99, patience=run.LOCK_PATIENCE_SECONDS)
    assert (live.phase, live.reason) == ("starting", "boom")
    engine.trainer.run_event.emit(started(tmp_path, 5))
    live._crashed_since_saved = False
    engine.trainer.crashed.emit(crash)
    engine.trainer.state_changed.emit("ready")
    assert engine.trainer.sent[2] == ResumeRun(str(tmp_path), patience=run.LOCK_PATIENCE_SECONDS)


def test_changed_data_can_be_passed_over(live: LiveRun, engine: FakeEngine, tmp_path: Path) -> None:
    engine.trainer.state = "ready"
    live.resume(str(tmp_path), steps=99)
    live.resume_refused(force=True)
    assert len(engine.trainer.sent) == 1, "nothing was refused yet"
    engine.trainer.run_event.emit(RunState("failed", "other data", data_changed=True))
    assert live.data_trouble == "changed"
    live.resume_refused(force=True)
    assert engine.trainer.sent[1] == ResumeRun(str(tmp_path), steps=99, force=True)
    assert not live.data_trouble
