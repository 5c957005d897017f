"""What is known of the run in the trainer process, as the trainer reports it."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from nvp_studio.runs.history import MetricsTail, RunHistory
from nvp_studio.runs.labels import shown_name
from nvp_studio.state.run_states import Phase
from nvp_studio.training.changes import RateChange, Restart, RunChange, StopChange, in_force, now, read_changes
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunChanged, RunImages, RunProgress, RunStarted, StepMetrics


class RunRecord(QObject):
    """Name, place, settings, figures and images of a run. What comes in batches is told once for all of a batch."""

    begun = Signal(object)
    """`RunStarted`: the run has its folder, or is resumed in it."""
    updated = Signal()
    """New steps or progress; at most 30 times a second."""
    images_changed = Signal(str)
    """``samples`` or ``reconstructions``."""
    settings_changed = Signal()
    """Learning rate or stop conditions have changed: `settings`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.phase: Phase = "none"
        self.reason = ""
        self.name = self.first_name = ""
        """The name to show, as the list of runs does; `first_name` is the one that it was started with."""
        self.folder = ""
        self.host = ""
        """The machine that trains the run and has its folder; empty: this one."""
        self.started: RunStarted | None = None
        self.progress: RunProgress | None = None
        self.prepared: float | None = None
        """Fraction of the data that is prepared, or of the images scored, 0 to 1; None when not known."""
        self.seconds_left: float | None = None
        """To the end, the final scores included; None when not known."""
        self.skipping = False
        """Whether a person has cut the scoring short, which ends with its next batch."""
        self.settings: RunChanged | None = None
        """Learning rate and stop conditions in force; None before the run has begun."""
        self.history = RunHistory()
        self.images: dict[str, RunImages] = {}
        self.config: TrainConfig | None = None
        self._update_due = False

    @property
    def spent(self) -> bool:
        """Whether its budget is spent: its best model is being scored, and nothing can be changed."""
        return self.progress is not None and self.progress.fraction >= 1

    @property
    def local_folder(self) -> str:
        """Its folder if that is on this machine, else "": this machine may have another folder of the same path."""
        return "" if self.host else self.folder

    def refresh_name(self) -> None:
        """Read again what `name` is by its labels; those of a run on another machine cannot be read."""
        self.name = shown_name(Path(self.local_folder), self.first_name) if self.local_folder else self.first_name

    def _begin_record(self, host: str, folder: str) -> None:
        """Begin with a run in `folder` on `host`; what is known of one that is resumed there stays."""
        if (host, folder) != (self.host, self.folder) or not folder:
            self.history.clear()
            self.images.clear()
            self.started = self.config = None
        self.host, self.folder = host, folder
        self.first_name = Path(folder).name
        self.progress = self.prepared = self.seconds_left = self.settings = None
        self.skipping = False

    # Reports of the trainer

    def _take_start(self, message: RunStarted) -> None:
        self.started = message
        self.first_name, self.folder, self.config = message.name, message.folder, message.config
        self.refresh_name()
        if message.step == 0 or not self.host:
            self.history.clear()
        if self.host:  # its files cannot be read here: what was shown stays
            self.settings = None
            if message.step > 0:
                self._mark(Restart(message.step, now()))
        elif message.step > 0:
            self._read_history()
        self._update_due = True

    def _read_history(self) -> None:
        """Read the figures from its folder, in place of those reported so far."""
        self.history.clear()
        MetricsTail(self.folder, self.history).read_all()
        self._update_due = True

    def _take_step(self, message: StepMetrics) -> None:
        self.history.append(message)
        self._update_due = True

    def _take_progress(self, message: RunProgress) -> None:
        self.progress, self.seconds_left = message, message.seconds_left
        self._update_due = True

    def _take_images(self, message: RunImages) -> None:
        self.images[message.kind] = message
        self.images_changed.emit(message.kind)

    def _take_settings(self, message: RunChanged) -> None:
        before, self.settings = self.settings, message
        if not self.host:
            self.history.show_changes(read_changes(Path(self.folder)))
        elif before is not None:
            if message.learning_rate != before.learning_rate:
                self._mark(RateChange(message.step, message.learning_rate))
            if message.stop != before.stop:
                self._mark(StopChange(message.step, message.stop))
        self._update_due = True
        self.settings_changed.emit()

    def _mark(self, change: RunChange) -> None:
        """Add a change of a run whose folder is on another machine."""
        self.history.show_changes(in_force((*self.history.changes, change)))

    def _tell_update(self) -> None:
        """Tell what has come since the last time."""
        if self._update_due:
            self._update_due = False
            self.updated.emit()
