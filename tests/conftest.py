"""Qt for tests: an offscreen application, real engines and windows, and no test that leaves a mess behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from nvp_studio.state.engine import Engine
    from nvp_studio.views.main_window import MainWindow

os.environ["QT_QPA_PLATFORM"] = os.environ.get("NVP_STUDIO_TEST_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; threads on a busy machine wait for each other

settings.register_profile("patient", settings.default, deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

HANG_SECONDS = 90.0
"""No wait in a test takes this long; reaching it means a hang."""
_HARMLESS = ("This plugin does not support", "propagateSizeHints", "QFont::setFeature")


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Run the event loop until `condition()` holds."""
    from PySide6.QtCore import QDeadlineTimer
    from PySide6.QtTest import QTest

    deadline = QDeadlineTimer(int(HANG_SECONDS * 1000))
    while not condition():
        if deadline.hasExpired():
            pytest.fail(f"waited in vain for {what}")
        QTest.qWait(5)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prepared images of the tests stay among the tests' files, in the processes that they start too."""
    os.environ["NVP_STUDIO_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def qapp(tmp_path_factory: pytest.TempPathFactory) -> "QApplication":
    """The application, in the light theme, with settings and runs of its own."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["NVP_STUDIO_SETTINGS"] = str(folder / "window.ini")
    os.environ["NVP_STUDIO_RUNS"] = str(folder / "runs")
    os.environ["NVP_STUDIO_MODELS"] = str(folder / "models")
    from PySide6.QtWidgets import QApplication

    from nvp_studio.views.theme import set_up_theme

    app = QApplication.instance() or QApplication(["nvp-studio"])
    assert isinstance(app, QApplication)
    app.setQuitOnLastWindowClosed(False)
    set_up_theme(app, "light")
    return app


@pytest.fixture
def qt(qapp: "QApplication") -> Iterator[Callable[..., None]]:
    """`wait_until`, in a test that fails when Qt warns, a slot raises, or a thread or process is left over."""
    import sys
    import threading

    import psutil
    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    warnings: list[str] = []

    def collect(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and not any(words in text for words in _HARMLESS):
            warnings.append(text)

    def collect_exception(kind: type[BaseException], error: BaseException, trace: object) -> None:
        warnings.append(f"{kind.__name__}: {error}")
        hook_before(kind, error, trace)

    hook_before, sys.excepthook = sys.excepthook, collect_exception
    threads_before = set(threading.enumerate())
    children_before = {child.pid for child in psutil.Process().children()}
    handler_before = qInstallMessageHandler(collect)
    yield wait_until
    qInstallMessageHandler(handler_before)
    sys.excepthook = hook_before
    wait_until(
        lambda: not {child.pid for child in psutil.Process().children()} - children_before,
        "the processes started to end",
    )
    wait_until(lambda: set(threading.enumerate()) <= threads_before, "the threads started to end")
    assert not warnings


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a small grey 8x8 flow with 12 directions and 100 reference scores."""
    from tests.small_model import write_small_model

    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    write_small_model(path)
    return path


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkpoint of the same image size, with 5 directions."""
    from tests.small_model import write_small_model

    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    write_small_model(path, seed=1, directions=5)
    return path


@pytest.fixture
def engine(qt: Callable[..., None], small_model: Path) -> "Iterator[Engine]":
    """An engine of its own, with the small model open; both workers are ended with the test."""
    engine = start_engine(small_model)
    yield engine
    stop_engine(engine)


@pytest.fixture(scope="module")
def shared_engine(qapp: "QApplication", small_model: Path) -> "Iterator[Engine]":
    """An engine for the tests of a module that kill nothing; starting one takes seconds."""
    engine = start_engine(small_model)
    yield engine
    stop_engine(engine)


def start_engine(model: Path) -> "Engine":
    """An engine with `model` open."""
    from nvp_studio.state.engine import Engine

    engine = Engine()
    engine.start(str(model))
    wait_until(lambda: engine.model is not None, "the model to open")
    return engine


def stop_engine(engine: "Engine") -> None:
    """End both workers and wait until they are gone."""
    engine.stop()
    wait_until(lambda: not engine.explorer.alive and not engine.trainer.alive, "the workers to end")
    engine.deleteLater()
    wait_for_deletion()


def wait_for_deletion() -> None:
    """Let Qt delete what was told to `deleteLater`."""
    from PySide6.QtCore import QCoreApplication, QEvent

    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(engine: "Engine", tmp_path: Path) -> "Iterator[MainWindow]":
    """A shown window on the small model, all pages built, with empty settings of its own."""
    from nvp_studio.state.settings import SettingsStore
    from nvp_studio.views.main_window import MainWindow

    window = MainWindow(engine, SettingsStore(tmp_path / "window.ini"))
    window.show()
    wait_until(window.all_pages_built, "the pages to be built")
    yield window
    window.close()
    window.deleteLater()
    wait_for_deletion()
