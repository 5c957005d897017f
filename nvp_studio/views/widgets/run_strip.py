"""The strip at the bottom of the window: name, state, progress, score and actions of the live run."""

from dataclasses import dataclass

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QProgressBar, QWidget

from nvp_studio.views.theme import SPACE, set_role
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox

_GAP = 2 * SPACE
_MIN_NAME = 14 * SPACE
_MIN_SCORE = 15 * SPACE
"""What a long name of a run and a long score get in any case, in pixels; a score begins with the present figure."""
_MAX_STATE = 44 * SPACE
_UNBOUNDED = 10_000


@dataclass(frozen=True)
class StripContent:
    """The texts of the strip, each as displayed; empty for none."""

    name: str = ""
    state: str = ""
    level: str = ""
    """``success``, ``warning`` or ``error``: the colour of the state."""
    fraction: float | None = None
    epoch: str = ""
    """Such as "epoch 12 / 40"."""
    score: str = ""
    """Such as "3.61 bits/dim in validation (best 3.58 @ 1100)"."""
    speed: str = ""
    remaining: str = ""


class RunStrip(QFrame):
    """One row of texts with fixed places, and buttons for the actions that make sense now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_strip")
        self.setAccessibleName(self.tr("Training run"))
        self.setFixedHeight(5 * SPACE + 4)
        self.name = _SteadyLabel(_MIN_NAME, role="", middle=True)
        self.state, self.score = _SteadyLabel(_MAX_STATE), _SteadyLabel(_MIN_SCORE)
        self.percent, self.epoch, self.speed, self.remaining = (_SteadyLabel() for _ in range(4))
        self.state.setMaximumWidth(_MAX_STATE)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setMinimumWidth(6 * SPACE)
        self.bar.setMaximumWidth(12 * SPACE)
        self.bar.setAccessibleName(self.tr("Progress of the run"))
        row = hbox(self, spacing=_GAP, margins=(2 * SPACE, 0, SPACE, 0))
        parts = (self.name, self.state, self.bar, self.percent, self.epoch, self.score, self.speed, self.remaining)
        for part in parts:
            row.addWidget(part)
        row.addStretch(1)
        self._buttons: list[ActionButton] = []
        self._button_row = hbox(spacing=SPACE // 2)
        row.addLayout(self._button_row)
        self.show_content(StripContent())

    def add_action(self, action: QAction) -> None:
        """Add a button for `action`; it shows while the action is visible."""
        self._buttons.append(ActionButton(action))
        self._button_row.addWidget(self._buttons[-1])

    def show_content(self, content: StripContent) -> None:
        """Show `content` now."""
        self.content = content
        self.name.setText(content.name or self.tr("No run"))
        self.state.setText(content.state)
        set_role(self.state, content.level or "dim")
        self.bar.setValue(round(1000 * (content.fraction or 0)))
        self.percent.setText("" if content.fraction is None else f"{100 * content.fraction:.0f} %")
        self.epoch.setText(content.epoch)
        self.score.setText(content.score)
        self.speed.setText(content.speed)
        self.remaining.setText(content.remaining)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """Parts that do not fit are hidden, so that no width is too small for the window."""
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Where the width does not suffice, show the buttons without text; then hide parts, first the speed.

        The part of the score beyond its figure is hidden after the epoch.
        """
        parts = {
            self.remaining: self.remaining.text(),
            self.score: self.score.text(),
            self.percent: self.percent.text(),
            self.bar: self.percent.text(),
            self.epoch: self.epoch.text(),
            self.speed: self.speed.text(),
        }
        self.score.set_least(_MIN_SCORE)
        widths = {part: (part.minimumWidth() or part.minimumSizeHint().width()) + _GAP for part in parts}
        taken = self.name.minimumSizeHint().width() + self.state.minimumSizeHint().width() + 2 * _GAP
        room = self.width() - 3 * SPACE - taken
        self._show_button_texts(True)
        if self._buttons_width() + sum(widths[part] for part, text in parts.items() if text) > room:
            self._show_button_texts(False)
        room -= self._buttons_width()
        rest = self.score.sizeHint().width() + _GAP - widths[self.score]
        for part, text in parts.items():
            if part is self.epoch and self.score.text() and room >= rest:
                room -= rest
                self.score.set_least(_UNBOUNDED)
            room -= widths[part] if text else 0
            part.setVisible(bool(text) and room >= 0)

    def _show_button_texts(self, shown: bool) -> None:
        for button in self._buttons:
            button.show_text(shown)

    def _buttons_width(self) -> int:
        return sum(button.sizeHint().width() + SPACE // 2 for button in self._buttons if not button.isHidden())


class _SteadyLabel(ElidedLabel):
    """A label that grows with its text and shrinks only when that got much shorter, so that neighbours do not move."""

    def __init__(self, least: int = _UNBOUNDED, *, role: str = "dim", middle: bool = False) -> None:
        """A text wider than `least` pixels may be shortened to that."""
        super().__init__(role=role, grows=False, middle=middle)
        self._least = least
        self._width = 0

    def set_least(self, least: int) -> None:
        """Let a text wider than `least` pixels be shortened to that."""
        if least != self._least:
            self._least = least
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        if hint.width() > self._width or hint.width() < self._width - 4 * SPACE:
            self._width = hint.width()
        return QSize(self._width, hint.height())

    def minimumSizeHint(self) -> QSize:
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._least), hint.height())
