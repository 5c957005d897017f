"""How long *Train in one minute* takes in the real window, from the click to the end, and what the form said before.

    python -m benchmarks.one_minute [--data fashion-mnist] [--minutes 1] [--json]

The form is given the settings of *Train in one minute*; once its estimate is there, *Start training* is clicked with
the mouse. Then times are noted until the first step, the last step, and the end with all scores, and what the strip
said after a second of training. With a display it measures there, without one on Qt's offscreen platform.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.studio import machine, open_studio

PATIENCE = 120.0


def measure(data: str, minutes: float) -> dict[str, Any]:
    """Train once; times in seconds from the click."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from nvp_studio.training.runs import read_record
    from nvp_studio.views.pages.train.page import ONE_MINUTE, TrainPage

    with open_studio([]) as studio:
        studio.wait_ready(PATIENCE)
        studio.window.show_page("train")
        page = studio.window.page("train")
        assert isinstance(page, TrainPage)
        config = msgspec.structs.replace(ONE_MINUTE, data=data, minutes=minutes)
        page.form.show_config(config)
        studio.wait(lambda: page.estimator.estimate is not None, PATIENCE, "estimate")
        studio.spin(0.5)
        shown, estimate = page.estimate.text(), page.estimator.estimate
        assert estimate is not None
        expected = estimate.seconds(page.data_choice.train_images(config))
        QTest.mouseClick(page.start_button, Qt.MouseButton.LeftButton)
        clicked = time.perf_counter()
        live, times = studio.live, {}
        studio.wait(lambda: live.seconds_left is not None, PATIENCE, "first step")
        times["first step"] = time.perf_counter() - clicked
        studio.wait(lambda: live.history.last is not None and live.history.last.seconds > 1, PATIENCE, "step")
        left = live.seconds_left
        times["end, as the strip foretold it"] = (time.perf_counter() - clicked) + (left or 0.0)
        studio.wait(lambda: live.spent, 60 * minutes + PATIENCE, "end of training")
        times["training ended"] = time.perf_counter() - clicked
        studio.wait(lambda: not live.under_way, PATIENCE, "end of the run")
        times["finished"] = time.perf_counter() - clicked
        status = read_record(Path(live.folder)).status
        return {
            "machine": machine(),
            "phase": live.phase,
            "estimate": shown.replace("\n", "; "),
            "estimated seconds": expected,
            "times": times,
            "came / estimated": times["finished"] / expected if expected else None,
            "steps": status.step,
            "validation images": status.validation_images,
            "test images": status.test_images,
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How long Train in one minute takes.")
    parser.add_argument("--data", default="fashion-mnist", help="data set, as in the form")
    parser.add_argument("--minutes", type=float, default=1.0, help="budget of the run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    result = measure(options.data, options.minutes)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['machine']}\nThe form: {result['estimate']}\n")
    print(f"{'click':>32}    0.0 s")
    for name, seconds in result["times"].items():
        print(f"{name:>32}  {seconds:5.1f} s")
    ratio = result["came / estimated"]
    print(f"{'estimate in the form':>32}  {result['estimated seconds']:5.1f} s; came / estimated {ratio:.2f}")
    print(
        f"{result['phase']} after {result['steps']:,} steps; scored {result['validation images']:,} validation and "
        f"{result['test images']:,} test images"
    )


if __name__ == "__main__":
    main()
