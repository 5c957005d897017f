"""How long a run takes to save and end after a signal: `nvp-studio train` is started and sent SIGTERM or SIGINT.

    python -m benchmarks.stopping --presets studio quick --images 28x28x1 32x32x3 --times 5

Signals come at random moments after the first steps, of which some fall into validations. Told are the seconds until
the checkpoint is whole and until the process has ended, the median and the largest of all times.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nvp_studio.training.runs import open_run, read_metrics

FIRST_STEPS = 3
SPREAD_SECONDS = 20.0
"""Signals come so long after the first steps, at most."""


class Stop(NamedTuple):
    """Seconds from the signal to the checkpoint and to the end of the process, and what a step takes."""

    saved: float
    ended: float
    step: float


def stop(preset: str, data: Path, number: signal.Signals, runs: Path, seconds: float) -> Stop:
    """Train in a process of its own, and send it the signal `seconds` after its first steps."""
    run = runs / "run"
    command = [sys.executable, "-m", "nvp_studio", "train", "--preset", preset, "--data", str(data), "--minutes", "20"]
    command += ["--runs", str(runs), "--name", "run", "--device", "cpu", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while len(read_metrics(run)) < FIRST_STEPS:
        if process.poll() is not None:
            raise RuntimeError(process.communicate()[1])
        time.sleep(0.1)
    time.sleep(seconds)
    last = run / "checkpoints" / "last.safetensors"
    before, sent = last.stat().st_mtime_ns, time.monotonic()
    process.send_signal(number)
    while process.poll() is None and last.stat().st_mtime_ns == before:
        time.sleep(0.01)
    saved = time.monotonic() - sent
    _, said = process.communicate()
    ended = time.monotonic() - sent
    if open_run(run).state != "stopped":
        raise RuntimeError(f"the run did not stop: {said}")
    metrics = read_metrics(run)
    steps = [b.seconds - a.seconds for a, b in pairwise(metrics) if b.validation is None]
    return Stop(saved, ended, statistics.median(steps))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["studio", "quick"])
    parser.add_argument("--images", nargs="+", default=["28x28x1", "32x32x3"])
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    chance = random.Random(0)
    print(f"{os.cpu_count()} cores, one thread, {date.today()}\n")
    print("| preset | images | signal | step, s | saved, s (largest) | ended, s (largest) |")
    print("|---|---|---|---:|---:|---:|")
    for shape in arguments.images:
        height, width, channels = map(int, shape.split("x"))
        images = np.random.default_rng(0).integers(0, 256, (3000, height, width, channels), np.uint8)
        for preset in arguments.presets:
            for number in (signal.SIGTERM, signal.SIGINT):
                with tempfile.TemporaryDirectory() as folder:
                    data = Path(folder) / "random.npz"
                    np.savez(data, x_train=images[:2000], x_val=images[2000:])
                    found = [
                        stop(preset, data, number, Path(folder) / str(one), chance.uniform(0, SPREAD_SECONDS))
                        for one in range(arguments.times)
                    ]
                step = statistics.median(one.step for one in found)
                saved, ended = ([getattr(one, name) for one in found] for name in ("saved", "ended"))
                print(
                    f"| `{preset}` | {shape} | {number.name} | {step:.2f} "
                    f"| {statistics.median(saved):.2f} ({max(saved):.2f}) "
                    f"| {statistics.median(ended):.2f} ({max(ended):.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
