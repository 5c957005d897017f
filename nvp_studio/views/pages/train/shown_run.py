"""The run that the Train page shows: the live one, or any other opened from its folder."""

from PySide6.QtCore import QEvent, QObject, Signal

from nvp_studio.state.opened_run import OpenedRun
from nvp_studio.state.run_states import phase_text
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import SHEET_KINDS
from nvp_studio.training.runs import RunSummary
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.pages.train import run_text
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.run_view import RunView


class ShownRun(QObject):
    """Keeps a `RunView` showing one run while that run grows."""

    changed = Signal()
    """Another run is shown."""

    def __init__(self, context: WindowContext, view: RunView, parent: QObject) -> None:
        super().__init__(parent)
        self._runs = context.runs
        self._live = context.live
        self._view = view
        self.opened: OpenedRun | None = None
        """The run when it is not the live one."""
        self._behind = False
        """Whether the run went on while its view was hidden, and the curves have not been drawn since."""
        view.installEventFilter(self)
        live = self._live
        live.updated.connect(self._on_live_updated)
        live.images_changed.connect(self._on_live_images)

    @property
    def is_live(self) -> bool:
        """Whether the live run is shown."""
        return self.opened is None and self._live.phase != "none"

    @property
    def summary(self) -> RunSummary | None:
        """The run as the list has it; None for one that is in no folder of this machine."""
        folder = self.opened.folder if self.opened else self._live.local_folder
        row = self._runs.row_of(folder) if folder else -1
        if row >= 0:
            return self._runs.runs[row].summary
        return self.opened.summary if self.opened else None

    @property
    def steps_per_epoch(self) -> int | None:
        """Of the run shown; None if its record does not contain it, or its data are not read yet."""
        source = self.opened or self._live.started
        return source.steps_per_epoch if source is not None else None

    def show(self, folder: str) -> None:
        """Show the run in `folder`: as it lives if it is the live one, else from its files; empty: the live one."""
        if self.opened is not None and self.opened.folder == folder and folder != self._live.local_folder:
            return
        self._close()
        if folder and not (folder == self._live.local_folder and self._live.started is not None):
            self._open(folder)
        self.show_all()

    def _close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def _open(self, folder: str) -> None:
        try:
            opened = OpenedRun(folder, self)
        except RunError as error:
            notify.refuse(str(error), topic="run")
            return
        self.opened = opened
        opened.updated.connect(self._on_opened_updated)
        opened.images_changed.connect(lambda kind: self._view.show_images(kind, opened.images.get(kind)))
        opened.read()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and self._behind:
            self._refresh()
        return super().eventFilter(watched, event)

    def _on_live_updated(self) -> None:
        if not self.is_live:
            return
        if self._view.isVisible():
            self._refresh()
        else:
            self._behind = True  # drawn once it is shown

    def _refresh(self) -> None:
        self._behind = False
        self._view.curves.refresh()

    def _on_live_images(self, kind: str) -> None:
        if self.is_live:
            self._view.show_images(kind, self._live.images.get(kind))

    def _on_opened_updated(self) -> None:
        self._view.curves.refresh()
        self.show_header()

    def show_all(self) -> None:
        """Show header, curves and images of the run."""
        self.show_header()
        source = self.opened or self._live
        begun = self.opened.summary if self.opened else self._live.started
        total_steps = begun.total_steps if begun is not None else None
        self._view.curves.show_history(source.history, total_steps, self.steps_per_epoch)
        for kind in SHEET_KINDS:
            self._view.show_images(kind, source.images.get(kind))
        self.changed.emit()

    def show_header(self) -> None:
        """Show name, state and facts, which change during a run."""
        self._view.show_header(*self._header())
        self._view.curves.set_placeholder(self._placeholder())
        state = self.opened.summary.state if self.opened is not None else self._live.phase
        self._view.set_over(state in ("finished", "stopped", "failed", "interrupted"))

    def _header(self) -> tuple[str, ...]:
        live, opened = self._live, self.opened
        if opened is None and live.phase == "none":
            return (self.tr("No run yet"),)
        phase, reason, scoring = live.phase, live.reason, live.can_skip_scoring
        name, facts = live.name or self.tr("New run"), ""
        if opened is not None:
            name, facts = opened.name, run_text.facts_of_record(opened.record)
            if not live.under_way or opened.folder != live.local_folder:
                phase, reason = opened.summary.state, opened.summary.reason
                scoring = opened.summary.scoring
        elif live.started is not None and (not reason or phase == "stopped"):
            started = live.started
            facts = run_text.facts_of(started.config, started.data_title, started.parameters, started.device)
        facts = SEPARATOR.join(filter(None, (reason, facts)))
        state = self.tr("scoring") if scoring and phase == "training" else phase_text(phase)
        return (name, state, run_text.phase_level(phase), facts)

    def _placeholder(self) -> str:
        if self.is_live and self._live.under_way:
            return self.tr("Curves appear with the first steps.")
        if self.opened is not None:
            return self.tr("This run has no steps yet.")
        return self.tr("Choose data and press Start training: curves and samples grow here.")
