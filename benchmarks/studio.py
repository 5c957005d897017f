"""The real window with real worker processes, driven by a program: for benchmarks, screenshots and the smoke test."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from nvp_studio.state.explore import ExploreState
    from nvp_studio.state.run import LiveRun
    from nvp_studio.training.config import TrainConfig
    from nvp_studio.views.main_window import MainWindow


class Studio:
    """An open window and its event loop, which runs while something is waited for."""

    def __init__(self, app: "QApplication", window: "MainWindow", folder: Path) -> None:
        self.app = app
        self.window = window
        self.engine = window.engine
        self.folder = folder
        self.runs_folder = folder / "runs"

    @property
    def explore(self) -> "ExploreState":
        """What the Explore page shows."""
        return self.window.page("explore").state  # type: ignore[attr-defined]

    @property
    def page_keys(self) -> list[str]:
        """The pages of the rail, in its order."""
        prefix = "view.page-"
        keys = [entry.key for entry in self.window.registry.entries("view")]
        return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]

    def spin(self, seconds: float) -> None:
        """Let the event loop run."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Let the event loop run until `condition()`; gives the seconds it took, or raises `TimeoutError`."""
        began = time.perf_counter()
        while not condition():
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"after {seconds:g} s still no {what}")
            self.spin(0.01)
        return time.perf_counter() - began

    def wait_ready(self, seconds: float = 60) -> float:
        """Wait until the explorer has opened a model and its first picture is there."""
        return self.wait(lambda: self.explore.picture is not None, seconds, "picture")

    @property
    def live(self) -> "LiveRun":
        """The run of the Train page."""
        return self.window.page("train").live  # type: ignore[attr-defined]

    def train(self, config: "TrainConfig", name: str = "bench") -> None:
        """Start a run, as the Train page does, and wait for its first steps."""
        self.live.start(config, self.runs_folder, name)
        self.wait(lambda: self.live.history.last is not None and self.live.history.last.step >= 3, 120, "training step")

    def close(self, seconds: float = 40) -> float:
        """Close the window and wait until no worker is left; gives the seconds it took."""
        gone: list[bool] = []
        self.engine.stopped.connect(lambda: gone.append(True))
        began = time.perf_counter()
        self.window.close()
        self.wait(lambda: gone, seconds, "end of the workers")
        return time.perf_counter() - began


@contextmanager
def open_studio(arguments: Sequence[str] = (), folder: Path | None = None) -> Iterator[Studio]:
    """Open the window with settings, runs and directions of its own in `folder`, or in a temporary one."""
    with tempfile.TemporaryDirectory(prefix="nvp-studio-") as temporary:
        place = folder or Path(temporary)
        os.environ["NVP_STUDIO_SETTINGS"] = str(place / "window.ini")
        os.environ["NVP_STUDIO_RUNS"] = str(place / "runs")
        os.environ["NVP_STUDIO_MODELS"] = str(place / "models")
        os.environ["NVP_STUDIO_DIRECTIONS"] = str(place / "directions")
        from nvp_studio.app import open_window, parse_options

        studio = Studio(*open_window(parse_options(arguments)), place)
        try:
            yield studio
        finally:
            if studio.engine.explorer.alive or studio.engine.trainer.alive:
                studio.close()


def machine() -> str:
    """The machine in a line: processor, cores, system, Python, Qt's platform."""
    import platform

    from PySide6.QtCore import qVersion
    from PySide6.QtGui import QGuiApplication

    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, Qt {qVersion()} on {QGuiApplication.platformName()}"
    )
