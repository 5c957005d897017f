"""How long Explore's neighbours and map take, and whether a slider waits for them.

python -m benchmarks.known_images                 # the included model that opens first
python -m benchmarks.known_images --model fashion-mnist
"""

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, cast

from benchmarks.studio import Studio, machine, open_studio

if TYPE_CHECKING:
    from nvp_studio.views.pages.explore.page import ExplorePage

MOVES = 60
SECONDS = 15
FRAMES = 20


def drag(studio: Studio) -> str:
    """Milliseconds from a slider's value to its picture: median and the 95th percentile."""
    explore, times = studio.explore, []
    explore.begin_gesture()
    for move in range(MOVES):
        began = time.perf_counter()
        explore.set_coordinate(0, explore.origin[0] + 0.02 * (move + 1))
        wanted = explore.recipe
        while explore.picture_recipe != wanted:
            studio.app.processEvents()
        times.append(1000 * (time.perf_counter() - began))
        studio.spin(0.02)
    explore.end_gesture("drag")
    times.sort()
    return f"median {statistics.median(times):.0f} ms, 95 % within {times[int(0.95 * len(times))]:.0f} ms"


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, open_studio() as studio:
        os.environ["NVP_STUDIO_CACHE"] = cache
        studio.wait_ready()
        print(machine())
        if options.model:
            studio.engine.open_model(options.model)
            studio.wait(lambda: not studio.engine.opening and studio.explore.origin, 60, "model")
        studio.window.resize(1280, 800)
        studio.spin(20)  # until the model is compiled
        page = cast("ExplorePage", studio.window.page("explore"))
        print(f"slider, nothing else asked for: {drag(studio)}")
        state = page.neighbours.state
        page.context.registry["explore.neighbours"].trigger()
        took = studio.wait(lambda: state.found is not None and not state.running, 120, "neighbours")
        assert state.found is not None
        total = state.found.total
        print(f"neighbours in pixels, of {total} images, the first time: {took:.2f} s")
        state.find()
        took = studio.wait(lambda: not state.running, 120, "neighbours")
        print(f"neighbours in pixels, of another picture: {took:.2f} s")
        state.choose("", "z")
        studio.wait(lambda: state.progress is not None and state.progress.work == "encoding", 60, "encoding")
        done, began = state.progress.done if state.progress else 0, time.perf_counter()
        studio.spin(SECONDS)
        speed = ((state.progress.done if state.progress else 0) - done) / (time.perf_counter() - began)
        print(f"latents: {speed:.0f} images/s, all of them in {total / max(speed, 1e-9):.0f} s")
        print(f"slider, while images are encoded: {drag(studio)}")
        state.stop()
        page.context.registry["explore.neighbours"].trigger()
        page.context.registry["explore.map"].trigger()
        dialog = page.map.dialog
        assert dialog is not None
        studio.wait(lambda: not dialog.state.running, 120, "map")
        dialog.resize(1900, 1040)
        dialog.count.setCurrentIndex(dialog.count.count() - 1)
        began = time.perf_counter()
        dialog.count.activated.emit(dialog.count.count() - 1)
        studio.wait(lambda: dialog.state.made is not None, 120, "map")
        print(f"map of {len(dialog.view.places)} images by pixels: {time.perf_counter() - began:.1f} s")
        for zoom in (1, 2, 4):
            began = time.perf_counter()
            for _ in range(FRAMES):
                dialog.view.viewport().repaint()
            took = 1000 * (time.perf_counter() - began) / FRAMES
            print(f"painted at zoom {zoom}: {took:.0f} ms")
            dialog.view.zoom(2)
        dialog.close()


if __name__ == "__main__":
    main()
