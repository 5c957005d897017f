"""Input fields that use the mouse wheel only while they have the focus, so that the page around them scrolls.

`input_value`, `show_input` and `on_input` treat all kinds alike.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSizePolicy, QSpinBox, QWidget

_TEXT_MARGIN = 7


class ComboBox(QComboBox):
    """A combo box as narrow as its place, whatever its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self._preferred_width = 0

    def set_preferred_width(self, pixels: int) -> None:
        """Be this wide where there is room, never wider."""
        self._preferred_width = pixels
        self.setMaximumWidth(pixels)

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(self._preferred_width or hint.width(), hint.height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SpinBox(QSpinBox):
    """A field for whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        _set_up(self)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class DoubleSpinBox(QDoubleSpinBox):
    """A field for decimal numbers, without zeros at the end."""

    def __init__(self) -> None:
        super().__init__()
        _set_up(self)

    def textFromValue(self, value: float) -> str:
        text = self.locale().toString(value, "f", self.decimals())
        point = self.locale().decimalPoint()
        return text.rstrip("0").removesuffix(point) if point in text else text

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def _set_up(field: QSpinBox | QDoubleSpinBox) -> None:
    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    field.setKeyboardTracking(False)
    field.lineEdit().setTextMargins(_TEXT_MARGIN, 0, 0, 0)  # a style sheet's padding has no effect on it
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)


def combo(entries: Sequence[tuple[str, object]]) -> ComboBox:
    """A choice among entries of (text, value)."""
    field = ComboBox()
    for text, value in entries:
        field.addItem(text, value)
    return field


def whole(least: int, most: int, *, least_text: str = "", suffix: str = "") -> SpinBox:
    """A field for a whole number, which shows `least_text` at its least."""
    field = SpinBox()
    field.setRange(least, most)
    field.setSpecialValueText(least_text)
    field.setSuffix(suffix)
    return field


def decimal(
    least: float, most: float, digits: int, *, step: float = 0.0, least_text: str = "", suffix: str = ""
) -> DoubleSpinBox:
    """A field for a decimal number with up to `digits` after the point; without `step` arrows follow its size."""
    field = DoubleSpinBox()
    field.setDecimals(digits)
    field.setRange(least, most)
    field.setSpecialValueText(least_text)
    field.setSuffix(suffix)
    if step:
        field.setSingleStep(step)
    else:
        field.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    return field


def input_value(field: QWidget) -> Any:
    """The value of a field."""
    if isinstance(field, QComboBox):
        return field.currentData()
    if isinstance(field, QCheckBox):
        return field.isChecked()
    assert isinstance(field, QSpinBox | QDoubleSpinBox)
    return field.value()


def show_input(field: QWidget, value: Any) -> None:
    """Show a value; a choice that a combo box does not have, such as a second CUDA device, is added to it."""
    if isinstance(field, QComboBox):
        place = field.findData(value)
        if place < 0:
            field.addItem(str(value), value)
            place = field.count() - 1
        field.setCurrentIndex(place)
    elif isinstance(field, QCheckBox):
        field.setChecked(value)
    else:
        assert isinstance(field, QSpinBox | QDoubleSpinBox)
        field.setValue(value)


def on_input(field: QWidget, slot: Callable[[], object]) -> None:
    """Call `slot` after each change of a field; a bound method of a widget, which Qt disconnects with the widget."""
    if isinstance(field, QComboBox):
        field.currentIndexChanged.connect(slot)
    elif isinstance(field, QCheckBox):
        field.toggled.connect(slot)
    else:
        assert isinstance(field, QSpinBox | QDoubleSpinBox)
        field.valueChanged.connect(slot)
