"""The check for leaks after each test that uses Qt (`leaks.py`) finds one of each kind, and permits what is allowed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

RunTests = Callable[[str], tuple[dict[str, int], str]]

LEAKING = """
import subprocess, sys, threading
import pytest
from PySide6.QtCore import QObject, QPoint, QPropertyAnimation, QThread, QTimer, qWarning
from PySide6.QtWidgets import QWidget
from tests import leaks
from tests.conftest import _no_leaks, qapp, qtbot

leaks.WAIT_MILLISECONDS = 100
held = []

@pytest.fixture(scope="module", autouse=True)
def _end_all():
    yield
    for end in held:
        end()

def leave(kind):
    if kind == "widget":
        thing = QWidget()
        held.append(thing.close)
    elif kind == "timer":
        thing = QTimer(objectName="ticking")
        thing.start(60_000)
        held.append(thing.stop)
    elif kind == "single-shot":
        QTimer.singleShot(60_000, lambda: None)
    elif kind == "qthread":
        thing = QThread(objectName="looping")
        thing.start()
        held.append(lambda: (thing.quit(), thing.wait()))
    elif kind == "animation":
        moved = QObject()
        thing = QPropertyAnimation(moved, b"objectName")
        thing.setEndValue("moved")
        thing.setDuration(60_000)
        thing.start()
        held.append(lambda: (thing.stop(), moved))
    elif kind == "thread":
        over = threading.Event()
        threading.Thread(target=over.wait, name="waiting").start()
        held.append(over.set)
    elif kind == "process":
        thing = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        held.append(lambda: (thing.kill(), thing.wait(), thing.stdin.close()))

@pytest.fixture
def late_warning(qtbot):
    yield
    qWarning("too late")
"""


@pytest.fixture
def run_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunTests:
    """Runs a file of tests in a process of its own; gives the numbers of outcomes and the output."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return partial(outcomes, pytester)


def outcomes(pytester: pytest.Pytester, tests: str) -> tuple[dict[str, int], str]:
    pytester.makeconftest("from tests.conftest import *\nfrom tests.conftest import pytest_configure")
    pytester.makeini("[pytest]\nqt_api = pyside6\nqt_log_level_fail = INFO\nmarkers = leaves(*kinds)")
    pytester.makepyfile(LEAKING + tests)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    return result.parseoutcomes(), result.stdout.str()


def test_each_kind_of_leak_is_reported(run_tests: RunTests) -> None:
    kinds = ("widget", "timer", "single-shot", "qthread", "animation", "thread", "process")
    tests = "".join(f"def test_{kind.replace('-', '_')}(qtbot):\n    leave({kind!r})\n" for kind in kinds)
    counts, text = run_tests(tests + "def test_message(late_warning):\n    pass\n")
    assert counts == {"passed": 8, "errors": 8}
    for words in (
        "left behind: widget QWidget",
        "left behind: active timer QTimer 'ticking', every 60000 ms",
        "left behind: running QThread QThread 'looping'",
        "left behind: running animation QPropertyAnimation",
        "left behind: thread waiting",
        "left behind: process ",
        "Qt wrote: too late",
    ):
        assert words in text


@pytest.mark.slow
def test_marked_kept_and_deleted_objects_are_permitted(run_tests: RunTests) -> None:
    counts, _ = run_tests(
        """
@pytest.mark.leaves("timer", "thread")
def test_marked(qtbot):
    leave("timer")
    leave("thread")

def test_kept(qtbot):
    owner = QObject()
    leaks.keep(owner)
    timer = QTimer(owner)
    timer.start(60_000)
    held.append(owner.deleteLater)

def test_deleted(qtbot):
    widget = QWidget()
    widget.timer = QTimer(widget)
    widget.timer.start(60_000)
    qtbot.addWidget(widget)

def test_without_qt():
    leave("thread")
""",
    )
    assert counts == {"passed": 4}


@pytest.mark.slow
def test_a_warning_of_qt_and_an_exception_in_a_slot_fail_a_test(run_tests: RunTests) -> None:
    counts, text = run_tests(
        """
def test_warning(qtbot):
    qWarning("something is wrong")

def test_exception(qtbot):
    timer = QTimer(singleShot=True)
    timer.timeout.connect(lambda: 1 / 0)
    with qtbot.waitSignal(timer.timeout):
        timer.start(0)
""",
    )
    assert counts == {"failed": 2}
    assert "something is wrong" in text
    assert "ZeroDivisionError" in text
