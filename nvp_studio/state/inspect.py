"""What Inspect shows: a picture at every layer of the open flow, a second beside it, and the layer looked at."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from nvp_studio.explore.inspected import Aspect, InspectedStage, Inspection
from nvp_studio.recipe import Recipe
from nvp_studio.state.engine import Engine
from nvp_studio.state.inspected_picture import InspectedPicture
from nvp_studio.state.ledger_baseline import BaselineState
from nvp_studio.state.ledger_model import LedgerModel


class InspectState(QObject):
    """One picture, or two that are compared; `position` is the stage that is looked at, of both."""

    changed = Signal()
    """Another picture, another model, or waiting for either: `inspection` and `busy`."""
    moved = Signal()
    """`position` has changed."""
    failed = Signal(str)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.first = InspectedPicture(engine, "inspect", self)
        self.second = InspectedPicture(engine, "inspect second", self)
        self.comparing = False
        """Whether there is a place for a second picture, into which what is opened next comes."""
        self.position = 0
        self.baseline = BaselineState(engine, self)
        self.rows = LedgerModel(self)
        self._stages = 0
        self._wanted = ""
        """A layer to look at once there is a picture."""
        self.first.came.connect(self._on_came)
        self.first.came.connect(self.baseline.look)
        self.baseline.changed.connect(self._on_changed)
        self.baseline.failed.connect(self.failed)
        for picture in (self.first, self.second):
            picture.changed.connect(self._on_changed)
            picture.failed.connect(self.failed)

    @property
    def pictures(self) -> tuple[InspectedPicture, ...]:
        """Those that there is a place for."""
        return (self.first, self.second) if self.comparing else (self.first,)

    @property
    def inspection(self) -> Inspection | None:
        """Of the first picture."""
        return self.first.inspection

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return any(picture.busy for picture in self.pictures)

    @property
    def stage(self) -> InspectedStage | None:
        """The stage of the first picture that is looked at."""
        return None if self.inspection is None else self.inspection.stages[self.position]

    @property
    def last(self) -> int:
        """The position of the last stage."""
        return 0 if self.inspection is None else len(self.inspection.stages) - 1

    def show_recipe(self, recipe: Recipe, name: str, notes: tuple[str, ...] = ()) -> None:
        """Inspect the picture of a recipe."""
        self._target.show_recipe(recipe, name, notes)

    def show_sample(self, seed: int) -> None:
        """Inspect a sample of the model."""
        self._target.show_sample(seed)

    def open_image(self, path: Path) -> None:
        """Inspect the pixels of an image file, at the model's size."""
        self._target.open_image(path)

    def compare(self, on: bool) -> None:
        """Make a place for a second picture, or take it away."""
        if on != self.comparing:
            self.comparing = on
            self.second.clear()

    def move_to(self, position: int) -> None:
        """Look at another stage; beyond the ends, at the first or last."""
        position = min(max(position, 0), self.last)
        if position != self.position:
            self.position = position
            self.moved.emit()

    def move_to_layer(self, layer: str) -> None:
        """Look at a layer by its name; where no picture is inspected, at a sample's."""
        if self.inspection is None:
            self._wanted = layer
            if not self.first.busy:
                self.first.show_sample(0)
            return
        for position, stage in enumerate(self.inspection.stages):
            if stage.layer == layer:
                self.move_to(position)

    def image(self, aspect: Aspect) -> QImage | None:
        """The stage of the first picture as an image; the values of a stage that does not have this aspect."""
        return self.first.image(self.position, aspect)

    @property
    def _target(self) -> InspectedPicture:
        """Where what is opened comes."""
        return self.second if self.comparing and self.first.inspection is not None else self.first

    def _on_came(self) -> None:
        """Stay at the layer that is looked at, where the model has as many as the one before."""
        self._show_rows()
        stages, self._stages = self._stages, self.last
        if stages != self.last:
            self.position = 0
        wanted, self._wanted = self._wanted, ""
        if wanted:
            self.move_to_layer(wanted)

    def _show_rows(self) -> None:
        self.rows.show_inspections(self.first.inspection, self.second.inspection, self.baseline.baseline)

    def _on_changed(self) -> None:
        self.position = min(self.position, self.last)
        self._show_rows()
        self.changed.emit()
