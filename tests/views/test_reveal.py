"""Showing a file in the file manager: selected over a real D-Bus, else its folder is opened."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nvp_studio.views.reveal import select_command

_PROGRAM = """
import sys
from pathlib import Path
from PySide6.QtCore import QObject, QTimer, QUrl, Slot
from PySide6.QtDBus import QDBusConnection, QDBusVirtualObject
from PySide6.QtGui import QDesktopServices, QGuiApplication
from nvp_studio.views.reveal import reveal

class Opened(QObject):
    @Slot(QUrl)
    def take(self, url):
        print("opened", Path(url.toLocalFile()).name)
        app.quit()

class FileManager(QDBusVirtualObject):
    def introspect(self, path):
        return ""
    def handleMessage(self, message, connection):
        uris, _ = message.arguments()
        print(message.member(), message.signature(), [QUrl(uri).fileName() for uri in uris])
        connection.send(message.createReply([]))
        app.quit()
        return True

app, opened = QGuiApplication([]), Opened()
QDesktopServices.setUrlHandler("file", opened, "take")
if "service" in sys.argv:
    bus = QDBusConnection.connectToBus(QDBusConnection.BusType.SessionBus, "file manager")
    manager = FileManager()
    assert bus.registerService("org.freedesktop.FileManager1")
    assert bus.registerVirtualObject("/org/freedesktop/FileManager1", manager)
QTimer.singleShot(0, lambda: print(reveal(Path(sys.argv[1]), app)) or (sys.argv[2] == "gone" and app.quit()))
QTimer.singleShot(20_000, app.quit)
app.exec()
"""


def shown(path: Path, *words: str, bus: bool = True) -> list[str]:
    """What a file manager is told, or which folder is opened, where the program runs with or without a session bus."""
    if sys.platform != "linux" or shutil.which("dbus-run-session") is None:
        pytest.skip("there is no D-Bus")
    launcher = ["dbus-run-session", "--"] if bus else ["env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere"]
    command = [*launcher, sys.executable, "-c", _PROGRAM, str(path), *(words or ("none",))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = ended.stdout.splitlines()
    assert lines, ended.stderr
    return sorted(lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my parts" / "shoe ü.png"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


def test_a_file_manager_selects_the_file_or_the_archive_that_it_is_in(file: Path) -> None:
    assert shown(file, "service") == ["ShowItems ass ['shoe ü.png']", "True"]
    assert shown(file / "inside.png", "service") == ["ShowItems ass ['shoe ü.png']", "True"]


def test_without_a_file_manager_or_a_bus_the_folder_is_opened(file: Path) -> None:
    assert shown(file) == ["True", "opened my parts"]
    assert shown(file, bus=False) == ["True", "opened my parts"]
    file.unlink()
    assert shown(file, "service") == ["True", "opened my parts"]
    assert shown(Path("/no such folder/shoe.png"), "gone") == ["False"]


def test_other_systems_have_commands_that_select() -> None:
    assert select_command(Path("a b.png"), "darwin") == ["open", "-R", "a b.png"]
    assert select_command(Path("a b.png"), "win32") == 'explorer /select,"a b.png"'
    assert select_command(Path("a b.png"), "linux") is None
