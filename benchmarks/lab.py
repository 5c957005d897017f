"""How fast Lab trains and shows, and how near its flows come to known densities.

    python -m benchmarks.lab [--json]
    python -m benchmarks.lab --divergence [--data moons gaussians] [--law affine spline] [--seconds 30] [--json]

The first measures, on one thread: training steps per second of processor time, and the processor time of a view; in the
window: how often the grid of 60x60 cells is painted in a second while the handle of its slider is dragged by mouse
events, and how many views arrive while it trains. The second trains for so many seconds of processor time with the
settings that Lab starts with, and estimates the Kullback-Leibler divergence from the known density to the learnt one by
points of the known one, in nats, with its standard error.
"""

import argparse
import json
import time

import numpy as np

from benchmarks.inspect_page import Painted
from benchmarks.studio import Studio, machine, open_studio

PATIENCE = 60.0
SECONDS = 5.0
POINTS = 20_000
"""By which a divergence is estimated."""


def training_speed(law: str, couplings: int) -> float:
    """Steps per second of processor time, on one thread."""
    import torch

    from nvp_studio.lab.experiment import Experiment
    from nvp_studio.lab.settings import LabSettings

    torch.set_num_threads(1)
    experiment = Experiment(LabSettings(law=law, couplings=couplings))  # type: ignore[arg-type]
    for _ in range(20):
        experiment.step()
    count, began = 0, time.process_time()
    while time.process_time() - began < SECONDS:
        experiment.step()
        count += 1
    return count / (time.process_time() - began)


def view_milliseconds() -> float:
    """Processor time of a view as it is asked for ten times a second."""
    from nvp_studio.lab.settings import LabSettings
    from nvp_studio.worker.lab_messages import LabBuild, LabTrain
    from nvp_studio.worker.laboratory import Laboratory

    laboratory = Laboratory()
    list(laboratory.steps(LabBuild(experiment=1, settings=LabSettings())))
    look = LabTrain(experiment=1, steps=0)
    list(laboratory.steps(look))
    began = time.process_time()
    for _ in range(20):
        list(laboratory.steps(look))
    return 1000 * (time.process_time() - began) / 20


def measure_window(studio: Studio) -> dict[str, float]:
    """Frames while scrubbing, and views while training, a second."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from nvp_studio.views.pages.lab.page import LabPage

    studio.wait_ready()
    studio.window.show_page("lab")
    page = studio.window.page("lab")
    assert isinstance(page, LabPage)
    part = page.two_dimensions
    studio.wait(lambda: part.state.view is not None, PATIENCE, "view")
    studio.window.registry["lab.play"].trigger()
    studio.wait(lambda: len(part.state.losses) > 50, PATIENCE, "loss")
    views = 0

    def count() -> None:
        nonlocal views
        views += 1

    part.state.viewed.connect(count)
    steps, began = len(part.state.losses), time.perf_counter()
    studio.spin(SECONDS)
    seconds = time.perf_counter() - began
    played = {"views (1/s)": views / seconds, "steps beside views (1/s)": (len(part.state.losses) - steps) / seconds}
    studio.window.registry["lab.play"].trigger()
    studio.spin(1)
    slider, painted = part.views.slider, Painted(part.views.layers_view)
    left, right, middle = 8, slider.width() - 8, slider.height() // 2
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    moved, spent, began = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        QTest.mouseMove(slider, QPoint(left + moved % (right - left), middle))
        studio.app.processEvents()
        moved += 1
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(left, middle))
    return {
        **played,
        "grid of 60x60 (frames/s)": painted.count / seconds,
        "window's processor time for a frame (ms)": 1000 * spent / max(1, painted.count),
    }


def divergence(data: str, law: str, seconds: float) -> dict[str, float]:
    """Steps taken, the divergence from the known density in nats, and the standard error of its estimate."""
    import torch

    from nvp_studio.lab.experiment import Experiment
    from nvp_studio.lab.settings import LabSettings
    from nvp_studio.lab.toys import draw_toy, known_log_density

    torch.set_num_threads(1)
    experiment = Experiment(LabSettings(data=data, law=law))  # type: ignore[arg-type]
    began = time.process_time()
    while time.process_time() - began < seconds:
        experiment.step()
    points = draw_toy(data, POINTS, np.random.default_rng(12345))
    differences = known_log_density(data, points) - experiment.log_density(points)
    error = differences.std() / len(points) ** 0.5
    return {"steps": experiment.steps, "KL (nats)": float(differences.mean()), "standard error": float(error)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--divergence", action="store_true")
    parser.add_argument("--data", nargs="+", default=["moons", "gaussians"], choices=["moons", "gaussians"])
    parser.add_argument("--law", nargs="+", default=["affine", "spline"], choices=["affine", "spline"])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    if options.divergence:
        for data in options.data:
            for law in options.law:
                found = divergence(data, law, options.seconds)
                figures |= {f"{data}, {law}: {name}": value for name, value in found.items()}
    else:
        for law in ("affine", "spline"):
            figures[f"training, 6 {law} couplings (steps/s)"] = training_speed(law, 6)
        figures["a view (ms)"] = view_milliseconds()
        with open_studio([]) as studio:
            figures |= measure_window(studio)
    if options.json:
        print(json.dumps({"machine": machine(), **figures}))
        return
    print(machine())
    for name, value in figures.items():
        print(f"{name:45} {value:9.4g}")


if __name__ == "__main__":
    main()
