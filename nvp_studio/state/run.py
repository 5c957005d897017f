"""The run in the trainer process: start, pause, stop and resume it, and follow its states."""

from pathlib import Path
from typing import Literal

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.runs.trash import discard_run
from nvp_studio.state.engine import Engine
from nvp_studio.state.run_record import RunRecord
from nvp_studio.state.run_states import (
    ASKED,
    IN_LOOP,
    NOT_BEGUN,
    TRANSITIONS,
    UNDER_WAY,
    Event,
    State,
    phase_of,
)
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import (
    CheckpointSaved,
    RunChanged,
    RunEvent,
    RunImages,
    RunNotice,
    RunProgress,
    RunStarted,
    RunState,
    StepMetrics,
)
from nvp_studio.worker.client import CrashReport
from nvp_studio.worker.messages import ChangeRun, ResumeRun, RunCommand, StartRun

SLOW_STOP_MILLISECONDS = 15_000
"""A stop that takes longer than this offers to be forced; a validation and a checkpoint may need some seconds."""
LOCK_PATIENCE_SECONDS = 120.0
"""How long a resumed run waits for its lock: after a lost connection the old worker may still hold it."""


class LiveRun(RunRecord):
    """At most one run at a time, in one of the states of `run_states`.

    What a person asks for changes `phase` at once; the trainer's answer changes it again. After a crash of the trainer
    the run goes on from its last checkpoint by itself, if it saved one since the last crash; else it is `interrupted`
    until a person resumes it.
    """

    phase_changed = Signal(str)
    """The new `phase`; `reason` says why."""
    noticed = Signal(str, str)
    """(level, text): something a person should know."""
    checkpoint_saved = Signal(object)
    """`CheckpointSaved`."""
    crashed = Signal(object)
    """`CrashReport`; `phase` is already that after the crash, so it says whether the run is restarted."""
    stop_is_slow = Signal()
    """A stop takes long; `force_stop` should be offered."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self.crash: CrashReport | None = None
        """The last crash of its trainer; None without one."""
        self._state: State = "none"
        self._request: StartRun | ResumeRun | None = None
        """What the trainer is asked for when it is ready; a run with a checkpoint is resumed."""
        self._crashed_since_saved = False
        self._slow_stop = QTimer(self, singleShot=True, interval=SLOW_STOP_MILLISECONDS)
        self._slow_stop.timeout.connect(self.stop_is_slow)
        trainer = engine.trainer
        trainer.run_event.connect(self._on_message)
        trainer.drained.connect(self._tell_update)
        trainer.crashed.connect(self._on_crashed)
        trainer.state_changed.connect(self._on_trainer_state_changed)

    @property
    def under_way(self) -> bool:
        """Whether a run is going or about to start; then no other can start."""
        return self._state in UNDER_WAY

    @property
    def in_loop(self) -> bool:
        """Whether it trains or is paused, so that it can be changed."""
        return self._state in IN_LOOP

    @property
    def can_skip_scoring(self) -> bool:
        """Whether its best model is being scored, which can be cut short."""
        return self.spent and self.in_loop

    @property
    def resumable(self) -> bool:
        """Whether it ended before its budget was spent and has a checkpoint to resume from."""
        ended = self.phase in ("interrupted", "stopped", "failed")
        return ended and bool(self.folder) and isinstance(self._request, ResumeRun)

    @property
    def data_trouble(self) -> Literal["", "changed", "missing"]:
        """Why it was not resumed, if its data are the reason; `resume_refused` resumes it then."""
        return "changed" if self._state == "refused" else "missing" if self._state == "without data" else ""

    def report(self) -> str:
        """The run, its configuration and the last lines of its trainer, as text to be copied into a bug report."""
        lines = [f"NVP Studio, run {self.name or '(unnamed)'}: {self.phase}", self.reason, self.folder]
        if self.config is not None:
            lines.append(msgspec.json.encode(self.config).decode())
        lines.append(self.crash.text() if self.crash else "\n".join(self._engine.trainer.stderr_tail))
        return "\n".join(line for line in lines if line)

    # Requests

    def start(self, config: TrainConfig, runs_folder: Path, name: str = "") -> None:
        """Start a new run, on another machine in the runs folder there; ignored while one is under way."""
        if self.under_way:
            return
        folder = "" if self._engine.trainer_host else str(runs_folder)
        self._begin(StartRun(config, folder, name))

    def resume(
        self,
        folder: str,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        minutes: float | None = None,
        scoring_share: float | None = None,
        data: str = "",
    ) -> None:
        """Resume the run in `folder`, to a new budget if one is given; ignored while one is under way.

        With a larger `scoring_share` a finished run is scored again, on more images. `data` is where its data are now.
        """
        if not self.under_way:
            self._begin(ResumeRun(folder, steps, epochs, minutes, scoring_share, data=data))

    def resume_refused(self, *, data: str = "", force: bool = False) -> None:
        """Resume a run that was refused because of its data: with those at `data`, or by `force` with changed ones."""
        if self.data_trouble and isinstance(self._request, ResumeRun):
            self._begin(msgspec.structs.replace(self._request, data=data or self._request.data, force=force))

    def pause(self) -> None:
        """Pause after the current step."""
        if self._advance("pause"):
            self._command("pause")

    def unpause(self) -> None:
        """End the pause."""
        if self._advance("unpause"):
            self._command("unpause")

    def stop(self) -> None:
        """End the run with a checkpoint; one that the trainer was not asked for yet is abandoned."""
        if self._state not in ASKED:
            self._advance("stop", self.tr("stopped before it began"))
        elif self._advance("stop"):
            self._command("stop")
            self._slow_stop.start()

    def force_stop(self) -> None:
        """Kill the trainer; what was learnt since the last checkpoint is lost."""
        if self.under_way:
            self._engine.trainer.force_stop()
            self._advance("force stop", self.tr("stopped by force"))

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.in_loop:
            self._command("save")

    def skip_scoring(self) -> None:
        """Finish with the final scores of the images scored so far."""
        if self.can_skip_scoring:
            self._command("skip-scoring")
            self.skipping = True
            self.updated.emit()

    def sample(self) -> None:
        """Draw a fresh sheet of samples now."""
        if self.in_loop:
            self._command("sample")

    def change(self, request: ChangeRequest) -> None:
        """Change learning rate or stop conditions from the next step on."""
        if self.in_loop:
            self._engine.trainer.send(ChangeRun(request))

    # Transitions

    def _begin(self, request: StartRun | ResumeRun) -> None:
        trainer, host = self._engine.trainer, self._engine.trainer_host
        folder = request.folder if isinstance(request, ResumeRun) else ""
        self._begin_record(host, folder)
        if isinstance(request, StartRun):
            self.first_name, self.config = request.name, request.config
        self.refresh_name()
        self.crash, self._request, self._crashed_since_saved = None, request, False
        self._advance("start after kill" if trainer.ending else "start")
        self._start_trainer()

    def _start_trainer(self) -> None:
        """Have the trainer started if the run waits for it, and ask it at once if it is there."""
        if self._state == "starting" and self._engine.ensure_trainer().state == "ready":
            self._send_request()

    def _send_request(self) -> None:
        if self._request is not None and self._advance("ready", self.reason):  # why it is restarted stays
            self._engine.trainer.send(self._request)

    def _command(self, command: Literal["pause", "unpause", "stop", "skip-scoring", "save", "sample"]) -> None:
        self._engine.trainer.send(RunCommand(command))

    def _advance(self, event: Event, reason: str = "") -> bool:
        """Go to the state that `event` leads to and say why; False where it is ignored."""
        state = TRANSITIONS[self._state].get(event)
        if state is not None:
            self._enter(state, reason)
        return state is not None

    def _enter(self, state: State, reason: str = "") -> None:
        phase = phase_of(state, bool(self.folder))
        changed = (phase, reason) != (self.phase, self.reason)
        self._state, self.phase, self.reason = state, phase, reason
        if phase != "stopping":
            self._slow_stop.stop()
        if changed:
            self.phase_changed.emit(phase)

    def _on_message(self, message: RunEvent) -> None:
        if self._state not in ASKED:
            return  # a late message of an earlier run
        match message:
            case RunStarted():
                self._on_started(message)
            case RunState():
                self._on_run_state(message)
            case StepMetrics():
                self._take_step(message)
                self._advance("step")
            case RunProgress():
                self._take_progress(message)
            case RunImages():
                self._take_images(message)
            case CheckpointSaved():
                if message.kind == "last":  # the one that a run is resumed from
                    self._request = ResumeRun(self.folder)
                    self._crashed_since_saved = self._crashed_since_saved and message.step == 0
                self.checkpoint_saved.emit(message)
            case RunChanged():
                self._take_settings(message)
            case RunNotice(level=level, text=text):
                self.noticed.emit(level, text)

    def _on_run_state(self, message: RunState) -> None:
        self.prepared = message.fraction
        self.seconds_left = message.seconds_left if self.spent else self.seconds_left
        if message.phase == "finished" and self._state in NOT_BEGUN and self.local_folder:
            self._read_history()  # it had finished when its trainer was lost
        refusal: Event = "data changed" if message.data_changed else "data missing"
        refused = message.data_changed or message.data_missing
        self._advance(refusal if refused else message.phase, message.reason)

    def _on_started(self, message: RunStarted) -> None:
        self._take_start(message)
        if isinstance(self._request, ResumeRun):
            self._request = ResumeRun(self.folder, data=self._request.data)  # the budget asked for is recorded now
        self._advance("begun")
        self.begun.emit(message)

    def _on_crashed(self, report: CrashReport) -> None:
        if not self.under_way:
            return
        self.crash = report
        event: Event = "crashed again" if self._crashed_since_saved else "crashed"
        self._crashed_since_saved = True
        if TRANSITIONS[self._state].get(event) == "restarting":
            self._prepare_restart()
        self._advance(event, report.reason)
        self.crashed.emit(report)

    def _prepare_restart(self) -> None:
        if isinstance(self._request, ResumeRun):
            self._request = msgspec.structs.replace(self._request, patience=LOCK_PATIENCE_SECONDS)
            return
        if self.local_folder:  # it ended before its first checkpoint: only its new folder is lost
            try:
                discard_run(Path(self.local_folder))
            except RunError as error:
                self.noticed.emit("warning", str(error))
        self.folder, self.started = "", None

    def _on_trainer_state_changed(self, state: str) -> None:
        if state == "ready":
            self._send_request()
        elif state in ("failed", "stopped"):
            reason = "" if self._state == "queued" else self.reason or self.tr("the engine is off")
            self._advance("off", reason)
            self._start_trainer()
