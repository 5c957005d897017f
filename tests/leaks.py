"""Finds what a test that uses Qt leaves behind.

Looked for are top-level widgets, active QTimers, running QThreads, running animations, Python threads, child processes,
and messages that Qt writes while the test is taken down. `conftest.py` looks before and after every test that uses Qt.
Tests may keep what belongs to an engine that several tests share (`keep`), and `@pytest.mark.leaves("timer", ...)` lets
a test leave the kinds it names: widget, timer, qthread, animation, thread, process.
"""

import gc
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import psutil
import pytest
import shiboken6
from PySide6.QtCore import (
    QAbstractAnimation,
    QCoreApplication,
    QEvent,
    QMessageLogContext,
    QObject,
    QProcess,
    Qt,
    QThread,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from nvp_studio.data.decoding import decoders

WAIT_MILLISECONDS = 90_000
"""How long threads and processes may take to end after a test."""
_OUTLIVES_TESTS = ("qtooltip_label",)
"""Names of the widgets that Qt makes once and keeps."""

_kept: list[QObject] = []
_messages: list[str] = []
_modules = 0
_MANY_MODULES = 100

Living = dict[tuple[str, int], str]
"""What may be left behind: kind and identity -> description."""


def keep(owner: QObject) -> None:
    """Let timers and processes below `owner` go on after a test."""
    _kept.append(owner)


def record_messages(ignored: list[str]) -> None:
    """Collect what Qt writes outside of the phases in which pytest-qt listens, but for what matches `ignored`."""

    def record(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and not any(re.search(pattern, text) for pattern in ignored):
            _messages.append(text)

    qInstallMessageHandler(record)


def check(request: pytest.FixtureRequest, qtbot: QtBot) -> Iterator[None]:
    """Fail the test of `request` for what lives after it and did not before; for a fixture to yield from."""
    forget_modules()
    before = living()
    _messages.clear()
    yield
    _let_go_of_the_mouse()
    marker = request.node.get_closest_marker("leaves")
    allowed = marker.args if marker else ()
    left: Living = {}

    def nothing_left_that_ends_by_itself() -> bool:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        left.clear()
        left.update({key: text for key, text in living().items() if key not in before and key[0] not in allowed})
        return not any(kind in ("process", "thread", "qthread") for kind, _ in left)

    if not nothing_left_that_ends_by_itself() or left:
        decoders().close()  # its processes wait for more files for a minute
        request.node.funcargs.clear()  # the test's arguments keep what they reference
        gc.collect()  # and what only references itself is not left behind either
        with suppress(qtbot.TimeoutError):  # `left` says it better
            qtbot.waitUntil(nothing_left_that_ends_by_itself, timeout=WAIT_MILLISECONDS)
    if left or _messages:
        lines = [*(f"left behind: {text}" for text in left.values()), *(f"Qt wrote: {text}" for text in _messages)]
        pytest.fail("\n".join(lines), pytrace=False)


def _let_go_of_the_mouse() -> None:
    """Release what a simulated click has pressed and not released, as where its widget was hidden by the press.

    Later tests of this process would find a button held.
    """
    for button in Qt.MouseButton:
        if button != Qt.MouseButton.NoButton and QApplication.mouseButtons() & button:
            widget = QWidget()
            widget.show()
            QTest.mouseRelease(widget, button)
            widget.close()
            shiboken6.delete(widget)


def forget_modules() -> None:
    """After the import of many modules, let no later collection of garbage go through what they hold."""
    global _modules
    if len(sys.modules) > _modules + _MANY_MODULES:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()


def living() -> Living:
    """All that is alive now and should not outlive a test, but for what is kept."""
    found: Living = {}
    _kept[:] = [owner for owner in _kept if shiboken6.isValid(owner)]
    for widget in QApplication.topLevelWidgets():
        if widget.parent() is None and widget.objectName() not in _OUTLIVES_TESTS:
            found["widget", _address(widget)] = f"widget {_name(widget)}"
    kept_processes = set()
    for thing in shiboken6.getAllValidWrappers():
        if not isinstance(thing, QObject):
            continue
        kept = any(owner in _kept for owner in _with_parents(thing))
        if isinstance(thing, QTimer) and thing.isActive() and not kept:
            found["timer", _address(thing)] = f"active timer {_name(thing)}, every {thing.interval()} ms"
        elif isinstance(thing, QThread) and thing.isRunning() and thing is not QThread.currentThread():
            found["qthread", _address(thing)] = f"running QThread {_name(thing)}"
        elif isinstance(thing, QAbstractAnimation) and thing.state() == QAbstractAnimation.State.Running:
            found["animation", _address(thing)] = f"running animation {_name(thing)}"
        elif isinstance(thing, QProcess) and kept:
            kept_processes.add(thing.processId())
    for thread in threading.enumerate():
        if not isinstance(thread, threading._DummyThread):  # stands for a thread that Python did not start
            found["thread", id(thread)] = f"thread {thread.name}"
    for child in psutil.Process().children():
        if child.pid not in kept_processes:
            found["process", child.pid] = f"process {child.pid} {_command(child)}"
    return found


def _address(thing: QObject) -> int:
    return int(shiboken6.getCppPointer(thing)[0])


def _with_parents(thing: QObject) -> Iterator[QObject]:
    while thing is not None:
        yield thing
        thing = thing.parent()


def _name(thing: QObject) -> str:
    """The object's class and name, then its parents with the attributes that hold it: `QTimer of Page._timer`."""
    label = thing.objectName() or (thing.windowTitle() if isinstance(thing, QWidget) else "")
    names = [type(thing).__name__ + (f" '{label}'" if label else "")]
    for child, parent in pairwise(_with_parents(thing)):
        attributes = [f".{name}" for name, value in getattr(parent, "__dict__", {}).items() if value is child]
        names.append(type(parent).__name__ + "".join(attributes[:1]))
    return " of ".join(names)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(ended)"
