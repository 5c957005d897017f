"""Starts the window: `nvp-studio-gui`, `python main.py`, `python -m nvp_studio gui`."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvp_studio.display import has_display, make_application, refuse

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from nvp_studio.views.main_window import MainWindow


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the window until it is closed; returns the exit code."""
    options = parse_options(sys.argv[1:] if arguments is None else arguments)
    if not has_display():
        return refuse()
    app, _window = open_window(options)
    return app.exec()


def open_window(options: argparse.Namespace) -> "tuple[QApplication, MainWindow]":
    """Start the engine and show the window; both run once the application's event loop does."""
    app = make_application(sys.argv[:1])

    from nvp_studio.state.engine import Engine
    from nvp_studio.state.settings import SettingsStore

    app.setApplicationName("nvp-studio")
    app.setApplicationDisplayName("NVP Studio")
    app.setDesktopFileName("nvp-studio")
    app.setQuitOnLastWindowClosed(False)
    settings = SettingsStore()
    if options.reset_settings:
        settings.reset()
    engine = Engine()
    engine.explorer.device = settings.values.device
    paths = [Path(text).absolute() for text in options.paths]
    engine.start(settings.values.model_path)  # before any widget: the worker loads torch meanwhile

    from PySide6.QtGui import QIcon

    from nvp_studio.resources import resource_path
    from nvp_studio.views.main_window import MainWindow
    from nvp_studio.views.theme import set_up_theme

    set_up_theme(app, settings.values.theme)
    app.setWindowIcon(QIcon(str(resource_path("icons/nvp-studio.svg"))))
    window = MainWindow(engine, settings)
    window.context.closing.connect(engine.stop)
    engine.stopped.connect(app.quit)
    _close_on_signals(window.close)
    window.fit_screen()
    window.show()
    if paths:
        window.painted.connect(lambda: window.open_paths(paths))
    return app, window


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line of the window; wrong usage ends the program with 2."""
    parser = argparse.ArgumentParser(prog="nvp-studio-gui", description="Open the window of NVP Studio.")
    parser.add_argument("paths", nargs="*", help="a model, run folder, image, session or animation to open")
    parser.add_argument("--reset-settings", action="store_true", help="forget what the window remembers, then start")
    return parser.parse_args(list(arguments))


def _close_on_signals(close: Callable[[], object]) -> None:
    """Close the window on Ctrl+C and SIGTERM. Qt sleeps in C, so a slow timer lets Python look at its signals."""
    from PySide6.QtCore import QCoreApplication, QTimer

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: close())
    timer = QTimer(QCoreApplication.instance())
    timer.timeout.connect(lambda: None)
    timer.start(250)


if __name__ == "__main__":
    sys.exit(main())
