"""The row above Explore's picture while two pictures are compared: which they are, and how they score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QIcon, QImage, QPixmap
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip
from nvp_studio.views.widgets.layout import hbox


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
        row = hbox(self, spacing=SPACE // 2)
        for side in ("a", "b"):
            button = menu_button()
            button.setText(side.upper())
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setAccessibleName(self.tr("Picture {0} to compare").format(side.upper()))
            button.setToolTip(plain_tip(self.tr("Choose picture {0}").format(side.upper())))
            menu = MnemonicMenu(button)
            menu.aboutToShow.connect(lambda side=side, menu=menu: self.fill(side, menu))
            button.setMenu(menu)
            self.buttons[side], self.texts[side] = button, ElidedLabel(role="dim", lines=3)
            row.addWidget(button)
            row.addWidget(self.texts[side], 1)
        row.addWidget(ActionButton(close, flat=True))
        self.hide()

    def show_texts(self, a: str, b: str) -> None:
        """Say what the two are."""
        self.texts["a"].setText(a)
        self.texts["b"].setText(b)

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
