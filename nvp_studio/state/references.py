"""What verdicts compare with: the references of the open model, the chosen one, and how it is made."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Cancelled, Failed, ModelInfo
from nvp_studio.worker.score_messages import MakingReference, ReferenceInfo, ReferenceReady, UseReference

OWN = "training"
"""The name of the reference that is made from a model's own data."""


class ReferenceState(QObject):
    """The chosen reference of the open model.

    It is `settled` once the engine has it, or has said why there is none (`problem`); then scores have no verdicts.
    """

    changed = Signal()
    """Other references, or another one is chosen or settled."""
    progressed = Signal()
    """One is being made: look at `making`."""
    failed = Signal(str)

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self.chosen = OWN
        self.current: ReferenceInfo | None = None
        """The chosen reference, once it is settled."""
        self.problem = ""
        self.settled = False
        self.making: tuple[int, int] | None = None
        """How many images of the one that is being made are done, and of how many; 0 of 0: they are read."""
        self.names: tuple[str, ...] = ()
        self._digest = ""
        self._asking = False
        self._channel = engine.explorer.channel("reference", self)
        if engine.model is not None:
            self.follow(engine.model)

    @property
    def current_name(self) -> str:
        """The name of the chosen reference, empty while there is none."""
        return "" if self.current is None else self.current.name

    def follow(self, model: ModelInfo) -> None:
        """Begin anew with a model that was opened; the same one again keeps what is chosen."""
        if model.digest != self._digest:
            self._digest = model.digest
            self.names = model.references
            self.choose(OWN)

    def choose(self, name: str) -> None:
        """Compare with the reference of this name from now on."""
        self.chosen = name
        self._unsettle()
        self.changed.emit()

    def settle(self) -> None:
        """Have the engine find or make the chosen reference; `changed` follows."""
        if not self.settled and not self._asking:
            self._asking = self._channel.ask(UseReference(self.chosen), self._on_answer)

    def make(self, paths: Sequence[str | Path], name: str) -> None:
        """Make a reference of the images under `paths`, and choose it."""
        self._unsettle()
        self.making = (0, 0)
        self._asking = self._channel.ask(UseReference(name, tuple(map(str, paths))), self._on_made)
        self.progressed.emit()

    def cancel(self) -> None:
        """Make none any more; what was chosen before stays."""
        if self._asking:
            self._channel.cancel()
            self.making, self._asking = None, False
            self.changed.emit()

    def _unsettle(self) -> None:
        self._channel.cancel()
        self._asking = False
        self.current, self.problem, self.settled, self.making = None, "", False, None

    def _on_made(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, ReferenceReady):
            self.chosen = answer.reference.name
        elif isinstance(answer, Failed):
            self.making, self._asking = None, False
            self.failed.emit(answer.reason)
            self.changed.emit()
            return
        self._on_answer(answer)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case MakingReference():
                self.making = (answer.done, answer.total)
                self.progressed.emit()
                return
            case ReferenceReady():
                self.current, self.names, self.settled = answer.reference, answer.names, True
            case Failed(reason=reason):
                self.problem, self.settled = reason, True
            case Cancelled() | WorkerLost():
                pass
        self.making, self._asking = None, False
        self.changed.emit()
