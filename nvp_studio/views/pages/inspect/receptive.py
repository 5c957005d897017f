"""Which pixels a latent changes, and which pixels reach it, over the picture; and a scale that is drawn anew."""

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QDialogButtonBox, QWidget

from nvp_studio.scores.map_colours import overlay
from nvp_studio.state.evidence import ShownMap
from nvp_studio.state.inspect import InspectState
from nvp_studio.state.qimages import qimage
from nvp_studio.state.receptive import ReceptiveState
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import hbox, text_label
from nvp_studio.views.widgets.map_view import MapView

_FAINT = 1e-3
"""Of the largest value: what the darkest colour stands for."""
_COUNTED = 0.01
"""Pixels above this part of the largest value are counted."""

_CHOOSING = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class ReceptiveDialog(Dialog):
    """The picture with the field of a latent over it; a click, or Space, chooses the latent at that place."""

    def __init__(self, fields: ReceptiveState, state: InspectState, parent: QWidget) -> None:
        super().__init__(parent)
        self._fields, self._state = fields, state
        self.setWindowTitle(self.tr("Receptive fields"))
        self.resize(72 * SPACE, 76 * SPACE)
        self.column.addWidget(text_label(self.tr("Click the picture to choose the latent at that place."), wrap=True))
        row = hbox()
        directions = [
            (self.tr("Pixels that it changes"), "decoder"),
            (self.tr("Pixels that reach it"), "encoder"),
        ]
        self.direction = ComboBox(directions, self.tr("Decoder or encoder"), 26 * SPACE)
        self.scale = ComboBox([], self.tr("Scale of the latent"), 20 * SPACE)
        self.channel = ComboBox([], self.tr("Channel of the latent"), 19 * SPACE)
        for box in (self.direction, self.scale, self.channel):
            row.addWidget(box)
        row.addStretch(1)
        self.column.addLayout(row)
        self.view = MapView()
        self.view.setAccessibleName(self.tr("Receptive field of the latent"))
        self.view.installEventFilter(self)
        self.column.addWidget(self.view, 1)
        self.column.addWidget(ImageStatus(self.view))
        self.words = text_label(wrap=True)
        self.words.setMinimumHeight(5 * SPACE)
        self.column.addWidget(self.words)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        role = QDialogButtonBox.ButtonRole.ActionRole
        self.redraw = buttons.addButton(self.tr("Draw this scale anew"), role)
        self.redraw.setToolTip(self.tr("Shows beside the picture one whose latents of this scale are others"))
        self.redraw.clicked.connect(fields.redraw)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)
        self._pressed: QPoint | None = None
        self.direction.currentIndexChanged.connect(lambda: fields.choose(direction=self.direction.currentData()))
        self.scale.currentIndexChanged.connect(lambda: fields.choose(scale=self.scale.currentData()))
        self.channel.currentIndexChanged.connect(lambda: fields.choose(channel=self.channel.currentData()))
        self.view.viewport.pixel_changed.connect(self._write)
        fields.changed.connect(self._show)
        self._show()
        fields.ask()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.view and self.view.image is not None:
            if isinstance(event, QMouseEvent) and event.button() == Qt.MouseButton.LeftButton:
                place = event.position().toPoint()
                if event.type() == QEvent.Type.MouseButtonPress:
                    self._pressed = place
                elif event.type() == QEvent.Type.MouseButtonRelease and self._pressed is not None:
                    if (place - self._pressed).manhattanLength() < 4:
                        self._choose(event.position())
                    self._pressed = None
            elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _CHOOSING:
                if self.view.viewport.pixel is not None:
                    self._choose(self.view.pixel_rect(self.view.viewport.pixel).center())
                return True
        return super().eventFilter(watched, event)

    def _choose(self, place: QPointF) -> None:
        """Take the latent at a place of the view."""
        rect = self.view.image_rect()
        if rect.contains(place):
            x, y = (place.x() - rect.left()) / rect.width(), (place.y() - rect.top()) / rect.height()
            self._fields.choose_place(x, y)

    def _show(self) -> None:
        fields = self._fields
        with QSignalBlocker(self.scale), QSignalBlocker(self.channel), QSignalBlocker(self.direction):
            self._fill(
                self.scale,
                [
                    self.tr("Scale {0} ({1})").format(number, f"{width}x{height}")
                    for number, (_, height, width) in enumerate(fields.shapes, 1)
                ],
                fields.scale,
            )
            channels = fields.shapes[fields.scale][0] if fields.shapes else 0
            names = [self.tr("Channel {0} of {1}").format(number + 1, channels) for number in range(channels)]
            self._fill(self.channel, names, fields.channel)
            self.direction.setCurrentIndex(self.direction.findData(fields.direction))
        self.redraw.setEnabled(self._state.inspection is not None)
        self.view.set_dimmed(fields.busy)
        if fields.field is None:
            self.view.show_map(None)
            self.view.show_image(None)
            self.view.set_placeholder(fields.problem or self.tr("The field is on its way…"))
        else:
            self.view.show_image(qimage(fields.field.image))
            self.view.show_map(self._map())
        self._write()

    def _fill(self, box: ComboBox, texts: list[str], chosen: int) -> None:
        if [box.itemText(number) for number in range(box.count())] != texts:
            box.clear()
            for number, text in enumerate(texts):
                box.addItem(text, number)
        box.setCurrentIndex(min(chosen, box.count() - 1))

    def _map(self) -> ShownMap:
        """The field on a logarithmic scale, with the latent's own place outlined."""
        fields = self._fields
        assert fields.field is not None
        values, request = fields.values, fields.field.request
        height, width = values.shape
        _, rows, columns = fields.shapes[request.scale]
        own = np.zeros(values.shape, bool)
        top, left = request.row * height // rows, request.column * width // columns
        own[top : max(top + 1, (request.row + 1) * height // rows)][
            :, left : max(left + 1, (request.column + 1) * width // columns)
        ] = True
        largest = max(float(values.max()), 1e-300)
        shares = np.log10(np.maximum(values / largest, 1e-300))
        picture = overlay(fields.field.image.array()[0], shares, float(np.log10(_FAINT)), 0.0)
        return ShownMap(picture, values, 0.0, largest, own)

    def _write(self) -> None:
        fields = self._fields
        if fields.field is None:
            self.words.setText("")
            return
        values, request = fields.values, fields.field.request
        largest = float(values.max())
        count = int((values > _COUNTED * largest).sum()) if largest > 0 else 0
        latent = self.tr("Latent of scale {0}, channel {1}, at x {2}, y {3} of its scale.").format(
            request.scale + 1, request.channel + 1, request.column, request.row
        )
        if largest == 0:
            text = self.tr("It changes no pixel here, as far as the numbers tell. Outlined: its own place.")
            if request.direction == "encoder":
                text = self.tr("No pixel changes it here, as far as the numbers tell. Outlined: its own place.")
            self.words.setText(f"{latent} {text}")
            return
        if request.direction == "decoder":
            text = self.tr(
                "It changes {0} of {1} pixels by more than a hundredth of its largest change: {2} grey levels for a "
                "step of 1. Outlined: its own place."
            )
        else:
            text = self.tr(
                "{0} of {1} pixels change it by more than a hundredth of the largest change: {2} for one grey level. "
                "Outlined: its own place."
            )
        text = text.format(f"{count:,}", f"{values.size:,}", f"{largest:.3g}")
        scale = self.tr("Black: a thousandth of that or less.")
        told = self.view.told_bits()
        here = "" if told is None else " " + self.tr("Here: {0}.").format(f"{told:.3g}")
        self.words.setText(f"{latent} {text} {scale}{here}")
