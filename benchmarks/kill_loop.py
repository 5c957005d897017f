"""Kills the window's workers with SIGKILL at random moments and looks at what is lost.

    python -m benchmarks.kill_loop [--kills 20] [--seed 0] [--model FILE] [--json]

Explorer and trainer are killed in turn while sliders move and a run trains; every fourth time a worker is killed once
more while it is still coming back. After each: seconds until the window says so in a notice, seconds until the picture
on Explore (or the run's next step) is back, and whether every checkpoint of the run is whole. Where the window asks
whether to go on, as it does after repeated crashes, the benchmark answers yes.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studio import Studio, machine, open_studio

SAID_SECONDS = 10.0
RESTORED_SECONDS = 180.0


class KillLoop:
    """The window under attack, and the tally."""

    def __init__(self, studio: Studio, chance: random.Random) -> None:
        from PySide6.QtCore import QTimer

        self._studio = studio
        self._chance = chance
        self._step = 0
        self.clicks = 0
        self.kills: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self.unrestored: list[str] = []
        studio.engine.trainer.run_event.connect(self._on_message)
        self._mover = QTimer()
        self._mover.timeout.connect(self._move_a_slider)
        self._mover.start(30)

    def start(self) -> None:
        """Begin with a run that trains and saves often."""
        from nvp_studio.training.config import TrainConfig

        config = TrainConfig(minutes=60.0, preset="quick", device="cpu", checkpoint_minutes=0.05, validation_images=100)
        self._studio.train(config, "kill-loop")

    def kill(self, role: str, again: bool) -> None:
        """Kill a worker, perhaps once more while it comes back, and wait until all is well."""
        client = getattr(self._studio.engine, role)
        before, step = self._studio.window.notifications.shown, self._step
        kill = {"role": role, "state": client.state, "pid": client.pid}
        os.kill(client.pid, signal.SIGKILL)
        killed = time.perf_counter()
        self.kills.append(kill)
        self._studio.wait(lambda: self._said(before), SAID_SECONDS, f"word about the {role}")
        kill["said"] = time.perf_counter() - killed
        if again:
            self._studio.spin(self._chance.uniform(0, 3))
            if client.pid:
                os.kill(client.pid, signal.SIGKILL)
                kill["again"] = True
                self._studio.spin(0.2)
        if role == "explorer":
            self._wait_for_picture()
        else:
            self._wait_for_step()
            kill["steps_lost"] = max(0, step - self._step)
        kill["restored"] = time.perf_counter() - killed
        self._check_checkpoints()

    def _said(self, before: list[Any]) -> bool:
        return any(all(notice is not old for old in before) for notice in self._studio.window.notifications.shown)

    def _wait_for_picture(self) -> None:
        """Until the explorer answers again with the picture that was asked for last."""
        arrived: list[object] = []
        state, client = self._studio.explore, self._studio.engine.explorer
        state.picture_changed.connect(arrived.append)
        try:
            began = time.perf_counter()
            while not arrived:
                if time.perf_counter() - began > RESTORED_SECONDS:
                    raise TimeoutError("the picture did not come back")
                if client.state == "failed":  # the notice has a button
                    self.clicks += 1
                    client.restart()
                self._studio.spin(0.01)
        finally:
            state.picture_changed.disconnect(arrived.append)

    def _wait_for_step(self) -> None:
        """Until the run takes steps again; resumed by a click where the window asks for one."""
        live, client = self._studio.live, self._studio.engine.trainer
        began, self._step = time.perf_counter(), -1
        while self._step < 0:
            if time.perf_counter() - began > RESTORED_SECONDS:
                raise TimeoutError(f"the run did not go on: {live.phase}, {live.reason}")
            if client.state == "failed":
                self.clicks += 1
                client.restart()
            elif live.resumable:
                self.clicks += 1
                live.resume(live.folder)
            self._studio.spin(0.01)

    def _check_checkpoints(self) -> None:
        """Every checkpoint file is read and verified, in another process."""
        folder = Path(self._studio.live.folder)
        files = sorted((folder / "checkpoints").glob("*.safetensors"))
        if not files:
            self.broken.append(f"{folder}: no checkpoint")
        for file in files:
            code = "import sys; from nvp_studio.checkpoints import read_checkpoint; read_checkpoint(sys.argv[1])"
            ended = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)
            if ended.returncode:
                self.broken.append(f"{file.name}: {ended.stderr.strip().splitlines()[-1]}")

    def _move_a_slider(self) -> None:
        state = self._studio.explore
        if state.origin:
            state.set_coordinate(self._chance.randrange(len(state.origin)), self._chance.uniform(-2, 2))

    def _on_message(self, message: object) -> None:
        from nvp_studio.training.events import StepMetrics

        if isinstance(message, StepMetrics):
            self._step = message.step


def attack(model: str, kills: int, seed: int) -> dict[str, Any]:
    """Open the window, kill workers, close it; runs in a process of its own, so that a lost window is noticed."""
    chance = random.Random(seed)
    with open_studio([model] if model else []) as studio:
        studio.wait_ready()
        loop = KillLoop(studio, chance)
        loop.start()
        for number in range(kills):
            studio.spin(chance.uniform(0.2, 6))
            try:
                loop.kill(("explorer", "trainer")[number % 2], again=number % 8 in (6, 7))
            except TimeoutError as error:
                loop.unrestored.append(str(error))
                break
        visible = studio.window.isVisible()
        quitting = studio.close()
    return {
        "machine": machine(),
        "kills": loop.kills,
        "broken_checkpoints": loop.broken,
        "clicks": loop.clicks,
        "unrestored": loop.unrestored,
        "window_visible": visible,
        "quit_seconds": quitting,
    }


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of a whole attack."""
    kills = result["kills"]

    def longest(key: str, role: str) -> float:
        return float(np.max([kill[key] for kill in kills if kill["role"] == role and key in kill] or [0]))

    return {
        "kills": len(kills) + sum(kill.get("again", False) for kill in kills),
        "windows lost": int(not result["window_visible"]),
        "checkpoints lost": len(result["broken_checkpoints"]),
        "not said or not restored": "; ".join(result["unrestored"]) or 0,
        "clicks asked for": result["clicks"],
        "most steps lost": max([kill.get("steps_lost", 0) for kill in kills] or [0]),
        "longest until said, explorer (s)": round(longest("said", "explorer"), 2),
        "longest until said, trainer (s)": round(longest("said", "trainer"), 2),
        "longest until the picture was back (s)": round(longest("restored", "explorer"), 1),
        "longest until the run went on (s)": round(longest("restored", "trainer"), 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Attack, print the figures; ends with 1 when anything was lost."""
    parser = argparse.ArgumentParser(description="Kill the workers and see what is lost.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="", help="checkpoint file or run folder; without it the included model")
    parser.add_argument("--json", action="store_true", help="print every kill as JSON")
    parser.add_argument("--window", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if options.window:
        print(json.dumps(attack(options.model, options.kills, options.seed)))
        return
    words = ["--window", "--kills", str(options.kills), "--seed", str(options.seed), "--model", options.model]
    window = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill_loop", *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if window.returncode:
        sys.exit(f"the window was lost: it ended with {window.returncode}")
    result = json.loads(window.stdout.splitlines()[-1])
    figures = summary(result)
    if options.json:
        print(json.dumps({**result, "summary": figures}, indent=1))
    else:
        print(f"{result['machine']}\n")
        for name, value in figures.items():
            print(f"{name:<42} {value}")
    lost = figures["windows lost"] + figures["checkpoints lost"] + len(result["unrestored"])
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
