"""The look of the window: two palettes, one accent, an 8-pixel grid, one icon family, tabular figures."""

import weakref
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QStyleFactory, QWidget

from nvp_studio.resources import resource_path

SPACE = 8
"""Pixels of the grid; margins and gaps are 1, 2 or 3 of it, or half of it between things that belong together."""
CONTROL_HEIGHT = 30
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
    follow = partial(apply_theme, app, "system")
    QGuiApplication.styleHints().colorSchemeChanged.connect(lambda _: follow() if theme().choice == "system" else None)


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
    return Path(resource_path(f"icons/{name}.svg")).read_text("utf-8")


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


def _themed_file(name: str, c: Colors) -> str:
    """The file of an icon that the style sheet shows; it cannot be coloured there, so each theme has its own."""
    return resource_path(f"icons/{name}.{c.name}.svg").as_posix()


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
    for role in (
        QPalette.ColorRole.WindowText,
        QPalette.ColorRole.Text,
        QPalette.ColorRole.ButtonText,
        QPalette.ColorRole.HighlightedText,
    ):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(c.disabled))
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, QColor(c.border))
    return palette


def _style_sheet(c: Colors) -> str:
    return f"""
QToolTip {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; padding: 4px 6px; }}

QPushButton, QToolButton[button="true"] {{
    background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; border-radius: 6px;
    padding: 0 12px; min-height: {CONTROL_HEIGHT - 2}px; }}
QPushButton:hover, QToolButton[button="true"]:hover {{ border-color: {c.dim}; }}
QPushButton:pressed, QToolButton[button="true"]:pressed {{ background: {c.border}; }}
QToolButton[button="true"]:checked {{ background: {c.selection}; border-color: {c.accent}; }}
QPushButton:focus, QToolButton[button="true"]:focus {{ border-color: {c.accent}; }}
QPushButton:disabled, QToolButton[button="true"]:disabled {{ color: {c.disabled}; background: transparent; }}
QPushButton[primary="true"], QToolButton[primary="true"] {{
    background: {c.accent}; color: {c.on_accent}; border-color: {c.accent};
    font-weight: 600; }}
QPushButton[primary="true"]:hover, QToolButton[primary="true"]:hover {{ border-color: {c.text}; }}
QPushButton[primary="true"]:disabled, QToolButton[primary="true"]:disabled {{
    background: {c.raised}; color: {c.disabled}; border-color: {c.border}; }}
QToolButton[button="true"] {{ padding: 0 8px; min-height: {CONTROL_HEIGHT - 5}px; }}
QToolButton[button="true"][menu="true"] {{ padding-right: 24px; }}
QToolButton::menu-indicator {{ subcontrol-origin: padding; subcontrol-position: center right; right: 6px; }}
QToolButton[flat="true"] {{ background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px; }}
QToolButton[flat="true"]:hover {{ background: {c.raised}; }}
QToolButton[flat="true"]:focus {{ border-color: {c.accent}; }}

QLabel[role="dim"] {{ color: {c.dim}; }}
QLabel[role="dim"]:disabled {{ color: {c.disabled}; }}
QLabel[role="section"] {{ color: {c.dim}; font-weight: 600; }}
QLabel[role="heading"] {{ font-size: 20px; font-weight: 600; }}
QLabel[role="error"] {{ color: {c.error}; }}
QLabel[role="warning"] {{ color: {c.warning}; }}
QLabel[role="success"] {{ color: {c.success}; }}
QFrame[card="true"] {{ background: {c.surface}; border: 1px solid {c.border}; border-radius: 8px; }}

QLineEdit, QAbstractSpinBox, QComboBox {{ background: {c.surface}; color: {c.text}; border: 1px solid {c.border};
    border-radius: 6px; padding: 0 8px; min-height: {CONTROL_HEIGHT - 2}px; }}
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover {{ border-color: {c.dim}; }}
QLineEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{ border-color: {c.accent}; }}
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{ color: {c.disabled}; background: transparent; }}
QAbstractSpinBox {{ min-height: {CONTROL_HEIGHT - 5}px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; background: transparent; width: 20px; }}
QAbstractSpinBox::up-arrow {{ image: url("{_themed_file("chevron-up", c)}"); width: 12px; height: 12px; }}
QAbstractSpinBox::down-arrow {{ image: url("{_themed_file("chevron-down", c)}"); width: 12px; height: 12px; }}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow {{ image: url("{_themed_file("chevron-down", c)}"); width: 12px; height: 12px; }}
QComboBox QAbstractItemView {{ background: {c.surface}; border: 1px solid {c.border}; padding: 4px; outline: none;
    selection-background-color: {c.selection}; selection-color: {c.text}; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QCheckBox {{ spacing: 8px; }}
QCheckBox::indicator, QListView::indicator {{ width: 16px; height: 16px; border: 1px solid {c.dim}; border-radius: 4px;
    background: {c.surface}; }}
QCheckBox::indicator:focus, QCheckBox::indicator:hover {{ border-color: {c.accent}; }}
QCheckBox::indicator:checked, QListView::indicator:checked {{ background: {c.accent}; border-color: {c.accent};
    image: url("{_themed_file("check", c)}"); }}
QCheckBox::indicator:disabled, QListView::indicator:disabled {{ background: transparent; border-color: {c.disabled}; }}
QTableView, QListView, QTreeView, QPlainTextEdit {{ border: 1px solid {c.border}; border-radius: 6px;
    selection-background-color: {c.selection}; selection-color: {c.text}; }}
QTableView {{ gridline-color: {c.border}; }}
QHeaderView::section {{ background: {c.window}; color: {c.dim}; border: none; border-bottom: 1px solid {c.border};
    padding: 4px 8px; font-weight: 600; }}
QHeaderView::up-arrow {{ image: url("{_themed_file("chevron-up", c)}"); }}
QHeaderView::down-arrow {{ image: url("{_themed_file("chevron-down", c)}"); }}
QHeaderView::up-arrow, QHeaderView::down-arrow {{ width: 10px; height: 10px; subcontrol-position: top center; }}
QTableCornerButton::section {{ background: {c.window}; border: none; }}

QMenuBar {{ background: {c.window}; border-bottom: 1px solid {c.border}; }}
QMenuBar::item {{ padding: 5px 9px; background: transparent; }}
QMenuBar::item:selected {{ background: {c.raised}; }}
QMenu {{ background: {c.surface}; border: 1px solid {c.border}; padding: 4px; }}
QMenu::item {{ padding: 5px 28px 5px 8px; border-radius: 4px; }}
QMenu::item:selected {{ background: {c.selection}; color: {c.text}; }}
QMenu::item:disabled {{ color: {c.disabled}; }}
QMenu::icon {{ padding-left: 6px; }}
QMenu::icon:checked {{ background: {c.selection}; border: 1px solid {c.accent}; border-radius: 4px; }}
QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 6px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {c.border}; border-radius: 4px; margin: 1px; }}
QScrollBar::handle:vertical {{ min-height: 28px; }}
QScrollBar::handle:horizontal {{ min-width: 28px; }}
QScrollBar::handle:hover {{ background: {c.dim}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QProgressBar {{ background: {c.raised}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}
#rail QToolButton {{ border: 1px solid transparent; border-radius: 8px; color: {c.dim}; }}
#rail QToolButton:hover, #rail QToolButton:checked {{ background: {c.raised}; }}
#rail QToolButton:checked {{ color: {c.text}; }}
#rail QToolButton:focus {{ border-color: {c.accent}; }}
#run_strip {{ background: {c.surface}; border-top: 1px solid {c.border}; }}
QSplitter::handle {{ background: transparent; }}
QSplitter::handle:hover {{ background: {c.border}; }}
QScrollArea {{ border: none; background: transparent; }}
QScrollArea > QWidget > QWidget#scroll_content {{ background: transparent; }}
QDialog#command_palette {{ background: {c.window}; border: 1px solid {c.dim}; border-radius: 0; }}
QDockWidget::title {{ background: {c.window}; padding: 6px 8px; border-top: 1px solid {c.border}; }}
"""
