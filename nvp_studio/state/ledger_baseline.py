"""What is usual in each row of the ledger of the open model."""

from PySide6.QtCore import QObject, Signal

from nvp_studio.explore.ledger_rows import Baseline
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import BaselineFound, FindBaseline, Working
from nvp_studio.worker.messages import Answer, Failed, ModelInfo


class BaselineState(QObject):
    """Asks for the baseline of the open model: for a kept one, or to measure it. Another model has another."""

    changed = Signal()
    """`baseline`, `done`, `total` or `busy`."""
    failed = Signal(str)

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self.baseline: Baseline | None = None
        self.done = self.total = 0
        """Images that were measured, and that will be."""
        self._looked = False
        self._measuring = False
        self._channel = engine.explorer.channel("ledger baseline", self)
        engine.model_opened.connect(self._on_model_opened)

    @property
    def busy(self) -> bool:
        """Whether it is being measured."""
        return self._measuring and self._channel.asking

    def look(self) -> None:
        """Take the one that was kept, where there is one; asked for once for each model."""
        if not self._looked:
            self._looked = True
            self._ask(measure=False)

    def measure(self) -> None:
        """Measure it, unless it is known."""
        if self.baseline is None:
            self._ask(measure=True)

    def cancel(self) -> None:
        """End a measurement that is under way."""
        self._measuring = False
        self._channel.cancel()
        self.changed.emit()

    def _ask(self, *, measure: bool) -> None:
        if self._engine.model is not None and self._engine.explorer.state == "ready":
            self._measuring, self.done, self.total = measure, 0, 0
            self._channel.ask(FindBaseline(measure), self._on_answer)
            self.changed.emit()

    def _on_model_opened(self, model: ModelInfo) -> None:
        self._channel.cancel()
        self.baseline, self._looked, self._measuring = None, False, False
        self.changed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Working(done=done, total=total):
                self.done, self.total = done, total
            case BaselineFound(baseline=baseline):
                self.baseline, self._measuring = baseline, False
            case Failed(reason=reason):
                self._measuring = False
                self.failed.emit(reason)
            case WorkerLost():
                self._measuring = self._looked = False
        self.changed.emit()
