"""How fast Explore finds directions and draws previews, what a drag waits for them, and how exact local directions are.

    python -m benchmarks.directions [--model FILE] [--pictures 8] [--seconds 8] [--json]

*Local directions* is the time from asking for them to their sliders, in the window. *36 previews* is the time from an
edit to the previews of twelve sliders; both are medians. *Dragging with previews* begins each time while previews of
the sliders in view are drawn. *A drag's first picture* is the time from the mouse event to the paint event, where the
pointer rested on the slider before, so that its previews are being drawn, and where it did not. *Exactness* compares
the local directions of several samples with those of 16 rounds: the smallest ratio of two singular values, and the
smallest cosine of the angle between a direction and the span of the eight exact ones.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.responsiveness import PATIENCE, Drag
from benchmarks.studio import Studio, machine, open_studio

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

PREVIEWS = 12
_EXACT_ROUNDS = 16
TARGETS = {
    "local directions p50": "<= 2000",
    "36 previews p50": "<= 400",
    "slider to image p95, dragging with previews": "<= 33",
}


def measure(studio: Studio, times: int = 8, seconds: float = 8) -> dict[str, float]:
    """Milliseconds, in a window that is ready."""
    page = studio.window.page("explore")
    explore, directions, previews = page.state, page.directions.state, page.previews.state
    found, drawn = [], []
    for seed in range(times):
        explore.new_sample(seed)
        studio.wait(lambda: explore.origin and explore.bits_per_dim is not None, PATIENCE, "a picture")
        began = time.perf_counter()
        directions.find()
        studio.wait(lambda: not directions.running, PATIENCE, "local directions")
        found.append(time.perf_counter() - began)
    for number in range(times):
        previews.want(range(PREVIEWS))
        studio.wait(lambda: all(previews.images(index)[1] for index in range(PREVIEWS)), PATIENCE, "previews")
        began = time.perf_counter()
        explore.set_coordinate(PREVIEWS + 1, 0.5 + 0.1 * number)
        studio.wait(lambda: all(previews.images(index)[1] for index in range(PREVIEWS)), PATIENCE, "previews")
        drawn.append(time.perf_counter() - began)
    figures = {
        "local directions p50": 1000 * float(np.median(found)),
        "local directions max": 1000 * max(found),
        "36 previews p50": 1000 * float(np.median(drawn)),
        "36 previews max": 1000 * max(drawn),
    }
    page.context.registry["explore.previews"].trigger()
    drag = Drag(studio)
    try:
        for number in range(max(1, round(seconds))):  # each begins while previews are drawn
            explore.set_coordinate(PREVIEWS + 1, 0.1 * number)
            studio.spin(0.1)
            drag.run(1.0)
        figures |= drag.figures("dragging with previews")
    finally:
        drag.close()
    page.context.registry["explore.previews"].trigger()
    return figures | measure_rest(studio, times)


def measure_rest(studio: Studio, times: int = 8) -> dict[str, float]:
    """Milliseconds to the first picture of a drag, after the pointer rested on the slider and after it did not."""
    drag = RestedDrag(studio)
    firsts: dict[str, list[float]] = {"a drag's first picture": [], "a drag's first picture, after a rest": []}
    try:
        for number in range(2 * times):
            name = list(firsts)[number % 2]
            drag.leave()
            if name.endswith("rest"):
                drag.rest()
            drag.latencies.clear()
            drag.run(0.5)
            firsts[name].append(1000 * drag.latencies[0])
        return {f"{name} p50": float(np.median(values)) for name, values in firsts.items()}
    finally:
        drag.close()


class RestedDrag(Drag):
    """Drags a direction's slider that the pointer has just rested on, while its previews are drawn."""

    def _find(self) -> "QWidget":
        sliders = self._page.panel.latents.panel.shown
        return sliders.rows[sliders.in_view()[0]].slider

    def leave(self) -> None:
        """Move the pointer away, for as long as a rest takes."""
        from PySide6.QtTest import QTest

        QTest.mouseMove(self._view)
        self._studio.spin(0.6)

    def rest(self) -> None:
        """Move the pointer to the slider, and wait until its previews were just asked for."""
        from PySide6.QtTest import QTest

        QTest.mouseMove(self._widget)
        self._studio.wait(lambda: self._page.previews.rested.index is not None, PATIENCE, "slider that is rested on")
        self._studio.spin(0.05)


def exactness(model: str, pictures: int) -> dict[str, float]:
    """Of the local directions of so many samples."""
    from nvp_studio.explore.local_directions import COUNT
    from nvp_studio.explore.model import open_model
    from nvp_studio.flow.engine.jacobian import leading

    opened = open_model(model)
    ratios, cosines = [], []
    for seed in range(pictures):
        z = opened.flow.latents(1, 0.8, seed)
        exact, found = (leading(opened.flow, z, COUNT, **more) for more in ({"rounds": _EXACT_ROUNDS}, {}))
        ratios.append(float((found.values / exact.values).min()))
        cosines.append(float((found.right @ exact.right.T).norm(dim=1).min()))
    return {"least ratio of a singular value": min(ratios), "least cosine to the exact span": min(cosines)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast directions and previews are, and how exact.")
    parser.add_argument("--model", default="", help="checkpoint file or run folder; without it the included model")
    parser.add_argument("--pictures", type=int, default=8, help="pictures that are measured")
    parser.add_argument("--seconds", type=float, default=8, help="length of the drag")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with open_studio([options.model] if options.model else []) as studio:
        studio.wait_ready(PATIENCE)
        studio.spin(4)  # the other pages are built and the model is compiled
        figures = measure(studio, options.pictures, options.seconds)
    figures |= exactness(options.model, options.pictures)
    result: dict[str, Any] = {"machine": machine(), "figures": figures}
    if options.json:
        print(json.dumps(result))
        return
    print(result["machine"])
    for name, value in figures.items():
        print(f"{name:<48}{value:10.3f}  {TARGETS.get(name, '')}")


if __name__ == "__main__":
    main()
