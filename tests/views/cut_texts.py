"""Texts of shown widgets that do not fit: what a person cannot read without a tool tip."""

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyle,
    QStyleOptionComboBox,
    QToolButton,
    QWidget,
)

from nvp_studio.views.widgets.labels import ElidedLabel


def cut_texts(root: QWidget) -> list[str]:
    """Each text in and below `root` that is shown shortened or runs over its place, with the kind of its widget."""
    return [f"{type(widget).__name__}: {text}" for widget, text in _cut(root)]


def _cut(root: QWidget) -> Iterator[tuple[QWidget, str]]:
    for widget in (root, *root.findChildren(QWidget)):
        if not widget.isVisible() or widget.visibleRegion().isEmpty():
            continue
        match widget:
            case ElidedLabel():
                if widget.shown_text != widget.text():
                    yield widget, f"{widget.text()} -> {widget.shown_text}"
            case QLabel() if widget.text() and widget.textFormat() == Qt.TextFormat.PlainText:
                needed = widget.heightForWidth(widget.width()) if widget.wordWrap() else widget.sizeHint().height()
                narrow = not widget.wordWrap() and widget.sizeHint().width() > widget.width() + 1
                if narrow or needed > widget.height() + 1:
                    yield widget, widget.text()
            case QToolButton() | QPushButton() | QCheckBox():
                shows_text = not isinstance(widget, QToolButton) or (
                    widget.toolButtonStyle() != Qt.ToolButtonStyle.ToolButtonIconOnly
                )
                if widget.text() and shows_text and widget.sizeHint().width() > widget.width() + 1:
                    yield widget, widget.text()
            case QComboBox():
                option = QStyleOptionComboBox()
                widget.initStyleOption(option)
                field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
                room = widget.style().subControlRect(field[0], option, field[1], widget).width()
                if widget.fontMetrics().horizontalAdvance(widget.currentText()) > room:
                    yield widget, widget.currentText()
            case QLineEdit() if not widget.text() and widget.placeholderText():
                if widget.fontMetrics().horizontalAdvance(widget.placeholderText()) > widget.width() - 12:
                    yield widget, widget.placeholderText()
