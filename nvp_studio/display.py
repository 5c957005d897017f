"""Making Qt's application, and saying why that cannot be where Qt itself would only abort the process."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nvp_studio.qt_libraries import QT_LIBRARIES, XCB_LIBRARIES, loads
from nvp_studio.text import escaped

if TYPE_CHECKING:
    from PySide6.QtCore import QMessageLogContext, QtMsgType
    from PySide6.QtWidgets import QApplication

_INSTEAD = "without a window, use the command line: nvp-studio train, sample, score (nvp-studio --help)"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_VARIABLE = {"xcb": "DISPLAY", "wayland": "WAYLAND_DISPLAY", "wayland-egl": "WAYLAND_DISPLAY"}
"""Which of them a plugin of Qt looks at."""
_NO_WIDGETS = ("vkkhrdisplay",)
"""Plugins that show other windows than those of this program."""
_FAILED = "This application failed to start"


def has_display() -> bool:
    """Whether a display is named that a window could open on; whether it answers is known once Qt tries."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return any(os.environ.get(name) for name in _DISPLAYS)


def make_application(arguments: Sequence[str]) -> "QApplication":
    """Make Qt's application; ends the process with 1 and one line on stderr where that cannot be."""
    try:
        from PySide6.QtCore import QtMsgType, qInstallMessageHandler
        from PySide6.QtWidgets import QApplication
    except ImportError as error:
        if missing := missing_library(str(error)):
            sys.exit(refuse(missing))
        raise
    said: list[str] = []

    def hear(kind: "QtMsgType", context: "QMessageLogContext", message: str) -> None:
        said.append(message)
        if kind == QtMsgType.QtFatalMsg:  # after this Qt aborts
            quiet.close()
            os._exit(refuse(reason(said, os.environ)))

    quiet = ExitStack()
    wayland = _platform(os.environ).startswith("wayland") or os.environ.get("WAYLAND_DISPLAY")
    if wayland and sys.stderr is not None:
        quiet.enter_context(_without_stderr())  # Wayland's library writes there itself, and the reason says the same
    before = qInstallMessageHandler(hear)
    try:
        if _platform(os.environ) in _NO_WIDGETS:  # Qt would go on with a window that nobody sees
            sys.exit(refuse(_of_platform(_platform(os.environ), "")))
        application = QApplication(list(arguments))
        if application.primaryScreen() is None:  # Qt would abort when the window is shown
            quiet.close()
            sys.exit(refuse(reason(said, os.environ)))
    finally:
        quiet.close()
        qInstallMessageHandler(before)
    for message in said:
        print(escaped(message), file=sys.stderr)
    return application


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what libraries write to the standard error output of the process."""
    sys.stderr.flush()
    own = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def refuse(why: str = "no display to open a window on") -> int:
    """Say on stderr, in one line, why there is no window; returns the exit code."""
    print(f"nvp-studio: {escaped(why)}; {_INSTEAD}", file=sys.stderr, flush=True)
    return 1


def reason(said: Sequence[str], environment: Mapping[str, str]) -> str:
    """Why Qt could not start, from what it said and from what there is."""
    text = "\n".join(said)
    unknown = re.search('Could not find the Qt platform plugin "(.*?)"', text)
    if unknown and "Could not load" not in text:
        return f"QT_QPA_PLATFORM is {unknown[1]!r}, which Qt does not have here; unset it"
    if sys.platform == "linux" and "Could not load" in text:
        missing = {file: package for file, package in {**QT_LIBRARIES, **XCB_LIBRARIES}.items() if not loads(file)}
        if missing:
            return _libraries(missing)
    platform = _platform(environment)
    last = next((line for line in reversed(said) if "Could not load" not in line and _FAILED not in line), "").strip()
    if platform and platform not in _VARIABLE:
        return _of_platform(platform, last)
    variables = [_VARIABLE[platform]] if platform else list(_DISPLAYS)
    named = " and ".join(f"{name}={environment[name]}" for name in variables if environment.get(name))
    if named:
        return f"no display answers at {named}; check the variable, and that this user may use the display"
    if platform:
        return f"no display is named by {_VARIABLE[platform]}, which QT_QPA_PLATFORM={platform} needs"
    if "could not connect to display" in text:
        return "no display is named, neither by DISPLAY nor by WAYLAND_DISPLAY"
    return "Qt cannot open a window: " + next((line for line in said if line.strip()), "for an unknown reason").strip()


def _platform(environment: Mapping[str, str]) -> str:
    """The plugin of Qt that is asked for, without its options; empty where Qt chooses."""
    return environment.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]


def _of_platform(platform: str, said: str) -> str:
    words = f" ({said})" if said else ""
    return f"QT_QPA_PLATFORM is {platform!r}, which cannot show a window here{words}; unset it"


def missing_library(error: str) -> str:
    """The reason for an import error of Qt's wheels that names a library of the system; empty for another error."""
    found = re.match(r"(\S+\.so[.\d]*): cannot open shared object file", error)
    if not found:
        return ""
    return _libraries({found[1]: {**QT_LIBRARIES, **XCB_LIBRARIES}.get(found[1], "")})


def _libraries(missing: Mapping[str, str]) -> str:
    text = f"Qt needs system libraries that are not here: {', '.join(missing)}"
    packages = sorted(filter(None, missing.values()))
    return f"{text}; on Debian and Ubuntu: sudo apt-get install {' '.join(packages)}" if packages else text
