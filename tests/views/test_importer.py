"""Importing after the first paint: Qt is never imported on a second thread."""

import subprocess
import sys
import threading

from nvp_studio.views.importer import _FREE_OF_QT, Importer
from tests.qt import Bot


def test_what_imports_qt_runs_in_the_windows_thread(qtbot: Bot) -> None:
    importer = Importer()
    threads: list[threading.Thread] = []
    names: list[str] = []
    importer.imported.connect(names.append)
    importer.start("first", lambda: threads.append(threading.current_thread()))
    importer.start("second", lambda: threads.append(threading.current_thread()))
    qtbot.waitUntil(lambda: len(names) == 2)
    assert sorted(names) == ["first", "second"]
    assert threads == [threading.main_thread()] * 2


def test_what_a_thread_imports_is_free_of_qt() -> None:
    lines = [*(f"import {name}" for name in _FREE_OF_QT), "import sys", "print('PySide6' in sys.modules)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
