"""The two workers behind the window and the model the explorer has open."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from nvp_studio.state.remote import DEFAULT_COMMAND, remote_program, remote_reason
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.client import CrashReport, WorkerClient, worker_program
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, ModelOpened, OpenModel


class Engine(QObject):
    """The explorer, which always runs; the trainer, started when needed; the open model, reopened after a crash."""

    status_changed = Signal(str)
    """One line for a person: what the engine is doing."""
    host_changed = Signal(str)
    """Runs are trained on this host from now on; empty: on this machine."""
    model_opened = Signal(object)
    """`ModelInfo`: the explorer is ready to render with it. Emitted again when it was reopened after a crash."""
    model_compiled = Signal()
    """The open model is compiled: what it drew and scored before may differ by a grey level from what it gives now."""
    model_failed = Signal(str, str)
    """(path, reason): the model cannot be opened; the one before stays open."""
    crashed = Signal(object)
    """`CrashReport` of either worker."""
    stopped = Signal()
    """After `stop`, once both workers have ended."""
    hung = Signal(object, bool)
    """(`WorkerClient`, whether it hangs): offer to restart it while it does."""

    def __init__(self, program: Sequence[str] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.explorer = WorkerClient("explorer", program, self)
        self.trainer = WorkerClient("trainer", program, self)
        self.trainer_host = ""
        """Where runs are trained; empty: on this machine."""
        self.trainer_command = ""
        """The shell command that starts a worker there."""
        self._local_program = list(program) if program is not None else worker_program()
        self.model: ModelInfo | None = None
        self.goes_on = False
        """Whether `model` has newer weights of the one before."""
        self.status = ""
        self._path: str | None = None
        self._model_channel = self.explorer.channel("model", self)
        self._quitting = False
        self.explorer.compiled.connect(self._on_compiled)
        for client in (self.explorer, self.trainer):
            client.crashed.connect(self._on_crashed)
            client.state_changed.connect(self._on_state_changed)
            client.responsive_changed.connect(self._on_responsive_changed)

    def start(self, model_path: str = "") -> None:
        """Start the explorer and open the model at `model_path` (empty: the included one)."""
        self._path = model_path
        self.explorer.start()
        self._update_status()

    def ensure_trainer(self) -> WorkerClient:
        """The trainer, started if it is not there; requests sent to it wait until it is ready."""
        if self.trainer.state in ("stopped", "failed"):
            self.trainer.start()
        return self.trainer

    def run_on(self, host: str, command: str = DEFAULT_COMMAND) -> None:
        """Train on `host` from now on, by `command` over ssh; empty: here. No run may be under way.

        Raises `ValueError` for what is no host.
        """
        if not host and not self.trainer_host:
            return
        if host:
            self.trainer.set_program(remote_program(host, command), partial(remote_reason, host))
        else:
            self.trainer.set_program(self._local_program)
        self.trainer_host, self.trainer_command = host, command
        self.host_changed.emit(host)

    def stop(self, explorer_grace: int = 1500, trainer_grace: int = 30_000) -> None:
        """Ask both workers to end; the trainer gets the time for a last checkpoint (milliseconds)."""
        self._quitting = True
        self.explorer.stop(explorer_grace)
        self.trainer.stop(trainer_grace)
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._quitting and not self.explorer.alive and not self.trainer.alive:
            self._quitting = False
            self.stopped.emit()

    @property
    def opening(self) -> bool:
        """Whether a model is being opened."""
        return self._model_channel.asking or (self.explorer.state != "ready" and self._path is not None)

    @property
    def model_path(self) -> str:
        """What the open model was opened by; empty for the included one."""
        return self._path or ""

    def open_model(self, path: str, *, goes_on: bool = False) -> None:
        """Open a checkpoint file, a run folder's best, or (empty path) the included model.

        With `goes_on` it has newer weights of the model that is open: what was done with that goes on.
        """
        if self.explorer.state == "ready":
            self._model_channel.ask(OpenModel(path, goes_on), partial(self._on_model, path, goes_on))
        else:
            self._path = path
            if self.explorer.state in ("stopped", "failed"):
                self.explorer.start()
        self._update_status()

    def _on_model(self, path: str, goes_on: bool, answer: Answer | WorkerLost) -> None:
        match answer:
            case ModelOpened(model=model):
                self.model = model
                self._path = path
                self.goes_on = goes_on
                self._update_status()
                self.model_opened.emit(model)
            case Failed(reason=reason):
                self._update_status()
                self.model_failed.emit(path, reason)
                if self.model is None and path:
                    self._path = ""  # the remembered file is gone: open the included model
                    self.open_model("")

    def _on_compiled(self, digest: str) -> None:
        if self.model is not None and self.model.digest == digest:
            self.model_compiled.emit()

    def _on_state_changed(self, state: str) -> None:
        if self.sender() is self.explorer and state == "ready" and self._path is not None:
            self.open_model(self._path)
        self._update_status()
        self._check_stopped()

    def _on_crashed(self, report: CrashReport) -> None:
        self._update_status()
        self.crashed.emit(report)

    def _on_responsive_changed(self, responsive: bool) -> None:
        self._update_status()
        self.hung.emit(self.sender(), not responsive)

    def _update_status(self) -> None:
        status = self._describe()
        if status != self.status:
            self.status = status
            self.status_changed.emit(status)

    def _describe(self) -> str:
        match self.explorer.state:
            case "starting":
                return self.tr("Engine is starting…")
            case "restarting":
                return self.tr("Engine crashed, restarting…")
            case "failed":
                return self.tr("Engine stopped after repeated crashes")
            case "stopped":
                return self.tr("Engine is off")
        if not self.explorer.responsive:
            return self.tr("Engine does not answer")
        if self._model_channel.asking:
            return self.tr("Opening the model…")
        assert self.explorer.welcome is not None, "a worker that is ready has said what it is"
        return self.tr("Ready on {0}").format(self.explorer.welcome.device_name)
