"""A row with name, slider and figure for one number, with a mark where it came from."""

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QSlider, QToolButton, QWidget

from nvp_studio.state.edited_recipe import LEAST_MOVE
from nvp_studio.text import figure
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.theme import SPACE, colors, set_mark
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox
from nvp_studio.views.widgets.number_field import NumberField

STEPS_PER_UNIT = 100
_HANDLE = 7.0
_FIRST_KEYS = tuple("0123456789.,-\u2212")
"""Keys that begin a number."""
_EDITOR_WIDTH = 12 * SPACE
_EDITOR_DIGITS = 6
_MAX_TYPED = 100


class MarkedSlider(QSlider):
    """A horizontal slider for hundredths, filled from a mark to the handle.

    A press anywhere moves the handle there and drags on; a double click or Delete asks for a reset, Enter or a digit
    for a field to type into; the wheel turns it only while it has the focus, so that a list of sliders scrolls.
    """

    reset_requested = Signal()
    typing_requested = Signal(str)
    """A person wants to type the value; carries the key that began it, empty for Enter."""
    reached = Signal(bool)
    """The keyboard came to the slider, or left it."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(round(low * STEPS_PER_UNIT), round(high * STEPS_PER_UNIT))
        self.setSingleStep(STEPS_PER_UNIT // 20)
        self.setPageStep(STEPS_PER_UNIT // 2)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.mark: float | None = None

    def set_mark(self, mark: float | None) -> None:
        """Put the mark at a value."""
        if mark != self.mark:
            self.mark = mark
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(14 * SPACE, 3 * SPACE)

    def minimumSizeHint(self) -> QSize:
        return QSize(8 * SPACE, 3 * SPACE)

    def x_of(self, value: float) -> float:
        """The x coordinate of `value` (in units), kept within the groove."""
        low, high = self.minimum() / STEPS_PER_UNIT, self.maximum() / STEPS_PER_UNIT
        fraction = (min(max(value, low), high) - low) / (high - low)
        return _HANDLE + fraction * (self.width() - 2 * _HANDLE)

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.border))
        painter.drawRoundedRect(QRectF(_HANDLE, middle - 1.5, self.width() - 2 * _HANDLE, 3), 1.5, 1.5)
        x = self.x_of(self.value() / STEPS_PER_UNIT)
        tint = QColor(c.accent if self.isEnabled() else c.disabled)
        if self.mark is not None:
            mark = self.x_of(self.mark)
            painter.setBrush(tint)
            painter.drawRect(QRectF(min(mark, x), middle - 1.5, abs(x - mark), 3))
            painter.setBrush(QColor(c.dim))
            painter.drawRect(QRectF(mark - 0.75, middle - 5, 1.5, 10))
        painter.setBrush(tint if self.isSliderDown() or self.hasFocus() else QColor(c.surface))
        painter.setPen(QPen(tint, 2))
        painter.drawEllipse(QPointF(x, middle), _HANDLE - 2, _HANDLE - 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self.setSliderDown(True)
        self._move_to(event.position().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._move_to(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self.setSliderDown(False)
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.reset_requested.emit()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _begins_number(event):
            event.accept()  # it is typed here, whatever it does elsewhere on the page
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.reset_requested.emit()
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.typing_requested.emit("")
        elif _begins_number(event):
            self.typing_requested.emit(event.text())
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.reached.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self.isSliderDown():
            self.setSliderDown(False)
        super().focusOutEvent(event)
        self.reached.emit(False)

    def _move_to(self, point: QPoint) -> None:
        fraction = (point.x() - _HANDLE) / max(1.0, self.width() - 2 * _HANDLE)
        self.setValue(round(self.minimum() + fraction * (self.maximum() - self.minimum())))
        self.update()


def _begins_number(event: QKeyEvent) -> bool:
    return event.text() in _FIRST_KEYS and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier


class _ValueEditor(NumberField):
    """A field over a row, there until Enter, Escape, or another widget has the focus.

    After Enter and Escape the row's slider has it again.
    """

    typed = Signal(float)

    def __init__(self, row: QWidget, bounds: Bounds) -> None:
        super().__init__(bounds)
        self.setParent(row)
        self.setProperty("compact", True)  # a row is lower than other fields
        self.committed.connect(self._on_committed)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        done = event.key() == Qt.Key.Key_Escape
        if not done:
            super().keyPressEvent(event)
            done = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self.problem
        event.accept()
        if done:
            row = self.parentWidget()
            if isinstance(row, SliderRow):
                row.slider.setFocus(Qt.FocusReason.OtherFocusReason)  # else Qt would give it to any widget
            self._close()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._close()

    def _on_committed(self) -> None:
        value = self.value()
        if value is not None:
            self.typed.emit(float(value))

    def _close(self) -> None:
        with QSignalBlocker(self):
            self.hide()
        self.deleteLater()


class _Figure(TextLabel):
    """The number at the end of a row."""

    double_clicked = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.double_clicked.emit()


class SliderRow(QWidget):
    """Name, slider and number. `edited` is emitted when a person moves the slider, not by `show_value`."""

    edited = Signal(float)
    pressed = Signal()
    released = Signal()
    reset_requested = Signal()
    unlocked = Signal()
    attended = Signal(bool)
    """The pointer or the keyboard came to the row, or left it."""

    def __init__(self, name: str, accessible_name: str, low: float, high: float, *, signed: bool = True) -> None:
        super().__init__()
        self._signed = signed
        self._bounds = Bounds(-_MAX_TYPED if signed else 0, _MAX_TYPED)
        self._end = high - LEAST_MOVE
        self.value = 0.0
        self.tip_wanted = True
        """Whether the row may show its tool tip."""
        self._lock: QToolButton | None = None
        row = self._row = hbox(self)
        self.name = TextLabel(name.replace("&", "&&"), role="dim")
        self.slider = MarkedSlider(low, high)
        self.slider.setAccessibleName(accessible_name)
        self.name.setBuddy(self.slider)
        self.figure = _Figure()
        self.figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.figure.setFixedWidth(6 * SPACE - 4)
        row.addWidget(self.name)
        row.addWidget(self.slider, 1)
        row.addWidget(self.figure)
        self.slider.valueChanged.connect(self._on_value_changed)
        self.slider.sliderPressed.connect(self.pressed)
        self.slider.sliderReleased.connect(self.released)
        self.slider.reset_requested.connect(self.reset_requested)
        self.slider.typing_requested.connect(self.type_value)
        self.figure.double_clicked.connect(lambda: self.type_value())
        self.slider.reached.connect(self.attended)
        self._write()

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Enter, QEvent.Type.Leave):
            self.attended.emit(event.type() == QEvent.Type.Enter)
        return (event.type() == QEvent.Type.ToolTip and not self.tip_wanted) or super().event(event)

    def type_value(self, first_key: str = "") -> None:
        """Let a person type the value, which may lie beyond the slider's ends, in a field over the row's end."""
        editor = _ValueEditor(self, self._bounds)
        editor.setAccessibleName(self.slider.accessibleName())
        editor.setValue(round(self.value, _EDITOR_DIGITS))
        editor.setGeometry(self.width() - _EDITOR_WIDTH, 0, _EDITOR_WIDTH, self.height())
        editor.typed.connect(self._take_typed)
        editor.show()
        editor.setFocus(Qt.FocusReason.PopupFocusReason)
        editor.selectAll()
        if first_key:
            editor.lineEdit().insert(first_key)

    def _take_typed(self, value: float) -> None:
        self.show_value(value, self.slider.mark)
        self.edited.emit(value)

    def show_value(self, value: float, mark: float | None = None) -> None:
        """Show `value`, which may lie beyond the slider's ends, and the mark."""
        self.slider.set_mark(mark)
        self._mark_moved(0.0 if mark is None else value - mark)
        if abs(value - self.value) < 1e-9:
            return
        self.value = value
        with QSignalBlocker(self.slider):
            shown = max(-_MAX_TYPED, min(value, _MAX_TYPED))  # a recipe of a file may hold any number
            self.slider.setValue(round(shown * STEPS_PER_UNIT))
        self._write()

    def show_locked(self, locked: bool) -> None:
        """Show a lock at the end of the row, whose click asks for it to be opened, or none."""
        if locked and self._lock is None:
            self._lock = flat_button("lock", self.tr("Unlock {0}").format(self.slider.accessibleName()))
            self._lock.clicked.connect(self.unlocked)
            self._row.addWidget(self._lock)
        if self._lock is not None:
            self._lock.setVisible(locked)

    def _on_value_changed(self, steps: int) -> None:
        self.value = steps / STEPS_PER_UNIT
        self._mark_moved(0.0 if self.slider.mark is None else self.value - self.slider.mark)
        self._write()
        self.edited.emit(self.value)

    def _mark_moved(self, distance: float) -> None:
        """Let a row that was moved away from its mark stand out, and say by how much, and whether as far as it goes."""
        moved = self._signed and abs(distance) >= LEAST_MOVE
        ended = moved and abs(distance + (self.slider.mark or 0.0)) >= self._end
        for label in (self.name, self.figure):
            set_mark(label, "moved", moved)
            set_mark(label, "end", ended)
        shown = figure(distance, "+.2f")
        text = self.tr("moved by {0}, at the end of the slider") if ended else self.tr("moved by {0}")
        self.slider.setAccessibleDescription(text.format(shown) if moved else "")

    def _write(self) -> None:
        shown = 0.0 if abs(self.value) < 0.005 else self.value
        self.figure.setText(figure(shown, "+.2f" if self._signed else ".2f"))
