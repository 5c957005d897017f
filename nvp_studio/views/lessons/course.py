"""Which step of the lessons a person is at, and whether its thing was done."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance

from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.lessons.steps import Script, Step, changes
from nvp_studio.views.page import Page

_LOOK_MILLISECONDS = 100


class Course(QObject):
    """Follows one step at a time, from `start` to `stop`. Where it was left is kept in the settings."""

    changed = Signal()
    """Another step, or something of this one: `done`, `hindrance`."""
    finished = Signal()
    """The thing of the present step was done."""

    def __init__(
        self, steps: Sequence[Step], settings: SettingsStore, show: Callable[[str], Page], parent: QObject | None = None
    ) -> None:
        """`show` brings the page with a key to the front."""
        super().__init__(parent)
        self.steps = tuple(steps)
        self._settings, self._show = settings, show
        names = [step.name for step in self.steps]
        self.position = names.index(settings.values.lesson) if settings.values.lesson in names else 0
        self.hindrance = ""
        """What the step still waits for that a person cannot do."""
        self.away = False
        """Whether another page than that of the step is shown."""
        self._page: Page | None = None
        self._followed: tuple[SignalInstance, ...] = ()
        self._looking = False
        self._script: Script | None = None
        self._clock = QTimer(self)
        self._clock.timeout.connect(self.look)

    @property
    def step(self) -> Step:
        """The present step."""
        return self.steps[self.position]

    @property
    def waiting(self) -> bool:
        """Whether the thing of the present step is still to be done, since the step was last gone to."""
        return self._script is not None

    def done(self, step: Step) -> bool:
        """Whether the thing of a step was ever done."""
        return step.name in self._settings.values.lessons_done

    def start(self) -> None:
        """Begin, or go on where it was left."""
        self.go_to(self.position)

    def stop(self) -> None:
        """Leave the lessons."""
        self._clock.stop()
        self._script = None
        self._follow(None)
        self._settings.save()

    def go_to(self, position: int) -> None:
        """Go to a step: its page comes to the front, in the state that the step needs."""
        self.position = min(max(position, 0), len(self.steps) - 1)
        self._settings.values.lesson = self.step.name
        self.hindrance, self.away = "", False
        self._page = self._show(self.step.page)
        self._follow(self._page)
        self._script = self.step.script(self._page)
        self._clock.start(_LOOK_MILLISECONDS)
        self.changed.emit()
        self.look()

    def look(self) -> None:
        """See how far the present step is."""
        if self._script is None or self._page is None or self._looking:
            return
        away = not self._page.isVisible()
        if away != self.away:
            self.away = away
            self.changed.emit()
        if away:
            return
        self._looking = True  # what the step itself does to its page is no reason to look again
        try:
            hindrance = next(self._script)
        except StopIteration:
            self._finish()
            return
        finally:
            self._looking = False
        if hindrance != self.hindrance:
            self.hindrance = hindrance
            self.changed.emit()

    def _follow(self, page: Page | None) -> None:
        """Look at each change of this page, and no longer at those of the one before."""
        for signal in self._followed:
            signal.disconnect(self.look)
        self._followed = changes(page) if page is not None else ()
        for signal in self._followed:
            signal.connect(self.look)

    def _finish(self) -> None:
        self._script, self.hindrance = None, ""
        self._clock.stop()
        if not self.done(self.step):
            self._settings.values.lessons_done.append(self.step.name)
        self._settings.save()
        self.changed.emit()
        self.finished.emit()
