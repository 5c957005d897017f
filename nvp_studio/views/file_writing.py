"""Writing files in a thread, with a message about how it went."""

import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from nvp_studio.files import write_whole
from nvp_studio.text import error_line
from nvp_studio.training.errors import RunError
from nvp_studio.views import notify


def write_file(path: Path, content: Callable[[], bytes]) -> None:
    """Write what `content` returns, which is called in the thread."""

    def write() -> str:
        write_whole(path, content())
        return QCoreApplication.translate("FileWriting", "Wrote {0}.").format(path.name)

    write_in_thread(write)


def write_in_thread(write: Callable[[], str]) -> None:
    """Call `write` in a thread and show the text that it returns, or why it failed."""

    def run() -> None:
        try:
            notify.success(write(), topic="export")
        except (RunError, OSError) as error:
            notify.error(error_line(error), topic="export")

    threading.Thread(target=run, name="export").start()
