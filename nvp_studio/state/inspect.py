"""What Inspect shows: one picture at every layer of the open flow, and the layer that is looked at."""

from pathlib import Path
from typing import Literal

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QImage

from nvp_studio.explore.inspected import STAYS, InspectedStage, Inspection
from nvp_studio.explore.ledger_rows import cumulative
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe, Seed, fits
from nvp_studio.state.engine import Engine
from nvp_studio.state.qimages import qimage
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import Inspect, Inspected
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, PictureRead, ReadPicture

Aspect = Literal["values", "log-derivatives", "shifts", "mask", "inputs"]
DIGITS = 4
"""Decimals of bits/dim: those of `nvp-studio score`."""
_BEHIND = 128
"""The grey of what a coupling's network does not see."""
_Index = QModelIndex | QPersistentModelIndex


class LedgerModel(QAbstractTableModel):
    """The rows of the ledger, the pixels first; what is shown of a row is the difference of two rounded sums."""

    COLUMNS = ("layer", "nats", "bits", "sum")

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, str, str, str]] = []

    def show_inspection(self, inspection: Inspection | None) -> None:
        """Show the rows of another picture."""
        self.beginResetModel()
        self._rows = []
        if inspection is not None:
            rows = inspection.ledger.rows
            self._rows.append((inspection.stages[0].layer, "", "", ""))
            for row, (value, total) in zip(rows, cumulative(rows, DIGITS), strict=True):
                self._rows.append((row.layer, f"{row.nats:.2f}", f"{value:.{DIGITS}f}", f"{total:.{DIGITS}f}"))
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("Layer"), self.tr("Nats"), self.tr("Bits/dim"), self.tr("Sum"))[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                self.tr("Click a row to see the values after the layer"),
                self.tr("Log-determinant of the layer; of a prior the log-density of the latents that leave there"),
                self.tr("What the layer adds to the score; negative where it makes the image likelier"),
                self.tr("Sum of the rows so far; the last is the score"),
            )[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if index.column() else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None


class InspectState(QObject):
    """Asks for the layers of a picture, anew with each model; `position` is the stage that is looked at."""

    changed = Signal()
    """Another picture, another model, or waiting for either: `inspection` and `busy`."""
    moved = Signal()
    """`position` has changed."""
    failed = Signal(str)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.inspection: Inspection | None = None
        self.name = ""
        """What the picture is called."""
        self.notes: tuple[str, ...] = ()
        """What was done to the image file."""
        self.problem = ""
        """Why there is no inspection of the picture that was asked for."""
        self.position = 0
        self.rows = LedgerModel(self)
        self._recipe: Recipe | None = None
        self._file: Path | None = None
        """Read once a model is open."""
        self._wanted = ""
        """A layer to look at once there is a picture."""
        self._images: dict[tuple[int, Aspect], QImage] = {}
        self._inspecting = engine.explorer.channel("inspect", self)
        self._reading = engine.explorer.channel("inspect image", self)
        engine.model_opened.connect(self._on_model_opened)

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._inspecting.asking or self._reading.asking or self._file is not None

    @property
    def stage(self) -> InspectedStage | None:
        """The stage that is looked at."""
        return None if self.inspection is None else self.inspection.stages[self.position]

    @property
    def last(self) -> int:
        """The position of the last stage."""
        return 0 if self.inspection is None else len(self.inspection.stages) - 1

    def show_recipe(self, recipe: Recipe, name: str, notes: tuple[str, ...] = ()) -> None:
        """Inspect the picture of a recipe."""
        self._recipe, self.name, self.notes, self._file = recipe, name, notes, None
        self._ask()

    def show_sample(self, seed: int) -> None:
        """Inspect a sample of the model."""
        if self.engine.model is not None:
            recipe = Recipe(checkpoint=self.engine.model.digest, base=Seed(seed))
            self.show_recipe(recipe, self.tr("Sample {0}").format(seed))

    def open_image(self, path: Path) -> None:
        """Inspect the pixels of an image file, at the model's size."""
        if self.engine.model is None or self.engine.explorer.state != "ready":
            self._file = path
        else:
            self._file = None
            self._reading.ask(ReadPicture(str(path), plain=True), self._on_read)
        self.changed.emit()

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
            if not self.busy:
                self.show_sample(0)
            return
        for position, stage in enumerate(self.inspection.stages):
            if stage.layer == layer:
                self.move_to(position)

    def image(self, aspect: Aspect) -> QImage | None:
        """The stage as an image; the values of a stage that does not have this aspect."""
        inspection, stage = self.inspection, self.stage
        if inspection is None or stage is None:
            return None
        if stage.coupling < 0:
            aspect = "values"
        key = self.position, aspect
        if key not in self._images:
            self._images[key] = _image(inspection, stage, *key)
        return self._images[key]

    def _ask(self) -> None:
        model = self.engine.model
        if self._recipe is not None and model is not None and self.engine.explorer.state == "ready":
            self._inspecting.ask(Inspect(self._recipe), self._on_inspected)
        self.changed.emit()

    def _on_inspected(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Inspected(inspection=inspection):
                before = self.last
                self._show(inspection)
                if before != self.last:
                    self.position = 0
                wanted, self._wanted = self._wanted, ""
                self.move_to_layer(wanted)
                self.changed.emit()
            case Failed(reason=reason):
                self._give_up(reason)
            case WorkerLost():
                self.changed.emit()

    def _on_read(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureRead():
                self.show_recipe(answer.recipe, Path(answer.path).name, answer.notes)
            case Failed(reason=reason):
                self.changed.emit()
                self.failed.emit(reason)
            case WorkerLost():
                self.changed.emit()

    def _on_model_opened(self, model: ModelInfo) -> None:
        if self._file is not None:
            self.open_image(self._file)
        elif self._recipe is not None and not fits(self._recipe.base, model.image_shape):
            self._give_up(self.tr("{0} has another size than the images of this model.").format(self.name))
        elif self._recipe is not None:
            if self._recipe.checkpoint != model.digest:
                self._recipe = replace(
                    self._recipe, checkpoint=model.digest, temperatures=(), offsets=(), moves=(), locked=()
                )
            self._ask()
        else:
            self.changed.emit()

    def _give_up(self, reason: str) -> None:
        self._recipe = None
        self._show(None)
        self.problem = reason
        self.changed.emit()
        self.failed.emit(reason)

    def _show(self, inspection: Inspection | None) -> None:
        self.inspection, self.problem = inspection, ""
        self._images.clear()
        self.position = min(self.position, self.last)
        self.rows.show_inspection(inspection)


def _image(inspection: Inspection, stage: InspectedStage, position: int, aspect: Aspect) -> QImage:
    if aspect == "values":
        return qimage(inspection.values, position)
    if aspect == "log-derivatives":
        return qimage(inspection.log_derivatives, stage.coupling)
    if aspect == "shifts":
        return qimage(inspection.shifts, stage.coupling)
    if aspect == "mask":
        return qimage(inspection.masks, stage.coupling)
    seen = np.where(
        inspection.masks.array()[stage.coupling] == STAYS, inspection.values.array()[position], np.uint8(_BEHIND)
    )
    return qimage(ImageBatch.of(seen[np.newaxis]))
