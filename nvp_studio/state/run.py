"""The run in the trainer: what was asked of it, what it says, and what becomes of it when its process dies."""

from pathlib import Path
from typing import Literal

import msgspec
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from nvp_studio.runs.history import MetricsTail, RunHistory
from nvp_studio.runs.trash import discard_run
from nvp_studio.state.engine import Engine
from nvp_studio.training.changes import (
    ChangeRequest,
    RateChange,
    Restart,
    RunChange,
    StopChange,
    in_force,
    now,
    read_changes,
)
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import (
    CheckpointSaved,
    RunChanged,
    RunImages,
    RunNotice,
    RunProgress,
    RunStarted,
    RunState,
    StepMetrics,
)
from nvp_studio.training.runs import RunSummary, SummaryState
from nvp_studio.worker.client import CrashReport
from nvp_studio.worker.messages import Answer, ChangeRun, ResumeRun, RunCommand, StartRun

Phase = Literal[
    "none",
    "starting",
    "preparing",
    "training",
    "pausing",
    "paused",
    "resuming",
    "stopping",
    "finished",
    "stopped",
    "failed",
    "restarting",
    "interrupted",
]
"""Phases of a run, with those between asking and answer: `starting` waits for the engine, `restarting` for the engine
that comes back after a crash, `interrupted` for a person after it did not."""

SLOW_STOP_MILLISECONDS = 3000
"""From here on a stop offers to be forced."""
LOCK_PATIENCE_SECONDS = 120.0
"""After a lost connection the worker before may not have noticed yet, and hold the run."""

_UNDER_WAY = frozenset(("starting", "preparing", "training", "pausing", "paused", "resuming", "stopping", "restarting"))
_SUMMARY_STATES: dict[Phase, SummaryState] = {
    "starting": "preparing",
    "preparing": "preparing",
    "training": "training",
    "pausing": "training",
    "paused": "paused",
    "resuming": "training",
    "stopping": "stopping",
    "restarting": "preparing",
}
_IN_LOOP = frozenset(("training", "pausing", "paused", "resuming"))


class LiveRun(QObject):
    """At most one run at a time. Every word to it changes `phase` at once; the trainer's answer changes it again.

    After a crash of the trainer the run goes on from its last checkpoint by itself, if it saved one since the last
    time; else it is `interrupted`, and `resume` is a person's to ask.
    """

    phase_changed = Signal(str)
    """The new `phase`; `reason` says why."""
    begun = Signal(object)
    """`RunStarted`: the run has its folder, or goes on in it."""
    updated = Signal()
    """Steps or progress came in; at most 30 times a second."""
    images_changed = Signal(str)
    """``samples`` or ``reconstructions``."""
    noticed = Signal(str, str)
    """(level, text): something a person should know."""
    course_changed = Signal()
    """Learning rate or stop conditions are others now: `course`."""
    checkpoint_saved = Signal(object)
    """`CheckpointSaved`."""
    crashed = Signal(object)
    """`CrashReport`; `phase` says already whether the run goes on by itself."""
    stop_is_slow = Signal()
    """A stop takes long: offer `force_stop`."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self.phase: Phase = "none"
        self.reason = ""
        self.name = ""
        self.folder = ""
        self.host = ""
        """The machine that it is trained on and that has its folder; empty: this one."""
        self.started: RunStarted | None = None
        self.progress: RunProgress | None = None
        self.prepared: float | None = None
        """How much of the data is ready, 0 to 1, while they are prepared."""
        self.course: RunChanged | None = None
        """Learning rate and stop conditions in force; None before the run has begun."""
        self.history = RunHistory()
        self.images: dict[str, RunImages] = {}
        self.config: TrainConfig | None = None
        self.crash: CrashReport | None = None
        """Of the crash that interrupted the run; None while all is well."""
        self._request: StartRun | ResumeRun | None = None
        self._refused: ResumeRun | None = None
        self._sent = False
        self._announced = False
        self._has_checkpoint = False
        self._may_restart = True
        self._stop_wanted = False
        self._killing = False
        self._changed = False
        self._slow_stop = QTimer(self)
        self._slow_stop.setSingleShot(True)
        self._slow_stop.setInterval(SLOW_STOP_MILLISECONDS)
        self._slow_stop.timeout.connect(self._on_stop_slow)
        trainer = engine.trainer
        trainer.message.connect(self._on_message)
        trainer.drained.connect(self._on_drained)
        trainer.crashed.connect(self._on_crashed)
        trainer.state_changed.connect(self._on_trainer_state_changed)

    @property
    def under_way(self) -> bool:
        """Whether a run is going or about to; then no other can start."""
        return self.phase in _UNDER_WAY

    @property
    def in_loop(self) -> bool:
        """Whether it trains or is paused, so that it takes words."""
        return self.phase in _IN_LOOP

    @property
    def spent(self) -> bool:
        """Whether its budget is: it trains no more, its best is scored, and only a stop is heeded."""
        return self.progress is not None and self.progress.fraction >= 1

    @property
    def resumable(self) -> bool:
        """Whether it ended before its budget and left a folder to go on from."""
        return self.phase in ("interrupted", "stopped", "failed") and bool(self.folder) and self._has_checkpoint

    @property
    def local_folder(self) -> str:
        """Its folder where that is on this machine, else nothing: there may be another of this path here."""
        return "" if self.host else self.folder

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole run; None when its budget is in minutes, or not known yet."""
        return self.started.total_steps if self.started else None

    @property
    def steps_per_epoch(self) -> int | None:
        """None before the data are read."""
        return self.started.steps_per_epoch if self.started else None

    @property
    def data_changed(self) -> bool:
        """Whether it did not go on because its data are others now, which `resume_anyway` passes over."""
        return self._refused is not None

    def summary(self) -> RunSummary | None:
        """The run as a row in the list of runs, as it stands now; None while it is not under way in a folder here."""
        phase = _SUMMARY_STATES.get(self.phase)
        if phase is None or self.started is None or not self.local_folder:
            return None
        best = self.history.best
        return RunSummary(
            name=self.name,
            folder=self.folder,
            state=phase,
            reason=self.reason,
            data_title=self.started.data_title,
            preset=self.started.config.preset,
            step=self.history.last.step if self.history.last else self.started.step,
            total_steps=self.total_steps,
            best=best[1] if best else None,
            best_step=best[0] if best else None,
            seconds=self.history.last.seconds if self.history.last else 0.0,
            started="",
        )

    def report(self) -> str:
        """What happened, for pasting somewhere: the run, its configuration, the engine's last lines."""
        lines = [f"NVP Studio, run {self.name or '(unnamed)'}: {self.phase}", self.reason, self.folder]
        if self.config is not None:
            lines.append(msgspec.json.encode(self.config).decode())
        lines.append(self.crash.text() if self.crash else "\n".join(self._engine.trainer.stderr_tail))
        return "\n".join(line for line in lines if line)

    # What a person asks

    def start(self, config: TrainConfig, runs_folder: Path, name: str = "") -> None:
        """Start a new run, on another machine in the runs folder there; ignored while one is under way."""
        if self.under_way:
            return
        folder = "" if self._engine.trainer_host else str(runs_folder)
        self._begin(StartRun(config, folder, name), name, "", config)

    def resume(
        self, folder: str, *, steps: int | None = None, epochs: float | None = None, minutes: float | None = None
    ) -> None:
        """Go on with the run in `folder`, to a new budget if one is given; ignored while one is under way."""
        if self.under_way:
            return
        same = (self._engine.trainer_host, folder) == (self.host, self.folder)
        self._begin(ResumeRun(folder, steps, epochs, minutes), Path(folder).name, folder, self.config if same else None)

    def resume_anyway(self) -> None:
        """Ask once more for what was refused because the data have changed, and go on with them as they are now."""
        if self._refused is not None and not self.under_way:
            request = msgspec.structs.replace(self._refused, force=True)
            self._begin(request, self.name, self.folder, self.config)

    def pause(self) -> None:
        """Wait after the present step."""
        if self.phase == "training":
            self._command("pause")
            self._enter("pausing")

    def proceed(self) -> None:
        """End the pause."""
        if self.phase in ("paused", "pausing"):
            self._command("proceed")
            self._enter("resuming")

    def stop(self) -> None:
        """End the run with a checkpoint; one whose engine is not there yet is given up."""
        if not self.under_way or self.phase == "stopping":
            return
        if not self._sent:
            self._request = None
            self._enter("interrupted" if self.folder else "stopped", self._tr("stopped before it began"))
            return
        self._stop_wanted = True
        self._command("stop")
        self._enter("stopping")
        self._slow_stop.start()

    def force_stop(self) -> None:
        """Kill the trainer; what was learnt since the last checkpoint is lost."""
        if not self.under_way:
            return
        self._forget_request()
        self._killing = self._engine.trainer.alive
        self._engine.trainer.force_stop()
        text = self._tr("stopped by force; it can go on from its last checkpoint")
        self._enter("interrupted" if self.folder else "stopped", text)

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.in_loop:
            self._command("save")

    def sample(self) -> None:
        """Draw a fresh sheet of samples now."""
        if self.in_loop:
            self._command("sample")

    def change(self, request: ChangeRequest) -> None:
        """Change learning rate or stop conditions from the next step on."""
        if self.in_loop:
            self._engine.trainer.send(ChangeRun(request))

    # Inside

    def _begin(self, request: StartRun | ResumeRun, name: str, folder: str, config: TrainConfig | None) -> None:
        host = self._engine.trainer_host
        if (host, folder) != (self.host, self.folder) or not folder:
            self.history.clear()
            self.images.clear()
            self.started = None
        self.name, self.host, self.folder, self.config = name, host, folder, config
        self.progress = self.prepared = None
        self.course = None
        self.crash = None
        self._may_restart = True
        self._stop_wanted = False
        self._request, self._sent = request, False
        self._refused = None
        self._has_checkpoint = isinstance(request, ResumeRun)
        self._enter("starting")
        if not self._killing and self._engine.ensure_trainer().state == "ready":
            self._send_request()

    def _send_request(self) -> None:
        if self._request is not None:
            self._sent, self._announced = True, False
            self._engine.trainer.send(self._request)

    def _command(self, word: Literal["pause", "proceed", "stop", "save", "sample"]) -> None:
        self._engine.trainer.send(RunCommand(word))

    def _enter(self, phase: Phase, reason: str = "") -> None:
        if (phase, reason) == (self.phase, self.reason):
            return
        self.phase, self.reason = phase, reason
        if phase != "stopping":
            self._slow_stop.stop()
        self.phase_changed.emit(phase)

    def _forget_request(self) -> None:
        self._request, self._sent = None, False

    def _on_message(self, message: Answer) -> None:
        match message:
            case RunStarted():
                self._on_started(message)
            case RunState(phase=phase, reason=reason):
                self.prepared = message.fraction
                if message.data_changed and isinstance(self._request, ResumeRun):
                    self._refused = self._request
                self._on_phase(phase, reason)
            case StepMetrics():
                self.history.append(message)
                self._changed = True
                if self.phase == "resuming":  # the pause was over before the trainer noticed it
                    self._enter("training")
            case RunProgress():
                self.progress = message
                self._changed = True
            case RunImages():
                self.images[message.kind] = message
                self.images_changed.emit(message.kind)
            case CheckpointSaved():
                if message.kind == "last":  # the one that a run goes on from
                    self._has_checkpoint = True
                    self._may_restart = self._may_restart or message.step > 0
                self.checkpoint_saved.emit(message)
            case RunChanged():
                self._on_course(message)
            case RunNotice(level=level, text=text):
                self.noticed.emit(level, text)

    def _on_started(self, message: RunStarted) -> None:
        self.started, self._announced = message, True
        self.name, self.folder, self.config = message.name, message.folder, message.config
        if message.step == 0 or not self.host:
            self.history.clear()
        if self.host:  # its files cannot be read here: what was shown stays
            self.course = None
            if message.step > 0:
                self._mark(Restart(message.step, now()))
        elif message.step > 0:
            MetricsTail(message.folder, self.history).read_all()
        self._changed = True
        if self.phase == "preparing":
            self._enter("preparing")  # how far the data were read is no news any more
        self.begun.emit(message)

    def _on_course(self, message: RunChanged) -> None:
        before, self.course = self.course, message
        if not self.host:
            self.history.show_changes(read_changes(Path(self.folder)))
        elif before is not None:
            if message.learning_rate != before.learning_rate:
                self._mark(RateChange(message.step, message.learning_rate))
            if message.stop != before.stop:
                self._mark(StopChange(message.step, message.stop))
        self._changed = True
        self.course_changed.emit()

    def _mark(self, change: RunChange) -> None:
        """Add what was heard of a run whose folder is on another machine."""
        self.history.show_changes(in_force((*self.history.changes, change)))

    def _on_phase(self, phase: Phase, reason: str) -> None:
        if self._request is None:
            return  # the end of a run that was given up already
        if self._stop_wanted and phase in ("preparing", "training", "paused"):
            return
        if phase in ("finished", "stopped", "failed"):
            if self._stop_wanted and phase == "failed" and not self._announced:
                phase = "stopped"  # it was still reading its data
            if phase == "finished" and not self._announced and self.local_folder:  # it had finished when it was lost
                self.history.clear()
                MetricsTail(self.local_folder, self.history).read_all()
                self._changed = True
            self._forget_request()
        if phase == "training" and self.phase == "pausing":
            return  # said before it heard of the pause
        self._enter(phase, reason)

    def _on_drained(self) -> None:
        if self._changed:
            self._changed = False
            self.updated.emit()

    def _on_crashed(self, report: CrashReport) -> None:
        if not self.under_way:
            return
        self.crash = report
        again = self._may_restart and not self._stop_wanted
        self._may_restart = False
        if again:
            if self._has_checkpoint:
                asked = self._request if isinstance(self._request, ResumeRun) and not self._announced else None
                request = asked or ResumeRun(self.folder)
                self._request = msgspec.structs.replace(request, patience=LOCK_PATIENCE_SECONDS)
            else:
                self._start_anew()
            self._sent = False
            self._enter("restarting", report.reason)
        else:
            self._give_up(report.reason)
        self.crashed.emit(report)

    def _start_anew(self) -> None:
        """The run died before its first checkpoint: nothing is lost but the folder it had made."""
        if self.local_folder:
            try:
                discard_run(Path(self.local_folder))
            except RunError as error:
                self.noticed.emit("warning", str(error))
        self.folder, self.started = "", None

    def _give_up(self, reason: str) -> None:
        self._forget_request()
        self._enter("interrupted" if self.folder else "failed", reason)

    def _on_trainer_state_changed(self, state: str) -> None:
        if state == "stopped" and self._killing:
            self._killing = False
            if self._request is not None:  # asked for while the process before it was ending
                self._engine.ensure_trainer()
        elif state == "ready" and self._request is not None and not self._sent:
            self._send_request()
        elif state in ("failed", "stopped") and self.under_way:
            self._give_up(self.reason or self._tr("the engine is off"))

    def _on_stop_slow(self) -> None:
        if self.phase == "stopping":
            self.stop_is_slow.emit()

    def _tr(self, text: str) -> str:
        return QCoreApplication.translate("LiveRun", text)
