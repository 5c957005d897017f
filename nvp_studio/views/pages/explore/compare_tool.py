"""The strip of history on Explore, the picture before while a key is held, and two pictures that are compared."""

from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.compare import CompareState
from nvp_studio.state.history import HistoryState, Step, small_image
from nvp_studio.state.mixture import base_title
from nvp_studio.state.qimages import qimage
from nvp_studio.state.tray import TrayState
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.widgets.compare_bar import Choice, CompareBar
from nvp_studio.views.widgets.hiding import show_or_hide
from nvp_studio.views.widgets.history_strip import HistoryStrip, Shown
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.swipe_overlay import SwipeOverlay

_MOST_CHOICES = 20
_HELD_KEY = Qt.Key.Key_V
_RELEASE_MILLISECONDS = 60
"""Some systems tell a key that is held as one that is let go and pressed again, many times a second."""


class CompareTool(QObject):
    """Connects the history and the comparison with the strip, the bar and the view of the picture."""

    started = Signal()
    """Two pictures are compared from now on, which takes the left mouse button."""
    held_changed = Signal()
    """`held` has changed."""

    def __init__(self, context: WindowContext, page: Page, history: HistoryState, tray: TrayState) -> None:
        super().__init__(page)
        self._context, self._explore, self._history, self._tray = context, history.explore, history, tray
        self.state = CompareState(history.explore, history)
        self.held = False
        """Whether A is shown instead of the picture on screen."""
        add = partial(context.registry.add, page=page)
        text, tip = self.tr("History of pictures"), self.tr("Show a small picture of each step, to go back to")
        toggle = self._toggle_strip
        self._strip_action = add("explore.history", text, toggle, "H", "undo-2", checkable=True, tip=tip)
        self._strip_action.setChecked(context.settings.values.explore_history)
        text = self.tr("Compare by a divider")
        tip = self.tr("Show picture A at the left of a divider, picture B at its right")
        show = self._toggle_compare
        self._swipe_action = add("explore.compare", text, show, "Shift+V", "columns-2", checkable=True, tip=tip)
        text, tip = self.tr("Picture before, while held"), self.tr("Show picture A as long as the key is held")
        self._hold_action = add(
            "explore.before",
            text,
            self._toggle_hold,
            QKeySequence(_HELD_KEY).toString(),
            "play-back",
            checkable=True,
            tip=tip,
        )
        self._hold_action.setAutoRepeat(False)
        self._release = QTimer(self, singleShot=True, interval=_RELEASE_MILLISECONDS)
        self._release.timeout.connect(lambda: self._hold(False))
        text, take = self.tr("Compare with the picture on screen, as {0}"), self._take
        add("explore.compare-a", text.format("A"), partial(take, "a"), "Ctrl+Shift+V", "image")
        add("explore.compare-b", text.format("B"), partial(take, "b"), "Ctrl+Alt+V", "image")
        text = self.tr("Compare with the beginning again")
        add("explore.compare-clear", text, self.state.clear, "Ctrl+Shift+Alt+V", "rotate-ccw")
        self.strip = HistoryStrip()
        self.strip.setVisible(self._strip_action.isChecked())
        self.strip.chosen.connect(history.go)
        self.bar = CompareBar(self._swipe_action, self._steps, self._kept)
        self.bar.followed.connect(self.state.follow)
        self.bar.shown_chosen.connect(self.state.choose_shown)
        history.changed.connect(self._show_steps)
        history.want(self._strip_action.isChecked())
        self._explore.recipe_changed.connect(lambda: self._hold(False))

    def show_on(self, view: ImageView) -> None:
        """Compare on `view`, which shows the picture."""
        self._view = view
        self.overlay = SwipeOverlay(view)
        self.state.changed.connect(self._show)
        self._show()
        self._show_steps()

    @property
    def text(self) -> str:
        """What picture A is, and its score."""
        return self._line(self.state.a.title, self.state.a.bits_per_dim)

    def stop(self) -> None:
        """Compare no longer."""
        if self._swipe_action.isChecked():
            self._swipe_action.setChecked(False)
            self._toggle_compare()

    # The strip

    def _toggle_strip(self) -> None:
        shown = self._strip_action.isChecked()
        self._context.settings.values.explore_history = shown
        self._history.want(shown)
        show_or_hide(self.strip, shown, self._view)
        self._show_steps()
        if shown:
            self.strip.list.setFocus()

    def _show_steps(self) -> None:
        if not self._strip_action.isChecked():
            return
        current = self._history.current
        steps = [
            Shown(self._title(step), self._history.image(step.recipe), place > current)
            for place, step in enumerate(self._history.steps)
        ]
        self.strip.show_steps(steps, current)

    def _title(self, step: Step) -> str:
        return f"{step.title or self.tr('beginning')}: {base_title(step.recipe.base)}"

    # Two pictures

    def _toggle_compare(self) -> None:
        compared = self._swipe_action.isChecked()
        if compared:
            self.started.emit()
            self._view.setFocus()
        self.state.want(compared)
        show_or_hide(self.bar, compared, self._view)
        self.overlay.setVisible(compared)

    def _take(self, side: str) -> None:
        if self._explore.picture is None:
            notify.info(self.tr("There is no picture yet."), topic="explore")
            return
        self.state.choose_shown(side)
        if not self._swipe_action.isChecked():
            text = self.tr("Picture {0} is this one now: hold V to see picture A, Shift+V compares both.")
            notify.info(text.format(side.upper()), topic="explore")

    def _show(self) -> None:
        state = self.state
        a, b = state.a.image, state.b_image if "b" in state.chosen else None
        self.overlay.show_images(qimage(a) if a is not None else None, qimage(b) if b is not None else None)
        self.bar.show_texts(self.text, self._line(state.b_title, state.b_bits_per_dim))
        if self.held:
            self._show_held()

    def _line(self, title: str, score: float | None) -> str:
        return SEPARATOR.join((self.tr("{0} bits/dim").format(f"{score:.3f}"), title)) if score is not None else title

    def _steps(self, side: str) -> list[Choice]:
        steps = list(reversed(self._history.steps))[:_MOST_CHOICES]
        if len(self._history.steps) < 2:
            return []
        choices = []
        for step in steps:
            title = self._title(step)
            choose = partial(self.state.choose, side, step.recipe, title)
            choices.append(Choice(title, self._history.image(step.recipe), choose))
        return choices

    def _kept(self, side: str) -> list[Choice]:
        model = self._explore.model
        pictures = [one for one in self._tray.pictures if model is not None and one.recipe.checkpoint == model.digest]
        return [
            Choice(one.name, small_image(one.thumbnail.batch()), partial(self.state.choose, side, one.recipe, one.name))
            for one in pictures[-_MOST_CHOICES:]
        ]

    # While a key is held

    def _toggle_hold(self) -> None:
        if self._release.isActive():
            self._release.stop()
            self._hold_action.setChecked(True)
            return
        self._hold(self._hold_action.isChecked())

    def _hold(self, held: bool) -> None:
        self._release.stop()
        self._hold_action.setChecked(held)
        if held == self.held:
            return
        self.held = held
        application = QApplication.instance()
        assert application is not None
        if held:
            application.installEventFilter(self)
            self.state.a.fetch()
            self._show_held()
        else:
            application.removeEventFilter(self)
            self._show_image(self._explore.picture.image if self._explore.picture is not None else None)
        self.held_changed.emit()

    def _show_held(self) -> None:
        self._show_image(self.state.a.image)

    def _show_image(self, image: ImageBatch | None) -> None:
        if image is not None:
            self._view.show_image(qimage(image))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The key was let go, or the window was left."""
        let_go = (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyRelease
            and not event.isAutoRepeat()
            and event.key() == _HELD_KEY
        )
        if let_go:
            self._release.start()
        elif event.type() == QEvent.Type.WindowDeactivate:
            self._hold(False)
        return False
