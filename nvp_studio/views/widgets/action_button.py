"""Buttons for actions, with text or an icon alone, and flat buttons for other purposes."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton, QSizePolicy, QToolButton

from nvp_studio.views.theme import ICON_SIZE, set_icon


class ActionButton(QPushButton):
    """A button with the short text of its action, enabled and visible while the action is.

    `primary` is for the most important button of a page or dialog.
    """

    def __init__(self, action: QAction, *, primary: bool = False) -> None:
        super().__init__()
        self._action = action
        self.setProperty("primary", primary)
        self.setIconSize(ICON_SIZE)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        action.visibleChanged.connect(lambda: self.setVisible(action.isVisible()))
        if not action.isVisible():
            self.hide()
        self._follow()

    def _follow(self) -> None:
        action, text = self._action, self._action.iconText().removesuffix("…")
        primary = bool(self.property("primary"))
        self.setText(text if primary else f" {text}")  # the style puts icon and text too close together
        self.setAccessibleName(plain_text(action))
        if not primary:
            self.setIcon(action.icon())
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())


def tool_button(action: QAction, text: str = "") -> QToolButton:
    """A button with the action's icon and its short text, or `text`; shown while the action is visible."""
    button = QToolButton()
    button.setDefaultAction(action)
    button.setProperty("button", True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setIconSize(ICON_SIZE)
    button.setAccessibleName(plain_text(action))
    button.setVisible(action.isVisible())

    def follow() -> None:
        button.setText(f" {text or action.iconText()}")  # the style puts icon and text too close together

    follow()
    action.changed.connect(follow)
    action.visibleChanged.connect(lambda: button.setVisible(action.isVisible()))
    return button


def icon_button(action: QAction) -> QToolButton:
    """A flat button that shows the action's icon alone."""
    button = QToolButton()
    button.setDefaultAction(action)
    button.setProperty("flat", True)
    button.setIconSize(ICON_SIZE)
    button.setAccessibleName(plain_text(action))
    action.visibleChanged.connect(lambda: button.setVisible(action.isVisible()))
    return button


def flat_button(icon: str, name: str, tip: str = "", role: str = "text") -> QToolButton:
    """A flat button that shows an icon alone, in the theme's colour for `role`; without a tip its name is the tip."""
    button = QToolButton()
    button.setProperty("flat", True)
    button.setAccessibleName(name)
    button.setToolTip(tip or name)
    set_icon(button, icon, role)
    return button


def plain_text(action: QAction) -> str:
    """The text of an action without mnemonic and ellipsis."""
    return action.text().replace("&", "").removesuffix("…")
