"""How many threads training wants: steps per second with 1, 2, ... threads, alone and beside busy processes.

    python -m benchmarks.threads --preset studio --rounds 5

Every measurement runs in a process of its own; the settings take turns, round by round, and medians are printed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import date

_STEPS = 8
_BUSY = "while True: pass"


def measure(preset: str, threads: int) -> float:
    """Steps per second of wall time, in this process."""
    import torch

    from nvp_studio.data.catalogue import load_data
    from nvp_studio.flow.config import preset_config
    from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
    from nvp_studio.training.batches import Batches
    from nvp_studio.training.config import TrainConfig, recommended
    from nvp_studio.training.train_state import TrainState

    torch.set_num_threads(threads)
    data = load_data("fashion-mnist")
    config = TrainConfig(steps=1, **recommended(preset))
    batches = Batches(data.train.images, config.batch_size, 0, device=torch.device("cpu"))
    flow = Flow(preset_config(preset, data.image_shape))
    flow.initialize(batches.take(0))
    state = TrainState(flow, config)
    started = 0.0
    for number in range(_STEPS + 2):
        if number == 2:
            started = time.perf_counter()
        state.flow.zero_grad(set_to_none=True)
        loss = bits_per_dim_from_log_prob(flow(batches.take(number)), flow.config.dimensions).mean()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it without types
        state.update(1e-4)
    return _STEPS / (time.perf_counter() - started)


def measured_beside(preset: str, threads: int, busy: int) -> float:
    """The same in a fresh process while `busy` others spin."""
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(busy)]
    try:
        command = [sys.executable, "-m", "benchmarks.threads", "--preset", preset, "--measure", str(threads)]
        return float(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="studio")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most-busy", type=int, default=2, help="most busy processes beside")
    parser.add_argument("--measure", type=int, help="only measure with so many threads and print the figure")
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.preset, arguments.measure)))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = sorted({1, max(1, cores // 2), max(1, cores - 1), cores})
    found: dict[tuple[int, int], list[float]] = {(t, b): [] for b in range(arguments.most_busy + 1) for t in counts}
    for _ in range(arguments.rounds):
        for threads, busy in found:
            found[threads, busy].append(measured_beside(arguments.preset, threads, busy))
    print(f"{platform.processor() or platform.machine()}, {cores} cores, {date.today()}, steps/s\n")
    print("| busy processes beside | " + " | ".join(f"{t} threads" for t in counts) + " |")
    print("|---:|" + "---:|" * len(counts))
    for busy in range(arguments.most_busy + 1):
        print(f"| {busy} | " + " | ".join(f"{statistics.median(found[t, busy]):.2f}" for t in counts) + " |")


if __name__ == "__main__":
    main()
