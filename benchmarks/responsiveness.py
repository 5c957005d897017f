"""How fast the window answers: first paint, gaps of its event loop, slider to new image, quitting; idle and training.

    python -m benchmarks.responsiveness [--model FILE] [--seconds 20] [--json]

With a display it measures there, without one on Qt's offscreen platform. A *gap* is the time between two beats of a 5
ms timer in the window's event loop; a watchdog thread looks at the same heartbeat from outside. *Slider to image* is
the time from the mouse event on a slider to the paint event that shows the picture decoded for it; while dragging,
positions that newer ones overtook before they were asked for have no picture and do not count. *Letting go to score* is
the time from letting the slider go to the score of the picture that is shown. The pad of four corners is dragged in a
circle in the same way, and *redraw to image* is the time from the action that draws the finest scale anew to the paint
of its picture. The *first start* finds no compiled loops on the disk. Times are in milliseconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.studio import Studio, machine, open_studio

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

BEAT = 5
PATIENCE = 60.0
TARGETS = {
    "first paint": "<= 1200",
    "first picture": "<= 2000",
    "first picture, first start": "<= 2000",
    "gap p99, idle": "<= 33",
    "gap p99, dragging": "<= 33",
    "gap p99, training": "<= 50",
    "gap p99, training and dragging": "<= 50",
    "slider to image p95, dragging": "<= 33",
    "slider to image p95, training and dragging": "<= 60",
    "pad to image p95, dragging the pad": "<= 33",
    "redraw to image p95": "<= 100",
    "letting go to score p95, dragging": "<= 100",
    "letting go to score p95, training and dragging": "<= 100",
    "quit while training": "<= 2000",
}


class Heartbeat:
    """Beats of the window's event loop, seen from inside by a timer and from outside by a thread."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.beats: list[float] = []
        self.longest_silence = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self.beats.append(time.perf_counter()))
        self._watching = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self.beats.append(time.perf_counter())
        self._timer.start(BEAT)
        self._watching.set()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._watching.clear()
        self._timer.stop()
        self._thread.join()

    def _watch(self) -> None:
        while self._watching.is_set():
            self.longest_silence = max(self.longest_silence, time.perf_counter() - self.beats[-1])
            time.sleep(BEAT / 1000)

    def figures(self, when: str) -> dict[str, float]:
        """Percentiles of the gaps, in milliseconds."""
        gaps = 1000 * np.diff(self.beats)
        return {
            f"gap p50, {when}": float(np.percentile(gaps, 50)),
            f"gap p99, {when}": float(np.percentile(gaps, 99)),
            f"gap max, {when}": float(gaps.max()),
            f"gap max by the watchdog, {when}": 1000 * self.longest_silence,
        }


class Drag:
    """Drags a slider of Explore to and fro with the mouse and times each position until its picture is painted."""

    name = "slider"

    def __init__(self, studio: Studio) -> None:
        from PySide6.QtCore import QEvent, QObject

        page = studio.window.page("explore")
        self._studio = studio
        self._page = page
        self._widget = self._find()
        self._view = page.pictures.view
        self._asked: dict[object, float] = {}
        self._arrived: object = None
        self.latencies: list[float] = []
        self.score_latencies: list[float] = []
        drag = self

        class Painted(QObject):
            def eventFilter(self, watched: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.Paint:
                    drag._on_paint()
                return False

        self._filter = Painted()
        self._view.installEventFilter(self._filter)
        studio.explore.picture_changed.connect(self._on_picture)

    def _find(self) -> "QWidget":
        """What is dragged."""
        from nvp_studio.views.widgets.sliders import MarkedSlider

        return next(slider for slider in self._page.findChildren(MarkedSlider) if slider.isVisible())

    def _place(self, seconds: float | None) -> "QPoint":
        """Where the mouse is so long after the beginning; None: where it is pressed."""
        from PySide6.QtCore import QPoint

        share = 0.5 if seconds is None else 0.5 + 0.4 * np.sin(1.7 * seconds + 1)
        return QPoint(round(share * self._widget.width()), self._widget.height() // 2)

    def run(self, seconds: float) -> None:
        """Drag for so long, a mouse event every 16 ms."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        place = self._place(None)
        QTest.mousePress(self._widget, Qt.MouseButton.LeftButton, pos=place)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            place = self._place(time.perf_counter() - began)
            moved = time.perf_counter()
            before = self._studio.explore.recipe
            QTest.mouseMove(self._widget, place)
            if self._studio.explore.recipe != before:
                self._asked[self._studio.explore.recipe] = moved
            self._studio.spin(0.016)
        self._let_go(place)
        self._studio.spin(0.5)

    def let_go_often(self, when: str, times: int = 20) -> dict[str, float]:
        """Drag for a moment, let go and wait for the score, so often: percentiles of the times, in milliseconds."""
        self.score_latencies.clear()
        for _ in range(times):
            self.run(0.2)
        latencies = 1000 * np.array(self.score_latencies)
        return {f"letting go to score p{q}, {when}": float(np.percentile(latencies, q)) for q in (50, 95)}

    def _let_go(self, place: "QPoint") -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        explore = self._studio.explore
        released = time.perf_counter()
        QTest.mouseRelease(self._widget, Qt.MouseButton.LeftButton, pos=place)
        self._studio.wait(
            lambda: explore.bits_per_dim is not None and explore.picture_recipe == explore.recipe, PATIENCE, "score"
        )
        self.score_latencies.append(time.perf_counter() - released)

    def close(self) -> None:
        """Stop watching."""
        self._view.removeEventFilter(self._filter)
        self._studio.explore.picture_changed.disconnect(self._on_picture)

    def figures(self, when: str) -> dict[str, float]:
        """Percentiles of the latencies, in milliseconds."""
        if not self.latencies:
            raise RuntimeError(f"no picture arrived while dragging; is the {self.name} connected?")
        latencies = 1000 * np.array(self.latencies)
        return {
            f"{self.name} to image p50, {when}": float(np.percentile(latencies, 50)),
            f"{self.name} to image p95, {when}": float(np.percentile(latencies, 95)),
            f"{self.name} to image max, {when}": float(latencies.max()),
            f"pictures, {when}": float(len(latencies)),
        }

    def _on_picture(self, picture: object) -> None:
        self._arrived = self._studio.explore.picture_recipe

    def _on_paint(self) -> None:
        asked = self._asked.pop(self._arrived, None)
        if asked is not None:
            self.latencies.append(time.perf_counter() - asked)
        self._arrived = None


class PadDrag(Drag):
    """Drags the place between four corners, which are samples, in a circle."""

    name = "pad"

    def _find(self) -> "QWidget":
        corners = self._page.corners
        self._studio.window.registry["explore.corners-samples"].trigger()
        self._studio.wait(lambda: corners.strip is not None, PATIENCE, "grid of the corners")
        self._studio.spin(0.5)
        return self._page.tools.corner_panel.pad

    def _place(self, seconds: float | None) -> "QPoint":
        turn = 0.0 if seconds is None else 1.7 * seconds
        place = (0.5 + 0.35 * np.cos(turn), 0.5 + 0.35 * np.sin(turn))
        return self._widget.point_of(place).toPoint()

    def redraw_often(self, times: int = 20) -> dict[str, float]:
        """Draw the finest scale anew, so often: percentiles of the times until its picture is painted."""
        self.latencies.clear()
        for done in range(1, times + 1):
            moved = time.perf_counter()
            self._studio.window.registry["explore.redraw-1"].trigger()
            self._asked[self._studio.explore.recipe] = moved
            self._studio.wait(lambda done=done: len(self.latencies) >= done, PATIENCE, "redrawn picture")
            self._studio.spin(0.2)
        latencies = 1000 * np.array(self.latencies)
        return {f"redraw to image p{q}": float(np.percentile(latencies, q)) for q in (50, 95)}


def measure_tools(studio: Studio, seconds: float) -> dict[str, float]:
    """The pad of four corners while it is dragged, and a scale's redraw."""
    drag = PadDrag(studio)
    try:
        with Heartbeat() as heart:
            drag.run(seconds)
        figures = heart.figures("dragging the pad") | drag.figures("dragging the pad")
        return figures | drag.redraw_often()
    finally:
        drag.close()


def measure(studio: Studio, seconds: float, when: str = "") -> dict[str, float]:
    """Gaps at rest and while dragging, and the latency of the slider."""
    rest = when or "idle"
    dragging = f"{when} and dragging" if when else "dragging"
    with Heartbeat() as heart:
        studio.spin(seconds)
    figures = heart.figures(rest)
    drag = Drag(studio)
    try:
        with Heartbeat() as heart:
            drag.run(seconds)
        figures |= heart.figures(dragging) | drag.figures(dragging)
        return figures | drag.let_go_often(dragging)
    finally:
        drag.close()


def in_window(model: str, seconds: float) -> dict[str, Any]:
    """Everything that is measured in one window, idle and then while a run trains."""
    with open_studio([model] if model else []) as studio:
        studio.wait_ready(PATIENCE)
        studio.spin(4)  # the other pages are built and the model is compiled
        figures = measure(studio, seconds) | measure_tools(studio, seconds)
        studio.train(training())
        figures |= measure(studio, seconds, "training")
        figures["quit while training"] = 1000 * studio.close()
        return {"machine": machine(), "figures": figures}


def start_up(model: str) -> dict[str, Any]:
    """In a process of its own: seconds since the epoch when the window was painted and when its picture was there."""
    with open_studio([model] if model else []) as studio:
        painted: list[float] = []
        studio.window.painted.connect(lambda: painted.append(time.time()))
        studio.wait(lambda: painted, PATIENCE, "first paint")
        studio.wait_ready(PATIENCE)
        return {"painted": painted[0], "ready": time.time()}


def training() -> Any:
    """The run that keeps the trainer busy: the default one, long enough to outlast the measurement."""
    from nvp_studio.training.config import TrainConfig

    return TrainConfig(minutes=30.0, preset="studio", device="cpu")


def start_ups(model: str, count: int) -> dict[str, float]:
    """Medians over several starts of the whole program, and over first starts on a machine, in milliseconds."""
    figures: dict[str, list[float]] = {}
    for number in range(2 * count):
        command = [sys.executable, "-m", "benchmarks.responsiveness", "--start-up", "--model", model]
        with tempfile.TemporaryDirectory() as empty:
            when, place = (", first start", {"NUMBA_CACHE_DIR": empty}) if number % 2 else ("", {})
            began = time.time()
            result = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=os.environ | place)
        answer = json.loads(result.stdout)
        figures.setdefault(f"first paint{when}", []).append(1000 * (answer["painted"] - began))
        figures.setdefault(f"first picture{when}", []).append(1000 * (answer["ready"] - began))
    return {name: float(np.median(times)) for name, times in figures.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast the window answers.")
    parser.add_argument("--model", default="", help="checkpoint file or run folder; without it the included model")
    parser.add_argument("--seconds", type=float, default=20, help="length of each of the four measurements")
    parser.add_argument("--starts", type=int, default=5, help="starts of the program")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--start-up", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if options.start_up:
        print(json.dumps(start_up(options.model)))
        return
    figures = start_ups(options.model, options.starts)
    result = in_window(options.model, options.seconds)
    result["figures"] = figures | result["figures"]
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['machine']}\n\n| figure | ms | target |\n|---|---:|---|")
    for name, value in result["figures"].items():
        print(f"| {name} | {value:.0f} | {TARGETS.get(name, '')} |")


if __name__ == "__main__":
    main()
