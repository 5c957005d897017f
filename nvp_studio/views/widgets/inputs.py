"""Input fields that use the mouse wheel only while they have the focus, so that the page around them scrolls.

`input_value`, `show_input` and `on_input` treat all kinds alike.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QSizePolicy, QWidget

from nvp_studio.views.widgets.number_field import NumberField

_MIN_COMBO = 96
"""Pixels for the arrow and the beginning of a text."""


class ComboBox(QComboBox):
    """A combo box as narrow as its place, whatever its entries."""

    def __init__(self, entries: Sequence[tuple[str, object]], name: str = "", width: int = 0) -> None:
        """`entries` are (text, value); with a `width` in pixels it is that wide where there is room, never wider."""
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self.setToolTip(name)
        self._width = width
        if width:
            self.setMaximumWidth(width)
        for text, value in entries:
            self.addItem(text, value)

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(self._width or hint.width(), hint.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(_MIN_COMBO, super().minimumSizeHint().height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def input_value(field: QWidget) -> Any:
    """The value of a field; raises `ValueError` for a number field whose text is not one that it can take."""
    if isinstance(field, QComboBox):
        return field.currentData()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    assert isinstance(field, NumberField)
    return field.value()


def show_input(field: QWidget, value: Any) -> None:
    """Show a value; a choice that a combo box does not have, such as a second CUDA device, is added to it."""
    if isinstance(field, QComboBox):
        if field.findData(value) < 0:
            field.addItem(str(value), value)
        field.setCurrentIndex(field.findData(value))
    elif isinstance(field, QCheckBox):
        field.setChecked(value)
    else:
        assert isinstance(field, NumberField)
        field.setValue(value)


def on_input(field: QWidget, slot: Callable[[], object]) -> None:
    """Call `slot` after each change of a field; a bound method of a widget, which Qt disconnects with the widget."""
    if isinstance(field, QComboBox):
        field.currentIndexChanged.connect(slot)
    elif isinstance(field, QCheckBox):
        field.toggled.connect(slot)
    else:
        assert isinstance(field, NumberField)
        field.edited.connect(slot)
