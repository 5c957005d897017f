"""What the modules that take screenshots share: the display, the picture of the window, the file."""

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.studio import Studio

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap

SIZES = {"800x600": (800, 600), "1280x800": (1280, 800), "1920x1080": (1920, 1080)}
THEMES = ("light", "dark")


@contextmanager
def display() -> Iterator[None]:
    """The display there is, or one of Xvfb for as long as the block runs."""
    if os.environ.get("DISPLAY"):
        yield
        return
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1920x1080x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        try:
            os.close(writing)
            with os.fdopen(reading) as numbers:
                os.environ["DISPLAY"] = f":{numbers.readline().strip()}"
            os.environ["QT_QPA_PLATFORM"] = "xcb"
            yield
        finally:
            server.terminate()


def grab(studio: Studio) -> Image.Image:
    """What the X server shows of the window."""
    return as_image(studio.window.screen().grabWindow(0).copy(studio.window.frameGeometry()))


def as_image(pixmap: "QPixmap") -> Image.Image:
    """A picture of Qt's as one of Pillow's."""
    from PySide6.QtCore import QBuffer, QIODevice

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    pixmap.save(buffer, "PNG")
    return Image.open(io.BytesIO(buffer.data().data())).convert("RGB")


def write_small(image: Image.Image, path: Path) -> None:
    """Write a PNG of 256 colours, which the window hardly exceeds."""
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path} ({path.stat().st_size // 1024} kB)")
