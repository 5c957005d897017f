"""How training scales over processes of one machine: images a second, and how far the losses are from one process's.

    python -m benchmarks.scaling --processes 1 2 4 --preset quick --batch-size 64 --steps 20

Each number of processes trains the same run, started as torchrun starts it; the first steps are not timed. Images a
second depend on what else the machine does; the processor time of a step, over all processes, does so less, and shows
what dividing the work costs. With `--exchange` the processes only add up a vector of as many numbers as the preset has
parameters, as a step does.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_UNTIMED_STEPS = 3
_SHORT_STEPS = 2
_ROUNDS = 20
_TOLD = "sum of gradients: "


def main() -> None:
    """Measure and print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--exchange", action="store_true", help="time the addition of gradients alone")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        _exchange(options.preset)
    elif options.exchange:
        for count in options.processes:
            if count > 1:
                _launch(count, [*_myself(), "--rank", "--preset", options.preset])
    else:
        _compare(options)


def _compare(options: argparse.Namespace) -> None:
    print("processes  images/s  processor s/step  largest difference of the loss, bits/dim", flush=True)
    alone: list[dict[str, Any]] = []
    for count in options.processes:
        found, most = _run(options, count, options.steps)
        _, least = _run(options, count, _SHORT_STEPS)
        alone = alone or found
        far = max(abs(one["train"] - other["train"]) for one, other in zip(alone, found, strict=True))
        busy = (most - least) / (options.steps - _SHORT_STEPS)
        print(f"{count:9}  {_speed(found, options.batch_size):8.1f}  {busy:16.3f}  {far:.1e}", flush=True)


def _run(options: argparse.Namespace, count: int, steps: int) -> tuple[list[dict[str, Any]], float]:
    """Train so many steps on `count` processes: the metrics, and the processor seconds of all of them together."""
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder) / "images.npz")
        before = _processor_seconds()
        _launch(count, [*_train(options, folder), "--steps", str(steps)])
        lines = (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _train(options: argparse.Namespace, folder: str) -> list[str]:
    words = [
        "-m",
        "nvp_studio",
        "train",
        "--data",
        f"{folder}/images.npz",
        "--preset",
        options.preset,
        "--runs",
        folder,
    ]
    words += ["--name", "run", "--warmup-steps", "200", "--schedule", "constant"]
    words += ["--batch-size", str(options.batch_size), "--validation-images", "16", "--checkpoint-minutes", "1000"]
    return [*words, "--learning-rate", "1e-4", "--device", "cpu", "--threads", "1"]


def _write_images(path: Path) -> None:
    """A part of Fashion-MNIST, so that the validation that ends a run takes no time worth mentioning."""
    import numpy as np

    from nvp_studio.data import load_data

    images = load_data("fashion-mnist").train.images
    np.savez(path, x_train=images[:2048], x_val=images[2048:2064], x_test=images[2064:2080])


def _speed(metrics: list[dict[str, Any]], batch_size: int) -> float:
    """Images a second over the steps after the untimed ones and before the last, which ends with a validation."""
    seconds = [one["seconds"] for one in metrics[_UNTIMED_STEPS:-1]]
    return batch_size * (len(seconds) - 1) / (seconds[-1] - seconds[0])


def _exchange(preset: str) -> None:
    """On a rank: the median time of adding up a vector of the preset's parameters."""
    import torch

    from nvp_studio.flow.config import preset_config
    from nvp_studio.flow.flow import Flow
    from nvp_studio.ranks import launched_ranks

    with launched_ranks() as ranks:
        flow = Flow(preset_config(preset, (1, 28, 28)))
        vector = torch.ones(sum(parameter.numel() for parameter in flow.parameters()))
        times = []
        for _ in range(_ROUNDS):
            ranks.all_reduce_max(0.0)  # the others may be late
            began = time.perf_counter()
            ranks.all_reduce(vector)
            times.append(time.perf_counter() - began)
        if ranks.first:
            size = vector.numel() * vector.element_size() / 2**20
            print(
                f"{_TOLD}{ranks.world} processes, {preset}: {size:.1f} MiB in {1000 * statistics.median(times):.1f} ms"
            )


def _myself() -> list[str]:
    return ["-m", "benchmarks.scaling"]


def _launch(count: int, words: list[str]) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", *words]
    ended = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(ended.stderr)
    print("".join(line + "\n" for line in ended.stdout.splitlines() if line.startswith(_TOLD)), end="", flush=True)


if __name__ == "__main__":
    main()
