"""Four corners: a button for each corner, the pad between them, samples as corners, and a grid as a file."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QMenu, QSizePolicy, QToolButton, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Source
from nvp_studio.state.mixture import base_title
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.corner_pad import CornerPad
from nvp_studio.views.widgets.drop_overlay import DropOverlay, image_of
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import text_label
from nvp_studio.views.widgets.number_field import NumberField

MOST_GRID = 64
"""Pictures along each side of a grid that is written."""
_LEAST_PAD, _MOST_PAD = 16 * SPACE, 32 * SPACE
_MAX_NAME = 10 * SPACE
_ROOM_FOR_NAMES = 70 * SPACE
_ROOM_FOR_TEXT = 52 * SPACE


class CornerPanel(QWidget):
    """Shows the corners and the place of the picture between them."""

    place_edited = Signal(float, float)
    """(down, right), 0 to 1."""
    gesture_begun = Signal()
    gesture_ended = Signal(str)
    """Carries the text for the undo menu."""
    file_dropped = Signal(int, object)
    """(number of the corner from 0, `Path`): an image file was let go over that quarter."""

    def __init__(self, actions: Sequence[Sequence[QAction]], samples: QAction, save: QAction, record: QAction) -> None:
        """`actions` are those of the menus behind the corners."""
        super().__init__()
        self.pad = CornerPad()
        self.pad.moved.connect(self.place_edited)
        self.pad.pressed.connect(self.gesture_begun)
        self.pad.released.connect(lambda: self.gesture_ended.emit(self.tr("place between the corners")))
        self.ends = [self._make_end(index, menu) for index, menu in enumerate(actions)]
        self.side = NumberField(Bounds(2, MOST_GRID), whole=True)
        self.side.setValue(9)
        self.side.setFixedWidth(7 * SPACE)
        self.side.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.side.setAccessibleName(self.tr("Pictures along each side of the grid"))
        self.side.set_tip(self.tr("Pictures along each side of the grid that is saved"))
        self._label = text_label(self.tr("a side"))
        self._label.setBuddy(self.side)
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        right = Qt.AlignmentFlag.AlignRight
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.addWidget(self.ends[0], 0, 0, top | right)
        grid.addWidget(self.ends[2], 3, 0, bottom | right)
        grid.addWidget(self.pad, 0, 1, 4, 1)
        grid.addWidget(self.ends[1], 0, 2, top)
        grid.addWidget(self.ends[3], 3, 2, bottom)
        self._tools = (
            ActionButton(samples, self.tr("Samples")),
            ActionButton(save),
            ActionButton(record, self.tr("Record path")),
        )
        grid.addWidget(self._tools[0], 0, 4, 1, 2, top | right)
        grid.addWidget(self._tools[2], 1, 4, 1, 2, top | right)
        grid.addWidget(self.side, 2, 4, right)
        grid.addWidget(self._label, 2, 5)
        grid.addWidget(self._tools[1], 3, 4, 1, 2, bottom | right)
        grid.setColumnStretch(3, 1)
        grid.setRowStretch(1, 1)
        self.overlay = DropOverlay(
            self, self, self._describe_drop, lambda event: self.file_dropped.emit(self._end_at(event), image_of(event))
        )
        self.fit_height(0)
        self.show_ends((None,) * len(self.ends))

    def fit_height(self, page: int) -> None:
        """Make the pad as large as a page of so many pixels has room for."""
        side = min(max(page // 4, _LEAST_PAD), _MOST_PAD)
        self.pad.setFixedSize(QSize(side, side))

    def show_ends(self, ends: Sequence[Source | None]) -> None:
        """Show what is chosen; None where nothing is yet."""
        self._names = [self.tr("choose…") if end is None else base_title(end) for end in ends]
        for number, (name, button) in enumerate(zip(self._names, self.ends, strict=True), 1):
            button.setAccessibleName(self.tr("Corner {0}: {1}").format(number, name))
            button.setToolTip(plain_tip(self.tr("Corner {0}: {1}").format(number, name)))
        self._missing = [str(number) for number, end in enumerate(ends, 1) if end is None]
        self._write_names()

    def show_grid(self, grid: ImageBatch | None) -> None:
        """Show the pictures between the corners, or what is still to be chosen."""
        if not self._missing:
            text = self.tr("The pictures between the corners appear here.")
        elif len(self._missing) == len(self.ends):
            text = self.tr("Choose four corners, or take four samples.")
        else:
            text = self.tr("Still to choose: {0}.").format(", ".join(self._missing))
        self.pad.show_grid(grid, text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._write_names()
        wide = self.width() >= _ROOM_FOR_TEXT
        self._label.setVisible(wide)
        for button in self._tools:
            button.show_text(wide)

    def _write_names(self) -> None:
        """Number and name on each button, the number alone where there is room for no more."""
        for number, (button, name) in enumerate(zip(self.ends, self._names, strict=True), 1):
            shown = button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _MAX_NAME)
            text = f"{number}  {shown}" if self.width() >= _ROOM_FOR_NAMES else str(number)
            button.setText(text.replace("&", "&&"))

    def _describe_drop(self, event: QDropEvent) -> str:
        return self.tr("Corner {0}").format(self._end_at(event) + 1) if image_of(event) else ""

    def _end_at(self, event: QDropEvent) -> int:
        point = event.position()
        right = point.x() >= self.pad.geometry().center().x()
        return 2 * int(point.y() >= self.height() / 2) + int(right)

    def _make_end(self, index: int, actions: Sequence[QAction]) -> QToolButton:
        button = menu_button()
        button.setObjectName(f"corner-{index + 1}")
        menu = QMenu(button)
        menu.addActions(list(actions))
        button.setMenu(menu)
        return button
