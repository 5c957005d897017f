"""What the examination of the open model's layers found."""

from PySide6.QtCore import QObject, Signal

from nvp_studio.explore.health_report import Health
from nvp_studio.recipe import Recipe
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import Examine, Examined, Working
from nvp_studio.worker.messages import Answer, Failed, ModelInfo


class HealthState(QObject):
    """Asks for the health of the open model, which is forgotten when another model is opened."""

    changed = Signal()
    """`health`, `done`, `total` or `problem`."""

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self.health: Health | None = None
        self.problem = ""
        """Why there is none."""
        self.done = self.total = 0
        self._channel = engine.explorer.channel("health", self)
        engine.model_opened.connect(self._on_model_opened)

    @property
    def busy(self) -> bool:
        """Whether the layers are being examined."""
        return self._channel.asking

    def examine(self, recipe: Recipe | None = None) -> None:
        """Examine the layers anew, on samples of the model or on the picture of a recipe."""
        if self._engine.model is None or self._engine.explorer.state != "ready":
            return
        self._forget()
        self._channel.ask(Examine(recipe), self._on_answer)
        self.changed.emit()

    def cancel(self) -> None:
        """End an examination that is under way."""
        self._channel.cancel()

    def _forget(self) -> None:
        self.health, self.problem, self.done, self.total = None, "", 0, 0

    def _on_model_opened(self, model: ModelInfo) -> None:
        self._channel.cancel()
        self._forget()
        self.changed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Working(done=done, total=total):
                self.done, self.total = done, total
            case Examined(health=health):
                self.health = health
            case Failed(reason=reason):
                self.problem = reason
        self.changed.emit()
