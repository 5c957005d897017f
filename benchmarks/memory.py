"""Memory and time of a training step against the number of couplings, with and without keeping activations.

    python -m benchmarks.memory                 # peak memory of the process (or of CUDA's allocator) by depth
    python -m benchmarks.memory --unfragmented  # the same with freed memory given back at once (glibc alone)
    python -m benchmarks.memory --splines       # of spline couplings with depthwise networks, as the studio preset has
    python -m benchmarks.memory --device cuda
    python -m benchmarks.memory --presets       # what autograd keeps for each image, by preset and image size
    python -m benchmarks.memory --rounding      # errors of recomputed inputs and of gradients, by depth

Each measurement is a process of its own. The baseline is taken after a whole step on a single image, so that programs,
weights, gradients and optimizer state are not counted: what is left is what the images of a batch cost.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nvp_studio.flow.config import FlowConfig
    from nvp_studio.flow.flow import Flow

DEPTHS = (8, 16, 32, 64)
MODES = ("fast", "constant")
PRESETS = ("paper", "studio", "quick")
SHAPES = ((1, 28, 28), (3, 32, 32), (3, 64, 64))
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step")
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--unfragmented", action="store_true", help="give freed memory back at once; slower")
    parser.add_argument("--splines", action="store_true", help="spline couplings instead of affine ones, by depth")
    parser.add_argument("--presets", action="store_true", help="count saved tensors instead of measuring")
    parser.add_argument("--rounding", action="store_true", help="compare with float64 instead of measuring")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(json.loads(options.one))))
    elif options.presets:
        _print_presets()
    elif options.rounding:
        _print_rounding()
    else:
        _print_depths(options)


def _print_depths(options: argparse.Namespace) -> None:
    """The table of peak memory and time by depth."""
    rows: list[list[str]] = []
    where = ""
    for depth in DEPTHS:
        fast, constant = (
            _in_fresh_process(
                {
                    "kind": "step",
                    "depth": depth,
                    "memory": mode,
                    "device": options.device,
                    "batch": options.batch_size,
                    "steps": options.steps,
                    "splines": options.splines,
                },
                {"MALLOC_MMAP_THRESHOLD_": "131072"} if options.unfragmented else {},
            )
            for mode in MODES
        )
        where = fast["where"]
        rows.append(
            [
                str(depth),
                *(f"{one['bytes'] / MIB:.0f}" for one in (fast, constant)),
                f"{fast['bytes'] / constant['bytes']:.1f}",
                *(f"{one['seconds']:.2f}" for one in (fast, constant)),
                f"{constant['seconds'] / fast['seconds']:.2f}",
            ]
        )
    clock = "s" if options.device.startswith("cuda") else "processor s"
    print(f"{where}; batches of {options.batch_size} images of 32x32x3; {date.today()}\n")
    _print_table(
        ["couplings", "fast, MiB", "constant, MiB", "ratio", f"fast, {clock}", f"constant, {clock}", "time ratio"], rows
    )


def _print_presets() -> None:
    """The table of bytes that autograd keeps for each image."""
    rows: list[list[str]] = []
    for preset in PRESETS:
        for shape in SHAPES:
            fast, constant = (
                _in_fresh_process({"kind": "saved", "preset": preset, "shape": shape, "memory": mode}) for mode in MODES
            )
            channels, height, width = shape
            rows.append(
                [
                    f"`{preset}`",
                    f"{height}x{width}x{channels}",
                    str(fast["couplings"]),
                    f"{fast['peak'] / MIB:.2f}",
                    f"{constant['peak'] / MIB:.2f}",
                    f"{constant['between'] / MIB:.3f}",
                    f"{fast['peak'] / constant['peak']:.0f}",
                ]
            )
    print(f"counted on the CPU, torch {_torch_version()}; {date.today()}\n")
    _print_table(
        [
            "preset",
            "images",
            "couplings",
            "fast, MiB/image",
            "constant, MiB/image",
            "of it between the passes",
            "ratio",
        ],
        rows,
    )


def _print_rounding() -> None:
    """The table of errors by depth."""
    rows: list[list[str]] = []
    for depth in (*DEPTHS, 128):
        found = _in_fresh_process({"kind": "rounding", "depth": depth})
        figures = (found["input"], found["fast"], found["constant"])
        rows.append([str(depth), *(f"{figure:.0e}" for figure in figures), str(found["again"])])
    print(f"{_processor()}; {date.today()}\n")
    _print_table(["couplings", "input", "gradient, fast", "gradient, constant", "scales walked again, of 2"], rows)


def _one(what: dict[str, Any]) -> dict[str, Any]:
    """One measurement, in this process."""
    if what["kind"] == "saved":
        return _saved(what["preset"], tuple(what["shape"]), what["memory"])
    if what["kind"] == "rounding":
        return _rounding(what["depth"])
    return _step(**{key: value for key, value in what.items() if key != "kind"})


def _step(depth: int, memory: str, device: str, batch: int, steps: int, splines: bool) -> dict[str, Any]:
    """Peak bytes above the baseline, and the median time, of training steps."""
    import torch

    from nvp_studio.flow.flow import Flow
    from nvp_studio.training.config import TrainConfig
    from nvp_studio.training.train_state import TrainState

    torch.set_num_threads(1)
    torch.manual_seed(0)
    cuda = device.startswith("cuda")
    flow = Flow(_config_of(depth, splines=splines)).to(device)
    x = torch.rand(batch, *flow.config.image_shape, device=device)
    flow.initialize(x[:1])
    state = TrainState(flow, TrainConfig(steps=steps, memory=memory))  # type: ignore[arg-type] # comes as JSON

    def take_step(images: torch.Tensor) -> float:
        began = time.perf_counter() if cuda else time.process_time()
        state.flow.zero_grad(set_to_none=True)
        (-flow(images).mean() / flow.config.dimensions).backward()  # type: ignore[no-untyped-call]
        state.update(1e-4)
        if cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() if cuda else time.process_time()) - began

    take_step(x[:1])
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    baseline = torch.cuda.memory_allocated() if cuda else _peak_of_process()
    take_step(x)
    seconds = statistics.median(take_step(x) for _ in range(steps))
    peak = torch.cuda.max_memory_allocated() if cuda else _peak_of_process()
    where = f"{torch.cuda.get_device_name()}, torch {torch.__version__}" if cuda else f"{_processor()}, one thread"
    return {"bytes": peak - baseline, "seconds": seconds, "where": where}


def _saved(preset: str, shape: tuple[int, int, int], memory: str) -> dict[str, Any]:
    """Bytes of activations that autograd keeps for each image.

    All are differences between batches of two images and of one, so that what does not belong to images drops out.
    `between` is kept between the passes; in constant memory, `peak` adds the largest layer of the backward pass.
    """
    from nvp_studio.flow.config import preset_config
    from nvp_studio.flow.coupling import Coupling
    from nvp_studio.flow.engine.acceleration import accelerate
    from nvp_studio.flow.flow import Flow

    flow = accelerate(Flow(preset_config(preset, shape)).train(), memory)  # type: ignore[arg-type] # comes as JSON
    one, two = (_kept_between(flow, count) for count in (1, 2))
    between = peak = two - one
    if memory == "constant":
        peak += max(two - one for one, two in zip(_kept_by_layers(flow, 1), _kept_by_layers(flow, 2), strict=True))
    couplings = sum(isinstance(part, Coupling) for part in flow.modules())
    return {"between": between, "peak": peak, "couplings": couplings}


def _rounding(depth: int) -> dict[str, Any]:
    """Errors in float32 after 30 training steps on random images.

    `input` is the largest error of a recomputed input of a scale, in units of its largest value or 1; `fast` and
    `constant` the relative error of the whole gradient against float64; `again` how many scales were walked again.
    """
    import copy

    import torch

    from nvp_studio.flow.bijection import Chain
    from nvp_studio.flow.engine.acceleration import accelerate
    from nvp_studio.flow.flow import Flow
    from nvp_studio.training.config import TrainConfig
    from nvp_studio.training.train_state import TrainState

    torch.set_num_threads(1)
    torch.manual_seed(0)
    flow = Flow(_config_of(depth))
    flow.initialize(torch.rand(8, *flow.config.image_shape))
    state = TrainState(flow, TrainConfig(steps=30))
    for _ in range(30):
        state.flow.zero_grad(set_to_none=True)
        (-flow(torch.rand(8, *flow.config.image_shape)).mean() / flow.config.dimensions).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        state.update(1e-3)
    x = torch.rand(8, *flow.config.image_shape)
    inputs: list[float] = []

    def compare(chain: torch.nn.Module, given: tuple[torch.Tensor], outputs: tuple[torch.Tensor, torch.Tensor]) -> None:
        assert isinstance(chain, Chain)
        error = (chain.inverse(outputs[0]) - given[0]).abs().amax() / given[0].abs().amax().clamp(min=1)
        inputs.append(error.item())

    handles = [part.register_forward_hook(compare) for part in flow.modules() if isinstance(part, Chain)]
    with torch.no_grad():
        flow(x)
    for handle in handles:
        handle.remove()

    def gradient(of: Flow, images: torch.Tensor) -> torch.Tensor:
        of.zero_grad(set_to_none=True)
        of(images).mean().backward()
        return torch.cat([parameter.grad.double().flatten() for parameter in of.parameters()])

    expected = gradient(copy.deepcopy(flow).double(), x.double())
    errors: dict[str, float] = {}
    for mode in MODES:
        accelerate(flow, mode)
        errors[mode] = (torch.linalg.vector_norm(gradient(flow, x) - expected) / expected.norm()).item()
    again = sum(not error <= torch.finfo(torch.float32).eps ** 0.5 for error in inputs)
    return {"input": max(inputs), **errors, "again": again}


def _kept_between(flow: "Flow", count: int) -> int:
    """Bytes kept for the backward pass of a whole step with `count` images."""
    import torch

    from benchmarks.saved_tensors import saved_tensors

    with saved_tensors(apart=flow.parameters()) as saved:
        loss = flow(torch.rand(count, *flow.config.image_shape)).mean()
    assert loss.requires_grad
    return saved.bytes


def _kept_by_layers(flow: "Flow", count: int) -> list[int]:
    """Bytes kept for the backward pass of each layer alone, first to last."""
    import torch
    from torch import nn

    from benchmarks.saved_tensors import saved_tensors
    from nvp_studio.flow.bijection import Chain

    found: list[int] = []

    def count_of(layer: nn.Module, inputs: tuple[torch.Tensor], outputs: object) -> None:
        handle = handles.pop(layer)
        handle.remove()
        with torch.enable_grad(), saved_tensors(apart=flow.parameters()) as saved:
            kept = layer(inputs[0].detach().requires_grad_())
        found.append(saved.bytes)
        del kept

    layers = [layer for chain in flow.modules() if isinstance(chain, Chain) for layer in chain.layers]
    handles = {layer: layer.register_forward_hook(count_of) for layer in layers}
    with torch.no_grad():
        flow(torch.rand(count, *flow.config.image_shape))
    return found


def _config_of(depth: int, *, splines: bool = False) -> "FlowConfig":
    """Two scales with `depth` couplings in all: a quarter checkerboard, a quarter channel-wise, half at the end."""
    import msgspec

    from nvp_studio.flow.config import FlowConfig

    config = FlowConfig(
        image_shape=(3, 32, 32),
        scales=2,
        checkerboard_couplings=depth // 4,
        channel_couplings=depth // 4,
        final_couplings=depth // 2,
        blocks=1,
        width=32,
        doubling=False,
        mixing="conv1x1",
    )
    if not splines:
        return config
    return msgspec.structs.replace(config, law="spline", pieces=6, network="depthwise", width=48)


def _in_fresh_process(what: dict[str, Any], settings: dict[str, str] | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.memory", "--one", json.dumps(what)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | (settings or {})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _peak_of_process() -> int:
    """Most bytes of memory that this process held at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _processor() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {_torch_version()}"


def _torch_version() -> str:
    from importlib.metadata import version

    return version("torch")


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("|" + "---:|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
