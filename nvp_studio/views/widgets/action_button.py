"""Buttons for actions, with text or an icon alone, and flat buttons for other purposes."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QSizePolicy, QToolButton

from nvp_studio.text import sentence
from nvp_studio.views.actions import plain_text, why_not
from nvp_studio.views.theme import ICON_SIZE, set_icon
from nvp_studio.views.widgets.labels import plain_tip


class ActionButton(QToolButton):
    """A button with icon and short text of its action, or `text`; shown while the action is visible.

    The `primary` button is the most important one of a page and has no icon; a `flat` one has nothing but its icon.
    """

    def __init__(self, action: QAction, text: str = "", *, primary: bool = False, flat: bool = False) -> None:
        super().__init__()
        self._text, self._shows_text = text, True
        self.setDefaultAction(action)
        self.setProperty("flat" if flat else "button", True)
        self.setProperty("primary", primary)
        self.setIconSize(ICON_SIZE)
        if not flat:
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        if primary:
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        action.changed.connect(self._follow)
        action.visibleChanged.connect(lambda: self.setVisible(action.isVisible()))
        if not action.isVisible():
            self.hide()
        self._follow()

    def show_text(self, shown: bool, *, icon: bool = True) -> None:
        """Show the text, beside the icon or (without `icon`) instead of it; or the icon alone."""
        style = Qt.ToolButtonStyle
        with_text = style.ToolButtonTextBesideIcon if icon else style.ToolButtonTextOnly
        self.setToolButtonStyle(with_text if shown else style.ToolButtonIconOnly)
        self._shows_text = shown
        self._follow()  # Qt computes the size anew with another text, not with another style

    def _follow(self) -> None:
        action = self.defaultAction()
        text = self._text or action.iconText().removesuffix("…")
        if not self.property("primary"):
            text = f" {text}" if self._shows_text else ""  # the style puts icon and text too close together
        self.setText(text)
        self.setAccessibleName(plain_text(action))
        hindrance = why_not(action)
        tip = action.toolTip()
        self.setToolTip(plain_tip(f"{tip}\n{sentence(hindrance)}") if hindrance else tip)
        self.setAccessibleDescription(hindrance)


def menu_button() -> QToolButton:
    """A button with icon and text that opens a menu."""
    button = QToolButton()
    button.setProperty("button", True)
    button.setProperty("menu", True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button


def flat_button(icon: str, name: str, tip: str = "", role: str = "text") -> QToolButton:
    """A flat button that shows an icon alone, in the theme's colour for `role`; without a tip its name is the tip."""
    button = QToolButton()
    button.setProperty("flat", True)
    button.setAccessibleName(name)
    button.setToolTip(tip or name)
    set_icon(button, icon, role)
    return button
