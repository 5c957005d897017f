"""The stage that is looked at: its pictures, what is shown of them, the histogram, and the map of one pixel."""

from functools import partial

from PySide6.QtCore import QPoint, QSignalBlocker
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QLayout, QWidget

from nvp_studio.explore.inspected import SHIFT_RANGE, Aspect, InspectedStage
from nvp_studio.state.inspect import InspectState
from nvp_studio.state.inspected_picture import InspectedPicture
from nvp_studio.text import figure
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.cell_curve import CellCurve, cells_text
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.layout import hbox, vbox
from nvp_studio.views.widgets.stage_histogram import StageHistogram
from nvp_studio.worker.inspect_messages import CellInspected


class StageArea(QWidget):
    """Shows the stage of the first picture and, where there is one, of the second, which move and zoom together."""

    def __init__(self, state: InspectState, controls: QLayout) -> None:
        """`controls` are placed below the pictures."""
        super().__init__()
        self._state = state
        self._pointed: QPoint | None = None
        """The pixel that was pointed at last."""
        self._asked: tuple[int, int, int, bool] | None = None
        """Position, x, y, and whether of two pictures."""
        self._cells: dict[InspectedPicture, CellInspected] = {}
        self.setMinimumWidth(41 * SPACE)
        self.stage_name = ElidedLabel()
        entries = [
            (self.tr("Values"), "values"),
            (self.tr("Log-derivatives (s)"), "log-derivatives"),
            (self.tr("Shifts (t)"), "shifts"),
            (self.tr("Mask"), "mask"),
            (self.tr("Inputs of its network"), "inputs"),
        ]
        self.aspect = ComboBox(entries, self.tr("What is shown of a coupling"), 23 * SPACE)
        self.aspect.currentIndexChanged.connect(self.show_stage)
        self.channel = ComboBox([(self.tr("On the pixels"), -1)], self.tr("All channels, or a single one"), 19 * SPACE)
        self.channel.currentIndexChanged.connect(self.show_stage)
        self.picture = ImageView()
        self.picture.setAccessibleName(self.tr("The values after the layer, at the pixels that they came from"))
        self.second = ImageView(self.picture.viewport)
        self.second.setAccessibleName(self.tr("The values of the second picture after the layer"))
        self.captions = ElidedLabel(), ElidedLabel()
        self.range_label = ElidedLabel(role="dim")
        self.cell_label = ElidedLabel(role="dim")
        self.histogram = StageHistogram()
        self.curve = CellCurve()
        self._lay_out(controls)
        self.picture.viewport.pixel_changed.connect(self._on_pixel)
        for picture in (state.first, state.second):
            picture.channels_came.connect(self.show_stage)
            picture.came.connect(self._forget)
            picture.cell_came.connect(partial(self._on_cell, picture))

    def _lay_out(self, controls: QLayout) -> None:
        column = vbox(self)
        row = hbox()
        row.addWidget(self.stage_name, 1)
        row.addWidget(self.aspect)
        row.addWidget(self.channel)
        column.addLayout(row)
        pictures = hbox()
        self._second_side = QWidget()
        for side, view, caption in (
            (QWidget(), self.picture, self.captions[0]),
            (self._second_side, self.second, self.captions[1]),
        ):
            below = vbox(side, spacing=SPACE // 2)
            below.addWidget(caption)
            below.addWidget(view, 1)
            pictures.addWidget(side, 1)
        column.addLayout(pictures, 3)
        told = hbox()
        told.addWidget(self.range_label, 1)
        told.addWidget(ImageStatus(self.picture, self.second))
        column.addLayout(told)
        column.addWidget(self.cell_label)
        column.addLayout(controls)
        figures = hbox(spacing=2 * SPACE)
        figures.addWidget(self.histogram, 3)
        figures.addWidget(self.curve, 2)
        column.addLayout(figures, 1)

    def show_stage(self) -> None:
        """Show the stage at the state's position."""
        state, stage = self._state, self._state.stage
        comparing = state.comparing
        self._second_side.setVisible(comparing)
        for caption, picture in zip(self.captions, (state.first, state.second), strict=True):
            caption.setVisible(comparing)
            caption.setText(SEPARATOR.join((picture.name, *picture.notes)))
        self.picture.set_dimmed(state.first.busy)
        self.second.set_dimmed(state.second.busy)
        invitation = self.tr("Drop or open the second picture, or choose one on Explore or Score")
        waiting = self.tr("The picture is on its way…")
        self.second.set_placeholder(state.second.problem or (waiting if state.second.busy else invitation))
        if stage is None:
            return
        if stage.coupling < 0 and self.aspect.hasFocus():
            self.picture.setFocus()  # a field that is disabled passes the focus on, at times out of the page
        self.aspect.setEnabled(stage.coupling >= 0)
        self._offer_aspects(stage)
        self._offer_channels(stage)
        aspect = self._aspect_of(stage)
        number: int = self.channel.currentData()
        for view, picture in ((self.picture, state.first), (self.second, state.second)):
            if number < 0:
                view.show_image(picture.image(state.position, aspect))
            elif picture.inspection is None:
                view.show_image(None)
            elif (image := picture.channel(state.position, aspect, number)) is not None:
                view.show_image(image)
        second = state.second.inspection if comparing else None
        self.histogram.show_stage(stage, None if second is None else second.stages[state.position])
        name = stage.layer[:1].upper() + stage.layer[1:]
        parts = [name, "x".join(map(str, stage.shape))]
        if stage.parameters:
            parts.append(self.tr("{0} parameters").format(f"{stage.parameters:,}"))
        self.stage_name.setText(SEPARATOR.join(parts))
        self.range_label.setText(self._range_text(stage, aspect))
        self.curve.setVisible(stage.coupling >= 0)
        self._ask_cell()

    def _aspect_of(self, stage: InspectedStage) -> Aspect:
        """What is shown of a stage: the chosen aspect where it has that, else its values."""
        chosen: Aspect = self.aspect.currentData()
        return chosen if stage.coupling >= 0 and not (chosen == "shifts" and stage.law == "levels") else "values"

    def _offer_aspects(self, stage: InspectedStage) -> None:
        """Leave out the aspects that a mixture over grey levels does not have, and say why."""
        levels = stage.law == "levels"
        slopes, shifts = self.aspect.findData("log-derivatives"), self.aspect.findData("shifts")
        self.aspect.setItemText(slopes, self.tr("Log-derivatives") if levels else self.tr("Log-derivatives (s)"))
        model = self.aspect.model()
        assert isinstance(model, QStandardItemModel)
        model.item(shifts).setEnabled(not levels)
        tip = self.tr("A mixture of logistics over grey levels has no shift: point at a pixel to see its map")
        if not levels:
            tip = ""
        model.item(shifts).setToolTip(tip)

    def _offer_channels(self, stage: InspectedStage) -> None:
        """List the channels of a stage; a channel stays chosen, the last one of a stage that has fewer."""
        count, chosen = stage.shape[0], self.channel.currentData()
        if self.channel.count() == count + 1:
            return
        with QSignalBlocker(self.channel):
            while self.channel.count() > 1:
                self.channel.removeItem(self.channel.count() - 1)
            for number in range(count):
                self.channel.addItem(self.tr("Channel {0} of {1}").format(number + 1, count), number)
            self.channel.setCurrentIndex(min(chosen, count - 1) + 1)

    def _range_text(self, stage: InspectedStage, aspect: Aspect) -> str:
        mask = self.tr("White: changes. Black: stays, and the network sees it. Grey: a latent already.")
        black_to_white = self.tr("Black is {0}, white is {1}")
        if aspect == "mask":
            return mask
        if aspect == "log-derivatives":
            return black_to_white.format(figure(-stage.scale_range), f"{stage.scale_range:g}")
        if aspect == "shifts":
            return black_to_white.format(figure(-SHIFT_RANGE), f"{SHIFT_RANGE:g}")
        if aspect == "inputs" and stage.law == "levels":
            return self.tr("The pixels that the network sees, their grey levels alone")
        text = black_to_white.format(figure(stage.low), figure(stage.high))
        figures = self.tr("mean {0}, deviation {1}, from {2} to {3}")
        values = (figure(value, ".3g") for value in (stage.mean, stage.deviation, stage.least, stage.most))
        parts = [text, figures.format(*values)]
        if stage.law == "levels" and self.aspect.currentData() == "shifts":
            parts.insert(0, self.tr("no shifts here, these are the values"))
        if self._state.inspection is not None and self._state.inspection.step > 1:
            parts.append(self.tr("every {0}th pixel").format(self._state.inspection.step))
        return SEPARATOR.join(parts)

    # The pixel whose values are told

    def _on_pixel(self) -> None:
        pixel = self.picture.viewport.pixel
        if pixel is not None and self.channel.currentData() < 0:
            self._pointed = pixel
            self._ask_cell()

    def _ask_cell(self) -> None:
        """Ask for the pixel pointed at last, at first the one in the middle, where it was not asked for yet."""
        state, inspection = self._state, self._state.inspection
        if inspection is None or not self.isVisible():
            return
        _, height, width, _ = inspection.values.shape
        pixel = self._pointed or QPoint(width // 2, height // 2)
        pixel = QPoint(min(pixel.x(), width - 1), min(pixel.y(), height - 1))
        asked = state.position, pixel.x(), pixel.y(), state.comparing
        if asked == self._asked:
            return
        self._asked = asked
        self._cells.clear()
        if state.position == 0:
            self._show_cells()
        for picture in state.pictures:
            picture.ask_cell(state.position, pixel.y(), pixel.x())

    def _forget(self) -> None:
        self._asked = None

    def _on_cell(self, picture: InspectedPicture, came: CellInspected) -> None:
        if came.position == self._state.position:
            self._cells[picture] = came
            self._show_cells()

    def _show_cells(self) -> None:
        first, second = (self._cells.get(one) for one in (self._state.first, self._state.second))
        self.curve.show_cells(() if first is None else first.cells, () if second is None else second.cells)
        text = ""
        if first is not None:
            text = self.tr("x {0}, y {1}: {2}").format(first.column, first.row, cells_text(first.cells))
        self.cell_label.setText(text)
