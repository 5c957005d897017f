"""The strip of samples to pick from."""

import random

from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, RenderSheet, Sheet

SHEET_IMAGES = 24


class SampleStrip(QObject):
    """Samples of successive seeds, with the temperatures that a new sample on Explore has."""

    changed = Signal(object)
    """`Sheet` of samples to pick from."""
    outdated = Signal()
    """Another sheet is wanted; the one that is shown is of another model, other seeds or temperatures."""
    failed = Signal(str)

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self.sheet: Sheet | None = None
        self._engine = engine
        self._seed = 1
        self._temperatures: tuple[float, ...] = ()
        self._channel = engine.explorer.channel("samples", self)

    def forget(self) -> None:
        """Take note that another model is open, which the samples are not of."""
        self.sheet = None
        self.outdated.emit()

    def show_others(self, temperatures: tuple[float, ...]) -> None:
        """Draw samples of other seeds."""
        self._seed = random.randrange(10**6)
        self.draw(temperatures)

    def follow(self, temperatures: tuple[float, ...]) -> None:
        """Draw the samples again where they have other temperatures."""
        if temperatures != self._temperatures:
            self.draw(temperatures)

    def draw_again(self) -> None:
        """Draw the same samples again, which may have changed by a grey level; those shown stay until then."""
        if self.sheet is not None and not self._channel.asking:
            self._channel.ask(RenderSheet(self.sheet.recipes), self._on_answer)
        elif self._channel.asking:
            self.draw(self._temperatures)

    def draw(self, temperatures: tuple[float, ...]) -> None:
        """Ask for the samples, unless no model is ready."""
        model = self._engine.model
        if model is None or self._engine.explorer.state != "ready":
            return
        recipes = tuple(
            Recipe(checkpoint=model.digest, base=Seed(seed)).with_temperatures(temperatures)
            for seed in range(self._seed, self._seed + SHEET_IMAGES)
        )
        self._temperatures = temperatures
        self.outdated.emit()
        self._channel.ask(RenderSheet(recipes), self._on_answer)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Sheet():
                self.sheet = answer
                self.changed.emit(answer)
            case Failed(reason=reason):
                self.failed.emit(reason)
