"""What tests of the window share: a bot that waits long enough, gestures, engines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPoint, QPointF, Qt, QUrl, SignalInstance
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from pytestqt.wait_signal import MultiSignalBlocker, SignalBlocker

from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.widgets.sliders import MarkedSlider
from nvp_studio.worker.client import WorkerClient

WAIT_SECONDS = 90.0
"""No wait in a test takes this long, on a busy machine either; reaching it means a hang."""
_WAIT_MILLISECONDS = int(1000 * WAIT_SECONDS)


class Bot(QtBot):
    """pytest-qt's bot with another limit of its waits, and a drag."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = _WAIT_MILLISECONDS) -> None:
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: SignalInstance, *, timeout: int = _WAIT_MILLISECONDS, **options: Any) -> SignalBlocker:
        return super().waitSignal(signal, timeout=timeout, **options)

    def waitSignals(
        self, signals: list[SignalInstance], *, timeout: int = _WAIT_MILLISECONDS, **options: Any
    ) -> MultiSignalBlocker:
        return super().waitSignals(signals, timeout=timeout, **options)

    def mouseDrag(self, widget: QWidget, *places: QPoint, while_held: Callable[[], None] = lambda: None) -> None:
        """Press the left button at the first place, move over the others, call `while_held`, let go at the last."""
        self.mousePress(widget, Qt.MouseButton.LeftButton, pos=places[0])
        for place in places[1:]:
            self.mouseMove(widget, place)
        while_held()
        self.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=places[-1])


def open_window(
    qtbot: QtBot,
    engine: Engine,
    folder: Path,
    runs: Path | None = None,
    page: str = "",
    before_close: Callable[[MainWindow], None] | None = None,
) -> MainWindow:
    """A shown window, its settings in `folder`; it is closed with the test.

    It shows `page` and builds others when a test asks for them, which saves half of its time; without `page`, it shows
    what the settings say and all pages are built.
    """
    store = SettingsStore(folder / "window.ini")
    if runs is not None:
        store.values.runs_folder = str(runs)
    if page:
        store.values.page = page
    window = MainWindow(engine, store)
    qtbot.addWidget(window, before_close_func=before_close)
    if page:
        window._import_next_page = lambda: None  # type: ignore[method-assign]
    window.show()
    qtbot.waitUntil(lambda: window._was_painted if page else window.all_pages_built())
    return window


def on_slider(slider: MarkedSlider, value: float) -> QPoint:
    """Where the handle of `slider` is at `value`."""
    return QPoint(round(slider.x_of(value)), slider.height() // 2)


def send_drag(event: type[QDropEvent], widget: QWidget, paths: list[Path], place: float = 0.5) -> bool:
    """Send an event of a drag of files over `widget`, `place` of the way from left to right; whether it is accepted."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    point = QPoint(round(place * widget.width()), widget.height() // 2)
    position = QPointF(point) if event is QDropEvent else point
    sent = event(position, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    sent.ignore()
    QApplication.sendEvent(widget, sent)
    return sent.isAccepted()


def drop(widget: QWidget, paths: list[Path], place: float = 0.5) -> bool:
    """Drag files to a place of `widget`, as `send_drag` counts it, and let go; whether they were accepted."""
    return send_drag(QDragEnterEvent, widget, paths, place) and send_drag(QDropEvent, widget, paths, place)


def start_engine(qtbot: QtBot, model: Path) -> Engine:
    """An engine with `model` open."""
    engine = Engine()
    engine.start(str(model))
    qtbot.waitUntil(lambda: engine.model is not None)
    return engine


def is_asking(client: WorkerClient) -> bool:
    """Whether a request of any channel is in flight."""
    return any(channel.asking for channel in list(client._channels.values()))


def stop_engine(qtbot: QtBot, engine: Engine) -> None:
    """End both workers and wait until they are gone."""
    engine.stop()
    qtbot.waitUntil(lambda: not engine.explorer.alive and not engine.trainer.alive)
    engine.deleteLater()
    delete_now()


def delete_now() -> None:
    """Delete what was told to `deleteLater`, without an event loop."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
