"""Writing files in a thread, with a message about how it went."""

import threading
from collections.abc import Callable

from nvp_studio.text import error_line
from nvp_studio.training.errors import RunError
from nvp_studio.views import notify


def write_in_thread(write: Callable[[], str]) -> None:
    """Call `write` in a thread and show the text that it returns, or why it failed."""

    def run() -> None:
        try:
            notify.success(write(), topic="export")
        except (RunError, OSError) as error:
            notify.error(error_line(error), topic="export")

    threading.Thread(target=run, name="export").start()
