"""How much following a run on Explore slows its training down.

    python -m benchmarks.following [--preset studio] [--seconds 330] [--json]

One run is trained in the window, and is followed and not followed in turn. A part that is followed goes from one
opening of new weights to the next, so it holds all that an opening costs, and the wait that follows from its cost; the
part that is not followed after it lasts as long. The speed of a part is its whole steps divided by the time of the
run's clock that they took. *Slowed* is one minus the speed of a part that is followed divided by the mean speed of the
parts before and after it: the median over all, and the lowest and highest.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.studio import Studio, machine, open_studio

if TYPE_CHECKING:
    from nvp_studio.training.config import TrainConfig

PATIENCE = 300.0
TARGETS = {"slowed, median": "<= 3 %"}


def training(preset: str) -> "TrainConfig":
    """A run without validations, which would fall into some parts and not into others."""
    from nvp_studio.training.config import TrainConfig

    return TrainConfig(minutes=600.0, preset=preset, device="cpu", validation_every=10**9)


def measure(studio: Studio, seconds: float) -> dict[str, float]:
    """Percent of the speed of a run that is trained in the window already; at least two parts of each kind."""
    follow, live = studio.window.registry["explore.follow"], studio.live
    tool = studio.window.page("explore").follow  # type: ignore[attr-defined]

    def spin(length: float) -> float:
        """Steps a second of the run's clock from its present step to the last one of the part."""
        first = live.history.last
        studio.spin(length)
        last = live.history.last
        return float((last.step - first.step) / (last.seconds - first.seconds))

    def wait_opened() -> float:
        step = tool.state.step
        return studio.wait(lambda: tool.state.step not in (None, step), PATIENCE, "new weights of the run")

    def followed() -> tuple[float, float]:
        """(steps a second, length) of the time from one opening to the next."""
        follow.trigger()
        wait_opened()
        first = live.history.last
        length = wait_opened()
        last = live.history.last
        follow.trigger()
        return float((last.step - first.step) / (last.seconds - first.seconds)), length

    began = time.perf_counter()
    studio.spin(10)  # both processes are past their first steps
    lengths, slowed, speeds = [], [], [spin(seconds / 10)]
    while len(slowed) < 2 or time.perf_counter() - began + 2 * lengths[-1] < seconds:
        speed, length = followed()
        studio.spin(2)
        lengths.append(length)
        speeds.append(spin(length))
        slowed.append(100 * (1 - speed / np.mean(speeds[-2:])))
    return {
        "slowed, median": float(np.median(slowed)),
        "slowed, lowest": min(slowed),
        "slowed, highest": max(slowed),
        "parts": float(len(slowed)),
        "steps a second, not followed": float(np.median(speeds)),
        "seconds from one opening to the next": float(np.median(lengths)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How much following a run slows it down.")
    parser.add_argument("--preset", default="studio", help="of the run")
    parser.add_argument("--seconds", type=float, default=330, help="about how long to measure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with open_studio() as studio:
        studio.wait_ready(PATIENCE)
        studio.window.show_page("explore")
        studio.train(training(options.preset))
        result: dict[str, Any] = {"machine": machine(), "figures": measure(studio, options.seconds)}
        studio.live.stop()
        studio.wait(lambda: not studio.live.under_way, PATIENCE, "end of the run")
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['machine']}\n\n| figure | value | target |\n|---|---:|---|")
    for name, value in result["figures"].items():
        print(f"| {name} | {value:.1f} | {TARGETS.get(name, '')} |")


if __name__ == "__main__":
    main()
