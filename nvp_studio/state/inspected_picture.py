"""One picture at every layer of the open flow: asked for, kept, and asked about in detail."""

from pathlib import Path

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from nvp_studio.explore.inspected import STAYS, Aspect, Inspection
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe, Seed, fits
from nvp_studio.state.engine import Engine
from nvp_studio.state.qimages import qimage, qimages
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import (
    CellInspected,
    ChannelsInspected,
    Inspect,
    InspectCell,
    InspectChannels,
    Inspected,
)
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, PictureRead, ReadPicture

_BEHIND = 128
"""The grey of what a coupling's network does not see."""
_MOST_KEPT = 64
"""Layers whose single channels are kept."""


class InspectedPicture(QObject):
    """Asks for the layers of a picture, anew with each model."""

    came = Signal()
    """Another picture is there."""
    changed = Signal()
    """Another picture or none, another model, or waiting for either."""
    channels_came = Signal()
    """Channels that `channel` had asked for."""
    cell_came = Signal(object)
    """The `CellInspected` that `ask_cell` asked for."""
    failed = Signal(str)

    def __init__(self, engine: Engine, key: str, parent: QObject) -> None:
        """`key` begins the names of its channels."""
        super().__init__(parent)
        self.engine = engine
        self.inspection: Inspection | None = None
        self.name = ""
        """What the picture is called."""
        self.notes: tuple[str, ...] = ()
        """What was done to the image file."""
        self.problem = ""
        """Why there is no inspection of the picture that was asked for."""
        self.recipe: Recipe | None = None
        self._file: Path | None = None
        """Read once a model is open."""
        self._images: dict[tuple[int, Aspect], QImage] = {}
        self._channels: dict[tuple[int, Aspect], list[QImage]] = {}
        self._inspecting = engine.explorer.channel(key, self)
        self._reading = engine.explorer.channel(f"{key} image", self)
        self._cell_channel = engine.explorer.channel(f"{key} cell", self)
        self._single = engine.explorer.channel(f"{key} channels", self)
        engine.model_opened.connect(self._on_model_opened)
        engine.model_compiled.connect(self._on_model_compiled)

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._inspecting.asking or self._reading.asking or self._file is not None

    def show_recipe(self, recipe: Recipe, name: str, notes: tuple[str, ...] = ()) -> None:
        """Inspect the picture of a recipe."""
        self.recipe, self.name, self.notes, self._file = recipe, name, notes, None
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

    def clear(self) -> None:
        """Show no picture."""
        for channel in (self._inspecting, self._reading, self._cell_channel, self._single):
            channel.cancel()
        self.recipe, self._file, self.name, self.notes = None, None, "", ()
        self._show(None)
        self.changed.emit()

    def image(self, position: int, aspect: Aspect) -> QImage | None:
        """A stage as an image on the pixels; the values of a stage that does not have this aspect."""
        if self.inspection is None:
            return None
        if self.inspection.stages[position].coupling < 0:
            aspect = "values"
        key = position, aspect
        if key not in self._images:
            self._images[key] = _image(self.inspection, *key)
        return self._images[key]

    def channel(self, position: int, aspect: Aspect, number: int) -> QImage | None:
        """A single channel of the tensor after a stage, counted from 0, the last where it has fewer; None until it
        came: then it is asked for."""
        if self.inspection is None or self.recipe is None:
            return None
        if self.inspection.stages[position].coupling < 0:
            aspect = "values"
        images = self._channels.get((position, aspect))
        if images is None:
            self._single.ask(InspectChannels(self.recipe, position, aspect), self._on_channels)
            return None
        return images[min(number, len(images) - 1)] if images else None

    def ask_cell(self, position: int, row: int, column: int) -> None:
        """Ask what the layer at `position`, from 1 on, did to the values at a pixel of the stage's image."""
        if self.inspection is not None and self.recipe is not None and position > 0:
            step = self.inspection.step
            self._cell_channel.ask(InspectCell(self.recipe, position, row * step, column * step), self._on_cell)

    def _ask(self) -> None:
        model = self.engine.model
        if self.recipe is not None and model is not None and self.engine.explorer.state == "ready":
            self._inspecting.ask(Inspect(self.recipe), self._on_inspected)
        self.changed.emit()

    def _on_inspected(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Inspected(inspection=inspection):
                self._show(inspection)
                self.came.emit()
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

    def _on_channels(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case ChannelsInspected():
                while len(self._channels) >= _MOST_KEPT:
                    del self._channels[next(iter(self._channels))]
                self._channels[answer.position, answer.aspect] = qimages(answer.images)
                self.channels_came.emit()
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_cell(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, CellInspected):
            self.cell_came.emit(answer)

    def _on_model_opened(self, model: ModelInfo) -> None:
        if self._file is not None:
            self.open_image(self._file)
        elif self.recipe is not None and not fits(self.recipe.base, model.image_shape):
            self._give_up(self.tr("{0} has another size than the images of this model.").format(self.name))
        elif self.recipe is not None:
            if self.recipe.checkpoint != model.digest:
                unfit: dict[str, tuple[()]] = {"temperatures": (), "offsets": (), "moves": (), "locked": ()}
                base = self.recipe.base
                base = replace(base, temperatures=()) if isinstance(base, Image) else base
                self.recipe = replace(self.recipe, checkpoint=model.digest, base=base, **unfit)
            self._ask()
        else:
            self.changed.emit()

    def _on_model_compiled(self) -> None:
        """The picture may be another one by a grey level now. What is shown stays until then."""
        if self._inspecting.asking:
            self._ask()
        elif self.recipe is not None:
            self._inspecting.ask(Inspect(self.recipe), self._on_inspected_again)

    def _on_inspected_again(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Inspected) and answer.inspection != self.inspection:
            self._on_inspected(answer)

    def _give_up(self, reason: str) -> None:
        self.recipe = None
        self._show(None)
        self.problem = reason
        self.changed.emit()
        self.failed.emit(reason)

    def _show(self, inspection: Inspection | None) -> None:
        self.inspection, self.problem = inspection, ""
        self._images.clear()
        self._channels.clear()


def _image(inspection: Inspection, position: int, aspect: Aspect) -> QImage:
    coupling, law = inspection.stages[position].coupling, inspection.stages[position].law
    if aspect == "values":
        return qimage(inspection.values, position)
    if aspect == "log-derivatives":
        return qimage(inspection.log_derivatives, coupling)
    if aspect == "shifts":
        return qimage(inspection.shifts, coupling)
    if aspect == "mask":
        return qimage(inspection.masks, coupling)
    source = 0 if law == "levels" else position  # what a mixture's network sees are pixels
    seen = np.where(inspection.masks.array()[coupling] == STAYS, inspection.values.array()[source], np.uint8(_BEHIND))
    return qimage(ImageBatch.of(seen[np.newaxis]))
