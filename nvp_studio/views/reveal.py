"""Showing a file in the file manager of the system, selected where that can select."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

_SERVICE, _OBJECT = "org.freedesktop.FileManager1", "/org/freedesktop/FileManager1"
_MILLISECONDS = 3000
"""How long a file manager may take to answer before the folder is opened instead."""


def reveal(path: Path, parent: QObject) -> bool:
    """Show a file in its folder, of one in an archive the archive, of one that is gone the folder that it was in.

    `parent` is an object that lives until the file manager has answered. Returns False where not even a folder is
    left.
    """
    there = next((one for one in (path, *path.parents) if one.exists()), None)
    if there is None or there == Path(path.anchor):
        return False
    if there.is_dir() or not _select(there, parent):
        _open(there if there.is_dir() else there.parent)
    return True


def select_command(path: Path, platform: str) -> str | list[str] | None:
    """What selects a file on Windows and macOS; None on other systems, where file managers are asked over D-Bus."""
    if platform == "win32":
        return f'explorer /select,"{path}"'  # explorer takes no other quotes; a path there has none in it
    return ["open", "-R", str(path)] if platform == "darwin" else None


def _select(path: Path, parent: QObject) -> bool:
    """Ask for the file to be selected; returns whether that was possible."""
    command = select_command(path, sys.platform)
    if command is None:
        return _ask_file_manager(path, parent)
    with suppress(OSError):
        subprocess.Popen(command)
        return True
    return False


def _ask_file_manager(path: Path, parent: QObject) -> bool:
    """Ask a file manager over D-Bus; where none answers well the folder is opened."""
    try:
        from PySide6.QtDBus import QDBusConnection, QDBusMessage, QDBusPendingCallWatcher
    except ImportError:
        return False
    bus = QDBusConnection.sessionBus()
    if not bus.isConnected():
        return False
    message = QDBusMessage.createMethodCall(_SERVICE, _OBJECT, _SERVICE, "ShowItems")
    message.setArguments([[QUrl.fromLocalFile(str(path)).toString(QUrl.ComponentFormattingOption.FullyEncoded)], ""])
    watcher = QDBusPendingCallWatcher(bus.asyncCall(message, _MILLISECONDS), parent)

    def on_finished() -> None:
        if watcher.isError():
            _open(path.parent)
        watcher.deleteLater()

    watcher.finished.connect(on_finished)
    return True


def _open(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
