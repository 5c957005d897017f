"""The strip below the page that shows the present step of the lessons."""

from functools import partial
from html import escape

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QIcon, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QMenu, QPushButton, QSizePolicy, QTextBrowser

from nvp_studio.views.actions import ActionRegistry, keys_text, plain_text
from nvp_studio.views.lessons.course import Course
from nvp_studio.views.lessons.texts import LessonText, read_lesson
from nvp_studio.views.theme import SPACE, colors, pixmap, scaled_font, theme
from nvp_studio.views.widgets.action_button import ActionButton, flat_button, menu_button
from nvp_studio.views.widgets.layout import hbox, vbox

_GO_ON_MILLISECONDS = 6000
"""How long the step that was done stays before the next one follows."""
_AGAIN_MILLISECONDS = 500
_LEAST_TEXT = 52
_MOST_TEXT = 150
_SMALL_WINDOW = 600
_LARGE_WINDOW = 760
"""The height from which on the text is larger."""
_WIDEST_TEXT = 140 * SPACE


class LessonBrowser(QTextBrowser):
    """A text; as high as it needs to be, or, where it may `scroll`, within what the window leaves."""

    def __init__(self, *, scroll: bool) -> None:
        super().__init__()
        self._scroll = scroll
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the focus, and so the keys, to the page
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet("QTextBrowser { border: none; background: transparent; }")
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.setMaximumWidth(_WIDEST_TEXT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def fit(self) -> None:
        """Take the height of the text, or less where the window is small; in a large one the text is larger."""
        font = scaled_font(14 if self.window().height() >= _LARGE_WINDOW else 13)
        if self.font() != font:
            self.setFont(font)
            self.document().setDefaultFont(font)
        self.document().setTextWidth(self.viewport().width())
        needed = round(self.document().size().height()) + 1
        most = min(_MOST_TEXT, _LEAST_TEXT + max(0, self.window().height() - _SMALL_WINDOW))
        self.setFixedHeight(min(needed, most) if self._scroll else needed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()


class LessonStrip(QFrame):
    """Title, text and thing to do of the present step of `course`, and ways to the others."""

    def __init__(self, course: Course, registry: ActionRegistry) -> None:
        super().__init__()
        self.course = course
        self._registry = registry
        self.setObjectName("lessons")
        self._go_on = QTimer(self, singleShot=True)
        self._go_on.timeout.connect(self._follow_on)
        column = vbox(self, spacing=SPACE // 2, margins=(2 * SPACE, SPACE // 2, SPACE, SPACE // 2))
        row = hbox()
        self.list = menu_button()
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.list.setToolTip(self.tr("All steps; those that you did are marked"))
        menu = QMenu(self.list)
        menu.aboutToShow.connect(self._fill_list)
        self.list.setMenu(menu)
        row.addWidget(self.list)
        row.addStretch(1)
        self.stay = QPushButton(self.tr("Stay here"))
        self.stay.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stay.setToolTip(self.tr("The next step follows by itself otherwise"))
        self.stay.clicked.connect(self._stay)
        row.addWidget(self.stay)
        close = registry["help.lessons"]
        self.close_button = flat_button("x", self.tr("Close the lessons ({0})").format(keys_text(close)), role="dim")
        self.close_button.clicked.connect(close.trigger)
        for button in (
            *(ActionButton(registry[f"help.{key}"], flat=True) for key in ("previous-lesson", "next-lesson")),
            self.close_button,
        ):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        column.addLayout(row)
        self.text, self.task = LessonBrowser(scroll=True), LessonBrowser(scroll=False)
        column.addWidget(self.text)
        column.addWidget(self.task)
        course.changed.connect(self._show)
        course.finished.connect(self._on_finished)
        theme().changed.connect(self._show)

    def describe(self, key: str) -> str:
        """What an action is called, and its key."""
        if key not in self._registry:
            return key
        action = self._registry[key]
        keys = keys_text(action, most=1)
        return f"{plain_text(action)} ({keys})" if keys else plain_text(action)

    def leave(self) -> None:
        """The lessons are left: nothing follows by itself."""
        self._go_on.stop()
        self.course.stop()

    def _lesson(self, name: str) -> LessonText:
        return read_lesson(name, self.describe)

    def _show(self) -> None:
        course = self.course
        text = self._lesson(course.step.name)
        number = self.tr("{0} of {1}").format(course.position + 1, len(course.steps))
        self.list.setText(f" {number}  ·  {text.title} ".replace("&", "&&"))
        self.list.setAccessibleName(self.tr("Lesson {0}: {1}").format(number, text.title))
        mark = course.done(course.step)
        self.list.setIcon(_mark("circle-check", "success") if mark else _mark("book-open", "dim"))
        if course.waiting:
            self._go_on.stop()
        self.stay.setVisible(self._go_on.isActive())
        c = colors()
        if not course.waiting:
            last = f'<span style="color:{c.success}">✓ {text.done}</span>'
        elif course.away:
            page = self.describe(f"view.page-{course.step.page}")
            last = f'<span style="color:{c.dim}">{escape(self.tr("This step is on {0}.").format(page))}</span>'
        elif course.hindrance:
            last = f'<span style="color:{c.dim}">{escape(course.hindrance)}</span>'
        else:
            last = f'<span style="color:{c.accent}">▸</span> <b>{text.task}</b>'
        self.text.setAccessibleName(text.title)
        self.task.setAccessibleName(self.tr("What to do"))
        for browser, html in ((self.text, text.body), (self.task, last)):
            browser.setHtml(html)
            browser.fit()

    def _fill_list(self) -> None:
        menu, course = self.list.menu(), self.course
        menu.clear()
        for position, step in enumerate(course.steps):
            title = f"{position + 1}  {self._lesson(step.name).title}".replace("&", "&&")
            entry = menu.addAction(title)
            if course.done(step):
                entry.setIcon(_mark("circle-check", "success"))
            entry.triggered.connect(partial(self._choose, position))
            if position == course.position:
                menu.setActiveAction(entry)

    def _choose(self, position: int) -> None:
        self.course.go_to(position)

    def _on_finished(self) -> None:
        if self.course.position + 1 < len(self.course.steps):
            self._go_on.start(_GO_ON_MILLISECONDS)
        self._show()

    def _stay(self) -> None:
        self._go_on.stop()
        self._show()

    def _follow_on(self) -> None:
        """Go on to the next step, yet not while a button of the mouse is held or a menu or dialog is open."""
        busy = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if busy or QApplication.activePopupWidget() is not None or QApplication.activeModalWidget() is not None:
            self._go_on.start(_AGAIN_MILLISECONDS)
        else:
            self.course.go_to(self.course.position + 1)


def _mark(name: str, role: str) -> QIcon:
    return QIcon(pixmap(name, getattr(colors(), role), 16))
