"""The card of the first start: what this is and what to do next."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QPushButton, QSizePolicy

from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox

_ONE_ROW = 72 * SPACE
"""Narrower, the buttons are below the text."""
_BUTTONS_IN_ONE_ROW = 50 * SPACE
"""Narrower, one button is below the other."""


class WelcomeCard(QFrame):
    """One line of welcome with two suggestions; not shown again once closed."""

    train_chosen = Signal()
    score_chosen = Signal()
    lessons_chosen = Signal()
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("card", True)
        row = hbox(self, margins=(2 * SPACE, SPACE, SPACE, SPACE))
        self._text = text = TextLabel()
        self.show_data("")
        text.setWordWrap(True)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._parts = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._parts.setSpacing(SPACE)
        self._parts.addWidget(text, 1)
        row.addLayout(self._parts, 1)
        self.train = QPushButton(" " + self.tr("Train in one minute"))
        self.train.setToolTip(self.tr("Train a small flow on Fashion-MNIST"))
        set_icon(self.train, "play")
        self.train.clicked.connect(self.train_chosen)
        self.score = QPushButton(" " + self.tr("Score your images"))
        set_icon(self.score, "gauge")
        self.score.clicked.connect(self.score_chosen)
        self._buttons = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._buttons.setSpacing(SPACE)
        self._buttons.addWidget(self.train)
        self.lessons = QPushButton(" " + self.tr("Lessons"))
        self.lessons.setToolTip(self.tr("Learn how flows work, step by step"))
        set_icon(self.lessons, "book-open")
        self.lessons.clicked.connect(self.lessons_chosen)
        others = hbox(spacing=SPACE // 2)
        others.addWidget(self.score)
        others.addWidget(self.lessons)
        self._buttons.addLayout(others)
        self._buttons.addStretch()
        self._parts.addLayout(self._buttons)
        close = flat_button("x", self.tr("Close the welcome"), role="dim")
        close.clicked.connect(self.closed)
        row.addWidget(close)

    def show_data(self, title: str) -> None:
        """Say what the open flow learnt; an empty title leaves that out."""
        learnt = self.tr("This flow learnt {0}: drag").format(title) if title else self.tr("Drag")
        self._text.setText(self.tr("Welcome. {0} the sliders, or drop an image of yours.").format(learnt))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for layout, least in ((self._parts, _ONE_ROW), (self._buttons, _BUTTONS_IN_ONE_ROW)):
            narrow = self.width() < least
            layout.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)
