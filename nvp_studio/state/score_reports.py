"""Reports of the table of scores: the engine draws the maps that they show, and says what the model is."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.score_row import ScoreRow
from nvp_studio.scores.report import ReportFacts, ScoreReport
from nvp_studio.state.scoring import ScoreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.score_messages import DrawMaps, MapsDrawn


class ReportMaker(QObject):
    """Gathers what a report needs; `ready` carries a function that makes the HTML file's content, in any thread."""

    ready = Signal(object)
    failed = Signal(str)
    _gathered = Signal(object)

    def __init__(self, state: ScoreState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self._channel = state.engine.explorer.channel("score report", self)
        self._gathered.connect(self._on_gathered)

    def make(self) -> None:
        """Make a report of the whole table; its model must be open."""
        state = self._state
        report = ScoreReport(judged=state.reference is not None)
        rows: Iterable[ScoreRow] = state.rows.all_files()

        def gather() -> None:
            for row in rows:
                report.add(row)
            with suppress(RuntimeError):  # the window was closed meanwhile
                self._gathered.emit(report)

        threading.Thread(target=gather, name="report", daemon=True).start()

    def _on_gathered(self, report: ScoreReport) -> None:
        state, tr = self._state, QCoreApplication.translate
        opened = state.engine.model
        if state.model is None or opened is None or opened.digest != state.model.digest:
            self.failed.emit(tr("ScoreState", "A report needs the model that the scores are by: open it first."))
            return
        rate = state.rows.rate
        paths = tuple(row.path for group in report.examples() for row in group)

        def finish(pictures: dict[str, bytes], facts: ReportFacts) -> None:
            self.ready.emit(partial(report.page, facts, rate, lambda row: pictures.get(row.path, b"")))

        def take(answer: Answer | WorkerLost) -> None:
            if isinstance(answer, MapsDrawn):
                finish(dict(zip(paths, answer.pictures, strict=True)), answer.facts)
            elif isinstance(answer, Failed):
                self.failed.emit(answer.reason)
            elif isinstance(answer, WorkerLost):
                self.failed.emit(tr("ScoreState", "The engine stopped while it drew the report; it can be made again."))

        self._channel.ask(DrawMaps(paths, "" if state.reference is None else state.reference.name), take)
