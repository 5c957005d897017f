"""The look of the window: two palettes, one accent, an 8-pixel grid, one icon family, tabular figures."""

import weakref
from dataclasses import asdict, dataclass
from functools import cache
from string import Template

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QStyleFactory, QWidget

from nvp_studio.resources import resource_path

SPACE = 8
"""Pixels of the grid; margins and gaps are 1, 2 or 3 of it, or half of it between things that belong together."""
ICON_SIZE = QSize(16, 16)


@dataclass(frozen=True)
class Colors:
    """The colours of one theme, each as #rrggbb."""

    name: str
    window: str
    """Behind everything."""
    surface: str
    """Cards, tables, inputs."""
    raised: str
    """Buttons, headers, things under the mouse."""
    border: str
    text: str
    dim: str
    """Text of second rank; still readable on `window` and `surface`."""
    disabled: str
    accent: str
    on_accent: str
    selection: str
    """Behind selected text and rows."""
    success: str
    warning: str
    error: str
    plot_raw: str
    """A thin, noisy curve behind the smoothed one."""


LIGHT = Colors(
    name="light",
    window="#f3f4f6",
    surface="#ffffff",
    raised="#e8eaee",
    border="#d3d7de",
    text="#1b1e24",
    dim="#5a616d",
    disabled="#a3a9b4",
    accent="#2a63c8",
    on_accent="#ffffff",
    selection="#d5e2fa",
    success="#1a7f4b",
    warning="#9a6200",
    error="#c22f2f",
    plot_raw="#b7c6e2",
)
DARK = Colors(
    name="dark",
    window="#15171c",
    surface="#1d2027",
    raised="#2a2e37",
    border="#383d48",
    text="#e7e9ed",
    dim="#9ba2af",
    disabled="#5f6672",
    accent="#6ea2f7",
    on_accent="#0d1420",
    selection="#2b4069",
    success="#57c48a",
    warning="#e2b04e",
    error="#f07a7a",
    plot_raw="#3d4f73",
)


class Theme(QObject):
    """The theme in force; `changed` after another was applied, for whatever paints itself."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.choice = "system"
        self.colors = LIGHT
        self.icons: weakref.WeakKeyDictionary[QAction | QAbstractButton, tuple[str, str]] = weakref.WeakKeyDictionary()
        """(name, role) of the icons to be drawn again after a change."""


@cache
def theme() -> Theme:
    """The one theme of the program."""
    return Theme()


def colors() -> Colors:
    """The colours in force."""
    return theme().colors


def apply_theme(app: QApplication, choice: str) -> None:
    """Put `light`, `dark` or `system` (the desktop's preference) in force."""
    current = theme()
    current.choice = choice
    system_is_dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    current.colors = DARK if choice == "dark" or (choice == "system" and system_is_dark) else LIGHT
    if app.style().name().lower() != "fusion":
        app.setStyle(QStyleFactory.create("Fusion"))
    app.setPalette(_palette(current.colors))
    app.setStyleSheet(_style_sheet(current.colors))
    for target, (name, role) in list(current.icons.items()):
        try:
            set_icon(target, name, role)
        except RuntimeError:  # its C++ half is already gone
            del current.icons[target]
    current.changed.emit()


def set_up_theme(app: QApplication, choice: str) -> None:
    """First call of the program: font, theme, and following the desktop when it changes."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    if "Inter" in QFontDatabase.families():
        font.setFamily("Inter")
    font.setPixelSize(13)
    font.setFeature(QFont.Tag("tnum"), 1)  # figures of equal width, so that changing numbers do not jump
    app.setFont(font)
    apply_theme(app, choice)
    QGuiApplication.styleHints().colorSchemeChanged.connect(lambda _: apply_theme(app, theme().choice))


def scaled_font(pixels: int, *, bold: bool = False) -> QFont:
    """The program's font at another size in pixels."""
    font = QFont(QApplication.font())
    font.setPixelSize(pixels)
    font.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return font


def monospace_font(pixels: int = 12) -> QFont:
    """A font of fixed width, for logs and code."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(pixels)
    return font


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget the look of `role` in the style sheet, such as ``dim``, ``warning`` or ``error``."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def set_mark(widget: QWidget, name: str, on: bool) -> None:
    """Give a widget the look that the style sheet has for the property `name`, or take it away."""
    if bool(widget.property(name)) != on:
        widget.setProperty(name, on)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def set_icon(target: QAction | QAbstractButton, name: str, role: str = "text") -> None:
    """Give an action or button the icon `name` in the colour of `role`, redrawn when the theme changes."""
    theme().icons[target] = (name, role)
    target.setIcon(_icon(name, getattr(colors(), role), colors().disabled))


@cache
def _icon(name: str, color: str, disabled: str) -> QIcon:
    result = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, disabled)):
        for side in (16, 20, 32, 40):
            result.addPixmap(pixmap(name, tint, side), mode)
    return result


@cache
def _icon_source(name: str) -> str:
    return resource_path(f"icons/{name}.svg").read_text("utf-8")


def pixmap(name: str, color: str, side: int, ratio: float = 1.0) -> QPixmap:
    """The icon `name` as a square pixmap of `side` logical pixels."""
    renderer = QSvgRenderer(QByteArray(_icon_source(name).replace("currentColor", color).encode()))
    image = QPixmap(round(side * ratio), round(side * ratio))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, image.width(), image.height()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def _palette(c: Colors) -> QPalette:
    palette = QPalette()
    roles = {
        "window": ("Window", "AlternateBase"),
        "surface": ("Base", "Light"),
        "raised": ("Button", "Midlight", "ToolTipBase"),
        "border": ("Mid", "Dark", "Shadow"),
        "text": ("WindowText", "Text", "ButtonText", "ToolTipText"),
        "dim": ("PlaceholderText",),
        "error": ("BrightText",),
        "accent": ("Highlight", "Accent", "Link", "LinkVisited"),
        "on_accent": ("HighlightedText",),
    }
    for color, names in roles.items():
        for name in names:
            palette.setColor(QPalette.ColorRole[name], QColor(getattr(c, color)))
    disabled = QPalette.ColorGroup.Disabled
    for name in ("WindowText", "Text", "ButtonText", "HighlightedText"):
        palette.setColor(disabled, QPalette.ColorRole[name], QColor(c.disabled))
    palette.setColor(disabled, QPalette.ColorRole.Highlight, QColor(c.border))
    return palette


def _style_sheet(c: Colors) -> str:
    icons = resource_path("icons").as_posix()
    return Template(resource_path("style.qss").read_text("utf-8")).substitute(asdict(c), icons=icons)
