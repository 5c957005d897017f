"""Blending two images: a button for each end, a slider between them and a strip of the pictures on the way."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QAction, QDropEvent, QIcon, QPixmap, QResizeEvent, Qt
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Source
from nvp_studio.state.mixture import base_title
from nvp_studio.state.qimages import qimage
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import menu_button
from nvp_studio.views.widgets.drop_overlay import DropOverlay, image_of
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.layout import hbox, vbox
from nvp_studio.views.widgets.sliders import SliderRow

_THUMBNAIL = 20
_MAX_NAME = 12 * SPACE
_ROOM_FOR_NAMES = 60 * SPACE


class BlendPanel(QWidget):
    """Shows the two images and the pictures between them, with a slider for the place of the picture on screen."""

    position_edited = Signal(float)
    """How far from A (0) to B (1)."""
    gesture_begun = Signal()
    gesture_ended = Signal(str)
    """Carries the text for the undo menu."""
    picked = Signal(int)
    """Number of a picture of the strip."""
    file_dropped = Signal(int, object)
    """(0 for A and 1 for B, `Path`): an image file was let go over that half."""

    def __init__(self, actions: Sequence[Sequence[QAction]]) -> None:
        """`actions` are those of the menus behind A and B."""
        super().__init__()
        self.strip = ImageGrid()
        self.strip.setFixedHeight(8 * SPACE)
        self.strip.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.strip.setAccessibleName(self.tr("Pictures between A and B"))
        self.strip.clicked.connect(self.picked)
        self.ends = [self._make_end("AB"[index], menu) for index, menu in enumerate(actions)]
        self.row = SliderRow("", self.tr("From A to B"), 0.0, 1.0, signed=False)
        self.row.name.hide()
        self.row.setToolTip(self.tr("How far from A (0) to B (1). Double-click for the middle."))
        self.row.edited.connect(self.position_edited)
        self.row.reset_requested.connect(lambda: self.position_edited.emit(0.5))
        self.row.pressed.connect(self.gesture_begun)
        self.row.released.connect(lambda: self.gesture_ended.emit(self.tr("blend")))
        line = hbox()
        line.addWidget(self.ends[0])
        line.addWidget(self.row, 1)
        line.addWidget(self.ends[1])
        column = vbox(self, spacing=SPACE // 2)
        column.addWidget(self.strip)
        column.addLayout(line)
        self.overlay = DropOverlay(
            self, self, self._describe_drop, lambda event: self.file_dropped.emit(self._end_at(event), image_of(event))
        )
        self.show_ends(None, None)

    def show_ends(self, a: Source | None, b: Source | None) -> None:
        """Show what is chosen; None where nothing is yet, which the strip's place then explains."""
        self._names = [self.tr("choose…") if end is None else base_title(end) for end in (a, b)]
        for letter, name, button, end in zip("AB", self._names, self.ends, (a, b), strict=True):
            button.setAccessibleName(self.tr("Image {0}: {1}").format(letter, name))
            button.setToolTip(plain_tip(self.tr("Image {0} of the blend: {1}").format(letter, name)))
            icon = QIcon()
            if isinstance(end, Image):
                icon = QIcon(QPixmap.fromImage(qimage(ImageBatch((1, *end.shape), end.pixels))))
            button.setIcon(icon)
        self._write_names()
        self.row.setEnabled(a is not None and b is not None)
        self.strip.set_placeholder(self._placeholder(a is not None, b is not None))

    def show_position(self, position: float, *, blended: bool) -> None:
        """Show how far the picture lies, when it is `blended` at all; the slider stays where it was otherwise."""
        self.row.show_value(position)
        steps = self.strip.count - 1
        near = round(position * steps)
        on_strip = blended and steps > 0 and abs(position * steps - near) < 1e-6
        self.strip.select(near if on_strip else -1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._write_names()

    # Drag and drop

    def _describe_drop(self, event: QDropEvent) -> str:
        return self.tr("Image {0} of the blend").format("AB"[self._end_at(event)]) if image_of(event) else ""

    def _end_at(self, event: QDropEvent) -> int:
        return int(event.position().x() >= self.width() / 2)

    def _write_names(self) -> None:
        """Letter and name on each button, the letter alone where there is room for no more."""
        for letter, button, name in zip("AB", self.ends, self._names, strict=True):
            shown = button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _MAX_NAME)
            text = f" {letter}  {shown}" if self.width() >= _ROOM_FOR_NAMES else f" {letter}"
            button.setText(text.replace("&", "&&"))

    def _placeholder(self, has_a: bool, has_b: bool) -> str:
        if has_a and has_b:
            return self.tr("The pictures between A and B appear here.")
        if not has_a and not has_b:
            return self.tr("Blend two images: choose A and B below, each the picture on screen or an image file.")
        return self.tr(
            "One image is chosen. Now {0}: bring another picture on screen and press {0}, or take a file (Shift+{0})."
        ).format("B" if has_a else "A")

    def _make_end(self, letter: str, actions: Sequence[QAction]) -> QToolButton:
        button = menu_button()
        button.setObjectName(f"blend-{letter.lower()}")
        button.setIconSize(QSize(_THUMBNAIL, _THUMBNAIL))
        button.setMinimumWidth(8 * SPACE)
        menu = QMenu(button)
        menu.addActions(list(actions))
        button.setMenu(menu)
        return button
