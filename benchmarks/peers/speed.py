"""Speed and memory of training, scoring and decoding, all models in one interleaved run.

Processor time of one thread. In each round every model does each piece of work once, in alternating order; told are
medians over the rounds, and as ratio the median of a round's time by NVP Studio's in the same round. A training step
is what `benchmarks.peers.learning` does, with batches of 64 for all; scoring and decoding are of the model ready to use
(NVP Studio's after its `compile`), of images brought to latents. Memory is that of a process of its own, which trains
three steps: the most it held beyond what it had before the model was built.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import throughput
from benchmarks.memory import MIB, _peak_of_process
from benchmarks.peers.learners import Images, Learner, PeerLearner, in_order, learner
from benchmarks.peers.models import PEERS, STUDIO
from benchmarks.throughput import WARM_UP_STEPS, Side
from nvp_studio.flow.dequantization import unit_from_images

BATCH = 64
TRAINING, LIKELIHOOD, DECODE_ONE, DECODE_MANY = "training", "likelihood", "decode 1", f"decode {BATCH}"
IMAGES = {TRAINING: BATCH, LIKELIHOOD: BATCH, DECODE_ONE: 1, DECODE_MANY: BATCH}
CALLS = {DECODE_ONE: 5}
Work = dict[str, Callable[[], object]]


def work_of(ours: Learner, images: Images) -> Work:
    """What is timed of a model, after three steps of training."""
    for _ in range(3):
        ours.step(0.0)
    model = ours.model()
    x = in_order(unit_from_images(torch.from_numpy(images[:BATCH].copy()), 0.5))
    with torch.no_grad():
        z = model.encode(x)[0]
    return {
        TRAINING: lambda: ours.step(0.0),
        LIKELIHOOD: torch.no_grad()(lambda: model.log_prob(x)),
        DECODE_ONE: torch.no_grad()(lambda: model.decode(z[:1])),
        DECODE_MANY: torch.no_grad()(lambda: model.decode(z)),
    }


def measure(names: list[str], images: Images, data: str, rounds: int) -> list[dict[str, Any]]:
    """A row of results for each of `names`."""
    torch.set_num_threads(1)
    learners = {name: learner(name, images, None, BATCH, BATCH) for name in names}
    works = {name: work_of(ours, images) for name, ours in learners.items()}
    seconds: dict[tuple[str, str], list[float]] = {(name, what): [] for name in names for what in IMAGES}
    for number in range(rounds + 1):
        for what in IMAGES:
            for name in names if number % 2 else reversed(names):
                calls, began = CALLS.get(what, 1), time.process_time()
                for _ in range(calls):
                    works[name][what]()
                if number:  # the first round warms caches up
                    seconds[name, what].append((time.process_time() - began) / calls)
    rows = []
    for name in names:
        row: dict[str, Any] = {"measure": "speed", "model": name, "data": data, "rounds": rounds}
        row["parameters"] = learners[name].parameters
        for what in IMAGES:
            own = seconds[name, what]
            row[what] = statistics.median(own)
            if STUDIO in names:
                pairs = zip(own, seconds[STUDIO, what], strict=True)
                row[f"{what}, ratio"] = statistics.median(theirs / ours for theirs, ours in pairs)
        rows.append(row)
    return rows


def peer_side(name: str, images: Tensor, seed: int = 0) -> Side:
    """A library's model for `benchmarks.throughput.compare`: on the device of images (N, C, H, W), which it learns."""
    array = np.random.default_rng(seed).integers(0, 256, (BATCH, *images.permute(0, 2, 3, 1).shape[1:]), np.uint8)
    ours = PeerLearner(PEERS[name], array, None, len(images), str(images.device))
    for _ in range(WARM_UP_STEPS):
        ours.update(images)
    model = ours.model()
    with torch.no_grad():
        z = model.encode(images[:1])[0]
    work: Work = {
        throughput.TRAINING: lambda: ours.update(images),
        throughput.LIKELIHOOD: torch.no_grad()(lambda: model.log_prob(images)),
        throughput.DECODE: torch.no_grad()(lambda: model.decode(z)),
    }
    return Side(name, work, ours.parameters, tensor_float=True)


def memory_in_a_process(name: str, shape: tuple[int, ...]) -> float:
    """MiB that a model and three training steps on images (H, W, C) add to a process of their own."""
    command = [sys.executable, "-m", "benchmarks.peers", "memory", name, "--shape", *map(str, shape)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, check=True, text=True
    )
    mib: float = json.loads(done.stdout.splitlines()[-1])
    return mib


def memory(options: argparse.Namespace) -> None:
    """Print the MiB that a model and three training steps take, as the only thing that this process does."""
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (2 * BATCH, *options.shape), np.uint8)
    warm_up = torch.nn.Conv2d(1, 1, 3)  # what torch itself loads at its first steps
    warm_up(torch.zeros(1, 1, 8, 8)).sum().backward()
    before = _peak()
    ours = learner(options.model, images, None, BATCH, BATCH)
    for _ in range(3):
        ours.step(0.0)
    print(json.dumps((_peak() - before) / MIB))


def _peak() -> int:
    """Most bytes that this process held; Linux counts those of the process that started it in what Python asks."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    except (OSError, StopIteration):
        return _peak_of_process()
