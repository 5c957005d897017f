"""How fast Inspect answers: a picture to all of its layers on screen, and the slider from layer to layer.

    python -m benchmarks.inspect_page [--model FILE] [--pictures 10] [--json]

*Image to layers* is the time from dropping an image file until its layers are shown and painted, with the processor
time that the worker takes for it: the machine may do other things meanwhile. *Slider* is how many layers a second are
shown and painted while the handle is dragged by mouse events, with the map of the pixel that is pointed at, and the
processor time of the window for each.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from PIL import Image

import nvp_studio
from benchmarks.studio import Studio, machine, open_studio

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

PATIENCE = 60.0
SECONDS = 3.0
"""How long the slider is dragged."""


class Painted:
    """Counts how often a widget is painted."""

    def __init__(self, widget: "QWidget") -> None:
        self.count = 0
        paint = widget.paintEvent

        def counted(event: object) -> None:
            self.count += 1
            paint(event)  # type: ignore[arg-type]

        widget.paintEvent = counted  # type: ignore[assignment, method-assign]


def measure(studio: Studio, pictures: int) -> dict[str, float]:
    """Milliseconds and layers per second."""
    from nvp_studio.views.pages.inspect.page import InspectPage

    studio.wait_ready()
    studio.wait(studio.window.all_pages_built, PATIENCE, "pages")
    studio.window.show_page("inspect")
    page = studio.window.page("inspect")
    assert isinstance(page, InspectPage)
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    worker = psutil.Process(studio.engine.explorer.pid)
    times: list[float] = []
    computed: list[float] = []
    paths = write_images(studio, pictures + 1)
    studio.spin(1)
    for path in paths:
        before = page.state.inspection
        spent, began = used(worker), time.perf_counter()
        page.open_paths([path])
        while page.state.inspection is before:
            studio.app.processEvents()
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError("no layers of the picture")
        page.stage.picture.repaint()
        times.append(1000 * (time.perf_counter() - began))
        computed.append(1000 * (used(worker) - spent))
        studio.spin(0.5)
    studio.spin(1)
    slider, shown, painted = page.slider, 0, Painted(page.stage.picture)
    left, right, middle = 8, page.slider.width() - 8, page.slider.height() // 2
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    spent, began = time.process_time(), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        place = left + (shown * 3) % (right - left)
        QTest.mouseMove(slider, QPoint(place, middle))
        studio.app.processEvents()
        shown += 1
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    return {
        "image to layers, first (ms)": times[0],
        "image to layers, median (ms)": statistics.median(times[1:]),
        "image to layers, most (ms)": max(times[1:]),
        "worker's processor time, first (ms)": computed[0],
        "worker's processor time, median (ms)": statistics.median(computed[1:]),
        "slider (layers/s)": painted.count / seconds,
        "window's processor time for a layer (ms)": 1000 * spent / max(1, painted.count),
    }


def used(process: psutil.Process) -> float:
    """Seconds of processor time that a process took so far."""
    times = process.cpu_times()
    return times.user + times.system


def write_images(studio: Studio, count: int) -> list[Path]:
    """Image files of the model's size, samples of it."""
    from nvp_studio.flow.dequantization import images_from_unit

    folder = studio.folder / "inspected"
    folder.mkdir()
    model = nvp_studio.load(studio.engine.model.path)  # type: ignore[union-attr]
    paths = []
    for number, image in enumerate(images_from_unit(model.sample(count)).numpy()):
        paths.append(folder / f"{number}.png")
        Image.fromarray(image.squeeze()).save(paths[-1])
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="a model; without it the included one")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with open_studio([options.model] if options.model else []) as studio:
        figures, where = measure(studio, options.pictures), machine()
    if options.json:
        print(json.dumps({"machine": where, **figures}))
        return
    print(where)
    for name, value in figures.items():
        print(f"{name:42} {value:8.1f}")


if __name__ == "__main__":
    main()
