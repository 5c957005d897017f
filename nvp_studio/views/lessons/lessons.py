"""The lessons in the window: their actions, and their strip, made when it is first opened."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QVBoxLayout

from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page

if TYPE_CHECKING:
    from nvp_studio.views.lessons.strip import LessonStrip


class Lessons(QObject):
    """Opens and closes the strip below the page, and goes to the next step and the one before."""

    def __init__(
        self, context: WindowContext, show: Callable[[str], None], page: Callable[[str], Page], column: QVBoxLayout
    ) -> None:
        """`show` brings the page with a key to the front, `page` gives it; the strip is the second in `column`."""
        super().__init__(context)
        self._context = context
        self._show_page, self._page = show, page
        self._column = column
        self.strip: LessonStrip | None = None
        add = context.registry.add
        tip = self.tr("The mathematics of flows in short steps, each with one thing to do on the live pages")
        text = self.tr("&Lessons")
        self._toggle = add("help.lessons", text, self._on_toggled, "F3", "book-open", tip=tip, checkable=True)
        text = self.tr("&Next lesson")
        self._next = add("help.next-lesson", text, lambda: self._go(1), "Ctrl+PgDown", "chevron-right")
        text = self.tr("&Previous lesson")
        self._previous = add("help.previous-lesson", text, lambda: self._go(-1), "Ctrl+PgUp", "chevron-left")
        self._show_possible()

    @property
    def open(self) -> bool:
        """Whether the strip is shown."""
        return self.strip is not None and not self.strip.isHidden()

    def _on_toggled(self) -> None:
        if self._toggle.isChecked():
            strip = self._make_strip() if self.strip is None else self.strip
            strip.show()
            strip.course.start()
        elif self.strip is not None:
            self.strip.leave()
            self.strip.hide()
        self._show_possible()

    def _make_strip(self) -> "LessonStrip":
        from nvp_studio.views.lessons.course import Course
        from nvp_studio.views.lessons.steps import steps
        from nvp_studio.views.lessons.strip import LessonStrip

        course = Course(steps(), self._context.settings, self._bring, self)
        course.changed.connect(self._show_possible)
        self.strip = LessonStrip(course, self._context.registry)
        self._column.insertWidget(1, self.strip)
        return self.strip

    def _bring(self, key: str) -> Page:
        self._show_page(key)
        return self._page(key)

    def _go(self, step: int) -> None:
        if self.strip is not None:
            self.strip.course.go_to(self.strip.course.position + step)

    def _show_possible(self) -> None:
        course = self.strip.course if self.strip is not None and self.open else None
        self._next.setEnabled(course is not None and course.position + 1 < len(course.steps))
        self._previous.setEnabled(course is not None and course.position > 0)
