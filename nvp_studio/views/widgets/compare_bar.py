"""The row above Explore's picture while two pictures are compared: which they are, and how they score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QIcon, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QMenu, QToolButton, QWidget

from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip

_ROOM_FOR_BOTH = 80 * SPACE


@dataclass(frozen=True)
class Choice:
    """A picture that may be chosen."""

    title: str
    image: QImage | None
    choose: Callable[[], object]


class CompareBar(QWidget):
    """A button with a menu and a line of text for each of A and B."""

    followed = Signal(str)
    """"a" or "b": go back to what it was at first."""
    shown_chosen = Signal(str)
    """"a" or "b": take the picture on screen."""

    def __init__(
        self, close: QAction, steps: Callable[[str], Sequence[Choice]], kept: Callable[[str], Sequence[Choice]]
    ) -> None:
        """`steps` and `kept` give the pictures of the history and of the tray that may be chosen as "a" or "b"."""
        super().__init__()
        self._steps, self._kept = steps, kept
        self.buttons: dict[str, QToolButton] = {}
        self.texts: dict[str, ElidedLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACE // 2)
        self._close = ActionButton(close, flat=True)
        for side in ("a", "b"):
            button = menu_button()
            button.setText(side.upper())
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setAccessibleName(self.tr("Picture {0} to compare").format(side.upper()))
            button.setToolTip(plain_tip(self.tr("Choose picture {0}").format(side.upper())))
            menu = MnemonicMenu(button)
            menu.aboutToShow.connect(lambda side=side, menu=menu: self.fill(side, menu))
            button.setMenu(menu)
            self.buttons[side], self.texts[side] = button, ElidedLabel(role="dim", lines=2)
        self._arrange(narrow=False)
        self.hide()

    def show_texts(self, a: str, b: str) -> None:
        """Say what the two are."""
        self.texts["a"].setText(a)
        self.texts["b"].setText(b)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(narrow=self.width() < _ROOM_FOR_BOTH)

    def _arrange(self, *, narrow: bool) -> None:
        """Put B beside A, or below it where that is too `narrow` for the scores of both."""
        for side, row, column in (("a", 0, 0), ("b", int(narrow), 0 if narrow else 2)):
            self._grid.addWidget(self.buttons[side], row, column)
            self._grid.addWidget(self.texts[side], row, column + 1)
            both_lines = 2 * self.texts[side].fontMetrics().lineSpacing()
            self.texts[side].setFixedHeight(both_lines)  # for any text, that the picture below stays where it is
        self._grid.addWidget(self._close, 0, 4)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, 0 if narrow else 1)

    def fill(self, side: str, menu: MnemonicMenu) -> None:
        """Put into the menu of a side what it may be now."""
        menu.empty()
        for child in menu.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly):
            child.deleteLater()
        first = self.tr("The picture at the beginning") if side == "a" else self.tr("Always the picture on screen")
        menu.addAction(first, lambda: self.followed.emit(side))
        menu.addAction(self.tr("The picture that is on screen now"), lambda: self.shown_chosen.emit(side))
        menu.addSeparator()
        for title, choices, empty in (
            (self.tr("From the history"), self._steps(side), self.tr("There is no other step yet")),
            (self.tr("From the tray"), self._kept(side), self.tr("No picture of this model is kept")),
        ):
            part = QMenu(title, menu)
            for choice in choices:
                icon = QIcon(QPixmap.fromImage(choice.image)) if choice.image is not None else QIcon()
                action = part.addAction(icon, choice.title.replace("&", "&&"))
                action.triggered.connect(lambda _checked=False, choice=choice: choice.choose())
            if not choices:
                part.addAction(empty).setEnabled(False)
            menu.addMenu(part)
