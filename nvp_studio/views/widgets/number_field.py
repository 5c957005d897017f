"""Fields for numbers and names that take any text, keep it, and mark what they cannot use."""

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from PySide6.QtCore import QCoreApplication, QPoint, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QSizePolicy, QToolTip, QWidget

from nvp_studio.text import grouped_number, number_text, sentence
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.numbers import Separators, parse_number
from nvp_studio.views.theme import set_mark
from nvp_studio.views.widgets.labels import NoteLabel, TextLabel, plain_tip

_TEXT_MARGIN = 7
_WIDEST_STATED = 1e9
"""Bounds beyond it are no news to anyone."""
_tr = partial(QCoreApplication.translate, "NumberField")


class Content(NamedTuple):
    """What a text in a field stands for."""

    value: Any
    """An `int`, a `float`, or what a kind of field reads besides; None for an empty field."""
    problem: str


class NumberField(QAbstractSpinBox):
    """A field for a number. Whatever is typed stays; what is no number within the bounds is marked and explained.

    Numbers are read as `parse_number` says, by the locale, and shown with a decimal point and all their digits. Escape
    brings back the last good value. `edited` follows each change of `value` or `problem`; `committed` a change that a
    person finished by Enter, by leaving the field, or with the arrows.
    """

    edited = Signal()
    committed = Signal()

    def __init__(
        self,
        bounds: Bounds,
        *,
        whole: bool = False,
        step: float = 0.0,
        none_text: str = "",
        explain_empty: bool = True,
        unit: str = "",
        advice: Callable[[float], str] = lambda value: "",
    ) -> None:
        """With a `none_text`, which it shows, an empty field has the value None; without, it needs a number.

        The explanation of a problem says what an empty field means, except without `explain_empty`.

        Without `step`, arrows change a whole number by 1 and another by a tenth of its size. `advice` gives a warning
        about a value that is allowed.
        """
        super().__init__()
        self.bounds = bounds
        self.whole = whole
        self.step = step
        self.none_text = none_text
        self._explain_empty = explain_empty
        self.unit = unit
        self._advice = advice
        self.note: NoteLabel | None = None
        """Where the form shows `problem`; without it a tool tip does."""
        self._good: Any = None
        """The value that was valid last."""
        self._known: tuple[str, Any] = ("", None)
        """A text that this field has written, and the number it stands for."""
        self._committed: Any = None
        self._content = Content(None, "")
        self._tip = ""
        line = self.lineEdit()
        line.setPlaceholderText(none_text)
        self._unit_label = TextLabel(unit, role="dim")
        self._unit_label.setParent(line)
        self._unit_label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        line.textChanged.connect(self._on_text_changed)
        self.editingFinished.connect(self._commit)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._on_text_changed()

    # Value and problem

    @property
    def problem(self) -> str:
        """What is wrong with the text, such as "must be at most 10, not 12"; empty where nothing is."""
        return self._content.problem

    def value(self) -> Any:
        """The number in the field, None for an empty field; raises `ValueError`, with its name, for any other text."""
        if self.problem:
            raise ValueError(f"{self.accessibleName()}: {self.problem}")
        return self._content.value

    def last_value(self) -> Any:
        """The number in the field, or the last one that was."""
        return self._good

    def setValue(self, value: Any) -> None:
        """Show `value`, exactly, also one out of the bounds; None empties the field."""
        if isinstance(value, float) and self.whole and value == int(value):
            value = int(value)
        text = "" if value is None else self._text_of(value)
        self._known = (text, value)
        self._committed = value
        if self.lineEdit().text() != text:
            self.lineEdit().setText(text)
        else:
            self._on_text_changed()

    def set_kind(self, bounds: Bounds, *, whole: bool, step: float) -> None:
        """Hold numbers of another kind from now on."""
        self.bounds, self.whole, self.step = bounds, whole, step
        self._on_text_changed()

    def range_text(self) -> str:
        """The bounds in words; empty where they are too wide to matter."""
        least, most, beyond, below = self.bounds
        high = "" if most > _WIDEST_STATED else _tr("less than {0}") if below else _tr("at most {0}")
        high = high.format(grouped_number(most))
        if least < -_WIDEST_STATED:
            return high
        if high and not beyond and not below:
            return _tr("{0} to {1}").format(grouped_number(least), grouped_number(most))
        low = _tr("more than {0}") if beyond else _tr("at least {0}")
        return ", ".join(part for part in (low.format(grouped_number(least)), high) if part)

    def set_tip(self, tip: str) -> None:
        """Show `tip` and the bounds as the tool tip."""
        self._tip = tip
        self._show_tip()

    def add_note(self) -> NoteLabel:
        """Make the label that shows the problem; it is to be placed below the field."""
        self.note = NoteLabel()
        return self.note

    def _text_of(self, value: Any) -> str:
        return number_text(value)

    def _read(self, text: str) -> Content:
        if text == self._known[0]:
            value = self._known[1]
        elif not text.strip() or text.strip().lower() == self.none_text.lower():
            value = None
        else:
            locale = self.locale()
            parsed = parse_number(
                text, Separators(locale.decimalPoint(), locale.groupSeparator()), whole=self.whole, unit=self.unit
            )
            if parsed.value is None:
                return Content(None, parsed.reason)
            value = parsed.value
        if value is None:
            return Content(None, "" if self.none_text else _tr("a number is needed"))
        if self.whole and not isinstance(value, int):
            return Content(None, _tr("a whole number is needed"))
        must = self.bounds.problem(value)
        if must and value in (self.bounds.least, self.bounds.most):  # "more than 0, not 0" would say nothing more
            return Content(value, _tr("must be {0}").format(must))
        return Content(value, _tr("must be {0}, not {1}").format(must, grouped_number(value)) if must else "")

    def _on_text_changed(self) -> None:
        text = self.lineEdit().text()
        before, self._content = self._content, self._read(text)
        if not self.problem:
            self._good = self._content.value
        self._unit_label.setVisible(bool(self.unit) and bool(text) and not text.rstrip().endswith(self.unit))
        self._place_unit()
        self._show_problem()
        if self._content != before:
            self.edited.emit()

    def _show_problem(self) -> None:
        set_mark(self, "invalid", bool(self.problem))
        self._show_tip()
        if self.note is not None:
            self.note.show_text(self._explanation(), "error" if self.problem else "warning")
        elif self.problem and self.hasFocus():
            QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), self._explanation(), self)
        elif QToolTip.isVisible() and self.hasFocus():
            QToolTip.hideText()

    def _explanation(self) -> str:
        """The problem as a sentence, with what an empty field means where it has a meaning; else a warning."""
        if not self.problem:
            advice = "" if self._content.value is None else self._advice(self._content.value)
            return sentence(advice) if advice else ""
        text = sentence(self.problem)
        return f"{text} {_tr('Empty: {0}.').format(self.none_text)}" if self.none_text and self._explain_empty else text

    def _show_tip(self) -> None:
        lines = [self._explanation(), self._tip, self.range_text()]
        if self.none_text:
            lines.append(_tr("empty: {0}").format(self.none_text))
        self.setToolTip(plain_tip("\n".join(line for line in lines if line)))
        self.setAccessibleDescription(self.toolTip())

    def _commit(self) -> None:
        """Rewrite the number as all are written, and report it if it is another one."""
        if self.problem:
            return
        value, before = self._content.value, self._committed
        self.setValue(value)
        if value != before:
            self.committed.emit()

    # What a spin box asks for

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        """Accept any text, so that no key is swallowed."""
        return QValidator.State.Acceptable, text, place

    def fixup(self, text: str) -> str:
        return text

    def clear(self) -> None:
        self.lineEdit().clear()

    def stepBy(self, steps: int) -> None:
        least, most = self.bounds.least, self.bounds.most
        value = self._good
        if value is None:
            new: float | None = max(least, 0) if not self.bounds.beyond else self._step_at(1.0)
        else:
            step = Decimal(repr(self._step_at(value, down=steps < 0)))
            exact = Decimal(repr(value)) + steps * step
            new = int(exact) if self.whole else float(exact)
            if new < least or (new == least and self.bounds.beyond):
                new = None if self.none_text else value if self.bounds.beyond else least
            elif new > most or (new == most and self.bounds.below):
                new = value if self.bounds.below else most
        before = self._committed
        self.setValue(new)
        self.lineEdit().selectAll()
        if not self.problem and self._content.value != before:
            self.committed.emit()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        return QAbstractSpinBox.StepEnabledFlag.StepUpEnabled | QAbstractSpinBox.StepEnabledFlag.StepDownEnabled

    def _step_at(self, value: float, *, down: bool = False) -> float:
        if self.step or self.whole:
            return int(self.step or 1) if self.whole else self.step
        if not value:
            return 10.0 ** math.floor(math.log10(min(1.0, self.bounds.most))) / 100
        exact = Decimal(repr(abs(value)))
        size = exact.adjusted()
        if down and exact == Decimal(1).scaleb(size):
            size -= 1  # 0.001 goes down to 0.00099, as it would come up from there
        return float(Decimal(1).scaleb(size - 1))

    # Events

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.lineEdit().text() != self._known[0]:
            self.setValue(self._good if self.problem else self._committed)
            self.lineEdit().selectAll()
            event.accept()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.lineEdit().setCursorPosition(0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_unit()

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self._place_unit()

    def _place_unit(self) -> None:
        label, line = self._unit_label, self.lineEdit()
        label.adjustSize()
        label.move(line.width() - label.width() - 2, (line.height() - label.height()) // 2)
        right = label.width() + 4 if not label.isHidden() else 0
        line.setTextMargins(_TEXT_MARGIN, 0, right, 0)  # a style sheet's padding has no effect on it


class NameField(QLineEdit):
    """A field for a name of at most `most` characters: a longer one stays, marked and explained."""

    def __init__(self, most: int, text: str = "", stored_as: Callable[[str], str] = str) -> None:
        """`stored_as` gives the name as it is kept; where it differs from the text, the note says so."""
        super().__init__(text)
        self._most = most
        self._stored_as = stored_as
        self.note = NoteLabel()
        """To be placed below the field."""
        self.textChanged.connect(self._show_problem)

    @property
    def problem(self) -> str:
        """What is wrong with the name, as the end of a sentence; empty: nothing."""
        length = len(self.text().strip())
        return "" if length <= self._most else _tr("at most {0} characters, not {1}").format(self._most, length)

    def _show_problem(self) -> None:
        set_mark(self, "invalid", bool(self.problem))
        name = self.text().strip()
        stored = self._stored_as(name)
        if self.problem:
            self.note.show_text(sentence(self.problem), "error")
        elif stored == name:
            self.note.show_text("")
        else:
            self.note.show_text(_tr("Its folder: {0}").format(stored) if stored else _tr("No name for a folder."))
        self.setAccessibleDescription(self.note.text())


def problem_of(field: QWidget) -> str:
    """What is wrong with the content of a field; empty for one whose content cannot be wrong."""
    return field.problem if isinstance(field, NumberField | NameField) else ""
