"""The strip at the bottom of the window: name, state, progress, score and actions of the live run."""

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QWidget

from nvp_studio.views.theme import SPACE, set_role
from nvp_studio.views.widgets.action_button import tool_button
from nvp_studio.views.widgets.layout import hbox

_LEAST_NAME = 14 * SPACE
"""What a long name of a run gets in any case, in pixels."""
_MOST_STATE = 44 * SPACE
"""What the state gets at most."""


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
    """Such as "3.61 bits/dim (best 3.58 @ 1100)"."""
    speed: str = ""
    remaining: str = ""


class RunStrip(QFrame):
    """One row of texts with fixed places, and buttons for the actions that make sense now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_strip")
        self.setAccessibleName(self.tr("Training run"))
        self.setFixedHeight(5 * SPACE + 4)
        row = hbox(self, spacing=2 * SPACE, margins=(2 * SPACE, 0, SPACE, 0))
        self.name = self._label(row, "name")
        self.state = self._label(row, "state")
        self.state.setMaximumWidth(_MOST_STATE)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(15 * SPACE)
        self.bar.setAccessibleName(self.tr("Progress of the run"))
        row.addWidget(self.bar)
        self.percent = self._label(row, "percent")
        self.epoch = self._label(row, "epoch")
        self.score = self._label(row, "score")
        self.speed = self._label(row, "speed")
        self.remaining = self._label(row, "remaining")
        row.addStretch(1)
        self._buttons = hbox(spacing=SPACE // 2)
        row.addLayout(self._buttons)
        self.content = StripContent()
        self.show_content(self.content)

    def add_action(self, action: QAction) -> None:
        """Add a button for `action`; it shows while the action is visible."""
        self._buttons.addWidget(tool_button(action))

    def show_content(self, content: StripContent) -> None:
        """Show `content` now."""
        self.content = content
        self.name.setText(content.name or self.tr("No run"))
        self.state.setText(content.state)
        set_role(self.state, content.level or "dim")
        if content.fraction is not None:
            self.bar.setValue(round(1000 * content.fraction))
            self.percent.setText(f"{100 * content.fraction:.0f} %")
        for label, text in (
            (self.epoch, content.epoch),
            (self.score, content.score),
            (self.speed, content.speed),
            (self.remaining, content.remaining),
        ):
            label.setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Hide what has no room, in a small window first the speed; name and state end in an ellipsis."""
        gap = 2 * SPACE
        running = self.content.fraction is not None
        room = self.width() - 5 * SPACE - self._buttons.sizeHint().width()
        taken = min(self.name.sizeHint().width(), _LEAST_NAME) + min(self.state.sizeHint().width(), _MOST_STATE) + gap
        for part, wanted in (
            (self.percent, running),
            (self.score, bool(self.score.text())),
            (self.bar, running),
            (self.remaining, bool(self.remaining.text())),
            (self.epoch, bool(self.epoch.text())),
            (self.speed, bool(self.speed.text())),
        ):
            taken += max(part.sizeHint().width(), part.minimumWidth()) + gap if wanted else 0
            part.setVisible(wanted and taken <= room)

    def _label(self, row: QHBoxLayout, name: str) -> QLabel:
        label = _SteadyLabel(shrinks=name == "name")
        label.setObjectName(f"run_strip_{name}")
        label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        if name != "name":
            label.setProperty("role", "dim")
        row.addWidget(label)
        return label


class _SteadyLabel(QLabel):
    """A label that grows with its text and shrinks only when that got much shorter, so that neighbours do not move."""

    def __init__(self, *, shrinks: bool) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        across = QSizePolicy.Policy.Preferred if shrinks else QSizePolicy.Policy.Minimum
        self.setSizePolicy(across, QSizePolicy.Policy.Preferred)
        self._width = 0

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        if hint.width() > self._width or hint.width() < self._width - 4 * SPACE:
            self._width = hint.width()
        return QSize(self._width, hint.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment()), text)
