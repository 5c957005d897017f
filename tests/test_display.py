"""Opening the window where there is no usable display: the program's own line and exit code, not Qt's abort."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvp_studio import display
from nvp_studio.display import missing_library, reason
from nvp_studio.qt_libraries import QT_LIBRARIES, XCB_LIBRARIES

ROOT = Path(__file__).resolve().parent.parent
REFUSED = [
    "could not connect to display :77",
    "From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb platform plugin.",
    'Could not load the Qt platform plugin "xcb" in "" even though it was found.',
    "This application failed to start because no Qt platform plugin could be initialized.",
]
"""What Qt says of a display that does not answer, and of a missing library alike."""


FREE = next(number for number in range(77, 1000) if not Path(f"/tmp/.X11-unix/X{number}").exists())
"""A display that no server has."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DISPLAY": f":{FREE}"}, "no display answers at DISPLAY=:"),
        pytest.param({"WAYLAND_DISPLAY": "stale"}, "at WAYLAND_DISPLAY=stale", marks=pytest.mark.slow),
        pytest.param({"QT_QPA_PLATFORM": "nonsense"}, "QT_QPA_PLATFORM is 'nonsense'", marks=pytest.mark.slow),
        pytest.param({"QT_QPA_PLATFORM": "xcb"}, "no display is named by DISPLAY", marks=pytest.mark.slow),
        pytest.param(
            {"QT_QPA_PLATFORM": "wayland", "DISPLAY": f":{FREE}"},
            "no display is named by WAYLAND_DISPLAY",
            marks=pytest.mark.slow,
        ),
        pytest.param({"QT_QPA_PLATFORM": "linuxfb:fb=/no/screen"}, "is 'linuxfb', which cannot show a window here"),
        pytest.param({"QT_QPA_PLATFORM": "eglfs"}, "is 'eglfs', which cannot show", marks=pytest.mark.slow),
        pytest.param({"QT_QPA_PLATFORM": "minimalegl"}, "is 'minimalegl', which cannot show", marks=pytest.mark.slow),
        pytest.param({"QT_QPA_PLATFORM": "vkkhrdisplay"}, "is 'vkkhrdisplay', which", marks=pytest.mark.slow),
        pytest.param({}, "no display to open a window on", marks=pytest.mark.slow),
    ],
)
def test_a_window_that_cannot_open_says_why_in_one_line(variables: dict[str, str], words: str) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    ended = subprocess.run(
        [sys.executable, "-c", "from nvp_studio.app import main; raise SystemExit(main([]))"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    missing = "Qt needs system libraries"  # also true where the tests run without them
    assert words in ended.stderr or missing in ended.stderr
    assert "nvp-studio train" in ended.stderr


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(display, "loads", lambda file: file != "libxcb-cursor.so.0")
    said = reason(REFUSED, {"DISPLAY": ":0"})
    assert "libxcb-cursor.so.0" in said
    assert said.endswith("sudo apt-get install libxcb-cursor0")
    monkeypatch.setattr(display, "loads", lambda file: True)
    assert reason(REFUSED, {"DISPLAY": ":77"}).startswith("no display answers at DISPLAY=:77")


@pytest.mark.parametrize("file", [*QT_LIBRARIES, *XCB_LIBRARIES])
def test_a_library_that_an_import_misses_is_named_with_its_package(file: str) -> None:
    error = f"{file}: cannot open shared object file: No such file or directory"
    package = {**QT_LIBRARIES, **XCB_LIBRARIES}[file]
    assert missing_library(error).endswith(f"{file}; on Debian and Ubuntu: sudo apt-get install {package}")


def test_other_import_errors_are_not_explained() -> None:
    assert missing_library("No module named 'PySide6'") == ""
    assert missing_library("libother.so.7: cannot open shared object file: No") == (
        "Qt needs system libraries that are not here: libother.so.7"
    )


def test_an_unknown_failure_has_what_qt_said() -> None:
    assert reason(["no such device", "aborting"], {}) == "Qt cannot open a window: no such device"
    assert reason([], {}) == "Qt cannot open a window: for an unknown reason"
