"""How fast Inspect answers: a picture to all of its layers on screen, and the slider from layer to layer.

    python -m benchmarks.inspect_page [--model FILE] [--pictures 10] [--json]

*Picture to layers* is the time from asking for a sample until its layers are shown; the processor time of the worker in
it is shared with whatever else the machine does. *Slider* is how many layers are shown and painted in a second.
"""

import argparse
import json
import statistics
import time

from benchmarks.studio import Studio, machine, open_studio

PATIENCE = 60.0


def measure(studio: Studio, pictures: int) -> dict[str, float]:
    """Milliseconds and layers per second."""
    from nvp_studio.views.pages.inspect.page import InspectPage

    studio.wait_ready()
    studio.window.show_page("inspect")
    page = studio.window.page("inspect")
    assert isinstance(page, InspectPage)
    times: list[float] = []
    for seed in range(pictures + 1):
        before = page.state.inspection
        began = time.perf_counter()
        page.state.show_sample(seed)
        while page.state.inspection is before:
            studio.app.processEvents()
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError("no layers of the picture")
        page.stage.picture.repaint()
        times.append(1000 * (time.perf_counter() - began))
    shown, began = 0, time.perf_counter()
    while time.perf_counter() - began < 2:
        page.slider.setValue(shown % (page.state.last + 1))
        studio.app.processEvents()
        shown += 1
    return {
        "picture to layers, first (ms)": times[0],
        "picture to layers, median (ms)": statistics.median(times[1:]),
        "slider (layers/s)": shown / (time.perf_counter() - began),
    }


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
        print(f"{name:32} {value:8.1f}")


if __name__ == "__main__":
    main()
