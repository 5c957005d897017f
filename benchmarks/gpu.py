"""All that only a GPU can say, in one call that keeps to a given time and goes on where an earlier one stopped.

    python -m benchmarks.gpu --minutes 10                     # on CUDA
    python -m benchmarks.gpu --minutes 10 --run-minutes 60    # one run of an hour, over several calls
    python -m benchmarks.gpu --minutes 1 --device cpu         # a small version, which shows that all of it works

In turn: the tests that need CUDA (if pytest is installed); training, likelihoods and decoding by the engine and by the
plain program (`benchmarks.throughput`), and by the libraries of `benchmarks.peers` that are installed; memory of a
training step by batch; decoding of one image by a CUDA graph; and for the time that is left a run on CIFAR-10, or on
Fashion-MNIST where CIFAR-10 is not downloaded. Each part is stored in FOLDER/gpu.json as soon as it is done and is not
measured again by a later call, which goes on with the run. The page FOLDER/gpu.md is written from it.

It needs torch from 2.6 on, numpy, pillow, filelock, msgspec and platformdirs; neither Qt nor the command line.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.memory import MIB, _peak_of_process
from benchmarks.peers.models import PEERS
from benchmarks.throughput import DECODE, Side, compare, engine_side, plain_side
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.device import choose_device
from nvp_studio.files import write_whole
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.memory import is_out_of_memory
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.control import Control
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_record
from nvp_studio.training.start import start_run
from nvp_studio.training.train_state import TrainState

TESTS = (
    "test_device.py",
    "training/test_precision.py",
    "training/test_batches.py",
    "training/test_determinism.py",
)
"""Files with tests that need CUDA."""
_PART_FOR_SCORES = 0.15
"""Of the time of a run, what its last scores and files may take after its training."""


@dataclass(frozen=True)
class Size:
    """How much is measured, by the kind of device."""

    preset: str
    """Of what is measured in detail."""
    run_preset: str
    batch: int
    rounds: int
    batches: tuple[int, ...]
    """Sizes of batches whose memory is measured."""
    decodings: int


SIZES = {
    "cuda": Size("studio", "large", 128, 9, (16, 64, 256, 1024), 100),
    "cpu": Size("quick", "quick", 4, 1, (2, 4), 3),
}


class Bench:
    """The results so far in `folder`, and the parts that are still to be measured."""

    def __init__(self, folder: Path, device: torch.device, data: str, shape: tuple[int, int, int]) -> None:
        self.folder, self.device, self.data, self.shape = folder, device, data, shape
        self.size = SIZES["cuda" if device.type == "cuda" else "cpu"]
        self._path = folder / "gpu.json"
        self.results: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def measure(self, name: str, part: Callable[[], Any], *, again: bool = False) -> None:
        """Add the result of `part`, unless an earlier call did; an error becomes the result and is tried again."""
        if not again and "error" not in self.results.get(name, {"error": ""}):
            return
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            result = part()
        except Exception as error:  # one part that fails must not cost the others
            result = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        self.results |= {"machine": _machine(self.device), "date": str(date.today()), name: result}
        self.results.setdefault("seconds", {})[name] = round(time.monotonic() - began, 1)
        write_whole(self._path, json.dumps(self.results, indent=2).encode())
        write_whole(self.folder / "gpu.md", page(self.results).encode())

    def tests(self) -> dict[str, Any]:
        """Run the tests that need CUDA, without the plugins and the configuration that the window's tests need."""
        if importlib.util.find_spec("pytest") is None:
            return {"outcome": "pytest is not installed"}
        root = Path(__file__).resolve().parents[1]
        files = [str(root / "tests" / name) for name in TESTS]
        empty = self.folder.absolute() / "pytest.ini"
        empty.write_text("[pytest]\n")
        settings = ["-c", str(empty), f"--rootdir={root}", f"--confcutdir={root / 'tests' / 'training'}"]
        settings += ["-q", "-p", "no:cacheprovider", "-W", "ignore", "-k", "cuda or gpu"]
        command = [sys.executable, "-m", "pytest", *settings, *files]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
        if done.returncode not in (0, 1):  # neither passed nor failed
            raise RuntimeError(lines[-1])
        return {"outcome": lines[-1], "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))]}

    def throughput(self) -> dict[str, Any]:
        """The engine against the plain program."""
        return self._compared(plain_side)

    def peer(self, name: str) -> dict[str, Any]:
        """The engine against a model of another library."""
        from benchmarks.peers.speed import peer_side

        return self._compared(lambda config, images, z: peer_side(name, images)) | {"peer": name}

    def _compared(self, other: Callable[[FlowConfig, Tensor, Tensor], Side]) -> dict[str, Any]:
        config = preset_config(self.size.preset, self.shape)
        torch.manual_seed(0)
        images = torch.rand(self.size.batch, *self.shape, device=self.device)
        z = torch.randn(1, config.dimensions, device=self.device)
        engine, plain = engine_side(config, images, z), other(config, images, z)
        found = compare(engine, plain, self.size.rounds, self.size.batch, self.device)
        return {
            "preset": self.size.preset,
            "batch": self.size.batch,
            "engine": engine.name,
            "comparisons": [asdict(one) for one in found],
        }

    def memory(self) -> dict[str, Any]:
        """Peak memory and speed of training steps by size of batch, up to the first that does not fit."""
        config = preset_config(self.size.run_preset, self.shape)
        rows: list[dict[str, Any]] = []
        for memory in ("fast", "constant"):
            for batch in self.size.batches:
                try:
                    rows.append({"memory": memory, "batch": batch} | self._steps(Flow(config), batch, memory))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    rows.append({"memory": memory, "batch": batch, "mib": None, "images_per_second": None})
                    break
        return {"preset": self.size.run_preset, "rows": rows}

    def _steps(self, flow: Flow, batch: int, memory: Any) -> dict[str, float]:
        flow = flow.to(self.device)
        x = torch.rand(batch, *self.shape, device=self.device)
        flow.initialize(x)
        state = TrainState(flow, TrainConfig(steps=1, memory=memory))
        cuda, seconds = self.device.type == "cuda", []
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        for _ in range(3):
            began = time.perf_counter()
            flow.zero_grad(set_to_none=True)
            (-flow(x).mean() / flow.config.dimensions).backward()
            state.update(1e-4)
            self._synchronize()
            seconds.append(time.perf_counter() - began)
        peak = torch.cuda.max_memory_allocated(self.device) if cuda else _peak_of_process()
        return {"mib": peak / MIB, "images_per_second": batch / min(seconds)}

    def graph(self) -> dict[str, Any]:
        """Milliseconds to decode one image: as it is called, and as a CUDA graph that is replayed."""
        flow = Flow(preset_config(self.size.preset, self.shape)).to(self.device)
        flow.initialize(torch.rand(8, *self.shape, device=self.device))
        inference = Inference(flow)
        z = torch.randn(1, flow.config.dimensions, device=self.device, dtype=inference.latent_dtype)

        def decode(z: Tensor) -> Tensor:
            return inference.preprocessing.inverse(inference.body.inverse(z)).to(inference.dtype)

        with torch.no_grad():
            result: dict[str, Any] = {"preset": self.size.preset, "eager_ms": self._milliseconds(lambda: decode(z))}
            if self.device.type != "cuda":
                return result | {"graph_ms": None, "difference": None}
            replay = cuda_graph(decode, z)
            other = torch.randn_like(z)
            difference = (replay(other) - decode(other)).abs().max().item()
            return result | {"graph_ms": self._milliseconds(lambda: replay(z)), "difference": difference}

    def _milliseconds(self, work: Callable[[], object]) -> float:
        """Median time of a call after which the host waits for the device, as for a picture that is shown."""
        seconds = []
        for _ in range(self.size.decodings + 2):
            began = time.perf_counter()
            work()
            self._synchronize()
            seconds.append(time.perf_counter() - began)
        return 1000 * statistics.median(seconds[2:])

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def run(self, deadline: float, whole_minutes: float | None) -> dict[str, Any]:
        """Train until `deadline` (of `time.monotonic`), or go on with the run of an earlier call.

        The schedule of the learning rate is that of a run of `whole_minutes` (None: of the time until `deadline`).
        """
        left = (deadline - time.monotonic()) / 60
        control, folder = Control(), self.folder / "run"
        timer = threading.Timer(max(1.0, 60 * left), control.stop, ["the time of this call is over"])
        timer.daemon = True
        timer.start()
        try:
            if not (folder / "run.json").exists():
                preset = self.size.run_preset
                minutes = whole_minutes or max(0.05, (1 - _PART_FOR_SCORES) * left)
                settings: dict[str, Any] = {**recommended(preset), "data": self.data, "device": str(self.device)}
                config = TrainConfig(**settings, preset=preset, minutes=minutes)
                start_run(config, self.folder, folder.name, control=control)
            elif read_record(folder).status.phase != "finished":
                resume_run(folder, device=str(self.device), control=control)
        finally:
            timer.cancel()
        record = read_record(folder)
        status = record.status
        return {
            "data": self.data,
            "preset": record.config.preset,
            "precision": record.config.precision,
            "batch": record.config.batch_size,
            "parameters": record.parameters,
            "minutes": record.config.minutes,
            "phase": status.phase,
            "steps": status.step,
            "images": status.images,
            "seconds": status.seconds,
            "best_validation": status.best,
            "test": status.test,
        }


def cuda_graph(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """`function`, which must not make the host wait, as a CUDA graph for arguments of the shape of `example`.

    The result is overwritten by the next call.
    """
    argument = example.clone()
    stream = torch.cuda.Stream(example.device)
    stream.wait_stream(torch.cuda.current_stream(example.device))
    with torch.cuda.stream(stream):  # what is made at the first calls is not part of the graph
        for _ in range(3):
            function(argument)
    torch.cuda.current_stream(example.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function(argument)

    def call(values: Tensor) -> Tensor:
        argument.copy_(values)
        graph.replay()
        return result

    return call


def page(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# On a GPU", "", f"`python -m benchmarks.gpu`, {results['machine']}, {results['date']}"]

    def section(name: str, title: str, body: Callable[[dict[str, Any]], list[str]]) -> None:
        found = results.get(name)
        if found is not None:
            lines.extend(["", f"## {title}", "", *([found["error"]] if "error" in found else body(found))])

    section("tests", "Tests that need CUDA", lambda found: [found["outcome"], *found.get("failed", [])])
    section("throughput", "The engine and the plain program", _throughput_lines)
    for name in PEERS:
        section(name, f"The engine and {name}", _throughput_lines)
    section("memory", "Memory of a training step", _memory_lines)
    section("graph", "Decoding one image", _graph_lines)
    section("run", "The run", lambda found: [f"- {name}: {value}" for name, value in found.items()])
    return "\n".join(lines) + "\n"


def _throughput_lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"`{found['preset']}`, batches of {found['batch']}; {found['engine']}",
        "",
        f"| | engine | {found.get('peer', 'plain')} | ratio (quartiles) |",
        "|---|---:|---:|---:|",
    ]
    for one in found["comparisons"]:
        walls = (one["engine"]["wall"], one["plain"]["wall"])
        engine, plain = (
            f"{1000 * wall:.2f} ms" if one["what"] == DECODE else f"{one['images'] / wall:,.0f} images/s"
            for wall in walls
        )
        low, high = one["wall_ratio_quartiles"]
        lines.append(f"| {one['what']} | {engine} | {plain} | {one['wall_ratio']:.2f} ({low:.2f} to {high:.2f}) |")
    return lines


def _memory_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"`{found['preset']}`", "", "| memory | batch | peak MiB | images/s |", "|---|---:|---:|---:|"]
    for row in found["rows"]:
        fits = row["mib"] is not None
        figures = f"{row['mib']:,.0f} | {row['images_per_second']:,.0f}" if fits else "does not fit | -"
        lines.append(f"| {row['memory']} | {row['batch']} | {figures} |")
    return lines


def _graph_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"`{found['preset']}`, called as it is: {found['eager_ms']:.2f} ms"]
    if found["graph_ms"] is not None:
        lines += [f"as a CUDA graph: {found['graph_ms']:.2f} ms; largest difference {found['difference']:.1g}"]
    return lines


def _machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"


def _data_set(wanted: str | None) -> tuple[str, tuple[int, int, int]]:
    """The data set to train on, and the shape (C, H, W) of its images: `wanted`, or CIFAR-10 if that is there."""
    for name in [wanted] if wanted else ["cifar-10", "fashion-mnist"]:
        try:
            return name, load_data(name).image_shape
        except DataError as error:
            reason = error
    raise SystemExit(str(reason))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="time of this call")
    parser.add_argument("--run-minutes", type=float, help="training time of the whole run, if over several calls")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", help="name in the catalogue, or path")
    parser.add_argument("--folder", type=Path, default=Path("gpu-results"))
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    device = choose_device(options.device)
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.folder, device, *_data_set(options.data))
    for name in ("tests", "throughput", "memory", "graph"):
        bench.measure(name, getattr(bench, name))
    for name, peer in PEERS.items():
        if peer.installed:
            bench.measure(name, partial(bench.peer, name))
    bench.measure("run", lambda: bench.run(deadline, options.run_minutes), again=True)
    print(page(bench.results))


if __name__ == "__main__":
    main()
