"""Paint and redraw: the brush, what is done with the region, and what redrawing changed."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QProgressBar, QSizePolicy, QWidget

from nvp_studio.training.bounds import Bounds
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton, flat_button
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.number_field import NumberField

_ROOM_FOR_TEXT = 56 * SPACE
_BRUSH = 5


class RedrawPanel(QWidget):
    """The panel below the picture; the region is painted on the picture."""

    shown = Signal(bool)
    before_held = Signal(bool)
    """Show the picture before redrawing while this is true."""

    def __init__(self, start: QAction, cancel: QAction, clear: QAction, invert: QAction) -> None:
        super().__init__()
        self.brush = NumberField(Bounds(1, 64), whole=True)
        self.brush.setValue(_BRUSH)
        self.brush.setFixedWidth(7 * SPACE)
        self.brush.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.brush.setAccessibleName(self.tr("Width of the brush in pixels"))
        self.brush.setToolTip(self.tr("Width of the brush, in pixels of the picture: 1 to 64"))
        self._label = text_label(self.tr("Brush"))
        self._label.setBuddy(self.brush)
        self.erase = QCheckBox(self.tr("Erase"))
        self.erase.setToolTip(self.tr("The brush takes pixels out of the region. Shift does so without this."))
        self.before = flat_button("undo-2", self.tr("Before"), self.tr("Hold to see the picture before redrawing"))
        self.before.pressed.connect(lambda: self.before_held.emit(True))
        self.before.released.connect(lambda: self.before_held.emit(False))
        self._start = ActionButton(start, self.tr("Redraw"))
        self._cancel = ActionButton(cancel, self.tr("Cancel"))
        tools = hbox(spacing=SPACE // 2)
        for widget in (self._label, self.brush, self.erase):
            tools.addWidget(widget)
        for action in (invert, clear):
            tools.addWidget(ActionButton(action, flat=True))
        tools.addStretch(1)
        for button in (self.before, self._cancel, self._start):
            tools.addWidget(button)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setAccessibleName(self.tr("Steps of redrawing"))
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        self.status = ElidedLabel(role="dim", lines=2)
        column = vbox(self, spacing=SPACE // 2)
        column.addLayout(tools)
        column.addWidget(self.status)
        column.addWidget(self.progress)
        self.show_progress(0, 0)

    def show_progress(self, done: int, total: int) -> None:
        """Show how many of the steps are done; 0 of 0 while none are taken."""
        self.progress.setVisible(total > 0)
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done)

    def show_status(self, text: str, tip: str = "") -> None:
        """Show a line about the region or the result."""
        self.status.setText(text)
        self.status.tip = tip

    def resizeEvent(self, event: QResizeEvent) -> None:
        wide = self.width() >= _ROOM_FOR_TEXT
        self._label.setVisible(wide)
        for button in (self._start, self._cancel):
            button.show_text(wide)

    def showEvent(self, event: QShowEvent) -> None:
        self.shown.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        self.shown.emit(False)
