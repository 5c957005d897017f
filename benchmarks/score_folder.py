"""Measure scoring a folder of many image files with verdicts: images per second, and memory as the scoring goes on.

`python -m benchmarks.score_folder` writes 100 000 PNG files of 28x28 pixels in a temporary folder, scores them with the
included Fashion-MNIST model by the command line, and prints the highest memory up to 1, 10, 25, 50, 75 and 100 % of the
files: that of the process that scores, and that of the processes that decode, together. `--images 2000 --side 1000`
takes fewer and larger files. The model's reference is made before the time is taken. Times are seconds on the clock
and, in brackets, of the processor, decoding processes included, which other programs do not lengthen. Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

PARTS = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
KINDS = 200
"""Different images; the rest are copies with one pixel changed."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=100_000)
    options.add_argument("--side", type=int, default=28)
    options.add_argument("--model", default="fashion-mnist")
    options.add_argument("--reference", default="", help="'none' for no verdicts")
    chosen = options.parse_args()
    words = ["--model", chosen.model]
    if not chosen.reference:
        subprocess.run([sys.executable, "-m", "nvp_studio", "reference", *words], check=True, stderr=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="score-folder-") as root:
        folder, table = Path(root) / "images", Path(root) / "scores.csv"
        make_folder(folder, chosen.images, chosen.side)
        words += ["--reference", chosen.reference] if chosen.reference else []
        command = [sys.executable, "-m", "nvp_studio", "score", str(folder), *words, "--csv", str(table), "--resume"]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        watch(process, table, chosen.images, began)
        print(process.communicate()[1].strip().splitlines()[0])


def make_folder(folder: Path, count: int, side: int) -> None:
    """Write `count` grey PNG files, `side` pixels a side, in folders of a thousand."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(min(KINDS, count, max(8, 20_000_000 // side**2))):
        small = Image.fromarray(rng.integers(0, 256, (7, 7), np.uint8))
        kinds.append(np.array(small.resize((side, side), Image.Resampling.BICUBIC)))
    for number in range(count):
        if number % 1000 == 0:
            (folder / f"part-{number // 1000:03}").mkdir(parents=True)
        pixels = kinds[number % len(kinds)].copy()
        pixels[rng.integers(side), rng.integers(side)] ^= 1
        path = folder / f"part-{number // 1000:03}" / f"{number:06}.png"
        Image.fromarray(pixels).save(path, compress_level=1)


def watch(process: "subprocess.Popen[str]", table: Path, images: int, began: float) -> None:
    """Print what is measured when each of `PARTS` of the rows is there, while `process` writes them to `table`."""
    rows, left, first = -1, list(PARTS), 0.0  # the heading is no row
    most = {"scoring": 0, "decoding": 0}
    file = None
    while left:
        ended = process.poll() is not None
        if not ended:
            sizes = {"scoring": held(process.pid), "decoding": sum(map(held, children(process.pid)))}
            most = {name: max(most[name], size) for name, size in sizes.items()}
            spent = processor_seconds(process.pid)
        if file is None and table.exists():
            file = open(table, "rb")  # noqa: SIM115 - closed with the process
        rows += file.read().count(b"\n") if file else 0
        if rows > 0 and not first:
            first = time.perf_counter()
            print(f"the first rows after {first - began:.1f} s")
        while left and rows >= left[0] * images:
            part = left.pop(0)
            seconds = time.perf_counter() - began
            print(
                f"{part:4.0%}: {rows} rows, {seconds:.1f} s ({spent:.1f} s), {rows / seconds:.0f} images/s "
                f"({rows / max(spent, 0.01):.0f} per processor second), peak memory "
                f"{most['scoring'] / 1024:.0f} MB scoring, {most['decoding'] / 1024:.0f} MB decoding",
                flush=True,
            )
        if ended:
            break
        time.sleep(0.02)


def status(pid: int, name: str) -> int:
    """A number of /proc/PID/status; 0 where the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def held(pid: int) -> int:
    """Resident memory of a process in KiB."""
    return status(pid, "VmRSS")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def processor_seconds(pid: int) -> float:
    """Processor time of a process and of those that it has started."""
    ticks = 0
    for one in (pid, *children(pid)):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
