"""Measure preparing and scoring a folder of many images, and the memory of training on a set larger than a limit.

`python benchmarks/prepare_folder.py --images 20000 --side 64` makes as many JPEG files in a temporary folder, prepares
them, starts a second time, and trains for some seconds in a process that may not hold `--limit` megabytes of its own
(RLIMIT_DATA counts heap and private mappings; pages of a file that is mapped read-only belong to the file and go when
others need the room). Times are seconds on the clock and, in brackets, of the processor, which other programs do not
lengthen. Linux.

With `--against TREE`, another version of this repository, it compares the two instead: each prepares the files in a
process of its own, in alternating order, `--rounds` times, or with `--score` scores them by the included model. The
ratios are medians of those within a round, so that what else the machine does concerns both.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.image_files import list_images, read_headers
from nvp_studio.data.image_size import parse_size, width_and_height

CLASSES = 10


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=20_000)
    options.add_argument("--source", default="96", help="width and height of the files, such as 96 or 640x480")
    options.add_argument("--format", default="jpg", choices=("jpg", "png"))
    options.add_argument("--grey", action="store_true", help="files with one channel")
    options.add_argument("--side", type=int, default=64, help="side that they are brought to; 0 leaves them")
    options.add_argument("--limit", type=int, default=0, help="MB that the training process may hold; 0 for no limit")
    options.add_argument("--train-seconds", type=float, default=60, help="0 for no training")
    options.add_argument("--folder", type=Path, help="where the files are kept, and made if it is not there")
    options.add_argument("--against", type=Path, help="another version of this repository")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--score", action="store_true", help="compare scoring")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="prepare-folder-") as root:
        os.environ["NVP_STUDIO_CACHE"] = str(Path(root) / "cache")
        folder = chosen.folder or Path(root) / "photos"
        if not folder.exists():
            make_folder(folder, chosen.images, width_and_height(parse_size(chosen.source)), chosen.format, chosen.grey)
        if chosen.against is not None:
            compare(folder, chosen.side, chosen.against.resolve(), chosen.rounds, score=chosen.score)
            return
        seconds, spent, files = timed(lambda: list_images(folder))
        tell("listing the files", seconds, spent, len(files))
        tell("looking at their headers", *timed(lambda: read_headers(files))[:2], len(files))
        seconds, spent, data = timed(lambda: load_data(str(folder), image_size=chosen.side or None))
        tell("first start, all of it", seconds, spent, len(files))
        tell("second start", *timed(lambda: load_data(str(folder), image_size=chosen.side or None))[:2], len(files))
        size = sum(split.images.nbytes for split in data.splits)
        print(f"{'pixels on disk':<26} {size / 1e6:8.0f} MB; memory of this process {peak():.0f} MB at most")
        if chosen.train_seconds:
            train(folder, chosen.side, chosen.train_seconds, chosen.limit, Path(root))


def make_folder(folder: Path, count: int, size: tuple[int, int], kind: str, grey: bool) -> None:
    """Write `count` files of smooth random colours, (width, height) pixels large, in classes."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class-{label}").mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (8, 8) if grey else (8, 8, 3), np.uint8))
        path = folder / f"class-{number % CLASSES}" / f"{number:06}.{kind}"
        small.resize(size, Image.Resampling.BICUBIC).save(path, quality=90)


def compare(folder: Path, side: int, other: Path, rounds: int, *, score: bool) -> None:
    """Print the times of this version and of that in `other`, and the quotients."""
    here = Path(__file__).resolve().parent.parent
    command = ["score", str(folder), "--csv", os.devnull]
    if not score:
        command = ["data", "prepare", str(folder), "--json", *(["--image-size", str(side)] if side else [])]
    took: dict[Path, list[tuple[float, float]]] = {here: [], other: []}
    for number in range(rounds):
        for tree in (here, other) if number % 2 else (other, here):
            took[tree].append(command_times(tree, command))
    for place, what in enumerate(("on the clock", "of the processor")):
        ours, theirs = ([one[place] for one in took[tree]] for tree in (here, other))
        ratios = sorted(one / two for one, two in zip(ours, theirs, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        print(
            f"seconds {what:<16} {statistics.median(ours):8.2f} here {statistics.median(theirs):8.2f} there, "
            f"ratio {statistics.median(ratios):.2f} (quartiles {low:.2f} to {high:.2f})"
        )


def command_times(tree: Path, command: list[str]) -> tuple[float, float]:
    """The seconds on the clock and of the processor that a command of the version in `tree` takes, with its start."""
    with tempfile.TemporaryDirectory(prefix="prepare-folder-cache-") as cache:
        environment = {**os.environ, "NVP_STUDIO_CACHE": cache, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "nvp_studio", *command],
            cwd=tree,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(work):
    """Return the seconds on the clock, those of the processor, and the result of `work`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def tell(what: str, seconds: float, spent: float, count: int) -> None:
    rates = f"{count / seconds:8.0f} images/s ({count / max(spent, 1e-9):.0f} per processor second)"
    print(f"{what:<26} {seconds:8.2f} s ({spent:.2f} s) {rates}", flush=True)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(folder: Path, side: int, seconds: float, limit: int, root: Path) -> None:
    """Train in a process of its own, stopped by SIGTERM, and say what memory it took."""
    command = [sys.executable, "-m", "nvp_studio", "train", "--data", str(folder), "--image-size", str(side)]
    command += ["--preset", "quick", "--steps", "1000000", "--batch-size", "4", "--threads", "1", "--device", "cpu"]
    command += [
        "--memory",
        "constant",
        "--validation-images",
        "16",
        "--runs",
        str(root / "runs"),
        "--flow",
        "width=8",
        "--json",
    ]

    def restrain() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit * 2**20, limit * 2**20))

    process = subprocess.Popen(command, preexec_fn=restrain, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    most = [0.0, 0.0]
    watcher = threading.Thread(target=watch, args=(process, most))
    watcher.start()
    try:
        result, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        result, complaint = process.communicate()
    watcher.join()
    words = f"at most {most[0]:.0f} MB of its own and {most[1]:.0f} MB of files in memory"
    print(f"training: {words}" + (f", where {limit} MB of its own were allowed" if limit else ""))
    if process.returncode:
        print(complaint.decode()[-2000:])
    else:
        found = json.loads(result)
        print(f"  {found['phase']} after {found['step']} steps, {found['images']} images, {found['seconds']:.0f} s")


def watch(process: "subprocess.Popen[bytes]", own: list[float]) -> None:
    """Note the most anonymous and file memory of `process` while it lives, in MB."""
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            return
        for place, name in enumerate(("RssAnon:", "RssFile:")):
            found = next((line.split()[1] for line in lines if line.startswith(name)), "0")
            own[place] = max(own[place], int(found) / 1024)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
