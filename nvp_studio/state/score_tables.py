"""Continuing with a table of scores that was written before."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.state.scoring import ScoreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.score_messages import ReadTable, TableRead, TableRows


class TableReader(QObject):
    """Has the engine read a table, once it is known what verdicts compare with; its rows go to a `ScoreState`."""

    finished = Signal(int, int)
    """So many rows were taken, and so many not (`TableRead`)."""
    failed = Signal(str)

    def __init__(self, state: ScoreState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self._path: Path | None = None
        self._channel = state.engine.explorer.channel("score table", self)
        state.references.changed.connect(self._start)

    def read(self, path: Path) -> None:
        """Read this CSV or Parquet file; scores of another model, reference or options give way to it."""
        self._path = path
        self._start()

    def _start(self) -> None:
        references = self._state.references
        if self._path is None or self._state.engine.model is None:
            return
        if not references.settled:
            references.settle()
            return
        if self._state.stale:
            self._state.clear()
        path, self._path = self._path, None
        self._channel.ask(ReadTable(str(path)), self._on_answer)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case TableRows():
                if answer.rows:
                    self._state.take(answer.rows)
            case TableRead():
                self._state.model_changed.emit()
                self.finished.emit(answer.taken, answer.left)
            case WorkerLost():
                tr = QCoreApplication.translate
                self.failed.emit(tr("ScoreState", "The engine stopped while it read the table; it can be read again."))
            case Failed(reason=reason):
                self.failed.emit(reason)
