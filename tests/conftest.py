"""Settings of every test, and for tests of the window: an offscreen application, real engines, a check for leaks."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import leaks
from tests.qt import Bot, is_asking, open_window, start_engine, stop_engine

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from nvp_studio.state.engine import Engine
    from nvp_studio.views.main_window import MainWindow

settings.register_profile("patient", settings.default, deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the platform of Qt before any window and the threads of torch before its import.

    Bytecode is kept whatever the environment says: else each of the many processes compiles what it imports.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["QT_QPA_PLATFORM"] = os.environ.get("NVP_STUDIO_TEST_PLATFORM", "offscreen")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    leaks.record_messages(config.getini("qt_log_ignore"))


def pytest_collection_finish() -> None:
    """Let no later collection of garbage, and no search for leaks, go through the objects of all imported modules."""
    leaks.forget_modules()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` all cases but the first of each test marked `slow_repeats`."""
    seen = set()
    for item in items:
        if item.get_closest_marker("slow_repeats"):
            test = item.nodeid.partition("[")[0]
            if test in seen:
                item.add_marker("slow")
            seen.add(test)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prepared images and directions of the tests stay among their files, in the processes that they start too."""
    os.environ["NVP_STUDIO_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["NVP_STUDIO_DIRECTIONS"] = str(tmp_path_factory.mktemp("directions"))


@pytest.fixture(scope="session")
def qapp(qapp: "QApplication", tmp_path_factory: pytest.TempPathFactory) -> "QApplication":
    """The application, in the light theme, with settings and runs of its own."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["NVP_STUDIO_SETTINGS"] = str(folder / "window.ini")
    os.environ["NVP_STUDIO_RUNS"] = str(folder / "runs")
    os.environ["NVP_STUDIO_MODELS"] = str(folder / "models")
    from nvp_studio.views.theme import set_up_theme

    qapp.setQuitOnLastWindowClosed(False)
    set_up_theme(qapp, "light")
    return qapp


@pytest.fixture
def qtbot(qapp: "QApplication", request: pytest.FixtureRequest) -> Bot:
    """pytest-qt's bot, with the time limit of these tests."""
    return Bot(request)


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses Qt fails when it leaves something behind."""
    if "qapp" in request.fixturenames:
        yield from leaks.check(request, request.getfixturevalue("qtbot"))
    else:
        yield


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
def engine(qtbot: Bot, small_model: Path) -> "Iterator[Engine]":
    """An engine of its own, with the small model open; both workers are ended with the test."""
    engine = start_engine(qtbot, small_model)
    yield engine
    stop_engine(qtbot, engine)


@pytest.fixture(scope="session")
def _session_engine(qapp: "QApplication", request: pytest.FixtureRequest, small_model: Path) -> "Iterator[Engine]":
    bot = Bot(request)
    engine = start_engine(bot, small_model)
    leaks.keep(engine)
    yield engine
    stop_engine(bot, engine)


@pytest.fixture(scope="module")
def shared_engine(_session_engine: "Engine", request: pytest.FixtureRequest, small_model: Path) -> "Engine":
    """An engine for tests that kill nothing, started once; each module gets it with the small model open."""
    engine = _session_engine
    engine.run_on("")
    if engine.model_path != str(small_model) or engine.explorer.state != "ready":
        engine.open_model(str(small_model))
    Bot(request).waitUntil(lambda: not engine.opening and not is_asking(engine.explorer))
    assert engine.model_path == str(small_model)
    return engine


@pytest.fixture
def trainer_engine(shared_engine: "Engine", qtbot: Bot) -> "Engine":
    """The shared engine with its trainer ready, which one test leaves to the next."""
    if shared_engine.trainer.state == "failed":
        shared_engine.trainer.restart()
    shared_engine.ensure_trainer()
    qtbot.waitUntil(lambda: shared_engine.trainer.state == "ready")
    return shared_engine


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 small grey images in an .npz file."""
    import numpy as np

    from tests.small_model import random_images

    path = tmp_path_factory.mktemp("data") / "toys.npz"
    np.savez(path, images=random_images(80))
    return path


@pytest.fixture
def window(engine: "Engine", qtbot: Bot, tmp_path: Path) -> "MainWindow":
    """A shown window on the small model, all pages built, with empty settings of its own."""
    return open_window(qtbot, engine, tmp_path)
