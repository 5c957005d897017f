"""Input fields that use the mouse wheel only while they have the focus, so that the page around them scrolls.

`input_value`, `show_input` and `on_input` treat all kinds alike.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSizePolicy, QWidget

_TEXT_MARGIN = 7
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


class NumberBox(QDoubleSpinBox):
    """A field for decimal numbers, without zeros at the end, or for whole ones."""

    def __init__(self, least: float, most: float, digits: int = 0) -> None:
        """`digits` after the point; none for whole numbers."""
        super().__init__()
        self.setDecimals(digits)
        self.setRange(least, most)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)
        self.lineEdit().setTextMargins(_TEXT_MARGIN, 0, 0, 0)  # a style sheet's padding has no effect on it
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def textFromValue(self, value: float) -> str:
        text = super().textFromValue(value)
        point = self.locale().decimalPoint()
        return text.rstrip("0").removesuffix(point) if point in text else text

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def number(
    least: float, most: float, digits: int = 0, *, step: float = 0.0, least_text: str = "", suffix: str = ""
) -> NumberBox:
    """A field for a number with up to `digits` after the point; with a `least_text`, which it shows, the least is None.

    Without `step`, arrows change a whole number by 1 and a decimal one by a tenth of its size.
    """
    field = NumberBox(least, most, digits)
    field.setSpecialValueText(least_text)
    field.setSuffix(suffix)
    if step:
        field.setSingleStep(step)
    elif digits:
        field.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    return field


def input_value(field: QWidget) -> Any:
    """The value of a field."""
    if isinstance(field, QComboBox):
        return field.currentData()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    assert isinstance(field, QDoubleSpinBox)
    if field.specialValueText() and field.value() == field.minimum():
        return None
    return field.value() if field.decimals() else round(field.value())


def show_input(field: QWidget, value: Any) -> None:
    """Show a value; a choice that a combo box does not have, such as a second CUDA device, is added to it."""
    if isinstance(field, QComboBox):
        if field.findData(value) < 0:
            field.addItem(str(value), value)
        field.setCurrentIndex(field.findData(value))
    elif isinstance(field, QCheckBox):
        field.setChecked(value)
    else:
        assert isinstance(field, QDoubleSpinBox)
        field.setValue(field.minimum() if value is None else value)


def on_input(field: QWidget, slot: Callable[[], object]) -> None:
    """Call `slot` after each change of a field; a bound method of a widget, which Qt disconnects with the widget."""
    if isinstance(field, QComboBox):
        field.currentIndexChanged.connect(slot)
    elif isinstance(field, QCheckBox):
        field.toggled.connect(slot)
    else:
        assert isinstance(field, QDoubleSpinBox)
        field.valueChanged.connect(slot)
